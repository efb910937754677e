"""The ``ccxt.pro`` client as this program uses it: nothing implicit, one budget, answers as they came.

This module imports ccxt (half a second, a hundred megabytes): only the gateway's thread imports it.
"""

import asyncio
import gc
import json
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

import aiohttp
import ccxt.pro

from firstwatch.trading.errors import VenueError, said
from firstwatch.venues.hyperliquid.budget import PRIORITY, Budget, weight_of, weight_of_answer
from firstwatch.venues.hyperliquid.clock import VenueWall
from firstwatch.venues.hyperliquid.decoder import malformed, parsed
from firstwatch.venues.hyperliquid.patience import MOST_S, Patience
from firstwatch.venues.protocol import FENCE

# ccxt is a quarter of a million objects that stay. A full collection goes through them each time and stops
# every thread for a tenth of a second: the screen, and the orders of all runs.
gc.freeze()

_LONGEST = 200
_UNREADABLE = " 422 "
_BEFORE_STATUS = re.compile(r"^hyperliquid (GET|POST) \S+ ")
"""What ccxt says before an HTTP status; after it may stand the page of a proxy, from its first ``<`` on."""
_KIND: ContextVar[str] = ContextVar("hyperliquid_kind", default="")
"""Kind of the current task's request; ``Patience`` keeps answer times by kind."""
_ACTS: ContextVar[bool] = ContextVar("hyperliquid_acts", default=False)
"""The current task's request changes something at the venue."""
_SENT_MS: ContextVar[int | None] = ContextVar("hyperliquid_sent_ms", default=None)
"""Wall time at which the current task's request was let go."""
_FAILURES = (ccxt.BaseError, aiohttp.ClientError, OSError, ValueError, TimeoutError)


class HyperliquidClient(ccxt.pro.hyperliquid):  # type: ignore[misc]
    """ccxt's client without what it does unasked, and without its own idea of the rate limit."""

    def __init__(
        self,
        *,
        api_url: str,
        ws_url: str,
        is_mainnet: bool,
        budget: Budget,
        wall_ms: Callable[[], int],
        elapsed_s: Callable[[], float],
        on_stream: Callable[[Any], None],
        on_stream_end: Callable[[str], None],
    ) -> None:
        """Make a client that knows no key.

        ``on_stream`` gets every message, in the order of arrival; one that is no JSON as the text that it is.
        """
        self._budget = budget
        self._wall_ms = wall_ms
        self.wall = VenueWall(wall_ms, elapsed_s)
        self.patience = Patience()
        self._api_url = api_url
        self._on_stream = on_stream
        self._on_stream_end = on_stream_end
        api = {"public": api_url, "private": api_url, "ws": {"public": ws_url}}
        super().__init__(
            {
                "timeout": round(2_000 * MOST_S),
                "urls": {"api": api, "test": api},
                "options": {
                    "sandboxMode": not is_mainnet,
                    "fetchMarkets": {"types": ["swap"]},
                    "maxRetriesOnFailure": 0,
                },
            }
        )
        # fetchCurrencies would be a second request, for names that are not used.
        self.has["fetchCurrencies"] = False

    def open(self, *how: Any, **named: Any) -> None:
        """Open the HTTP session; it follows no redirect, whose end says nothing of what was asked here."""
        super().open(*how, **named)
        if self.session is not None and not self.session.trace_configs:
            tracing = aiohttp.TraceConfig()
            tracing.on_request_redirect.append(_refuse_redirect)
            tracing.freeze()
            self.session.trace_configs.append(tracing)

    async def initialize_client(self) -> bool:
        """Send nothing: ccxt would approve its own builder fee and set its own referrer here."""
        return True

    def calculate_rate_limiter_cost(
        self, api: Any, method: Any, path: str, params: dict[str, Any], config: Any = None
    ) -> float:
        return weight_of(path, params)

    async def throttle(self, cost: float | None = None) -> None:
        await self._budget.take(1.0 if cost is None else cost, PRIORITY.get())
        _SENT_MS.set(self._wall_ms())

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Make one request that has waited for its turn.

        ``FENCE`` is called first if the request acts. ``Patience`` gives the timeout of its answer.
        """
        kind, clock = _KIND.get(), asyncio.get_running_loop().time
        if _ACTS.get():
            FENCE.get()()
        began_s = clock()
        try:
            async with asyncio.timeout(self.patience.limit_s(kind)):
                answer = await super().fetch(url, method, headers, body)
        except TimeoutError as error:
            self.patience.silent(kind)
            raise ccxt.RequestTimeout(f"{clock() - began_s:.1f}") from error
        self.patience.answered(kind, clock() - began_s)
        return answer

    def handle_errors(  # noqa: PLR0917 - as ccxt calls it
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Any,
        body: str,
        response: Any,
        request_headers: Any,
        request_body: Any,
    ) -> None:
        """Translate nothing: ``answers`` reads what the venue said, an HTTP error stays an exception."""
        if code == 429:
            self._budget.drain()
        if (sent_ms := _SENT_MS.get()) is not None:
            self.wall.answered((headers or {}).get("Date"), sent_ms)

    async def listed_markets(self) -> list[dict[str, Any]]:
        """Return ccxt's structures of all perpetual markets of the first exchange of the venue.

        Raises:
            VenueError: the venue cannot be asked or understood.
        """
        _KIND.set("metaAndAssetCtxs")
        _ACTS.set(False)
        try:
            markets = await self.load_markets()
            return [market for market in markets.values() if market["swap"]]
        except _FAILURES as error:
            raise VenueError(self._sentence(error)) from error
        except Exception as error:
            # The library reads the answer, and breaks in many ways on one that is not as it should be.
            raise malformed("its markets", error) from error

    async def ask(self, request: dict[str, Any]) -> Any:
        """Return the answer to an info request.

        Raises:
            VenueError: the venue cannot be asked, or answers nothing that is JSON.
        """
        _KIND.set(str(request.get("type")))
        _ACTS.set(False)
        try:
            answer = await self.publicPostInfo(request)
            if isinstance(answer, str):
                # One text or number alone, or what is no document.
                answer = parsed(answer)
        except _FAILURES as error:
            raise VenueError(self._sentence(error)) from error
        self._budget.charge(weight_of_answer("info", request, answer))
        return answer

    async def act(self, request: dict[str, Any]) -> Any:
        """Send a signed action once and return the venue's answer.

        Raises:
            VenueError: the outcome is in doubt.
            FirstwatchError: ``FENCE`` does not allow this process to act; nothing was sent.
        """
        _KIND.set(f"action {request.get('action', {}).get('type')}")
        _ACTS.set(True)
        try:
            return await self.privatePostExchange(request)
        except _FAILURES as error:
            if type(error) is ccxt.ExchangeError and _UNREADABLE in str(error):
                # The venue could not even read the request: it did not execute.
                return {"status": "err", "response": str(error)}
            raise VenueError(self._sentence(error)) from error

    def _sentence(self, error: Exception) -> str:
        cause = error.__cause__
        where = f"Hyperliquid at {self._api_url}"
        if isinstance(cause, ssl.SSLError | aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
            why = f"has a certificate that is not trusted ({said(cause)})"
            return f"{where} {why}; check api_url and this machine."
        if isinstance(cause, _RedirectError):
            return (
                f"{where} sends the request elsewhere ({cause}), which is not followed; check api_url and the"
                " network."
            )
        if isinstance(error, ccxt.RequestTimeout):
            return f"{where} did not answer within {error} s."
        if isinstance(error, ccxt.RateLimitExceeded):
            return f"{where} says that there are too many requests; they are slowed down."
        if isinstance(cause, aiohttp.ClientConnectionError):
            return f"{where} cannot be reached ({said(cause)}); check the network and api_url."
        if isinstance(error, json.JSONDecodeError):
            return f"{where} answered what is not JSON; a proxy may stand between it and this machine."
        return f"{where} failed: {_BEFORE_STATUS.sub('', said(error)).split('<', 1)[0].rstrip()[:_LONGEST]}"

    # --- the stream ------------------------------------------------------------------------------

    async def connect_stream(self) -> None:
        """Open the stream's connection; ``on_stream_end`` is called at its end."""
        client = self.client(self._stream_url)
        # The library's own reader ends for good, and says nothing, at the first frame that is no JSON.
        client.handle_text_or_binary_message = partial(self._hear_frame, client)
        await client.connect(self.session)

    async def send_stream(self, message: dict[str, Any]) -> None:
        await self.client(self._stream_url).send(message)

    async def drop_stream(self) -> None:
        """Close the stream's connection, whatever state it is in."""
        client = self.clients.pop(self._stream_url, None)
        if client is not None:
            await client.close()

    @property
    def _stream_url(self) -> str:
        return str(self.urls["api"]["ws"]["public"])

    def _hear_frame(self, client: Any, frame: str | bytes) -> None:
        """Hand every message on as it is: ccxt's caches change later, and its futures come late."""
        try:
            message = parsed(frame)
        except ValueError:
            message = frame
        if isinstance(message, dict) and message.get("channel") == "pong":
            self.handle_pong(client, message)
        else:
            self._on_stream(message)

    def parse_json(self, http_response: str) -> Any:
        """Return what a document says, or None: the library then returns the text, which ``ask`` reads."""
        with suppress(ValueError):
            if http_response[:1] in ("{", "["):
                return parsed(http_response)
        return None

    def on_error(self, client: Any, error: Any) -> None:
        super().on_error(client, error)
        self._on_stream_end(said(error))

    def on_close(self, client: Any, error: Any) -> None:
        super().on_close(client, error)
        self._on_stream_end(f"the venue closed the connection ({said(error)})")


class _RedirectError(aiohttp.ClientError):
    """The answer sends the request to another address."""


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: Any, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    raise _RedirectError(f"HTTP {redirect.response.status}")
