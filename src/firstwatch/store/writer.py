"""The one Writer: write transactions of all threads pass one lock, and those that wait share one sync.

A commit puts its pages into the write-ahead log, which the kernel writes to the disk some time later; to wait
for that takes as long as all statements before it. So the next thread begins meanwhile, where SQLite's own
sync (``synchronous = FULL``) would keep it waiting; one sync serves all commits before it, and no thread
that waits returns before its own is on the disk.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine

from firstwatch.store.turn import Turn
from firstwatch.trading.errors import StoreError

_sync = getattr(os, "fdatasync", os.fsync)
"""As SQLite does it."""

_ZEROS = bytes(1 << 16)

_FOLDS_WITHIN_MS = 1_000
"""For so long a fold of the log that cannot be put off waits for a reader."""


def raw_of(connection: Connection) -> sqlite3.Connection:
    """Return SQLite's own connection below SQLAlchemy's."""
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


class Writer:
    """Gives the one write connection to one thread after the other, in order of arrival.

    ``engine`` must begin its transactions with ``BEGIN IMMEDIATE``, on the database at ``path`` with a
    write-ahead log and ``synchronous = NORMAL``. Errors are SQLAlchemy's and SQLite's own, and StoreError
    for a sync.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._turn = Turn()
        self._connection: Connection | None = None
        self._log: _Log | None = None
        self._has_gap = False
        """A sync has failed: a power cut may take what is in the log, and all that comes after it."""

    @contextmanager
    def transaction(
        self,
        *,
        goes_first: bool = False,
        waits_for_disk: bool = True,
        committed: Callable[[], object] = lambda: None,
    ) -> Iterator[Connection]:
        """Open a transaction; when the block has ended without an error, it is on the disk.

        ``goes_first``: take the turn before all waiting threads. ``waits_for_disk``: otherwise a power cut
        may take it, until a later one has waited. ``committed``: called before that wait.

        Raises:
            StoreError: the disk has not confirmed it, so that a power cut may take it.
        """
        with self._turn.taken(goes_first=goes_first):
            try:
                connection, log = self._connected()
                with connection.begin():
                    yield connection
            except BaseException:
                # When the disk is full, SQLite ends a transaction by itself; a new connection is in a known
                # state.
                self._disconnect()
                raise
            number = log.committed()
        committed()
        if waits_for_disk:
            log.sync(number)

    def fold_log(self, wait_ms: int) -> bool:
        """Move the whole write-ahead log into the database and empty it; False: a reader still needs it.

        Other writes of this process wait meanwhile; this waits at most ``wait_ms`` for a reader.
        """
        with self._turn.taken():
            return _is_folded(self._connected()[0], wait_ms)

    def reserve_log(self, size: int) -> None:
        """Make the write-ahead log at least that large (bytes), on the disk; what is in it stays.

        Where the disk has no room, it stays as it is.
        """
        with self._turn.taken():
            connection, log = self._connected()
            # No process writes to the log meanwhile.
            with connection.begin():
                log.reserve(size)

    def close(self) -> None:
        """Close the connection, after the transactions in progress. Idempotent."""
        self._turn.take()
        try:
            if self._connection is not None:
                # Closing the last connection would do it too, but a reader may hold another one. The log of
                # an engine beside stays as large as it has made it.
                with suppress(sqlite3.Error):
                    raw_of(self._connection).execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._disconnect()
        finally:
            self._turn.give()

    def _connected(self) -> "tuple[Connection, _Log]":
        if self._connection is None or self._log is None or self._log.error:
            self._disconnect()
            self._connection = self._engine.connect()
            self._log = _Log(self._path)
        if self._has_gap:
            if not _is_folded(self._connection, _FOLDS_WITHIN_MS):
                raise StoreError(
                    f"The disk did not confirm what was written to {self._path}, and nothing can be written "
                    "again while another program reads it; end that program."
                )
            self._has_gap = False
        return self._connection, self._log

    def _disconnect(self) -> None:
        if self._log is not None:
            self._log.close()
            self._has_gap = self._has_gap or bool(self._log.error)
            self._log = None
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


class _Log:
    """The write-ahead log of a connection: its commits are on the disk after the next sync."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(f"{path}-wal", os.O_RDONLY)
        except OSError as error:
            raise StoreError(f"The log {path}-wal cannot be opened: {error.strerror}.") from error
        self._guard = threading.Lock()
        self._committed = 0
        self._synced = 0
        self.error = ""
        """Why a sync has failed. The kernel says it once, and takes the pages for written from then on."""

    def committed(self) -> int:
        """Count a commit, and return its number."""
        self._committed += 1
        return self._committed

    def sync(self, number: int) -> None:
        """Wait until the commit of that number is on the disk.

        Raises:
            StoreError: the disk has not confirmed it.
        """
        with self._guard:
            if number > self._synced and not self.error:
                self._sync()
            if number > self._synced:
                raise StoreError(f"The disk did not confirm a write to {self._path}: {self.error}.")

    def reserve(self, size: int) -> None:
        """Add zeros up to that size, which SQLite passes over: they are no frame of the log.

        Space that is only allocated (``posix_fallocate``) would still be changed as it is used.
        """
        with open(f"{self._path}-wal", "r+b", buffering=0) as file:
            used = file.seek(0, os.SEEK_END)
            try:
                for at in range(used, size, len(_ZEROS)):
                    file.write(_ZEROS[: size - at])
                os.fsync(file.fileno())
            except OSError:
                file.truncate(used)

    def close(self) -> None:
        """Close the file, after a last sync."""
        with self._guard:
            if self._committed > self._synced and not self.error:
                self._sync()
            os.close(self._file)

    def _sync(self) -> None:
        newest = self._committed
        try:
            _sync(self._file)
        except OSError as error:
            self.error = error.strerror or str(error)
        else:
            self._synced = newest


def _is_folded(connection: Connection, wait_ms: int) -> bool:
    """Move the write-ahead log into the database and empty it; False: a reader still needs it."""
    raw = raw_of(connection)
    before: int = raw.execute("PRAGMA busy_timeout").fetchone()[0]
    raw.execute(f"PRAGMA busy_timeout = {wait_ms}")
    try:
        is_busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        raw.execute(f"PRAGMA busy_timeout = {before}")
    return not is_busy
