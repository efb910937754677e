"""Values of functions over arrays and bar by bar: the only module that imports TA-Lib.

A bar at which an input of a function is not finite does not exist for that function: it has no value
there and its memory does not change. Arrays and streams both do so.
"""

import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from firstwatch.strategy.formulas import FORMULAS, State, Value
from firstwatch.strategy.function_table import FUNCTIONS

# Importing TA-Lib imports pandas and polars where they are installed: 0.5 s and 80 MB, unused.
_HIDDEN = ("pandas", "polars")
_found = {name: sys.modules[name] for name in _HIDDEN if name in sys.modules}
_modules: dict[str, Any] = sys.modules  # None in it makes an import fail; its type does not allow it
_modules.update(dict.fromkeys(_HIDDEN))
try:
    talib: Any = import_module("talib")
    import_module("talib.abstract")
    import_module("talib.stream")
finally:
    for _name in _HIDDEN:
        del _modules[_name]
    _modules.update(_found)

_BLOCK = 8_192
"""Bars of an array that a formula goes through at once: few enough for the processor's cache."""

Parameters = tuple[int | float, ...]
FloatArray = NDArray[np.float64]


@cache
def lookback(function: str, parameters: Parameters) -> int:
    """Return how many bars the function needs before the first bar that has a value."""
    if function in FORMULAS:
        return FORMULAS[function].lookback(*parameters)
    abstract = talib.abstract.Function(function)
    abstract.parameters = dict(zip(abstract.parameters, parameters, strict=True))
    return int(abstract.lookback)


def outputs(
    function: str, parameters: Parameters, inputs: Sequence[FloatArray], *, may_lack: bool = False
) -> tuple[FloatArray, ...]:
    """Return the function's outputs over whole arrays, NaN (or infinite) where there is no value.

    ``inputs`` are contiguous and as long as each output; ``may_lack``: some of their values may not be
    finite.
    """
    if may_lack:
        exists = np.logical_and.reduce([np.isfinite(series) for series in inputs])
        if not exists.all():
            packed = outputs(function, parameters, [series[exists] for series in inputs])
            return tuple(_unpacked(series, exists) for series in packed)
    first = lookback(function, parameters)
    if len(inputs[0]) <= first:
        return tuple(np.full(len(inputs[0]), np.nan) for _ in FUNCTIONS[function].outputs)
    if function in FORMULAS:
        return _computed(function, parameters, inputs, _Parts())
    found = getattr(talib, function.upper())(*inputs, *parameters)
    series = found if isinstance(found, tuple) else (found,)
    return tuple(_as_float(output, first) for output in series)


def _unpacked(packed: FloatArray, exists: NDArray[np.bool_]) -> FloatArray:
    whole = np.full(len(exists), np.nan)
    whole[exists] = packed
    return whole


def _as_float(output: NDArray[Any], first: int) -> FloatArray:
    if output.dtype == np.float64:
        return output
    # Whole-number outputs are 0 where they have no value yet.
    real = output.astype(np.float64)
    real[:first] = np.nan
    return real


class Running:
    """One function continued bar by bar, by a stream handle of TA-Lib or of a formula; not to be pickled."""

    __slots__ = ("_function", "_handle", "_history", "_parameters", "values")

    def __init__(self, function: str, parameters: Parameters, inputs: Sequence[FloatArray]) -> None:
        """Begin after the bars in ``inputs``, one array per input of the function, maybe empty."""
        self._function = function
        self._parameters = parameters
        self._handle: Any = None
        exists = np.logical_and.reduce([np.isfinite(series) for series in inputs])
        columns = [np.ascontiguousarray(series[exists]) for series in inputs]
        self._history: list[list[float]] = []
        self.values: tuple[float, ...] = ()
        """The outputs at the last bar; NaN where there is no value."""
        self._open(columns)
        if not exists.all() and not exists[-1]:
            self._lack()

    def push(self, bar: Sequence[float]) -> None:
        """Take the inputs' values of the next bar."""
        if not all(map(math.isfinite, bar)):
            self._lack()
        elif self._handle is None:
            for column, value in zip(self._history, bar, strict=True):
                column.append(value)
            self._open([np.array(column) for column in self._history])
        else:
            self.values = _as_floats(self._handle.update(*bar))

    def _lack(self) -> None:
        self.values = (math.nan,) * len(self.values)

    def _open(self, columns: list[FloatArray]) -> None:
        if self._function in FORMULAS:
            self._handle = _FormulaStream(self._function, self._parameters, columns)
        elif len(columns[0]) > lookback(self._function, self._parameters):
            try:
                self._handle = getattr(talib.stream, self._function.upper())(*columns, *self._parameters)
            except talib.InsufficientHistory:
                # Some functions have a value a few bars before a stream can continue from there.
                self._handle = None
        if self._handle is not None:
            self.values = _as_floats(self._handle.value)
            self._history = []
        else:
            series = outputs(self._function, self._parameters, columns)
            self.values = tuple(float(output[-1]) if len(output) else math.nan for output in series)
            self._history = [column.tolist() for column in columns]


def _as_floats(value: Any) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, tuple) else (float(value),)


# --- formulas ------------------------------------------------------------------------------------


def _computed(
    function: str, parameters: Parameters, inputs: Sequence[FloatArray], parts: "_Parts"
) -> tuple[FloatArray, ...]:
    """Return the outputs of a formula over arrays, maybe empty; ``parts`` are then at their last bar."""
    with np.errstate(all="ignore"):
        found = FORMULAS[function].compute(parts, *inputs, *parameters)
    first = lookback(function, parameters)
    for output in found:
        output[:first] = np.nan
    return found


class _FormulaStream:
    """A formula continued bar by bar, with the face of a TA-Lib stream handle."""

    def __init__(self, function: str, parameters: Parameters, columns: Sequence[FloatArray]) -> None:
        self._formula = FORMULAS[function]
        self._parameters = parameters
        self._parts = _Parts(goes_on=True)
        found = _computed(function, parameters, columns, self._parts)
        self._nothing = (math.nan,) * len(found)
        self._missing = lookback(function, parameters) - len(columns[0])
        """Bars to come that have no value."""
        self.value = tuple(float(output[-1]) for output in found) if len(columns[0]) else self._nothing

    def update(self, *bar: float) -> tuple[float, ...]:
        """Take the inputs' values of the next bar, all finite, and return the outputs."""
        self._parts.begin_bar()
        found = self._formula.compute(self._parts, *bar, *self._parameters)
        self._missing -= 1
        return found if self._missing < 0 else self._nothing


class _Part(Protocol):
    """One part of a formula: ``over`` a history first, then ``step`` by bar. Inputs are finite."""

    width: int
    """How many outputs it has."""

    def over(self, *inputs: FloatArray) -> tuple[FloatArray, ...]: ...

    def step(self, *inputs: float) -> tuple[float, ...]: ...


class _Parts:
    """The parts of one formula, as ``formulas.Parts`` says: made over arrays, then continued bar by bar."""

    def __init__(self, *, goes_on: bool = False) -> None:
        """``goes_on``: bars will follow the arrays."""
        self._goes_on = goes_on
        self._made: list[_Part] = []
        self._turns: Iterator[_Part] | None = None

    def begin_bar(self) -> None:
        """Begin the next bar: from now on values are floats, and parts those that were made."""
        self._turns = iter(self._made)

    def talib(self, function: str, parameters: tuple[int, ...], *inputs: Value) -> Value:
        return self._part(lambda: _TalibPart(function, parameters, goes_on=self._goes_on), inputs)[0]

    def back(self, value: Value, bars: int) -> Value:
        return self._part(lambda: _Back(bars), (value,))[0]

    def total(self, period: int, term: Callable[..., Value], value: Value, *beside: Value) -> Value:
        return self._part(lambda: _Total(period, term), (value, *beside))[0]

    def recursion(
        self, step: Callable[..., State], start: State, *inputs: Value, outputs: int = 1
    ) -> tuple[Value, ...]:
        return self._part(lambda: _Recursion(step, start, outputs), inputs)

    def ratio(self, above: Value, below: Value) -> Value:
        if self._turns is None:
            exists = np.isfinite(above) & np.isfinite(below) & (below != 0)
            return np.where(exists, above / below, np.nan)
        return above / below if math.isfinite(above) and math.isfinite(below) and below != 0 else math.nan

    def root(self, value: Value) -> Value:
        if self._turns is None:
            return np.sqrt(value)
        return math.sqrt(value) if value >= 0 else math.nan

    def _part(self, make: Callable[[], _Part], inputs: tuple[Value, ...]) -> tuple[Value, ...]:
        if self._turns is not None:
            part = next(self._turns)
            return part.step(*inputs) if all(map(math.isfinite, inputs)) else (math.nan,) * part.width
        part = make()
        self._made.append(part)
        exists = np.logical_and.reduce([np.isfinite(series) for series in inputs])
        if exists.all():
            return part.over(*inputs)
        packed = part.over(*(series[exists] for series in inputs))
        return tuple(_unpacked(series, exists) for series in packed)


class _TalibPart:
    width = 1

    def __init__(self, function: str, parameters: tuple[int, ...], *, goes_on: bool) -> None:
        self._function = function
        self._parameters = parameters
        self._goes_on = goes_on

    def over(self, *inputs: FloatArray) -> tuple[FloatArray, ...]:
        if self._goes_on:
            self._running = Running(self._function, self._parameters, inputs)
        return outputs(self._function, self._parameters, inputs)

    def step(self, *inputs: float) -> tuple[float, ...]:
        self._running.push(inputs)
        return self._running.values


class _Back:
    width = 1

    def __init__(self, bars: int) -> None:
        self._bars = bars
        self._kept: deque[float] = deque(maxlen=bars + 1)

    def over(self, *inputs: FloatArray) -> tuple[FloatArray, ...]:
        (values,) = inputs
        self._kept.extend(values[-self._bars - 1 :].tolist())
        return (np.concatenate([np.full(self._bars, np.nan), values])[: len(values)],)

    def step(self, *inputs: float) -> tuple[float, ...]:
        self._kept.append(inputs[0])
        return (self._kept[0] if len(self._kept) > self._bars else math.nan,)


class _Total:
    width = 1

    def __init__(self, period: int, term: Callable[..., Value]) -> None:
        self._period = period
        self._term = term
        self._kept: deque[float] = deque(maxlen=period)

    def over(self, *inputs: FloatArray) -> tuple[FloatArray, ...]:
        values, *beside = inputs
        self._kept.extend(values[-self._period :].tolist())
        result = np.full(len(values), np.nan)
        for start in range(self._period - 1, len(values), _BLOCK):
            stop = min(start + _BLOCK, len(values))
            now = [series[start:stop] for series in beside]
            # One bar of the window after the other, for all windows at once: each is summed as in a step.
            total = np.zeros(stop - start)
            for back in range(self._period - 1, -1, -1):
                total += self._term(back, values[start - back : stop - back], *now)
            result[start:stop] = total
        return (result,)

    def step(self, *inputs: float) -> tuple[float, ...]:
        value, *beside = inputs
        self._kept.append(value)
        if len(self._kept) < self._period:
            return (math.nan,)
        total = 0.0
        back = self._period
        for old in self._kept:  # not sum(), which compensates for rounding from Python 3.12 on
            back -= 1
            total += self._term(back, old, *beside)
        return (total,)


class _Recursion:
    def __init__(self, step: Callable[..., State], start: State, width: int) -> None:
        self._step = step
        self._state = start
        self.width = width

    def over(self, *inputs: FloatArray) -> tuple[FloatArray, ...]:
        state, step = self._state, self._step
        results = tuple(np.empty(len(inputs[0])) for _ in range(self.width))
        for start in range(0, len(inputs[0]), _BLOCK):
            block = slice(start, start + _BLOCK)
            bars = zip(*(series[block].tolist() for series in inputs), strict=True)
            states = [state := step(state, *bar) for bar in bars]
            for index, result in enumerate(results):
                result[block] = [each[index] for each in states]
        self._state = state
        return results

    def step(self, *inputs: float) -> tuple[float, ...]:
        self._state = self._step(self._state, *inputs)
        return self._state[: self.width]
