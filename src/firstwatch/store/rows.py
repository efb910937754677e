"""Reading rows that may be damaged: the damaged one is named, the others are read."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import Row, Table
from sqlalchemy.types import TypeEngine
from sqlmodel import AutoString

from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.text import quoted
from firstwatch.trading.validation import why_wrong

T = TypeVar("T")
R = TypeVar("R", bound=Row[*tuple[Any, ...]])
_UNKNOWN_NAME = re.compile(r"'(.*)' is not a valid \w+")
"""Python's message for a value that an enum does not have."""
_SHOWN = 40
_SOUND: dict[tuple[Table, tuple[str, ...], tuple[type, ...]], tuple[int, ...]] = {}
"""Places of the floats in a row, for each (table, columns, types of the values) found to be sound."""


@contextmanager
def row(name: str) -> Iterator[None]:
    """Name the row that the block fails to read.

    Raises:
        DamagedRowError: the row was changed by hand or by the disk, or a newer program has written it.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        raise DamagedRowError(
            f"{name} cannot be read ({_reason(error)}); firstwatch doctor checks the whole store"
        ) from error


def _reason(error: Exception) -> str:
    """Return what is wrong with a row, in the program's own words."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place}: {why_wrong(first)}" if place else why_wrong(first)
    if type(error) is ValueError:
        # An invalid algorithm gives one line per error; the first is enough.
        first_line = next(iter(str(error).splitlines()), "")
        return _UNKNOWN_NAME.sub(lambda found: f"{quoted(found[1])} is not known", first_line)
    return "a value is missing, or not of its kind"


def sound(found: R, table: Table) -> R:
    """Return the row if each value has its column's type; SQLite accepts any value in any column.

    Raises:
        ValueError: a value has another type, or is a number that is not finite.
    """
    kinds = tuple(map(type, found))
    floats = _SOUND.get((table, found._fields, kinds))
    if floats is None:
        for value, (name, kind, may_lack) in zip(found, _columns(table, found._fields), strict=True):
            if not (may_lack if value is None else isinstance(value, kind)):
                raise ValueError(f"{name} is {quoted(str(value), _SHOWN)}")
        floats = tuple(place for place, kind in enumerate(kinds) if kind is float)
        _SOUND[table, found._fields, kinds] = floats
    for place in floats:
        if not math.isfinite(found[place]):
            raise ValueError(f"{_columns(table, found._fields)[place][0]} is {found[place]}")
    return found


def readable(
    rows: Iterable[Row[Any]], key: str, view: Callable[[Row[Any]], T], damaged: dict[Any, str] | None
) -> dict[Any, T]:
    """Return ``view`` of each row, by the row's column ``key``.

    Rows that cannot be read are left out; ``damaged`` receives their errors by the same key.
    """
    seen: dict[Any, T] = {}
    for found in rows:
        which = getattr(found, key)
        try:
            seen[which] = view(found)
        except DamagedRowError as error:
            if damaged is not None:
                damaged[which] = str(error)
    return seen


@lru_cache(maxsize=128)
def _columns(table: Table, names: tuple[str, ...]) -> tuple[tuple[str, type, bool], ...]:
    """Return (name, type, may be NULL) of each value; a value of no column may have any type."""
    columns = [(name, table.c.get(name)) for name in names]
    return tuple(
        (name, object, True)
        if column is None
        else (f"{table.name}.{name}", _python_type(column.type), bool(column.nullable))
        for name, column in columns
    )


def _python_type(kind: TypeEngine[Any]) -> type:
    # SQLModel's type of text names no Python type of its own.
    return str if isinstance(kind, AutoString) else kind.python_type
