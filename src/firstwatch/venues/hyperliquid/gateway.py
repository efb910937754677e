"""The gateway: one thread with one event loop, in which the venue's client lives.

Threads that make requests submit them and wait, with a timeout; events are delivered from the loop, and
receivers must not block.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from firstwatch.trading.errors import VenueError
from firstwatch.venues.hyperliquid.budget import PRIORITY, Priority
from firstwatch.venues.protocol import FENCE

T = TypeVar("T")
_CLOSE_S = 5.0


class Gateway:
    """Runs coroutines of one venue. ``call`` may be used from every thread but the gateway's own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    def call(self, make: Callable[[], Coroutine[Any, Any, T]], *, priority: Priority, timeout_s: float) -> T:
        """Run ``make()`` in the loop and return what it returns.

        Raises:
            TimeoutError: it did not end in time; it is cancelled.
            VenueError: the gateway is closed.
        """

        fence = FENCE.get()

        async def run() -> T:
            PRIORITY.set(priority)
            FENCE.set(fence)
            return await make()

        coroutine = run()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._running_loop(coroutine))
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError as error:
            future.cancel()
            raise TimeoutError(f"{self._name} did not answer within {timeout_s:.0f} s") from error
        except concurrent.futures.CancelledError as error:
            raise VenueError(f"The venue {self._name} was closed.") from error

    def post(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a coroutine in the loop and do not wait for it; called from any thread."""
        with self._guard:
            if self._loop is not None and not self._is_closed:
                self._loop.call_soon_threadsafe(self.spawn, make)

    def spawn(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a coroutine of the gateway's own; called in the loop."""
        task = asyncio.get_running_loop().create_task(make())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Cancel everything, run ``last`` in the loop, and end the thread. Idempotent."""
        with self._guard:
            self._is_closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return

        async def end() -> None:
            me = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not me]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await last()

        asyncio.run_coroutine_threadsafe(end(), loop).add_done_callback(
            lambda _: loop.call_soon_threadsafe(loop.stop)
        )
        thread.join(_CLOSE_S)

    def _running_loop(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._is_closed:
                coroutine.close()
                raise VenueError(f"The venue {self._name} is closed.")
            if self._loop is None:
                loop = asyncio.new_event_loop()
                self._loop = loop
                self._thread = threading.Thread(
                    target=self._run, args=(loop,), name=f"gateway {self._name}", daemon=True
                )
                self._thread.start()
            return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.close()
