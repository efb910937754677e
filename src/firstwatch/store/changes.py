"""Signals that some process has changed the store, without saying what: the receiver reads again."""

import sqlite3
import threading
from typing import Self

from firstwatch.store.database import Store, connect, explained

POLL_S = 0.05

PAUSE_S, LONGEST_S = 0.01, 0.1
"""An engine seldom commits once: who reads at once takes a processor from it while orders wait."""


class ChangeSignal:
    """Wakes its one waiter in a pause after commits, of this process or, within ``POLL_S``, of others.

    A background thread polls SQLite's ``data_version`` on a connection that never opens a transaction.

    Raises:
        StoreError: the store cannot be opened.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._failure: sqlite3.Error | None = None
        self._guard = threading.Lock()
        """Held while the connection is used."""
        try:
            # Read before the caller's first read, so that no commit falls between the two.
            self._connection = connect(store.path, read_only=True)
            self._reported = self._looked = self._version()
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

        After a change it waits for a pause, too, for ``LONGEST_S`` at most.

        Raises:
            StoreError: the store can no longer be read.
        """
        has_changed = self._changed.wait(timeout_s)
        if has_changed and not self._ended.is_set():
            self._changed.clear()
            self.await_pause(LONGEST_S)
            self._reported = self._looked
        if self._failure is not None:
            raise explained(self._failure, self._store.path, "watch") from self._failure
        return has_changed and not self._ended.is_set()

    def await_pause(self, longest_s: float) -> float:
        """Wait until there is no commit in ``PAUSE_S``, if there was one since the last call.

        Returns for how long it has waited.
        """
        looks = round(longest_s / PAUSE_S)
        for waits in range(looks):
            before, self._looked = self._looked, self._version_now()
            if self._looked == before or self._ended.wait(PAUSE_S):
                return waits * PAUSE_S
        return longest_s

    def close(self) -> None:
        """End the thread and wake the waiter. Idempotent."""
        self._ended.set()
        self._store.unlisten(self._changed)
        self._changed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _poll(self) -> None:
        while not self._ended.wait(POLL_S) and self._failure is None:
            version = self._version_now()
            if version != self._reported:
                self._reported = version
                self._changed.set()
        with self._guard:
            self._connection.close()

    def _version_now(self) -> int:
        """Return the store's version; the last one reported, if it cannot be read or this was closed."""
        with self._guard:
            if self._failure is None and not self._ended.is_set():
                try:
                    return self._version()
                except sqlite3.Error as error:
                    self._failure = error
                    self._changed.set()
            return self._reported

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
