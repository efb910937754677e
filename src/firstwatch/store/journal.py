"""The journal of a run and its checkpoint; together they give the run's state."""

import json
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Row,
    bindparam,
    func,
    or_,
    select,
    text,
)

from firstwatch.store.alarms import note_alarms
from firstwatch.store.database import Session
from firstwatch.store.packing import pack, pack_changes, unpack
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import row
from firstwatch.store.tables import (
    CheckpointBaseTable,
    CheckpointTable,
    RunArchiveTable,
    RunEventTable,
    table_of,
    upsert,
)
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.events import PAYLOAD_VERSION, RUN_EVENT, Noted, RunEvent
from firstwatch.trading.runs import Author

_EVENT = table_of(RunEventTable)
_CHECKPOINT = table_of(CheckpointTable)
_BASE = table_of(CheckpointBaseTable)
_RUN_ARCHIVE = table_of(RunArchiveTable)
_EVENTS: TypeAdapter[list[RunEvent]] = TypeAdapter(list[RunEvent])


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry of the journal; the sequences of a run begin at 1 and have no gap."""

    run_id: str
    sequence: int
    event: RunEvent
    author: Author
    venue_time_ms: int | None
    local_time_ms: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Start of a recovery: the core's state after the journal entry ``sequence``, as JSON."""

    run_id: str
    payload: str
    sequence: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class Archive:
    """The journal of an ended run, packed."""

    run_id: str
    sequence: int
    """Sequence of its last entry."""
    packed: bytes
    row_count: int
    row_bytes: int
    """Size of the rows that it replaces."""


class _Row(NamedTuple):
    """A row of the journal, in the order in which an archive has its columns."""

    run_id: str
    sequence: int
    kind: str
    payload_version: int
    payload: str
    author: str
    venue_time_ms: int | None
    local_time_ms: int


_INSERT_EVENT = Prepared(
    text(
        "INSERT INTO run_event"
        " (place, run_id, sequence, kind, payload_version, payload, author, venue_time_ms, local_time_ms)"
        " VALUES (:count + coalesce((SELECT max(place) FROM run_event), 0), :run, :count + coalesce("
        "(SELECT max(sequence) FROM run_event WHERE run_id = :run),"
        " (SELECT sequence FROM run_archive WHERE run_id = :run), 0),"
        " :kind, :payload_version, :payload, :author, :venue_time_ms, :local_time_ms)"
        " RETURNING sequence"
    )
)
_LAST = Prepared(select(func.max(_EVENT.c.sequence)).where(_EVENT.c.run_id == bindparam("run")))
_AFTER = (
    select(_EVENT)
    .where(_EVENT.c.run_id == bindparam("run"), _EVENT.c.sequence > bindparam("after"))
    .order_by(_EVENT.c.sequence)
)
_NEWEST = select(_EVENT).order_by(_EVENT.c.place.desc()).limit(bindparam("limit"))
_WRITTEN = (
    select(_EVENT)
    .where(_EVENT.c.place > bindparam("after"))
    .order_by(_EVENT.c.place)
    .limit(bindparam("limit"))
)
_LAST_PLACE = select(func.max(_EVENT.c.place))
_BETWEEN = (
    select(_EVENT)
    .where(
        _EVENT.c.run_id == bindparam("run"),
        _EVENT.c.sequence > bindparam("after"),
        _EVENT.c.venue_time_ms.between(bindparam("first"), bindparam("last")),
    )
    .order_by(_EVENT.c.sequence)
)
_SAVE_CHECKPOINT = Prepared(upsert(_CHECKPOINT))
_LOAD_CHECKPOINT = select(_CHECKPOINT).where(_CHECKPOINT.c.run_id == bindparam("run"))
_SAVE_BASE = Prepared(upsert(_BASE))
_LOAD_BASE = select(_BASE.c.payload).where(_BASE.c.run_id == bindparam("run"))

_ARCHIVED = select(_RUN_ARCHIVE.c.sequence).where(_RUN_ARCHIVE.c.run_id == bindparam("run"))
_LOAD_ARCHIVE = select(_RUN_ARCHIVE.c.sequence, _RUN_ARCHIVE.c.rows).where(
    _RUN_ARCHIVE.c.run_id == bindparam("run")
)
_SAVE_ARCHIVE = upsert(_RUN_ARCHIVE)
_SIZE = text(
    "SELECT sum(length(payload) + length(kind) + length(author) + 2 * length(run_id) + 30)"
    " FROM run_event WHERE run_id = :run"
)
_DROP_ARCHIVED = text(
    "DELETE FROM run_event WHERE run_id = :run AND sequence IN (SELECT sequence FROM run_event"
    " WHERE run_id = :run AND sequence <= (SELECT sequence FROM run_archive WHERE run_id = :run)"
    " AND place < (SELECT max(place) FROM run_event) ORDER BY sequence LIMIT :some)"
)

_LARGEST_CHANGES = 1_400
"""Bytes of changes above which a new base is written, which takes three times as long."""


def append_events(
    session: Session,
    run_id: str,
    events: Sequence[RunEvent],
    *,
    author: Author,
    venue_time_ms: int | None,
    local_time_ms: int,
) -> int:
    """Append events, as one row, and return the sequence of the journal's last entry."""
    if not events:
        return last_sequence(session, run_id)
    payloads = [event.model_dump_json() for event in events]
    whole = payloads[0] if len(payloads) == 1 else f"[{','.join(payloads)}]"
    sequence: int = _INSERT_EVENT.execute(
        session,
        {
            "run": run_id,
            "count": len(events),
            "kind": ",".join(event.kind for event in events),
            "payload_version": PAYLOAD_VERSION,
            "payload": pack(whole.encode()),
            "author": author.value,
            "venue_time_ms": venue_time_ms,
            "local_time_ms": local_time_ms,
        },
    ).fetchone()[0]
    note_alarms(session, run_id, events, local_time_ms)
    return sequence


def append_system_events(session: Session, run_id: str, events: Sequence[RunEvent], *, now_ms: int) -> None:
    """Append events of the engine itself, without a venue time. ``now_ms``: local time."""
    append_events(session, run_id, events, author=Author.SYSTEM, venue_time_ms=None, local_time_ms=now_ms)


def last_sequence(session: Session, run_id: str) -> int:
    """Return the sequence of the newest entry, which is the journal's length; 0: it is empty."""
    [(last,)] = _LAST.rows(session, {"run": run_id})
    return last or session.execute(_ARCHIVED, {"run": run_id}).scalar() or 0


def events_after(
    session: Session, run_id: str, sequence: int = 0, *, limit: int | None = None, is_lenient: bool = False
) -> list[JournalEntry]:
    """Return the entries after ``sequence``, oldest first, ``limit`` of them at most.

    ``is_lenient``: a row that cannot be read becomes a note that says so.

    Raises:
        DamagedRowError: a row cannot be read.
    """
    early, archived = _archive(session, run_id, sequence)
    statement = _AFTER if limit is None else _AFTER.limit(limit)
    late = session.execute(statement, {"run": run_id, "after": max(sequence, archived)})
    found = _entries(chain(early, late), is_lenient=is_lenient)
    return list(islice((entry for entry in found if entry.sequence > sequence), limit))


def every_event(session: Session, run_id: str, after: int = 0) -> Iterator[JournalEntry]:
    """Yield the entries after a sequence lazily, oldest first; a row that cannot be read becomes a note."""
    early, archived = _archive(session, run_id, after)
    with session.execute(_AFTER, {"run": run_id, "after": max(after, archived)}) as late:
        for entry in _entries(chain(early, late), is_lenient=True):
            if entry.sequence > after:
                yield entry


def written_after(
    session: Session, place: int | None, *, limit: int
) -> tuple[int, Iterator[JournalEntry], bool]:
    """Return the place of the last row, and the entries of all runs written since, in order, one by one.

    ``place``: from an earlier call; None: the newest ``limit`` rows. The last value says whether more rows
    may be waiting (``limit`` rows were read). A row that cannot be read becomes a note.
    """
    if place is None:
        rows = list(reversed(session.execute(_NEWEST, {"limit": limit}).all()))
        return (rows[-1].place if rows else 0), _entries(rows, is_lenient=True), False
    rows = list(session.execute(_WRITTEN, {"after": place, "limit": limit}))
    last = rows[-1].place if rows else place
    return last, _entries(rows, is_lenient=True), len(rows) == limit


def numbered_after(session: Session, number: int, *, limit: int) -> list[tuple[int, JournalEntry]]:
    """Return the entries of all runs after the one with that number, in order, of ``limit`` rows at most.

    Entries are numbered from 1, across all runs, in the order of writing. A number is given once: only what
    ``drop_archived`` removes is missing between others. A row that cannot be read becomes a note.
    """
    found = [
        (each.place - each.sequence + entry.sequence, entry)
        for each in session.execute(_WRITTEN, {"after": number, "limit": limit})
        for entry in _entries([each], is_lenient=True)
    ]
    return [(place, entry) for place, entry in found if place > number]


def last_number(session: Session) -> int:
    """Return the number of the newest entry of all runs, as in ``numbered_after``; 0: there is none."""
    return session.execute(_LAST_PLACE).scalar() or 0


def written_since(
    session: Session, time_ms: int, kinds: Collection[str], *, limit: int
) -> tuple[Counter[str], list[JournalEntry]]:
    """Return the counts of all runs' entries after a local time, by kind, and the entries of ``kinds``.

    No more than the newest ``limit`` rows are counted. A row that cannot be read is counted only.
    """
    counts: Counter[str] = Counter()
    rows_of_kinds: list[Row[Any]] = []
    with session.execute(_NEWEST, {"limit": limit}) as rows:
        for found in rows:
            if found.local_time_ms <= time_ms:
                break
            there = found.kind.split(",")
            counts.update(there)
            if not set(kinds).isdisjoint(there):
                rows_of_kinds.append(found)
    entries = _entries(reversed(rows_of_kinds), is_lenient=True)
    return counts, [entry for entry in entries if entry.event.kind in kinds]


def events_between(session: Session, run_id: str, first_ms: int, last_ms: int) -> list[JournalEntry]:
    """Return the entries whose venue time lies in a span, both ends included, oldest first.

    A row that cannot be read is left out.
    """
    early, archived = _archive(session, run_id, 0)
    late = session.execute(_BETWEEN, {"run": run_id, "after": archived, "first": first_ms, "last": last_ms})
    span = range(first_ms, last_ms + 1)
    return [entry for entry in _entries(chain(early, late), is_lenient=True) if entry.venue_time_ms in span]


def events_of_kinds(session: Session, run_id: str, kinds: Collection[str]) -> list[JournalEntry]:
    """Return the entries of some kinds, oldest first.

    Raises:
        DamagedRowError: a row that holds one of them cannot be read.
    """
    early, archived = _archive(session, run_id, 0)
    statement = (
        select(_EVENT)
        .where(_EVENT.c.run_id == run_id, _EVENT.c.sequence > archived, _has_some(kinds))
        .order_by(_EVENT.c.sequence)
    )
    found = _entries(chain(early, session.execute(statement)))
    return [entry for entry in found if entry.event.kind in kinds]


def newest_of_kinds(
    session: Session, run_id: str, kinds: Collection[str], *, after: int = 0
) -> Iterator[JournalEntry]:
    """Yield the entries of some kinds after the sequence ``after``, the newest first.

    Rows are read lazily.

    Raises:
        DamagedRowError: a row that holds one of them cannot be read.
    """
    archived = session.execute(_ARCHIVED, {"run": run_id}).scalar() or 0
    statement = (
        select(_EVENT)
        .where(_EVENT.c.run_id == run_id, _EVENT.c.sequence > max(after, archived), _has_some(kinds))
        .order_by(_EVENT.c.sequence.desc())
    )
    with session.execute(statement) as rows:
        yield from _of_kinds(rows, kinds, after)
    early, _ = _archive(session, run_id, after)
    yield from _of_kinds(reversed(early), kinds, after)


def journal_to_archive(session: Session, run_id: str) -> Archive | None:
    """Return the whole journal of an ended run, packed; None: it is already packed.

    Raises:
        DamagedRowError: a row cannot be read.
    """
    rows = session.execute(_AFTER, {"run": run_id, "after": 0}).all()
    if not rows:
        return None
    early, archived = _archive(session, run_id, 0)
    if rows[-1].sequence <= archived and rows[0].place == last_number(session):
        # The one row that ``drop_archived`` has left.
        return None
    with row(f"the journal of run {run_id}"):
        late = [
            _Row(*(getattr(found, name) for name in _Row._fields))._replace(payload=_text_of(found.payload))
            for found in rows
            if found.sequence > archived
        ]
    packed = zlib.compress(json.dumps([*early, *late]).encode(), 9)
    taken = session.execute(_SIZE, {"run": run_id}).scalar_one()
    return Archive(run_id, rows[-1].sequence, packed, len(rows), taken)


def archive_journal(session: Session, archive: Archive) -> None:
    """Save a packed journal in place of its rows, which ``drop_archived`` then removes."""
    values = {"run_id": archive.run_id, "sequence": archive.sequence, "rows": archive.packed}
    session.execute(_SAVE_ARCHIVE, values)


def drop_archived(session: Session, run_id: str, limit: int) -> CursorResult[Any]:
    """Remove the oldest ``limit`` rows that the packed journal holds.

    The newest row of all runs stays, so that its number is not given again.
    """
    return session.execute(_DROP_ARCHIVED, {"run": run_id, "some": limit})


def save_checkpoint(
    session: Session, run_id: str, payload: str, *, sequence: int, now_ms: int, base: str | None = None
) -> str:
    """Replace the run's checkpoint, in the transaction of the journal rows that it reflects.

    ``base``: the result of the last call for this run, if that was committed. Only the differences from it
    are written; None: the whole checkpoint. Returns the base of the next call.
    """
    whole = payload.encode()
    packed = None if base is None else pack_changes(whole, base.encode())
    if base is None or packed is None or len(packed) > _LARGEST_CHANGES:
        base, packed = payload, pack_changes(whole, whole)
        _SAVE_BASE.execute(session, {"run_id": run_id, "payload": pack(whole)})
    _SAVE_CHECKPOINT.execute(
        session,
        {"run_id": run_id, "payload": packed, "sequence": sequence, "updated_at_ms": now_ms},
    )
    return base


def load_checkpoint(session: Session, run_id: str) -> Checkpoint | None:
    """Return the run's checkpoint; None: it has none.

    Raises:
        DamagedRowError: the checkpoint cannot be read.
    """
    found = session.execute(_LOAD_CHECKPOINT, {"run": run_id}).one_or_none()
    if found is None:
        return None
    payload = found.payload
    if isinstance(payload, bytes):
        with row(f"the checkpoint of run {run_id}"):
            base = unpack(session.execute(_LOAD_BASE, {"run": run_id}).scalar() or b"")
            payload = unpack(payload, base).decode()
    return Checkpoint(found.run_id, payload, found.sequence, found.updated_at_ms)


def _of_kinds(rows: Iterable[Row[Any] | _Row], kinds: Collection[str], after: int) -> Iterator[JournalEntry]:
    for found in rows:
        if not set(kinds).isdisjoint(found.kind.split(",")):
            for entry in reversed(_entries_of(found)):
                if entry.event.kind in kinds and entry.sequence > after:
                    yield entry


def _has_some(kinds: Collection[str]) -> ColumnElement[bool]:
    return or_(*(_EVENT.c.kind.contains(kind) for kind in sorted(kinds)))


def _archive(session: Session, run_id: str, after: int) -> tuple[list[_Row], int]:
    """Return the rows of a packed journal after an entry, and the sequence of its last entry."""
    packed = session.execute(_LOAD_ARCHIVE, {"run": run_id}).one_or_none()
    if packed is None:
        return [], 0
    if packed.sequence <= after:
        return [], packed.sequence
    with row(f"the packed journal of run {run_id}"):
        rows = [_Row(*values) for values in json.loads(zlib.decompress(packed.rows))]
    return [found for found in rows if found.sequence > after], packed.sequence


def _entries(rows: Iterable[Row[Any] | _Row], *, is_lenient: bool = False) -> Iterator[JournalEntry]:
    """Yield the entries of rows; a row has the sequence of its last entry."""
    for found in rows:
        try:
            yield from _entries_of(found)
        except DamagedRowError as error:
            if not is_lenient:
                raise
            count = found.kind.count(",") + 1
            for sequence in range(found.sequence - count + 1, found.sequence + 1):
                yield JournalEntry(
                    found.run_id, sequence, Noted(sentence=str(error)), Author.SYSTEM, None, _time_of(found)
                )


def _entries_of(found: Row[Any] | _Row) -> list[JournalEntry]:
    with row(f"journal row {found.sequence} of run {found.run_id}"):
        if found.payload_version > PAYLOAD_VERSION:
            raise DamagedRowError(
                f"Journal row {found.sequence} of run {found.run_id} was written by a newer firstwatch "
                f"(payload {found.payload_version}); use the newer program."
            )
        text = _text_of(found.payload)
        events = _EVENTS.validate_json(text) if text.startswith("[") else [RUN_EVENT.validate_json(text)]
        return [
            JournalEntry(
                run_id=found.run_id,
                sequence=sequence,
                event=event,
                author=Author(found.author),
                venue_time_ms=found.venue_time_ms,
                local_time_ms=found.local_time_ms,
            )
            for sequence, event in enumerate(events, found.sequence - len(events) + 1)
        ]


def _text_of(payload: str | bytes) -> str:
    """Return a payload's text; older programs wrote it unpacked."""
    return unpack(payload).decode() if isinstance(payload, bytes) else payload


def _time_of(found: Row[Any] | _Row) -> int:
    return found.local_time_ms if isinstance(found.local_time_ms, int) else 0
