"""Streamable HTTP: stateless, with an access token in each request.

Who sends a request is found anew for each one, so a token that is revoked is of no use from then on.
"""

import ipaddress
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp, Receive, Scope, Send

from firstwatch.mcp.backend import Backend
from firstwatch.mcp.server import Context
from firstwatch.trading.agents import Caller
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.text import quoted

PATH = "/mcp"
_CALLER = "firstwatch.caller"
"""Key of the caller in the scope of a request."""
_MOST_REQUESTS = 64
"""Requests that are served at a time; more are answered with 503."""
_MOST_BYTES = 100_000
"""Size of a request's body."""
_END_WITHIN_S = 2
_LONGEST_TOKEN = 200
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_UNAUTHORISED = (
    "Send an access token: Authorization: Bearer TOKEN."
    " The operator makes one with: firstwatch mcp token create."
)


def address_of(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``.

    Raises:
        WrongUseError: it has another form.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise WrongUseError(f"{quoted(text)} is not an address: write HOST:PORT, such as 127.0.0.1:8765.")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        FirstwatchError: the system does not allow it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise FirstwatchError(
            f"The server cannot listen at {host}:{port}: {error.strerror or error}."
        ) from error


def http_app(server: Server[Any], backend: Backend, *, names: tuple[str, ...] = ()) -> ASGIApp:
    """Return the application. ``names``: hosts by which other machines reach it."""
    hosts = [*_LOOPBACK, *names]
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        max_request_body_size=_MOST_BYTES,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=[*hosts, *(f"{host}:*" for host in hosts)],
            allowed_origins=[f"http://{host}{port}" for host in hosts for port in ("", ":*")],
        ),
    )
    return BearerLayer(app, backend)


def caller_of_request(context: Context) -> Caller:
    """Return who has sent an HTTP request, as ``BearerLayer`` has found it.

    Raises:
        FirstwatchError: it has not: the request did not come through that layer.
    """
    caller = None if context.request is None else context.request.scope.get(_CALLER)
    if not isinstance(caller, Caller):
        raise FirstwatchError("This request has no caller.")
    return caller


class BearerLayer:
    """Lets only requests with a valid access token through, and notes whose it is."""

    def __init__(self, app: ASGIApp, backend: Backend) -> None:
        self._app = app
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        if scope["path"] != PATH:
            await _refuse(send, 404, f"There is nothing here; the server is at {PATH}.")
            return
        token = _token_of(scope)
        try:
            find = partial(self._backend.manager.agents.caller_of, token)
            caller = await self._backend.read(find) if token else None
        except FirstwatchError:
            await _refuse(send, 503, "The access token cannot be checked now; try again.")
            return
        if caller is None:
            await _refuse(send, 401, _UNAUTHORISED, (b"www-authenticate", b"Bearer"))
            return
        await self._app({**scope, _CALLER: caller}, receive, send)


class HttpServer(uvicorn.Server):
    """A server that leaves signals to its caller."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=_MOST_REQUESTS,
                timeout_graceful_shutdown=_END_WITHIN_S,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _token_of(scope: Scope) -> str:
    """Return the access token of a request; empty: it has none, or not exactly one."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(found) != 1 or len(found[0]) > _LONGEST_TOKEN:
        return ""
    kind, _, token = found[0].decode("latin-1").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


async def _refuse(send: Send, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
    body = json.dumps({"error": sentence}).encode()
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
