"""Standard input and output as the channel to one client: the program that started this one.

Standard output carries the protocol and nothing else: whatever else is printed goes to standard error.
"""

import errno
import fcntl
import logging
import os
from contextlib import suppress
from typing import Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

_log = logging.getLogger(__name__)
_AT_ONCE = 65_536
_MOST_BYTES = 1_000_000
"""Length of a line; a client that sends a longer one is not understood any more, and the server ends."""


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one client until it ends standard input, or reads standard output no more."""
    lines = cast("anyio.AsyncFile[str]", Lines(_taken(0)))
    try:
        async with stdio_server(stdin=lines) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
    except* BrokenPipeError:
        _log.info("the client has left")


class Lines:
    """The lines of a descriptor. Waiting for one can be cancelled, which a thread that reads cannot."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = b""

    def __aiter__(self) -> "Lines":
        return self

    async def __anext__(self) -> str:
        while b"\n" not in self._kept:
            # A regular file cannot be waited for: it can always be read.
            with suppress(PermissionError):
                await anyio.wait_readable(self._descriptor)
            part = self._part()
            if part is None:
                continue
            if not part or len(self._kept) > _MOST_BYTES:
                raise StopAsyncIteration
            self._kept += part
        line, _, self._kept = self._kept.partition(b"\n")
        return line.decode("utf-8", errors="replace")

    def _part(self) -> bytes | None:
        """Return what there is to read; empty: the end; None: nothing yet."""
        try:
            return os.read(self._descriptor, _AT_ONCE)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise


def _taken(descriptor: int) -> int:
    """Return a duplicate of a descriptor that no child inherits; from now on the descriptor reads nothing."""
    own = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return own
