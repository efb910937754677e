"""Who works on a job: a lock on a file, free as soon as its process has ended, in whatever way.

The file is ``jobs/NUMBER.lock`` in the data folder. It is as long from the start as it ever gets, so that the
last sentence of a job can be written into it when the disk is full. ``jobs/NUMBER`` beside it is the job's
own folder.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from firstwatch.trading.errors import StoreError

FOLDER = "jobs"
_SUFFIX = ".lock"
_BYTES = 1024
_TRIES = 20
_PAUSE_S = 0.01


class JobLock:
    """The right to work on one job. Pass ``descriptor`` to a process to give it the right too."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self.descriptor = descriptor
        self._is_said = False

    @classmethod
    def take(cls, home: Path, number: int) -> "JobLock | None":
        """Return the lock of a job; None: a process works on it.

        Raises:
            StoreError: the data folder cannot be written.
        """
        path = path_of(home, number)
        for _ in range(_TRIES):
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StoreError(f"{path.parent} cannot be written: {error.strerror}.") from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Its owner may have removed the file meanwhile: then another one has its name.
                is_same = os.path.samestat(os.fstat(descriptor), path.stat())
                if is_same:
                    os.pwrite(descriptor, b" " * _BYTES, 0)
                    return cls(path, descriptor)
            except (BlockingIOError, FileNotFoundError):
                pass
            except OSError as error:
                os.close(descriptor)
                raise StoreError(f"{path.parent} cannot be written: {error.strerror}.") from error
            os.close(descriptor)
            # Who only looks whether it is held, holds it for a moment.
            time.sleep(_PAUSE_S)
        return None

    @classmethod
    def inherited(cls, home: Path, number: int, descriptor: int) -> "JobLock":
        """Return the lock that the process has got from the one that has started it."""
        os.set_inheritable(descriptor, False)
        return cls(path_of(home, number), descriptor)

    def say(self, sentence: str) -> None:
        """Leave a sentence for the operator in the file: the store could not be written."""
        text = sentence.encode()[:_BYTES].ljust(_BYTES)
        with suppress(OSError):
            os.pwrite(self.descriptor, text, 0)
            self._is_said = True

    def hand_over(self) -> None:
        """Give up the right: another process has it by now."""
        os.close(self.descriptor)

    def release(self) -> None:
        """Give up the right, and remove the file and the job's own folder."""
        shutil.rmtree(self._path.with_suffix(""), ignore_errors=True)
        if not self._is_said:
            self._path.unlink(missing_ok=True)
        os.close(self.descriptor)


def path_of(home: Path, number: int) -> Path:
    """Return the file whose lock says that a process works on the job."""
    return home / FOLDER / f"{number}{_SUFFIX}"


def own_folder(home: Path, number: int) -> Path:
    """Return the folder for the files of one job; it goes with the job's process."""
    return path_of(home, number).with_suffix("")


def is_held(home: Path, number: int) -> bool:
    """Return whether a process works on the job, or waits to."""
    return _is_locked(path_of(home, number))


def held_jobs(home: Path) -> frozenset[int]:
    """Return the numbers of all jobs on which a process works, or waits to."""
    numbers = (path.stem for path in (home / FOLDER).glob(f"*{_SUFFIX}"))
    return frozenset(int(number) for number in numbers if number.isdecimal() and is_held(home, int(number)))


def last_sentence(home: Path, number: int) -> str:
    """Return the sentence that a process has left; empty: none."""
    try:
        return path_of(home, number).read_bytes()[:_BYTES].decode(errors="replace").strip()
    except OSError:
        return ""


def remove_left_folders(home: Path) -> None:
    """Remove the folders of jobs whose processes were killed."""
    for folder in (home / FOLDER).glob("*/"):
        if folder.is_dir() and folder.name.isdecimal() and not is_held(home, int(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def turn(home: Path, name: str) -> Iterator[None]:
    """Wait until no other job of that queue works, and work.

    Raises:
        StoreError: the data folder cannot be written.
    """
    path = home / FOLDER / f"{name}.turn"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be locked: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared: two who look at the same moment do not take each other for its owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
