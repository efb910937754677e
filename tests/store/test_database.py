"""Opening, the one Writer, readers, and what is answered when the file or the disk is bad."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from firstwatch.store import changes, files, journal, runs, wallets
from firstwatch.store.changes import ChangeSignal
from firstwatch.store.database import Store, open_store
from firstwatch.store.files import file_system_of, loose_modes
from firstwatch.trading.errors import RefusedError, StoreError
from firstwatch.trading.events import Noted
from firstwatch.trading.runs import Author
from tests.store.made import NOW_MS, made_run, noise, run_id_of


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(store: Store) -> list[str]:
    with store.read() as session:
        return [wallet.name for wallet in wallets.list_wallets(session)]


def add_wallet(store: Store, name: str) -> None:
    with store.write() as session:
        wallets.create_wallet(session, name, venue="paper", kind="paper", now_ms=NOW_MS)


# --- opening ---------------------------------------------------------------------------------------


def test_a_new_store_is_private_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "data"
    store = open_store(folder)
    add_wallet(store, "one")
    assert mode_of(folder) == 0o700
    assert {mode_of(path) for path in folder.iterdir()} == {0o600}
    store.close()
    assert [path.name for path in folder.iterdir()] == ["firstwatch.db"]


def test_the_pragmas_that_keep_what_is_committed(store: Store) -> None:
    with store.write() as session:
        assert session.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        # NORMAL: the Writer waits for the disk (test_writer).
        assert session.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert session.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_many_openers_of_an_empty_folder_share_one_store(tmp_path: Path) -> None:
    gate = threading.Barrier(8)
    failures: list[Exception] = []

    def open_and_write(number: int) -> None:
        gate.wait()
        try:
            store = open_store(tmp_path / "data")
            add_wallet(store, f"w{number}")
            store.close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=open_and_write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    store = open_store(tmp_path / "data")
    assert len(names(store)) == 8
    store.close()
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {
        "firstwatch.db",
        "firstwatch.db-wal",
        "firstwatch.db-shm",
    }


def test_a_store_that_is_looked_at_again_keeps_its_locks(store: Store) -> None:
    """Another process that closes the store must not take it for its own: it would remove its log."""
    add_wallet(store, "first")
    open_store(store.path.parent, read_only=True).close()
    assert files.problem_of_damage(store.path) is None
    code = (
        "import sys; from pathlib import Path; from firstwatch.store.database import open_store\n"
        "from tests.store.test_database import add_wallet\n"
        "store = open_store(Path(sys.argv[1])); add_wallet(store, 'second'); store.close()"
    )
    subprocess.run([sys.executable, "-c", code, str(store.path.parent)], check=True)
    assert store.path.with_name(f"{store.path.name}-wal").exists()
    add_wallet(store, "third")
    assert names(store) == ["first", "second", "third"]


def test_what_vanishes_while_the_folder_is_looked_at_is_passed_over(tmp_path: Path, monkeypatch) -> None:
    """Another process makes the same store: its draft is there when files are listed, and gone then."""
    open_store(tmp_path).close()
    listed = list(tmp_path.iterdir())
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([*listed, tmp_path / "firstwatch.db.new-1"]))
    assert loose_modes(tmp_path) == []
    open_store(tmp_path).close()


def _fails_while_it_reads(store: Store, how: str) -> Exception:
    """Return an exception from the middle of a result, which holds the frames that it passed."""
    try:
        with getattr(store, how)() as session:
            result = session.exec_driver_sql("SELECT name FROM wallet")
            for row in result:
                raise ValueError(row)
    except ValueError as error:
        return error
    raise AssertionError


def test_a_reader_that_failed_leaves_no_old_view_behind(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    for number in range(5):
        add_wallet(store, f"w{number}")
    kept = _fails_while_it_reads(store, "read")
    add_wallet(store, "new")
    assert "new" in names(store), kept
    store.close()


def test_a_writer_that_failed_leaves_the_store_to_others(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    for number in range(5):
        add_wallet(store, f"w{number}")
    kept = _fails_while_it_reads(store, "write")
    other = open_store(tmp_path / "data")
    add_wallet(other, "new")
    assert "new" in names(store), kept
    other.close()
    store.close()


def test_reading_only_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no data folder"):
        open_store(tmp_path / "none", read_only=True)
    with pytest.raises(StoreError, match="There is no store in"):
        open_store(tmp_path, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_store_for_reading_reads_without_a_writer_and_refuses_to_write(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    add_wallet(store, "one")
    store.close()
    reader = open_store(tmp_path / "data", read_only=True)
    assert names(reader) == ["one"]
    with pytest.raises(StoreError, match="for reading only"), reader.write():
        pass
    reader.close()


@pytest.mark.parametrize(
    ("name", "harm", "sentence"),
    [
        ("empty", lambda content: b"", "damaged: it has 0 bytes"),
        ("text", lambda content: b"hello, I am no database" * 100, "does not begin as a database"),
        ("cut", lambda content: content[: len(content) // 2], r"damaged: it has \d+ bytes of \d+"),
        (
            "overwritten",
            lambda content: content[:100] + os.urandom(8192) + content[8292:],
            "damaged|database",
        ),
        ("header", lambda content: b"x" * 100 + content[100:], "does not begin"),
    ],
)
def test_a_damaged_store_is_refused_and_left_untouched(
    tmp_path: Path, name: str, harm, sentence: str
) -> None:
    open_store(tmp_path).close()
    path = tmp_path / "firstwatch.db"
    path.write_bytes(harm(path.read_bytes()))
    before = {found.name: found.read_bytes() for found in tmp_path.iterdir()}
    with pytest.raises(StoreError, match=sentence):
        open_store(tmp_path)
    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == before


def test_damage_deep_in_the_file_is_said_when_it_is_met(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.write() as session:
        made_run(session)
        for _ in range(20):
            journal.append_events(
                session,
                run_id_of(1),
                [Noted(sentence=noise(3000 + number)) for number in range(20)],
                author=Author.SYSTEM,
                venue_time_ms=None,
                local_time_ms=1,
            )
    assert store.damage() is None
    store.close()
    path = tmp_path / "firstwatch.db"
    content = bytearray(path.read_bytes())
    content[300_000:900_000] = os.urandom(600_000)
    path.write_bytes(content)
    harmed = open_store(tmp_path)
    with pytest.raises(StoreError, match="damaged"), harmed.read() as session:
        journal.events_after(session, run_id_of(1))
    assert harmed.damage() is not None
    harmed.close()


def test_a_text_that_is_none_is_damage(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.write() as session:
        made_run(session)
    store.close()
    with closing(sqlite3.connect(tmp_path / "firstwatch.db")) as connection, connection:
        connection.execute("UPDATE run SET settings_json = cast(x'ff41ff' AS TEXT)")
    harmed = open_store(tmp_path)
    with pytest.raises(StoreError, match="damaged"), harmed.read() as session:
        runs.get_run(session, run_id_of(1))
    harmed.close()


def test_a_newer_store_is_refused_and_left_untouched(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    path = tmp_path / "firstwatch.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer firstwatch \(schema 9999"):
        open_store(tmp_path)
    assert path.read_bytes() == before


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "firstwatch.db")) as connection, connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(StoreError, match="is not a store of firstwatch"):
        open_store(tmp_path)


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is not a folder"):
        open_store(tmp_path / "file")
    with pytest.raises(StoreError, match="cannot be used: Not a directory"):
        open_store(tmp_path / "file" / "below")


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    share = tmp_path / "my share"
    share.mkdir()
    mounts.write_text(
        f"/dev/root / ext4 rw 0 0\nserver:/x {str(share).replace(' ', chr(92) + '040')} nfs4 rw 0 0\n"
    )
    assert file_system_of(share / "data", mounts) == "nfs4"
    assert file_system_of(tmp_path, mounts) == "ext4"
    assert file_system_of(tmp_path, tmp_path / "none") is None
    monkeypatch.setattr(files, "_MOUNTS", mounts)
    with pytest.raises(StoreError, match=r"network file system \(nfs4\)"):
        open_store(share)
    assert list(share.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user to lose root's rights")
def test_root_is_no_excuse_for_a_read_only_folder() -> None:
    # Not below pytest's folder, whose rights are for its owner alone.
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        data, empty = folder / "data", folder / "empty"
        open_store(data).close()
        empty.mkdir()
        for path in (*data.iterdir(), data, empty):
            path.chmod(0o500 if path.is_dir() else 0o400)
            os.chown(path, _NOBODY, _NOBODY)
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, str(data), str(empty)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "cannot be written: the folder or the file is read-only" in first
    assert "Cannot make a store" in second
    assert "Permission denied" in second


_NOBODY = 65534
_AS_NOBODY = """
import os, sys
from pathlib import Path
import firstwatch.store.tables
from firstwatch.store.database import open_store
from firstwatch.trading.errors import StoreError
os.setgid(65534); os.setuid(65534)
for folder in sys.argv[1:]:
    try:
        open_store(Path(folder))
    except StoreError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    open_store(data).close()
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (data, empty):
        folder.chmod(0o500)
        try:
            with pytest.raises(StoreError, match=r"read-only|Permission denied"):
                open_store(folder)
        finally:
            folder.chmod(0o700)


# --- the Writer ------------------------------------------------------------------------------------


def test_a_transaction_is_whole_or_nothing(store: Store) -> None:
    def refuse_after_a_write() -> None:
        with store.write() as session:
            wallets.create_wallet(session, "one", venue="paper", kind="paper", now_ms=NOW_MS)
            raise RefusedError("no")

    with pytest.raises(RefusedError):
        refuse_after_a_write()
    assert names(store) == []
    add_wallet(store, "two")
    assert names(store) == ["two"]


def test_a_reader_sees_one_state_until_it_ends(store: Store) -> None:
    add_wallet(store, "one")
    with store.read() as session:
        assert len(wallets.list_wallets(session)) == 1
        add_wallet(store, "two")
        assert len(wallets.list_wallets(session)) == 1
    assert names(store) == ["one", "two"]


def test_a_write_inside_a_write_is_a_defect_and_not_a_deadlock(store: Store) -> None:
    with pytest.raises(RuntimeError, match="takes it again"), store.write(), store.write():
        pass
    add_wallet(store, "one")


def test_writes_of_many_threads_pass_one_after_the_other(store: Store) -> None:
    with store.write() as session:
        made_run(session)

    def append(number: int) -> None:
        for _ in range(20):
            with store.write() as session:
                before = journal.last_sequence(session, run_id_of(1))
                after = journal.append_events(
                    session,
                    run_id_of(1),
                    [Noted(sentence=str(number))] * 2,
                    author=Author.SYSTEM,
                    venue_time_ms=None,
                    local_time_ms=1,
                )
                assert after == before + 2

    threads = [threading.Thread(target=append, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as session:
        sequences = [entry.sequence for entry in journal.events_after(session, run_id_of(1))]
    assert sequences == list(range(1, 402))


def test_the_turn_goes_by_order_of_arrival(store: Store) -> None:
    order: list[int] = []

    def take(number: int) -> None:
        with store.write():
            order.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    with store.write():
        for arrived, thread in enumerate(threads, start=1):
            thread.start()
            while store._writer._turn.waiting < arrived:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_a_full_disk_is_said_and_nothing_is_half_written(store: Store) -> None:
    add_wallet(store, "one")
    with store.write() as session:
        pages = session.exec_driver_sql("PRAGMA page_count").scalar_one()
        made_run(session)
    with store.write() as session:
        # A bound on the file's pages is SQLite's own disk that is full.
        session.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def write_much() -> None:
        with store.write() as session:
            wallets.create_wallet(session, "two", venue="paper", kind="paper", now_ms=NOW_MS)
            journal.save_checkpoint(session, run_id_of(1), noise(2_000_000), sequence=1, now_ms=1)

    with pytest.raises(StoreError, match=r"disk is full\. Nothing of this step was saved"):
        write_much()
    assert names(store) == ["one", "w1"]
    add_wallet(store, "three")
    assert names(store) == ["one", "three", "w1"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let us mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_really_full_disk(small_disk: Path) -> None:
    store = open_store(small_disk / "data")
    with store.write() as session:
        made_run(session)
    filler = small_disk / "filler"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize
    filler.write_bytes(b"x" * free)
    with pytest.raises(StoreError, match="disk"), store.write() as session:
        journal.save_checkpoint(session, run_id_of(1), noise(100_000), sequence=1, now_ms=1)
    with pytest.raises(StoreError, match=r"Cannot make|cannot be used|disk"):
        open_store(small_disk / "other")
    with store.read() as session:
        assert journal.load_checkpoint(session, run_id_of(1)) is None
    filler.unlink()
    with store.write() as session:
        journal.save_checkpoint(session, run_id_of(1), "y", sequence=1, now_ms=1)
    assert store.damage() is None
    store.close()


def test_the_probe_is_called_around_each_commit(tmp_path: Path) -> None:
    points: list[tuple[str, int]] = []
    store: Store

    def fault_point(point: str) -> None:
        points.append((point, len(names(store))))

    store = open_store(tmp_path, fault_point=fault_point)
    add_wallet(store, "one")
    assert points == [("before commit", 0), ("after commit", 1)]
    store.close()


@pytest.mark.parametrize(("point", "saved"), [("before commit", []), ("after commit", ["one"])])
def test_a_crash_around_the_commit(tmp_path: Path, point: str, saved: list[str]) -> None:
    program = """
import os, sys
from pathlib import Path
from firstwatch.store.database import open_store
from firstwatch.store import wallets
def fault_point(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), 9)
with open_store(Path(sys.argv[1]), fault_point=fault_point).write() as session:
    wallets.create_wallet(session, "one", venue="paper", kind="paper", now_ms=1)
"""
    open_store(tmp_path).close()
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path), point], check=False)
    assert killed.returncode == -9
    store = open_store(tmp_path)
    assert names(store) == saved
    assert store.damage() is None
    store.close()


def test_another_process_that_holds_the_store_for_long_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firstwatch.store.database._BUSY_TIMEOUT_S", 0.05)
    store = open_store(tmp_path)
    with closing(sqlite3.connect(tmp_path / "firstwatch.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process has held it"):
            add_wallet(store, "one")
        other.execute("ROLLBACK")
    add_wallet(store, "one")
    assert names(store) == ["one"]
    store.close()


def test_a_write_begins_as_soon_as_another_process_has_ended_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, paused_s = open_store(tmp_path), []
    with closing(sqlite3.connect(tmp_path / "firstwatch.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def pause(seconds: float) -> None:
            paused_s.append(seconds)
            if len(paused_s) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr("firstwatch.store.database.time.sleep", pause)
        add_wallet(store, "one")
    assert names(store) == ["one"]
    assert len(paused_s) == 3
    assert max(paused_s) < 0.001
    store.close()


def test_a_run_event_needs_its_run(store: Store) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY"), store.write() as session:
        journal.save_checkpoint(session, "nobody", "", sequence=1, now_ms=1)


# --- changes ---------------------------------------------------------------------------------------


def test_own_commits_are_told_and_only_once(store: Store) -> None:
    with ChangeSignal(store) as signal:
        assert not signal.wait(0)
        add_wallet(store, "one")
        assert store.writer_event.is_set()
        assert signal.wait(0)
        # The poll may tell the same commit again, never more than once.
        told = sum(signal.wait(0.12) for _ in range(3))
        assert told <= 1


def test_commits_of_another_process_are_told(store: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path / "data")
    with ChangeSignal(store) as signal:
        add_wallet(other, "one")
        assert signal.wait(5)
        assert not store.writer_event.is_set()
    other.close()


@pytest.mark.parametrize(
    ("versions", "looks"),
    [((1, 1), 2), ((1, 2, 3, 3), 4), (tuple(range(1, 99)), 10)],
    ids=["one commit", "three at once", "no pause at all"],
)
def test_changes_are_told_in_a_pause_of_writing(
    store: Store, monkeypatch: pytest.MonkeyPatch, versions: tuple[int, ...], looks: int
) -> None:
    monkeypatch.setattr(changes, "POLL_S", 60.0)
    with ChangeSignal(store) as signal:
        left = list(versions)
        monkeypatch.setattr(signal, "_version", lambda: left.pop(0))
        add_wallet(store, "one")
        assert signal.wait(5)
        assert len(versions) - len(left) == looks


def test_a_store_that_cannot_be_read_any_more_ends_the_wait(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChangeSignal(store) as signal:

        def fail() -> int:
            raise sqlite3.DatabaseError("database disk image is malformed")

        monkeypatch.setattr(signal, "_version", fail)
        with pytest.raises(StoreError):
            signal.wait(5)


def test_closing_wakes_the_waiter(store: Store) -> None:
    signal = ChangeSignal(store)
    told: list[bool] = []
    waiter = threading.Thread(target=lambda: told.append(signal.wait(30)))
    waiter.start()
    signal.close()
    waiter.join(5)
    assert told == [False]
    signal.close()
