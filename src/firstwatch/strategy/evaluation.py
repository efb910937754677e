"""Conditions over whole arrays: the evaluator of the backtest, and of a stream's history."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from firstwatch.strategy.aggregate import HigherBars, higher_bars
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
    Series,
    series_of,
)
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.functions import Function
from firstwatch.strategy.groups import Group
from firstwatch.strategy.indicators import FloatArray, outputs
from firstwatch.strategy.specification import AlgorithmSpec, Level, atr
from firstwatch.trading.bar import Bar
from firstwatch.trading.orders import Side
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.why import GroupKind

BoolArray = NDArray[np.bool_]
FlagArray = NDArray[np.int8]
TRUE, FALSE, UNKNOWN = 1, 0, -1


class GroupFlags(NamedTuple):
    """The groups' values at one close: 1 true; 0 false with every operand valued; -1 otherwise.

    A side that the algorithm may not take is -1 on entry; an empty exit group is 0.
    ``atr_stop`` and ``atr_target`` are NaN where the level is not of that kind or has no value.
    ``ready``: every operand of the algorithm has a value.
    """

    entry_long: int
    entry_short: int
    exit_long: int
    exit_short: int
    atr_stop: float
    atr_target: float
    ready: bool


@dataclass(frozen=True, slots=True, eq=False)
class SignalArrays:
    """``GroupFlags`` for every bar; ``first_ready`` is the first bar that is, or their count."""

    entry_long: FlagArray
    entry_short: FlagArray
    exit_long: FlagArray
    exit_short: FlagArray
    atr_stop: FloatArray
    atr_target: FloatArray
    ready: BoolArray
    first_ready: int

    def at(self, index: int) -> GroupFlags:
        """Return the flags at one bar's close."""
        return GroupFlags(
            int(self.entry_long[index]),
            int(self.entry_short[index]),
            int(self.exit_long[index]),
            int(self.exit_short[index]),
            float(self.atr_stop[index]),
            float(self.atr_target[index]),
            bool(self.ready[index]),
        )


def evaluate_arrays(
    spec: AlgorithmSpec,
    candles: CandleArrays,
    higher: Mapping[Timeframe, CandleArrays] | None = None,
) -> SignalArrays:
    """Return the groups' values at every close of ``candles``, which have the spec's timeframe.

    ``higher``: bars of higher timeframes from the venue; missing ones are made of ``candles``.

    Raises:
        ValueError: the candles have another timeframe.
    """
    return ArrayEvaluator(spec, candles, higher).signals()


def field_value(bar: Bar, field: PriceField) -> float:
    """Return a price field of one bar, by the formula that arrays use."""
    match field:
        case PriceField.HL2:
            return (bar.high + bar.low) / 2
        case PriceField.HLC3:
            return (bar.high + bar.low + bar.close) / 3
        case PriceField.OHLC4:
            return (bar.open + bar.high + bar.low + bar.close) / 4
    return float(getattr(bar, field))


def _field_array(candles: CandleArrays, field: PriceField) -> FloatArray:
    match field:
        case PriceField.HL2:
            return (candles.high + candles.low) / 2
        case PriceField.HLC3:
            return (candles.high + candles.low + candles.close) / 3
        case PriceField.OHLC4:
            return (candles.open + candles.high + candles.low + candles.close) / 4
    array: FloatArray = getattr(candles, field)
    return array


@dataclass(frozen=True, slots=True)
class OpenTime:
    """When each bar opened, in ms: an input of functions, not an operand of conditions."""


_OPEN_TIME = OpenTime()


def input_series(indicator: Indicator, function: Function) -> tuple[Operand | OpenTime, ...]:
    """Return what feeds an indicator, in the order of the function's arguments."""
    chosen = {"source": indicator.source, "periods": indicator.periods, "time_ms": _OPEN_TIME}
    return tuple(chosen.get(name) or Price(PriceField(name)) for name in function.inputs)


def reads_volume(spec: AlgorithmSpec) -> bool:
    """Return whether the volume of a bar can change an algorithm's decisions."""
    return any(_reads_volume(series) for condition in spec.conditions() for series in condition.series)


def _reads_volume(series: Series) -> bool:
    if isinstance(series, Price):
        return series.field is PriceField.VOLUME
    inputs = input_series(series.call, FUNCTIONS[series.call.function])
    operands = (one for one in inputs if not isinstance(one, OpenTime))
    return any(_reads_volume(inner) for one in operands for inner in series_of(one))


class SeriesMemory(Protocol):
    """Where arrays are kept that were computed once: see ``KeptSeries``, and ``firstwatch.backtest``."""

    def outputs(
        self, timeframe: Timeframe, call: Indicator, compute: Callable[[], tuple[FloatArray, ...]]
    ) -> tuple[FloatArray, ...]:
        """Return a function's outputs over the bars of a timeframe."""

    def seen(self, operand: Series, compute: Callable[[], FloatArray]) -> FloatArray:
        """Return an operand of a higher timeframe as seen at every base close."""


class KeptSeries:
    """Keeps every array as long as it is there itself."""

    def __init__(self) -> None:
        self._outputs: dict[tuple[Timeframe, Indicator], tuple[FloatArray, ...]] = {}
        self._seen: dict[Series, FloatArray] = {}

    def outputs(
        self, timeframe: Timeframe, call: Indicator, compute: Callable[[], tuple[FloatArray, ...]]
    ) -> tuple[FloatArray, ...]:
        """Return a function's outputs over the bars of a timeframe."""
        key = timeframe, call
        if key not in self._outputs:
            self._outputs[key] = compute()
        return self._outputs[key]

    def seen(self, operand: Series, compute: Callable[[], FloatArray]) -> FloatArray:
        """Return an operand of a higher timeframe as seen at every base close."""
        if operand not in self._seen:
            self._seen[operand] = compute()
        return self._seen[operand]


class SeriesArrays:
    """Series over one history, for any number of algorithms; everything is computed once."""

    def __init__(
        self,
        candles: CandleArrays,
        higher: Mapping[Timeframe, CandleArrays] | None = None,
        memory: SeriesMemory | None = None,
    ) -> None:
        """Take the base candles. ``higher`` as in ``evaluate_arrays``; ``memory``: by default all is kept."""
        self.candles = candles
        self._given = higher or {}
        self._higher: dict[Timeframe, HigherBars] = {}
        self._memory = memory or KeptSeries()

    def higher(self, timeframe: Timeframe) -> HigherBars:
        """Return the bars of a higher timeframe."""
        if timeframe not in self._higher:
            self._higher[timeframe] = higher_bars(self.candles, timeframe, self._given.get(timeframe))
        return self._higher[timeframe]

    def bars_of(self, timeframe: Timeframe) -> CandleArrays:
        """Return the bars that an operand of that timeframe is computed on."""
        return self.candles if timeframe is self.candles.timeframe else self.higher(timeframe).candles

    def series(self, series: Series, timeframe: Timeframe) -> FloatArray:
        """Return a series over its own bars, those of ``timeframe``."""
        if isinstance(series, Price):
            return _field_array(self.bars_of(timeframe), series.field)
        call = replace(series.call, timeframe=None)
        found = self._memory.outputs(timeframe, call, lambda: self._outputs(call, timeframe))
        return found[series.output_index]

    def over(self, operand: Operand | OpenTime, timeframe: Timeframe) -> FloatArray:
        """Return an operand without a timeframe of its own over the bars of ``timeframe``."""
        if isinstance(operand, OpenTime):
            return self.bars_of(timeframe).time_ms.astype(np.float64)
        return np.asarray(_values(operand, lambda series: self.series(series, timeframe)))

    def seen(self, operand: Operand) -> FloatArray | float:
        """Return an operand's value as seen at every base close; a number has one for all."""
        return _values(operand, self._series_seen)

    def _series_seen(self, series: Series) -> FloatArray:
        timeframe = series.timeframe or self.candles.timeframe
        if timeframe is self.candles.timeframe:
            return self.series(series, timeframe)
        return self._memory.seen(series, lambda: self._seen(series, timeframe))

    def _outputs(self, call: Indicator, timeframe: Timeframe) -> tuple[FloatArray, ...]:
        inputs = input_series(call, FUNCTIONS[call.function])
        return outputs(
            call.function,
            call.parameters,
            [np.ascontiguousarray(self.over(one, timeframe)) for one in inputs],
            may_lack=not all(isinstance(one, Price | OpenTime) for one in inputs),
        )

    def _seen(self, operand: Series, timeframe: Timeframe) -> FloatArray:
        values = self.series(operand, timeframe)
        found: FloatArray = np.concatenate([[np.nan], values])[self.higher(timeframe).closed]
        return found


def _values(operand: Operand, of: Callable[[Series], FloatArray]) -> FloatArray | float:
    """Return the value of an operand by those of the series in it."""
    match operand:
        case Number():
            return operand.value
        case Negative():
            return -_values(operand.operand, of)
        case Arithmetic():
            return computed(operand.operation, _values(operand.left, of), _values(operand.right, of))
    return of(operand)


def computed(operation: Operation, left: FloatArray | float, right: FloatArray | float) -> FloatArray:
    """Return what ``Operation.of`` does at every bar, to the bit."""
    with np.errstate(all="ignore"):
        result: FloatArray = np.asarray(_COMPUTE[operation](left, right))
    return np.where(np.isfinite(left) & np.isfinite(right) & np.isfinite(result), result, np.nan)


_COMPUTE = {
    Operation.ADD: np.add,
    Operation.SUBTRACT: np.subtract,
    Operation.MULTIPLY: np.multiply,
    Operation.DIVIDE: np.divide,
}


class ArrayEvaluator:
    """Arrays of one algorithm over one history."""

    def __init__(
        self,
        spec: AlgorithmSpec,
        candles: CandleArrays,
        higher: Mapping[Timeframe, CandleArrays] | None = None,
        *,
        arrays: SeriesArrays | None = None,
    ) -> None:
        """Make an evaluator. ``candles``, ``higher`` and errors are those of ``evaluate_arrays``.

        ``arrays``: series over the same candles that other algorithms use too; None: its own.
        """
        if candles.timeframe is not spec.timeframe:
            raise ValueError(f"candles of {candles.timeframe} for an algorithm of {spec.timeframe}")
        self._spec = spec
        self._candles = candles
        self._arrays = arrays or SeriesArrays(candles, higher)
        # Made at once, also those that no operand reads: a stream continues them.
        for timeframe in spec.timeframes():
            self._arrays.bars_of(timeframe)

    def higher(self, timeframe: Timeframe) -> HigherBars:
        """Return the bars of a higher timeframe."""
        return self._arrays.higher(timeframe)

    def bars_of(self, timeframe: Timeframe) -> CandleArrays:
        """Return the bars that an operand of that timeframe is computed on."""
        return self._arrays.bars_of(timeframe)

    def over(self, operand: Operand | OpenTime, timeframe: Timeframe) -> FloatArray:
        """Return an operand without a timeframe of its own over the bars of ``timeframe``."""
        return self._arrays.over(operand, timeframe)

    def seen(self, operand: Operand) -> FloatArray | float:
        """Return an operand's value as seen at every base close."""
        return self._arrays.seen(operand)

    def truth(self, condition: Condition) -> BoolArray:
        """Return where a condition of the algorithm holds; it does not where an operand has no value."""
        return self._condition(condition, len(self._candles))[0]

    def signals(self) -> SignalArrays:
        """Return the groups' values at every close."""
        count = len(self._candles)
        ready = np.ones(count, dtype=np.bool_)
        flags: dict[tuple[GroupKind, Side], FlagArray] = {}
        for kind, absent in ((GroupKind.ENTRY, UNKNOWN), (GroupKind.EXIT, FALSE)):
            for side in Side:
                group = self._spec.group(kind, side)
                if group is None:
                    flags[kind, side] = np.full(count, absent, dtype=np.int8)
                else:
                    flags[kind, side], valued = self._group(group, count)
                    ready &= valued
        levels = []
        for level in (self._spec.stop_loss, self._spec.take_profit):
            levels.append(self._level(level, count))
            if level is not None and level.period is not None:
                ready &= np.isfinite(levels[-1])
        first = int(np.argmax(ready)) if ready.any() else count
        return SignalArrays(
            flags[GroupKind.ENTRY, Side.LONG],
            flags[GroupKind.ENTRY, Side.SHORT],
            flags[GroupKind.EXIT, Side.LONG],
            flags[GroupKind.EXIT, Side.SHORT],
            levels[0],
            levels[1],
            ready,
            first,
        )

    def _level(self, level: Level | None, count: int) -> FloatArray:
        if level is None or level.period is None:
            return np.broadcast_to(np.float64(math.nan), count)
        return self._arrays.series(atr(level.period), self._spec.timeframe)

    def _group(self, group: Group, count: int) -> tuple[FlagArray, BoolArray]:
        found = [self._condition(condition, count) for condition in group.conditions]
        truth = group.combined([truth for truth, _ in found], at_least)
        valued: BoolArray = np.logical_and.reduce([valued for _, valued in found])
        flags = np.where(truth, np.int8(TRUE), np.where(valued, np.int8(FALSE), np.int8(UNKNOWN)))
        return flags, valued

    def _condition(self, condition: Condition, count: int) -> tuple[BoolArray, BoolArray]:
        """Return where the condition holds, and where it has a value."""
        left, right = self._arrays.seen(condition.left), self._arrays.seen(condition.right)
        valued = np.ones(count, dtype=np.bool_)
        for side in (left, right):
            if not isinstance(side, float):
                valued &= np.isfinite(side)
        with np.errstate(invalid="ignore"):
            truth = _compared(left, condition.operator, right)
        if not condition.operator.is_cross:
            return (~truth if condition.is_negated else truth) & valued, valued
        opposite = (
            Operator.AT_OR_BELOW if condition.operator is Operator.CROSSES_ABOVE else Operator.AT_OR_ABOVE
        )
        with np.errstate(invalid="ignore"):
            before = _compared(left, opposite, right)
        valued_both = valued & _shifted(valued)
        crossed = truth & _shifted(before)
        return (~crossed if condition.is_negated else crossed) & valued_both, valued_both


def _compared(left: FloatArray | float, operator: Operator, right: FloatArray | float) -> BoolArray:
    compare = {
        Operator.BELOW: np.less,
        Operator.AT_OR_BELOW: np.less_equal,
        Operator.ABOVE: np.greater,
        Operator.AT_OR_ABOVE: np.greater_equal,
        Operator.CROSSES_ABOVE: np.greater,
        Operator.CROSSES_BELOW: np.less,
    }[operator]
    result: BoolArray = compare(left, right)
    return result


def _shifted(flags: BoolArray) -> BoolArray:
    """Return the flags of the bar before; before the first bar they are unknown."""
    shifted = np.zeros_like(flags)
    shifted[1:] = flags[:-1]
    return shifted


def at_least(wanted: int, truths: Sequence[BoolArray]) -> BoolArray:
    """Return where so many of these are true."""
    found: BoolArray
    if wanted == 1:
        found = np.logical_or.reduce(truths)
    elif wanted == len(truths):
        found = np.logical_and.reduce(truths)
    else:
        found = np.asarray(np.sum(truths, axis=0, dtype=np.int16) >= wanted)
    return found
