import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.functions import Function
from firstwatch.strategy.indicators import Running, lookback, outputs, talib
from tests.strategy.conditions import parameter_values
from tests.strategy.make_function_table import seeded_candles

BARS = 160


def equal(left: tuple[float, ...], right: tuple[float, ...]) -> bool:
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(left, right, strict=True))


def assert_running_equals(function: str, parameters: tuple, inputs: list[np.ndarray], warm: int) -> None:
    whole = outputs(function, parameters, inputs, may_lack=True)
    running = Running(function, parameters, [series[:warm] for series in inputs])
    for index in range(warm, len(inputs[0])):
        running.push([float(series[index]) for series in inputs])
        expected = tuple(float(series[index]) for series in whole)
        assert equal(running.values, expected), (function, parameters, index)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda function: function.name)
def test_every_function_runs_bar_by_bar_as_over_the_array(function: Function):
    @settings(max_examples=5, deadline=None, database=None, derandomize=True)
    @given(st.data())
    def check(data: st.DataObject):
        parameters = tuple(data.draw(parameter_values(parameter)) for parameter in function.parameters)
        if function.name == "mavp":
            parameters = (2, 13, parameters[2])
        candles = seeded_candles(data.draw(st.integers(0, 20)), BARS)
        prices = [name for name in candles if name != "time_ms"]
        quiet = data.draw(st.sampled_from(["nothing", "volume", "all"]))
        for name in {"nothing": [], "volume": ["volume"], "all": prices}[quiet]:
            candles[name][40:110] = 0.0 if name == "volume" else candles["close"][40]
        inputs = [candles[name].copy() for name in function.inputs]
        if data.draw(st.booleans()):
            inputs[0][data.draw(st.integers(0, BARS - 1))] = math.nan
            inputs[-1][:7] = math.inf
        assert_running_equals(function.name, parameters, inputs, data.draw(st.integers(0, 120)))

    check()


def test_outputs_are_talibs_own():
    candles = seeded_candles(1, 300)
    for found, expected in zip(
        outputs("bbands", (20, 2.0, 2.0, 0), [candles["close"]]),
        talib.BBANDS(candles["close"], 20, 2.0, 2.0, 0),
        strict=True,
    ):
        assert np.array_equal(found, expected, equal_nan=True)


def test_whole_number_outputs_have_no_value_before_the_first():
    candles = seeded_candles(1, 60)
    inputs = [candles[name] for name in ("open", "high", "low", "close")]
    (found,) = outputs("cdlengulfing", (), inputs)
    first = lookback("cdlengulfing", ())
    assert first > 0
    assert np.isnan(found[:first]).all()
    assert set(np.abs(found[first:])) <= {0.0, 80.0, 100.0}


def test_a_bar_without_an_input_does_not_exist_for_the_function():
    closes = np.array([1.0, 2.0, math.nan, 3.0, 4.0])
    (found,) = outputs("sma", (2,), [closes], may_lack=True)
    assert equal(tuple(found), (math.nan, 1.5, math.nan, 2.5, 3.5))


def test_too_short_an_array_gives_no_value():
    assert all(np.isnan(series).all() for series in outputs("macd", (12, 26, 9), [np.ones(33)]))
    assert len(outputs("macd", (12, 26, 9), [np.ones(0)])[2]) == 0
