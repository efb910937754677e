"""The first watch of runs as views."""

from collections.abc import Iterable, Mapping

from firstwatch.manager.views import WatchView
from firstwatch.store import watch
from firstwatch.store.database import Session
from firstwatch.trading.errors import DamagedRowError
from firstwatch.watch.run_tuning import hints_of_run


def watch_views(
    session: Session,
    marks: Iterable[watch.ReportMark],
    known: Mapping[watch.ReportMark, WatchView],
    *,
    damaged: dict[str, str],
) -> dict[watch.ReportMark, WatchView]:
    """Return the reports of these marks; only those that are not known are read."""
    views: dict[watch.ReportMark, WatchView] = {}
    for mark in marks:
        try:
            views[mark] = known.get(mark) or _view(session, mark)
        except DamagedRowError as error:
            damaged[mark.run_id] = str(error)
    return views


def _view(session: Session, mark: watch.ReportMark) -> WatchView:
    report = watch.report_of(session, mark)
    return WatchView(report, mark.made_at_ms, hints_of_run(session, report))
