"""Closed bars of one symbol: told once, in order, and with no more requests than they need."""

import asyncio

import pytest

from firstwatch.trading.errors import VenueError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.candles import Candles
from firstwatch.venues.hyperliquid.clock import VenueClock

STEP = Timeframe.M1.ms
BEGIN = 1_000 * STEP


def row(number, n=1):
    price = str(100 + number)
    return {"t": BEGIN + number * STEP, "o": price, "h": price, "l": price, "c": price, "v": "1", "n": n}


class Rig:
    """Candles at a venue that stands in bar 1 and answers when it is let."""

    def __init__(self):
        self.elapsed_s = 0.0
        self.venue_ms = BEGIN + STEP + 1
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.reads, self.observed, self.told = [], 0, []
        self.clock = VenueClock(lambda: self.elapsed_s)
        self.candles = Candles(
            Timeframe.M1,
            self.clock,
            read_rows=self._read,
            observe=self._observe,
            may_confirm=lambda: True,
            closed=self.told.append,
        )

    async def start(self):
        await self.candles.start()
        self.observed = 0
        return self

    async def _read(self, first_ms, last_ms):
        self.reads.append((first_ms, last_ms))
        rows = [row(number) for number in range(-5, 60)]
        await self.may_answer.wait()
        return [each for each in rows if first_ms <= each["t"] <= min(last_ms, self.venue_ms)]

    async def _observe(self):
        self.observed += 1
        self.clock.observe(self.venue_ms)

    def numbers(self):
        return [(bar.time_ms - BEGIN) // STEP for bar in self.told]


async def test_rows_that_come_while_a_bar_is_confirmed_ask_for_nothing_more():
    rig = await Rig().start()
    rig.may_answer.clear()
    rig.candles.row(row(2))
    closing = asyncio.create_task(rig.candles.close_due())
    await asyncio.sleep(0)
    others = []
    for n in range(2, 40):
        rig.candles.row(row(2, n))
        assert not rig.candles.is_due()
        others.append(asyncio.create_task(rig.candles.close_due()))
    rig.may_answer.set()
    await asyncio.gather(closing, *others)
    assert rig.numbers() == [1]
    assert len(rig.reads) == 1
    assert rig.observed == 0


async def test_a_history_that_waits_holds_no_bar_up_and_none_is_known_twice():
    rig = await Rig().start()
    assert await rig.candles.closed_bars(BEGIN + STEP, 3)
    rig.venue_ms += STEP
    rig.clock.observe(rig.venue_ms)
    rig.may_answer.clear()
    history = asyncio.create_task(rig.candles.closed_bars(BEGIN + 2 * STEP, 4))
    await asyncio.sleep(0)
    assert len(rig.reads) == 2
    rig.candles.row(row(2))
    closing = asyncio.create_task(rig.candles.close_due())
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(rig.reads) == 3
    rig.may_answer.set()
    await closing
    assert rig.numbers() == [1]
    times = [bar.time_ms for bar in await history]
    assert times == [BEGIN + number * STEP for number in (-2, -1, 0, 1)]
    rig.venue_ms += STEP
    rig.clock.observe(rig.venue_ms)
    times = [bar.time_ms for bar in await rig.candles.closed_bars(BEGIN + 3 * STEP, 5)]
    assert times == [BEGIN + number * STEP for number in (-2, -1, 0, 1, 2)]


async def test_a_venue_that_says_that_the_bar_goes_on_is_not_asked_at_once_again():
    rig = await Rig().start()
    rig.elapsed_s = 62.0
    assert rig.candles.is_due()
    await rig.candles.close_due()
    assert (rig.observed, rig.told) == (1, [])
    assert not rig.candles.is_due()
    rig.candles.row(row(2))
    assert rig.candles.is_due()
    await rig.candles.close_due()
    assert rig.numbers() == [1]


async def test_a_bar_that_cannot_be_read_is_due_again_later():
    rig = await Rig().start()

    async def fail(first_ms, last_ms):
        raise VenueError("gone")

    rig.candles._read_rows = fail
    rig.venue_ms += STEP
    rig.clock.observe(rig.venue_ms)
    with pytest.raises(VenueError, match="gone"):
        await rig.candles.close_due()
    assert rig.told == []
    assert not rig.candles.is_due()
