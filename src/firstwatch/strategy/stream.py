"""Conditions bar by bar: the evaluator of a live run, bit for bit equal to ``evaluation``."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from firstwatch.strategy.aggregate import Aggregator
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.conditions import (
    Arithmetic,
    Condition,
    Indicator,
    Negative,
    Number,
    Operand,
    Operator,
    Price,
    Series,
    compares_prices,
)
from firstwatch.strategy.evaluation import (
    FALSE,
    TRUE,
    UNKNOWN,
    ArrayEvaluator,
    GroupFlags,
    OpenTime,
    field_value,
    input_series,
)
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.groups import Placed
from firstwatch.strategy.indicators import Running
from firstwatch.strategy.specification import AlgorithmSpec, Level, atr
from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.orders import Side
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.why import MOST_CONDITIONS, ConditionValue, GroupKind

Read = Callable[[], float]
"""Returns an operand's value at the last bar; NaN: there is none."""


@dataclass(slots=True)
class _Indicator:
    """One computation and where its inputs come from."""

    running: Running
    inputs: tuple[Read, ...]


@dataclass(slots=True)
class _Bars:
    """The bars of one timeframe: the last one, and what is computed on it, inner series first."""

    aggregator: Aggregator | None
    """None: the algorithm's own bars."""
    last: Bar | None = None
    indicators: dict[Indicator, _Indicator] = field(default_factory=dict)

    def push(self, bar: Bar) -> None:
        self.last = bar
        for indicator in self.indicators.values():
            indicator.running.push([read() for read in indicator.inputs])


@dataclass(slots=True)
class _Watched:
    """A condition with its operands' values at this close and at the close before."""

    condition: Condition
    left: Read
    right: Read
    now: tuple[float, float] = (math.nan, math.nan)
    before: tuple[float, float] = (math.nan, math.nan)

    def step(self) -> None:
        self.before = self.now
        self.now = self.left(), self.right()

    @property
    def is_valued(self) -> bool:
        values = self.now + self.before if self.condition.operator.is_cross else self.now
        return all(map(math.isfinite, values))

    @property
    def is_true(self) -> bool:
        return self.is_valued and self._holds is not self.condition.is_negated

    @property
    def _holds(self) -> bool:
        left, right = self.now
        match self.condition.operator:
            case Operator.BELOW:
                return left < right
            case Operator.AT_OR_BELOW:
                return left <= right
            case Operator.ABOVE:
                return left > right
            case Operator.AT_OR_ABOVE:
                return left >= right
            case Operator.CROSSES_ABOVE:
                return self.before[0] <= self.before[1] and left > right
            case Operator.CROSSES_BELOW:
                return self.before[0] >= self.before[1] and left < right


@dataclass(frozen=True, slots=True)
class _Gate:
    """True when so many of its parts are."""

    wanted: int
    parts: "Sequence[_Watched | _Gate]"

    @property
    def is_true(self) -> bool:
        spare = len(self.parts) - self.wanted
        for part in self.parts:
            if not part.is_true:
                if not spare:
                    return False
                spare -= 1
        return True


class _Group(NamedTuple):
    """A group of the algorithm: what makes it true, and its conditions, all of which make it known."""

    gate: "_Watched | _Gate"
    watched: tuple[_Watched, ...]

    @property
    def flag(self) -> int:
        if self.gate.is_true:
            return TRUE
        return FALSE if all(each.is_valued for each in self.watched) else UNKNOWN


class _Place(NamedTuple):
    """A condition and its place in the algorithm, with its texts cached because every bar needs them."""

    placed: Placed
    group: str
    text: str
    compares_prices: bool


_FLAGS = (
    (GroupKind.ENTRY, Side.LONG, UNKNOWN),
    (GroupKind.ENTRY, Side.SHORT, UNKNOWN),
    (GroupKind.EXIT, Side.LONG, FALSE),
    (GroupKind.EXIT, Side.SHORT, FALSE),
)
"""The group of each flag, in the order of ``GroupFlags``, and its value where there is no group."""


class SignalStream:
    """The groups of one algorithm, bar by bar. Holds handles of TA-Lib: it cannot be pickled or copied.

    After a restart a new stream is warmed up with the same history, from the first bar in the store.
    """

    def __init__(self, spec: AlgorithmSpec) -> None:
        self._spec = spec
        self._bars: dict[Timeframe, _Bars] = {}
        self._watched: dict[Condition, _Watched] = {}
        self._groups: tuple[tuple[_Group | None, int], ...] = ()
        self._levels: dict[int, Read] = {}
        self._places = {
            (kind, side): tuple(
                _Place(each, each.group, str(each.condition), compares_prices(each.condition))
                for each in spec.placed(kind, side)[:MOST_CONDITIONS]
            )
            for kind in GroupKind
            for side in Side
        }
        self._last_ms: int | None = None
        empty = CandleArrays.from_bars([], spec.timeframe)
        self._build(ArrayEvaluator(spec, empty, {}))

    @property
    def last_ms(self) -> int | None:
        """The open time of the last bar taken; None before the first."""
        return self._last_ms

    def warm(self, history: Mapping[Timeframe, CandleArrays]) -> GroupFlags | None:
        """Begin after a history and return the groups' values at its last close; None without bars.

        ``history`` holds closed bars of the algorithm's timeframe and, as far as the venue has them,
        of the higher ones; after the last of those, higher bars are made of base bars.

        Raises:
            FirstwatchError: the stream already has bars.
        """
        if self._last_ms is not None:
            raise FirstwatchError("a signal stream is warmed once, before its first bar")
        candles = history.get(self._spec.timeframe, CandleArrays.from_bars([], self._spec.timeframe))
        arrays = ArrayEvaluator(self._spec, candles, history)
        self._build(arrays)
        if len(candles) == 0:
            return None
        self._last_ms = int(candles.time_ms[-1])
        for condition, watched in self._watched.items():
            watched.step()
            watched.before = _one_before(arrays, condition.left), _one_before(arrays, condition.right)
        return arrays.signals().at(-1)

    def push(self, bar: Bar) -> GroupFlags:
        """Take the next closed bar of the algorithm's timeframe and return the groups' values.

        Raises:
            FirstwatchError: the bar is not newer than the last one.
        """
        if self._last_ms is not None and bar.time_ms <= self._last_ms:
            raise FirstwatchError(
                f"bar {bar.time_ms} came after bar {self._last_ms}: read the bars again and warm a new stream"
            )
        self._last_ms = bar.time_ms
        for bars in self._bars.values():
            for closed in (bar,) if bars.aggregator is None else bars.aggregator.push(bar):
                bars.push(closed)
        for watched in self._watched.values():
            watched.step()
        return self._flags()

    def conditions(self, kind: GroupKind, side: Side) -> tuple[ConditionValue, ...]:
        """Return the conditions of a group with their values at the last close; empty: it has none.

        The required ones come first, those of ``when`` last; of a very large group, which has no ``when``,
        only the first ones are returned.
        """
        return tuple(self._valued(place) for place in self._places[kind, side])

    def _valued(self, place: _Place) -> ConditionValue:
        watched = self._watched[place.placed.condition]
        left, right = watched.now
        return ConditionValue(
            group=place.group,
            condition=place.text,
            left=left if math.isfinite(left) else None,
            right=right if math.isfinite(right) else None,
            value=bool(watched.is_true) if watched.is_valued else None,
            compares_prices=place.compares_prices,
            wanted=place.placed.wanted,
        )

    def _flags(self) -> GroupFlags:
        stop, target = self._level(self._spec.stop_loss), self._level(self._spec.take_profit)
        ready = all(watched.is_valued for watched in self._watched.values()) and all(
            math.isfinite(read()) for read in self._levels.values()
        )
        entry_long, entry_short, exit_long, exit_short = (
            absent if group is None else group.flag for group, absent in self._groups
        )
        return GroupFlags(entry_long, entry_short, exit_long, exit_short, stop, target, ready)

    def _level(self, level: Level | None) -> float:
        return math.nan if level is None or level.period is None else self._levels[level.period]()

    # --- building ------------------------------------------------------------------------------

    def _build(self, arrays: ArrayEvaluator) -> None:
        base = self._spec.timeframe
        self._bars = {}
        for timeframe in self._spec.timeframes():
            bars = arrays.bars_of(timeframe)
            self._bars[timeframe] = _Bars(
                None if timeframe is base else arrays.higher(timeframe).aggregator,
                bars.bar(-1) if len(bars) else None,
            )
        self._watched = {
            condition: _Watched(
                condition,
                self._operand(condition.left, base, arrays),
                self._operand(condition.right, base, arrays),
            )
            for condition in self._spec.conditions()
        }
        self._groups = tuple((self._group(kind, side), absent) for kind, side, absent in _FLAGS)
        self._levels = {
            level.period: self._series(atr(level.period), base, arrays)
            for level in self._spec.levels()
            if level.period is not None
        }

    def _group(self, kind: GroupKind, side: Side) -> _Group | None:
        group = self._spec.group(kind, side)
        if group is None:
            return None
        watched = tuple(self._watched[condition] for condition in group.conditions)
        parts: tuple[_Watched | _Gate, ...] = watched
        return _Group(group.combined(parts, _Gate), watched)

    def _operand(self, operand: Operand | OpenTime, within: Timeframe, arrays: ArrayEvaluator) -> Read:
        """Return the value of an operand; ``within``: the timeframe of what names none itself."""
        match operand:
            case OpenTime():
                bars = self._bars[within]
                return lambda: math.nan if bars.last is None else float(bars.last.time_ms)
            case Number(value):
                return lambda: value
            case Negative():
                inner = self._operand(operand.operand, within, arrays)
                return lambda: -inner()
            case Arithmetic():
                left = self._operand(operand.left, within, arrays)
                right = self._operand(operand.right, within, arrays)
                compute = operand.operation.of
                return lambda: compute(left(), right())
        return self._series(operand, operand.timeframe or within, arrays)

    def _series(self, series: Series, timeframe: Timeframe, arrays: ArrayEvaluator) -> Read:
        bars = self._bars[timeframe]
        if isinstance(series, Price):
            price = series.field
            return lambda: math.nan if bars.last is None else field_value(bars.last, price)
        call = replace(series.call, timeframe=None)
        if call not in bars.indicators:
            feeding = input_series(call, FUNCTIONS[call.function])
            # Inner series are entered first, so they are up to date when this one reads them.
            inputs = tuple(self._operand(one, timeframe, arrays) for one in feeding)
            history = [np.ascontiguousarray(arrays.over(one, timeframe)) for one in feeding]
            bars.indicators[call] = _Indicator(Running(call.function, call.parameters, history), inputs)
        running, index = bars.indicators[call].running, series.output_index
        return lambda: running.values[index]


def _one_before(arrays: ArrayEvaluator, operand: Operand) -> float:
    """Return an operand's value at the close before the last one."""
    seen = arrays.seen(operand)
    if isinstance(seen, float):
        return seen
    return float(seen[-2]) if len(seen) > 1 else math.nan
