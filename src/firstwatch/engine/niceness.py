"""How processes yield to the engine, and how its threads come to a processor soon."""

import ctypes
import os
import platform
import sys
import time
from pathlib import Path

NICENESS = 10
"""How much they yield, in steps of the system. More would hardly help the engine, and stop them elsewhere."""
_SESSION = Path("/proc/self/autogroup")
_TRIES, _PAUSE_S = 10, 0.11
"""The kernel takes one change in 100 ms, of all processes together."""

_SLICE_NS = 500_000
"""A thread that asks for less at a time comes sooner: the engine's work between two waits is as short."""
_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
"""Numbers of ``sched_setattr(2)``, for which neither Python nor every libc has a function."""


class _SchedAttr(ctypes.Structure):
    """``struct sched_attr`` of sched_setattr(2)."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("sched_policy", ctypes.c_uint32),
        ("sched_flags", ctypes.c_uint64),
        ("sched_nice", ctypes.c_int32),
        ("sched_priority", ctypes.c_uint32),
        ("sched_runtime", ctypes.c_uint64),
        ("sched_deadline", ctypes.c_uint64),
        ("sched_period", ctypes.c_uint64),
    )


def be_nice() -> None:
    """Yield to all else on this machine, the engine above all; a process that is nicer stays so.

    Linux may weigh whole sessions against one another: then niceness counts only within one, and the first
    process of a session yields for all of it (sched(7), "The autogroup feature").
    """
    if os.getpriority(os.PRIO_PROCESS, 0) < NICENESS:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    weigh_session(NICENESS)


def weigh_session(niceness: int) -> bool:
    """Let this process's session, which it began, have another niceness beside other sessions.

    Takes up to 1 s. Return whether it has it now: it may not where the kernel does not weigh sessions.
    """
    if os.getsid(0) != os.getpid():
        return False
    for _ in range(_TRIES):
        try:
            _SESSION.write_text(str(niceness), encoding="ascii")
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        except OSError:
            break
        else:
            return True
    return False


def come_soon() -> None:
    """Let the calling thread, and those that it starts, come to a busy processor sooner, for less at a time.

    It gets no more of the processor than before. Linux from 6.12 on (Documentation/scheduler/sched-eevdf);
    older ones, and other systems, pass it over.
    """
    number = _SETATTR.get(platform.machine()) if sys.platform == "linux" else None
    if number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wished = _SchedAttr(size=ctypes.sizeof(_SchedAttr), sched_nice=nice, sched_runtime=_SLICE_NS)
    ctypes.CDLL(None).syscall(ctypes.c_long(number), ctypes.c_int(0), ctypes.byref(wished), ctypes.c_uint(0))
