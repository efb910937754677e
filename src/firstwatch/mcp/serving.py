"""One server process: a manager that holds no engine, a transport, and an end on a signal."""

import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from anyio.abc import TaskStatus

from firstwatch.manager.manager import RunManager
from firstwatch.mcp.backend import Backend
from firstwatch.mcp.http import HttpServer, caller_of_request, http_app
from firstwatch.mcp.server import make_server
from firstwatch.mcp.stdio import serve_stdio
from firstwatch.settings import Settings
from firstwatch.trading.agents import Caller

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_END_WITHIN_S = 5.0
_NICE = 10
"""How much this process yields to the engine, in steps of the system."""


def serve_on_stdio(manager: RunManager, settings: Settings, caller: Caller) -> None:
    """Serve the program that started this one, until its end of input or a signal."""
    os.nice(_NICE)
    server = make_server(Backend(manager, settings), lambda _context: caller)
    anyio.run(_until_signal, partial(serve_stdio, server))


def serve_on_http(
    manager: RunManager, settings: Settings, listening: socket.socket, *, names: tuple[str, ...] = ()
) -> None:
    """Serve all programs with an access token, until a signal. ``names``: hosts by which others reach it."""
    os.nice(_NICE)
    backend = Backend(manager, settings)
    http = HttpServer(http_app(make_server(backend, caller_of_request), backend, names=names))
    anyio.run(_until_signal, partial(http.serve, sockets=[listening]), partial(_end, http))


async def _until_signal(serve: Callable[[], Awaitable[None]], end: Callable[[], None] | None = None) -> None:
    """Serve until that ends by itself, or a signal comes. ``end``: asks it to end; None: it is cancelled."""
    async with anyio.create_task_group() as group:

        async def wait(*, task_status: TaskStatus[None]) -> None:
            with anyio.open_signal_receiver(*_SIGNALS) as signals:
                task_status.started()
                async for _number in signals:
                    _end_in_any_case()
                    if end is None:
                        group.cancel_scope.cancel()
                        return
                    end()

        await group.start(wait)
        await serve()
        group.cancel_scope.cancel()


def _end_in_any_case() -> None:
    """End this process soon, although a client does not read what a thread writes to it."""
    timer = threading.Timer(_END_WITHIN_S, os._exit, [0])
    timer.daemon = True
    timer.start()


def _end(http: HttpServer) -> None:
    http.should_exit = True
