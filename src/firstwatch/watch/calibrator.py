"""Computes the tables of recipes, one at a time, in a thread, so that looks need not wait."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from firstwatch.trading.errors import FirstwatchError
from firstwatch.watch.joint import Tables

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Derived:
    """The tables of one day of one run, or why there are none."""

    run_id: str
    day: int
    tables: Tables | None
    problem: str = ""


class Calibrator:
    """A queue with one thread. Tables not done when the process ends are asked for again by the next one."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[str, int, Callable[[], Tables]]] = SimpleQueue()
        self._derived: SimpleQueue[Derived] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, run_id: str, day: int, derive: Callable[[], Tables]) -> None:
        """Compute tables once those asked for before are done."""
        self._asked.put((run_id, day, derive))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="calibrator", daemon=True)
            self._thread.start()

    def take(self) -> list[Derived]:
        """Return the tables finished since the last call."""
        found = []
        while True:
            try:
                found.append(self._derived.get_nowait())
            except Empty:
                return found

    def _work(self) -> None:
        while True:
            run_id, day, derive = self._asked.get()
            try:
                derived = Derived(run_id, day, derive())
            except FirstwatchError as error:
                derived = Derived(run_id, day, None, str(error))
            except Exception:
                _log.exception("the calibration of run %s, day %d, failed", run_id, day)
                derived = Derived(run_id, day, None, "the calibration failed; see the log of the watch")
            self._derived.put(derived)
