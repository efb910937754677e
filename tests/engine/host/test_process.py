"""Signals end a process in whatever place they find it."""

import signal
import threading

import pytest

from firstwatch.engine.host.process import set_by_signals


def test_a_signal_sets_the_event_and_the_handler_before_comes_back():
    before = signal.getsignal(signal.SIGUSR1)
    with set_by_signals(signal.SIGUSR1) as event:
        assert not event.is_set()
        signal.raise_signal(signal.SIGUSR1)
        assert event.wait(10)
    assert signal.getsignal(signal.SIGUSR1) is before
    assert "signals" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.timeout(30)
def test_a_signal_that_comes_while_the_event_is_asked_is_taken():
    with set_by_signals(signal.SIGUSR1) as event:
        with event._cond:
            # Where ``wait`` and ``is_set`` are for a moment, many times a second.
            signal.raise_signal(signal.SIGUSR1)
        assert event.wait(10)
