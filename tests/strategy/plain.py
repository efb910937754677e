"""Conditions and groups from their texts alone, by rule 6, in plain Python: a third evaluator.

It shares nothing with the two of the product: the text is read by Python's own parser, a series is a list
with None where there is no value, a few functions are written from their formulas. Candles have no holes.
"""

import ast
import math
import operator
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from firstwatch.strategy.candles import CandleArrays

Values = list[float | None]

_OPERATOR = re.compile(r" (crosses above|crosses below|<=|>=|<|>) ")
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_COMPUTE = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_HOURS = {"1h": 1, "4h": 4, "12h": 12}
_MS = 3_600_000


class Bars:
    """Bars of one length as lists of their fields, with the close time of each in hours."""

    def __init__(self, fields: Mapping[str, Sequence[float]], ends: Sequence[int]) -> None:
        self.fields = {name: list(values) for name, values in fields.items()}
        self.ends = list(ends)

    @classmethod
    def of(cls, candles: CandleArrays) -> "Bars":
        names = ("open", "high", "low", "close", "volume")
        return cls(
            {name: getattr(candles, name).tolist() for name in names},
            [time_ms // _MS + 1 for time_ms in candles.time_ms.tolist()],
        )

    def higher(self, hours: int) -> "Bars":
        """Return the whole bars of so many hours."""
        groups: dict[int, list[int]] = {}
        for index, end in enumerate(self.ends):
            groups.setdefault((end - 1) // hours, []).append(index)
        whole = {number: each for number, each in groups.items() if len(each) == hours}
        pick: dict[str, Callable[[list[float]], float]] = {
            "open": lambda values: values[0],
            "high": max,
            "low": min,
            "close": lambda values: values[-1],
            "volume": sum,
        }
        fields = {
            name: [choose([self.fields[name][index] for index in each]) for each in whole.values()]
            for name, choose in pick.items()
        }
        return Bars(fields, [(number + 1) * hours for number in whole])


def operand(text: str, base: Bars) -> Values:
    """Return an operand at every base close."""
    tree = ast.parse(re.sub(r"@(\w+)", r".at_\1", text), mode="eval").body
    return _value(tree, base, base)


def _value(node: ast.expr, bars: Bars, base: Bars) -> Values:
    count = len(bars.ends)
    match node:
        case ast.Constant():
            return [float(node.value)] * count
        case ast.UnaryOp():
            inner = _value(node.operand, bars, base)
            return [None if each is None else -each for each in inner]
        case ast.BinOp():
            compute = _COMPUTE[type(node.op)]
            sides = zip(_value(node.left, bars, base), _value(node.right, bars, base), strict=True)
            return [_computed(compute, left, right) for left, right in sides]
        case ast.Attribute():
            higher = base.higher(_HOURS[node.attr.removeprefix("at_")])
            values = _value(node.value, higher, base)
            return [_newest(values, higher.ends, end) for end in base.ends]
        case ast.Name():
            return _field(node.id, bars)
        case ast.Call():
            assert isinstance(node.func, ast.Name)
            source = next((each.value for each in node.keywords), ast.Name("close"))
            (period,) = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            return _FUNCTIONS[node.func.id](_value(source, bars, base), int(period))
    raise AssertionError(ast.dump(node))


def _computed(
    compute: Callable[[float, float], float], left: float | None, right: float | None
) -> float | None:
    if left is None or right is None:
        return None
    try:
        result = compute(left, right)
    except ZeroDivisionError:
        return None
    return result if math.isfinite(result) else None


def _newest(values: Values, ends: list[int], end: int) -> float | None:
    """Return the value of the last bar that has ended by then."""
    ended = bisect_right(ends, end)
    return values[ended - 1] if ended else None


def _field(name: str, bars: Bars) -> Values:
    means = {
        "hl2": ("high", "low"),
        "hlc3": ("high", "low", "close"),
        "ohlc4": ("open", "high", "low", "close"),
    }
    columns = [bars.fields[each] for each in means.get(name, (name,))]
    return [sum(values) / len(values) for values in zip(*columns, strict=True)]


def _packed(function: Callable[[list[float], int], Values]) -> Callable[[Values, int], Values]:
    """Return the function for series with holes: a bar without a value does not exist for it."""

    def whole(values: Values, period: int) -> Values:
        found = iter(function([each for each in values if each is not None], period))
        return [None if each is None else next(found) for each in values]

    return whole


def _momentum(values: list[float], period: int) -> Values:
    return [
        values[index] - values[index - period] if index >= period else None for index in range(len(values))
    ]


def _highest(values: list[float], period: int) -> Values:
    return [
        max(values[index - period + 1 : index + 1]) if index >= period - 1 else None
        for index in range(len(values))
    ]


def _lowest(values: list[float], period: int) -> Values:
    return [None if each is None else -each for each in _highest([-value for value in values], period)]


_FUNCTIONS = {"mom": _packed(_momentum), "max": _packed(_highest), "min": _packed(_lowest)}
FUNCTIONS = tuple(_FUNCTIONS)
"""Those that it knows: their values are exact, so that every comparison can be, too."""


def condition(text: str, base: Bars) -> list[bool | None]:
    """Return a condition at every base close; None: it has no value."""
    is_negated, text = text.startswith("not "), text.removeprefix("not ")
    left_text, sign, right_text = _OPERATOR.split(text)
    left, right = operand(left_text, base), operand(right_text, base)
    found: list[bool | None] = []
    for index in range(len(base.ends)):
        now = left[index], right[index]
        before = (left[index - 1], right[index - 1]) if index else (None, None)
        is_cross = sign.startswith("crosses")
        if None in now or (is_cross and None in before):
            found.append(None)
        elif not is_cross:
            found.append(_COMPARE[sign](*now) is not is_negated)
        else:
            crossed = (
                before[0] <= before[1] and now[0] > now[1]
                if sign == "crosses above"
                else before[0] >= before[1] and now[0] < now[1]
            )
            found.append(crossed is not is_negated)
    return found


def group(document: Mapping[str, object], base: Bars) -> list[int]:
    """Return a group of a file at every base close: 1 true, 0 false with all operands valued, else -1."""
    known = {text: condition(text, base) for text in texts(document)}
    found = []
    for index in range(len(base.ends)):
        at = {text: values[index] for text, values in known.items()}
        is_true = all(at[text] is True for text in document.get("required", ()))
        if document.get("optional"):
            is_true = is_true and any(at[text] is True for text in document["optional"])
        if "when" in document:
            is_true = is_true and tree(document["when"], at)
        found.append(1 if is_true else -1 if None in at.values() else 0)
    return found


def tree(item: object, at: Mapping[str, bool | None]) -> bool:
    """Return the truth of a tree, or of a condition in one, by the truths of texts."""
    match item:
        case str():
            return at[item] is True
        case {"any": items}:
            return any(tree(each, at) for each in items)
        case {"all": items}:
            return all(tree(each, at) for each in items)
        case {"at_least": wanted, "of": items}:
            return sum(tree(each, at) for each in items) >= wanted
    raise AssertionError(item)


def texts(document: object) -> list[str]:
    """Return the conditions in a group or a tree."""
    match document:
        case str():
            return [document]
        case dict():
            return [text for each in document.values() for text in texts(each)]
        case list():
            return [text for each in document for text in texts(each)]
    return []
