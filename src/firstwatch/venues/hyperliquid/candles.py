"""Candles: the closed bars known so far, and detection of the close of a bar."""

import asyncio
import logging
from bisect import insort
from collections.abc import Awaitable, Callable, Sequence

from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import VenueError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.decoder import Candle
from firstwatch.venues.hyperliquid.parse import bar_of

ReadRows = Callable[[int, int], Awaitable[list[Candle]]]
"""Returns the venue's rows that open between two times, both included, oldest first, 5,000 at most."""

MOST_ROWS = 5_000
# Time after a bar's end in which the venue may still add its last trade.
_GRACE_MS = 1_000
# Wait for an answer before the stream is believed or the request repeated: this, or a multiple of the usual
# answer time, within a bound. A later answer still counts.
_ANSWER_S = 3.0
_ANSWER_FACTOR = 2.0
_LONGEST_ANSWER_S = 10.0
# Each faster answer lowers the longest known answer time by this fraction.
_FORGOTTEN = 0.1
_MOST_AT_ONCE = 2
_RETRY_S = 2.0
# Pause before asking again, when the venue shows a bar as open that should be over.
_ASK_AGAIN_S = 0.5
# A reading with a missing bar and later ones is believed when a second one, this much later, agrees.
_CONFIRM_S = 2.0
# One reading is enough where it has bars that are so many bars later. A bar that comes later is not noticed.
_RECENT = 20
_LONGEST_WAIT_S = 30.0
_log = logging.getLogger(__name__)


class Candles:
    """The candles of one symbol and timeframe, shared by all runs. Lives in the gateway's loop.

    The venue may publish a bar late. One that is not there is waited for; it is a hole (nothing traded)
    once two readings had later bars and not this one. What comes behind it is closed only then.
    """

    def __init__(
        self,
        timeframe: Timeframe,
        clock: VenueClock,
        *,
        elapsed_s: Callable[[], float],
        read_rows: ReadRows,
        observe: Callable[[], Awaitable[None]],
        may_confirm: Callable[[], bool],
        closed: Callable[[Bar], None],
    ) -> None:
        """Make an empty series of candles.

        ``elapsed_s``: seconds on a clock that never jumps. ``observe`` asks the venue for its time;
        ``may_confirm``: the budget allows reading what the stream has already shown; ``closed`` is called for
        each new closed bar, in order, and for a hole's bar that arrives late.
        """
        self._step_ms = timeframe.ms
        self._clock = clock
        self._elapsed_s = elapsed_s
        self._read_rows = read_rows
        self._observe = observe
        self._may_confirm = may_confirm
        self._closed = closed
        self._reading = asyncio.Lock()
        """Held while history is read, which may wait long for the budget: a bar is closed meanwhile."""
        self._is_closing = False
        self._bars: list[Bar] = []
        self._first_ms: int | None = None
        """From here on, up to ``_last_ms``, all closed bars that the venue has are in ``_bars``."""
        self._last_ms = 0
        """Open time of the last closed bar."""
        self._rows: dict[int, Candle] = {}
        """What was said of bars after it."""
        self._lacking: dict[int, float] = {}
        """Open times of recent bars that a reading lacked although it had later ones, and since when."""
        self._asked: list[asyncio.Task[None]] = []
        """Readings whose answers are not there yet, the oldest first."""
        self._takes_s = 0.0
        """How long readings take, the longest of late."""
        self._is_pumping = False
        self._began_ms = 0
        """Open time of the last bar before those that are delivered."""
        self._looked_ms = 0
        """Open time of the first bar whose close was not tried yet."""
        self._is_in_doubt = False
        """A closed bar is known behind one that is not there, which may be a hole."""
        self._retry_at_s = self._ask_at_s = self._again_at_s = 0.0

    @property
    def last_ms(self) -> int:
        """Open time of the last closed bar that is known."""
        return self._last_ms

    # --- reading ---------------------------------------------------------------------------------

    async def closed_bars(self, end_ms: int, limit: int) -> list[Bar]:
        """Return the last ``limit`` closed bars that end by ``end_ms``; fewer if there are no more."""
        step = self._step_ms
        async with self._reading:
            span = max(limit, 1)
            while True:
                first_ms = max(0, (end_ms // step - span) * step)
                await self._cover(first_ms)
                if self._is_in_doubt:
                    await asyncio.sleep(self._confirm_s)
                    await self._cover(first_ms)
                bars = [bar for bar in self._bars if bar.time_ms >= first_ms and bar.time_ms + step <= end_ms]
                # Bars without trades do not exist: look further back, as far as the venue gives any.
                if len(bars) >= limit or span >= MOST_ROWS or first_ms == 0:
                    return bars[-limit:] if limit else []
                span = MOST_ROWS

    async def read_anew(self, first_ms: int, end_ms: int) -> list[Bar]:
        """Return the bars that open in that time, ``end_ms`` excluded, as the venue has them now.

        The bars kept here stay unchanged: runs have decided on them.
        """
        return [bar_of(row) for row in await self._read_rows(first_ms, end_ms - self._step_ms)]

    async def _cover(self, first_ms: int) -> None:
        """Make ``_bars`` hold the closed bars from ``first_ms`` on."""
        step = self._step_ms
        until_ms = await self._venue_ms() // step * step
        if self._first_ms is None or first_ms < self._first_ms:
            before_ms = self._bars[0].time_ms if self._bars else until_ms
            # Whether the last bars are all there is seen by those before them.
            first_ms = max(0, min(first_ms, until_ms - _RECENT * step))
            rows = await self._read_rows(first_ms, before_ms)
            self._first_ms = first_ms
            if not self._bars:
                self._last_ms = (rows[0].t if rows else first_ms) - step
                self._take(rows, until_ms)
            known_ms = self._bars[0].time_ms if self._bars else 0
            self._bars[:0] = [bar_of(row) for row in rows if row.t < known_ms]
        if self._last_ms + step < until_ms:
            await self._read(until_ms)

    async def _venue_ms(self) -> int:
        """Return a venue time that lies in the bar that is current by this machine's estimate."""
        step = self._step_ms
        if self._clock.observed_ms // step != self._clock.now_ms() // step or not self._clock.is_known:
            await self._observe()
        return self._clock.observed_ms

    # --- pumping ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to tell closed bars: those that are not known yet."""
        if self._is_pumping:
            return
        await self._observe()
        self._looked_ms = self._clock.observed_ms // self._step_ms * self._step_ms
        if self._first_ms is None:
            self._first_ms, self._last_ms = self._looked_ms, self._looked_ms - self._step_ms
        else:
            await self._cover(self._first_ms)
        self._began_ms = self._last_ms
        self._is_pumping = True

    def row(self, row: Candle) -> None:
        """Handle a row of the stream."""
        time_ms = row.t
        known = self._rows.get(time_ms)
        if time_ms > self._last_ms and (known is None or row.n >= known.n):
            self._rows[time_ms] = row

    def is_due(self) -> bool:
        """A bar has ended or should have, or is missing, and its close is not under way."""
        now_s = self._elapsed_s()
        if not self._is_pumping or self._is_closing or now_s < self._retry_at_s:
            return False
        if self._later_ms > self._looked_ms:
            return True
        end_ms = self._looked_ms + self._step_ms + min(_GRACE_MS, self._step_ms // 10)
        if self._clock.now_ms() >= end_ms:
            return now_s >= self._ask_at_s
        is_behind = self._last_ms + self._step_ms < self._looked_ms
        return is_behind and now_s >= self._again_at_s and (self._is_in_doubt or self._may_confirm())

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
            self._retry_at_s = self._elapsed_s() + _RETRY_S
            raise
        finally:
            self._is_closing = False

    @property
    def _later_ms(self) -> int:
        """Open time of the latest row that is not closed and not ahead of the clock; 0: there is none."""
        now_ms = self._clock.now_ms()
        return max((time_ms for time_ms in self._rows if time_ms <= now_ms), default=0)

    async def _close_due(self) -> None:
        step, later_ms = self._step_ms, self._later_ms
        if later_ms <= self._looked_ms and self._clock.observed_ms < self._looked_ms + step:
            # Only our own reckoning says that the bar is over: let the venue say what time it is.
            await self._observe()
        until_ms = max(later_ms, self._clock.observed_ms // step * step)
        if until_ms <= self._last_ms + step:
            self._looked_ms = max(self._looked_ms, until_ms)
            self._ask_at_s = self._elapsed_s() + _ASK_AGAIN_S
            return
        # A row is complete when a later one has come; time alone says only that the bar is over.
        is_complete = later_ms >= until_ms
        expected = range(self._last_ms + step, until_ms, step)
        if is_complete and all(time_ms in self._rows for time_ms in expected) and not self._may_confirm():
            self._close(until_ms)
        else:
            try:
                await self._read_soon(until_ms)
            except VenueError as error:
                self._close(later_ms)
                if self._last_ms + step < until_ms:
                    raise VenueError(f"the bars since the last one cannot be read: {error}") from error
                _log.warning("hyperliquid candles are not confirmed: %s", error)
        self._looked_ms = max(self._looked_ms, until_ms)

    # --- closing ---------------------------------------------------------------------------------

    async def _read_soon(self, until_ms: int) -> None:
        """Read the bars up to ``until_ms``, and wait for the answer as long as it may take.

        Raises:
            VenueError: there is none yet, or the venue cannot be asked.
        """
        if len(self._asked) < _MOST_AT_ONCE:
            asked = asyncio.get_running_loop().create_task(self._read(until_ms))
            self._asked.append(asked)
            asked.add_done_callback(self._answered)
        else:
            asked = self._asked[0]
        limit_s = min(max(_ANSWER_S, _ANSWER_FACTOR * self._takes_s), _LONGEST_ANSWER_S)
        await asyncio.wait({asked}, timeout=limit_s)
        if not asked.done():
            raise VenueError(f"there is no answer after {limit_s:.1f} s; it is still waited for")
        if not asked.cancelled():
            asked.result()

    def _answered(self, asked: asyncio.Task[None]) -> None:
        """Forget a reading that has ended, and those that were asked for before one that is answered."""
        place = self._asked.index(asked)
        del self._asked[place]
        # Retrieve the error of a reading that is no longer awaited, or asyncio would log it as lost.
        if not asked.cancelled() and asked.exception() is None:
            for earlier in self._asked[:place]:
                earlier.cancel()

    async def _read(self, until_ms: int) -> None:
        """Read the missing bars up to ``until_ms``, including unconfirmed holes."""
        began_s = self._elapsed_s()
        first_ms = min([*self._lacking, self._last_ms + self._step_ms])
        rows = await self._read_rows(first_ms, until_ms)
        self._takes_s = max(self._elapsed_s() - began_s, self._takes_s * (1 - _FORGOTTEN))
        self._take(rows, until_ms)

    def _take(self, read: Sequence[Candle], until_ms: int) -> None:
        """Handle a reading that begins with the first missing bar: deliver the bars that it closes."""
        now_s, step = self._elapsed_s(), self._step_ms
        there = {row.t: row for row in read}
        newest_ms = max(there, default=0)
        for time_ms in range(self._last_ms + step, newest_ms, step):
            if time_ms not in there:
                self._lacking.setdefault(time_ms, now_s)
        for time_ms, row in there.items():
            is_late = self._lacking.pop(time_ms, None) is not None and time_ms < self._last_ms
            if is_late:
                self._tell(bar_of(row))
            elif time_ms < until_ms:
                self.row(row)
        self._close(until_ms, newest_ms)
        recent_ms = self._last_ms - _RECENT * step
        self._lacking = {time_ms: since for time_ms, since in self._lacking.items() if time_ms > recent_ms}

    def _close(self, until_ms: int, newest_ms: int = 0) -> None:
        """Close the bars before ``until_ms``, up to the first one that is not there and is no hole.

        ``newest_ms``: open time of the latest row of a reading that was just made; 0: none was.
        """
        step = self._step_ms
        latest_ms = max((time_ms for time_ms in self._rows if time_ms < until_ms), default=0)
        for time_ms in range(self._last_ms + step, latest_ms + step, step):
            row = self._rows.get(time_ms)
            if row is not None:
                self._last_ms = time_ms
                self._lacking.pop(time_ms, None)
                self._tell(bar_of(row))
            elif not self._is_hole(time_ms, newest_ms):
                break
        self._rows = {time_ms: row for time_ms, row in self._rows.items() if time_ms > self._last_ms}
        self._is_in_doubt = latest_ms > self._last_ms
        # The next reading decides, or the venue has none that is later: then it is asked ever less often.
        is_decisive = self._is_in_doubt and max(self._lacking, default=0) > self._last_ms
        since_s = 0.0 if is_decisive else (self._clock.now_ms() - until_ms) / 1_000 / self._clock.speed
        self._again_at_s = self._elapsed_s() + min(max(self._confirm_s, since_s / 2), _LONGEST_WAIT_S)

    def _is_hole(self, time_ms: int, newest_ms: int) -> bool:
        since_s = self._lacking.get(time_ms)
        if since_s is None or newest_ms <= time_ms:
            return False
        is_old = newest_ms - time_ms > _RECENT * self._step_ms
        return is_old or self._elapsed_s() - since_s >= self._confirm_s

    def _tell(self, bar: Bar) -> None:
        insort(self._bars, bar)
        if self._is_pumping and bar.time_ms > self._began_ms:
            self._closed(bar)

    @property
    def _confirm_s(self) -> float:
        return _CONFIRM_S / max(self._clock.speed, 1.0)
