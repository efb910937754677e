"""The typed model of a condition, and its one canonical form: ``str(condition)``.

``language.parse_condition`` makes them from text, ``evaluation`` and ``stream`` give them values.
"""

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
    """One output of a TA-Lib function. ``parameters`` are all of them, in TA-Lib's order.

    ``output`` None: the function has one only. ``source`` and ``periods`` are the series it is
    computed on, for functions that take them; None elsewhere. They have no timeframe of their own.
    """

    function: str
    parameters: tuple[int | float, ...]
    output: str | None = None
    source: "Price | Indicator | None" = None
    periods: "Price | Indicator | None" = None
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


Series = Price | Indicator
"""An operand with a value at every bar."""
Operand = Number | Price | Indicator


@dataclass(frozen=True, slots=True)
class Condition:
    """Two operands and what must hold between them; ``str`` gives the canonical text.

    ``a crosses above b`` at close i: ``a[i-1] <= b[i-1]`` and ``a[i] > b[i]``.
    """

    left: Operand
    operator: Operator
    right: Operand

    @property
    def series(self) -> tuple[Series, ...]:
        """The operands that are not numbers."""
        return tuple(operand for operand in (self.left, self.right) if not isinstance(operand, Number))

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


def indicators_of(operand: Operand) -> tuple[Indicator, ...]:
    """Return the indicators in an operand: itself and those it is computed on, inner ones first."""
    if not isinstance(operand, Indicator):
        return ()
    inner = (indicators_of(series) for series in (operand.source, operand.periods) if series is not None)
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
    )
)
"""Functions with outputs in the unit of their source, or in price if they take no source."""
_NO_PRICE_OUTPUTS = frozenset({"trend"})


def is_price(operand: Operand) -> bool:
    """Return whether the operand is a price of the market, as ``ema(9)`` is and ``rsi(14)`` is not."""
    if isinstance(operand, Number):
        return False
    if isinstance(operand, Price):
        return operand.field is not PriceField.VOLUME
    is_such = operand.function in _PRICE_FUNCTIONS and operand.output not in _NO_PRICE_OUTPUTS
    return is_such and (operand.source is None or is_price(operand.source))


def compares_prices(condition: Condition) -> bool:
    """Return whether both sides are prices, so that their difference has a meaning in per cent.

    A number compared with a price counts as a price.
    """
    sides = (condition.left, condition.right)
    return all(is_price(side) or isinstance(side, Number) for side in sides) and any(map(is_price, sides))


def anchors_of(operand: Operand) -> frozenset[Indicator]:
    """Return the anchored functions that the operand's value depends on, in its timeframe."""
    if not isinstance(operand, Indicator):
        return frozenset()
    return frozenset(
        replace(indicator.call, timeframe=operand.timeframe)
        for indicator in indicators_of(operand)
        if FUNCTIONS[indicator.function].memory is Memory.ANCHORED
    )


def anchor_problem(condition: Condition) -> str | None:
    """Return why the condition is meaningless, because it depends on where history starts (rule 4).

    An anchored function may be compared with its own transforms, and may cross any series; beside a
    number, or at another level than its own, its value is an accident of the first bar.
    """
    left, right = anchors_of(condition.left), anchors_of(condition.right)
    if not left and not right:
        return None
    name = min(anchor.function for anchor in left | right)
    starts = f"the value of {name} depends on where history starts"
    if isinstance(condition.left, Number) or isinstance(condition.right, Number):
        return (
            f"{starts}, so it cannot be compared with a number; "
            f"compare it with a transform of itself, as in {_example(name)}"
        )
    if not condition.operator.is_cross and left != right:
        return (
            f"{starts}, so its level can only be compared with a transform of itself, "
            f"as in {_example(name)}, or cross another series"
        )
    return None


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
