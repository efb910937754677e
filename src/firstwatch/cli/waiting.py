"""Waiting for the engine, with signals handled at once."""

import math
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from firstwatch.engine.host.process import set_by_signals
from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import CommandView
from firstwatch.trading.commands import Command, CommandOutcome
from firstwatch.trading.errors import FirstwatchError, RefusedError

_LOOK_S = 0.05
_FINISHED = (CommandOutcome.DONE, CommandOutcome.REFUSED, CommandOutcome.EXPIRED)


def stopped_by_signals() -> AbstractContextManager[threading.Event]:
    """Return an event that SIGINT, SIGTERM and SIGHUP set while the block runs."""
    return set_by_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def until(is_so: Callable[[], bool], stop: threading.Event, *, deadline_s: float = math.inf) -> bool:
    """Wait until ``is_so`` returns True; return False if ``stop`` was set or the deadline passed before.

    ``deadline_s``: a moment of ``time.monotonic``.
    """
    while not is_so():
        if stop.wait(_LOOK_S) or time.monotonic() > deadline_s:
            return False
    return True


def answered(
    manager: RunManager, number: int, stop: threading.Event, *, deadline_s: float = math.inf
) -> CommandView:
    """Wait for the outcome of a command; return it as it is then, finished or not."""
    until(lambda: manager.command(number).outcome in _FINISHED, stop, deadline_s=deadline_s)
    return manager.command(number)


def performed(
    manager: RunManager, command: Command, stop: threading.Event, *, deadline_s: float = math.inf
) -> CommandView:
    """Submit a command and wait for its outcome; ``deadline_s``: a moment of ``time.monotonic``.

    Raises:
        RefusedError: the engine refused it, or it expired before an engine picked it up.
        FirstwatchError: the wait was interrupted or too long; the command may still be performed.
    """
    found = answered(manager, manager.submit(command), stop, deadline_s=deadline_s)
    if found.outcome not in _FINISHED:
        why = "Interrupted" if stop.is_set() else f"No answer in time: {manager.engine().sentence}"
        raise FirstwatchError(f"{why}; command {found.command_id} ({command.kind}) may still be performed.")
    if found.outcome is not CommandOutcome.DONE:
        raise RefusedError(found.sentence)
    return found
