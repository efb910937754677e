"""A background engine: its own process, session and log; it outlives the terminal that started it."""

import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

from firstwatch.store.files import check_folder
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.text import clean

LOG_FILE = "engine.log"
_LOG_BYTES = 2_000_000
_LOG_FILES = 5
_READY_VARIABLE = "FIRSTWATCH_READY_DESCRIPTOR"
_POLL_S = 0.05

WAITING = "waiting"
"""The new engine is loaded and waits for the lock: the old host may end now."""
READY = "ready"
"""The new engine holds the lock and has recovered the runs."""


class BackgroundError(FirstwatchError):
    """The background engine could not be started."""


@dataclass(slots=True)
class BackgroundEngine:
    """A background engine that was just started."""

    pid: int
    _process: subprocess.Popen[bytes]
    _progress: int
    """Read end of the pipe on which it announces ``WAITING`` and ``READY``."""
    _log: Path
    _received: str = ""

    def wait_until(self, word: str, timeout_s: float) -> None:
        """Wait until the engine has announced ``WAITING`` or ``READY``.

        Raises:
            BackgroundError: it ended first, or did not announce it in time.
        """
        deadline = time.monotonic() + timeout_s
        os.set_blocking(self._progress, False)
        while word not in self._received.split():
            try:
                part = os.read(self._progress, 256)
            except BlockingIOError:
                part = None
            if part:
                self._received += part.decode()
                continue
            if part == b"" or self._process.poll() is not None:
                self._process.wait(timeout=timeout_s)
                raise BackgroundError(f"the background engine ended at once: {_last_line(self._log)}")
            if time.monotonic() > deadline:
                raise BackgroundError(
                    f"the background engine (pid {self.pid}) was not {word} within {timeout_s:g} s; "
                    f"see {self._log}"
                )
            time.sleep(_POLL_S)

    def forget(self) -> None:
        """Detach from the engine: close what still ties this process to it."""
        os.close(self._progress)
        # This process need not wait for it any more; the system reaps it once this one has ended.
        self._process.returncode = 0


def start_background(folder: Path, config: Path | None) -> BackgroundEngine:
    """Start an engine process for the data folder, detached from this terminal; it waits for the lock.

    ``config``: the settings file, where it is not that of the data folder.

    Raises:
        BackgroundError: the process or its log could not be made.
    """
    log = folder / LOG_FILE
    reading, writing = os.pipe()
    environment = {**os.environ, "FIRSTWATCH_HOME": str(folder), _READY_VARIABLE: str(writing)}
    if config is not None:
        environment["FIRSTWATCH_CONFIG"] = str(config)
    try:
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "firstwatch.engine.host.daemon"],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=environment,
                cwd=folder,
                pass_fds=(writing,),
                start_new_session=True,
            )
    except OSError as error:
        os.close(reading)
        raise BackgroundError(f"the background engine could not be started: {error.strerror}") from error
    finally:
        os.close(writing)
    return BackgroundEngine(pid=process.pid, _process=process, _progress=reading, _log=log)


def announce(word: str) -> None:
    """In a background engine: announce progress to the process that started it."""
    descriptor = os.environ.get(_READY_VARIABLE)
    if descriptor is None:
        return
    try:
        os.write(int(descriptor), f"{word}\n".encode())
        if word == READY:
            os.close(int(descriptor))
            del os.environ[_READY_VARIABLE]
    except OSError as error:
        logging.getLogger(__name__).info("the process that started this engine no longer waits: %s", error)
        del os.environ[_READY_VARIABLE]


def log_to_file(folder: Path, level: str) -> None:
    """Send the program's log, from that level on, to a rotating file in the data folder."""
    check_folder(folder, make=True)
    logging.basicConfig(level=level.upper(), handlers=[log_handler(folder / LOG_FILE)], force=True)


def log_handler(path: Path) -> RotatingFileHandler:
    """Return a handler that writes a rotating log."""
    handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8")
    handler.setFormatter(_CleanFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return handler


class _CleanFormatter(logging.Formatter):
    """Cleans every line: a log is read in a terminal, and it contains external text, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(clean, super().format(record).split("\n")))


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line for line in reversed(lines) if line.strip()), "it wrote no log")
