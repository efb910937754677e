"""The one Writer: write transactions of all threads pass one lock, and those that wait share one commit.

A commit waits for the disk; the statements before it hardly wait. So a thread that is done hands its open
SQLite transaction to the next waiting thread, and the last one commits for all. Each thread's part is still
all or nothing (a savepoint), and no thread returns before its part is on the disk.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, RootTransaction

# Limits how long the first thread of a shared commit waits for the others.
_LARGEST_BATCH = 64


def raw_of(connection: Connection) -> sqlite3.Connection:
    """Return SQLite's own connection below SQLAlchemy's."""
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


class Writer:
    """Gives the one write connection to one thread after the other, in order of arrival.

    ``engine`` must begin its transactions with ``BEGIN IMMEDIATE``. Errors are SQLAlchemy's and SQLite's own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = _Turn()
        self._connection: Connection | None = None
        self._batch: _Batch | None = None

    @contextmanager
    def transaction(self, *, goes_first: bool = False) -> Iterator[Connection]:
        """Open a part of a transaction; when the block has ended without an error, it is on the disk.

        ``goes_first``: take the turn before all waiting threads.
        """
        interrupt = self._turn.take(goes_first=goes_first)
        try:
            if interrupt is not None:
                raise interrupt
            batch = self._batch = self._batch or self._begin()
            with batch.part():
                yield batch.connection
        finally:
            self._leave()
        batch.done.wait()
        if batch.error is not None:
            raise batch.error

    def fold_log(self, wait_ms: int) -> bool:
        """Move the whole write-ahead log into the database and empty it; False: a reader still needs it.

        Other writes of this process wait meanwhile; this waits at most ``wait_ms`` for a reader.
        """
        interrupt = self._turn.take()
        try:
            if interrupt is not None:
                raise interrupt
            if self._batch is not None:
                self._end(self._batch)
            raw = raw_of(self._connected())
            before: int = raw.execute("PRAGMA busy_timeout").fetchone()[0]
            raw.execute(f"PRAGMA busy_timeout = {wait_ms}")
            try:
                is_busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                raw.execute(f"PRAGMA busy_timeout = {before}")
            return not is_busy
        finally:
            self._turn.give()

    def close(self) -> None:
        """Close the connection, after the transactions in progress. Idempotent."""
        self._turn.take()
        try:
            if self._batch is not None:
                self._end(self._batch)
            if self._connection is not None:
                # Closing the last connection would do it too, but a reader may hold another one.
                with suppress(sqlite3.Error):
                    raw_of(self._connection).execute("PRAGMA busy_timeout = 1000")
                    raw_of(self._connection).execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._disconnect()
        finally:
            self._turn.give()

    def _begin(self) -> "_Batch":
        try:
            connection = self._connected()
            return _Batch(connection, connection.begin())
        except BaseException:
            self._disconnect()
            raise

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _leave(self) -> None:
        """Hand the open transaction to the next waiting thread; commit if there is none."""
        batch = self._batch
        if batch is not None:
            if batch.error is None and batch.parts < _LARGEST_BATCH and self._turn.pass_on():
                return
            self._end(batch)
        self._turn.give()

    def _end(self, batch: "_Batch") -> None:
        """Commit all parts, and wake their threads."""
        try:
            if batch.error is None:
                batch.transaction.commit()
        except BaseException as error:
            batch.error = error
        finally:
            self._batch = None
            if batch.error is not None:
                self._disconnect()
            batch.done.set()

    def _disconnect(self) -> None:
        # When the disk is full, SQLite ends a transaction by itself; a new connection is in a known state.
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


class _Batch:
    """One SQLite transaction with the parts of several threads."""

    def __init__(self, connection: Connection, transaction: RootTransaction) -> None:
        self.connection = connection
        self.transaction = transaction
        self.parts = 0
        self.done = threading.Event()
        self.error: BaseException | None = None
        """Why this transaction was not committed."""
        self._raw = raw_of(connection)

    @contextmanager
    def part(self) -> Iterator[None]:
        is_first = self.parts == 0
        self.parts += 1
        if not is_first:
            self._raw.execute("SAVEPOINT part")
        try:
            yield
        except BaseException as error:
            if is_first or not self._raw.in_transaction:
                self.error = error
            else:
                self._raw.execute("ROLLBACK TO part")
                self._raw.execute("RELEASE part")
            raise
        if not is_first:
            self._raw.execute("RELEASE part")


class _Turn:
    """A lock that lets waiters through in order of arrival, so that none of fifty threads starves."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False
        self._owner: int | None = None

    @property
    def waiting(self) -> int:
        """Number of waiting threads."""
        return len(self._waiting)

    def take(self, *, goes_first: bool = False) -> BaseException | None:
        """Wait for the lock; return an interrupt that came meanwhile, for the owner to raise.

        A waiter cannot leave the queue: the thread before it may already hand over to it.
        """
        me = threading.get_ident()
        if self._owner == me:
            raise RuntimeError("a write transaction inside a write transaction of the same thread")
        gate = threading.Event()
        with self._guard:
            if self._is_taken:
                (self._waiting.appendleft if goes_first else self._waiting.append)(gate)
            else:
                self._is_taken = True
                gate.set()
        interrupt: BaseException | None = None
        while not gate.is_set():
            try:
                gate.wait()
            except BaseException as error:
                interrupt = error
        self._owner = me
        return interrupt

    def pass_on(self) -> bool:
        """Hand the lock to the next thread and return True; False: none waits, and it is still ours."""
        with self._guard:
            if not self._waiting:
                return False
            self._owner = None
            self._waiting.popleft().set()
            return True

    def give(self) -> None:
        """Hand the lock to the next thread, or release it."""
        with self._guard:
            self._owner = None
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False
