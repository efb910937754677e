"""What every process of this program does first: it leaves nothing of its own for others to read."""

import os
import resource


def keep_private() -> None:
    """Let files that are made be their owner's alone, and forbid core dumps: keys may be in memory."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
