"""Output of the command line: JSON for programs, short tables for people."""

import json
import select
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any, TextIO

from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.numbers import plain, tidy, tidy_decimal
from firstwatch.trading.text import clean, clean_lines, duration

_BAR_CELLS = 30
_LEAST_SHARE = 0.02
"""Share to be done before the time left is shown."""


class OutputError(FirstwatchError):
    """A line could not be written; the error has no sentence if the reader has left."""


@dataclass(frozen=True, slots=True)
class Output:
    """The form of a command's result: a JSON document, or lines for a person."""

    as_json: bool

    def result(self, document: Any, text: str) -> None:
        """Print the document as JSON, or the text."""
        if self.as_json:
            say_json(document)
        else:
            say(text)


def say(text: str) -> None:
    """Print lines for a person."""
    _put("\n".join(map(clean, text.split("\n"))))


def say_picture(picture: str) -> None:
    """Print a picture that the program made, with its colours and control characters."""
    _put(picture)


def say_file(file: IO[bytes]) -> None:
    """Print the bytes of a file from its position on, as they are."""
    with _written():
        sys.stdout.flush()
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()


def say_json(document: Any) -> None:
    """Print one JSON document. Money becomes a number: the double nearest to the decimal."""
    # ``dumps`` uses the compiled encoder; ``dump`` would use the slow one.
    _put(json.dumps(_as_json(document), allow_nan=False))


def say_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns; None is shown as ``-``."""
    cells = [list(headings)] + [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        _put(line.rstrip())


def shown(value: object) -> str:
    """Return a value for a person: one line, numbers without an exponent, None as ``-``."""
    if value is None:
        return "-"
    if isinstance(value, Decimal | float):
        return plain(tidy_decimal(value))
    return clean(str(value))


def say_to_stderr(sentence: str) -> None:
    """Print a sentence on standard error."""
    _put(f"firstwatch: {clean_lines(sentence)}", sys.stderr)


def say_error(error: FirstwatchError) -> None:
    """Print the error's sentence on standard error."""
    say_to_stderr(str(error))


@contextmanager
def progress_bar() -> Iterator[Callable[[float, str], None]]:
    """Yield a function that shows progress (0 to 1), the step and the time left on standard error.

    Only on a terminal: elsewhere nothing is shown. It is removed at the end.
    """
    if not sys.stderr.isatty():
        yield lambda _share, _step: None
        return

    begun: tuple[float, float] | None = None

    def show(share: float, step: str) -> None:
        nonlocal begun
        now_s = time.monotonic()
        begun = begun or (now_s, share)
        done = share - begun[1]
        left = ""
        if done >= _LEAST_SHARE and share < 1:
            left = f", {duration((now_s - begun[0]) * (1 - share) / done)} left"
        full = round(share * _BAR_CELLS)
        bar = f"[{'#' * full}{'.' * (_BAR_CELLS - full)}] {share:4.0%} {clean(step)}{left}"
        # A line that is wrapped could not be removed.
        sys.stderr.write(f"\r\x1b[K{bar[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def check_reader() -> None:
    """Look for the reader of standard output without writing.

    Raises:
        OutputError: it has left.
    """
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):
        return
    if any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0)):
        raise OutputError


def _put(text: str, stream: TextIO | None = None) -> None:
    with _written():
        print(text, file=stream or sys.stdout, flush=True)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise OutputError from error
    except OSError as error:
        raise OutputError(f"The output cannot be written: {error.strerror}.") from error


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal | float):
        return tidy(float(value))
    if isinstance(value, dict):
        return {key: _as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    return value
