"""Runs that wait for the vault, because their venue needs signatures; their protection stays there."""

import threading
from collections.abc import Callable

from firstwatch.wallets.key_ring import KeyRing


class LockedRuns:
    """The runs that wait for the passphrase. Safe for threads."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._waiting: dict[str, Callable[[], None]] = {}
        self._guard = threading.Lock()

    def add(self, run_id: str, begin: Callable[[], None]) -> None:
        """Let a run wait; ``begin`` starts its worker once the vault is unlocked, if it still has none."""
        with self._guard:
            self._waiting[run_id] = begin

    def __contains__(self, run_id: str) -> bool:
        with self._guard:
            return run_id in self._waiting

    def begin_if_unlocked(self, between: Callable[[], None]) -> None:
        """Start the waiting runs if the vault has been unlocked. Cheap when none waits.

        ``between`` is called after each. If ``begin`` raises, the run keeps waiting.
        """
        if not self._waiting or self._keys.is_locked:
            return
        with self._guard:
            waiting = dict(self._waiting)
        for run_id, begin in waiting.items():
            begin()
            with self._guard:
                # It may be waiting again, for another key.
                if self._waiting.get(run_id) is begin:
                    del self._waiting[run_id]
            between()
