"""The process of previews: ``python -m firstwatch.manager.preview_process DESCRIPTOR``.

It yields to all else on the machine, and ends with the process that began it.
"""

import logging
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

from firstwatch.backtest.compiling import COMPILER
from firstwatch.engine.niceness import NICENESS, weigh_session
from firstwatch.manager.preview import Previewer
from firstwatch.manager.preview_messages import Reading
from firstwatch.settings import load_settings
from firstwatch.strategy.compiled import is_installed
from firstwatch.trading.clock import SystemClock


def main() -> int:
    """Answer what comes through the socket whose descriptor is the argument, until it is closed."""
    os.umask(0o077)
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING)
    descriptor = int(sys.argv[1])
    connection = Connection(descriptor)
    threading.Thread(target=_end_with_other_side, args=(descriptor,), name="end", daemon=True).start()
    yielding = _Yielding()

    def begin_reading() -> None:
        yielding.end()
        connection.send(Reading())

    previewer = Previewer(load_settings(), SystemClock(), begin_reading=begin_reading)
    if is_installed():
        # Meanwhile the first texts are interpreted, with the same result.
        threading.Thread(target=COMPILER.load, name="loop", daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            connection.send(previewer.answer(connection.recv()))
            yielding.begin()
    return 0


class _Yielding:
    """Lets the process yield to other sessions too, but not while it loads and reads candles.

    That takes seconds, which beside busy programs would become minutes.
    """

    def __init__(self) -> None:
        self._is_on = False

    def begin(self) -> None:
        self._is_on = self._is_on or weigh_session(NICENESS)

    def end(self) -> None:
        self._is_on = self._is_on and not weigh_session(0)


def _end_with_other_side(descriptor: int) -> None:
    """End this process at once, whatever it computes, when the one that began it has closed or is gone."""
    poll = select.poll()
    poll.register(descriptor, 0)
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
