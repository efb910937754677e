"""Fresh windows: each equals a backtest that starts at its bar; looks, time lost, later days, holes."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.backtest.replay import Played
from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.market.funding import NO_FUNDING
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core import new_state
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.core_state import LOSING_TRADES_BIT
from firstwatch.trading.launch import Guards
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.verdicts import DAY_MS
from firstwatch.watch.windows import (
    STOP_REASONS,
    Baseline,
    Carried,
    DayOfRun,
    Lost,
    Windows,
    look_grid,
)
from tests.backtest.specifications import COSTS as BACKTEST_COSTS
from tests.backtest.specifications import (
    MARKETS,
    launches,
    random_candles,
    random_funding,
    specifications,
)
from tests.candles import generated_candles
from tests.watch.algorithms import algorithm

HOUR_MS = 3_600_000
COSTS = Costs(Decimal("0.5"), Decimal("0.5"), Decimal(2))


def windows_of(candles, name="long_1h", **changes):
    spec = changes.pop("spec", None) or algorithm(name)
    chosen = changes.pop("settings", BacktestSettings())
    return Windows(Baseline(spec, candles, DEFAULT_MARKET, COSTS, chosen, **changes))


def without(candles, mask):
    return CandleArrays(
        *(
            np.ascontiguousarray(column[~mask])
            for column in (
                candles.time_ms, candles.open, candles.high, candles.low, candles.close, candles.volume
            )
        ),
        candles.timeframe,
    )  # fmt: skip


def expected_looks(result, begin_ms, grid_ms, timeframe, capital):
    """The looks of a window by their definitions, from a backtest's trades and curve; slow and plain."""
    found = {"drawdown": [], "entries": [], "stops": [], "since_entry_ms": [], "equity": []}
    curve = list(zip(result.time_ms.tolist(), result.equity.tolist(), strict=True))
    for look in grid_ms.tolist():
        now = begin_ms + look
        seen = [max(equity / capital, 1e-6) for time, equity in curve if time + timeframe.ms <= now]
        peak = max([1.0, *seen])
        last = seen[-1] if seen else 1.0
        entries = [r.entry_time_ms for r in result.records if r.entry_time_ms + timeframe.ms <= now]
        stops = [
            r for r in result.records if r.exit_time_ms + timeframe.ms <= now and r.reason in STOP_REASONS
        ]
        found["equity"].append(last)
        found["drawdown"].append(np.log(peak / last))
        found["entries"].append(len(entries))
        found["stops"].append(len(stops))
        found["since_entry_ms"].append(now - max(entries, default=begin_ms))
    return found


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(data=st.data(), spec=specifications(), seed=st.integers(0, 10_000))
def test_a_window_is_a_backtest_that_starts_at_its_bar(data, spec, seed):
    chosen = replace(data.draw(launches(spec.direction)), assume_position_now=False)
    market = data.draw(st.sampled_from(MARKETS))
    costs = data.draw(st.sampled_from(BACKTEST_COSTS))
    timeframe = data.draw(st.sampled_from([Timeframe.M30, Timeframe.H1]))
    spec = spec.model_copy(update={"timeframe": timeframe})
    candles = random_candles(seed, 24 * 7, 0.01, timeframe)
    funding = random_funding(seed, candles)
    made = Windows(Baseline(spec, candles, market, costs, chosen, funding))
    starts = made.starts(7 * HOUR_MS)
    looks = made.play(starts)
    for row, bar in enumerate(starts.bar.tolist()):
        begin_ms = int(candles.time_ms[bar])
        result = simulate(
            spec, candles, market=market, costs=costs, settings=chosen, funding=funding,
            start_ms=begin_ms, end_ms=begin_ms + DAY_MS,
        )  # fmt: skip
        if int(result.time_ms[0]) != begin_ms:
            continue  # an operand has no value at this bar: the backtest starts later
        # The backtest closes what is open on its last bar; a window goes on.
        before_end = int(result.time_ms[-1]) + timeframe.ms - begin_ms
        if result.records and result.records[-1].reason is ExitReason.END_OF_DATA:
            compared = made.grid_ms < before_end
        else:
            compared = made.grid_ms <= DAY_MS
        wanted = expected_looks(result, begin_ms, made.grid_ms, timeframe, float(chosen.capital))
        for name, values in wanted.items():
            np.testing.assert_allclose(
                getattr(looks, name)[row][compared], np.array(values)[compared], rtol=1e-9, atol=1e-9
            )


def test_a_pass_in_parts_is_the_pass():
    made = windows_of(generated_candles(5, 2_000))
    whole, parts = Played(), Played()
    one, other = new_state(made.core), new_state(made.core)
    made.replay.play(one, made.core, 50, 1_900, whole)
    for first, end in ((50, 51), (51, 400), (400, 401), (401, 1_900)):
        made.replay.play(other, made.core, first, end, parts)
    assert one == other
    assert whole.records == parts.records
    assert np.array_equal(whole.entries, parts.entries)
    assert np.array_equal(whole.stretches, parts.stretches)
    assert len(whole.records) > 50


@pytest.mark.parametrize(
    ("timeframe", "first_minutes", "looks"),
    [("1m", 150, 87), ("3m", 150, 87), ("5m", 150, 87), ("15m", 150, 87), ("30m", 150, 44), ("1h", 180, 22),
     ("2h", 240, 11)],
)  # fmt: skip
def test_looks_are_closes_from_a_tenth_of_the_day_on(timeframe, first_minutes, looks):
    grid = look_grid(Timeframe(timeframe))
    assert grid[0] == first_minutes * 60_000
    assert grid[-1] == DAY_MS
    assert len(grid) == looks
    assert set(np.diff(grid).tolist()) == {int(grid[-1] - grid[-2])}


@pytest.mark.parametrize(
    ("timeframe", "most"), [("1m", 9), ("5m", 9), ("15m", 9), ("30m", 7), ("1h", 3), ("2h", 1), ("4h", 0)]
)
def test_windows_begin_near_the_hour_of_the_launch(timeframe, most):
    timeframe = Timeframe(timeframe)
    bars = 5 * DAY_MS // timeframe.ms
    spec = algorithm("long_1h").model_copy(update={"timeframe": timeframe})
    made = windows_of(generated_candles(1, bars, timeframe), spec=spec)
    starts = made.starts(10 * HOUR_MS)
    days = np.unique(starts.day)
    assert len(starts) == most * len(days)
    assert len(days) == (4 if most else 0)
    if not most:
        return
    of_day = made.candles.time_ms[starts.bar] % DAY_MS - 10 * HOUR_MS
    assert abs(of_day).max() <= 90 * 60_000
    assert len(np.unique(of_day)) == most
    assert (of_day[starts.is_exact] == 0).all()
    assert starts.is_exact.sum() == len(days)
    assert (np.diff(starts.bar) > 0).all()


def test_windows_near_midnight_belong_to_the_day_of_their_launch():
    made = windows_of(generated_candles(1, 24 * 6))
    starts = made.starts(0)
    begin = made.candles.time_ms[starts.bar]
    assert set(((begin - starts.day * DAY_MS) // HOUR_MS).tolist()) == {-1, 0, 1}


def test_candles_that_are_missing_leave_their_days_out():
    candles = generated_candles(3, 24 * 90)
    hole = (np.arange(len(candles)) >= 24 * 30) & (np.arange(len(candles)) < 24 * 60)
    made = windows_of(without(candles, hole))
    days = np.unique(made.starts(12 * HOUR_MS).day) - int(candles.time_ms[0]) // DAY_MS
    assert days.tolist() == [*range(29), *range(60, 89)]
    assert np.isfinite(made.play(made.starts(12 * HOUR_MS)).drawdown).all()


def test_bars_that_did_not_trade_are_days_all_the_same():
    candles = generated_candles(3, 24 * 60)
    thin = np.random.default_rng(1).random(len(candles)) < 0.5
    made = windows_of(without(candles, thin))
    assert len(np.unique(made.starts(12 * HOUR_MS).day)) > 30


def test_too_few_bars_have_no_window():
    for bars in (0, 1, 3, 24):
        made = windows_of(generated_candles(1, 48).part(0, bars))
        starts = made.starts(0)
        assert len(starts) == 0
        assert made.play(starts).drawdown.shape == (0, 22)


def test_a_constant_price_has_no_drawdown_and_no_entry():
    candles = generated_candles(1, 24 * 20)
    flat = np.full(len(candles), 100.0)
    still = CandleArrays(candles.time_ms, flat, flat, flat, flat, candles.volume, candles.timeframe)
    looks = windows_of(still).play(windows_of(still).starts(0))
    assert len(looks) > 0
    assert not looks.drawdown.any()
    assert (looks.equity == 1).all()


def test_no_entry_is_decided_in_lost_time():
    made = windows_of(generated_candles(2, 24 * 120))
    starts = made.starts(12 * HOUR_MS)
    lost = Lost(4 * HOUR_MS, 20 * HOUR_MS, is_down=False)
    looks = made.play(starts, DayOfRun(lost=(lost,)))
    whole = made.play(starts)
    # A decision of the close at 4 h may still fill; one inside (4 h, 20 h] is not made.
    at = {look: place for place, look in enumerate((made.grid_ms // HOUR_MS).tolist())}
    assert (looks.entries[:, at[20]] == looks.entries[:, at[5]]).all()
    assert (looks.entries[:, : at[5]] == whole.entries[:, : at[5]]).all()
    assert (whole.entries[:, at[20]] > whole.entries[:, at[5]]).any()
    assert (looks.entries[:, -1] > looks.entries[:, at[20]]).any()


def test_an_exit_that_is_decided_while_down_waits_for_the_first_open_after():
    made = windows_of(generated_candles(2, 24 * 120))
    first, end = 1_000, 1_100
    plain = Played()
    made.replay.play(new_state(made.core), made.core, first, end, plain)
    trade = next(r for r in plain.records if r.reason is ExitReason.SIGNAL)
    entry = made.candles.index_at(trade.entry_time_ms)
    decided = made.candles.index_at(trade.exit_time_ms) - 1
    state, played = new_state(made.core), Played()
    made.replay.play(state, made.core, first, decided, played)
    assert len(played.entries) == 1
    assert played.entries[0] == entry
    up = decided + 3
    made.replay.play(state, made.core, decided, up, played, is_down=True)
    assert state.steps > 0
    made.replay.play(state, made.core, up, up + 1, played)
    (late,) = played.records
    assert late.exit_time_ms == int(made.candles.time_ms[up])
    assert late.reason is ExitReason.SIGNAL
    assert late.exit_price == pytest.approx(made.candles.open[up] * (1 - 2e-4))


def test_a_second_day_begins_fresh_a_day_earlier_and_counts_from_its_own_begin():
    candles = generated_candles(6, 24 * 40)
    made = windows_of(candles)
    of = DayOfRun(2)
    starts = made.starts(12 * HOUR_MS, of)
    looks = made.play(starts, of)
    for row in range(0, len(starts), 7):
        begin_ms = int(candles.time_ms[starts.bar[row]])
        result = simulate(
            made.baseline.spec, candles, market=DEFAULT_MARKET, costs=COSTS,
            start_ms=begin_ms, end_ms=begin_ms + 2 * DAY_MS + 10 * HOUR_MS,
        )  # fmt: skip
        day_ms = begin_ms + DAY_MS
        base = result.equity[23]
        part = [1.0, *(result.equity[24:48] / base)]
        entries = [r.entry_time_ms for r in result.records if day_ms <= r.entry_time_ms < day_ms + DAY_MS]
        assert looks.entries[row, -1] == len(entries)
        assert looks.equity[row, -1] == pytest.approx(part[-1])
        assert looks.drawdown[row, -1] == pytest.approx(np.log(max(part) / part[-1]))
        assert looks.since_entry_ms[row, -1] == day_ms + DAY_MS - max(entries, default=day_ms)


def test_a_later_day_enters_with_the_limits_of_the_run():
    candles = generated_candles(6, 24 * 40)
    made = windows_of(candles, settings=BacktestSettings(trades_limit=3, guards=Guards(losing_trades=2)))
    free = windows_of(candles)
    of = DayOfRun(2, carried=Carried(entries=2))
    starts = made.starts(12 * HOUR_MS, of)
    assert made.play(starts, of).entries.max() == 1
    assert free.play(starts, of).entries.max() > 1
    paused = DayOfRun(2, carried=Carried(entries_paused_by_guard=LOSING_TRADES_BIT))
    assert made.play(starts, paused).entries.max() <= 1  # a decision of the close before may still fill


def test_what_a_run_carries_is_read_from_its_core():
    made = windows_of(generated_candles(6, 24 * 40))
    state = new_state(made.core)
    made.replay.play(state, made.core, 20, 600, Played())
    carried = Carried.of_state(state)
    other = new_state(made.core)
    carried.put_into(other)
    assert other.entries == state.entries > 0
    assert other.peak_equity / other.equity == pytest.approx(max(1, state.peak_equity / state.equity))


def test_the_same_windows_are_the_same_bits():
    candles = generated_candles(9, 24 * 30)
    first, second = (made.play(made.starts(0)) for made in (windows_of(candles), windows_of(candles)))
    for name in ("drawdown", "entries", "stops", "since_entry_ms", "equity"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_fills_say_when_they_were_and_which_paid_slippage():
    candles = generated_candles(2, 24 * 60)
    made = windows_of(candles)
    starts = made.starts(12 * HOUR_MS)
    looks = made.play(starts, keeps_orders=True)
    reasons = set()
    for row, orders in enumerate(looks.orders):
        assert len(orders.fill_ms) >= 2 * looks.entries[row, -1] - 1
        assert (orders.fill_ms > 0).all()
        assert (orders.fill_ms <= DAY_MS).all()
        assert (np.diff(orders.fill_ms) >= 0).all()
        reasons |= set(orders.pays_slippage.tolist())
    assert reasons == {True, False}, "a target is met at its own price"


def test_a_start_bounds_the_windows():
    candles = generated_candles(2, 24 * 60)
    begin_ms = int(candles.time_ms[24 * 20])
    made = windows_of(candles, start_ms=begin_ms, funding=NO_FUNDING)
    assert int(candles.time_ms[made.starts(0).bar[0]]) >= begin_ms
