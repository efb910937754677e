"""Judges from another process whether an engine's heartbeat goes on."""

GONE_AFTER_S = 10.0
"""An engine whose heartbeat is older than this is gone."""
_CONFIRMED_AFTER_S = 3.0


class Pulse:
    """Judges one heartbeat after the other by two clocks.

    By the wall clock alone an engine would be gone whenever that clock is set, or the machine wakes up. So a
    heartbeat that is old by it must also have stood still for three seconds of this process.
    """

    def __init__(self) -> None:
        self._heartbeat_ms: int | None = None
        self._changed_at_s = 0.0
        self.is_doubtful = False
        """The heartbeat is old, but that is not confirmed: check again soon."""

    def is_gone(self, heartbeat_ms: int | None, now_ms: int, awake_s: float) -> bool:
        """Return whether the engine is gone.

        Args:
            heartbeat_ms: the last heartbeat, by wall time; None: there is none.
            now_ms: wall time.
            awake_s: a clock that never jumps and does not count the machine's suspension.
        """
        if self._heartbeat_ms != heartbeat_ms:
            self._heartbeat_ms, self._changed_at_s = heartbeat_ms, awake_s
        still_s = awake_s - self._changed_at_s
        is_old = heartbeat_ms is None or now_ms - heartbeat_ms > GONE_AFTER_S * 1000
        is_gone = still_s > GONE_AFTER_S or (is_old and still_s >= _CONFIRMED_AFTER_S)
        self.is_doubtful = is_old and not is_gone
        return is_gone
