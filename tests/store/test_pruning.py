"""Pruning packs and removes what nothing needs again, and nothing of a run that is active or exposed."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from firstwatch.store import bars, commands, journal, orders, paper, pruning, runs
from firstwatch.store.database import Session, Store
from firstwatch.store.pruning import Pruned, prune
from firstwatch.store.runs import SideFacts
from firstwatch.trading.bar import Bar
from firstwatch.trading.commands import CommandOutcome, PauseEntries, StopEngine
from firstwatch.trading.events import AlarmRaised, Noted, RunEvent
from firstwatch.trading.orders import OrderState
from firstwatch.trading.runs import Author, Exposure, RunState
from tests.store.made import made_order, made_run, run_id_of

NOW_MS = 10_000_000_000
DAY_MS = 86_400_000
OLD_MS = NOW_MS - 40 * DAY_MS
BEFORE_MS = NOW_MS - 30 * DAY_MS


def say(session: Session, number: int, *events: RunEvent) -> None:
    journal.append_events(
        session,
        run_id_of(number),
        events,
        author=Author.SYSTEM,
        venue_time_ms=5,
        local_time_ms=OLD_MS,
    )


def made_ended(session: Session, number: int, *, at_ms: int = OLD_MS) -> str:
    """Make a run that left its wallet flat, with a journal of 100 rows."""
    run_id = made_run(session, number).id
    runs.transition(session, run_id, RunState.RUNNING, "", author=Author.SYSTEM, local_time_ms=at_ms)
    for row in range(97):
        say(session, number, Noted(sentence=f"{row}"), Noted(sentence=f"also {row}"))
    last = None
    for minute in range(100):
        fresh = bars.RunBar(Bar(minute * 60_000, 1.0, 2.0, 0.5, 1.5 + minute, 3.25))
        last = bars.add_bar(session, run_id, fresh, last)
    runs.transition(session, run_id, RunState.DONE, "", author=Author.SYSTEM, local_time_ms=at_ms)
    runs.update_side_facts(session, run_id, SideFacts(exposure=Exposure.FLAT))
    paper.save_orders(
        session,
        "paper",
        [
            paper.PaperOrder(f"{run_id}{1:016x}", f"w{number}", "BTC", False, "closed"),
            paper.PaperOrder(f"{run_id}{2:016x}", f"w{number}", "BTC", True, "open"),
        ],
    )
    return run_id


def everything_of(store: Store, run_id: str) -> dict[str, object]:
    with store.read() as session:
        return {
            "all": journal.events_after(session, run_id),
            "late": journal.events_after(session, run_id, 51),
            "some": journal.events_after(session, run_id, 51, limit=10),
            "recent": journal.events_after(
                session, run_id, journal.last_sequence(session, run_id) - 7, is_lenient=True
            ),
            "last": journal.last_sequence(session, run_id),
            "moves": journal.events_of_kinds(session, run_id, {"transitioned"}),
            "orders": orders.orders_of(session, run_id),
        }


def rows_of(store: Store, run_id: str) -> tuple[int, int, int]:
    """How many journal rows, paper orders and bars stand."""
    with store.read() as session:
        counted = [
            session.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {column} LIKE '{run_id}%'")
            for table, column in (("run_event", "run_id"), ("paper_order", "client_order_id"))
        ]
        return counted[0].scalar_one(), counted[1].scalar_one(), len(bars.bars_of(session, run_id))


def test_an_ended_run_is_packed_and_reads_as_before(store: Store) -> None:
    with store.write() as session:
        run_id = made_ended(session, 1)
        made_run(session, 2)
    before, rows = everything_of(store, run_id), rows_of(store, run_id)
    would = prune(store, before_ms=BEFORE_MS, is_dry=True)
    assert (everything_of(store, run_id), rows_of(store, run_id)) == (before, rows)
    did = prune(store, before_ms=BEFORE_MS, is_dry=False)
    assert did == would == Pruned(1, rows[0], 1, 0, would.bytes_freed)
    assert would.bytes_freed > 5_000
    assert rows_of(store, run_id) == (0, 1, 0)
    assert everything_of(store, run_id) == before
    assert prune(store, before_ms=BEFORE_MS, is_dry=True) == Pruned()
    with store.write() as session:
        say(session, 1, Noted(sentence="after the end"))
        say(session, 2, Noted(sentence="later"))
    grown = everything_of(store, run_id)
    assert grown["last"] == before["last"] + 1
    assert [entry.sequence for entry in grown["all"]] == list(range(1, before["last"] + 2))
    assert prune(store, before_ms=BEFORE_MS, is_dry=False).journal_rows == 1
    assert everything_of(store, run_id) == grown


def test_the_newest_row_of_all_runs_stays_so_that_its_number_is_not_given_again(store: Store) -> None:
    with store.write() as session:
        run_id = made_ended(session, 1)
        before = journal.last_number(session)
    everything = everything_of(store, run_id)
    assert prune(store, before_ms=BEFORE_MS, is_dry=False).runs == 1
    assert rows_of(store, run_id)[0] == 1
    assert everything_of(store, run_id) == everything
    assert prune(store, before_ms=BEFORE_MS, is_dry=True) == Pruned()
    assert prune(store, before_ms=BEFORE_MS, is_dry=False) == Pruned()
    with store.write() as session:
        made_run(session, 2)
        ((number, entry),) = journal.numbered_after(session, before, limit=10)
    assert (number, entry.run_id) == (before + 1, run_id_of(2))
    prune(store, before_ms=BEFORE_MS, is_dry=False)
    assert rows_of(store, run_id)[0] == 0
    assert everything_of(store, run_id) == everything


@pytest.mark.parametrize("reached", ["archived", "some dropped"])
def test_pruning_that_was_interrupted_has_lost_nothing(store: Store, reached: str) -> None:
    with store.write() as session:
        run_id = made_ended(session, 1)
        made_run(session, 2)
    before = everything_of(store, run_id)
    with store.write() as session:
        archive = journal.journal_to_archive(session, run_id)
        assert archive is not None
        journal.archive_journal(session, archive)
        if reached == "some dropped":
            journal.drop_archived(session, run_id, 30)
    assert everything_of(store, run_id) == before
    prune(store, before_ms=BEFORE_MS, is_dry=False)
    assert everything_of(store, run_id) == before
    assert rows_of(store, run_id)[0] == 0


def exposed(session: Session) -> None:
    runs.update_side_facts(session, run_id_of(1), SideFacts(exposure=Exposure.EXPOSED))


def unknown(session: Session) -> None:
    runs.update_side_facts(session, run_id_of(1), SideFacts(exposure=Exposure.UNKNOWN))


def alarmed(session: Session) -> None:
    say(session, 1, AlarmRaised(topic="exposed", sentence="a position without a run"))


def with_order(session: Session) -> None:
    orders.upsert_order(session, replace(made_order(run_id_of(1)), state=OrderState.ACCEPTED))


@pytest.mark.parametrize("make", [exposed, unknown, alarmed, with_order])
def test_what_has_risk_left_is_not_touched(store: Store, make: Callable[[Session], None]) -> None:
    with store.write() as session:
        run_id = made_ended(session, 1)
        make(session)
    before, rows = everything_of(store, run_id), rows_of(store, run_id)
    assert prune(store, before_ms=BEFORE_MS, is_dry=False) == Pruned()
    assert (everything_of(store, run_id), rows_of(store, run_id)) == (before, rows)


def test_neither_an_active_run_nor_a_young_one_is_touched(store: Store) -> None:
    with store.write() as session:
        active = made_run(session, 1).id
        young = made_ended(session, 2, at_ms=NOW_MS)
    rows = rows_of(store, active), rows_of(store, young)
    assert prune(store, before_ms=BEFORE_MS, is_dry=False) == Pruned()
    assert (rows_of(store, active), rows_of(store, young)) == rows


def test_a_run_that_changed_meanwhile_is_left_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.write() as session:
        run_id = made_ended(session, 1)
    rows = rows_of(store, run_id)

    pack = journal.journal_to_archive

    def packed(session: Session, run_id: str) -> journal.Archive | None:
        found = pack(session, run_id)
        with store.write() as writing:
            exposed(writing)
        return found

    monkeypatch.setattr(pruning.journal, "journal_to_archive", packed)
    assert prune(store, before_ms=BEFORE_MS, is_dry=False) == Pruned()
    assert rows_of(store, run_id) == rows


def test_finished_commands_go_and_others_stay(store: Store) -> None:
    with store.write() as session:
        numbers = [
            commands.submit_command(session, StopEngine(), author=Author.OPERATOR, now_ms=OLD_MS)
            for _ in range(3)
        ]
        commands.finish_command(session, numbers[0], CommandOutcome.EXPIRED, "late", now_ms=OLD_MS)
        commands.finish_command(session, numbers[1], CommandOutcome.EXPIRED, "late", now_ms=NOW_MS)
    assert prune(store, before_ms=BEFORE_MS, is_dry=True).commands == 1
    assert prune(store, before_ms=BEFORE_MS, is_dry=False).commands == 1
    with store.read() as session:
        assert [command.id for command in commands.recent_commands(session, 9)] == numbers[:0:-1]


def test_commands_of_agents_stay_for_as_long_as_limits_count_them(store: Store) -> None:
    with store.write() as session:
        for finished_ms in (BEFORE_MS - DAY_MS - 1, BEFORE_MS - DAY_MS, BEFORE_MS - 1):
            number = commands.submit_command(
                session, PauseEntries(run_id="x"), author=Author.AGENT, now_ms=OLD_MS, act_id=1
            )
            commands.finish_command(session, number, CommandOutcome.EXPIRED, "late", now_ms=finished_ms)
    assert prune(store, before_ms=BEFORE_MS, is_dry=False).commands == 1
    with store.read() as session:
        assert [command.id for command in commands.recent_commands(session, 9)] == [3, 2]


def test_compacting_gives_the_room_back_and_keeps_the_log(store: Store) -> None:
    with store.write() as session:
        made_ended(session, 1)
        for _ in range(20):
            say(session, 1, *(Noted(sentence=f"{number}") for number in range(2_000)))
    before = everything_of(store, run_id_of(1))
    prune(store, before_ms=BEFORE_MS, is_dry=False)
    assert store.compact() > 100_000
    assert everything_of(store, run_id_of(1)) == before
    with store.write() as session:
        say(session, 1, Noted(sentence="it is written on"))
        assert session.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
