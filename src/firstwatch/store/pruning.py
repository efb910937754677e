"""Packing and removal of rows that are no longer needed.

Only runs that ended before a given time, left their wallet flat, and have no open order and no alarm are
pruned: their journal is packed, and their bars and their closed orders at the paper venue are removed.
Finished commands are removed, too. Orders, fills, trades and equity of every run stay.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import CursorResult, text

from firstwatch.store import alarms, journal, orders, runs
from firstwatch.store.database import Session, Store
from firstwatch.trading.agents import DAY_MS
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.runs import Exposure

_log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 2_000
"""Rows removed in one transaction, few enough that an engine need not wait long to write."""

# The commands of agents count against their limits for a day.
_COMMANDS = (
    "FROM command WHERE outcome IN ('DONE', 'REFUSED', 'EXPIRED')"
    f" AND finished_at_ms < :before - CASE WHEN act_id IS NULL THEN 0 ELSE {DAY_MS} END"
)
_SIZE_OF_COMMANDS = text(
    "SELECT count(*), coalesce(sum(length(payload) + length(sentence) + coalesce(length(result_json), 0)"
    f" + 120), 0) {_COMMANDS}"
)
_DROP_COMMANDS = text(f"DELETE FROM command WHERE id IN (SELECT id {_COMMANDS} ORDER BY id LIMIT :some)")

# A client order id begins with the id of its run, and no hexadecimal digit comes after f.
_PAPER = (
    "FROM paper_order WHERE venue = :venue AND is_open = 0"
    " AND client_order_id >= :run AND client_order_id < :run || 'g'"
)
_SIZE_OF_PAPER = text(
    f"SELECT count(*), coalesce(sum(length(state_json) + 2 * length(client_order_id) + 60), 0) {_PAPER}"
)
_DROP_PAPER = text(
    "DELETE FROM paper_order WHERE venue = :venue AND client_order_id IN"
    f" (SELECT client_order_id {_PAPER} ORDER BY client_order_id LIMIT :some)"
)

_BARS = "FROM run_bar WHERE run_id = :run"
_SIZE_OF_BARS = text(f"SELECT count(*), coalesce(sum(length(bars) + 2 * length(run_id) + 30), 0) {_BARS}")
_DROP_BARS = text(
    f"DELETE FROM run_bar WHERE run_id = :run AND first_ms IN (SELECT first_ms {_BARS} LIMIT :some)"
)
_SIZE_OF_WARM_UP = text("SELECT coalesce(sum(length(bars)), 0) FROM run_warm_up WHERE run_id = :run")
_DROP_WARM_UP = text("DELETE FROM run_warm_up WHERE run_id = :run")
_DROP_OUTLOOK = text("DELETE FROM run_outlook WHERE run_id = :run")


@dataclass(slots=True)
class Pruned:
    """Counts of what was packed or removed, or would be. Bytes are an estimate: SQLite counts in pages."""

    runs: int = 0
    journal_rows: int = 0
    paper_orders: int = 0
    commands: int = 0
    bytes_freed: int = 0


def prune(store: Store, *, before_ms: int, is_dry: bool) -> Pruned:
    """Pack and remove rows from before a wall time; ``is_dry``: only count them.

    Each run is checked again in the transaction that changes it. After an interruption call it again.

    Raises:
        StoreError: the store cannot be used.
    """
    done = Pruned()
    with store.read() as session:
        ended = [run.id for run in runs.list_runs(session) if _is_over(session, run, before_ms)]
    for run_id in ended:
        try:
            _prune_run(store, run_id, before_ms, done, is_dry=is_dry)
        except DamagedRowError as error:
            # It stays unchanged, to be repaired.
            _log.warning("run %s is not pruned: %s", run_id, error)
    with store.read() as session:
        count, size = session.execute(_SIZE_OF_COMMANDS, {"before": before_ms}).one()
    done.commands += count
    done.bytes_freed += size
    if not is_dry:
        _drop(store, lambda session: session.execute(_DROP_COMMANDS, _some(before=before_ms)))
    return done


def _is_over(session: Session, run: runs.Run, before_ms: int) -> bool:
    """Return whether the run can have no further order, fill or alarm."""
    is_old = run.state.is_final and run.ended_at_ms is not None and run.ended_at_ms < before_ms
    return (
        is_old
        and run.facts.exposure is Exposure.FLAT
        and not orders.open_orders_of(session, run.id)
        and not alarms.active_alarms(session, run.id)
    )


def _prune_run(store: Store, run_id: str, before_ms: int, done: Pruned, *, is_dry: bool) -> None:
    with store.read() as session:
        venue = runs.get_run(session, run_id).venue
        archive = journal.journal_to_archive(session, run_id)
        paper = {"venue": venue, "run": run_id}
        paper_orders, paper_bytes = session.execute(_SIZE_OF_PAPER, paper).one()
        blocks, block_bytes = session.execute(_SIZE_OF_BARS, {"run": run_id}).one()
        block_bytes += session.execute(_SIZE_OF_WARM_UP, {"run": run_id}).scalar_one()
    if archive is None and not paper_orders and not blocks:
        return
    if not is_dry:
        with store.write() as session:
            if not _is_over(session, runs.get_run(session, run_id), before_ms):
                return
            if archive is not None:
                journal.archive_journal(session, archive)
        _drop(store, lambda session: journal.drop_archived(session, run_id, _ROWS_AT_ONCE))
        _drop(store, lambda session: session.execute(_DROP_PAPER, _some(**paper)))
        _drop(store, lambda session: session.execute(_DROP_BARS, _some(run=run_id)))
        _drop(store, lambda session: session.execute(_DROP_WARM_UP, {"run": run_id}))
        _drop(store, lambda session: session.execute(_DROP_OUTLOOK, {"run": run_id}))
    done.runs += 1
    done.paper_orders += paper_orders
    done.bytes_freed += paper_bytes + block_bytes
    if archive is not None:
        done.journal_rows += archive.row_count
        done.bytes_freed += max(0, archive.row_bytes - len(archive.packed))


def _some(**of: object) -> dict[str, object]:
    return {**of, "some": _ROWS_AT_ONCE}


def _drop(store: Store, step: Callable[[Session], CursorResult[object]]) -> None:
    """Remove rows in short transactions until none is left."""
    while True:
        with store.write() as session:
            if not step(session).rowcount:
                return
