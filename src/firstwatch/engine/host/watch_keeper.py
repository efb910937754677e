"""Keeps the process of the first watch alive beside the engine, which never waits for it."""

import logging
import os
import subprocess
import sys
from pathlib import Path

from firstwatch.trading.clock import Clock

WATCH_LOG_FILE = "watch.log"
PAUSES_S = (1.0, 5.0, 30.0, 120.0)
"""Pause before a restart after the first, second, ... end; the last one from then on."""
SOUND_S = 60.0
"""A process that lived this long is healthy: its end counts as the first again."""
_END_S = 1.0

_log = logging.getLogger(__name__)


class WatchKeeper:
    """Starts the process of the first watch, again after each end, later each time.

    It ends with this process: its standard input is a pipe that nothing is written to, closed by the kernel.
    """

    def __init__(self, folder: Path, config: Path | None, clock: Clock) -> None:
        self._folder = folder
        self._config = config
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._start_at_s = 0.0
        self._ends = 0
        self.trouble = ""
        """Why runs are not watched, or were not until recently; empty: the process is healthy."""

    @property
    def pid(self) -> int | None:
        """Pid of the running process; None: there is none."""
        return None if self._process is None else self._process.pid

    def keep(self) -> None:
        """Check the process and start it if due. Never waits for it."""
        now_s = self._clock.elapsed_s()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                if now_s - self._started_s >= SOUND_S:
                    self._ends, self.trouble = 0, ""
                return
            self._has_ended(f"exit code {code}" if code >= 0 else f"signal {-code}", now_s)
        if now_s >= self._start_at_s:
            self._start(now_s)

    def close(self) -> None:
        """End the process; it ends at once, between two writes. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _close_input(process)

    def _start(self, now_s: float) -> None:
        environment = {**os.environ, "FIRSTWATCH_HOME": str(self._folder)}
        if self._config is not None:
            environment["FIRSTWATCH_CONFIG"] = str(self._config)
        try:
            with (self._folder / WATCH_LOG_FILE).open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "firstwatch.engine.host.watch_daemon"],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    cwd=self._folder,
                    start_new_session=True,
                )
        except OSError as error:
            self._has_ended(str(error), now_s)
            return
        self._started_s = now_s
        _log.info("the first watch runs, pid %d", self._process.pid)

    def _has_ended(self, how: str, now_s: float) -> None:
        if self._process is not None:
            _close_input(self._process)
            self._process = None
        pause_s = PAUSES_S[min(self._ends, len(PAUSES_S) - 1)]
        self._ends += 1
        self._start_at_s = now_s + pause_s
        self.trouble = (
            f"the process of the first watch has ended ({how}) and is started again in {pause_s:g} s; "
            f"trading goes on, verdicts wait. See {WATCH_LOG_FILE} in the data folder"
        )
        _log.warning("%s", self.trouble)


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
