"""Candles: what is known of closed bars, and when a bar is closed by the venue's word."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import VenueError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.words import bar_of

Row = dict[str, Any]
ReadRows = Callable[[int, int], Awaitable[list[Row]]]
"""Returns the venue's rows that open between two times, both included, oldest first, 5,000 at most."""

MOST_ROWS = 5_000
# After a bar's end the venue may need so long to show its last trade.
_GRACE_MS = 1_000
_CHECK_S = 3.0
_RETRY_S = 2.0
# By our reckoning a bar is over and the venue says that it is not: so long until it is asked again.
_ASK_AGAIN_S = 0.5
_log = logging.getLogger(__name__)


class Candles:
    """The candles of one symbol and timeframe, shared by all runs. Lives in the gateway's loop."""

    def __init__(
        self,
        timeframe: Timeframe,
        clock: VenueClock,
        *,
        read_rows: ReadRows,
        observe: Callable[[], Awaitable[None]],
        may_confirm: Callable[[], bool],
        closed: Callable[[Bar], None],
    ) -> None:
        """Make candles of which nothing is known.

        ``observe`` asks the venue for its time; ``may_confirm``: the budget allows to read what the stream
        has told already; ``closed`` is called for each new closed bar, in order.
        """
        self._step_ms = timeframe.ms
        self._clock = clock
        self._read_rows = read_rows
        self._observe = observe
        self._may_confirm = may_confirm
        self._closed = closed
        self._reading = asyncio.Lock()
        """Held while history is read, which may wait long for the budget: a bar is closed meanwhile."""
        self._is_closing = False
        self._bars: list[Bar] = []
        self._first_ms = 0
        """From here on, up to the last bar, all closed bars that the venue has are in ``_bars``."""
        self._rows: dict[int, Row] = {}
        """What the stream said of bars that are not closed yet."""
        self._is_pumping = False
        self._told_ms = 0
        self._retry_at_s = 0.0
        self._ask_at_s = 0.0

    @property
    def told_ms(self) -> int:
        """Open time of the last bar that was told as closed."""
        return self._told_ms

    # --- reading ---------------------------------------------------------------------------------

    async def closed_bars(self, end_ms: int, limit: int) -> list[Bar]:
        """Return the last ``limit`` closed bars that end by ``end_ms``; fewer if there are no more."""
        step = self._step_ms
        async with self._reading:
            span = max(limit, 1)
            while True:
                first_ms = max(0, (end_ms // step - span) * step)
                await self._cover(first_ms)
                bars = [bar for bar in self._bars if bar.time_ms >= first_ms and bar.time_ms + step <= end_ms]
                # Bars without trades do not exist: look further back, as far as the venue gives any.
                if len(bars) >= limit or span >= MOST_ROWS or first_ms == 0:
                    return bars[-limit:] if limit else []
                span = MOST_ROWS

    async def _cover(self, first_ms: int) -> None:
        """Make ``_bars`` hold all closed bars from ``first_ms`` on."""
        step = self._step_ms
        now_ms = await self._venue_ms()
        last_closed_ms = (now_ms // step - 1) * step
        if self._bars and self._first_ms <= first_ms:
            start_ms = self._bars[-1].time_ms + step
            if start_ms > last_closed_ms:
                return
        else:
            start_ms = first_ms
        rows = await self._read_rows(start_ms, now_ms)
        fresh = [bar_of(row) for row in rows if int(row["t"]) + step <= now_ms]
        if start_ms == first_ms:
            self._bars, self._first_ms = fresh, first_ms
        else:
            # Meanwhile bars may have closed.
            last_ms = self._bars[-1].time_ms
            self._bars += [bar for bar in fresh if bar.time_ms > last_ms]

    async def _venue_ms(self) -> int:
        """Return a time that the venue said itself, in the bar in which it is by our reckoning."""
        step = self._step_ms
        if self._clock.observed_ms // step != self._clock.now_ms() // step or not self._clock.is_known:
            await self._observe()
        return self._clock.observed_ms

    # --- pumping ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to tell closed bars: those that close from now on."""
        if self._is_pumping:
            return
        await self._observe()
        now_ms = self._clock.observed_ms
        self._told_ms = (now_ms // self._step_ms - 1) * self._step_ms
        self._is_pumping = True

    def row(self, row: Row) -> None:
        """Take a row of the stream in."""
        time_ms = int(row["t"])
        if time_ms <= self._told_ms:
            return
        known = self._rows.get(time_ms)
        if known is None or row.get("n", 0) >= known.get("n", 0):
            self._rows[time_ms] = row

    def is_due(self) -> bool:
        """A bar has ended, or should have, and nobody is closing it yet."""
        if not self._is_pumping or self._is_closing or _now_s() < self._retry_at_s:
            return False
        if self._later_ms > self._told_ms + self._step_ms:
            return True
        end_ms = self._told_ms + 2 * self._step_ms + min(_GRACE_MS, self._step_ms // 10)
        return self._clock.now_ms() >= end_ms and _now_s() >= self._ask_at_s

    async def close_due(self) -> None:
        """Tell each bar that is closed by the venue's time or a later row; one REST read confirms them.

        Does nothing while that is under way already.

        Raises:
            VenueError: the bars can be had from nowhere; it is due again a little later.
        """
        if self._is_closing:
            return
        self._is_closing = True
        try:
            await self._close_due()
        except VenueError:
            self._retry_at_s = _now_s() + _RETRY_S
            raise
        finally:
            self._is_closing = False

    @property
    def _later_ms(self) -> int:
        """Open time of the latest row of the stream that was not told; 0: there is none."""
        return max(self._rows, default=0)

    async def _close_due(self) -> None:
        step = self._step_ms
        later_ms = self._later_ms
        if later_ms <= self._told_ms + step and self._clock.observed_ms < self._told_ms + 2 * step:
            # Only our own reckoning says that the bar is over: let the venue say what time it is.
            await self._observe()
        until_ms = max(later_ms, self._clock.observed_ms // step * step)
        if until_ms <= self._told_ms + step:
            self._ask_at_s = _now_s() + _ASK_AGAIN_S
            return
        rows = {time_ms: row for time_ms, row in self._rows.items() if time_ms < until_ms}
        # A row is complete when a later one has come; time alone says only that the bar is over.
        expected = range(self._told_ms + step, until_ms, step)
        is_complete = later_ms >= until_ms
        if is_complete and all(time_ms in rows for time_ms in expected) and not self._may_confirm():
            self._tell(rows, until_ms)
            return
        try:
            read = await asyncio.wait_for(self._read_rows(self._told_ms + step, until_ms), _CHECK_S)
        except (VenueError, TimeoutError) as error:
            if not rows or not is_complete:
                raise VenueError(f"the bars since the last one cannot be read: {error}") from error
            _log.warning("hyperliquid candles are not confirmed: %s", error)
            read = []
        for row in read:
            time_ms = int(row["t"])
            known = rows.get(time_ms)
            if time_ms < until_ms and (known is None or row.get("n", 0) >= known.get("n", 0)):
                rows[time_ms] = row
        self._tell(rows, until_ms)

    def _tell(self, rows: dict[int, Row], until_ms: int) -> None:
        for time_ms in sorted(rows):
            if time_ms <= self._told_ms:
                continue
            bar = bar_of(rows[time_ms])
            if self._bars and self._bars[-1].time_ms == time_ms - self._step_ms:
                self._bars.append(bar)
            self._told_ms = time_ms
            self._closed(bar)
        # Bars that the venue does not have are holes: they are over, too.
        self._told_ms = max(self._told_ms, until_ms - self._step_ms)
        self._rows = {time_ms: row for time_ms, row in self._rows.items() if time_ms >= until_ms}


def _now_s() -> float:
    return asyncio.get_running_loop().time()
