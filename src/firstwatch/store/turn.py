"""A lock that threads pass in order of arrival."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class _Gate:
    """What a thread waits at: lighter than an Event, whose own lock is one thing more to wait for."""

    __slots__ = ("_lock", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        self.is_open = True
        self._lock.release()

    def wait(self) -> None:
        """Wait until it is open, or an interrupt comes."""
        self._lock.acquire()


class Turn:
    """A lock that lets waiters through in order of arrival, so that none of fifty threads starves."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[_Gate] = deque()
        self._is_taken = False
        self._owner: int | None = None

    @property
    def waiting(self) -> int:
        """Number of waiting threads."""
        return len(self._waiting)

    @contextmanager
    def taken(self, *, goes_first: bool = False) -> Iterator[None]:
        """Hold the lock for a block; ``goes_first``: take it before all threads that wait."""
        interrupt = self.take(goes_first=goes_first)
        try:
            if interrupt is not None:
                raise interrupt
            yield
        finally:
            self.give()

    def take(self, *, goes_first: bool = False) -> BaseException | None:
        """Wait for the lock; return an interrupt that came meanwhile, for the owner to raise.

        A waiter cannot leave the queue: the thread before it may already hand over to it.
        """
        me = threading.get_ident()
        if self._owner == me:
            raise RuntimeError("the thread that has the lock takes it again")
        gate: _Gate | None = None
        with self._guard:
            if self._is_taken:
                gate = _Gate()
                (self._waiting.appendleft if goes_first else self._waiting.append)(gate)
            else:
                self._is_taken = True
        interrupt: BaseException | None = None
        while gate is not None and not gate.is_open:
            try:
                gate.wait()
            except BaseException as error:
                interrupt = error
        self._owner = me
        return interrupt

    def give(self) -> None:
        """Hand the lock to the next thread, or release it."""
        with self._guard:
            self._owner = None
            if self._waiting:
                self._waiting.popleft().open()
            else:
                self._is_taken = False
