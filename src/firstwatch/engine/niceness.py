"""How processes yield to the engine."""

import os
import time
from pathlib import Path

NICENESS = 10
"""How much they yield, in steps of the system. More would hardly help the engine, and stop them elsewhere."""
_SESSION = Path("/proc/self/autogroup")
_TRIES, _PAUSE_S = 10, 0.11
"""The kernel takes one change in 100 ms, of all processes together."""


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
