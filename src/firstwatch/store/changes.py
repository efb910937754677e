"""Signals that some process has changed the store, without saying what: the receiver reads again."""

import sqlite3
import threading
from contextlib import closing
from typing import Self

from firstwatch.store.database import Store, connect, explained

POLL_S = 0.05


class ChangeSignal:
    """Wakes its one waiter after commits: of this process at once, of other processes within ``POLL_S``.

    A background thread polls SQLite's ``data_version`` on a connection that never opens a transaction.

    Raises:
        StoreError: the store cannot be opened.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._failure: sqlite3.Error | None = None
        try:
            # Read before the caller's first read, so that no commit falls between the two.
            self._connection = connect(store.path, read_only=True)
            self._seen = self._version()
        except sqlite3.Error as error:
            raise explained(error, store.path, "watch") from error
        store.listen(self._changed)
        self._thread = threading.Thread(target=self._poll, name="store-changes", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a change since the last call and return True; False: there was none, or it was closed.

        Raises:
            StoreError: the store can no longer be read.
        """
        self._changed.wait(timeout_s)
        if self._failure is not None:
            raise explained(self._failure, self._store.path, "watch") from self._failure
        if self._ended.is_set() or not self._changed.is_set():
            return False
        self._changed.clear()
        return True

    def close(self) -> None:
        """End the thread and wake the waiter. Idempotent."""
        self._ended.set()
        self._store.unlisten(self._changed)
        self._changed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _poll(self) -> None:
        try:
            with closing(self._connection):
                while not self._ended.wait(POLL_S):
                    version = self._version()
                    if version != self._seen:
                        self._seen = version
                        self._changed.set()
        except sqlite3.Error as error:
            self._failure = error
            self._changed.set()

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
