"""How a process yields to the engine."""

import os
from contextlib import suppress
from pathlib import Path

SLIGHTLY = 5
"""How much work yields that the operator waits for, in steps of the system."""
NICENESS = 10
"""How much all else yields. More of it would hardly help the engine, and stop work beside other programs."""
_SESSION = Path("/proc/self/autogroup")


def be_nice(niceness: int = NICENESS) -> None:
    """Yield to all else on this machine, the engine above all; a process that is nicer stays so.

    Linux may weigh whole sessions against one another: then niceness counts only within one, and the first
    process of a session yields for all of it (sched(7), "The autogroup feature").
    """
    if os.getpriority(os.PRIO_PROCESS, 0) < niceness:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            _SESSION.write_text(str(niceness), encoding="ascii")
