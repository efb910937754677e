"""The command line: the composition root. Each command imports what it needs when it is called.

In reading order: ``guard`` (around every command), ``output``, ``folder``, ``files``, ``secrets``, ``names``
and ``waiting`` (shared parts), then one module per command: ``algorithms``, ``wallets`` and ``live_wallets``,
``runs`` with ``launch_options`` and ``run_json``, ``backtest`` and ``calibrate`` with ``backtest_options``,
``baseline``, ``candles``, ``report`` with ``report_text`` and ``report_html``, ``engine``, ``doctor`` with
``canary``, ``prune``, ``demo``.

Imports every other package; none imports this one. A heavy library (Textual, SQLModel, ccxt) is imported in
the command that needs it, so that start-up stays fast.

1. Every command takes ``--json``. Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by a check.
2. Every failure is one sentence; a traceback goes to ``commands.log`` in the data folder.
3. A secret comes from a descriptor, a file that the environment names, or a hidden prompt; never from an
   argument.
4. What needs an engine goes through the manager, which starts one, says where it is, and writes a command
   only where one accepts it: the screen, ``demo``, ``engine``, ``status``, and every ``run`` command that
   starts or changes a run. Everything else works without an engine and opens the store itself: ``run
   list``, ``show`` and ``follow``, ``report``, ``algorithm``, ``backtest``, ``calibrate``, ``baseline``,
   ``candles``, ``doctor``, ``prune``, and ``wallet``, which does its work by ``wallets.custody`` as the
   manager does for the screen.
"""

import gc
import sys
from typing import Annotated

import typer

from firstwatch.cli import (
    algorithms,
    backtest,
    baseline,
    calibrate,
    candles,
    demo,
    doctor,
    engine,
    prune,
    report,
    runs,
    wallets,
)
from firstwatch.cli.guard import run_guarded
from firstwatch.cli.output import say

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
app.add_typer(baseline.app, name="baseline")
app.command("backtest")(backtest.backtest)
app.command("calibrate")(calibrate.calibrate)
app.command("report")(report.report)
app.command("demo")(demo.demo)
app.command("status")(engine.status)
app.command("doctor")(doctor.doctor)
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
) -> None:
    """Open the screen on this data folder; it holds the engine unless another process does."""
    if context.invoked_subcommand is None:
        # Start-up makes no garbage, and collecting would take a seventh of the time until the first paint.
        # The screen enables it again after that.
        gc.disable()
        from firstwatch.settings import load_settings
        from firstwatch.tui.app import run_screen

        raise typer.Exit(run_screen(load_settings()))


def main() -> None:
    """Run the command line; a failure is a sentence and an exit code, never a traceback."""
    sys.exit(run_guarded(lambda: app(standalone_mode=False)))
