"""Hypothesis strategies for conditions, and candles to evaluate them on."""

from dataclasses import replace

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.conditions import (
    Arithmetic,
    Condition,
    Indicator,
    Negative,
    Number,
    Operand,
    Operation,
    Operator,
    Price,
    PriceField,
    anchor_problem,
    anchors_of,
)
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.functions import Function, Parameter, ParameterKind
from firstwatch.strategy.groups import DEEPEST_TREE, Group, Tree
from firstwatch.strategy.language import MAXIMUM_LENGTH
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.why import MOST_CONDITIONS
from tests.strategy.make_function_table import seeded_candles

HIGHER = (None, None, Timeframe.H4, Timeframe.H12)

numbers = st.builds(Number, st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: value + 0.0))
prices = st.builds(Price, st.sampled_from(PriceField))


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
        name: draw(_inner(depth - 1)) if name in function.inputs else None for name in ("source", "periods")
    }
    output = draw(st.sampled_from(function.outputs)) if len(function.outputs) > 1 else None
    return Indicator(function.name, tuple(values), output, inner["source"], inner["periods"])


@st.composite
def _inner(draw: st.DrawFn, depth: int) -> Operand:
    """Return what an indicator is computed on, now and then arithmetic."""
    found = draw(series(depth))
    if anchors_of(found) or draw(st.integers(0, 4)):
        return found
    return _computed(found, draw(st.sampled_from(Operation)), draw(st.one_of(numbers, prices)))


@st.composite
def series(draw: st.DrawFn, depth: int = 1) -> Price | Indicator:
    if depth < 0 or draw(st.integers(0, 2)) == 0:
        return Price(draw(st.sampled_from(PriceField)))
    return draw(indicators(FUNCTIONS[draw(st.sampled_from(sorted(FUNCTIONS)))], depth))


def _at(found: Price | Indicator, timeframe: Timeframe | None) -> Price | Indicator:
    return replace(found, timeframe=timeframe)


def arithmetic(leaves: st.SearchStrategy[Operand]) -> st.SearchStrategy[Operand]:
    """Return arithmetic of leaves, and of numbers."""

    def extended(inner: st.SearchStrategy[Operand]) -> st.SearchStrategy[Operand]:
        sums = st.builds(_computed, inner, st.sampled_from(Operation), inner)
        return st.one_of(sums, sums, inner.map(_negative))

    return st.recursive(st.one_of(leaves, leaves, numbers), extended, max_leaves=5)


def _computed(left: Operand, operation: Operation, right: Operand) -> Operand:
    """Return arithmetic as the parser does: never of numbers alone, and by no zero."""
    if isinstance(left, Number) and isinstance(right, Number):
        left = Price(PriceField.CLOSE)
    if right == Number(0.0) and operation is Operation.DIVIDE:
        operation = Operation.MULTIPLY
    return Arithmetic(left, operation, right)


def _negative(operand: Operand) -> Operand:
    return Number(-operand.value + 0.0) if isinstance(operand, Number) else Negative(operand)


_leaves = st.builds(_at, series(2), st.sampled_from(HIGHER))
operands = st.one_of(numbers, _leaves, _leaves, arithmetic(_leaves.filter(lambda each: not anchors_of(each))))
"""Numbers, prices, indicators, maybe of a higher timeframe, and arithmetic of such."""


@st.composite
def conditions(draw: st.DrawFn, of: st.SearchStrategy[Operand] | None = None) -> Condition:
    """Return a condition that the language allows, of these operands.

    By default half of them compare a series with its own average.
    """
    sides = operands if of is None else of
    found = draw(st.builds(Condition, sides, st.sampled_from(Operator), sides, st.booleans()))
    if of is None and isinstance(found.left, Indicator) and draw(st.booleans()):
        inner = replace(found.left, timeframe=None)
        average = Indicator("sma", (draw(st.integers(1, 9)),), source=inner, timeframe=found.left.timeframe)
        found = replace(found, right=average)
    if not found.series:
        found = replace(found, left=draw(prices))
    assume(anchor_problem(found) is None and len(str(found)) <= MAXIMUM_LENGTH)
    return found


def trees(leaves: st.SearchStrategy[Condition]) -> st.SearchStrategy[Tree]:
    """Return trees of conditions, at most so deep as the file allows."""

    def level(items: st.SearchStrategy[Condition | Tree]) -> st.SearchStrategy[Tree]:
        lists = st.lists(items, min_size=1, max_size=3).map(tuple)
        of = lists.flatmap(
            lambda found: st.integers(1, len(found)).map(lambda wanted: Tree(at_least=wanted, of=found))
        )
        return st.one_of(
            lists.map(lambda found: Tree(any=found)), lists.map(lambda found: Tree(all=found)), of
        )

    found = level(leaves)
    for _ in range(DEEPEST_TREE - 1):
        found = level(st.one_of(leaves, leaves, found))
    return found.filter(lambda tree: _count(tree) <= MOST_CONDITIONS - 4)


def _count(item: Condition | Tree) -> int:
    return sum(map(_count, item.items)) if isinstance(item, Tree) else 1


@st.composite
def groups(draw: st.DrawFn, leaves: st.SearchStrategy[Condition], *, has_tree: bool = False) -> Group:
    """Return a group with a condition; ``has_tree``: always with a tree, else with one in half of them."""
    tree = draw(trees(leaves) if has_tree else st.none() | trees(leaves))
    required = draw(st.lists(leaves, min_size=tree is None, max_size=2))
    optional = draw(st.lists(leaves, max_size=2))
    return Group(required=tuple(required), optional=tuple(optional), when=tree)
