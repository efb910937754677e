"""The one Writer: transactions of all threads pass one lock, and those that wait share one commit.

A commit waits for the disk, a transaction's statements hardly. So a thread that is done hands its open
SQLite transaction to the next one that waits, and the last of them commits for all: each thread's part
is still whole or nothing (a savepoint), and no thread returns before its part is on the disk.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, RootTransaction

# Bounds how long the first one of a shared commit waits for the others.
_LARGEST_BATCH = 64


def raw_of(connection: Connection) -> sqlite3.Connection:
    """Return SQLite's own connection below SQLAlchemy's."""
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


class Writer:
    """Gives one thread after the other, in order of arrival, the engine's one write connection.

    ``engine`` must begin its transactions with ``BEGIN IMMEDIATE``. Errors are SQLAlchemy's and SQLite's own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = _Turn()
        self._connection: Connection | None = None
        self._batch: _Batch | None = None

    @contextmanager
    def transaction(self, *, goes_first: bool = False) -> Iterator[Connection]:
        """Open a part of a transaction; it is on the disk when the block has ended without an error.

        ``goes_first``: before all that wait.
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
        """Bring the whole write-ahead log to its place and empty its file; False: something reads of it.

        Other writes of this process wait meanwhile, for a reader ``wait_ms`` at most.
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
        """Close the connection, after the transactions that are under way. Idempotent."""
        self._turn.take()
        try:
            if self._batch is not None:
                self._end(self._batch)
            if self._connection is not None:
                # The last connection to be closed would do it, too: who still reads may hold another one.
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
        """Hand the open transaction to the next thread that waits; commit when there is none."""
        batch = self._batch
        if batch is not None:
            if batch.error is None and batch.parts < _LARGEST_BATCH and self._turn.pass_on():
                return
            self._end(batch)
        self._turn.give()

    def _end(self, batch: "_Batch") -> None:
        """Commit what all parts wrote, and tell their threads."""
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
        # SQLite ends a transaction by itself when the disk is full; a fresh connection has no doubt.
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
        """Why nothing of this transaction is on the disk."""
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
        """How many threads wait."""
        return len(self._waiting)

    def take(self, *, goes_first: bool = False) -> BaseException | None:
        """Wait for the turn; return an interrupt that came meanwhile, for the owner to raise.

        A waiter cannot leave its place: the one before may already count on it.
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
        """Hand the turn to the next thread and return True; False: nobody waits, it is still ours."""
        with self._guard:
            if not self._waiting:
                return False
            self._owner = None
            self._waiting.popleft().set()
            return True

    def give(self) -> None:
        """Hand the turn to the next thread, or let it go."""
        with self._guard:
            self._owner = None
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False
