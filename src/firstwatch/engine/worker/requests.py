"""Requests of one run in flight: each in a thread of its own, so that none waits for another."""

import threading
from collections.abc import Callable

from firstwatch.engine.core import inputs

Request = Callable[[], inputs.Event]
"""One or more calls to the venue on behalf of one effect, and its outcome."""


class RequestsInFlight:
    """Makes requests in threads of their own and reports their ends. Used by the worker's thread alone.

    No request is abandoned: each call to a venue has a timeout of its own.
    """

    def __init__(self, name: str, ended: Callable[[inputs.Event | Exception], None]) -> None:
        """``ended`` is called from a request's thread with its outcome, or with what it raised."""
        self._name = name
        self._ended = ended
        self._threads: list[threading.Thread] = []
        self._under_way = 0

    @property
    def are_under_way(self) -> bool:
        """Some request's end was not handled yet."""
        return self._under_way > 0

    def begin(self, request: Request) -> None:
        """Make a request in its own thread, or in this one if the system cannot start another."""
        self._under_way += 1
        thread = threading.Thread(target=self._make, args=(request,), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._make(request)
        else:
            self._threads = [*(other for other in self._threads if other.is_alive()), thread]

    def taken(self) -> None:
        """Note that the end of a request was handled."""
        self._under_way -= 1

    def wait(self, timeout_s: float) -> bool:
        """Wait until all threads have ended; return whether they have."""
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _make(self, request: Request) -> None:
        try:
            self._ended(request())
        except Exception as error:
            self._ended(error)
