"""Reads Parquet and Feather with pyarrow, which the extra ``arrow`` installs; imported only when needed."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.table import Columns, Mistakes, bounded_numbers, bounded_times, epoch_ms, place_of
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import clean

_MOST_ROWS = 30_000_000
_MOST_BYTES = 1 << 31
"""Most unpacked bytes of the columns that are read: six columns, and the same again in reserve."""
_MS = {"s": 1000, "ms": 1, "us": 1000, "ns": 1_000_000}
_FAR = 10**15
_RECORDS, _DICTIONARY = 3, 2
_CONTINUES = b"\xff\xff\xff\xff"
_MAGIC = b"ARROW1\x00\x00"


class _UnusableError(Exception):
    """The file is valid, but holds no candles."""


def arrow_columns(path: Path, data: bytes, names: Mapping[str, Sequence[str]], mistakes: Mistakes) -> Columns:
    """Read the columns of a Parquet or Feather file by the roles in ``names``, as ``read_columns`` does.

    The time is a timestamp (UTC without a zone), a date, or an epoch number. ``Columns.line`` counts rows.

    Raises:
        WrongUseError: pyarrow is not installed, the file is damaged or too large, a column is missing or
            holds no numbers.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise WrongUseError(
            f"{path} is Parquet or Feather, which needs the extra arrow: pip install 'firstwatch[arrow]'"
        ) from error
    mistakes.unit = "row"
    try:
        schema, read = _open_parquet(data) if data.startswith(b"PAR1") else _open_feather(path, data)
        cells = tuple(str(name).strip().lower() for name in schema.names)
        positions = {role: place_of(str(path), role, aliases, cells) for role, aliases in names.items()}
        for role, position in positions.items():
            _check_type(path, role, schema.field(position), is_time=role == next(iter(names)))
        columns = {role: _one(column) for role, column in zip(positions, read(positions), strict=True)}
        time, *others = columns
        line = np.arange(1, len(columns[time]) + 1, dtype=np.int64)
        times = _times_ms(columns[time], line, mistakes)
        numbers = {role: _numbers(columns[role]) for role in others}
    except WrongUseError:
        raise
    except _UnusableError as error:
        raise WrongUseError(f"{path}: {error}") from error
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError, MemoryError, struct.error) as error:
        raise WrongUseError(f"{path} is a damaged Parquet or Feather file; fetch it again") from error
    if not len(line):
        raise WrongUseError(f"{path} holds no rows; give a file with at least one row of data")
    return Columns(
        line,
        bounded_times(times, time, line, mistakes),
        {role: bounded_numbers(values, role, line, mistakes) for role, values in numbers.items()},
        cells,
    )


def _open_parquet(data: bytes) -> tuple[Any, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))

    def read(positions: Mapping[str, int]) -> list[Any]:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        # Flat columns are one leaf each, so column and leaf indexes agree; nested ones would break that.
        if file.metadata.num_columns != len(file.schema_arrow.names):
            raise _UnusableError("it has nested columns; save it with plain ones")
        size = sum(
            group.column(place).total_uncompressed_size for group in groups for place in positions.values()
        )
        _check_size(file.metadata.num_rows, size)
        wanted = [file.schema_arrow.names[position] for position in positions.values()]
        table = file.read(columns=list(dict.fromkeys(wanted)), use_threads=False)
        return [table.column(name) for name in wanted]

    return file.schema_arrow, read


def _open_feather(path: Path, data: bytes) -> tuple[Any, Any]:
    import pyarrow as pa

    if not data.startswith(_MAGIC):
        raise WrongUseError(f"{path} is Feather of version 1; save it as version 2, or as Parquet")
    stream = data[len(_MAGIC) :]
    _check_size(*map(sum, zip((0, 0), *_sizes(stream), strict=True)))
    schema = pa.ipc.open_stream(pa.BufferReader(stream)).schema

    def read(positions: Mapping[str, int]) -> list[Any]:
        wanted = sorted(set(positions.values()))
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=wanted)
        table = pa.ipc.open_stream(pa.BufferReader(stream), options=options).read_all()
        return [table.column(wanted.index(position)) for position in positions.values()]

    return schema, read


def _check_size(rows: int, size: int) -> None:
    if not (0 <= rows <= _MOST_ROWS and 0 <= size <= _MOST_BYTES):
        raise _UnusableError(f"{rows:,} rows of {size / 1e6:,.0f} MB are more than any file of candles has")


def _sizes(stream: bytes) -> Iterator[tuple[int, int]]:
    """Yield rows and unpacked bytes of each batch of an Arrow stream, read from the message headers alone.

    Arrow columnar format: an encapsulated message is a continuation marker, the length of a flatbuffer, the
    flatbuffer and a body; a compressed buffer begins with its unpacked length.
    """
    place = 0
    while stream[place : place + 4] == _CONTINUES:
        (length,) = struct.unpack_from("<i", stream, place + 4)
        if length <= 0:
            return
        head, body = memoryview(stream)[place + 8 : place + 8 + length], place + 8 + length
        message = _Table(head, struct.unpack_from("<I", head, 0)[0])
        kind, (body_length,) = message.number(1, "<B"), (message.number(3, "<q"),)
        if body_length < 0:
            raise ValueError("a length in it is negative")
        if kind in (_RECORDS, _DICTIONARY):
            batch = message.table(2) if kind == _RECORDS else message.table(2).table(1)
            yield batch.number(0, "<q"), sum(_buffers(batch, stream, body))
        place = body + body_length


def _buffers(batch: "_Table", stream: bytes, body: int) -> Iterator[int]:
    is_packed = batch.has(3)
    for offset, length in batch.pairs(2):
        unpacked = struct.unpack_from("<q", stream, body + offset)[0] if is_packed and length >= 8 else -1
        # -1: this buffer is not compressed.
        yield max(length, 0) if unpacked == -1 else unpacked if unpacked >= 0 else _MOST_BYTES + 1


class _Table:
    """One table of a flatbuffer: its fields by number, through its vtable."""

    def __init__(self, head: memoryview, place: int) -> None:
        self._head = head
        self._place = place
        self._offsets = place - struct.unpack_from("<i", head, place)[0]
        (self._size,) = struct.unpack_from("<H", head, self._offsets)

    def _field(self, number: int) -> int:
        at = 4 + 2 * number
        (offset,) = struct.unpack_from("<H", self._head, self._offsets + at) if at < self._size else (0,)
        return self._place + offset if offset else 0

    def has(self, number: int) -> bool:
        return bool(self._field(number))

    def number(self, number: int, form: str) -> int:
        place = self._field(number)
        return int(struct.unpack_from(form, self._head, place)[0]) if place else 0

    def _at(self, number: int) -> int:
        place = self._field(number)
        if not place:
            raise ValueError("a part of it is missing")
        return place + int(struct.unpack_from("<I", self._head, place)[0])

    def table(self, number: int) -> "_Table":
        return _Table(self._head, self._at(number))

    def pairs(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield the structs of two long numbers in a vector."""
        place = self._at(number)
        (count,) = struct.unpack_from("<I", self._head, place)
        for index in range(count):
            yield struct.unpack_from("<qq", self._head, place + 4 + 16 * index)


def _check_type(path: Path, role: str, field: Any, *, is_time: bool) -> None:
    import pyarrow as pa

    kind = field.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    is_fit = is_number or (pa.types.is_temporal(kind) if is_time else pa.types.is_decimal(kind))
    if not is_fit or pa.types.is_time(kind) or pa.types.is_duration(kind):
        wanted = "a timestamp or an epoch number" if is_time else "numbers"
        raise WrongUseError(
            f"{path}: column {role} ({clean(field.name)}) holds {kind}; it must hold {wanted}"
        )


def _one(column: Any) -> Any:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _numbers(column: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    values = column if pa.types.is_floating(column.type) else column.cast(pa.float64(), safe=False)
    return np.array(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _times_ms(column: Any, line: NDArray[np.int64], mistakes: Mistakes) -> NDArray[np.int64]:
    import pyarrow as pa

    for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)):
        mistakes.add(int(line[row]), "column time: the time is missing")
    column = column.fill_null(0) if column.null_count else column
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(column.type):
        unit = column.type.unit
        whole = np.array(column.cast(pa.int64()).to_numpy(zero_copy_only=False))
        return np.clip(whole, -_FAR, _FAR) * _MS[unit] if unit == "s" else whole // _MS[unit]
    numbers = _numbers(column)
    for row in np.flatnonzero(~np.isfinite(numbers)):
        mistakes.add(int(line[row]), f"column time: {numbers[row]} is not a time")
    return epoch_ms(np.clip(np.where(np.isfinite(numbers), numbers, 0), -_FAR, 1e18).astype(np.int64))
