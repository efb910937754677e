"""A machine whose clocks a test moves: ``python -m tests.live.machine FILE MODULE [ARGUMENT...]`` runs on it.

The file holds two doubles: for how many seconds the machine was suspended so far, and how far its wall clock
was set back since. It outlives the processes, as the machine does. A vault that is made there costs little to
open, or each process would work for a second.
"""

import mmap
import runpy
import struct
import sys
from pathlib import Path

from firstwatch.trading import clock

_JUMPS = struct.Struct("dd")


class Machine:
    """The jumps of a machine's clocks, as who makes them sees them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._suspended_s = self._set_back_s = 0.0
        path.write_bytes(_JUMPS.pack(0.0, 0.0))

    def suspend(self, seconds: float) -> None:
        """Let the machine have been suspended for so long."""
        self._suspended_s += seconds
        self._write()

    def set_back(self, seconds: float) -> None:
        """Set the wall clock back."""
        self._set_back_s += seconds
        self._write()

    def _write(self) -> None:
        with self.path.open("r+b") as file:
            file.write(_JUMPS.pack(self._suspended_s, self._set_back_s))


class JumpingClock(clock.SystemClock):
    """The machine's clocks, with the jumps of a file."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._jumps = mmap.mmap(file.fileno(), _JUMPS.size)

    def now_ms(self) -> int:
        suspended_s, set_back_s = _JUMPS.unpack(self._jumps[:])
        return super().now_ms() + round((suspended_s - set_back_s) * 1000)

    def elapsed_s(self) -> float:
        suspended_s, _ = _JUMPS.unpack(self._jumps[:])
        return super().elapsed_s() + suspended_s


if __name__ == "__main__":
    path = Path(sys.argv[1])
    sys.argv = sys.argv[2:]
    # Before anything else of the program is imported: all of it takes the clock from there.
    clock.SystemClock = lambda: JumpingClock(path)
    from firstwatch.wallets import keystore

    keystore.WORK_FACTOR = 2**4
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
