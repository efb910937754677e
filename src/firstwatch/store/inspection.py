"""Inspection of a whole store: what is damaged, missing or unreadable, and what to do."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from firstwatch.store import (
    alarms,
    algorithms,
    equity,
    fills,
    journal,
    orders,
    outlooks,
    runs,
    schema,
    trades,
    wallets,
)
from firstwatch.store.database import Session, Store, connect
from firstwatch.store.files import REMEDY_OF_DAMAGE, problem_of_damage
from firstwatch.trading.errors import FirstwatchError

_REMEDY = f"{REMEDY_OF_DAMAGE}."
_CLOSING_S = 0.5
"""How long a process that closes a store takes between removing one of its files and the other."""


def problems_of_store(path: Path) -> list[str]:
    """Return a sentence for each problem of a store's file: damage, lost parts, rows that cannot be read."""
    found: list[str] = []
    for look in (_of_files, _of_database, _of_rows):
        if problem := _problem(lambda look=look: found.extend(look(path))):  # type: ignore[misc]
            found.append(f"{path} is damaged: {problem}. {_REMEDY}")
        if found:
            # Deeper problems cannot be found, or follow from this one.
            break
    return found


def _of_files(path: Path) -> Iterator[str]:
    if damage := problem_of_damage(path):
        yield f"{path} is damaged: {damage}. {_REMEDY}"
    if _has_lost_log(path):
        time.sleep(_CLOSING_S)
        if _has_lost_log(path):
            yield (
                f"The write-ahead log {path.name}-wal is gone, and with it what was saved last. Stop the"
                " engine, put the log or a backup in its place, and compare with the venue before a start."
            )


def _has_lost_log(path: Path) -> bool:
    log, index = (path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))
    return index.exists() and not log.exists()


def _of_database(path: Path) -> Iterator[str]:
    from firstwatch.store.tables import METADATA

    with closing(connect(path, read_only=True)) as connection:
        revision = schema.revision_of(connection)
        if revision != schema.HEAD:
            yield str(schema.wrong_revision(path, revision))
            return
        with closing(Store(path, read_only=True)) as store:
            if damage := store.damage():
                yield f"{path} is damaged: {damage}. {_REMEDY}"
        for table in METADATA.sorted_tables:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info('{table.name}')")}
            lacking = sorted(set(table.columns.keys()) - columns)
            if not columns:
                yield f"{path} lacks the table {table.name}. {_REMEDY}"
            elif lacking:
                yield f"The table {table.name} of {path} lacks {', '.join(lacking)}. {_REMEDY}"
        orphans = {row[0] for row in connection.execute("PRAGMA foreign_key_check")}
        if orphans:
            yield f"{path} has rows that belong to nothing, in {', '.join(sorted(orphans))}. {_REMEDY}"


def _of_rows(path: Path) -> Iterator[str]:
    store = Store(path, read_only=True)
    try:
        with store.read() as session:
            for name, read in _READERS.items():
                if problem := _problem(lambda read=read: read(session)):  # type: ignore[misc]
                    yield f"{name} cannot be read: {problem}. {_REMEDY}"
            for run_id in [row[0] for row in session.exec_driver_sql("SELECT id FROM run")]:
                if problem := _problem(lambda run_id=run_id: _read_run(session, run_id)):  # type: ignore[misc]
                    yield f"Run {run_id} cannot be read: {problem}. {_REMEDY}"
    finally:
        store.close()


_READERS: dict[str, Callable[[Session], object]] = {
    "The wallets": lambda session: wallets.list_wallets(session, with_archived=True),
    "The algorithms": algorithms.list_versions,
    "The alarms": alarms.active_alarms,
}


def _read_run(session: Session, run_id: str) -> None:
    runs.get_run(session, run_id)
    journal.events_after(session, run_id)
    orders.orders_of(session, run_id)
    fills.fills_of(session, run_id)
    fills.funding_of(session, run_id)
    trades.trades_of(session, run_id)
    equity.equity_of(session, run_id)
    outlooks.outlook_of(session, run_id)


def _problem(read: Callable[[], object]) -> str:
    try:
        read()
    except (FirstwatchError, sqlite3.Error) as error:
        return str(error).rstrip(".")
    except Exception:
        # Values that were changed by hand or by the disk break each reader differently.
        return "it is damaged"
    return ""
