"""How processes yield to the engine."""

import os
from contextlib import suppress
from pathlib import Path

NICENESS = 10
"""How much they yield, in steps of the system. More would hardly help the engine, and stop them elsewhere."""
_SESSION = Path("/proc/self/autogroup")


def be_nice() -> None:
    """Yield to all else on this machine, the engine above all; a process that is nicer stays so.

    Linux may weigh whole sessions against one another: then niceness counts only within one, and the first
    process of a session yields for all of it (sched(7), "The autogroup feature").
    """
    if os.getpriority(os.PRIO_PROCESS, 0) < NICENESS:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            _SESSION.write_text(str(NICENESS), encoding="ascii")
