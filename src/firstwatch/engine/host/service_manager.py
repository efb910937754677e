"""Reports the state of this process to systemd (``sd_notify``), for units of ``Type=notify``."""

import os
import socket
from contextlib import suppress

READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"

_VARIABLE = "NOTIFY_SOCKET"


def notify(state: str) -> None:
    """Send one state to the service manager; do nothing without one. Never waits, never raises."""
    path = os.environ.get(_VARIABLE, "")
    if not path.startswith(("/", "@")):
        return
    # A name that begins with @ is in Linux's abstract namespace, where @ stands for a null byte.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.setblocking(False)
        channel.sendto(state.encode(), f"\0{path[1:]}" if path[0] == "@" else path)
