"""The engine lock: at most one engine per data folder on one machine (rule 25 of ``firstwatch.engine``).

The kernel holds it and frees it when the holder dies. A holder that does not respond is never overtaken: its
process state and the age of its heartbeat show it.
"""

import fcntl
import os
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from firstwatch.trading.errors import FirstwatchError, RefusedError, StoreError

LOCK_FILE = "engine.lock"
HEARTBEAT_LIMIT_S = 2.0
"""A host with an older heartbeat may not send, and is shown as not responding."""

_LET_GO = (
    "this engine has ended, because another one may run beside it. The runs stay active, their protection "
    "rests at the venue: check that no other engine runs, then start one with `firstwatch engine`"
)
_PROBE_RETRIES = 5
_PROBE_PAUSE_S = 0.02


class EngineState(StrEnum):
    """What is known of the engine of a data folder."""

    NONE = "none"
    RUNNING = "running"
    NOT_RESPONDING = "not_responding"


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that holds the lock. ``pid`` None: it has not written its pid yet."""

    pid: int | None
    is_stopped: bool
    """The kernel reports the process as stopped (SIGSTOP, a debugger)."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a data folder has an engine, and a sentence about it."""

    state: EngineState
    pid: int | None
    sentence: str


class EngineHeldError(RefusedError):
    """Another process holds the engine of this data folder."""

    def __init__(self, folder: Path, holder: LockHolder | None) -> None:
        self.holder = holder
        super().__init__(f"{_who(holder)} holds the engine of {folder}; {_what_to_do(holder)}")


class LockLostError(FirstwatchError):
    """The lock file is no longer the one that this process holds: another engine may be running."""


class EngineLock:
    """The lock on ``engine.lock``. One object per host; not shared between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """This object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock and write the pid of this process into it.

        Raises:
            EngineHeldError: another process holds it.
            StoreError: the data folder cannot be written.
        """
        if self.is_held:
            return
        for attempt in range(_PROBE_RETRIES):
            if self._try():
                return
            # A process that only looks holds it shared for a moment (see holder_of).
            if attempt + 1 < _PROBE_RETRIES:
                time.sleep(_PROBE_PAUSE_S)
        raise EngineHeldError(self._folder, holder_of(self._folder))

    def verify(self) -> None:
        """Check that the lock file is still the one that this process holds.

        Raises:
            LockLostError: the file was removed or replaced, so that another process can take a lock of
                that name. Only a new engine can hold that one.
        """
        assert self._descriptor is not None, "the lock was not acquired"
        path = self._folder / LOCK_FILE
        try:
            found = path.stat()
        except OSError as error:
            raise LockLostError(f"The engine's lock {path} is gone ({error.strerror}); {_LET_GO}") from error
        if not os.path.samestat(found, os.fstat(self._descriptor)):
            raise LockLostError(f"The engine's lock {path} was replaced; {_LET_GO}")

    def release(self) -> None:
        """Free the lock. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _try(self) -> bool:
        descriptor = _open(self._folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            # The pid is informative only: a full disk must not keep the engine from protecting positions.
            pass
        self._descriptor = descriptor
        return True

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def holder_of(folder: Path) -> LockHolder | None:
    """Return the holder of the folder's engine lock; None: it is free."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
        pid = int(text) if text.isdecimal() else None
        return LockHolder(pid=pid, is_stopped=pid is not None and _is_stopped(pid))
    else:
        return None
    finally:
        os.close(descriptor)


def presence(folder: Path, heartbeat_age_s: float | None) -> Presence:
    """Return whether the folder has a running engine, with a sentence about it.

    Args:
        folder: the data folder.
        heartbeat_age_s: age of the host row's heartbeat; None: there is no host row.
    """
    holder = holder_of(folder)
    if holder is None:
        return Presence(EngineState.NONE, None, "no engine runs on this data folder")
    if holder.is_stopped:
        return Presence(
            EngineState.NOT_RESPONDING,
            holder.pid,
            f"the engine is not responding, pid {holder.pid}: its process is stopped; {_what_to_do(holder)}",
        )
    if heartbeat_age_s is not None and heartbeat_age_s > HEARTBEAT_LIMIT_S:
        return Presence(
            EngineState.NOT_RESPONDING,
            holder.pid,
            f"the engine is not responding, pid {holder.pid}: no heartbeat for {heartbeat_age_s:.0f} s",
        )
    return Presence(EngineState.RUNNING, holder.pid, f"the engine runs, pid {holder.pid}")


def _open(folder: Path) -> int:
    try:
        return os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"the data folder {folder} cannot be written ({error.strerror}); "
            "give write permission or choose another with FIRSTWATCH_HOME"
        ) from error


def _is_stopped(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        # No /proc on this system, or the process just ended: the heartbeat's age shows it.
        return False
    # The name in parentheses may hold anything, so the state is what follows the last parenthesis.
    return stat.rpartition(")")[2].split()[0] in {"T", "t"}


def _who(holder: LockHolder | None) -> str:
    if holder is None or holder.pid is None:
        return "another process"
    if holder.is_stopped:
        return f"a process that is not responding, pid {holder.pid},"
    return f"another process, pid {holder.pid},"


def _what_to_do(holder: LockHolder | None) -> str:
    if holder is not None and holder.is_stopped:
        return f"resume it (kill -CONT {holder.pid}) or end it (kill {holder.pid})"
    return "attach to it with `firstwatch` or end it with `firstwatch engine stop`"
