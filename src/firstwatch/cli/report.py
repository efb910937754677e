"""``firstwatch report``: what the first watch says of a run."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json
from firstwatch.trading.errors import RefusedError, WrongUseError
from firstwatch.trading.runs import RunState

if TYPE_CHECKING:
    from firstwatch.store.database import Session
    from firstwatch.store.runs import Run
    from firstwatch.trading.watch import WatchReport


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")],
    day: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Day of the watch; without it the newest.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as one page to this file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show whether a run does what its backtest promised: verdict, checks and their evidence."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.report_text import report_lines
    from firstwatch.store.runs import get_run
    from firstwatch.store.watch import reports_of
    from firstwatch.watch.run_tuning import hints_of_run, signs_of_run, whole_days
    from firstwatch.watch.tuning import LEAST_DAYS

    with open_folder() as (_, store), store.read() as reading:
        known = get_run(reading, run)
        reports = reports_of(reading, known.id)
        if not reports:
            raise RefusedError(_why_none(reading, known))
        chosen = _of_day(reports, day)
        last = whole_days(chosen)
        hints = hints_of_run(reading, chosen)
        signs = () if last < LEAST_DAYS else signs_of_run(reading, known, first=1, last=last)
    advice = list(dict.fromkeys([*hints.values(), *(sign.hint for sign in signs if sign.hint)]))
    if html is not None:
        from firstwatch.cli.report_html import report_page
        from firstwatch.manager.export_files import whole_file

        with whole_file(html) as file:
            file.write(report_page(chosen, advice, signs).encode())
    if as_json:
        say_json(chosen.model_dump(mode="json"))
    elif html is not None:
        say(f"{html} has the report of day {chosen.day}: {chosen.verdict}.")
    else:
        say(_in_reach("\n".join(report_lines(chosen, advice, signs))))


def _of_day(reports: "list[WatchReport]", day: int | None) -> "WatchReport":
    if day is None:
        return reports[-1]
    found = next((each for each in reports if each.day == day), None)
    if found is None:
        last = reports[-1].day
        known = "only day 1" if last == 1 else f"days {reports[0].day} to {last}"
        raise WrongUseError(f"Run {reports[-1].run} has no watch of day {day}: it has {known}.")
    return found


def _why_none(session: "Session", run: "Run") -> str:
    """Return why a run has no report, and what to do."""
    from firstwatch.store.algorithms import version_by_id
    from firstwatch.store.backtests import latest_backtest

    if run.state in (RunState.NEW, RunState.CANCELLED):
        return f"Run {run.id} has no watch: it has not begun (it is {run.state})."
    if latest_backtest(session, run.version_id, run.settings.symbol) is None:
        label = version_by_id(session, run.version_id).label
        return (
            f"Run {run.id} has no watch: {label} has no baseline on {run.settings.symbol}. Make one before "
            "the next start, with: firstwatch backtest FILE --candles FILE --save."
        )
    if run.state.is_final:
        return f"Run {run.id} has no watch: it ended ({run.state}) before the first look."
    return (
        f"Run {run.id} has no report yet: the watch looks for the first time after a tenth of the day. It "
        "runs with the engine; `firstwatch status` says whether one does."
    )


def _in_reach(text: str) -> str:
    """Return the text in characters that the output can encode: ASCII unless it is UTF-8."""
    if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8":
        return text
    from firstwatch.tui.formats import ASCII_GLYPHS

    return text.translate(ASCII_GLYPHS)
