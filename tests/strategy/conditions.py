"""Hypothesis strategies for conditions, and candles to evaluate them on."""

from dataclasses import replace

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.conditions import (
    Condition,
    Indicator,
    Number,
    Operand,
    Operator,
    Price,
    PriceField,
    anchor_problem,
)
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.functions import Function, Parameter, ParameterKind
from firstwatch.trading.timeframe import Timeframe
from tests.strategy.make_function_table import seeded_candles

HIGHER = (None, None, Timeframe.H4, Timeframe.H12)


def make_candles(seed: int, bars: int, *, holes: int = 0, first_bar: int = 0) -> CandleArrays:
    """Return one-hour candles; ``holes`` bars of them are missing, at places that the seed chooses."""
    columns = seeded_candles(seed, bars)
    kept = np.ones(bars, dtype=bool)
    if holes:
        kept[np.random.default_rng(seed + 1).choice(np.arange(1, bars), size=holes, replace=False)] = False
    times = (first_bar + np.arange(bars, dtype=np.int64)) * Timeframe.H1.ms
    fields = [columns[name][kept].copy() for name in ("open", "high", "low", "close", "volume")]
    return CandleArrays(times[kept], *fields, timeframe=Timeframe.H1)


def parameter_values(parameter: Parameter) -> st.SearchStrategy[int | float]:
    low, high = max(parameter.minimum, -5.0), min(parameter.maximum, 13.0)
    if parameter.kind is ParameterKind.REAL:
        return st.floats(low, high, allow_nan=False).map(lambda value: round(value, 3) + 0.0)
    return st.integers(int(low), int(high))


@st.composite
def indicators(draw: st.DrawFn, function: Function, depth: int = 1) -> Indicator:
    """Return an indicator of that function without a timeframe; sources are nested ``depth`` deep."""
    values = [draw(parameter_values(parameter)) for parameter in function.parameters]
    if function.name == "mavp" and values[0] > values[1]:
        values[0], values[1] = max(values[1], 1), max(values[0], 2)
    inner = {
        name: draw(series(depth - 1)) if name in function.inputs else None for name in ("source", "periods")
    }
    output = draw(st.sampled_from(function.outputs)) if len(function.outputs) > 1 else None
    return Indicator(function.name, tuple(values), output, inner["source"], inner["periods"])


@st.composite
def series(draw: st.DrawFn, depth: int = 1) -> Price | Indicator:
    if depth < 0 or draw(st.integers(0, 2)) == 0:
        return Price(draw(st.sampled_from(PriceField)))
    return draw(indicators(FUNCTIONS[draw(st.sampled_from(sorted(FUNCTIONS)))], depth))


@st.composite
def operands(draw: st.DrawFn) -> Operand:
    """Return a number, a price or an indicator, maybe of a higher timeframe."""
    if draw(st.integers(0, 3)) == 0:
        return Number(draw(st.floats(-1e6, 1e6, allow_nan=False)) + 0.0)
    found = draw(series(2))
    timeframe = draw(st.sampled_from(HIGHER))
    if isinstance(found, Price):
        return Price(found.field, timeframe)
    return Indicator(found.function, found.parameters, found.output, found.source, found.periods, timeframe)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    """Return a condition that the language allows; half of them compare a series with its own average."""
    found = draw(st.builds(Condition, operands(), st.sampled_from(Operator), operands()))
    if isinstance(found.left, Indicator) and draw(st.booleans()):
        inner = replace(found.left, timeframe=None)
        average = Indicator("sma", (draw(st.integers(1, 9)),), source=inner, timeframe=found.left.timeframe)
        found = replace(found, right=average)
    assume(bool(found.series) and anchor_problem(found) is None)
    return found
