"""First step of every process of this program: its files and memory stay private."""

import os
import resource


def keep_private() -> None:
    """Create files for their owner only, and forbid core dumps: keys may be in memory."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
