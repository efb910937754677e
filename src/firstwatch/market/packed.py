"""Candles and funding rates as one compact file, named by its contents, whole or missing.

A file is a head (kind, SHA-256, timeframe in ms, counts of bars and of rates), then the arrays, compressed:
bytes of equal significance are grouped (shuffled), because neighbouring prices differ in the last bytes only.
The SHA-256, over all that follows it before compression, is the *fingerprint*.
"""

import fcntl
import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firstwatch.market.funding import NO_FUNDING, FundingSeries
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.errors import StoreError
from firstwatch.trading.timeframe import Timeframe

BASELINE_FOLDER = "baselines"
"""Folder of the baselines' candles, in the data folder."""
SUFFIX = ".candles"

_KIND = b"fwcandl1"
_COUNTS = struct.Struct("<qqq")
_DIGEST = 32
_HEAD = len(_KIND) + _DIGEST + _COUNTS.size
_COLUMNS = 6
_MOST_BARS = 30_000_000
"""More than fifty years of minutes: a damaged head must not fill the memory."""
_WORD = 8


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Market history: candles, and the funding rates known for them."""

    candles: CandleArrays
    funding: FundingSeries = NO_FUNDING


def fingerprint(history: History) -> str:
    """Return the SHA-256 (hex) of all numbers and of the timeframe; equal for equal data only."""
    return _digest(*_parts(history)).hex()


def until(history: History, end_ms: int) -> History:
    """Return the part of the history that is known at ``end_ms``."""
    candles, funding = history.candles, history.funding
    rates = int(funding.time_ms.searchsorted(end_ms, side="left"))
    return History(
        candles.part(0, candles.index_at(end_ms)),
        FundingSeries(funding.time_ms[:rates], funding.rate[:rates]),
    )


def pack(history: History) -> bytes:
    """Return the bytes of a file that ``unpack`` reads back bit for bit."""
    counts, body = _parts(history)
    by_weight = np.frombuffer(body, dtype=np.uint8).reshape(-1, _WORD).T.tobytes()
    return _KIND + _digest(counts, body) + counts + zlib.compress(by_weight, 1)


def unpack(data: bytes) -> tuple[str, History]:
    """Return the fingerprint and the packed history.

    Raises:
        ValueError: the bytes are damaged, or of another kind; the sentence says which.
    """
    if len(data) < _HEAD or not data.startswith(_KIND):
        raise ValueError("it is no file of candles that this version wrote")
    digest, counts = data[len(_KIND) : len(_KIND) + _DIGEST], data[_HEAD - _COUNTS.size : _HEAD]
    timeframe_ms, bars, rates = _COUNTS.unpack(counts)
    if not (0 <= bars <= _MOST_BARS and 0 <= rates <= _MOST_BARS):
        raise ValueError("its counts are damaged")
    size = (bars * _COLUMNS + rates * 2) * _WORD
    unpacker = zlib.decompressobj()
    try:
        by_weight = unpacker.decompress(data[_HEAD:], size + 1)
    except zlib.error as error:
        raise ValueError(f"it is damaged ({error})") from error
    if len(by_weight) != size or not (unpacker.eof and not unpacker.unused_data):
        raise ValueError("it is not whole")
    body = np.frombuffer(by_weight, dtype=np.uint8).reshape(_WORD, -1).T.tobytes()
    if _digest(counts, body) != digest:
        raise ValueError("its checksum is another")
    # Copies: arrays over a bytes object cannot be written, which some libraries ask for.
    times, numbers = (np.frombuffer(body, dtype=kind).astype(kind[1:]) for kind in ("<i8", "<f8"))
    columns = [numbers[bars * column : bars * (column + 1)] for column in range(1, _COLUMNS)]
    end = bars * _COLUMNS
    candles = CandleArrays(
        times[:bars],
        columns[0],
        columns[1],
        columns[2],
        columns[3],
        columns[4],
        Timeframe.of_ms(timeframe_ms),
    )
    return digest.hex(), History(candles, FundingSeries(times[end : end + rates], numbers[end + rates :]))


def keep_history(home: Path, history: History) -> str:
    """Keep the history in the data folder for baselines and return its fingerprint; equal ones share a file.

    Raises:
        StoreError: the folder cannot be written.
    """
    folder = home / BASELINE_FOLDER
    name = fingerprint(history)
    path = folder / f"{name}{SUFFIX}"
    try:
        with locked(folder):
            if not path.exists():
                write_whole(path, pack(history))
    except OSError as error:
        raise StoreError(
            f"The candles of the baseline cannot be kept in {folder}: {error.strerror}. Nothing was saved."
        ) from error
    return name


def load_baseline_candles(home: Path, name: str) -> History:
    """Return the history with that fingerprint, with which a baseline was made.

    Raises:
        StoreError: it is not there, or is damaged.
    """
    path = home / BASELINE_FOLDER / f"{name}{SUFFIX}"
    try:
        found, history = unpack(path.read_bytes())
        if found != name:
            raise ValueError("it holds other candles than its name says")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"The candles of the baseline cannot be read from {path}: {why}. Make the baseline anew."
        ) from error
    return history


def has_baseline_candles(home: Path, name: str) -> bool:
    """Return whether the history with that fingerprint was kept and is still there."""
    return bool(name) and (home / BASELINE_FOLDER / f"{name}{SUFFIX}").is_file()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, for its owner only, and hold its lock: one process writes into it at a time."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is whole or as it was, readable by its owner only; the folder is ``locked``."""
    draft = path.parent / ".draft"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _parts(history: History) -> tuple[bytes, bytes]:
    candles, funding = history.candles, history.funding
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    arrays = [
        candles.time_ms.astype("<i8"),
        *(column.astype("<f8") for column in columns),
        funding.time_ms.astype("<i8"),
        funding.rate.astype("<f8"),
    ]
    counts = _COUNTS.pack(candles.timeframe.ms, len(candles), len(funding))
    return counts, b"".join(array.tobytes() for array in arrays)


def _digest(counts: bytes, body: bytes) -> bytes:
    return hashlib.sha256(counts + body).digest()
