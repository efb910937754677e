"""``firstwatch baseline``: make the baseline of a launch, and list those that are saved."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, progress_bar, say, say_json, say_table, say_to_stderr
from firstwatch.trading.errors import RefusedError

if TYPE_CHECKING:
    from firstwatch.store.algorithms import AlgorithmVersion
    from firstwatch.store.backtests import Backtest

app = typer.Typer(help="Make and list baselines: what runs are compared with.", no_args_is_help=True)


@app.command()
def make(
    algorithm: Annotated[str, typer.Argument(metavar="NAME[@VERSION]")],
    wallet: Annotated[str, typer.Option(help="The run wallet; its venue gives the market.")],
    symbol: Annotated[str, typer.Option(help="Unified symbol, such as BTC/USDC:USDC.")],
    capital: Annotated[str, typer.Option(metavar="QUOTE", help="Where run equity starts.")],
    candles: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="venue: what the venue gives and the archive has of it; archive:SYMBOL@TIMEFRAME; a file.",
        ),
    ] = "venue",
    days: Annotated[int, typer.Option(min=1, max=36_500, metavar="N", help="The last so many days.")] = 184,
    funding: Annotated[Path | None, typer.Option(metavar="FILE", help="Funding rates.")] = None,
    slippage_bps: Annotated[str, typer.Option(metavar="BPS", help="Assumed of each taker fill.")] = "2",
    leverage: Annotated[str, typer.Option(metavar="X")] = "1",
    trades_limit: Annotated[int | None, typer.Option(min=1, metavar="N")] = None,
    assume_position_now: Annotated[bool, typer.Option("--assume-position-now")] = False,
    close_position_on_exit: Annotated[
        bool, typer.Option("--close-position-on-exit/--no-close-position-on-exit")
    ] = True,
    session: Annotated[Path | None, typer.Option(metavar="FILE", help="Session calendar (TOML).")] = None,
    reset: Annotated[Path | None, typer.Option(metavar="FILE", help="Reset and follow-up chain.")] = None,
    guards: Annotated[Path | None, typer.Option(metavar="FILE", help="Guards (TOML).")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Backtest a version with a launch's settings on its market; one that is saved already is used again."""
    from firstwatch.cli.backtest_options import basis_points
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.launch_options import LaunchOptions
    from firstwatch.engine.jobs.baseline import request_of
    from firstwatch.engine.jobs.process import run_job_here
    from firstwatch.store.algorithms import version_by_id
    from firstwatch.store.backtests import get_backtest
    from firstwatch.trading.jobs import JobKind
    from firstwatch.trading.launch import OnDiverged

    options = LaunchOptions(
        algorithm=algorithm,
        wallet=wallet,
        symbol=symbol,
        capital=capital,
        leverage=leverage,
        trades_limit=trades_limit,
        assume_position_now=assume_position_now,
        close_position_on_exit=close_position_on_exit,
        session=session,
        reset=reset,
        guards=guards,
        on_diverged=OnDiverged.NOTHING,
        accepted_warnings=None,
        without_stop_reason=None,
        skip_protection_proof=None,
        parent=None,
    )
    slippage = basis_points(slippage_bps, "--slippage-bps")
    with open_folder() as (settings, store), store.read() as reading:
        launch = options.settings(reading)
    request = request_of(launch=launch, candles=candles, funding=funding, days=days, slippage_bps=slippage)
    with progress_bar() as show:
        title = f"{launch.name} on {launch.symbol}"
        found = run_job_here(settings, JobKind.BASELINE, title, request, show=show)
    for hole in found.result["holes"]:
        say_to_stderr(f"{candles}: {hole}")
    if as_json:
        with open_folder() as (_, store), store.read() as reading:
            backtest = get_backtest(reading, found.result["baseline"])
            version = version_by_id(reading, backtest.version_id)
        say_json(_document(version, backtest, "") | {"is_new": found.result["is_new"]})
    else:
        say(found.sentence)


@app.command("list")
def list_(
    algorithm: Annotated[str | None, typer.Argument(metavar="NAME")] = None, as_json: JsonFlag = False
) -> None:
    """List the saved baselines, newest first, and say which are stale."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.algorithms import list_versions
    from firstwatch.store.backtests import list_backtests
    from firstwatch.trading.clock import SystemClock
    from firstwatch.watch.baseline import stale_because

    now_ms = SystemClock().now_ms()
    with open_folder() as (settings, store), store.read() as reading:
        found = [
            (version, each)
            for version in list_versions(reading, algorithm)
            for each in list_backtests(reading, version.id)
        ]
    found.sort(key=lambda pair: pair[1].id, reverse=True)
    documents = [
        _document(version, each, stale_because(each, settings.home, now_ms=now_ms)) for version, each in found
    ]
    if as_json:
        say_json(documents)
    elif documents:
        names = ("baseline", "algorithm", "symbol", "from", "to", "days", "trades", "made_at", "stale")
        say_table([name.upper() for name in names], ([d[name] for name in names] for d in documents))
    else:
        say("No baselines yet. Make one with: firstwatch baseline make, or firstwatch backtest --save.")


@app.command()
def cancel(as_json: JsonFlag = False) -> None:
    """Cancel the baselines that are being made in this data folder."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.engine.jobs.locks import held_jobs
    from firstwatch.engine.jobs.looking import cancel_job
    from firstwatch.store.jobs import open_jobs
    from firstwatch.trading.jobs import JobKind

    with open_folder() as (settings, store):
        held = held_jobs(settings.home)
        with store.read() as session:
            found = [job for job in open_jobs(session) if job.kind is JobKind.BASELINE and job.id in held]
        if not found:
            raise RefusedError("No baseline is being made.")
        for job in found:
            cancel_job(store, settings.home, job.id)
    Output(as_json).result({"cancelled": True}, "the baseline is cancelled")


def _document(version: "AlgorithmVersion", found: "Backtest", stale: str) -> dict[str, Any]:
    from firstwatch.trading.clock import iso

    metrics = found.metrics
    return {
        "baseline": found.id,
        "algorithm": version.label,
        "symbol": found.symbol,
        "timeframe": found.timeframe.value,
        "from": iso(found.start_ms),
        "to": iso(found.end_ms),
        "days": round((found.end_ms - found.start_ms) / 86_400_000, 1),
        "bars": found.bars,
        "trades": metrics.get("total_trades"),
        "sharpe": metrics.get("sharpe"),
        "max_drawdown": metrics.get("max_drawdown"),
        "candles": found.candles or None,
        "core_version": found.core_version,
        "made_at": iso(found.created_at_ms),
        "stale": stale or None,
    }
