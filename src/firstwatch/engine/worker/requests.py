"""The requests of one run that are under way: each in a thread of its own, so that none waits for another."""

import threading
from collections.abc import Callable

from firstwatch.engine.core import inputs

Request = Callable[[], inputs.Event]
"""One or more calls to the venue on behalf of one effect, and its outcome."""


class RequestsInFlight:
    """Makes requests aside and hands over how each has ended. Used by the worker's thread alone.

    Nothing here gives a request up: each call to a venue has a timeout of its own.
    """

    def __init__(self, name: str, land: Callable[[inputs.Event | Exception], None]) -> None:
        """``land`` is called from a request's thread with its outcome, or with what it raised."""
        self._name = name
        self._land = land
        self._threads: list[threading.Thread] = []
        self._under_way = 0

    @property
    def are_under_way(self) -> bool:
        """How some request has ended was not taken in yet."""
        return self._under_way > 0

    def begin(self, request: Request) -> None:
        """Make a request aside; here and now where the machine gives no thread for it."""
        self._under_way += 1
        thread = threading.Thread(target=self._fly, args=(request,), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._fly(request)
        else:
            self._threads = [*(other for other in self._threads if other.is_alive()), thread]

    def taken(self) -> None:
        """Note that what a request has come to was taken in."""
        self._under_way -= 1

    def wait(self, timeout_s: float) -> bool:
        """Wait until all threads have ended and tell whether they have."""
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _fly(self, request: Request) -> None:
        try:
            self._land(request())
        except Exception as error:
            self._land(error)
