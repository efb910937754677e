"""Series computed once for many tests: the last used in memory, the costly ones as files for all processes.

A file holds the outputs of one function over one history. Its name is the SHA-256 of all that they depend
on: the candles' columns, the timeframe of the operand, the function with its parameters and its input, the
sources that compute it. It is mapped into memory, so that processes share it. Where it cannot be read or
written the series is computed: nothing depends on a file.

Over a year of minutes an RSI is computed in 1.3 ms, written in 6 ms and mapped in 0.5 ms: so a file is
written only of what took longer to compute than to write. That is one function in four, and more of those
with a long period.
"""

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from firstwatch.backtest.cache_folder import cache_folder
from firstwatch.market.packed import locked
from firstwatch.strategy import (
    aggregate,
    candles,
    conditions,
    evaluation,
    formulas,
    function_table,
    indicators,
    talib_table,
)
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.conditions import Indicator, Price, PriceField, Series, series_of
from firstwatch.strategy.evaluation import OpenTime, input_series
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.indicators import FloatArray, talib
from firstwatch.trading.timeframe import Timeframe

FOLDER = "series"
MOST_BYTES = 512 * 2**20
"""Room of all files together."""
LEAST_BYTES = 2**20
"""Smaller series are computed faster than a file is found."""
MOST_MEMORY_BYTES = 128 * 2**20
"""Room of the series that one process keeps in memory."""
WRITTEN_BYTES_A_S = 1e9

SOURCES = (aggregate, candles, conditions, evaluation, formulas, function_table, indicators, talib_table)
"""The modules that make a series of candles, beside TA-Lib."""
_VERSION = "\n".join(
    (
        f"{talib.__version__} {talib.__ta_version__.decode()}",
        *(hashlib.sha256(Path(source.__file__ or "").read_bytes()).hexdigest() for source in SOURCES),
    )
)
_SUFFIX = ".npy"
_FLOAT_BYTES = 8
_COLUMNS = ("time_ms", "open", "high", "low", "close", "volume")
_BEHIND = {
    PriceField.HL2: ("high", "low"),
    PriceField.HLC3: ("high", "low", "close"),
    PriceField.OHLC4: ("open", "high", "low", "close"),
}
"""The columns that a mean of prices is made of; another field is a column itself."""

Outputs = tuple[FloatArray, ...]


class SeriesFiles:
    """Files of series in one folder, at most ``most_bytes`` together: the least recently used ones go."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        """Take the folder, and remove what is too much.

        Raises:
            OSError: it cannot be read or written.
        """
        self._folder = folder
        self._most_bytes = most_bytes
        with locked(folder):
            for lost in folder.glob("*.draft"):
                lost.unlink(missing_ok=True)
            self._make_room(0)

    def read(self, name: str) -> FloatArray | None:
        """Return the array of that name, mapped and read-only; None: it is not there, or damaged."""
        path = self._folder / f"{name}{_SUFFIX}"
        try:
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
            os.utime(path)
        except (OSError, ValueError, EOFError):
            return None
        return np.asarray(mapped) if mapped.dtype == np.float64 else None

    def write(self, name: str, array: FloatArray) -> None:
        """Write an array, unless it would take a quarter of the room; a full disk changes nothing."""
        if array.nbytes > self._most_bytes // 4:
            return
        draft = self._folder / f"{name}.draft"
        with suppress(OSError), locked(self._folder):
            self._make_room(array.nbytes)
            try:
                with draft.open("wb") as file:
                    np.save(file, array, allow_pickle=False)
                draft.replace(self._folder / f"{name}{_SUFFIX}")
            except BaseException:
                draft.unlink(missing_ok=True)
                raise

    def _make_room(self, wanted: int) -> None:
        """Remove the least recently used files until so many bytes fit; the folder is locked."""
        with os.scandir(self._folder) as entries:
            found = [(entry.stat(), Path(entry)) for entry in entries if entry.name.endswith(_SUFFIX)]
        room = self._most_bytes - wanted - sum(each.st_size for each, _ in found)
        for each, path in sorted(found, key=lambda one: one[0].st_mtime_ns):
            if room >= 0:
                return
            path.unlink(missing_ok=True)
            room += each.st_size


class SharedSeries:
    """The ``SeriesMemory`` of many tests on the same candles."""

    def __init__(
        self,
        candles: CandleArrays,
        *,
        files: Callable[[], SeriesFiles | None] = lambda: None,
        most_bytes: int = MOST_MEMORY_BYTES,
        written_bytes_a_s: float = WRITTEN_BYTES_A_S,
    ) -> None:
        """Take the base candles. ``files`` is called where they are needed; None: there are none.

        ``written_bytes_a_s``: how fast a file is written, which decides what is.
        """
        self._candles = candles
        self._files = files
        self._most_bytes = most_bytes
        self._written_bytes_a_s = written_bytes_a_s
        self._kept: OrderedDict[Hashable, Outputs] = OrderedDict()
        self._bytes = 0
        self._digests: dict[str, bytes] = {}

    def outputs(self, timeframe: Timeframe, call: Indicator, compute: Callable[[], Outputs]) -> Outputs:
        """Return a function's outputs over the bars of a timeframe."""
        return self._recall((timeframe, call), lambda: self._filed(timeframe, call, compute))

    def seen(self, operand: Series, compute: Callable[[], FloatArray]) -> FloatArray:
        """Return an operand of a higher timeframe as seen at every base close."""
        return self._recall(operand, lambda: (compute(),))[0]

    def _recall(self, key: Hashable, compute: Callable[[], Outputs]) -> Outputs:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = compute()
        self._kept[key] = found
        self._bytes += _size(found)
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])
        return found

    def _filed(self, timeframe: Timeframe, call: Indicator, compute: Callable[[], Outputs]) -> Outputs:
        """Return a function's outputs from their file, or computed and maybe written to it."""
        width = len(FUNCTIONS[call.function].outputs)
        bars = len(self._candles) * self._candles.timeframe.ms // timeframe.ms
        files = self._files() if bars * width * _FLOAT_BYTES >= LEAST_BYTES else None
        if files is None:
            return compute()
        name = self._name(timeframe, call)
        mapped = files.read(name)
        if mapped is not None and mapped.ndim == 2 and len(mapped) == width:
            return tuple(mapped)
        began_s = time.thread_time()
        found = compute()
        spent_s = time.thread_time() - began_s
        if spent_s * self._written_bytes_a_s >= _size(found):
            files.write(name, np.stack(found))
        return found

    def _name(self, timeframe: Timeframe, call: Indicator) -> str:
        """Return the name of a function's file."""
        base = self._candles.timeframe
        parts = [_VERSION, base.value, timeframe.value, str(call)]
        found = hashlib.sha256("\n".join(parts).encode())
        # Higher bars depend on the times, too, and are made of all columns.
        for column in _columns(call) if timeframe is base else _COLUMNS:
            found.update(self._digest(column))
        return found.hexdigest()

    def _digest(self, column: str) -> bytes:
        if column not in self._digests:
            values = np.ascontiguousarray(getattr(self._candles, column))
            self._digests[column] = hashlib.sha256(values.data).digest()
        return self._digests[column]


def _columns(call: Indicator) -> list[str]:
    """Return the candles' columns that a function is computed on."""
    return sorted(set(_columns_behind(call)))


def _columns_behind(series: Series) -> Iterator[str]:
    if isinstance(series, Price):
        yield from _BEHIND.get(series.field, (series.field.value,))
    else:
        for operand in input_series(series, FUNCTIONS[series.function]):
            if isinstance(operand, OpenTime):
                yield "time_ms"
            else:
                for one in series_of(operand):
                    yield from _columns_behind(one)


def _size(arrays: Outputs) -> int:
    return sum(array.nbytes for array in arrays)


@cache
def series_files() -> SeriesFiles | None:
    """Return the files of this user, the same for all tests of this process; None: there is no cache."""
    try:
        return SeriesFiles(cache_folder(FOLDER))
    except OSError:
        return None
