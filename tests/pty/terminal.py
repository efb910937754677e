"""The real program on a real pseudo-terminal."""

import errno
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

PATIENCE_S = 40.0

_PROGRAM = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from firstwatch.cli import main
main()
"""
"""The terminal becomes the new session's own, so that its loss is told by SIGHUP."""


class Terminal:
    """A program on a pseudo-terminal, and the reader at the other end."""

    def __init__(
        self,
        home: Path,
        *,
        size: tuple[int, int] = (120, 40),
        environment: dict[str, str] | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.reader, self._inner = pty.openpty()
        self.seen = b""
        fcntl.ioctl(self._inner, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.before = termios.tcgetattr(self._inner)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FIRSTWATCH_")}
        # The size and the colours are those of this terminal, whatever the tests themselves run in.
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            inherited.pop(name, None)
        inherited |= {
            "FIRSTWATCH_HOME": str(home),
            "FIRSTWATCH_WATCH__ENABLED": "false",
            "TERM": "xterm-256color",
        }
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            stdin=self._inner,
            stdout=self._inner,
            stderr=self._inner,
            env=inherited | (environment or {}),
            start_new_session=True,
        )
        os.set_blocking(self.reader, False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def attributes(self) -> list[object]:
        """Return how the terminal is set now."""
        return termios.tcgetattr(self._inner)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; the program is told by SIGWINCH."""
        fcntl.ioctl(self._inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys: bytes) -> None:
        os.write(self.reader, keys)

    def is_full(self) -> bool:
        """Tell whether the program could write nothing now: nobody has read what it wrote before."""
        return not select.select([], [self._inner], [], 0)[1]

    def read(self, for_s: float = 0.05) -> None:
        """Take what the program writes, for a moment."""
        ready, _, _ = select.select([self.reader], [], [], for_s)
        if not ready:
            return
        try:
            self.seen += os.read(self.reader, 1 << 16)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EAGAIN):
                raise

    def read_until(self, text: str, *, since: int = 0) -> float:
        """Read until the program has written ``text`` and return how many seconds it took since the start."""
        deadline = time.monotonic() + PATIENCE_S
        while text.encode() not in self.seen[since:]:
            assert time.monotonic() < deadline, f"never said {text!r}; the end: {self.seen[-600:]!r}"
            assert self.process.poll() is None or self._has_rest(), f"ended: {self.seen[-600:]!r}"
            self.read()
        return time.monotonic() - self.started_s

    def _has_rest(self) -> bool:
        return bool(select.select([self.reader], [], [], 0)[0])

    def wait(self) -> int:
        """Read on until the program ends and return its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            self.read()
        return self.process.returncode

    def hang_up(self) -> None:
        """Close the terminal under the program, as a lost connection does."""
        os.close(self._inner)
        os.close(self.reader)
        self._inner = self.reader = -1

    def end(self) -> None:
        """End the program, whatever it does."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        if self.reader >= 0:
            self.hang_up()


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_alive(pid: int) -> bool:
    """Tell whether the process runs, or is stopped, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
