"""The equity of active runs over their last 24 hours: a point an hour, read as it grows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from firstwatch.store.database import Session
from firstwatch.store.equity import hourly_equity

_HOUR_MS = 3_600_000
_HOURS = 24


@dataclass(slots=True)
class _Day:
    """One run's last equity of each hour, by hours since the epoch."""

    bar_ms: int | None = None
    """The bar up to which it is read."""
    hours: dict[int, float] = field(default_factory=dict)
    shown: tuple[float, ...] = ()


class DayEquity:
    """Reads the equity points written since the last reading. Used by one thread."""

    def __init__(self) -> None:
        self._days: dict[str, _Day] = {}

    def read(self, session: Session, bars_ms: Mapping[str, int]) -> dict[str, tuple[float, ...]]:
        """Return the curves of runs; ``bars_ms``: the open time of each one's last bar."""
        self._days = {run_id: self._days.get(run_id) or _Day() for run_id in bars_ms}
        # The venues' clocks may be months apart: one query for those that are read from about one time on.
        moved: dict[int, list[str]] = {}
        for run_id, day in self._days.items():
            if day.bar_ms != bars_ms[run_id]:
                known_ms = bars_ms[run_id] - _HOURS * _HOUR_MS if day.bar_ms is None else day.bar_ms
                moved.setdefault(known_ms // _HOUR_MS, []).append(run_id)
        for hour, run_ids in moved.items():
            # From the begin of the hour on: a recovery may have replaced its last point.
            for run_id, time_ms, equity in hourly_equity(session, run_ids, after_ms=hour * _HOUR_MS - 1):
                self._days[run_id].hours[time_ms // _HOUR_MS] = equity
            for run_id in run_ids:
                self._finish(self._days[run_id], bars_ms[run_id])
        return {run_id: day.shown for run_id, day in self._days.items()}

    def _finish(self, day: _Day, bar_ms: int) -> None:
        day.bar_ms = bar_ms
        newest = bar_ms // _HOUR_MS
        day.hours = {hour: value for hour, value in day.hours.items() if newest - _HOURS < hour <= newest}
        day.shown = tuple(day.hours[hour] for hour in sorted(day.hours))
