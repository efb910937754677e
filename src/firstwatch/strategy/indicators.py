"""TA-Lib: the only module that imports it.

A bar at which an input of a function is not finite does not exist for that function: it has no value
there and its memory does not change. Arrays and streams both do so.
"""

import math
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

TALIB_VERSION = f"{talib.__version__} {talib.__ta_version__.decode()}"
"""The version of the package and of the library in it."""

Parameters = tuple[int | float, ...]
FloatArray = NDArray[np.float64]


@cache
def lookback(function: str, parameters: Parameters) -> int:
    """Return how many bars the function needs before the first bar that has a value."""
    abstract = talib.abstract.Function(function)
    abstract.parameters = dict(zip(abstract.parameters, parameters, strict=True))
    return int(abstract.lookback)


@cache
def _output_count(function: str) -> int:
    return len(talib.abstract.Function(function).output_names)


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
        return tuple(np.full(len(inputs[0]), np.nan) for _ in range(_output_count(function)))
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
    """One function continued bar by bar by a TA-Lib stream handle; it cannot be pickled."""

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
        if len(columns[0]) > lookback(self._function, self._parameters):
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
