"""Clocks of machines that do what machines do."""

from firstwatch.trading.clock import ManualClock


class MachineClock(ManualClock):
    """A machine's clocks: the wall's may be set, and that of elapsed time begins anew when it boots."""

    def __init__(self, now_ms: int = 0) -> None:
        super().__init__(now_ms)
        self._set_back_ms = 0
        self._booted_at_s = 0.0

    def now_ms(self) -> int:
        return super().now_ms() - self._set_back_ms

    def elapsed_s(self) -> float:
        return super().elapsed_s() - self._booted_at_s

    def set_back(self, ms: int) -> None:
        """Set the wall clock back."""
        self._set_back_ms += ms

    def reboot(self) -> None:
        """Let elapsed time begin anew."""
        self._booted_at_s = super().elapsed_s()
