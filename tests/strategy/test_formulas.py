"""The functions that TA-Lib does not have, against the same formulas written anew and their nature."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from firstwatch.strategy.conditions import Indicator, is_price
from firstwatch.strategy.function_table import FUNCTIONS, OWN_FUNCTIONS
from firstwatch.strategy.functions import Function, Memory
from firstwatch.strategy.indicators import Running, lookback, outputs
from firstwatch.strategy.language import parse_condition
from tests.strategy import formulas_anew
from tests.strategy.conditions import parameter_values
from tests.strategy.make_function_table import HOUR_MS, measured_memory, seeded_candles
from tests.strategy.test_evaluation import group, make_spec

BARS = 200
DAY = 24
each_function = pytest.mark.parametrize("function", OWN_FUNCTIONS, ids=lambda function: function.name)


def defaults(function: Function) -> tuple:
    return tuple(parameter.default for parameter in function.parameters)


def drawn(data: st.DataObject, function: Function) -> tuple:
    values = [data.draw(parameter_values(parameter)) for parameter in function.parameters]
    if function.name == "stc":
        # Equal averages have no difference; fast ones of what stands still soon differ by rounding only.
        values[0], values[1] = values[0] + 8, values[1] + 22
    return tuple(values)


def computed(function: Function, parameters: tuple, candles: dict, start: int = 0) -> tuple[np.ndarray, ...]:
    inputs = [np.array(candles[name][start:], dtype=float) for name in function.inputs]
    return outputs(function.name, parameters, inputs)


def same(left: tuple[np.ndarray, ...], right: tuple[np.ndarray, ...]) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))


@st.composite
def rough_candles(draw: st.DrawFn) -> dict[str, list[float]]:
    """Return candles by field: a stretch that stands still, a gap, holes, bars without volume, any scale.

    Prices are whole multiples of a power of two, so that their sums and differences are exact.
    """
    chance = random.Random(draw(st.integers(0, 10_000)))
    tick = 2.0 ** draw(st.integers(-40, 40))
    still, length = draw(st.integers(0, BARS)), draw(st.integers(0, 40))
    gap, leap = draw(st.integers(0, BARS)), draw(st.sampled_from([1, 0.05, 0.4, 2, 30]))
    holes = draw(st.sampled_from([0, 0.05, 0.6]))
    hour, price = draw(st.integers(0, 30)), 1_000
    candles: dict[str, list[float]] = {
        name: [] for name in ("time_ms", "open", "high", "low", "close", "volume", "source")
    }
    for bar in range(BARS):
        opened = price
        if bar == gap:
            price = max(1, int(price * leap))
        elif not still <= bar < still + length:
            price = max(1, price + chance.randint(-price // 40 - 2, price // 40 + 2))
        is_still = price == opened and still <= bar < still + length
        spread = 0 if is_still else chance.randint(0, 4)
        high, low = max(opened, price) + spread, max(1, min(opened, price) - spread)
        row = (hour * HOUR_MS, opened * tick, high * tick, low * tick, price * tick,
               float(chance.randint(0, 5)), price * tick)  # fmt: skip
        for column, value in zip(candles.values(), row, strict=True):
            column.append(float(value))
        hour += 1
        while chance.random() < holes:
            hour += 1
    return candles


@each_function
def test_a_formula_says_what_its_definition_says(function: Function):
    seen = {"valued": 0, "none": 0}

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(st.data(), rough_candles())
    def check(data: st.DataObject, candles: dict[str, list[float]]):
        parameters = drawn(data, function)
        found = computed(function, parameters, candles)
        anew = getattr(formulas_anew, function.name)(candles, *parameters)
        first = lookback(function.name, parameters)
        is_a_price = is_price(Indicator(function.name, parameters))
        # The place in a range that is almost as small as rounding is as exact as that.
        tolerance = 1e-9 * max(candles["high"]) if is_a_price else 1e-3 if function.name == "stc" else 1e-9
        for values, definition in zip(found, anew, strict=True):
            assert np.isnan(values[:first]).all()
            for index, expected in enumerate(definition[first:], first):
                value = float(values[index])
                assert math.isnan(value) is (expected is None), (parameters, index, value, expected)
                if expected is not None:
                    assert value == pytest.approx(expected, rel=1e-8, abs=tolerance), (parameters, index)
                seen["none" if expected is None else "valued"] += 1

    check()
    assert seen["valued"] > 5_000
    if function.name in {"alma", "chandelier", "ichimoku", "kst", "mcginley", "ulcer"}:
        assert seen["none"] == 0


@each_function
def test_the_first_value_is_where_the_lookback_says(function: Function):
    @settings(max_examples=20, deadline=None, database=None, derandomize=True)
    @given(st.data())
    def check(data: st.DataObject):
        parameters = drawn(data, function)
        candles = seeded_candles(data.draw(st.integers(0, 20)), 160)
        # They begin at midnight: what is of the day has a value at once, what is of the day before later.
        first = lookback(function.name, parameters) + DAY * max(function.days - 1, 0)
        for values in computed(function, parameters, candles):
            assert np.isnan(values[:first]).all()
            assert np.isfinite(values[first:]).all()

    check()


@each_function
def test_what_is_said_of_the_memory_is_measured(function: Function):
    # With a rank of 100 bars all else has faded before the first value.
    parameters = (3, 2, 5) if function.name == "crsi" else defaults(function)
    found = measured_memory(
        function.name,
        lookback(function.name, parameters),
        lambda candles, start: computed(function, parameters, candles, start),
    )
    assert found is function.memory


@pytest.mark.parametrize(
    "call",
    ["chandelier(120, 3).long", "crsi(90, 120, 5)", "fisher(30).fisher", "mcginley(120)", "stc(60, 120, 30)",
     "vidya(60, 4)", "vidya(40, 64)"],
)  # fmt: skip
def test_what_fades_has_faded_after_the_history_of_a_live_run(call: str):
    operand = parse_condition(f"{call} > close").left
    function = FUNCTIONS[operand.function]
    spec = make_spec(group(f"{call} > close"))
    assert function.memory is Memory.FADING
    needed = spec.needed_bars()[spec.timeframe]
    for seed in range(6):
        candles = seeded_candles(seed, needed + 3_000)
        whole = computed(function, operand.parameters, candles)[0][3_000 + needed - 1]
        live = computed(function, operand.parameters, candles, 3_000)[0][-1]
        assert live == pytest.approx(whole, rel=2e-4)


@each_function
@settings(max_examples=25, deadline=None)
@given(data=st.data(), candles=rough_candles(), cut=st.integers(0, BARS))
def test_no_value_depends_on_a_later_bar(function: Function, data, candles, cut):
    parameters = drawn(data, function)
    whole = computed(function, parameters, candles)
    part = computed(function, parameters, {name: column[:cut] for name, column in candles.items()})
    assert same(tuple(values[:cut] for values in whole), part)


@each_function
@settings(max_examples=25, deadline=None)
@given(data=st.data(), candles=rough_candles(), warm=st.integers(0, BARS))
def test_bar_by_bar_after_any_history_the_bits_are_those_of_the_arrays(function, data, candles, warm):
    parameters = drawn(data, function)
    inputs = [np.array(candles[name]) for name in function.inputs]
    for series in inputs[function.inputs[0] == "time_ms" :]:
        lost = data.draw(st.lists(st.integers(0, BARS - 1), max_size=4))
        series[lost] = data.draw(st.sampled_from([math.nan, math.inf]))
    whole = outputs(function.name, parameters, inputs, may_lack=True)
    running = Running(function.name, parameters, [series[:warm] for series in inputs])
    rows = [running.values] if warm else []
    for bar in zip(*(series[warm:].tolist() for series in inputs), strict=True):
        running.push(bar)
        rows.append(running.values)
    expected = np.stack([values[max(warm - 1, 0) :] for values in whole], axis=1)
    assert np.array_equal(np.array(rows).reshape(expected.shape), expected, equal_nan=True)


def test_a_function_of_the_day_does_not_know_where_history_starts():
    for name in ("session_vwap", "pivots"):
        function = FUNCTIONS[name]
        assert function.memory is Memory.FINITE
        candles = seeded_candles(3, 6 * DAY)
        whole = computed(function, defaults(function), candles)
        for start in range(1, 3 * DAY):
            midnight = -(-start // DAY) * DAY
            first = midnight + DAY * (function.days - 1)
            found = computed(function, defaults(function), candles, start)
            for values, later in zip(whole, found, strict=True):
                assert np.isnan(later[: first - start]).all()
                assert np.array_equal(later[first - start :], values[first:])


def test_a_day_begins_at_its_first_bar_where_midnight_has_none():
    candles = {name: column.copy() for name, column in seeded_candles(3, 3 * DAY).items()}
    kept = np.ones(3 * DAY, dtype=bool)
    kept[[24, 25, 48]] = False
    candles = {name: column[kept] for name, column in candles.items()}
    vwap = computed(FUNCTIONS["session_vwap"], (1.0,), candles, 5)[0]
    assert np.isnan(vwap[:19]).all()
    assert np.isfinite(vwap[19:]).all()
    pivot = computed(FUNCTIONS["pivots"], (), candles, 5)[0]
    assert np.isnan(pivot[:41]).all()
    assert np.isfinite(pivot[41:]).all()


def test_bars_of_a_day_are_days_themselves():
    candles = seeded_candles(2, 30)
    candles["time_ms"] = candles["time_ms"] * DAY
    typical = (candles["high"] + candles["low"] + candles["close"]) / 3
    (vwap, upper, _), (pivot, *_) = (
        computed(FUNCTIONS["session_vwap"], (2.0,), candles),
        computed(FUNCTIONS["pivots"], (), candles),
    )
    assert vwap == pytest.approx(typical)
    assert upper == pytest.approx(typical)
    assert math.isnan(pivot[0])
    assert pivot[1:] == pytest.approx(typical[:-1])


def test_the_cloud_is_the_one_of_26_bars_before():
    candles = seeded_candles(4, 300)
    conversion, base, span_a, span_b = computed(FUNCTIONS["ichimoku"], (9, 26, 52, 26), candles)
    assert span_a[120:] == pytest.approx((conversion[94:-26] + base[94:-26]) / 2)
    now = computed(FUNCTIONS["ichimoku"], (9, 26, 52, 0), candles)
    assert np.array_equal(span_b[77:], now[3][51:-26])


def test_a_score_and_a_rank_are_those_of_scipy():
    source = seeded_candles(5, 400)["close"]
    (score,) = outputs("zscore", (20,), [source])
    growth = source[1:] / source[:-1] - 1
    (whole,) = outputs("crsi", (3, 2, 50), [source])
    rsi, streak_rsi = (
        np.array(formulas_anew._wilder_rsi(column, period), dtype=float)
        for column, period in ((source.tolist(), 3), (streaks(source), 2))
    )
    for index in range(60, 400):
        assert score[index] == pytest.approx(stats.zscore(source[index - 19 : index + 1])[-1])
        rank = stats.percentileofscore(growth[index - 51 : index - 1], growth[index - 1], kind="strict")
        assert whole[index] == pytest.approx((rsi[index] + streak_rsi[index] + rank) / 3)


def streaks(source: np.ndarray) -> list[float | None]:
    found: list[float | None] = [None]
    for sign in np.sign(np.diff(source)).tolist():
        before = found[-1] or 0.0
        found.append(before + sign if before * sign > 0 else sign)
    return found


def test_what_stands_still_has_no_value_where_it_would_be_divided_by():
    still = {name: np.full(150, 0.1) for name in ("high", "low", "close", "source")}
    still |= {"time_ms": np.arange(150) * float(HOUR_MS), "volume": np.zeros(150)}
    for name in ("chop", "crsi", "fisher", "session_vwap", "stc", "vidya", "zscore"):
        for values in computed(FUNCTIONS[name], defaults(FUNCTIONS[name]), still):
            assert np.isnan(values).all(), name
    for name in ("alma", "chandelier", "ichimoku", "mcginley", "pivots"):
        for values in computed(FUNCTIONS[name], defaults(FUNCTIONS[name]), still):
            assert values[-1] == pytest.approx(0.1), name
    for name in ("kst", "ulcer"):
        for values in computed(FUNCTIONS[name], defaults(FUNCTIONS[name]), still):
            assert values[-1] == 0, name


def test_a_price_of_zero_is_no_divisor():
    source = np.concatenate([np.zeros(40), np.arange(1.0, 41.0)])
    for name, parameters in {"crsi": (3, 2, 5), "kst": (1, 2, 3, 4, 1, 1, 1, 1, 1), "ulcer": (5,)}.items():
        for values in computed(FUNCTIONS[name], parameters, {"source": source}):
            assert np.isnan(values[:40]).all(), name
            assert np.isfinite(values[60:]).all(), name
    (line,) = outputs("mcginley", (5,), [source])
    assert line[4:41].tolist() == [0.0] * 36 + [1.0]


def test_numbers_too_large_for_a_square_give_no_score():
    source = np.array([1e200, 3e200, 2e200, 1e200])
    assert np.isnan(outputs("zscore", (3,), [source])[0]).all()
    running = Running("zscore", (3,), [source[:3]])
    running.push([1e200])
    assert math.isnan(running.values[0])


def test_mcginley_does_not_leave_the_price_behind_after_a_fall():
    source = np.concatenate([np.full(30, 100.0), np.full(30, 5.0)])
    (line,) = outputs("mcginley", (14,), [source])
    assert line[29] == 100
    assert (line[30:] == 5).all()


def test_a_strong_trend_holds_the_schaff_cycle_at_its_end():
    for sign, end in ((1, 100), (-1, 0)):
        (values,) = outputs("stc", (23, 50, 10, 0.5), [50_000 + sign * np.arange(180.0) ** 2])
        assert values[67:] == pytest.approx(np.full(113, end))
