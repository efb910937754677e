"""The live day: equity, entries and exits at each close since the day's watch began, and the time lost.

Pure. A *close* is the end of a bar, by the venue's time; a fill belongs to the bar of its time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firstwatch.store.journal import JournalEntry
from firstwatch.store.watch import DOWN, TimeLost
from firstwatch.trading.events import EntriesPaused, EntriesResumed, Recovered
from firstwatch.trading.runs import Author
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS
from firstwatch.watch.windows import SMALLEST_EQUITY, STOP_REASONS, Floats, Ints, Looks, Lost

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch without entries that the algorithm did not choose; ``to_ms`` None: it goes on."""

    from_ms: int
    to_ms: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LiveDay:
    """One day of a run's watch so far. The arrays have one element for each close, in order of time."""

    number: int
    timeframe: Timeframe
    begin_ms: int
    """When its first bar opened."""
    close_ms: Ints
    equity: Floats
    """As a fraction of the equity at the begin of the day."""
    entries: Ints
    """Positions opened today so far."""
    stops: Ints
    """Exits by stop today so far."""
    exits: Ints
    """All exits today so far."""
    last_entry_ms: Ints
    """When the bar of today's last entry opened; before the first entry the begin."""
    is_lost: NDArray[np.bool_]
    """The close was not decided in time: the data were stale, or the run down."""
    is_down: NDArray[np.bool_]
    """The close was not decided at all until later: the run was down."""
    paused_ms: int | None = None
    """Since when entries are paused today, not by the algorithm itself; None: they are not."""
    is_waiting: bool = False
    """The watch begins when the position that the run took over at its launch is closed."""

    def __len__(self) -> int:
        return len(self.close_ms)

    @property
    def end_ms(self) -> int:
        """When the day is over."""
        return self.begin_ms + DAY_MS

    @property
    def now_ms(self) -> int:
        """The last close."""
        return int(self.close_ms[-1]) if len(self) else self.begin_ms

    @property
    def hours(self) -> float:
        """How long the day has been watched."""
        return (self.now_ms - self.begin_ms) / _HOUR_MS

    @property
    def is_over(self) -> bool:
        """Its last bar has closed."""
        return self.now_ms >= self.end_ms

    def lost_minutes(self) -> Floats:
        """Return the minutes lost in each of the 24 hours."""
        hour = np.minimum((self.close_ms[self.is_lost] - 1 - self.begin_ms) // _HOUR_MS, 23)
        minutes: Floats = np.bincount(hour, minlength=24).astype(np.float64)
        return minutes * (self.timeframe.ms / 60_000)

    def lost(self) -> tuple[Lost, ...]:
        """Return the stretches of lost closes, in the form that the windows of the baseline take."""
        kind = np.where(self.is_down, 2, np.where(self.is_lost, 1, 0))
        edges = np.flatnonzero(np.diff(kind, prepend=0, append=0)).tolist()
        since = (self.close_ms - self.begin_ms).tolist()
        return tuple(
            Lost(since[first] - 1, since[end - 1], bool(kind[first] == 2))
            for first, end in pairwise(edges)
            if kind[first]
        )

    def looks(self, grid_ms: Ints) -> Looks:
        """Return the day at the looks ``grid_ms`` after its begin, ``(1, L)``; NaN where none was made.

        None is made after now, inside time lost, or once a pause began that the algorithm did not choose.
        """
        at_ms = self.begin_ms + grid_ms
        seen = np.searchsorted(self.close_ms, at_ms, side="right")
        is_made = (at_ms <= self.now_ms) & (seen > 0)
        if self.paused_ms is not None:
            is_made &= at_ms < self.paused_ms
        for lost in self.lost():
            is_made &= ~((grid_ms > lost.from_ms) & (grid_ms <= lost.to_ms))
        last = np.maximum(seen - 1, 0)
        value = np.log(np.maximum(np.append(1.0, self.equity), SMALLEST_EQUITY))
        fall = (np.maximum.accumulate(value) - value)[1:]
        since = at_ms - self.last_entry_ms[last] if len(self) else at_ms

        def row(values: NDArray[np.float64] | Ints) -> Floats:
            taken = values[last] if len(self) else np.zeros(len(grid_ms))
            return np.where(is_made, taken, np.nan)[None, :]

        return Looks(
            day=np.array([self.begin_ms // DAY_MS]),
            drawdown=row(fall),
            entries=row(self.entries),
            stops=row(self.stops),
            since_entry_ms=np.where(is_made, since, np.nan)[None, :],
            equity=row(self.equity),
        )


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """A run so far, as the store has it: its bars, equity, trades and pauses."""

    timeframe: Timeframe
    launched_ms: int
    """When it went to ``RUNNING``, by the venue's time."""
    took_over: bool
    """It was launched with *assume position now*."""
    capital: float
    bar_ms: Ints
    """Open times of the bars that it has decided, in order."""
    equity: Floats
    """Its equity at their closes, in quote."""
    trades: Sequence[Trade]
    opened_ms: int | None
    """When the position that it holds was opened; None: it is flat."""
    lost: Sequence[TimeLost] = ()
    pauses: Sequence[Pause] = ()


def watch_begin_ms(record: RunRecord) -> int | None:
    """Return when the first bar opens that counts; None: the run still holds what it took over at its launch.

    No decision of its own can have filled before the first close. So a position of before that was adopted,
    or entered at once, and the watch begins with the bar after the exit.
    """
    first_ms = record.timeframe.open_of(record.launched_ms)
    end_ms = first_ms + record.timeframe.ms
    if not record.took_over:
        return first_ms
    if record.trades and record.trades[0].entry_time_ms < end_ms:
        return record.timeframe.open_of(record.trades[0].exit_time_ms) + record.timeframe.ms
    if not record.trades and record.opened_ms is not None and record.opened_ms < end_ms:
        return None
    return first_ms


def days_so_far(record: RunRecord) -> int:
    """Return the number of the day that the run's last bar is of; 0: its watch has not begun."""
    begin_ms = watch_begin_ms(record)
    if begin_ms is None or not len(record.bar_ms) or record.bar_ms[-1] < begin_ms:
        return 0
    return (int(record.bar_ms[-1]) - begin_ms) // DAY_MS + 1


def live_day(record: RunRecord, number: int) -> LiveDay:
    """Return the day of that number, from 1; one that has not begun has no closes."""
    first_ms = watch_begin_ms(record)
    is_waiting = first_ms is None
    if first_ms is None:
        first_ms = record.timeframe.open_of(record.launched_ms)
    begin_ms = first_ms + (number - 1) * DAY_MS
    end_ms = begin_ms + DAY_MS
    low, high = (0, 0) if is_waiting else np.searchsorted(record.bar_ms, [begin_ms, end_ms]).tolist()
    close_ms = record.bar_ms[low:high] + record.timeframe.ms
    start = record.capital if low == 0 else record.equity[low - 1]
    entered = [record.timeframe.open_of(trade.entry_time_ms) for trade in record.trades]
    if record.opened_ms is not None:
        entered.append(record.timeframe.open_of(record.opened_ms))
    entries = _within(entered, begin_ms, end_ms)
    exits = _within([trade.exit_time_ms for trade in record.trades], begin_ms, end_ms)
    stops = _within(
        [trade.exit_time_ms for trade in record.trades if trade.reason in STOP_REASONS], begin_ms, end_ms
    )
    counted = _before(entries, close_ms)
    # Where nothing is left at the begin there is no fraction; the windows of the baseline are read alike.
    equity = record.equity[low:high] / start if start > 0 else np.full(high - low, SMALLEST_EQUITY)
    return LiveDay(
        number=number,
        timeframe=record.timeframe,
        begin_ms=begin_ms,
        close_ms=close_ms,
        equity=equity,
        entries=counted,
        stops=_before(stops, close_ms),
        exits=_before(exits, close_ms),
        last_entry_ms=np.append(begin_ms, entries)[counted],
        is_lost=_is_in(close_ms, record.lost),
        is_down=_is_in(close_ms, [each for each in record.lost if each.cause == DOWN]),
        paused_ms=_first_pause(record.pauses, begin_ms, end_ms),
        is_waiting=is_waiting,
    )


def pauses_of(entries: Iterable[JournalEntry]) -> list[Pause]:
    """Return the pauses in a run's journal, but for those by its own guards, which the windows have too."""
    found: list[Pause] = []
    for entry in entries:
        time_ms = entry.venue_time_ms
        is_open = bool(found) and found[-1].to_ms is None
        match entry.event:
            case EntriesPaused(by_guard=False) if time_ms is not None and not is_open:
                found.append(Pause(time_ms))
            case EntriesResumed() if time_ms is not None and is_open and entry.author is not Author.SYSTEM:
                found[-1] = Pause(found[-1].from_ms, time_ms)
            case _:
                pass
    return found


def downs_of(entries: Iterable[JournalEntry], bar_ms: Ints, timeframe: Timeframe) -> list[TimeLost]:
    """Return the stretches in which bars closed while the run had no worker, by its journal."""
    found: list[TimeLost] = []
    for entry in entries:
        match entry.event:
            case Recovered(past_bars=past) if past > 0 and entry.venue_time_ms is not None:
                end = int(np.searchsorted(bar_ms + timeframe.ms, entry.venue_time_ms, side="right"))
                if end:
                    first = max(end - past, 0)
                    found.append(TimeLost(int(bar_ms[first]) + timeframe.ms, entry.venue_time_ms, DOWN))
            case _:
                pass
    return found


def _within(times: Iterable[int], begin_ms: int, end_ms: int) -> Ints:
    return np.array(sorted(each for each in times if begin_ms <= each < end_ms), dtype=np.int64)


def _before(times: Ints, close_ms: Ints) -> Ints:
    """Return how many of the times belong to the bars up to each close."""
    return np.searchsorted(times, close_ms, side="left").astype(np.int64)


def _is_in(close_ms: Ints, lost: Sequence[TimeLost]) -> NDArray[np.bool_]:
    found = np.zeros(len(close_ms), dtype=np.bool_)
    for each in lost:
        found |= (close_ms >= each.from_ms) & (each.to_ms is None or close_ms < each.to_ms)
    return found


def _first_pause(pauses: Sequence[Pause], begin_ms: int, end_ms: int) -> int | None:
    found = [
        max(each.from_ms, begin_ms)
        for each in pauses
        if each.from_ms < end_ms and (each.to_ms is None or each.to_ms > begin_ms)
    ]
    return min(found, default=None)
