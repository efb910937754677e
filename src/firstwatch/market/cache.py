"""Candle files kept as arrays in the data folder, so that they are parsed once.

One file per source: arrays in NumPy's own format, one after the other, after a header with the identity of
their source and their checksum. It is written under another name and renamed, so it is whole or missing; one
that is damaged, or does not match its source, is rebuilt.
"""

import hashlib
import io
import logging
import os
import zlib
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.files import CandleFile, Hole, read_candles, require_timeframe
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.timeframe import Timeframe

_LAYOUT = 2
_HEAD_BYTES = 64 << 10
_log = logging.getLogger(__name__)


class CandleCache:
    """Parsed candle files in one folder, which is created with the first of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: Path, timeframe: Timeframe | None = None) -> CandleFile:
        """Return what ``read_candles`` returns, from the cache when the file has not changed.

        A cache that cannot be written is logged and only costs time.

        Raises:
            WrongUseError: as ``read_candles``.
        """
        path = Path(path)
        origin = _origin(path)
        kept = self._folder / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]}.npy"
        found = None if origin is None else _load(kept, path, origin)
        if found is None:
            found = read_candles(path, timeframe)
            if origin is not None:
                _keep(kept, found, origin)
        require_timeframe(path, found.timeframe, timeframe)
        return found


def _origin(path: Path) -> bytes | None:
    """Return a digest of the state of a source; None: it cannot be read."""
    try:
        facts = path.stat()
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None  # reading it as candles reports why
    return hashlib.sha256(b"%d %d %d " % (_LAYOUT, facts.st_size, facts.st_mtime_ns) + head).digest()


def _load(kept: Path, path: Path, origin: bytes) -> CandleFile | None:
    try:
        data = kept.read_bytes()
    except OSError:
        return None
    first = _npy(np.frombuffer(origin, dtype=np.uint8))
    length = len(first) + len(_checksum(b""))
    arrays = memoryview(data)[length:]
    if data[:length] != first + _checksum(arrays):
        return None
    file = io.BytesIO(arrays)
    timeframe, time_ms, columns, holes = (
        np.lib.format.read_array(file, allow_pickle=False) for _ in range(4)
    )
    candles = CandleArrays(
        time_ms,
        columns[0],
        columns[1],
        columns[2],
        columns[3],
        columns[4],
        Timeframe.of_ms(int(timeframe[0])),
    )
    return CandleFile(path, candles, tuple(Hole(*row) for row in holes.tolist()))


def _keep(kept: Path, found: CandleFile, origin: bytes) -> None:
    candles = found.candles
    arrays = b"".join(
        (
            _npy(np.array([candles.timeframe.ms])),
            _npy(candles.time_ms),
            _npy(np.stack((candles.open, candles.high, candles.low, candles.close, candles.volume))),
            _npy(np.array([astuple(hole) for hole in found.holes], dtype=np.int64)),
        )
    )
    temporary = kept.with_suffix(f".{os.getpid()}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(_npy(np.frombuffer(origin, dtype=np.uint8)) + _checksum(arrays) + arrays)
            temporary.replace(kept)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("candles of %s are not kept in %s: %s", found.path, kept.parent, error)


def _checksum(arrays: bytes | memoryview) -> bytes:
    return _npy(np.array([zlib.crc32(arrays)], dtype=np.uint32))


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()
