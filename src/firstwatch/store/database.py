"""Opening the store, its one Writer, and its readers."""

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, create_mock_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from firstwatch.store import schema
from firstwatch.store.files import (
    REMEDY_OF_DAMAGE,
    HeldFile,
    check_folder,
    problem_of_damage,
    store_path,
    unusable,
)
from firstwatch.store.writer import Writer, raw_of
from firstwatch.trading.errors import FirstwatchError, StoreError, WrongUseError
from firstwatch.trading.fault_points import FaultPoint, no_fault
from firstwatch.trading.text import quoted

Session = Connection
"""One transaction on the store; repositories take it as their first argument."""

# Only another process can make us wait for SQLite's lock; within this one the Writer's lock comes first.
_BUSY_TIMEOUT_S = 5.0
_BUSY_PAUSE_S = 0.0005
_PRIMARY_CODE = 0xFF
_READER_CACHE_KIB = 512
"""SQLite's own measure is 2,000 for each connection; each commit of another process makes them stale."""
_SHOWN = 60

LOG_BYTES = 32_000_000
"""Size in bytes at which the write-ahead log is moved into the database; it holds many versions of a page."""

_RESERVED_BYTES = LOG_BYTES // 2
"""What an engine writes to the log between two folds, with room to spare."""

_FOLD_WRITES, _FOLD_PAUSE_S = 500, 0.15
"""After so many writes, and so long after the last one, the log is folded into the database."""
_UNFOLDED_WRITES, _UNFOLDED_S, _FOLD_PASSES = 100, 5.0, 5
"""After so many and so long it is folded without a pause, in several passes: more is written meanwhile."""

_FIRST_MARK = 123
"""Offset of the first byte that SQLite locks for readers in the index file of its log."""

# A reader that takes longer is stuck, and no thread of this process can write meanwhile.
_READERS_TIMEOUT_MS = 100

# A step changes few bytes in several places, and SQLite writes each changed page as a whole.
_PAGE_BYTES = 1024
# One statement, not two: each releases the GIL while every waiting writer waits for this one.
_VERSION_AND_EPOCH = "SELECT schema_version, (SELECT epoch FROM host WHERE id = 1) FROM pragma_schema_version"


class StoreReplacedError(FirstwatchError):
    """The store's file was removed or replaced while this process had it open. Open the store again."""


class EpochLostError(FirstwatchError):
    """Another engine has claimed this store: this one must not write or send any more."""


class _Connection(sqlite3.Connection):
    """A connection whose transaction ends with its block, even if a cursor is still referenced.

    SQLite keeps the snapshot, or the write lock, until every statement that was not read to its end is reset.
    A stored exception references the frames that it passed, and so the cursors in them.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cursors: list[sqlite3.Cursor] = []

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        cursor = super().cursor(*arguments, **options)
        self._cursors.append(cursor)
        return cursor

    def commit(self) -> None:
        self._close_cursors()
        super().commit()

    def rollback(self) -> None:
        self._close_cursors()
        super().rollback()

    def close(self) -> None:
        self._close_cursors()
        super().close()

    def _close_cursors(self) -> None:
        for cursor in self._cursors:
            cursor.close()
        self._cursors.clear()


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Return a connection in autocommit mode that any thread may use, one at a time.

    Raises:
        sqlite3.OperationalError: the file cannot be opened.
    """
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={'ro' if read_only else 'rw'}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    if read_only:
        connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
    else:
        connection.execute("PRAGMA synchronous = FULL")
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // page_bytes}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    return connection


def _connect_writer(path: Path) -> sqlite3.Connection:
    connection = connect(path, read_only=False)
    # If ``compact`` was interrupted, the file has no log.
    connection.execute("PRAGMA journal_mode = WAL")
    # The Writer waits for the disk itself.
    connection.execute("PRAGMA synchronous = NORMAL")
    # ``_begin_immediate`` waits; nothing else that is done with this connection meets a lock.
    connection.execute("PRAGMA busy_timeout = 0")
    return connection


class Store:
    """One data folder's database.

    Writes of this process pass one lock, in order of arrival (``writer``). Reads use separate connections and
    never wait for a write. Made by ``open_store``.
    """

    def __init__(self, path: Path, *, read_only: bool = False, fault_point: FaultPoint = no_fault) -> None:
        self.path = path
        self.read_only = read_only
        self.writer_event = threading.Event()
        """Set after each commit of this process. The engine host waits for it and clears it."""
        self._probe = fault_point
        self._listeners: list[threading.Event] = [self.writer_event]
        writing = create_engine("sqlite://", creator=lambda: _connect_writer(path), poolclass=NullPool)
        event.listen(writing, "begin", _begin_immediate)
        self._writer = Writer(writing, path)
        self._unfolded = 0
        """Writes since the log was folded."""
        self._written_at_s = self._folded_at_s = 0.0
        self._reading = create_engine(
            "sqlite://",
            creator=lambda: connect(path, read_only=True),
            poolclass=QueuePool,
            pool_size=4,
            max_overflow=-1,
            pool_reset_on_return=None,
            # Those that are needed at busy moments only do not fill their caches.
            pool_use_lifo=True,
        )
        event.listen(self._reading, "begin", _begin)
        try:
            self._held: HeldFile | None = HeldFile.hold(path)
        except OSError as error:
            raise StoreError(f"The store {path} cannot be read: {error.strerror}.") from error
        try:
            self._schema_version = self._read_schema_version()
            self._file = path.stat()
        except BaseException:
            self._held.release()
            raise

    @contextmanager
    def write(
        self,
        epoch: int | None = None,
        *,
        goes_first: bool = False,
        waits_for_disk: bool = True,
        committed: Callable[[], object] = lambda: None,
    ) -> Iterator[Session]:
        """Open the one write transaction; it commits at the end of the block, or rolls back.

        ``epoch``: the caller's engine epoch, checked inside the transaction. ``goes_first``: before all
        threads that wait to write, as a heartbeat must. ``waits_for_disk``: otherwise a power cut may take
        what was written, until a later write has waited. ``committed``: called before that wait.

        Raises:
            StoreError: the store is read-only, full, damaged, migrated meanwhile, or locked by a process.
            StoreReplacedError: the store's file was removed or replaced.
            EpochLostError: the host row has another epoch.
        """
        if self.read_only:
            raise StoreError(f"The store {self.path} was opened for reading only.")
        self._verify_file()
        opened = self._writer.transaction(
            goes_first=goes_first, waits_for_disk=waits_for_disk, committed=committed
        )
        with self._explained("write to"), opened as session:
            self._check(session, epoch)
            yield session
            self._probe("before commit")
        self._unfolded += 1
        self._written_at_s = time.monotonic()
        for listener in self._listeners:
            listener.set()
        self._probe("after commit")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a read transaction: one unchanging view of the store until the block ends.

        Raises:
            StoreError: the store is damaged, or was migrated meanwhile.
            StoreReplacedError: the store's file was removed or replaced.
        """
        self._verify_file()
        with self._explained("read"), self._reading.connect() as session:
            self._check(session)
            yield session

    def listen(self, listener: threading.Event) -> None:
        """Set ``listener`` after each commit of this process from now on."""
        self._listeners = [*self._listeners, listener]

    def unlisten(self, listener: threading.Event) -> None:
        """Stop setting ``listener``."""
        self._listeners = [known for known in self._listeners if known is not listener]

    def damage(self) -> str | None:
        """Read every page and return what is wrong with the file, or None. Slow on a large store."""
        with self._explained("check"), closing(connect(self.path, read_only=True)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
        return None if found == ["ok"] else "; ".join(found)

    def bound_log(self) -> str:
        """Empty a write-ahead log that has grown too large; return a sentence if a reader prevents it.

        While a read transaction is open, the log keeps everything that was written since, even repeated
        writes of the same pages.

        Raises:
            StoreError: the store cannot be written.
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        if not log.exists() or log.stat().st_size <= 2 * LOG_BYTES:
            return ""
        with self._explained("write to"):
            if self._writer.fold_log(_READERS_TIMEOUT_MS):
                self._writer.reserve_log(_RESERVED_BYTES)
                return ""
        return (
            f"The log of the store has grown to {log.stat().st_size / 1e6:.0f} MB, because "
            f"{_readers(self.path) or 'another process'} never ends its read transaction; end that process."
        )

    def reserve_log(self) -> None:
        """Make the write-ahead log as large as it becomes, before there is an order that waits for its disk.

        A sync of a file that grows also waits for the file system's own records, and on ext4 for a thread of
        the kernel, which stands in line for a processor like any other: 30 to 60 ms beside busy ones.

        Raises:
            StoreError: the store cannot be written.
        """
        with self._explained("write to"):
            self._writer.reserve_log(_RESERVED_BYTES)

    def fold_log_if_due(self) -> None:
        """Move a write-ahead log that has grown into the database, in a pause of writing if there is one.

        Writes go on meanwhile. Without this the commit that makes the log too large does it, and with it
        every order of that moment waits: 16 to 26 ms. Once all of it is moved, SQLite begins the log anew in
        the same place of the disk.

        Raises:
            StoreError: the store cannot be written.
        """
        now_s = time.monotonic()
        is_pause = now_s - self._written_at_s >= _FOLD_PAUSE_S and self._unfolded >= _FOLD_WRITES
        is_late = now_s - self._folded_at_s >= _UNFOLDED_S and self._unfolded >= _UNFOLDED_WRITES
        if not (is_pause or is_late):
            return
        self._unfolded, self._folded_at_s = 0, now_s
        with self._explained("write to"), closing(connect(self.path, read_only=False)) as connection:
            for _ in range(_FOLD_PASSES):
                _, logged, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if moved == logged:
                    return

    def compact(self) -> int:
        """Rewrite the file without its free space; return the number of bytes by which it shrank.

        Only for the holder of the engine lock: every other access waits meanwhile.

        Raises:
            StoreError: another process reads or writes, or the disk has no room for a second copy.
        """
        self._reading.dispose()
        with self._explained("write to"):
            self._writer.fold_log(_READERS_TIMEOUT_MS)
        self._writer.close()
        before = self.path.stat().st_size
        with self._explained("write to"), closing(connect(self.path, read_only=False)) as connection:
            # The page size can change only while there is no log.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            connection.execute("VACUUM")
            connection.execute("PRAGMA journal_mode = WAL")
        return max(0, before - self.path.stat().st_size)

    def close(self) -> None:
        """Close all connections, after the write in progress. Idempotent."""
        self._reading.dispose()
        # The writer closes last, so that no write-ahead log is left.
        self._writer.close()
        if self._held is not None:
            self._held.release()
            self._held = None

    def _read_schema_version(self) -> int:
        with self._explained("read"), closing(connect(self.path, read_only=True)) as connection:
            return int(connection.execute("PRAGMA schema_version").fetchone()[0])

    def _check(self, session: Session, epoch: int | None = None) -> None:
        """Raise if another process has migrated the store, or claimed it (``epoch`` differs)."""
        raw = raw_of(session)
        found: int | None = None
        if epoch is None:
            version = raw.execute("PRAGMA schema_version").fetchone()[0]
        else:
            version, found = raw.execute(_VERSION_AND_EPOCH).fetchone()
        if version != self._schema_version:
            revision = schema.revision_of(raw)
            if revision != schema.HEAD:
                raise schema.wrong_revision(self.path, revision)
            self._schema_version = version
        if found != epoch:
            raise EpochLostError(
                f"This engine (epoch {epoch}) is no longer the one of this store (epoch "
                f"{'unknown' if found is None else found}); it stops and recovers before it does anything."
            )

    def _verify_file(self) -> None:
        """Raise if the file was removed or replaced: what is written to it would be lost."""
        try:
            is_same = os.path.samestat(self.path.stat(), self._file)
        except OSError as error:
            raise StoreReplacedError(
                f"The store {self.path} is gone ({error.strerror}) while this program had it open. Put it "
                "back from a copy, or start again with a new one."
            ) from error
        if not is_same:
            raise StoreReplacedError(
                f"The store {self.path} was replaced while this program had the former one open; nothing "
                "more is written to either. Start the program again to use the one that is there now."
            )

    @contextmanager
    def _explained(self, act: str) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.Error) and (found := unusable(error.orig, self.path, act)):
                raise found from error
            raise
        except sqlite3.Error as error:
            if found := unusable(error, self.path, act):
                raise found from error
            raise
        except UnicodeEncodeError as error:
            raise WrongUseError(
                f"{quoted(error.object, _SHOWN)} is not UTF-8 text; nothing of that name is in the store."
            ) from error


def open_store(folder: Path, *, read_only: bool = False, fault_point: FaultPoint = no_fault) -> Store:
    """Open the store of a data folder; without ``read_only`` a missing one is created.

    Modes: folder 0700, file 0600. A damaged store is left unchanged.

    Raises:
        schema.OlderStoreError: the store must be migrated first (``migrate``).
        StoreError: the folder or the file cannot be used.
    """
    path = store_path(folder)
    check_folder(folder, make=not read_only)
    if not path.exists():
        if read_only:
            raise StoreError(
                f"There is no store in {folder} yet; the first command that saves something makes it."
            )
        _create(path)
    if not read_only and not (os.access(path, os.W_OK) and os.access(folder, os.W_OK | os.X_OK)):
        raise StoreError(
            f"The store {path} cannot be written: the folder or the file is read-only. "
            "Change its permissions, or choose another folder with FIRSTWATCH_HOME."
        )
    revision = read_revision(path)
    if revision != schema.HEAD:
        raise schema.wrong_revision(path, revision)
    return Store(path, read_only=read_only, fault_point=fault_point)


def read_revision(path: Path) -> str | None:
    """Return the schema revision of a store's file; None: it is another program's database.

    Raises:
        StoreError: the file is damaged or cannot be read.
    """
    damage = problem_of_damage(path)
    if damage is not None:
        raise StoreError(f"The store {path} is damaged: {damage}. {REMEDY_OF_DAMAGE}.")
    try:
        with closing(connect(path, read_only=True)) as connection:
            return schema.revision_of(connection)
    except sqlite3.Error as error:
        raise explained(error, path, "read") from error


def explained(error: sqlite3.Error, path: Path, act: str) -> StoreError:
    """Return the error for an operator, for a failure to open or create a store."""
    return unusable(error, path, act) or StoreError(f"Cannot {act} the store {path}: {error}.")


def _create(path: Path) -> None:
    """Create a new store under another name, then link it into place: no process sees half of one."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.new-", dir=path.parent)
    except OSError as error:
        raise StoreError(f"Cannot make a store in {path.parent}: {error.strerror or error}.") from error
    os.close(descriptor)
    draft = Path(name)
    try:
        with closing(connect(draft, read_only=False)) as connection:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN")
            for statement in _statements():
                connection.execute(statement)
            connection.execute("COMMIT")
        # If another process created a store meanwhile, that one is used.
        with suppress(FileExistsError):
            os.link(draft, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"Cannot make a store in {path.parent}: {error.strerror or error}.") from error
    except sqlite3.Error as error:
        raise explained(error, path, "make") from error
    finally:
        for leftover in path.parent.glob(f"{draft.name}*"):
            leftover.unlink()


@cache
def _statements() -> list[str]:
    """Return the statements that make the tables of an empty store."""
    from firstwatch.store.tables import METADATA

    tables: list[str] = []
    dialect = SQLiteDialect()
    noting = create_mock_engine(
        "sqlite://", lambda made, *_: tables.append(str(made.compile(dialect=dialect)))
    )
    METADATA.create_all(noting, checkfirst=False)
    return [
        *tables,
        schema.CREATE_VERSION_TABLE,
        f"INSERT INTO {schema.VERSION_TABLE} VALUES ('{schema.HEAD}')",
    ]


def _sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk, so that a new store survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _readers(path: Path) -> str:
    """Return the processes with an open read transaction, if the kernel lists them: ``process 12``."""
    try:
        index = path.with_name(f"{path.name}-shm").stat()
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return ""
    # "12: POSIX  ADVISORY  READ 345 fd:01:6789 124 124": readers lock the bytes from 123 on.
    file = f"{os.major(index.st_dev):02x}:{os.minor(index.st_dev):02x}:{index.st_ino}"
    fields = [line.split() for line in locks]
    pids = {at[4] for at in fields if at[3:4] == ["READ"] and at[5] == file and int(at[6]) >= _FIRST_MARK}
    return ", ".join(f"process {pid}" for pid in sorted(pids))


def _begin_immediate(session: Session) -> None:
    """Begin a transaction that writes, as soon as another process has ended its own.

    By itself SQLite looks again after 1, 2, 5, 10, 15 … ms: an engine would wait for two or three times as
    long as a process beside it writes.
    """
    raw, end_s = raw_of(session), time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= end_s:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return


def _begin(session: Session) -> None:
    raw_of(session).execute("BEGIN")
