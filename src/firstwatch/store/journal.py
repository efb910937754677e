"""The journal of a run and its checkpoint; a run's state is the fold of both."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select

from firstwatch.store.database import Session
from firstwatch.store.tables import CheckpointRow, RunEventRow, table_of, upsert
from firstwatch.trading.errors import StoreError
from firstwatch.trading.events import PAYLOAD_VERSION, RUN_EVENT, AlarmCleared, AlarmRaised, RunEvent
from firstwatch.trading.runs import Author

_EVENT = table_of(RunEventRow)
_CHECKPOINT = table_of(CheckpointRow)
_ALARM_KINDS = ("alarm_raised", "alarm_cleared")


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One row of the journal; sequences of a run begin at 1 and have no gap."""

    run_id: str
    sequence: int
    event: RunEvent
    author: Author
    venue_time_ms: int | None
    local_time_ms: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a restart begins from: the core's state, after the journal row ``sequence``."""

    run_id: str
    payload: str
    sequence: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class StandingAlarm:
    """An alarm that was raised and not cleared since."""

    run_id: str
    topic: str
    sentence: str
    since_ms: int
    """Local time when it was raised."""


_INSERT_EVENT = insert(_EVENT)
_LAST = select(func.max(_EVENT.c.sequence)).where(_EVENT.c.run_id == bindparam("run"))
_AFTER = (
    select(_EVENT)
    .where(_EVENT.c.run_id == bindparam("run"), _EVENT.c.sequence > bindparam("after"))
    .order_by(_EVENT.c.sequence)
)
_SAVE_CHECKPOINT = upsert(_CHECKPOINT)
_LOAD_CHECKPOINT = select(_CHECKPOINT).where(_CHECKPOINT.c.run_id == bindparam("run"))


def append_events(
    session: Session,
    run_id: str,
    events: Sequence[RunEvent],
    *,
    author: Author,
    venue_time_ms: int | None,
    local_time_ms: int,
) -> int:
    """Append events in order and return the sequence of the last row of the journal."""
    last = last_sequence(session, run_id)
    if not events:
        return last
    rows = [
        {
            "run_id": run_id,
            "sequence": last + number,
            "kind": event.kind,
            "payload_version": PAYLOAD_VERSION,
            "payload": event.model_dump_json(),
            "author": author.value,
            "venue_time_ms": venue_time_ms,
            "local_time_ms": local_time_ms,
        }
        for number, event in enumerate(events, start=1)
    ]
    session.execute(_INSERT_EVENT, rows)
    return last + len(rows)


def last_sequence(session: Session, run_id: str) -> int:
    """Return the sequence of the newest row; 0: the journal is empty. It is also the journal's length."""
    return session.execute(_LAST, {"run": run_id}).scalar() or 0


def events_after(
    session: Session, run_id: str, sequence: int = 0, *, limit: int | None = None
) -> list[JournalEntry]:
    """Return the entries after ``sequence``, oldest first, ``limit`` of them at most."""
    statement = _AFTER if limit is None else _AFTER.limit(limit)
    return [_entry(row) for row in session.execute(statement, {"run": run_id, "after": sequence})]


def recent_events(session: Session, run_id: str, limit: int) -> list[JournalEntry]:
    """Return the newest ``limit`` entries, oldest first."""
    return events_after(session, run_id, max(0, last_sequence(session, run_id) - limit))


def events_of_kinds(session: Session, run_id: str, kinds: Collection[str]) -> list[JournalEntry]:
    """Return the entries of some kinds, oldest first."""
    statement = (
        select(_EVENT)
        .where(_EVENT.c.run_id == run_id, _EVENT.c.kind.in_(sorted(kinds)))
        .order_by(_EVENT.c.sequence)
    )
    return [_entry(row) for row in session.execute(statement)]


def standing_alarms(session: Session) -> list[StandingAlarm]:
    """Return the alarms of all runs that stand, oldest first."""
    statement = (
        select(_EVENT)
        .where(_EVENT.c.kind.in_([bindparam(None, kind, literal_execute=True) for kind in _ALARM_KINDS]))
        .order_by(_EVENT.c.run_id, _EVENT.c.sequence)
    )
    standing: dict[tuple[str, str], StandingAlarm] = {}
    for entry in map(_entry, session.execute(statement)):
        if isinstance(entry.event, AlarmRaised):
            key = (entry.run_id, entry.event.topic)
            since_ms = standing[key].since_ms if key in standing else entry.local_time_ms
            standing[key] = StandingAlarm(*key, entry.event.sentence, since_ms)
        elif isinstance(entry.event, AlarmCleared):
            standing.pop((entry.run_id, entry.event.topic), None)
    return sorted(standing.values(), key=lambda alarm: alarm.since_ms)


def save_checkpoint(session: Session, run_id: str, payload: str, *, sequence: int, now_ms: int) -> None:
    """Replace the run's checkpoint; in the transaction of the journal rows that it reflects."""
    session.execute(
        _SAVE_CHECKPOINT,
        {"run_id": run_id, "payload": payload, "sequence": sequence, "updated_at_ms": now_ms},
    )


def load_checkpoint(session: Session, run_id: str) -> Checkpoint | None:
    """Return the run's checkpoint, or None when it has not made one."""
    row = session.execute(_LOAD_CHECKPOINT, {"run": run_id}).one_or_none()
    return None if row is None else Checkpoint(**row._mapping)


def _entry(row: Row[Any]) -> JournalEntry:
    if row.payload_version > PAYLOAD_VERSION:
        raise StoreError(
            f"Journal row {row.sequence} of run {row.run_id} was written by a newer firstwatch "
            f"(payload {row.payload_version}); use the newer program."
        )
    return JournalEntry(
        run_id=row.run_id,
        sequence=row.sequence,
        event=RUN_EVENT.validate_json(row.payload),
        author=Author(row.author),
        venue_time_ms=row.venue_time_ms,
        local_time_ms=row.local_time_ms,
    )
