"""Age of the last message of each of a run's streams, and which streams are late."""

from collections.abc import Sequence
from math import isfinite

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.trading.text import clean
from firstwatch.tui import formats

_BARS_LATE = 2
"""A stream of bars is late after so many bars without a message."""
_LATE_MS = 60_000
"""Age at which a mark is late, and bars where timeframe or market speed give no limit."""
_NEVER_LATE_MS = 5_000
"""Bars younger than this are never late: in a fast replay two bars pass before the screen reads them."""
_MOST = 4


def _overdue(run: RunView, now_ms: int) -> list[tuple[float, str, int]]:
    """Return how overdue each stream is (above 1: late), its name and its age in ms.

    The account's stream sends only when something happens, so it is never late.
    """
    found: list[tuple[float, str, int]] = []
    for name, seen_ms in run.streams.items():
        age_ms = max(0, now_ms - seen_ms)
        if name == "bars" and run.timeframe is not None and isfinite(run.market_speed):
            late_ms = max(_BARS_LATE * run.timeframe.ms / run.market_speed, _NEVER_LATE_MS)
            found.append((age_ms / late_ms, name, age_ms))
        elif name in ("bars", "mark"):
            found.append((age_ms / _LATE_MS, name, age_ms))
    return found


def worst_stream(run: RunView, now_ms: int) -> tuple[str, int, bool] | None:
    """Return the run's most overdue stream, its age in ms and whether it is late; None: none is known."""
    found = _overdue(run, now_ms)
    if not found:
        return None
    share, name, age_ms = max(found)
    return name, age_ms, share > 1


def late_lines(snapshot: ManagerSnapshot, now_ms: int) -> Sequence[str]:
    """Return a line for each stream of an active run that is late, the most overdue first."""
    late = sorted(
        (
            (share, run, name, age_ms)
            for run in snapshot.active
            for share, name, age_ms in _overdue(run, now_ms)
            if share > 1
        ),
        key=lambda each: -each[0],
    )
    lines = [
        f"{clean(name)} of {snapshot.short_id(run.run_id)} on {run.wallet}: nothing for {formats.age(age_ms)}"
        for _, run, name, age_ms in late[:_MOST]
    ]
    return [*lines, f"and {len(late) - _MOST} more"] if len(late) > _MOST else lines
