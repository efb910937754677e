"""What the tools work with: the manager, read in threads that no single client can use up."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from firstwatch.manager.manager import RunManager
from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.mcp.cleaning import name_of, quoted_name
from firstwatch.settings import Settings
from firstwatch.trading.errors import WrongUseError

T = TypeVar("T")

_MOST_NAMED = 10
"""Versions that an error names."""
_READS, _ACTS, _LAUNCHES = 4, 8, 2
"""Threads that read, that write, and that wait for the engine to check a launch: no start delays a stop."""


class Backend:
    """The manager of a data folder, for handlers that must not wait themselves."""

    def __init__(self, manager: RunManager, settings: Settings) -> None:
        self.manager = manager
        self.settings = settings
        self._reads = CapacityLimiter(_READS)
        self._acts = CapacityLimiter(_ACTS)
        self._launches = CapacityLimiter(_LAUNCHES)

    async def read(self, function: Callable[[], T]) -> T:
        """Return the result of a function that reads the store."""
        return await to_thread.run_sync(function, limiter=self._reads, abandon_on_cancel=True)

    async def act(self, function: Callable[[], T]) -> T:
        """Return the result of a function that writes to the store; it ends although the caller is gone."""
        return await to_thread.run_sync(function, limiter=self._acts, abandon_on_cancel=True)

    async def check_launch(self, function: Callable[[], T]) -> T:
        """Return the result of a function that waits for the engine to check a launch."""
        return await to_thread.run_sync(function, limiter=self._launches, abandon_on_cancel=True)


def run_of(backend: Backend, text: str) -> tuple[ManagerSnapshot, RunView]:
    """Return the run whose id begins with a text, and the snapshot that it is of.

    Raises:
        WrongUseError: there is no such run, there are several, or it ended before those of the list.
    """
    run_id = backend.manager.reads.full_run_id(text)
    snapshot = backend.manager.snapshot()
    run = snapshot.run(run_id)
    if run is None:
        raise WrongUseError(
            f"Run {run_id} ended so long ago that it is not listed; `firstwatch run show` has it."
        )
    return snapshot, run


def algorithm_of(snapshot: ManagerSnapshot, text: str, version: int | None = None) -> str:
    """Return the name of an algorithm, which may be given in the form in which answers have it.

    Raises:
        WrongUseError: there is none, several look alike in that form, or it has no such version.
    """
    names = {each.name for each in snapshot.algorithms}
    alike = [text] if text in names else [name for name in names if name_of(name) == text]
    if len(alike) != 1:
        many = "Several algorithms look like" if alike else "There is no algorithm"
        raise WrongUseError(f"{many} {quoted_name(text)}; list_algorithms has those that there are.")
    known = [each.version for each in snapshot.algorithms if each.name == alike[0]]
    if version is not None and version not in known:
        some = ", ".join(map(str, known[-_MOST_NAMED:]))
        raise WrongUseError(f"{quoted_name(text)} has no version {version}; it has {some}.")
    return alike[0]
