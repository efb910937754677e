"""What the work of a job gets: the store, the clock, how to say how far it is, and its workers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from firstwatch.engine.jobs.executors import Workers, open_workers
from firstwatch.engine.jobs.locks import own_folder
from firstwatch.settings import Settings
from firstwatch.store import jobs
from firstwatch.store.database import Store
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError

R = TypeVar("R", bound=BaseModel)

_WRITE_S = 1.0
"""Shortest time between two rows of progress: each waits for the disk, and the engine for it."""


class JobCancelledError(FirstwatchError):
    """The operator has cancelled the job."""


class JobInterruptedError(FirstwatchError):
    """The process of the job was asked to end, and not by the operator's cancelling the job."""


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a job's work."""

    result: dict[str, Any]
    """For the store, as JSON."""
    sentence: str
    """For the operator."""


@dataclass(slots=True, eq=False)
class JobContext:
    """A job at work, in its own process. The work is called in the main thread.

    ``JobCancelledError`` and ``JobInterruptedError`` are raised wherever the work is; it catches neither.
    What it has saved by then is what it goes on from when it is resumed.
    """

    number: int
    settings: Settings
    store: Store
    clock: Clock
    show: Callable[[float, str], None] = field(default=lambda _share, _step: None)
    check: Callable[[], None] = field(default=lambda: None)
    """Raises the error again if the job is to end and the work goes on: it may be lost where it was raised
    first, as in a callback of the interpreter."""
    _written_s: float | None = None

    def progress(self, share: float, step: str) -> None:
        """Say how much is done (0 to 1), and what is under way. As often as it suits: few are stored.

        Raises:
            StoreError: the store cannot be written.
        """
        self.check()
        self.show(share, step)
        now_s = self.clock.elapsed_s()
        if self._written_s is not None and now_s - self._written_s < _WRITE_S:
            return
        with self.store.write() as session:
            jobs.set_progress(session, self.number, share, step, is_first=self._written_s is None)
        self._written_s = now_s

    @contextmanager
    def workers(self, count: int | None = None) -> Iterator[Workers]:
        """Open the workers of the settings for ``run_all``; ``count``: so many, where they are processes.

        Raises:
            FirstwatchError: the cluster of the settings cannot be used.
        """
        folder = own_folder(self.settings.home, self.number)
        with open_workers(self.settings.compute, folder, count=count) as opened:
            yield opened


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """A kind of job: what is asked for, and the work."""

    request: type[R]
    work: Callable[[R, JobContext], Found]
    is_long: Callable[[R], bool] = lambda _request: True
    """Whether it may take minutes: long jobs wait for each other, and short ones for each other."""
