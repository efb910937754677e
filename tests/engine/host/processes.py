"""Engines as real processes on a data folder: started, stopped, killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firstwatch.engine.lock import holder_of
from tests.engine.host.rig import until


@contextmanager
def engine_process(folder: Path) -> Iterator["EngineProcess"]:
    """Start an engine process that waits for the lock; it is killed at the end of the block."""
    process = EngineProcess(folder)
    try:
        yield process
    finally:
        process.kill()


class EngineProcess:
    """One engine process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "firstwatch.engine.host.daemon"],
            env={**os.environ, "FIRSTWATCH_HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def holds(self) -> bool:
        """The process holds the engine lock of its folder."""
        holder = holder_of(self.folder)
        return holder is not None and holder.pid == self.pid

    def wait_holding(self, limit_s: float = 30.0) -> None:
        until(lambda: self.holds or None, f"process {self.pid} to hold the engine", limit_s)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        """SIGSTOP, and wait until the kernel has done it."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def wait(self, limit_s: float = 30.0) -> int:
        return self._process.wait(limit_s)

    def kill(self) -> None:
        """SIGKILL and reap; does nothing to a process that has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
