"""What the processes of this program have in common: privacy of their files and memory, and signals."""

import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType


def keep_private() -> None:
    """Create files for their owner only, and forbid core dumps: keys may be in memory."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextmanager
def set_by_signals(*numbers: signal.Signals) -> Iterator[threading.Event]:
    """Give an event that these signals set while the block runs. For the main thread.

    A thread sets it: a handler runs between two steps of the main thread, which may just hold the event's
    lock, and would wait for it for ever.
    """
    event = threading.Event()
    # Its ``put`` may interrupt another one, as in a handler.
    arrived: SimpleQueue[bool] = SimpleQueue()

    def note(_number: int, _frame: FrameType | None) -> None:
        arrived.put(True)

    def set_event() -> None:
        while arrived.get():
            event.set()

    setter = threading.Thread(target=set_event, name="signals", daemon=True)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        setter.start()
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if setter.is_alive():
            arrived.put(False)
            setter.join()
