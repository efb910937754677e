"""The right to send: an epoch of the store, kept alive by a heartbeat (rule 26 of ``firstwatch.engine``)."""

from collections.abc import Iterator
from contextlib import contextmanager

from firstwatch.engine.lock import HEARTBEAT_LIMIT_S
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError
from firstwatch.venues.protocol import FENCE


@contextmanager
def fenced(lease: "Lease") -> Iterator[None]:
    """Check the right to act, and have the venue check it again right before it acts."""
    lease.check()
    before = FENCE.set(lease.check)
    try:
        yield
    finally:
        FENCE.reset(before)


class LeaseLostError(FirstwatchError):
    """This process was suspended or could not write its heartbeat: it must recover before it sends again."""


class Lease:
    """One claim of the engine, shared by all threads. Lost for good once its heartbeat was too old.

    A process that was suspended must not send, whichever of its threads wakes first: so the renewal checks
    the age as well, and a lost lease cannot be renewed.
    """

    def __init__(self, epoch: int, clock: Clock) -> None:
        self.epoch = epoch
        self._clock = clock
        self._beaten_at_s = clock.elapsed_s()
        self._lost = ""

    @property
    def is_lost(self) -> bool:
        return bool(self._lost) or self._age_s() > HEARTBEAT_LIMIT_S

    def check(self) -> None:
        """Pass if this process may send now.

        Raises:
            LeaseLostError: the heartbeat is too old, or the lease was lost before.
        """
        age_s = self._age_s()
        if not self._lost and age_s > HEARTBEAT_LIMIT_S:
            self._lost = f"the engine's last heartbeat is {age_s:.1f} s old"
        if self._lost:
            raise LeaseLostError(f"{self._lost}; nothing is sent before the runs are recovered")

    def renewed(self, begun_at_s: float) -> None:
        """Note that a heartbeat was written; ``begun_at_s``: ``Clock.elapsed_s`` before the write began.

        Raises:
            LeaseLostError: as ``check``.
        """
        self.check()
        self._beaten_at_s = begun_at_s

    def lose(self, why: str) -> None:
        """Drop the lease, so that no thread sends under it any more."""
        self._lost = self._lost or why

    def _age_s(self) -> float:
        return self._clock.elapsed_s() - self._beaten_at_s
