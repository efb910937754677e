"""The typed model of a condition, and its one canonical form: ``str(condition)``.

``language.parse_condition`` makes them from text, ``evaluation`` and ``stream`` give them values.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.functions import Memory, ParameterKind
from firstwatch.trading.timeframe import Timeframe


class PriceField(StrEnum):
    """A field of a candle, or a mean of its prices."""

    OPEN = "open"
    HIGH = "high"
    LOW = "low"
    CLOSE = "close"
    VOLUME = "volume"
    HL2 = "hl2"
    HLC3 = "hlc3"
    OHLC4 = "ohlc4"


class Operator(StrEnum):
    """Comparison of two operands."""

    BELOW = "<"
    AT_OR_BELOW = "<="
    ABOVE = ">"
    AT_OR_ABOVE = ">="
    CROSSES_ABOVE = "crosses above"
    CROSSES_BELOW = "crosses below"

    @property
    def is_cross(self) -> bool:
        """The operator also compares the close before."""
        return self in (Operator.CROSSES_ABOVE, Operator.CROSSES_BELOW)


@dataclass(frozen=True, slots=True)
class Number:
    """A constant operand."""

    value: float

    def __str__(self) -> str:
        return number_text(self.value)


@dataclass(frozen=True, slots=True)
class Price:
    """A field of the candle. ``timeframe`` None: the algorithm's, or the enclosing indicator's."""

    field: PriceField
    timeframe: Timeframe | None = None

    def __str__(self) -> str:
        return self.field + _at(self.timeframe)


@dataclass(frozen=True, slots=True)
class Indicator:
    """One output of a function. ``parameters`` are all of them, in the function's order.

    ``output`` None: the function has one only. ``source`` and ``periods`` are the series it is
    computed on, for functions that take them; None elsewhere. They have no timeframe of their own.
    """

    function: str
    parameters: tuple[int | float, ...]
    output: str | None = None
    source: "Operand | None" = None
    periods: "Operand | None" = None
    timeframe: Timeframe | None = None

    @property
    def call(self) -> "Indicator":
        """The same computation, without the choice of an output."""
        return replace(self, output=None)

    @property
    def output_index(self) -> int:
        """Which of the function's outputs is meant."""
        return 0 if self.output is None else FUNCTIONS[self.function].outputs.index(self.output)

    def __str__(self) -> str:
        arguments = [number_text(value) for value in self._shown_parameters()]
        if self.source not in (None, Price(PriceField.CLOSE)):
            arguments.append(f"source={self.source}")
        if self.periods is not None:
            arguments.append(f"periods={self.periods}")
        output = "" if self.output is None else f".{self.output}"
        return f"{self.function}({', '.join(arguments)}){output}{_at(self.timeframe)}"

    def _shown_parameters(self) -> tuple[int | float, ...]:
        """Return all parameters but the kinds of moving average at the end that are TA-Lib's default."""
        shown = list(self.parameters)
        for parameter in reversed(FUNCTIONS[self.function].parameters):
            if parameter.kind is not ParameterKind.MOVING_AVERAGE or shown[-1] != parameter.default:
                break
            shown.pop()
        return tuple(shown)


class Operation(StrEnum):
    """Arithmetic of two operands."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"

    @property
    def is_sum(self) -> bool:
        """It binds less than a product does."""
        return self in (Operation.ADD, Operation.SUBTRACT)

    def of(self, left: float, right: float) -> float:
        """Return the result at one close; NaN: it has no value.

        It has none where an operand is not finite, in a division by zero, and beyond what a float holds.
        """
        is_undefined = not right and self is Operation.DIVIDE
        if is_undefined or not (math.isfinite(left) and math.isfinite(right)):
            return math.nan
        result = _COMPUTE[self](left, right)
        return result if math.isfinite(result) else math.nan


_COMPUTE: Mapping[Operation, Callable[[float, float], float]] = {
    Operation.ADD: operator.add,
    Operation.SUBTRACT: operator.sub,
    Operation.MULTIPLY: operator.mul,
    Operation.DIVIDE: operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two operands and what is computed of them. Of numbers alone there is none: that is a number."""

    left: "Operand"
    operation: Operation
    right: "Operand"

    def __str__(self) -> str:
        least = _binding(self)
        # A right side of the same rank keeps its parentheses: sums of floats depend on their order.
        return f"{_bound(self.left, least)} {self.operation} {_bound(self.right, least + 1)}"


@dataclass(frozen=True, slots=True)
class Negative:
    """An operand, which is no number, with the other sign."""

    operand: "Operand"

    def __str__(self) -> str:
        return f"-{_bound(self.operand, _SIGN)}"


Series = Price | Indicator
"""An operand with a value at every bar of its timeframe."""
Operand = Number | Series | Arithmetic | Negative

_SUM, _PRODUCT, _SIGN, _ATOM = range(4)


def _binding(operand: Operand) -> int:
    """Return how tightly the text of an operand holds together."""
    match operand:
        case Arithmetic():
            return _SUM if operand.operation.is_sum else _PRODUCT
        case Negative():
            return _SIGN
    return _ATOM


def _bound(operand: Operand, least: int) -> str:
    return str(operand) if _binding(operand) >= least else f"({operand})"


@dataclass(frozen=True, slots=True)
class Condition:
    """Two operands and what must hold between them, or must not; ``str`` gives the canonical text.

    ``a crosses above b`` at close i: ``a[i-1] <= b[i-1]`` and ``a[i] > b[i]``. Without a value of an operand
    it has no value, negated or not.
    """

    left: Operand
    operator: Operator
    right: Operand
    is_negated: bool = False

    @property
    def series(self) -> tuple[Series, ...]:
        """The prices and indicators in both operands, without those inside of an indicator."""
        return series_of(self.left) + series_of(self.right)

    def __str__(self) -> str:
        return f"{'not ' if self.is_negated else ''}{self.left} {self.operator} {self.right}"


def parts_of(operand: Operand) -> tuple[Operand, ...]:
    """Return the operands of arithmetic; empty: it is none."""
    match operand:
        case Arithmetic():
            return operand.left, operand.right
        case Negative():
            return (operand.operand,)
    return ()


def series_of(operand: Operand) -> tuple[Series, ...]:
    """Return the prices and indicators that an operand is, or is computed of by arithmetic."""
    if isinstance(operand, Price | Indicator):
        return (operand,)
    return tuple(series for part in parts_of(operand) for series in series_of(part))


def indicators_of(operand: Operand) -> tuple[Indicator, ...]:
    """Return the indicators in an operand: itself and those it is computed on, inner ones first."""
    if not isinstance(operand, Indicator):
        return tuple(indicator for part in parts_of(operand) for indicator in indicators_of(part))
    inner = (indicators_of(each) for each in (operand.source, operand.periods) if each is not None)
    return (*(indicator for found in inner for indicator in found), operand)


_PRICE_FUNCTIONS = frozenset(
    (
        *(
            "avgprice",
            "ha",
            "max",
            "medprice",
            "midpoint",
            "midprice",
            "min",
            "minmax",
            "typprice",
            "wclprice",
        ),
        *("accbands", "bbands", "donchian", "kc", "percentile", "sar", "supertrend", "vwap"),
        *("dema", "ema", "hma", "ht_trendline", "kama", "ma", "mama", "mavp", "rma", "sma", "t3", "tema"),
        *("trima", "vwma", "wma", "zlema", "linearreg", "linearreg_intercept", "tsf"),
        *("alma", "chandelier", "ichimoku", "mcginley", "pivots", "session_vwap", "vidya"),
    )
)
"""Functions with outputs in the unit of their source, or in price if they take no source."""
_NO_PRICE_OUTPUTS = frozenset({"trend"})


_LEAST_SHARE = 1e-9
"""Rounding apart, a difference of prices holds no price."""


def is_price(operand: Operand) -> bool:
    """Return whether the operand is a price of the market, as ``ema(9)`` is and ``rsi(14)`` is not.

    Arithmetic is one if a price is left in it: a price more or less a distance (``ema(20) + 2 * atr(14)``),
    a multiple (``close * 1.02``), a mean (``(high + low) / 2``). A difference, a product and a ratio of
    prices are none.
    """
    return _prices_in(operand) > _LEAST_SHARE


def _prices_in(operand: Operand) -> float:
    """Return how many prices are added up in an operand: one of a price, none of a number or a distance."""
    match operand:
        case Price():
            return float(operand.field is not PriceField.VOLUME)
        case Indicator():
            is_such = operand.function in _PRICE_FUNCTIONS and operand.output not in _NO_PRICE_OUTPUTS
            return float(is_such and (operand.source is None or is_price(operand.source)))
        case Negative():
            return -_prices_in(operand.operand)
        case Arithmetic():
            left, right = _prices_in(operand.left), _prices_in(operand.right)
            match operand.operation, operand.left, operand.right:
                case ((Operation.ADD | Operation.SUBTRACT), _, _):
                    return operand.operation.of(left, right)
                case _, _, Number(factor):
                    return operand.operation.of(left, factor)
                case Operation.MULTIPLY, Number(factor), _:
                    return factor * right
    return 0.0


def compares_prices(condition: Condition) -> bool:
    """Return whether both sides are prices, so that their difference has a meaning in per cent.

    A number compared with a price counts as a price.
    """
    sides = (condition.left, condition.right)
    return all(is_price(side) or isinstance(side, Number) for side in sides) and any(map(is_price, sides))


def anchors_of(operand: Operand) -> frozenset[Indicator]:
    """Return the anchored functions that the operand's value depends on, each in its timeframe."""
    return frozenset(
        replace(indicator.call, timeframe=series.timeframe)
        for series in series_of(operand)
        for indicator in indicators_of(series)
        if FUNCTIONS[indicator.function].memory is Memory.ANCHORED
    )


def anchor_problem(condition: Condition) -> str | None:
    """Return why the condition is meaningless, because it depends on where history starts (rule 4).

    An anchored function may be compared with its own transforms, and may cross any series; beside a
    number, in arithmetic, or at another level than its own, its value is an accident of the first bar.
    """
    left, right = anchors_of(condition.left), anchors_of(condition.right)
    if not left and not right:
        return None
    if problem := arithmetic_problem(condition.left) or arithmetic_problem(condition.right):
        return problem
    starts, example = _starts(left | right)
    if isinstance(condition.left, Number) or isinstance(condition.right, Number):
        return (
            f"{starts}, so it cannot be compared with a number; "
            f"compare it with a transform of itself, as in {example}"
        )
    if not condition.operator.is_cross and left != right:
        return (
            f"{starts}, so its level can only be compared with a transform of itself, "
            f"as in {example}, or cross another series"
        )
    return None


def arithmetic_problem(operand: Operand) -> str | None:
    """Return why the arithmetic in an operand is meaningless: an anchored function is in it (rule 4)."""
    if isinstance(operand, Indicator):
        inner = (arithmetic_problem(each) for each in (operand.source, operand.periods) if each is not None)
        return next((problem for problem in inner if problem), None)
    if not parts_of(operand) or not (anchors := anchors_of(operand)):
        return None
    starts, example = _starts(anchors)
    return (
        f"{starts}, so nothing can be computed of it; compare it with a transform of itself, as in {example}"
    )


def _starts(anchors: frozenset[Indicator]) -> tuple[str, str]:
    """Return a clause on the value of an anchored function, and an example of its use."""
    name = min(anchor.function for anchor in anchors)
    return f"the value of {name} depends on where history starts", _example(name)


def _example(name: str) -> str:
    parameters = ", ".join(number_text(parameter.default) for parameter in FUNCTIONS[name].parameters)
    output = FUNCTIONS[name].outputs[0] if FUNCTIONS[name].default_output is None else None
    call = f"{name}({parameters})" + (f".{output}" if output else "")
    return f"{call} > sma(20, source={call})"


def number_text(value: float) -> str:
    """Return the shortest text that reads back as the same number; whole numbers without a point."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _at(timeframe: Timeframe | None) -> str:
    return "" if timeframe is None else f"@{timeframe}"
