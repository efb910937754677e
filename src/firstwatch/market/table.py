"""Parses the text of a table to columns of numbers, at NumPy speed; every mistake is reported with its line.

A number of up to fifteen digits is its digits divided by a power of ten, which float64 rounds correctly,
so all rows are read by a few array operations. A cell of another form is read by itself, and one that
cannot be read is a mistake with its line and column.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firstwatch.trading.clock import END_MS, parse_iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import quoted

_SHOWN_MISTAKES = 5
_CHUNK_BYTES = 4 << 20
_MOST_MISTAKES = 1_000
_LARGEST = 1e18
_EXACT_DIGITS = 15
_INTEGER_DIGITS = 18
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ISO_FORMS = {len(form): form for form in ("0000-00-00", "0000-00-00T00:00", "0000-00-00T00:00:00")}
_MS_PER_UNIT = ((10**11, 1000.0), (10**14, 1.0), (10**17, 1e-3), (10**20, 1e-6))
"""Epoch times below the first figure count seconds, below the next milliseconds, then µs and ns."""

_Integers = NDArray[np.int64]
_Floats = NDArray[np.float64]


class Mistakes:
    """The mistakes in one file: all are counted, the first few kept."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.unit = "line"
        """Unit of the line numbers; "row" for a file without lines."""
        self.count = 0
        self._kept: list[tuple[int, str]] = []

    def add(self, line: int, sentence: str) -> None:
        """Add one mistake; at a thousand the file is read no further.

        Raises:
            WrongUseError: it is the thousandth.
        """
        self.count += 1
        self._kept = sorted([*self._kept, (line, sentence)])[:_SHOWN_MISTAKES]
        if self.count == _MOST_MISTAKES:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise a WrongUseError that lists the first mistakes by line and counts the rest."""
        if not self.count:
            return
        found = [f"{self.unit} {line}, {sentence}" for line, sentence in self._kept]
        if self.count == 1:
            raise WrongUseError(f"{self.where}, {found[0]}; correct the file, nothing was read")
        if self.count > len(found):
            found.append(f"and {self.count - len(found)} more")
        listed = "\n  ".join(found)
        raise WrongUseError(f"{self.where}: {self.count} mistakes, nothing was read:\n  {listed}")


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What was read: the line number, the time (ms) and the numbers of every row, by role.

    ``cells`` are those of the first line: the names in the header, where there is one (``has_header``).
    """

    line: _Integers
    time_ms: _Integers
    numbers: Mapping[str, _Floats]
    cells: tuple[str, ...] = ()
    has_header: bool = True


def text_columns(path: Path, data: bytes, names: Mapping[str, Sequence[str]], mistakes: Mistakes) -> Columns:
    """Read the columns of a text by the roles in ``names``, as ``formats.columns.read_columns`` says.

    Raises:
        WrongUseError: a column is missing, or there are no rows.
    """
    data = _plain_lines(data)
    head, _, body = data.partition(b"\n")
    delimiter = max(b",;\t|", key=head.count)
    cells = [cell.strip().lower() for cell in head.decode("utf-8", "backslashreplace").split(chr(delimiter))]
    known = {name for aliases in names.values() for name in aliases}
    has_header = not known.isdisjoint(cells)
    if not has_header:
        if not cells[0][:1].isdigit():
            raise WrongUseError(
                f"{path}, line 1: neither a header with known columns nor a row that begins with a time: "
                f"{_shown(head)}; name the columns {', '.join(names)}"
            )
        positions = _positions_by_order(path, names, cells)
        body, first_line = data, 1
    else:
        positions = _positions_by_name(path, names, cells)
        first_line = 2
    layout = _Layout(delimiter, len(cells), positions)
    body = body.rstrip(b"\n") + b"\n"
    if body == b"\n":
        raise WrongUseError(f"{path} holds no rows; give a file with at least one row of data")
    parts = [_read_chunk(chunk, line, layout, mistakes) for line, chunk in _chunks(body, first_line)]
    return Columns(
        np.concatenate([part.line for part in parts]),
        np.concatenate([part.time_ms for part in parts]),
        {role: np.concatenate([part.numbers[role] for part in parts]) for role in list(names)[1:]},
        tuple(cells),
        has_header,
    )


def _plain_lines(data: bytes) -> bytes:
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    # A quoted number is a number; a quoted delimiter then shows up as a row with too many cells.
    return data.translate(None, b'"') if b'"' in data else data


def place_of(where: str, role: str, aliases: Sequence[str], cells: Sequence[str]) -> int:
    """Return the index of the column for a role.

    Raises:
        WrongUseError: no column has one of its names.
    """
    present = [alias for alias in aliases if alias in cells]
    if not present:
        raise WrongUseError(
            f"{where}: no column for {role}; it has {_cut(', '.join(cells))}, "
            f"and one of them must be named {' or '.join(aliases)}"
        )
    return list(cells).index(present[0])


def epoch_ms(numbers: _Integers) -> _Integers:
    """Return epoch numbers of any unit as milliseconds; -1 for those that fit no unit."""
    times = np.full(len(numbers), -1, dtype=np.int64)
    previous = 0
    for limit, ms in _MS_PER_UNIT:
        here = (numbers >= previous) & (numbers < limit)
        times[here] = numbers[here] * int(ms) if ms >= 1 else numbers[here] // round(1 / ms)
        previous = limit
    return times


def bounded_times(
    times: _Integers, role: str, line: _Integers, mistakes: Mistakes, show: Callable[[int], str] | None = None
) -> _Integers:
    """Return the times (ms); one outside 1970 to 2199 is a mistake. ``show``: a row's cell as text."""
    for row in np.flatnonzero((times < 0) | (times >= END_MS)):
        cell = f"{times[row]} ms" if show is None else _shown(show(int(row)))
        mistakes.add(int(line[row]), f"column {role}: {cell} is not of the years 1970 to 2199")
    return times


def bounded_numbers(values: _Floats, role: str, line: _Integers, mistakes: Mistakes) -> _Floats:
    """Return the numbers; one that is not finite, or larger than any market has, is a mistake."""
    for row in np.flatnonzero(~np.isfinite(values)):
        mistakes.add(int(line[row]), f"column {role}: the number is missing ({values[row]})")
    for row in np.flatnonzero(np.isfinite(values) & (np.abs(values) > _LARGEST)):
        mistakes.add(int(line[row]), f"column {role}: {values[row]:g} is more than any market has")
    return values


def _positions_by_name(path: Path, names: Mapping[str, Sequence[str]], cells: list[str]) -> dict[str, int]:
    return {role: place_of(f"{path}, line 1", role, aliases, cells) for role, aliases in names.items()}


def _positions_by_order(path: Path, names: Mapping[str, Sequence[str]], cells: list[str]) -> dict[str, int]:
    if len(cells) < len(names):
        raise WrongUseError(
            f"{path}, line 1: {len(cells)} columns; without a header they must be {', '.join(names)}"
        )
    return {role: position for position, role in enumerate(names)}


def _chunks(body: bytes, first_line: int) -> Iterator[tuple[int, bytes]]:
    """Cut at line ends, so that the memory for reading a long file stays small."""
    start, line = 0, first_line
    while start < len(body):
        end = body.find(b"\n", start + _CHUNK_BYTES)
        chunk = body[start : end + 1 if end >= 0 else len(body)]
        yield line, chunk
        line += chunk.count(b"\n")
        start += len(chunk)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a row is written: its delimiter (a byte), its count of cells, the place of each role."""

    delimiter: int
    width: int
    positions: Mapping[str, int]


def _read_chunk(chunk: bytes, first_line: int, layout: _Layout, mistakes: Mistakes) -> Columns:
    buffer = np.frombuffer(chunk, dtype=np.uint8)
    line_end = np.flatnonzero(buffer == ord("\n"))
    line_start = np.concatenate(([0], line_end[:-1] + 1))
    delimiters = np.flatnonzero(buffer == layout.delimiter)
    found = np.diff(np.searchsorted(delimiters, line_end), prepend=0) + 1
    is_whole = found == layout.width
    for row in np.flatnonzero(~is_whole):
        text = chunk[line_start[row] : line_end[row]]
        cells = f"{found[row]} cells instead of {layout.width}: {_shown(text)}"
        mistakes.add(first_line + int(row), cells if text.strip() else "an empty line")
    if not is_whole.all():
        delimiters = delimiters[np.repeat(is_whole, found - 1)]
        line_start, line_end = line_start[is_whole], line_end[is_whole]
    # The cell of column c lies between the bounds c and c + 1 of its row.
    bounds = np.column_stack((line_start - 1, delimiters.reshape(-1, layout.width - 1), line_end))
    line = np.flatnonzero(is_whole) + first_line
    columns = {
        role: _Cells(role, chunk, bounds[:, position] + 1, bounds[:, position + 1], line)
        for role, position in layout.positions.items()
    }
    time, *others = columns
    numbers = {role: columns[role].numbers(mistakes) for role in others}
    return Columns(line, columns[time].times_ms(mistakes), numbers)


class _Cells:
    """The cells of one column in a chunk of text: ``chunk[start:end]`` for every row."""

    def __init__(self, role: str, chunk: bytes, start: _Integers, end: _Integers, line: _Integers) -> None:
        self._role = role
        self._chunk = chunk
        self._buffer = np.frombuffer(chunk, dtype=np.uint8)
        self._start = start
        self._length = end - start
        self._line = line

    def numbers(self, mistakes: Mistakes) -> _Floats:
        """Return the cells as finite numbers; 0.0 where there is a mistake."""
        digits, decimals, count, is_plain = self._decimal_digits()
        is_exact = is_plain & (count <= _EXACT_DIGITS)
        values: _Floats = digits / _POWERS_OF_TEN[np.where(is_exact, decimals, 0)]
        for row in np.flatnonzero(~is_exact):
            values[row] = self._number(int(row), mistakes)
        return bounded_numbers(values, self._role, self._line, mistakes)

    def times_ms(self, mistakes: Mistakes) -> _Integers:
        """Return the cells as milliseconds since the epoch; 0 where there is a mistake."""
        return bounded_times(self._any_times_ms(mistakes), self._role, self._line, mistakes, self._text)

    def _any_times_ms(self, mistakes: Mistakes) -> _Integers:
        iso = self._iso_times_ms()
        if iso is not None:
            return iso
        digits, decimals, count, is_plain = self._decimal_digits()
        is_whole = is_plain & (count <= _INTEGER_DIGITS) & (decimals == 0) & (digits >= 0)
        times = np.zeros(len(digits), dtype=np.int64)
        for row in np.flatnonzero(~is_whole):
            times[row] = self._time_ms(int(row), mistakes)
        times[is_whole] = epoch_ms(digits[is_whole])
        return times

    def _decimal_digits(self) -> tuple[_Integers, _Integers, _Integers, NDArray[np.bool_]]:
        """Return signed digits, decimal places, count of digits, and whether the cell is a plain decimal."""
        is_negative = self._buffer[self._start] == ord("-")
        position = self._start + is_negative
        left = self._length - is_negative
        last = len(self._buffer) - 1
        digits = np.zeros(len(position), dtype=np.int64)
        decimals, count, dots = (np.zeros(len(position), dtype=np.int64) for _ in range(3))
        for offset in range(min(int(left.max(initial=0)), _INTEGER_DIGITS + 2)):
            character = self._buffer[np.minimum(position + offset, last)]
            digit = character - np.uint8(ord("0"))
            is_digit = (digit < 10) & (offset < left)
            digits = np.where(is_digit, digits * 10 + digit, digits)
            count += is_digit
            decimals += is_digit & (dots > 0)
            dots += (character == ord(".")) & (offset < left)
        is_plain = (count + dots == left) & (dots <= 1) & (count > 0)
        return np.where(is_negative, -digits, digits), decimals, count, is_plain

    def _iso_times_ms(self) -> _Integers | None:
        """Return the times when all cells have one and the same usual form of ISO 8601 in UTC."""
        length = int(self._length[0]) if len(self._length) else 0
        if length < 10 or (self._length != length).any():
            return None
        text = self._buffer[self._start[:, None] + np.arange(length)]
        for ending in (b"Z", b"+00:00"):
            if (text[:, -len(ending) :] == np.frombuffer(ending, dtype=np.uint8)).all():
                text = text[:, : -len(ending)]
                break
        form = _ISO_FORMS.get(text.shape[1])
        if form is None:
            return None
        for column, expected in enumerate(form):
            here = text[:, column]
            if expected == "0":
                fits = (here >= ord("0")) & (here <= ord("9"))
            elif expected == "T":
                fits = (here == ord("T")) | (here == ord(" "))
            else:
                fits = here == ord(expected)
            if not fits.all():
                return None
        try:
            moments = np.ascontiguousarray(text).view(f"S{text.shape[1]}")[:, 0].astype("datetime64[ms]")
        except ValueError:
            return None  # a month 13 or a minute 61: the row by row way names its line
        return moments.astype(np.int64)

    def _text(self, row: int) -> str:
        start = int(self._start[row])
        return self._chunk[start : start + int(self._length[row])].decode("utf-8", "backslashreplace").strip()

    def _number(self, row: int, mistakes: Mistakes) -> float:
        text = self._text(row)
        value = float(text) if _NUMBER.fullmatch(text) else np.nan
        if np.isfinite(value):
            return value
        found = f"{_shown(text)} is not a number" if text else "the number is missing"
        mistakes.add(int(self._line[row]), f"column {self._role}: {found}")
        return 0.0

    def _time_ms(self, row: int, mistakes: Mistakes) -> int:
        text = self._text(row)
        if _NUMBER.fullmatch(text):
            value = float(text)
            for limit, ms in _MS_PER_UNIT:
                if 0 <= value < limit:
                    return round(value * ms)
        else:
            try:
                return parse_iso(text)
            except ValueError:
                pass  # reported below, like every other text that is not a time
        found = f"{_shown(text)} is not a time" if text else "the time is missing"
        mistakes.add(
            int(self._line[row]), f"column {self._role}: {found}; write epoch seconds or ms, or ISO 8601"
        )
        return 0


_POWERS_OF_TEN = np.array([10.0**power for power in range(_INTEGER_DIGITS + 3)])


def _shown(text: str | bytes) -> str:
    """Quote what was found, cut to a readable length."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return quoted(text)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"
