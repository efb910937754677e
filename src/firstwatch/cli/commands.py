"""All commands, and what the parser of the command line does with them."""

from typing import Annotated

import typer

from firstwatch.cli import (
    agent,
    alarms,
    alert,
    algorithms,
    backtest,
    baseline,
    calibrate,
    candles,
    compare,
    crossvalidate,
    demo,
    doctor,
    engine,
    events,
    export,
    jobs,
    mcp,
    optimise,
    prune,
    report,
    runs,
    usefulness,
    wallets,
    watchdog,
)
from firstwatch.cli.output import say
from firstwatch.cli.screen import open_screen

app = typer.Typer(
    name="firstwatch",
    help="Run trading algorithms live from a terminal, and see early whether they behave as backtested.",
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(algorithms.app, name="algorithm")
app.add_typer(wallets.app, name="wallet")
app.add_typer(runs.app, name="run")
app.add_typer(engine.app, name="engine")
app.add_typer(candles.app, name="candles")
app.add_typer(alert.app, name="alert")
app.add_typer(baseline.app, name="baseline")
app.add_typer(jobs.app, name="job")
app.add_typer(agent.app, name="agent")
app.add_typer(mcp.app, name="mcp")
app.command("backtest")(backtest.backtest)
app.command("compare")(compare.compare)
app.command("crossvalidate")(crossvalidate.crossvalidate)
app.command("usefulness")(usefulness.usefulness)
app.command("calibrate")(calibrate.calibrate)
app.command("optimise")(optimise.optimise)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("demo")(demo.demo)
app.command("status")(engine.status)
app.command("events")(events.events)
app.command("alarms")(alarms.alarms)
app.command("doctor")(doctor.doctor)
app.command("watchdog")(watchdog.watchdog)
app.command("prune")(prune.prune)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from firstwatch import __version__

        say(f"firstwatch {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def screen(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Only look: the screen changes nothing and holds no engine.")
    ] = False,
) -> None:
    """Open the screen on this data folder; it holds the engine unless another process does."""
    if context.invoked_subcommand is None:
        raise typer.Exit(open_screen(is_read_only=read_only))
