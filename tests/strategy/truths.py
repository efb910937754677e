"""Conditions of the random algorithms at a bar, by TA-Lib and their text alone."""

import math
import operator
from collections.abc import Iterable

import numpy as np
import talib

from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.why import ConditionValue

_COMPARE = {"<": operator.lt, ">": operator.gt}
_PRICES = ("open", "high", "low", "close")


def series(text: str, candles: CandleArrays) -> np.ndarray:
    """Return an operand over all bars."""
    if text in _PRICES:
        return getattr(candles, text)
    if text[0].isdigit():
        return np.full(len(candles), float(text))
    name, _, period = text.partition("(")
    return getattr(talib, name.upper())(candles.close, int(period.rstrip(")").split(",")[0]))


def truth(text: str, candles: CandleArrays, index: int) -> tuple[float, float, bool | None]:
    """Return left, right and truth of a condition at a bar that is not the first; None: not known."""
    word = next(each for each in text.split(" ") if each in ("<", ">", "crosses"))
    left_text, right_text = text.split(f" {word} ")
    if word == "crosses":
        word, _, right_text = right_text.partition(" ")
    left, right = series(left_text, candles), series(right_text, candles)
    now, before = (left[index], right[index]), (left[index - 1], right[index - 1])
    if word in _COMPARE:
        return *now, bool(_COMPARE[word](*now)) if all(map(math.isfinite, now)) else None
    if not all(map(math.isfinite, now + before)):
        return *now, None
    if word == "above":
        return *now, bool(before[0] <= before[1] and now[0] > now[1])
    return *now, bool(before[0] >= before[1] and now[0] < now[1])


def group_truth(conditions: Iterable[ConditionValue]) -> int:
    """Return the flag of a group: 1 true, 0 false with every operand valued, -1 otherwise."""
    found = tuple(conditions)
    required = [each.value for each in found if not each.is_optional]
    optional = [each.value for each in found if each.is_optional]
    if all(required) and (not optional or any(optional)):
        return 1
    return -1 if None in required + optional else 0


def assert_true_to(found: Iterable[ConditionValue], candles: CandleArrays, index: int) -> None:
    """Compare conditions with what TA-Lib says of that bar."""
    for each in found:
        left, right, value = truth(each.condition, candles, index)
        assert each.value is value, (each, left, right)
        for shown, expected in ((each.left, left), (each.right, right)):
            assert (shown is not None) is math.isfinite(expected), (each, expected)
            assert shown is None or math.isclose(shown, expected, rel_tol=1e-9, abs_tol=1e-9)
