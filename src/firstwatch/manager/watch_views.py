"""The first watch of runs as views."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from firstwatch.manager.views import WatchSummary, WatchView
from firstwatch.store import watch
from firstwatch.store.database import Session
from firstwatch.trading.errors import DamagedRowError
from firstwatch.watch.run_tuning import hints_of_run

_V = TypeVar("_V")


def of_reports(
    view: Callable[[Session, watch.ReportMark], _V],
    session: Session,
    marks: Iterable[watch.ReportMark],
    known: Mapping[watch.ReportMark, _V],
    *,
    damaged: dict[str, str],
) -> dict[watch.ReportMark, _V]:
    """Return a view of the report of each mark; only those that are not known are read."""
    views: dict[watch.ReportMark, _V] = {}
    for mark in marks:
        try:
            views[mark] = known.get(mark) or view(session, mark)
        except DamagedRowError as error:
            damaged[mark.run_id] = str(error)
    return views


def watch_view(session: Session, mark: watch.ReportMark) -> WatchView:
    """Return a report with what to adjust."""
    report = watch.report_of(session, mark)
    return WatchView(report, mark.made_at_ms, hints_of_run(session, report))


def watch_summary(session: Session, mark: watch.ReportMark) -> WatchSummary:
    """Return what a list shows of a report."""
    report = watch.report_of(session, mark)
    return WatchSummary(
        report.day, report.hours, report.verdict, report.failing, is_calibrated=report.locked is not None
    )
