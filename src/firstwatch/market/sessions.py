"""Session calendar policy (rule 25 of ``firstwatch.strategy``): weekly windows, or the hours of an exchange.

The hours of an exchange are those stored with the settings. Before and after the time in which they are known
there is no trading time, inside of them or outside. A break within a day is a pause like any other.

Weekly windows are in a named time zone.
The wall clock decides: a moment is inside a window when the clock of the zone shows a time in it. So a
window in the hour that a spring night skips does not exist in that night, and one in the hour that an
autumn night repeats occurs twice.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.exchange_hours import read_hours
from firstwatch.trading.clock import iso
from firstwatch.trading.exchange_hours import ExchangeHours
from firstwatch.trading.launch import SessionPolicy, SessionSettings, SessionWindow, Weekday
from firstwatch.trading.timeframe import Timeframe

_MINUTE_MS = 60_000
_DAY_MS = 1440 * _MINUTE_MS
_WEEK_MS = 7 * _DAY_MS
_FIRST_MONDAY_MS = 4 * _DAY_MS
"""1970-01-05, the first Monday of the epoch."""
_AHEAD_MS = 3 * _DAY_MS
"""How far a decision looks ahead: the longest lead and the longest bar, a day each, and one to spare."""
_KEPT_MS = 26 * _WEEK_MS
_NEVER_MS = 2**62
_REFERENCE_MS = 1_704_067_200_000
"""Start of 2024, the year in which a timeframe is checked against the windows."""


class SessionFlags(NamedTuple):
    """The calendar's answers at each close."""

    may_enter: NDArray[np.bool_]
    must_flatten: NDArray[np.bool_]


class _Stretch(NamedTuple):
    """Trading time ``[start_ms, end_ms)``; a pause starts at its end."""

    start_ms: int
    end_ms: int


class SessionCalendar:
    """When a run may enter and when it must be flat; with policy ``off`` it always may and never must."""

    def __init__(self, settings: SessionSettings) -> None:
        """Take the settings.

        Raises:
            WrongUseError: they name an exchange whose hours are not stored with them.
        """
        self.settings = settings
        hours = None if settings.policy is SessionPolicy.OFF else read_hours(settings)
        self._hours = hours
        self._exchange = [] if hours is None else _of_exchange(hours, settings.trading)
        # UTC needs no time zone database, so a machine without one runs everything but other zones.
        self._zone = UTC if settings.timezone == "UTC" else ZoneInfo(settings.timezone)
        self._lead_ms = settings.lead_minutes * _MINUTE_MS
        inside = _merged(part for window in settings.windows for part in _weekly(window))
        self._week = inside if settings.trading == "inside" else _complement(inside)
        self._kept = lru_cache(maxsize=4)(self._stretches_from)

    def may_enter(self, close_ms: int, timeframe: Timeframe) -> bool:
        """Return whether an entry may be decided at the close of a bar at that time."""
        if self.settings.policy is SessionPolicy.OFF:
            return True
        if self.settings.policy is SessionPolicy.FLATTEN:
            return not self.must_flatten(close_ms, timeframe)
        return close_ms < self._pause_after(close_ms) - self._lead_ms

    def must_flatten(self, close_ms: int, timeframe: Timeframe) -> bool:
        """Return whether a position must be closed at that close: the next bar would reach a pause."""
        if self.settings.policy is not SessionPolicy.FLATTEN:
            return False
        return close_ms + timeframe.ms > self._pause_after(close_ms) - self._lead_ms

    def flags(self, open_ms: NDArray[np.int64], timeframe: Timeframe) -> SessionFlags:
        """Return ``may_enter`` and ``must_flatten`` at the closes of bars given by their open times."""
        nothing = np.zeros(len(open_ms), dtype=np.bool_)
        if self.settings.policy is SessionPolicy.OFF or not len(open_ms):
            return SessionFlags(~nothing, nothing)
        close_ms = open_ms + timeframe.ms
        stretches = self._stretches(int(close_ms.min()), int(close_ms.max()) + _AHEAD_MS)
        # The stretch that began last; one before all others is over already, like a pause.
        starts = np.array([0, *(stretch.start_ms for stretch in stretches)], dtype=np.int64)
        ends = np.array([0, *(stretch.end_ms for stretch in stretches)], dtype=np.int64)
        pause_ms = ends[np.searchsorted(starts, close_ms, side="right") - 1]
        pause_ms = np.where(close_ms < pause_ms, pause_ms, close_ms)
        if self.settings.policy is SessionPolicy.PAUSE_ENTRIES:
            return SessionFlags(close_ms < pause_ms - self._lead_ms, nothing)
        must_flatten = close_ms + timeframe.ms > pause_ms - self._lead_ms
        return SessionFlags(~must_flatten, must_flatten)

    def problem(self, timeframe: Timeframe) -> str | None:
        """Return why no run of that timeframe can use this calendar; None: it can."""
        if self.settings.policy is SessionPolicy.OFF:
            return None
        first_ms = _REFERENCE_MS
        if self._hours is None:
            longest_ms = _longest_ms(self._week)
        else:
            longest_ms = max((end - start for start, end in self._exchange), default=0)
            first_ms = self._hours.end_ms - 366 * _DAY_MS
        if not longest_ms:
            return "the session windows leave no trading time; change them or turn trading round"
        if longest_ms < timeframe.ms:
            return (
                f"a bar of {timeframe} is longer than every trading window (the longest has "
                f"{longest_ms // _MINUTE_MS} minutes); use longer windows or a smaller timeframe"
            )
        year = np.arange(first_ms, first_ms + 366 * _DAY_MS, timeframe.ms, dtype=np.int64)
        if not self.flags(year, timeframe).may_enter.any():
            return (
                f"no {timeframe} bar closes where the session policy {self.settings.policy} allows an entry "
                f"with a lead of {self.settings.lead_minutes} minutes; use longer windows, a shorter lead or "
                "a smaller timeframe"
            )
        return None

    def unknown_between(self, start_ms: int, end_ms: int) -> str | None:
        """Return why a test of that time cannot use this calendar: hours are not known; None: they are."""
        if self._hours is None or self._hours.first_ms <= start_ms <= end_ms <= self._hours.end_ms:
            return None
        return (
            f"the hours of {self._hours.code} are known from {iso(self._hours.first_ms)} to"
            f" {iso(self._hours.end_ms)}; test a time inside of that"
        )

    def _pause_after(self, time_ms: int) -> int:
        """Return when the next pause starts; inside of one, the time itself."""
        stretches = self._kept(time_ms // _KEPT_MS)
        position = bisect_right(stretches, time_ms, key=lambda stretch: stretch.start_ms)
        return max(time_ms, stretches[position - 1].end_ms) if position else time_ms

    def _stretches_from(self, number: int) -> list[_Stretch]:
        return self._stretches(number * _KEPT_MS, (number + 1) * _KEPT_MS + _AHEAD_MS)

    def _stretches(self, start_ms: int, end_ms: int) -> list[_Stretch]:
        """Return the trading time of a range, in order, not touching; what outlasts it has no end."""
        if self._hours is None:
            found = _merged(
                _Stretch(max(start, first_ms), min(end, last_ms))
                for first_ms, last_ms, offset_ms in self._offsets(start_ms, end_ms)
                for start, end in self._weeks(first_ms, last_ms, offset_ms)
            )
        else:
            found = [
                _Stretch(max(start, start_ms), min(end, end_ms))
                for start, end in self._exchange
                if start < end_ms and end > start_ms
            ]
        if found and found[-1].end_ms == end_ms:
            found[-1] = _Stretch(found[-1].start_ms, _NEVER_MS)
        return found

    def _weeks(self, start_ms: int, end_ms: int, offset_ms: int) -> Iterator[_Stretch]:
        """Yield the weekly trading times that reach into a range in which the zone's offset is constant."""
        local_ms = start_ms + offset_ms - _FIRST_MONDAY_MS
        monday_ms = local_ms - local_ms % _WEEK_MS + _FIRST_MONDAY_MS - offset_ms
        while monday_ms < end_ms:
            for start, end in self._week:
                if monday_ms + end > start_ms and monday_ms + start < end_ms:
                    yield _Stretch(monday_ms + start, monday_ms + end)
            monday_ms += _WEEK_MS

    def _offsets(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int, int]]:
        """Yield (start, end, offset from UTC), in ms, of a range's parts between changes of the clock."""
        first_ms = start_ms
        while first_ms < end_ms:
            offset_ms = self._offset_ms(first_ms)
            last_ms = first_ms
            while last_ms < end_ms and self._offset_ms(last_ms) == offset_ms:
                last_ms += _DAY_MS
            if last_ms < end_ms or self._offset_ms(end_ms - 1) != offset_ms:
                end_of_part_ms = self._change_between(last_ms - _DAY_MS, min(last_ms, end_ms - 1), offset_ms)
            else:
                end_of_part_ms = end_ms
            yield first_ms, end_of_part_ms, offset_ms
            first_ms = end_of_part_ms

    def _change_between(self, before: int, after: int, offset_ms: int) -> int:
        """Return when the zone's offset ceased to be ``offset_ms``, as it is before and not after."""
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (middle, after) if self._offset_ms(middle) == offset_ms else (before, middle)
        return after

    def _offset_ms(self, time_ms: int) -> int:
        moment = datetime.fromtimestamp(time_ms / 1000, tz=self._zone)
        return (moment.utcoffset() or timedelta()) // timedelta(milliseconds=1)


def _of_exchange(hours: ExchangeHours, trading: str) -> list[_Stretch]:
    """Return the trading time inside or outside of an exchange's hours, where these are known."""
    inside = [_Stretch(start, end) for start, end in hours.stretches_ms()]
    if trading == "inside":
        return inside
    starts = [hours.first_ms, *(end for _, end in inside)]
    ends = [*(start for start, _ in inside), hours.end_ms]
    return [_Stretch(start, end) for start, end in zip(starts, ends, strict=True) if start < end]


def _weekly(window: SessionWindow) -> Iterator[_Stretch]:
    """Yield a window's stretches of the week, in ms since Monday 0:00, cut where the week ends."""
    start, end = _minutes(window.start), _minutes(window.end)
    length_ms = ((end - start) % 1440 or 1440) * _MINUTE_MS
    for day in window.days:
        start_ms = list(Weekday).index(day) * _DAY_MS + start * _MINUTE_MS
        yield _Stretch(start_ms, min(start_ms + length_ms, _WEEK_MS))
        if start_ms + length_ms > _WEEK_MS:
            yield _Stretch(0, start_ms + length_ms - _WEEK_MS)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _merged(stretches: Iterable[_Stretch]) -> list[_Stretch]:
    """Return the union, in order; what touches is one."""
    union: list[_Stretch] = []
    for start, end in sorted(stretches):
        if union and start <= union[-1].end_ms:
            union[-1] = _Stretch(union[-1].start_ms, max(end, union[-1].end_ms))
        else:
            union.append(_Stretch(start, end))
    return union


def _complement(week: list[_Stretch]) -> list[_Stretch]:
    """Return the rest of the week."""
    starts = [0, *(end for _, end in week)]
    ends = [*(start for start, _ in week), _WEEK_MS]
    return [_Stretch(start, end) for start, end in zip(starts, ends, strict=True) if start < end]


def _longest_ms(week: list[_Stretch]) -> int:
    """Return the length of the longest stretch of a week that follows on itself."""
    if not week:
        return 0
    lengths = [end - start for start, end in week]
    if len(week) > 1 and week[0].start_ms == 0 and week[-1].end_ms == _WEEK_MS:
        lengths.append(lengths[0] + lengths[-1])
    return max(lengths)
