"""``firstwatch backtest``: an algorithm on a candle file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.backtest_options import AlgorithmFile, BacktestOptions, read_input, with_backtest_options
from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json, say_table, say_to_stderr
from firstwatch.cli.review_text import say_review
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.text import counted

if TYPE_CHECKING:
    from firstwatch.backtest.inputs import BacktestInput
    from firstwatch.backtest.simulate import BacktestResult


@with_backtest_options(AlgorithmFile)
def backtest(
    options: BacktestOptions,
    save: Annotated[
        bool, typer.Option("--save", help="Store the algorithm's version and this backtest as its baseline.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what the algorithm would have done on these candles."""
    from firstwatch.backtest.result_json import to_json
    from firstwatch.trading.clock import iso

    given = read_input(options)
    result = given.simulate()
    if save:
        from firstwatch.cli.folder import open_folder
        from firstwatch.market.packed import History
        from firstwatch.trading.clock import SystemClock
        from firstwatch.watch.baseline import save_baseline

        with open_folder() as (configured, store):
            saved = save_baseline(
                store,
                configured.home,
                given.spec,
                result,
                History(given.file.candles, given.funding),
                market=given.market,
                costs=given.costs,
                settings=given.settings,
                now_ms=SystemClock().now_ms(),
            )
        say_to_stderr(f"saved as the baseline of {saved.version.label} on {given.market.symbol}")
    else:
        _count_as_tried(given, result)
    for hole in given.file.holes:
        say_to_stderr(f"{options.candles}: {hole}")
    document = to_json(result, given.review(result), given.settings_document(result) if as_json else {})
    if as_json:
        say_json(document)
        return
    say_metrics(document)
    say("")
    say_review(document)
    say(f"{counted(result.bars, 'bar')} in {result.seconds:.3f} s")
    for note in result.notes:
        since = "" if note.first_ms is None else f" (first at {iso(note.first_ms)})"
        say(f"note: {note.sentence}{since}")


def _count_as_tried(given: "BacktestInput", result: "BacktestResult") -> None:
    """Enter the algorithm in the ledger of what was tried, if there is a data folder: its money is shown."""
    from firstwatch.settings import load_settings
    from firstwatch.store.files import STORE_FILE

    if not (load_settings().home / STORE_FILE).exists():
        return
    from firstwatch.backtest.baseline import costs_json
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.studies import Data, record_tried
    from firstwatch.trading.clock import SystemClock
    from firstwatch.trading.trials import TrialOrigin

    end_ms = int(result.time_ms[-1]) + given.spec.timeframe.ms
    data = Data(given.symbol, given.spec.timeframe, int(result.time_ms[0]), end_ms)
    try:
        with open_folder() as (_, store), store.write() as session:
            record_tried(
                session,
                TrialOrigin.PREVIEW,
                [given.spec.sha256()],
                data,
                costs_json=costs_json(given.costs),
                now_ms=SystemClock().now_ms(),
            )
    except FirstwatchError as error:
        say_to_stderr(f"not counted among what was tried on this market: {error}")


def say_metrics(document: Mapping[str, Any]) -> None:
    """Print ``metrics`` of a backtest's or a run's JSON, each with its entry in ``about_metrics``."""
    about = document["about_metrics"]
    rows = ((name, figure(value), about.get(name)) for name, value in document["metrics"].items())
    say_table(("METRIC", "VALUE", ""), rows)


def figure(value: object) -> str | None:
    """Return a metric for a person: few digits, exit reasons in one line; None stays None."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or None
    if isinstance(value, float):
        return f"{value:,.4f}"
    return None if value is None else str(value)
