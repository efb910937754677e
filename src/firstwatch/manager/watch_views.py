"""The first watch of runs as views."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from firstwatch.manager.views import WatchSummary, WatchView
from firstwatch.store import watch
from firstwatch.store.database import Session
from firstwatch.trading.errors import DamagedRowError
from firstwatch.watch.run_tuning import hints_of_run

_V = TypeVar("_V")


def watch_views(
    session: Session,
    marks: Iterable[watch.ReportMark],
    known: Mapping[watch.ReportMark, WatchView],
    *,
    damaged: dict[str, str],
) -> dict[watch.ReportMark, WatchView]:
    """Return the reports of these marks; only those that are not known are read."""
    return _renewed(session, marks, known, _view, damaged)


def watch_summaries(
    session: Session,
    marks: Iterable[watch.ReportMark],
    known: Mapping[watch.ReportMark, WatchSummary],
    *,
    damaged: dict[str, str],
) -> dict[watch.ReportMark, WatchSummary]:
    """Return what lists show of the reports of these marks; only those that are not known are read."""
    return _renewed(session, marks, known, _summary, damaged)


def _renewed(
    session: Session,
    marks: Iterable[watch.ReportMark],
    known: Mapping[watch.ReportMark, _V],
    view: Callable[[Session, watch.ReportMark], _V],
    damaged: dict[str, str],
) -> dict[watch.ReportMark, _V]:
    views: dict[watch.ReportMark, _V] = {}
    for mark in marks:
        try:
            views[mark] = known.get(mark) or view(session, mark)
        except DamagedRowError as error:
            damaged[mark.run_id] = str(error)
    return views


def _view(session: Session, mark: watch.ReportMark) -> WatchView:
    report = watch.report_of(session, mark)
    return WatchView(report, mark.made_at_ms, hints_of_run(session, report))


def _summary(session: Session, mark: watch.ReportMark) -> WatchSummary:
    report = watch.report_of(session, mark)
    return WatchSummary(
        report.day, report.hours, report.verdict, report.failing, is_calibrated=report.locked is not None
    )
