"""Conditions of the random algorithms at a bar, by TA-Lib and their text alone."""

import ast
import math
import operator
import re
from collections.abc import Iterable

import numpy as np
import talib

from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.why import ConditionValue

_COMPARE = {"<": operator.lt, ">": operator.gt}
_COMPUTE = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide}
_TREE = re.compile(r"(\[\d+\])?\.(any|all|of)$")


def series(text: str, candles: CandleArrays) -> np.ndarray:
    """Return an operand over all bars."""
    return _series(ast.parse(text, mode="eval").body, candles)


def _series(node: ast.expr, candles: CandleArrays) -> np.ndarray:
    match node:
        case ast.Constant():
            return np.full(len(candles), float(node.value))
        case ast.Name():
            return getattr(candles, node.id)
        case ast.UnaryOp():
            return -_series(node.operand, candles)
        case ast.BinOp():
            with np.errstate(all="ignore"):
                return _COMPUTE[type(node.op)](_series(node.left, candles), _series(node.right, candles))
    assert isinstance(node, ast.Call)
    name = node.func.id.upper()
    inputs = (candles.high, candles.low, candles.close) if name == "ATR" else (candles.close,)
    return getattr(talib, name)(*inputs, node.args[0].value)


def truth(text: str, candles: CandleArrays, index: int) -> tuple[float, float, bool | None]:
    """Return left, right and truth of a condition at a bar that is not the first; None: not known."""
    is_negated, text = text.startswith("not "), text.removeprefix("not ")
    word = next(each for each in text.split(" ") if each in ("<", ">", "crosses"))
    left_text, right_text = text.split(f" {word} ")
    if word == "crosses":
        word, _, right_text = right_text.partition(" ")
    left, right = series(left_text, candles), series(right_text, candles)
    now, before = (left[index], right[index]), (left[index - 1], right[index - 1])
    if word in _COMPARE:
        holds = bool(_COMPARE[word](*now))
        return *now, holds is not is_negated if all(map(math.isfinite, now)) else None
    if not all(map(math.isfinite, now + before)):
        return *now, None
    is_above = word == "above"
    crosses = (
        before[0] <= before[1] and now[0] > now[1] if is_above else before[0] >= before[1] and now[0] < now[1]
    )
    return *now, bool(crosses) is not is_negated


def group_truth(conditions: Iterable[ConditionValue]) -> int:
    """Return the flag of a group: 1 true, 0 false with every operand valued, -1 otherwise."""
    found = tuple(conditions)
    lists: dict[str, list[bool]] = {}
    wanted: dict[str, int] = {}
    for each in found:
        place = each.group
        lists.setdefault(place, []).append(each.value is True)
        for count in reversed(each.wanted):
            wanted[place] = count
            lists.setdefault(place, [])
            place = _TREE.sub("", place)
    parts = {place: values for place, values in lists.items() if place not in wanted}
    # From the innermost tree outward: the truth of each is an item of the list around it.
    for place in sorted(wanted, key=len, reverse=True):
        lists.setdefault(_TREE.sub("", place), []).append(sum(lists[place]) >= wanted[place])
    parts |= {place: values for place, values in lists.items() if place.endswith(".when")}
    is_met = all(
        any(values) if place.endswith(".optional") else all(values) for place, values in parts.items()
    )
    if is_met:
        return 1
    return -1 if None in [each.value for each in found] else 0


def assert_true_to(found: Iterable[ConditionValue], candles: CandleArrays, index: int) -> None:
    """Compare conditions with what TA-Lib says of that bar."""
    for each in found:
        left, right, value = truth(each.condition, candles, index)
        assert each.value is value, (each, left, right)
        for shown, expected in ((each.left, left), (each.right, right)):
            assert (shown is not None) is math.isfinite(expected), (each, expected)
            assert shown is None or math.isclose(shown, expected, rel_tol=1e-9, abs_tol=1e-9)
