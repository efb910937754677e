"""The engine's threads ask for short slices; where the kernel knows none, nothing changes."""

import ctypes
import os
import platform
import sys
import threading

import pytest

from firstwatch.engine import niceness

_GETATTR = {number: number + 1 for number in niceness._SETATTR.values()}


def slice_ns() -> int:
    """Return how much the calling thread asks for at a time, as the kernel says it."""
    found = niceness._SchedAttr()
    number = _GETATTR[niceness._SETATTR[platform.machine()]]
    size = ctypes.c_uint(ctypes.sizeof(found))
    assert (
        ctypes.CDLL(None).syscall(ctypes.c_long(number), 0, ctypes.byref(found), size, ctypes.c_uint(0)) == 0
    )
    return int(found.sched_runtime)


def in_a_thread(act) -> list[int]:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(act()))
    thread.start()
    thread.join()
    return found


def has_slices() -> bool:
    if sys.platform != "linux" or platform.machine() not in niceness._SETATTR:
        return False
    major, minor = (int(part) for part in platform.release().split(".")[:2])
    return (major, minor) >= (6, 12)


@pytest.mark.skipif(not has_slices(), reason="a kernel without slices of a thread's own")
def test_a_thread_and_those_that_it_starts_ask_for_short_slices() -> None:
    def act() -> list[int]:
        before, nice = slice_ns(), os.getpriority(os.PRIO_PROCESS, 0)
        niceness.come_soon()
        assert os.getpriority(os.PRIO_PROCESS, 0) == nice
        return [before, slice_ns(), *in_a_thread(lambda: [slice_ns()])]

    before, after, started = in_a_thread(act)
    assert after == started == niceness._SLICE_NS
    assert before > after
    assert slice_ns() == before, "another thread's is as it was"


@pytest.mark.parametrize(("name", "value"), [("platform", "darwin"), ("_SETATTR", {})])
def test_elsewhere_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("the system was asked")

    monkeypatch.setattr(sys if name == "platform" else niceness, name, value)
    monkeypatch.setattr(niceness.ctypes, "CDLL", refuse)
    niceness.come_soon()
