"""Closed bars of one symbol: told once, in order, and with no more requests than they need."""

import asyncio

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from firstwatch.trading.errors import VenueError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid import candles
from firstwatch.venues.hyperliquid.candles import Candles
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.decoder import STREAM_CANDLE, decode
from tests.venues.hyperliquid.quick import run

STEP = Timeframe.M1.ms
BEGIN = 28_000_000 * STEP


def row(number, n=1):
    price = str(100 + number)
    said = {"t": BEGIN + number * STEP, "s": "BTC", "i": "1m", "v": "1", "n": n}
    return decode(STREAM_CANDLE, said | dict.fromkeys("ohlc", price), "it")


class Rig:
    """Candles at a venue that stands in bar 1 and answers when it is let."""

    def __init__(self):
        self.elapsed_s = 0.0
        self.venue_ms = BEGIN + STEP + 1
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.reads, self.observed, self.told = [], 0, []
        self.comes_s = {}
        """When the venue publishes a bar that it is late with, on the elapsed clock."""
        self.clock = VenueClock(lambda: self.elapsed_s)
        self.candles = Candles(
            Timeframe.M1,
            self.clock,
            elapsed_s=lambda: self.elapsed_s,
            read_rows=self._read,
            observe=self._observe,
            may_confirm=lambda: True,
            closed=self.told.append,
        )

    async def start(self):
        await self.candles.start()
        self.observed, self.reads = 0, []
        return self

    async def go_on(self, seconds):
        """Let time pass, at the venue too, and do what is due every half second, as the session does."""
        for _ in range(round(seconds * 2)):
            self.elapsed_s += 0.5
            self.venue_ms += 500
            if self.candles.is_due():
                await self.candles.close_due()

    def is_there(self, number):
        return self.elapsed_s >= self.comes_s.get(number, 0)

    async def _read(self, first_ms, last_ms):
        self.reads.append((first_ms, last_ms))
        rows = [row(number) for number in range(-30, 60) if self.is_there(number)]
        await self.may_answer.wait()
        return [each for each in rows if first_ms <= each.t <= min(last_ms, self.venue_ms)]

    async def _observe(self):
        self.observed += 1
        self.say()

    def say(self):
        """Let two sources say what time it is at the venue."""
        for source in ("book", "status"):
            self.clock.observe(self.venue_ms, source)

    def hear(self, row):
        """Take a row of the stream in, at a time that another source says, too."""
        for source in ("candles", "status"):
            self.clock.observe(row.t, source)
        self.candles.row(row)

    def numbers(self):
        return [(bar.time_ms - BEGIN) // STEP for bar in self.told]


async def test_rows_that_come_while_a_bar_is_confirmed_ask_for_nothing_more():
    rig = await Rig().start()
    rig.may_answer.clear()
    rig.hear(row(2))
    closing = asyncio.create_task(rig.candles.close_due())
    await asyncio.sleep(0)
    others = []
    for n in range(2, 40):
        rig.hear(row(2, n))
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
    rig.say()
    rig.may_answer.clear()
    history = asyncio.create_task(rig.candles.closed_bars(BEGIN + 2 * STEP, 4))
    await asyncio.sleep(0)
    assert len(rig.reads) == 2
    rig.hear(row(2))
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
    rig.say()
    times = [bar.time_ms for bar in await rig.candles.closed_bars(BEGIN + 3 * STEP, 5)]
    assert times == [BEGIN + number * STEP for number in (-2, -1, 0, 1, 2)]


async def test_a_venue_that_says_that_the_bar_goes_on_is_not_asked_at_once_again():
    rig = await Rig().start()
    rig.elapsed_s = 62.0
    assert rig.candles.is_due()
    await rig.candles.close_due()
    assert (rig.observed, rig.told) == (1, [])
    assert not rig.candles.is_due()
    rig.hear(row(2))
    assert rig.candles.is_due()
    await rig.candles.close_due()
    assert rig.numbers() == [1]


async def test_a_bar_that_cannot_be_read_is_due_again_later():
    rig = await Rig().start()

    async def fail(first_ms, last_ms):
        raise VenueError("gone")

    rig.candles._read_rows = fail
    rig.venue_ms += STEP
    rig.say()
    with pytest.raises(VenueError, match="gone"):
        await rig.candles.close_due()
    assert rig.told == []
    assert not rig.candles.is_due()


NEVER = float("inf")


async def test_a_bar_that_is_published_late_is_told_late():
    rig = await Rig().start()
    rig.comes_s = {2: 65 + 40}
    await rig.go_on(62)
    assert rig.numbers() == [1]
    await rig.go_on(60)
    assert rig.numbers() == [1, 2]
    await rig.go_on(60)
    assert rig.numbers() == [1, 2, 3]


async def test_a_bar_behind_one_that_is_not_there_waits_until_a_second_reading_lacks_it_too():
    rig = await Rig().start()
    rig.comes_s = {2: 122, 3: 121}
    await rig.go_on(121.5)
    assert rig.numbers() == [1]
    await rig.go_on(2)
    assert rig.numbers() == [1, 2]
    rig.comes_s = {3: 242, 4: 241}
    await rig.go_on(118)
    assert rig.numbers() == [1, 2]
    await rig.go_on(2)
    assert rig.numbers() == [1, 2, 3, 4]


async def test_a_hole_that_was_seen_before_holds_nothing_up_and_costs_nothing_more():
    rig = await Rig().start()
    rig.comes_s = {2: NEVER}
    await rig.go_on(179)
    assert rig.numbers() == [1]
    before = len(rig.reads)
    await rig.go_on(2)
    assert rig.numbers() == [1, 3]
    assert len(rig.reads) == before + 1


async def test_a_bar_that_comes_after_its_successor_was_told_is_told_and_is_history_from_then_on():
    rig = await Rig().start()
    rig.comes_s = {2: 185}
    await rig.go_on(182)
    assert rig.numbers() == [1, 3]
    await rig.go_on(60)
    assert rig.numbers() == [1, 3, 2, 4]
    known = await rig.candles.closed_bars(rig.venue_ms, 4)
    assert [(bar.time_ms - BEGIN) // STEP for bar in known] == [1, 2, 3, 4]


async def test_a_hole_is_confirmed_by_nothing_but_a_reading():
    rig = await Rig().start()
    rig.comes_s = {2: NEVER}
    await rig.go_on(121)

    async def fail(first_ms, last_ms):
        raise VenueError("gone")

    read, rig.candles._read_rows = rig.candles._read_rows, fail
    rig.hear(row(3))
    rig.hear(row(4))
    rig.venue_ms += STEP
    with pytest.raises(VenueError, match="gone"):
        await rig.candles.close_due()
    assert rig.numbers() == [1]
    rig.candles._read_rows = read
    await rig.go_on(2.5)
    assert rig.numbers() == [1, 3]


async def test_a_reading_that_lags_confirms_no_hole():
    rig = await Rig().start()
    rig.comes_s = {number: 200 for number in range(2, 60)}
    await rig.go_on(61)
    rig.hear(row(3))
    rig.hear(row(4))
    await rig.go_on(130)
    assert rig.numbers() == [1]
    await rig.go_on(30)
    assert rig.numbers() == [1, 2, 3]


async def test_history_waits_until_a_hole_is_confirmed(monkeypatch):
    monkeypatch.setattr(candles, "_CONFIRM_S", 0.01)
    rig = Rig()
    rig.comes_s = {0: 1, -15: NEVER, -28: NEVER}
    read = rig.candles._read_rows

    async def read_later(first_ms, last_ms):
        rig.elapsed_s += 0.5
        return await read(first_ms, last_ms)

    rig.candles._read_rows = read_later
    known = await rig.candles.closed_bars(BEGIN + STEP, 29)
    assert [(bar.time_ms - BEGIN) // STEP for bar in known] == [
        number for number in range(-30, 1) if number not in (-15, -28)
    ]


async def test_a_listener_hears_of_the_last_bar_that_was_not_there_when_history_was_read():
    rig = Rig()
    rig.comes_s = {0: 10}
    known = await rig.candles.closed_bars(BEGIN + STEP, 1)
    assert known[0].time_ms == BEGIN - STEP
    await rig.start()
    await rig.go_on(20)
    assert rig.numbers() == [0]


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    late_s=st.dictionaries(
        st.integers(1, 12), st.sampled_from([3, 40, 61, 62, 63, 90, 150, NEVER]), max_size=6
    ),
    streamed=st.sets(st.integers(1, 13)),
)
def test_every_bar_that_the_venue_has_in_the_end_is_told_once(late_s, streamed):
    asyncio.run(_lives_through(late_s, streamed))


async def _lives_through(late_s, streamed):
    rig = await Rig().start()
    rig.comes_s = {number: number * 60 + seconds for number, seconds in late_s.items()}
    for number in range(2, 16):
        await rig.go_on(60)
        if number in streamed and rig.is_there(number):
            rig.hear(row(number))
    await rig.go_on(182)
    told, there = rig.numbers(), [number for number in range(1, 18) if rig.is_there(number)]
    assert sorted(told) == there
    last = 0
    for place, number in enumerate(told):
        if number < last:
            # It was late by more than a bar: its successor had been told.
            assert late_s[number] > 60, (told, place)
        last = max(last, number)
    known = await rig.candles.closed_bars(rig.venue_ms, len(there))
    assert [(bar.time_ms - BEGIN) // STEP for bar in known] == there


async def test_a_row_ahead_of_the_venues_time_closes_nothing():
    rig = await Rig().start()
    rig.candles.row(row(50_000))
    assert not rig.candles.is_due()
    rig.hear(row(2))
    await rig.candles.close_due()
    assert rig.numbers() == [1]
    rig.hear(row(3))
    rig.venue_ms = row(3).t
    await rig.candles.close_due()
    assert rig.numbers() == [1, 2]


async def test_a_market_whose_first_bar_is_not_over_has_no_closed_bar():
    rig = Rig()
    rig.comes_s = dict.fromkeys(range(-30, 1), 1e9)
    rig.say()
    assert await rig.candles.closed_bars(BEGIN + STEP, 3) == []


# --- slow answers --------------------------------------------------------------------------------


class SlowRig(Rig):
    """A venue in its own time, at which ``takes_s`` says how long each answer takes."""

    def __init__(self, *takes_s):
        super().__init__()
        self.takes_s = list(takes_s)
        self.closed_at_s = {}

    async def start(self):
        loop = asyncio.get_running_loop()
        self._begun_s, self._begun_ms = loop.time(), self.venue_ms
        self.candles._elapsed_s = loop.time
        self.clock._elapsed_s = loop.time
        await super().start()
        self.candles._closed = self._note
        return self

    def _note(self, bar):
        number = (bar.time_ms - BEGIN) // STEP
        self.told.append(bar)
        self.closed_at_s[number] = (self._now_ms() - BEGIN) / 1_000 - (number + 1) * 60

    def _now_ms(self):
        passed_s = asyncio.get_running_loop().time() - self._begun_s
        return self._begun_ms + round(passed_s * 1_000)

    async def _read(self, first_ms, last_ms):
        self.venue_ms = self._now_ms()
        found = await super()._read(first_ms, last_ms)
        await asyncio.sleep(self.takes_s.pop(0) if len(self.takes_s) > 1 else self.takes_s[0])
        return found

    async def _observe(self):
        self.venue_ms = self._now_ms()
        await super()._observe()

    async def beat(self, seconds):
        """Do what is due each tenth of a second; return what readings failed of."""
        failed, tasks = [], set()

        async def close():
            try:
                await self.candles.close_due()
            except VenueError as error:
                failed.append(str(error))

        for _ in range(round(seconds * 10)):
            await asyncio.sleep(0.1)
            if self.candles.is_due():
                task = asyncio.create_task(close())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        for task in tasks:
            task.cancel()
        return failed


@pytest.mark.parametrize("takes_s", [0.1, 3.2, 5.0, 9.0])
def test_a_bar_closes_when_the_answer_comes_however_long_it_takes(takes_s):
    async def live():
        rig = await SlowRig(takes_s).start()
        await rig.beat(400)
        return rig

    rig = run(live())
    assert rig.numbers() == [1, 2, 3, 4, 5, 6]
    assert max(rig.closed_at_s.values()) < takes_s + 1.5
    # A slow venue is not asked twice for each bar.
    assert len(rig.reads) <= 6 + 1


def test_a_request_that_hangs_for_ever_closes_nothing_late():
    async def live():
        rig = await SlowRig(1e9, 0.2, 1e9, 0.2).start()
        failed = await rig.beat(130)
        return rig, failed

    rig, failed = run(live())
    assert rig.numbers() == [1, 2]
    assert max(rig.closed_at_s.values()) < 8
    assert failed
    assert all("there is no answer after" in sentence for sentence in failed)


def test_a_streamed_bar_waits_for_no_answer_that_hangs():
    async def live():
        rig = await SlowRig(1e9).start()
        await rig.beat(59)
        rig.candles.row(row(1))
        rig.candles.row(row(2))
        failed = await rig.beat(5)
        return rig, failed

    rig, failed = run(live())
    assert rig.numbers() == [1]
    assert failed == []


def test_no_more_than_two_requests_hang_at_once():
    async def live():
        rig = await SlowRig(1e9).start()
        await rig.beat(300)
        return rig

    assert len(run(live()).reads) == 2
