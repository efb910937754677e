"""Requests of one run in flight: each in a thread that makes no other meanwhile, so that none waits."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

from firstwatch.engine.core import inputs

Request = Callable[[], inputs.Event]
"""One or more calls to the venue on behalf of one effect, and its outcome."""


class RequestsInFlight:
    """Makes requests in threads and reports their ends. Used by the worker's thread alone.

    No request is abandoned: each call to a venue has a timeout of its own. A thread whose request has ended
    makes the next one: to start another takes as long as a transaction.
    """

    def __init__(self, name: str, ended: Callable[[inputs.Event | Exception], None]) -> None:
        """``ended`` is called from a request's thread with its outcome, or with what it raised."""
        self._name = name
        self._ended = ended
        self._threads: list[threading.Thread] = []
        self._under_way = 0
        self._asked: SimpleQueue[Request | None] = SimpleQueue()
        self._guard = threading.Lock()
        self._free = 0
        """Threads whose request has ended, less those that have been given the next one."""

    @property
    def are_under_way(self) -> bool:
        """Some request's end was not handled yet."""
        return self._under_way > 0

    def begin(self, request: Request) -> None:
        """Make a request in a free thread, or in a new one; in this one if the system cannot start any."""
        self._under_way += 1
        with self._guard:
            has_free = self._free > 0
            self._free -= has_free
        if has_free:
            self._asked.put(request)
            return
        thread = threading.Thread(target=self._work, args=(request,), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._ended(_outcome(request))
        else:
            self._threads = [*(other for other in self._threads if other.is_alive()), thread]

    def taken(self) -> None:
        """Note that the end of a request was handled."""
        self._under_way -= 1

    def close(self) -> None:
        """Let each thread end after its request: no other one begins. Idempotent."""
        for _ in self._threads:
            self._asked.put(None)

    def wait(self, timeout_s: float) -> bool:
        """Wait until all threads have ended, after ``close``; return whether they have."""
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, request: Request | None) -> None:
        while request is not None:
            ended = _outcome(request)
            # Before it is reported: then the next request may follow at once.
            with self._guard:
                self._free += 1
            self._ended(ended)
            request = self._asked.get()


def _outcome(request: Request) -> inputs.Event | Exception:
    try:
        return request()
    except Exception as error:
        return error
