"""The journal of a run and its checkpoint; a run's state is the fold of both."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, bindparam, func, insert, or_, select

from firstwatch.store.database import Session
from firstwatch.store.packing import pack_changes, unpack
from firstwatch.store.tables import CheckpointBaseRow, CheckpointRow, RunEventRow, table_of, upsert
from firstwatch.trading.errors import StoreError
from firstwatch.trading.events import PAYLOAD_VERSION, RUN_EVENT, AlarmCleared, AlarmRaised, RunEvent
from firstwatch.trading.runs import Author

_EVENT = table_of(RunEventRow)
_CHECKPOINT = table_of(CheckpointRow)
_BASE = table_of(CheckpointBaseRow)
_EVENTS: TypeAdapter[list[RunEvent]] = TypeAdapter(list[RunEvent])
_ALARM_KINDS = ("alarm_raised", "alarm_cleared")


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry of the journal; sequences of a run begin at 1 and have no gap."""

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
_SAVE_BASE = upsert(_BASE)
_LOAD_BASE = select(_BASE.c.payload).where(_BASE.c.run_id == bindparam("run"))

_LARGEST_CHANGES = 700
"""Bytes of changes that a page of the store still holds; beyond them a new base is written."""


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
    sequence = last_sequence(session, run_id)
    rows = []
    for group in _groups(events):
        sequence += len(group)
        payloads = [event.model_dump_json() for event in group]
        rows.append(
            {
                "run_id": run_id,
                "sequence": sequence,
                "kind": ",".join(event.kind for event in group),
                "payload_version": PAYLOAD_VERSION,
                "payload": payloads[0] if len(group) == 1 else f"[{','.join(payloads)}]",
                "author": author.value,
                "venue_time_ms": venue_time_ms,
                "local_time_ms": local_time_ms,
            }
        )
    if rows:
        session.execute(_INSERT_EVENT, rows)
    return sequence


def last_sequence(session: Session, run_id: str) -> int:
    """Return the sequence of the newest entry; 0: the journal is empty. It is also the journal's length."""
    return session.execute(_LAST, {"run": run_id}).scalar() or 0


def events_after(
    session: Session, run_id: str, sequence: int = 0, *, limit: int | None = None
) -> list[JournalEntry]:
    """Return the entries after ``sequence``, oldest first, ``limit`` of them at most."""
    statement = _AFTER if limit is None else _AFTER.limit(limit)
    found = _entries(session.execute(statement, {"run": run_id, "after": sequence}))
    return [entry for entry in found if entry.sequence > sequence][:limit]


def recent_events(session: Session, run_id: str, limit: int) -> list[JournalEntry]:
    """Return the newest ``limit`` entries, oldest first."""
    return events_after(session, run_id, max(0, last_sequence(session, run_id) - limit))


def events_of_kinds(session: Session, run_id: str, kinds: Collection[str]) -> list[JournalEntry]:
    """Return the entries of some kinds, oldest first."""
    has_some = or_(*(_EVENT.c.kind.contains(kind) for kind in sorted(kinds)))
    statement = select(_EVENT).where(_EVENT.c.run_id == run_id, has_some).order_by(_EVENT.c.sequence)
    return [entry for entry in _entries(session.execute(statement)) if entry.event.kind in kinds]


def standing_alarms(session: Session) -> list[StandingAlarm]:
    """Return the alarms of all runs that stand, oldest first."""
    statement = (
        select(_EVENT)
        .where(_EVENT.c.kind.in_([bindparam(None, kind, literal_execute=True) for kind in _ALARM_KINDS]))
        .order_by(_EVENT.c.run_id, _EVENT.c.sequence)
    )
    standing: dict[tuple[str, str], StandingAlarm] = {}
    for entry in _entries(session.execute(statement)):
        if isinstance(entry.event, AlarmRaised):
            key = (entry.run_id, entry.event.topic)
            since_ms = standing[key].since_ms if key in standing else entry.local_time_ms
            standing[key] = StandingAlarm(*key, entry.event.sentence, since_ms)
        elif isinstance(entry.event, AlarmCleared):
            standing.pop((entry.run_id, entry.event.topic), None)
    return sorted(standing.values(), key=lambda alarm: alarm.since_ms)


def save_checkpoint(
    session: Session, run_id: str, payload: str, *, sequence: int, now_ms: int, base: str | None = None
) -> str:
    """Replace the run's checkpoint; in the transaction of the journal rows that it reflects.

    Only what differs from ``base`` is written: what the last call for this run has returned, if that was
    committed. None: all of it is. Returns the base of the next call.
    """
    text = payload.encode()
    packed = None if base is None else pack_changes(text, base.encode())
    if base is None or packed is None or len(packed) > _LARGEST_CHANGES:
        base, packed = payload, pack_changes(text, text)
        session.execute(_SAVE_BASE, {"run_id": run_id, "payload": base})
    session.execute(
        _SAVE_CHECKPOINT,
        {"run_id": run_id, "payload": packed, "sequence": sequence, "updated_at_ms": now_ms},
    )
    return base


def load_checkpoint(session: Session, run_id: str) -> Checkpoint | None:
    """Return the run's checkpoint, or None when it has not made one.

    Raises:
        ValueError: it is damaged.
    """
    row = session.execute(_LOAD_CHECKPOINT, {"run": run_id}).one_or_none()
    if row is None:
        return None
    payload = row.payload
    if isinstance(payload, bytes):
        base: str = session.execute(_LOAD_BASE, {"run": run_id}).scalar_one()
        payload = unpack(payload, base.encode()).decode()
    return Checkpoint(row.run_id, payload, row.sequence, row.updated_at_ms)


def _groups(events: Sequence[RunEvent]) -> Iterator[list[RunEvent]]:
    """Yield the events in order, as rows have them: neighbours share one, an alarm is found by its own."""
    group: list[RunEvent] = []
    for event in events:
        if group and (event.kind in _ALARM_KINDS or group[-1].kind in _ALARM_KINDS):
            yield group
            group = []
        group.append(event)
    if group:
        yield group


def _entries(rows: Iterable[Row[Any]]) -> Iterator[JournalEntry]:
    """Yield the entries of rows; the sequence of a row is that of its last one."""
    for row in rows:
        if row.payload_version > PAYLOAD_VERSION:
            raise StoreError(
                f"Journal row {row.sequence} of run {row.run_id} was written by a newer firstwatch "
                f"(payload {row.payload_version}); use the newer program."
            )
        several = row.payload.startswith("[")
        events = _EVENTS.validate_json(row.payload) if several else [RUN_EVENT.validate_json(row.payload)]
        for sequence, event in enumerate(events, row.sequence - len(events) + 1):
            yield JournalEntry(
                run_id=row.run_id,
                sequence=sequence,
                event=event,
                author=Author(row.author),
                venue_time_ms=row.venue_time_ms,
                local_time_ms=row.local_time_ms,
            )
