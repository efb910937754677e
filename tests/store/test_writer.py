"""Threads wait for the disk together and without the lock; what they wrote is there when they go on."""

import _thread
import errno
import resource
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

from firstwatch.store import database, journal, wallets, writer
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


def write(store: Store, name: str, *, waits_for_disk: bool = True) -> None:
    with store.write(waits_for_disk=waits_for_disk) as session:
        wallet(name)(session)


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


class Disk:
    """Stands before the disk: counts what is synced, can hold it up, and can fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.works = threading.Event()
        self.works.set()
        self.error: OSError | None = None
        self.before: Callable[[], None] = lambda: None
        self._sync = writer._sync
        monkeypatch.setattr(writer, "_sync", self)

    def __call__(self, file: int) -> None:
        self.syncs += 1
        self.before()
        self.works.wait()
        if self.error is not None:
            raise self.error
        self._sync(file)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_while_one_waits_for_the_disk_others_write_and_share_the_next_sync(tmp_path, disk: Disk) -> None:
    points: list[str] = []
    store = open_store(tmp_path, fault_point=points.append)
    write(store, "first")
    disk.syncs = 0
    points.clear()
    disk.works.clear()
    threads = [threading.Thread(target=write, args=(store, name)) for name in ("a", "b", "c", "d", "e")]
    threads[0].start()
    until(lambda: disk.syncs == 1)
    for thread in threads[1:]:
        thread.start()
    until(lambda: points.count("before commit") == 5)
    until(lambda: names(store) == ["a", "b", "c", "d", "e", "first"])
    assert "after commit" not in points, "not one of them is on the disk"
    disk.works.set()
    for thread in threads:
        thread.join()
    assert disk.syncs == 2
    assert points.count("after commit") == 5
    store.close()


@pytest.mark.parametrize("is_reserved", [False, True])
def test_what_was_written_is_on_the_disk_when_the_block_has_ended(
    store: Store, disk: Disk, tmp_path: Path, is_reserved: bool
) -> None:
    """At each sync a copy of the files is made, as a power cut would leave them if nothing came after it."""
    if is_reserved:
        store.reserve_log()
    log = store.path.with_name(f"{store.path.name}-wal")
    newest: list[Path] = []

    def copy() -> None:
        folder = tmp_path / f"copy {disk.syncs}"
        folder.mkdir()
        for path in (store.path, log):
            (folder / path.name).write_bytes(path.read_bytes())
        newest.append(folder / store.path.name)

    def names_on_the_disk() -> set[str]:
        with closing(sqlite3.connect(newest[-1])) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM wallet")}

    disk.before = copy
    lost: list[str] = []
    reading = threading.Lock()

    def write_some(thread: int) -> None:
        for number in range(6):
            name = f"w{thread}-{number}"
            write(store, name)
            with reading:
                if name not in names_on_the_disk():
                    lost.append(name)

    threads = [threading.Thread(target=write_some, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not lost
    assert 6 <= disk.syncs <= 36


def test_what_need_not_wait_for_the_disk_does_not_and_the_next_one_takes_it_there(
    store: Store, disk: Disk
) -> None:
    write(store, "a", waits_for_disk=False)
    assert disk.syncs == 0
    write(store, "b")
    assert disk.syncs == 1
    write(store, "c", waits_for_disk=False)
    store.close()
    assert disk.syncs == 2


def test_a_disk_that_fails_is_said_and_later_writes_do_not_depend_on_what_it_lost(
    store: Store, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_FOLDS_WITHIN_MS", 1)
    write(store, "a")
    disk.error = OSError(errno.EIO, "Input/output error")
    with pytest.raises(StoreError, match=r"did not confirm .*: Input/output error\."):
        write(store, "b")
    disk.error = None
    with store.read() as session:
        # The log cannot be folded while it is read.
        assert len(wallets.list_wallets(session)) == 2
        with pytest.raises(StoreError, match="another program reads it"):
            write(store, "c")
    write(store, "d")
    copy = tmp_path / "copy.db"
    copy.write_bytes(store.path.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        found = [name for (name,) in connection.execute("SELECT name FROM wallet ORDER BY name")]
    assert found == ["a", "b"], "what the log held is in the database"
    assert names(store) == ["a", "b", "d"]


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_one_that_is_refused_leaves_the_others(store: Store, refused: int) -> None:
    def refuse(session: Session) -> None:
        wallet("never")(session)
        raise RefusedError("no")

    parts = [wallet("a"), wallet("b"), wallet("c")]
    parts[refused] = refuse
    outcomes = together(store, *parts)
    assert [type(error) for number, error in enumerate(outcomes) if number == refused] == [RefusedError]
    assert [error for number, error in enumerate(outcomes) if number != refused] == [None, None]
    assert names(store) == [name for number, name in enumerate("abc") if number != refused]


def test_when_the_commit_fails_the_others_are_saved(store: Store) -> None:
    def breaks_at_the_commit(session: Session) -> None:
        session.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        journal.save_checkpoint(session, "nobody", "", sequence=1, now_ms=1)

    outcomes = together(store, wallet("a"), breaks_at_the_commit, wallet("c"))
    assert [type(error) for error in outcomes] == [type(None), IntegrityError, type(None)]
    assert names(store) == ["a", "c"]


def test_when_the_disk_is_full_each_is_told_what_is_true(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        pages = session.exec_driver_sql("PRAGMA page_count").scalar_one()
    with store.write() as session:
        session.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def too_much(session: Session) -> None:
        journal.save_checkpoint(session, run_id_of(1), noise(2_000_000), sequence=1, now_ms=1)

    outcomes = together(store, wallet("a"), too_much, wallet("c"))
    assert [type(error) for error in outcomes] == [type(None), StoreError, type(None)]
    assert names(store) == ["a", "c", "w1"]


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
    monkeypatch.setattr(database, "_RESERVED_BYTES", 50_000)
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
    assert log.stat().st_size == 50_000
    assert names(store) == ["meanwhile", "w1"]


def test_an_engines_log_is_made_large_once_and_used_in_place(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever else opens and closes the store, and however often it is folded: a sync of it stays short."""
    monkeypatch.setattr(database, "_UNFOLDED_WRITES", 1)
    monkeypatch.setattr(database, "_UNFOLDED_S", 0.0)
    monkeypatch.setattr(database, "_RESERVED_BYTES", 300_000)
    log = store.path.with_name(f"{store.path.name}-wal")
    write(store, "before")
    used = log.stat().st_size
    assert 0 < used < 300_000
    store.reserve_log()
    blocks = {log.stat().st_blocks}
    for number in range(60):
        write(store, f"w{number:02}")
        if number % 10 == 0:
            store.fold_log_if_due()
            beside = open_store(store.path.parent)
            write(beside, f"b{number:02}")
            beside.close()
        blocks.add(log.stat().st_blocks)
    assert log.stat().st_size == 300_000
    assert len(blocks) == 1
    assert len(names(store)) == 1 + 60 + 6


def test_where_the_disk_has_no_room_the_log_is_used_as_it_is(
    store: Store,
) -> None:
    write(store, "before")
    log = store.path.with_name(f"{store.path.name}-wal")
    used = log.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A file beyond it is refused (EFBIG), as by a full disk; Python ignores the signal.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        store.reserve_log()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert log.read_bytes() == used
    write(store, "after")
    assert names(store) == ["after", "before"]


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
    store.fold_log_if_due()
    assert names_in_file() == [], "it was written just now"
    monkeypatch.setattr(database, "_FOLD_PAUSE_S", 0.0)
    with store.write() as session:
        wallet("d")(session)
        store.fold_log_if_due()
        assert names_in_file() == ["a", "b", "c"]
    store.fold_log_if_due()
    assert names_in_file() == ["a", "b", "c"], "too few writes"
    assert names(store) == ["a", "b", "c", "d"]
    monkeypatch.setattr(database, "_FOLD_PAUSE_S", 60.0)
    monkeypatch.setattr(database, "_UNFOLDED_WRITES", 2)
    monkeypatch.setattr(database, "_UNFOLDED_S", 0.0)
    with store.write() as session:
        wallet("e")(session)
    store.fold_log_if_due()
    assert names_in_file() == ["a", "b", "c", "d", "e"], "so many that it is folded without a pause"
