"""Threads that wait share one commit; each one's part is whole or nothing all the same."""

import _thread
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from firstwatch.store import database, journal, wallets
from firstwatch.store.database import Session, Store, open_store
from firstwatch.trading.errors import RefusedError, StoreError
from tests.store.made import NOW_MS, made_run, noise, run_id_of

Part = Callable[[Session], None]


def names(store: Store) -> list[str]:
    with store.read() as session:
        return [wallet.name for wallet in wallets.list_wallets(session)]


def wallet(name: str) -> Part:
    def part(session: Session) -> None:
        wallets.create_wallet(session, name, venue="paper", kind="paper", now_ms=NOW_MS)

    return part


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    while not condition():
        pause.wait(0.001)


def together(store: Store, *parts: Part) -> list[BaseException | None]:
    """Run the parts in threads that all wait before the first one ends; return what each one raised."""
    outcomes: list[BaseException | None] = [None] * len(parts)
    inside = threading.Event()

    def run(number: int) -> None:
        try:
            with store.write() as session:
                if number == 0:
                    inside.set()
                    until(lambda: store._writer._turn.waiting == len(parts) - 1)
                parts[number](session)
        except Exception as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(parts))]
    for arrived, thread in enumerate(threads):
        thread.start()
        inside.wait()
        until(lambda arrived=arrived: store._writer._turn.waiting >= arrived or not threads[0].is_alive())
    for thread in threads:
        thread.join()
    return outcomes


def test_those_who_wait_share_one_commit(tmp_path) -> None:
    points: list[str] = []
    store = open_store(tmp_path, fault_point=points.append)
    assert together(store, wallet("a"), wallet("b"), wallet("c")) == [None] * 3
    assert points == ["before commit"] * 3 + ["after commit"] * 3
    assert names(store) == ["a", "b", "c"]
    store.close()


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_the_part_that_is_refused_leaves_the_others(store: Store, refused: int) -> None:
    def refuse(session: Session) -> None:
        wallet("never")(session)
        raise RefusedError("no")

    parts = [wallet("a"), wallet("b"), wallet("c")]
    parts[refused] = refuse
    outcomes = together(store, *parts)
    assert [type(error) for number, error in enumerate(outcomes) if number == refused] == [RefusedError]
    assert [error for number, error in enumerate(outcomes) if number != refused] == [None, None]
    assert names(store) == [name for number, name in enumerate("abc") if number != refused]


def test_when_the_commit_fails_nobody_is_told_that_it_is_saved(store: Store) -> None:
    def breaks_at_the_commit(session: Session) -> None:
        session.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        journal.save_checkpoint(session, "nobody", "", sequence=1, now_ms=1)

    outcomes = together(store, wallet("a"), breaks_at_the_commit, wallet("c"))
    assert [type(error) for error in outcomes] == [IntegrityError] * 3
    assert names(store) == []
    assert together(store, wallet("a"), wallet("b")) == [None, None]
    assert names(store) == ["a", "b"]


def test_when_the_disk_is_full_each_is_told_what_is_true(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        pages = session.exec_driver_sql("PRAGMA page_count").scalar_one()
    with store.write() as session:
        session.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def too_much(session: Session) -> None:
        journal.save_checkpoint(session, run_id_of(1), noise(2_000_000), sequence=1, now_ms=1)

    outcomes = together(store, wallet("a"), too_much, wallet("c"))
    assert isinstance(outcomes[1], StoreError)
    told = ["a" if outcomes[0] is None else "", "c" if outcomes[2] is None else "", "w1"]
    assert names(store) == [name for name in told if name]


def test_an_interrupt_while_waiting_blocks_nobody(store: Store, request: pytest.FixtureRequest) -> None:
    # A shell starts what runs in the background with interrupts ignored.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    inside = threading.Event()

    def hold() -> None:
        with store.write() as session:
            inside.set()
            until(lambda: store._writer._turn.waiting == 1)
            _thread.interrupt_main()
            wallet("held")(session)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait()
    with pytest.raises(KeyboardInterrupt), store.write() as session:
        wallet("interrupted")(session)
    holder.join()
    with store.write() as session:
        wallet("next")(session)
    assert names(store) == ["held", "next"]


def test_closing_waits_for_the_write_that_is_under_way(store: Store) -> None:
    inside = threading.Event()

    def hold() -> None:
        with store.write() as session:
            inside.set()
            until(lambda: store._writer._turn.waiting == 1)
            wallet("last")(session)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait()
    store.close()
    holder.join()
    assert names(store) == ["last"]


def test_the_log_is_bounded_and_who_holds_it_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that never ends keeps everything in the log: that is said with its process, until it ends."""
    monkeypatch.setattr(database, "LOG_BYTES", 100_000)
    log = store.path.with_name(f"{store.path.name}-wal")
    with store.write() as session:
        made_run(session)
    program = (
        "import sqlite3, sys; reader = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "reader.execute('BEGIN'); reader.execute('SELECT * FROM run').fetchall();"
        "print('reading', flush=True); sys.stdin.read()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", program, str(store.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        assert store.bound_log() == ""
        with store.write() as session:
            journal.save_checkpoint(session, run_id_of(1), noise(400_000), sequence=1, now_ms=1)
        assert log.stat().st_size > 200_000
        said = store.bound_log()
        assert f"process {reader.pid}" in said
        assert "end that process" in said
        with store.write() as session:
            wallets.create_wallet(session, "meanwhile", venue="paper", kind="paper", now_ms=1)
    finally:
        reader.communicate("")
    assert store.bound_log() == ""
    assert log.stat().st_size == 0
    assert names(store) == ["meanwhile", "w1"]


def test_a_heartbeat_goes_before_those_that_wait(store: Store) -> None:
    inside, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def hold(_session: Session) -> None:
        inside.set()
        go_on.wait()

    def write(name: str, goes_first: bool) -> None:
        with store.write(goes_first=goes_first):
            order.append(name)

    holder = threading.Thread(target=lambda: together(store, hold))
    holder.start()
    inside.wait()
    waiting = [
        threading.Thread(target=write, args=(name, name == "heartbeat"))
        for name in ("one", "two", "heartbeat")
    ]
    for number, thread in enumerate(waiting, start=1):
        thread.start()
        until(lambda number=number: store._writer._turn.waiting == number)
    go_on.set()
    for thread in (holder, *waiting):
        thread.join()
    assert order == ["heartbeat", "one", "two"]


def test_the_log_is_folded_in_a_pause_beside_a_transaction(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def names_in_file() -> list[str]:
        """Return what the database holds without its log."""
        copy = tmp_path / "copy.db"
        copy.write_bytes(store.path.read_bytes())
        with closing(sqlite3.connect(copy)) as connection:
            # The file still names a log.
            connection.execute("PRAGMA journal_mode = DELETE")
            return [name for (name,) in connection.execute("SELECT name FROM wallet ORDER BY name")]

    monkeypatch.setattr(database, "_FOLD_WRITES", 3)
    for name in ("a", "b", "c"):
        assert names_in_file() == []
        with store.write() as session:
            wallet(name)(session)
    store.fold_log_in_pause()
    assert names_in_file() == [], "it was written just now"
    monkeypatch.setattr(database, "_FOLD_PAUSE_S", 0.0)
    with store.write() as session:
        wallet("d")(session)
        store.fold_log_in_pause()
        assert names_in_file() == ["a", "b", "c"]
    store.fold_log_in_pause()
    assert names_in_file() == ["a", "b", "c"], "too few writes"
    assert names(store) == ["a", "b", "c", "d"]
