"""The process of a background engine (``python -m firstwatch.engine.host.daemon``)."""

import gc
import logging
import os
import signal
import sys
import threading

from firstwatch.engine.host.background import READY, WAITING, announce, log_to_file
from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.host.open_store import open_and_migrate
from firstwatch.engine.host.process import keep_private, set_by_signals
from firstwatch.engine.lock import EngineHeldError
from firstwatch.settings import Settings, load_settings
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.errors import FirstwatchError

_LOOK_S = 0.05
_LOCK_WITHIN_S = 60.0
"""How long it waits for the previous process to free the engine."""

_log = logging.getLogger(__name__)


def serve(settings: Settings, stop: threading.Event, clock: Clock) -> None:
    """Wait for the engine, hold it until ``stop`` is set or a command ends it, then free it.

    Raises:
        EngineHeldError: another process did not free it in time.
        StoreError: the store cannot be used.
        FirstwatchError: the engine ended by itself.
    """
    store = open_and_migrate(settings.home)
    try:
        host = EngineHost(store, settings, clock=clock, has_watch=settings.watch.enabled)
        announce(WAITING)
        if not _start(host, stop, clock):
            return
        # What was loaded lives until the end: a full collection, which stops all threads, leaves it out.
        gc.freeze()
        announce(READY)
        _log.info("this process holds the engine, pid %d", os.getpid())
        while not (stop.is_set() or host.wait(_LOOK_S)):
            pass
        host.drain_and_stop()
        if host.failure:
            raise FirstwatchError(host.failure)
        _log.info("the engine has ended")
    finally:
        store.close()


def _start(host: EngineHost, stop: threading.Event, clock: Clock) -> bool:
    """Take the engine as soon as it is free; False: stopped before that."""
    deadline_s = clock.elapsed_s() + _LOCK_WITHIN_S
    while True:
        try:
            host.start()
        except EngineHeldError:
            if clock.elapsed_s() > deadline_s:
                raise
        else:
            return True
        if stop.wait(_LOOK_S):
            return False


def main() -> int:
    """Run a background engine on the data folder of the environment; return the exit code."""
    keep_private()
    # The terminal belongs to another process: when it closes, the engine goes on.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        settings = load_settings()
        log_to_file(settings.home, settings.log.level)
        with set_by_signals(signal.SIGTERM, signal.SIGINT) as stop:
            serve(settings, stop, SystemClock())
    except FirstwatchError as error:
        _log.error("%s", error)
        return error.exit_code
    except Exception:
        _log.exception("the engine failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
