"""Progress of a baseline: one small file in the data folder, written by the process that makes it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firstwatch.market.packed import BASELINE_FOLDER, locked, write_whole
from firstwatch.trading.errors import RefusedError, StoreError
from firstwatch.trading.text import CleanText

_FILE = "making.json"
_LOCK = ".making"
_MOST_BYTES = 10_000


class MakingState(StrEnum):
    """State of a baseline in the making."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Making(BaseModel):
    """A baseline that is being made, or was made last. Times are wall time in milliseconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int = Field(ge=1)
    algorithm: CleanText
    """``name@version``"""
    symbol: CleanText
    state: MakingState
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share that is done."""
    sentence: CleanText = ""
    """The current step, or the result."""
    started_ms: int
    baseline_id: int | None = None


def write_making(home: Path, making: Making) -> None:
    """Replace the stored progress of the baseline.

    Raises:
        StoreError: the data folder cannot be written.
    """
    folder = home / BASELINE_FOLDER
    try:
        with locked(folder):
            write_whole(folder / _FILE, making.model_dump_json().encode())
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}.") from error


def read_making(home: Path) -> Making | None:
    """Return the baseline that is being made, or was made last; None: none was, or the file is damaged.

    If its process is gone without a result, it is FAILED.
    """
    try:
        with (home / BASELINE_FOLDER / _FILE).open("rb") as file:
            making = Making.model_validate_json(file.read(_MOST_BYTES))
    except (OSError, ValidationError):
        return None
    if making.state is MakingState.RUNNING and not is_being_made(home):
        # It may have written its result between the two readings; the next reading shows it.
        return making.model_copy(
            update={"state": MakingState.FAILED, "sentence": "it was interrupted; nothing was saved"}
        )
    return making


def is_being_made(home: Path) -> bool:
    """Return whether a process makes a baseline in this data folder."""
    return is_held(home / BASELINE_FOLDER / _LOCK)


def is_held(lock: Path) -> bool:
    """Return whether a process holds the lock of a file; False: none does, or there is no such file."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def sole_maker(home: Path) -> Iterator[None]:
    """Hold the right to make a baseline in this data folder.

    Raises:
        RefusedError: another process makes one.
        StoreError: the data folder cannot be written.
    """
    folder = home / BASELINE_FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            found = read_making(home)
            what = "" if found is None else f" of {found.algorithm} on {found.symbol} (pid {found.pid})"
            raise RefusedError(f"A baseline{what} is being made; wait for it, or cancel it.") from error
        yield
    finally:
        os.close(descriptor)
