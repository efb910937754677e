"""The process of the first watch (``python -m firstwatch.engine.host.watch_daemon``).

It reads the store and writes rows of the watch; it has no access to venues or keys.
"""

import logging
import os
import signal
import sys
import threading
from types import FrameType

from firstwatch.engine.host.background import log_handler
from firstwatch.engine.host.process import keep_private
from firstwatch.engine.host.watch_keeper import WATCH_LOG_FILE
from firstwatch.engine.niceness import be_nice
from firstwatch.settings import load_settings
from firstwatch.store.database import open_store
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import FirstwatchError
from firstwatch.watch.process import Watcher

_SWITCH_S = 0.000_5
"""A tenth of Python's own: after each statement the writing thread waits for the one that computes tables,
and the engine waits for the writing one."""

_log = logging.getLogger(__name__)


def _end(_number: int, _frame: FrameType | None) -> None:
    # At once: an error raised where the main thread is may be lost, as in a callback of the interpreter.
    # A transaction that is open is rolled back.
    os._exit(0)


def _end_with_parent() -> None:
    """Exit when the engine has ended in whatever way, which closes its end of the pipe."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Watch the runs of the environment's data folder until the engine ends; return the exit code."""
    keep_private()
    be_nice()
    sys.setswitchinterval(_SWITCH_S)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        settings = load_settings()
        logging.basicConfig(
            level=settings.log.level.upper(),
            handlers=[log_handler(settings.home / WATCH_LOG_FILE)],
            force=True,
        )
        store = open_store(settings.home)
        try:
            Watcher(store, settings, SystemClock()).run(threading.Event())
        finally:
            store.close()
    except FirstwatchError as error:
        _log.error("%s", error)
        return error.exit_code
    except Exception:
        _log.exception("the first watch failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
