"""Packed texts come back as they were, whenever they were packed, and take a fourth of the room."""

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.store import journal, orders, packing
from firstwatch.store.database import Store, open_store
from firstwatch.store.packing import is_packed, pack, pack_changes, unpack
from firstwatch.trading.events import AlarmRaised, Noted, RunEvent
from firstwatch.trading.runs import Author
from tests.store.made import made_order, made_run, noise, run_id_of

RUN = run_id_of(1)
MOVED = (
    b'{"kind":"order_moved","client_order_id":"00000000000000070000000000000001","old":"SUBMITTED",'
    b'"new":"UNKNOWN","why":"the answer was lost"}'
)
PACKED = "0123d75a7334be211e6be1290fd6bac392fc6a01"
WORDS = "62f94b8c8467371f6ed9a36c065db784756feb0bfd53133320b74990e175b2d8"
CHANGES = "02ab264699712d00"


def test_what_was_packed_once_is_read_for_ever() -> None:
    assert sha256(packing._WORDS).hexdigest() == WORDS, "no word may change: packed texts refer to its place"
    assert unpack(bytes.fromhex(PACKED)) == MOVED
    base = b'{"a":1,"b":"long unchanged text","c":2}'
    assert unpack(bytes.fromhex(CHANGES), base) == b'{"a":1,"b":"long unchanged text","c":3}'


@given(text=st.binary(max_size=3000), base=st.binary(max_size=3000))
def test_any_text_comes_back(text: bytes, base: bytes) -> None:
    assert is_packed(pack(text))
    assert unpack(pack(text)) == text
    assert unpack(pack_changes(text, base), base) == text


def test_the_usual_texts_take_a_fourth() -> None:
    assert len(pack(MOVED)) * 4 < len(MOVED)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"\x01", b"\x07abc", pack(MOVED)[:-3], pack(MOVED) + b"x", b"\x01" + b"\xff" * 40],
    ids=["empty", "nothing", "newer", "cut", "longer", "noise"],
)
def test_damage_is_said(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack(damaged)


def test_a_bomb_does_not_fill_the_memory() -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack(pack(b"0" * 70_000_000))


def test_rows_that_an_older_program_wrote_are_read(store: Store, tmp_path: Path) -> None:
    order = made_order(RUN)
    with store.write() as session:
        made_run(session)
        orders.upsert_order(session, order)
        sequence = journal.append_events(
            session,
            RUN,
            [Noted(sentence="new")],
            author=Author.SYSTEM,
            venue_time_ms=None,
            local_time_ms=1,
        )
    with closing(sqlite3.connect(store.path)) as raw, raw:
        raw.execute("UPDATE run_order SET body = ?, history_json = '[]'", (b'{"request": 1}',))
        raw.execute("UPDATE run_event SET payload = ?", ('{"kind":"noted","sentence":"old"}',))
        raw.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?)", (RUN, '{"core": 1}', sequence, 5))
    with store.read() as session:
        found = orders.get_order(session, order.client_order_id)
        assert found is not None
        assert (found.body, found.history) == (b'{"request": 1}', ())
        assert [entry.event for entry in journal.events_after(session, RUN, sequence - 1)] == [
            Noted(sentence="old")
        ]
        assert journal.load_checkpoint(session, RUN) == journal.Checkpoint(RUN, '{"core": 1}', sequence, 5)


def test_a_checkpoint_is_written_as_what_changed(store: Store) -> None:
    """Small steps write small rows; what was rolled back is no base; each one comes back whole."""
    grown = {"big": noise(20_000), "step": 0, "rows": []}
    base: str | None = None
    sizes: list[tuple[int, int]] = []
    with store.write() as session:
        made_run(session)
    for step in range(60):
        grown["step"], grown["rows"] = step, [noise(40 + number) for number in range(step)]
        text = json.dumps(grown)
        with store.write() as session:
            base = journal.save_checkpoint(session, RUN, text, sequence=step, now_ms=step, base=base)
        with store.read() as session:
            assert journal.load_checkpoint(session, RUN) == journal.Checkpoint(RUN, text, step, step)
            sizes.append(
                tuple(
                    session.exec_driver_sql(f"SELECT length(payload) FROM {table}").scalar_one()
                    for table in ("checkpoint", "checkpoint_base")
                )
            )
    assert max(changes for changes, _ in sizes) <= 1_400
    assert 2 <= len({whole for _, whole in sizes}) <= 20


def test_a_row_holds_the_entries_of_a_step(store: Store) -> None:
    said: list[RunEvent] = [Noted(sentence=str(number)) for number in range(3)]
    said[2:2] = [AlarmRaised(topic="stale", sentence="no bars")]
    with store.write() as session:
        made_run(session)
        first = journal.last_sequence(session, RUN)
        last = journal.append_events(
            session, RUN, said, author=Author.OPERATOR, venue_time_ms=7, local_time_ms=8
        )
        assert (last - first, journal.last_sequence(session, RUN)) == (4, last)
    with store.read() as session:
        rows = session.exec_driver_sql("SELECT kind, sequence FROM run_event ORDER BY sequence").fetchall()
        assert tuple(rows[-1]) == ("noted,noted,alarm_raised,noted", last)
        assert len(rows) == 2
        found = journal.events_after(session, RUN, first + 1)
        assert [(each.sequence, each.event) for each in found] == [
            (first + 2, said[1]),
            (first + 3, said[2]),
            (first + 4, said[3]),
        ]
        assert {(each.author, each.venue_time_ms, each.local_time_ms) for each in found} == {
            (Author.OPERATOR, 7, 8)
        }
        assert [each.event for each in journal.events_after(session, RUN, first, limit=1)] == said[:1]
        assert [each.event for each in journal.events_of_kinds(session, RUN, {"noted"})] == [
            event for event in said if isinstance(event, Noted)
        ]


def test_a_store_keeps_its_pages_small(tmp_path: Path) -> None:
    """A step changes few bytes on many pages, and writes each whole."""
    store = open_store(tmp_path)
    with store.read() as session:
        assert session.exec_driver_sql("PRAGMA page_size").scalar_one() == 1024
    store.close()
