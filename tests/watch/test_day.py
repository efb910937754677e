"""A live day from what the store has: against a plain count, bar by bar."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.store.journal import JournalEntry
from firstwatch.store.watch import DOWN, TimeLost
from firstwatch.trading.events import EntriesPaused, EntriesResumed, Recovered, RunEvent
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, ExitReason
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS
from firstwatch.watch.day import (
    Pause,
    RunRecord,
    days_so_far,
    downs_of,
    live_day,
    pauses_of,
    watch_begin_ms,
)
from firstwatch.watch.windows import SMALLEST_EQUITY, STOP_REASONS, Lost

HOUR = Timeframe.H1.ms
LAUNCH = 400 * DAY_MS + 7 * HOUR


def trade(entry_ms: int, exit_ms: int, reason: ExitReason = ExitReason.SIGNAL) -> Trade:
    one = Decimal(1)
    return Trade(
        side=Side.LONG, entry_time_ms=entry_ms, entry_price=one, exit_time_ms=exit_ms, exit_price=one,
        amount=one, gross_pnl=one, fees=one, funding=one, pnl=one, reason=reason, bars_held=1,
        adverse_excursion=one, favourable_excursion=one,
    )  # fmt: skip


def record(bars: int, trades: list[Trade] | None = None, **changed: object) -> RunRecord:
    plain = RunRecord(
        timeframe=Timeframe.H1,
        launched_ms=LAUNCH,
        took_over=False,
        capital=1_000.0,
        bar_ms=LAUNCH + HOUR * np.arange(bars, dtype=np.int64),
        equity=1_000.0 + np.arange(1.0, bars + 1),
        trades=trades or [],
        opened_ms=None,
    )
    return replace(plain, **changed)


TIMES = st.lists(st.integers(LAUNCH + 1, LAUNCH + 60 * HOUR), max_size=24, unique=True).map(sorted)


@given(TIMES, st.integers(0, 60), st.integers(1, 3), st.lists(st.sampled_from(list(ExitReason)), min_size=12))
def test_a_day_counts_what_happened_up_to_each_close(
    times: list[int], bars: int, number: int, reasons: list[ExitReason]
) -> None:
    pairs = list(zip(times[::2], times[1::2], strict=False))
    trades = [trade(*pair, reason) for pair, reason in zip(pairs, reasons, strict=False)]
    opened_ms = times[-1] if len(times) % 2 else None
    day = live_day(record(bars, trades, opened_ms=opened_ms), number)
    assert day.begin_ms == LAUNCH + (number - 1) * DAY_MS
    entries = [each.entry_time_ms for each in trades] + ([] if opened_ms is None else [opened_ms])
    for index, close_ms in enumerate(day.close_ms.tolist()):

        def today(moments: list[int], until_ms: int = close_ms) -> list[int]:
            return [each for each in moments if day.begin_ms <= each // HOUR * HOUR and each < until_ms]

        entered = today(entries)
        assert day.entries[index] == len(entered)
        stops = [each.exit_time_ms for each in trades if each.reason in STOP_REASONS]
        assert day.stops[index] == len(today(stops))
        assert day.exits[index] == len(today([each.exit_time_ms for each in trades]))
        last_ms = max(entered) // HOUR * HOUR if entered else day.begin_ms
        assert day.last_entry_ms[index] == last_ms
    assert len(day) == min(max(bars - 24 * (number - 1), 0), 24)
    if len(day):
        before = 1_000.0 + 24 * (number - 1)
        assert day.equity[0] == (before + 1) / before
        assert day.hours == len(day)
        assert day.is_over == (len(day) == 24)


def test_a_run_that_took_a_position_over_is_watched_from_the_bar_after_its_exit() -> None:
    held = record(5, took_over=True, opened_ms=LAUNCH + 1_000)
    assert watch_begin_ms(held) is None
    assert days_so_far(held) == 0
    over = record(30, [trade(LAUNCH + 1_000, LAUNCH + 5 * HOUR + 9)], took_over=True)
    assert watch_begin_ms(over) == LAUNCH + 6 * HOUR
    assert days_so_far(over) == 1
    day = live_day(over, 1)
    assert (day.entries[-1], len(day)) == (0, 24)
    assert day.equity[0] == 1_007 / 1_006
    # A run that took nothing over begins with its first bar, whatever it does later.
    assert watch_begin_ms(record(5, took_over=True, opened_ms=LAUNCH + 2 * HOUR)) == LAUNCH
    waiting = live_day(held, 1)
    assert (waiting.is_waiting, len(waiting), waiting.hours) == (True, 0, 0)


def test_a_launch_inside_of_a_bar_counts_from_its_open() -> None:
    assert watch_begin_ms(record(3, launched_ms=LAUNCH + 1_234)) == LAUNCH


def entry(event: RunEvent, time_ms: int | None, author: Author = Author.SYSTEM) -> JournalEntry:
    return JournalEntry("r", 1, event, author, time_ms, 1)


def test_pauses_that_the_algorithm_did_not_choose_are_found() -> None:
    events = [
        entry(EntriesPaused(why="a guard", by_guard=True), 10),
        entry(EntriesResumed(why="its day is over"), 20),
        entry(EntriesPaused(why="paused by the operator"), 30, Author.OPERATOR),
        entry(EntriesPaused(why="the venue refused"), 35),
        entry(EntriesResumed(why="a guard's day is over"), 36),
        entry(EntriesResumed(why="resumed"), 40, Author.OPERATOR),
        entry(EntriesPaused(why="the first watch: drawdown"), 50),
    ]
    assert pauses_of(events) == [Pause(30, 40), Pause(50)]


@pytest.mark.parametrize(
    ("pause", "first", "second"),
    [
        (Pause(LAUNCH + 5 * HOUR, LAUNCH + 6 * HOUR), LAUNCH + 5 * HOUR, None),
        (Pause(LAUNCH + 5 * HOUR), LAUNCH + 5 * HOUR, LAUNCH + DAY_MS),
        (Pause(LAUNCH + 25 * HOUR), None, LAUNCH + 25 * HOUR),
    ],
)
def test_a_pause_freezes_its_day_and_the_next_while_it_lasts(
    pause: Pause, first: int | None, second: int | None
) -> None:
    whole = record(30, pauses=[pause])
    assert live_day(whole, 1).paused_ms == first
    assert live_day(whole, 2).paused_ms == second


def test_bars_that_closed_without_a_worker_are_lost() -> None:
    whole = record(10)
    events = [
        entry(Recovered(why="x", past_bars=2), LAUNCH + 5 * HOUR + 60_000),
        entry(Recovered(why="x"), 1),
    ]
    lost = downs_of(events, whole.bar_ms, Timeframe.H1)
    assert lost == [TimeLost(LAUNCH + 4 * HOUR, LAUNCH + 5 * HOUR + 60_000, DOWN)]
    day = live_day(replace(whole, lost=lost), 1)
    assert np.flatnonzero(day.is_lost).tolist() == [3, 4]
    assert day.lost_minutes().tolist() == [0, 0, 0, 60, 60] + [0] * 19
    going_on = replace(whole, lost=[TimeLost(LAUNCH + 9 * HOUR + 5, None, "stale")])
    assert np.flatnonzero(live_day(going_on, 1).is_lost).tolist() == [9]
    assert day.lost() == (Lost(4 * HOUR - 1, 5 * HOUR, is_down=True),)


@pytest.mark.parametrize("left", [0.0, -12.5])
def test_a_day_that_begins_with_nothing_left_has_no_value_that_is_no_number(left: float) -> None:
    """The venue has taken all that there was, and the run goes on: what is left is no share of nothing."""
    lived = record(30, equity=np.concatenate((np.full(20, 1_000.0), np.full(10, left))))
    for number in (1, 2):
        today = live_day(lived, number)
        assert np.isfinite(today.equity).all()
        looks = today.looks(HOUR * np.arange(1, 25))
        made = np.isfinite(looks.equity[0])
        assert made.sum() == len(today)
        assert np.isfinite(looks.drawdown[0, made]).all()
        # All of it is lost, on both days: as a window that begins with nothing is read.
        assert looks.drawdown[0, made][-1] == pytest.approx(-np.log(SMALLEST_EQUITY))


def test_the_looks_of_a_day_are_those_of_its_last_closes() -> None:
    trades = [trade(LAUNCH + 3 * HOUR + 7, LAUNCH + 4 * HOUR + 7, ExitReason.STOP_LOSS)]
    equity = np.array([1_010.0, 1_000.0, 990.0, 1_020.0, 1_010.0, 1_000.0])
    grid_ms = HOUR * np.arange(3, 25, dtype=np.int64)
    whole = record(6, trades, equity=equity)
    looks = live_day(whole, 1).looks(grid_ms)
    assert np.isnan(looks.entries[0, 4:]).all()
    assert looks.entries[0, :4].tolist() == [0, 1, 1, 1]
    assert looks.stops[0, :4].tolist() == [0, 0, 1, 1]
    assert (looks.since_entry_ms[0, :4] / HOUR).tolist() == [3, 1, 2, 3]
    assert looks.equity[0, :4].tolist() == [0.99, 1.02, 1.01, 1.0]
    assert looks.drawdown[0, 0] == pytest.approx(np.log(1_010 / 990))
    assert looks.drawdown[0, 1] == 0
    paused = live_day(replace(whole, pauses=[Pause(LAUNCH + 5 * HOUR)]), 1).looks(grid_ms)
    assert np.isfinite(paused.entries[0]).tolist() == [True, True] + [False] * 20
    lost = [TimeLost(LAUNCH + 4 * HOUR, LAUNCH + 5 * HOUR, "stale")]
    without = live_day(replace(whole, lost=lost), 1).looks(grid_ms)
    assert np.isfinite(without.entries[0]).tolist() == [True, False, True, True] + [False] * 18
    nothing = live_day(record(0), 1).looks(grid_ms)
    assert np.isnan(nothing.equity).all()
