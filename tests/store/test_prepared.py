"""A prepared statement writes what SQLAlchemy writes."""

import sqlite3
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from firstwatch.store.database import Session, Store
from firstwatch.store.orders import columns_of
from firstwatch.store.prepared import Prepared
from firstwatch.store.tables import RunOrderTable, table_of, upsert
from firstwatch.store.writer import raw_of
from firstwatch.trading.orders import OrderState
from tests.store.made import NOW_MS, made_order, made_run

_ORDER = table_of(RunOrderTable)
_SAVE = upsert(_ORDER, keep=("created_at_ms",))


def stored(session: Session) -> list[tuple[object, ...]]:
    """Return the rows as they are in the file."""
    return raw_of(session).execute("SELECT * FROM run_order").fetchall()


@pytest.mark.parametrize("is_there", [False, True])
def test_it_writes_what_sqlalchemy_writes(store: Store, is_there: bool) -> None:
    with store.write() as session:
        order = made_order(made_run(session).id)
        if is_there:
            session.execute(_SAVE, columns_of(order))
        changed = columns_of(replace(order, state=OrderState.ACCEPTED, created_at_ms=NOW_MS + 1))
        mark = raw_of(session)
        mark.execute("SAVEPOINT before")
        Prepared(_SAVE).execute(session, changed)
        found = stored(session)
        mark.execute("ROLLBACK TO before")
        session.execute(_SAVE, changed)
        assert found == stored(session)
        assert len(found) == 1


def test_a_value_that_is_none_of_its_column_is_refused(store: Store) -> None:
    values = {**columns_of(made_order("0" * 16)), "amount": 0.1}
    with pytest.raises(TypeError, match="money is Decimal"), store.write() as session:
        Prepared(_SAVE).execute(session, values)


def test_what_the_store_forbids_is_an_error_and_rolls_back(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError), store.write() as session:
        Prepared(_SAVE).execute(session, columns_of(made_order("0" * 16)))
    with store.read() as session:
        assert not stored(session)


def test_what_is_read_with_it_first_is_of_one_view(store: Store) -> None:
    count = Prepared(select(func.count()).select_from(_ORDER))
    with store.write() as session:
        run = made_run(session).id
    with store.read() as session:
        assert count.rows(session, {}) == [(0,)]
        with store.write() as other:
            other.execute(_SAVE, columns_of(made_order(run)))
        assert count.rows(session, {}) == [(0,)]
        assert not session.execute(select(_ORDER)).all()
    with store.read() as session:
        assert count.rows(session, {}) == [(1,)]
