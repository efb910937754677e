"""Statements that an engine executes at every step: compiled once, then handed to SQLite itself.

What SQLAlchemy does for each execution takes five times as long as a small statement itself.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from firstwatch.store.writer import raw_of

_DIALECT = SQLiteDialect(paramstyle="qmark")
_Convert = Callable[[Any], Any] | None
"""From a value to the one that stands for it on the other side; None: they are the same."""


class Prepared:
    """One statement without constants; values pass through the types of its columns, as in SQLAlchemy."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] | None = None) -> None:
        """``columns``: those that it writes; None: all that it names."""
        self._statement = statement
        self._columns = columns

    def execute(self, session: Connection, values: Mapping[str, Any]) -> sqlite3.Cursor:
        """Execute it with values by name.

        Raises:
            sqlite3.Error: as SQLite says.
        """
        text, places = self._compiled
        given = [values[name] if convert is None else convert(values[name]) for name, convert in places]
        if not session.in_transaction():
            # As SQLAlchemy does: all that is read in a session is of one view of the store.
            session.begin()
        return raw_of(session).execute(text, given)

    def rows(self, session: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Execute a select and return its rows.

        Raises:
            sqlite3.Error: as SQLite says.
        """
        found: list[tuple[Any, ...]] = self.execute(session, values).fetchall()
        for place, convert in self._results:
            found = [(*row[:place], convert(row[place]), *row[place + 1 :]) for row in found]
        return found

    @cached_property
    def _compiled(self) -> tuple[str, Sequence[tuple[str, _Convert]]]:
        """The text, and the name of each value with what makes it one of SQLite."""
        compiled = self._statement.compile(dialect=_DIALECT, column_keys=self._columns)
        assert isinstance(compiled, SQLCompiler)
        assert compiled.positiontup is not None
        kinds = {name: bind.type.dialect_impl(_DIALECT) for name, bind in compiled.binds.items()}
        places = [(name, kinds[name].bind_processor(_DIALECT)) for name in compiled.positiontup]
        return str(compiled), places

    @cached_property
    def _results(self) -> Sequence[tuple[int, Callable[[Any], Any]]]:
        """Places of the columns whose values are not those of SQLite, and what makes them."""
        assert isinstance(self._statement, Select)
        kinds = [column.type.dialect_impl(_DIALECT) for column in self._statement.selected_columns]
        made = [kind.result_processor(_DIALECT, None) for kind in kinds]
        return [(place, convert) for place, convert in enumerate(made) if convert is not None]
