"""A task that the host starts periodically, in its own thread."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from firstwatch.trading.errors import FirstwatchError

_log = logging.getLogger(__name__)


class PeriodicTask:
    """Runs one function in its own thread, never twice at the same time. Started by one thread.

    An exception is logged; the next round tries again.
    """

    def __init__(self, name: str, act: Callable[[], None]) -> None:
        self._name = name
        self._act = act
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._is_running = threading.Event()
        self.is_closed = False

    def run_soon(self) -> None:
        """Start a round, unless the last one still runs or the task is closed. Does not wait."""
        if not self.is_closed and not self._is_running.is_set():
            self._is_running.set()
            self._thread.submit(self._run)

    def close(self) -> None:
        """Start no further round; does not wait for the one that runs."""
        self.is_closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        try:
            self._act()
        except FirstwatchError as error:
            _log.warning("%s: %s", self._name, error)
        except Exception:
            _log.exception("%s failed; it is tried again", self._name)
        finally:
            self._is_running.clear()
