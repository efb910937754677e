"""One row that cannot be read is that row's trouble: it is named, and the others are read."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Row, Table

from firstwatch.trading.errors import DamagedRowError

T = TypeVar("T")
R = TypeVar("R", bound=Row[*tuple[Any, ...]])
_SHOWN = 40


@contextmanager
def row(name: str) -> Iterator[None]:
    """Say of which row it is that what the block reads cannot be understood.

    Raises:
        DamagedRowError: it was changed by hand or by the disk, or a newer program has written it.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        # What pydantic says is a page long; the first thing that is wrong is enough.
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DamagedRowError(f"{name} cannot be read ({reason}); firstwatch doctor looks at all") from error


def sound(found: R, table: Table) -> R:
    """Return a row of the table, each value of which is of its column's kind; SQLite keeps any in each.

    Raises:
        ValueError: a value is not, or is a number that is not finite.
    """
    for value, (name, kind, may_lack) in zip(found, _columns(table, found._fields), strict=True):
        is_sound = may_lack if value is None else isinstance(value, kind)
        if not is_sound or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"{name} is {str(value)[:_SHOWN]!r}")
    return found


def readable(
    rows: Iterable[Row[Any]], key: str, view: Callable[[Row[Any]], T], damaged: dict[Any, str] | None
) -> dict[Any, T]:
    """Return what ``view`` makes of each row, by its ``key``.

    Those that cannot be read are left out, and ``damaged`` then says why, by the same key.
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
    """Return name, kind and whether it may be NULL of each value; what is of no column is of any kind."""
    columns = [(name, table.c.get(name)) for name in names]
    return tuple(
        (name, object, True)
        if column is None
        else (f"{table.name}.{name}", column.type.python_type, bool(column.nullable))
        for name, column in columns
    )
