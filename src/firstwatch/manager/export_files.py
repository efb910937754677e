"""Files of exports: CSV, JSON and Parquet, written whole or not at all."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from firstwatch.manager.exports import COLUMNS, Column, Kind, export_time, rows_of
from firstwatch.store.database import Session
from firstwatch.store.runs import Run
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.exports import Format, What
from firstwatch.trading.numbers import plain
from firstwatch.trading.text import clean, quoted

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ROWS_AT_ONCE = 10_000
_NAME_KEPT = 40
_PRECISION, _SCALE = 38, 18
"""Precision and scale of decimals in Parquet: digits, and how many of them are decimals."""

Rows = Iterable[tuple[Any, ...]]


def write_export(session: Session, run: Run, what: What, form: Format, file: IO[bytes]) -> int:
    """Write a table of the run into a file and return the number of its rows.

    A time is two columns, ISO 8601 and, with ``_ms`` after its name, milliseconds since the epoch.

    Raises:
        WrongUseError: Parquet, and pyarrow is not installed.
        DamagedRowError: a row cannot be read.
        FirstwatchError: a number does not fit into Parquet.
        OSError: the file cannot be written.
    """
    counted = _Counted(rows_of(session, run, what))
    _WRITERS[form](COLUMNS[what], counted, file)
    return counted.count


@contextmanager
def whole_file(path: Path, *, is_new: bool = False) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of ``path`` when the block ends, and leaves nothing when it fails.

    Raises:
        WrongUseError: ``is_new``, and there is something of that name.
        FirstwatchError: the file cannot be written, or there is something else, such as a folder or a pipe.
    """
    if "\0" in str(path):
        raise WrongUseError(f"{quoted(str(path))} cannot be the name of a file.")
    is_taken = False
    try:
        if is_new:
            path.open("xb").close()
            is_taken = True
        else:
            # A link stays, and what it leads to is replaced.
            path = Path(os.path.realpath(path))
            if path.exists() and not path.is_file():
                raise FirstwatchError(f"{path} cannot be written: it is not a regular file.")
        with NamedTemporaryFile(
            "wb", dir=path.parent, prefix=f".{path.name[:_NAME_KEPT]}.", delete=False
        ) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
                is_taken = False
            finally:
                with suppress(OSError):
                    os.unlink(file.name)
    except FileExistsError as error:
        raise WrongUseError(f"{quoted(str(path))} is there already; choose another name.") from error
    except OSError as error:
        raise FirstwatchError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        if is_taken:
            path.unlink(missing_ok=True)


class _Counted:
    """Rows, counted as they are read."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for row in self._rows:
            self.count += 1
            yield row


def _cells(columns: Sequence[Column], row: tuple[Any, ...]) -> Iterator[tuple[str, Kind, Any]]:
    """Yield name, kind and value, those of a time twice: as text and as number."""
    for column, value in zip(columns, row, strict=True):
        if column.kind is Kind.TIME:
            yield column.name, Kind.TEXT, None if value is None else export_time(value)
            yield f"{column.name}_ms", Kind.COUNT, value
        else:
            yield column.name, column.kind, value


def _names(columns: Sequence[Column]) -> list[str]:
    return [name for name, _, _ in _cells(columns, (None,) * len(columns))]


def _write_csv(columns: Sequence[Column], rows: Rows, file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_names(columns))
        writer.writerows([_csv_cell(kind, value) for _, kind, value in _cells(columns, row)] for row in rows)
    finally:
        text.detach()


def _csv_cell(kind: Kind, value: Any) -> str:
    """Return the text of a cell; a text that a spreadsheet would take for a formula follows an apostrophe."""
    if value is None:
        return ""
    if kind is Kind.TEXT:
        return f"'{clean(value)}" if value.startswith(_BEGINS_A_FORMULA) else clean(value)
    return _json(value)


def _write_json(columns: Sequence[Column], rows: Rows, file: IO[bytes]) -> None:
    """Write a list with an object for each row, each on a line."""
    between = b"[\n"
    for row in rows:
        record = {
            name: clean(value) if kind is Kind.TEXT and value is not None else value
            for name, kind, value in _cells(columns, row)
        }
        file.write(between + _json(record).encode())
        between = b",\n"
    file.write(b"[]\n" if between == b"[\n" else b"\n]\n")


def _json(value: Any) -> str:
    """Return JSON in ASCII, with each decimal as a number with exactly its digits."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: {_json(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    return json.dumps(value)


def _write_parquet(columns: Sequence[Column], rows: Rows, file: IO[bytes]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise WrongUseError("Parquet needs the extra arrow: pip install 'firstwatch[arrow]'.") from error
    types = {
        Kind.TEXT: pa.string(),
        Kind.NUMBER: pa.decimal128(_PRECISION, _SCALE),
        Kind.COUNT: pa.int64(),
        Kind.FLAG: pa.bool_(),
        Kind.TIME: pa.timestamp("ms", tz="UTC"),
        Kind.RECORD: pa.string(),
    }
    schema = pa.schema([(column.name, types[column.kind]) for column in columns])
    left = iter(rows)
    try:
        with pq.ParquetWriter(file, schema) as writer:
            while part := list(islice(left, _ROWS_AT_ONCE)):
                values = zip(columns, zip(*part, strict=True), strict=True)
                arrays = [
                    pa.array([_parquet_value(column.kind, each) for each in cells], types[column.kind])
                    for column, cells in values
                ]
                writer.write_table(pa.table(arrays, schema=schema))
    except pa.ArrowException as error:
        said = str(error).partition("\n")[0]
        raise FirstwatchError(f"Parquet cannot hold a value ({said}); choose csv or json.") from error


def _parquet_value(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    match kind:
        case Kind.TEXT:
            return clean(value)
        case Kind.NUMBER:
            # Rounding a number with few decimals would pad it to more digits than a Decimal holds.
            return round(value, _SCALE) if value.as_tuple().exponent < -_SCALE else value
        case Kind.RECORD:
            return _json(value)
    return value


_WRITERS: dict[Format, Callable[[Sequence[Column], Rows, IO[bytes]], None]] = {
    Format.CSV: _write_csv,
    Format.JSON: _write_json,
    Format.PARQUET: _write_parquet,
}
