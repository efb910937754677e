"""Questions about accounts, and signed actions of an operator: one at a time and blocking.

Trading goes through the adapter (``venue``). This serves commands and screens with a key that the engine
never sees, and needs no exchange library; the engine sends the same requests through its gateway.
"""

import json
import socket
import ssl
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from http.client import HTTPException
from typing import Any, TypeVar

from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import VenueError, said
from firstwatch.venues.accounts import AccountMoney
from firstwatch.venues.hyperliquid import parse, queries
from firstwatch.venues.hyperliquid.answers import ActionAnswer, is_outside_of_window, read_answer
from firstwatch.venues.hyperliquid.budget import RATE_PER_MINUTE, Priority, take_turn, weight_of
from firstwatch.venues.hyperliquid.clock import VenueWall
from firstwatch.venues.hyperliquid.decoder import AgentSaid, RoleSaid, malformed, parsed
from firstwatch.venues.hyperliquid.queries import Query
from firstwatch.venues.nonces import NONCES
from firstwatch.venues.protocol import RefusalCode, Refused, Unknown

T = TypeVar("T")
_TIMEOUT_S = 10.0
_SHOWN = 200
_LONGEST_ANSWER = 1 << 24


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Money that came or went as the venue's ledger tells it; ``usdc`` without the fee."""

    time_ms: int
    hash: str
    kind: str
    """``withdraw internalTransfer send ...``: as the venue calls it."""
    usdc: Decimal | None
    destination: str | None
    nonce: int | None
    """Of the action that moved it, where the ledger says so."""


class AccountQueries(ABC):
    """Questions about accounts, however they reach the venue: ``_info`` puts one.

    Raises:
        VenueError: from every question, when the venue cannot be asked or understood.
    """

    def __init__(self, name: str, *, is_mainnet: bool) -> None:
        self.name = name
        self.is_mainnet = is_mainnet

    def role(self, address: str) -> RoleSaid:
        """Return what an address is to the venue."""
        return self._ask(queries.role(address))

    def agents(self, account: str) -> Sequence[AgentSaid]:
        """Return the account's named agents."""
        return self._ask(queries.agents(account)) or ()

    def approved_fee(self, account: str, builder: str) -> int:
        """Return the largest fee that the account allows the builder, in tenths of a basis point."""
        return self._ask(queries.builder_fee(account, builder)) or 0

    def money(self, account: str) -> AccountMoney:
        """Return the account's money and positions in perpetuals, and its USDC in spot."""
        money = parse.money_of(self._ask(queries.state(account)), account)
        return replace(money, spot=parse.spot_of(self._ask(queries.spot(account))))

    def time_ms(self) -> int:
        """Return the venue's time."""
        return self._ask(queries.status()).time

    def ledger(self, account: str, since_ms: int) -> tuple[LedgerEntry, ...]:
        """Return what came to and left the account from that time of the venue on, oldest first."""
        return tuple(
            LedgerEntry(
                time_ms=row.time,
                hash=row.hash,
                kind=row.delta.type,
                usdc=row.delta.amount if row.delta.usdc is None else row.delta.usdc,
                destination=None if row.delta.destination is None else row.delta.destination.lower(),
                nonce=row.delta.nonce,
            )
            for row in self._ask(queries.ledger(account, since_ms))
        )

    def kind(self, account: str) -> str:
        """Return how the venue keeps the account's money (see ``kinds``)."""
        return self._ask(queries.kind(account))

    def _ask(self, query: Query[T]) -> T:
        return query.read(self._info(query.request))

    @abstractmethod
    def _info(self, request: dict[str, Any]) -> Any:
        """Return the venue's answer to a question."""


class AccountApi(AccountQueries):
    """The venue's ``/info`` and ``/exchange``, asked one request at a time and blocking."""

    def __init__(
        self,
        name: str,
        api_url: str,
        *,
        is_mainnet: bool,
        clock: Clock,
        timeout_s: float = _TIMEOUT_S,
        weight_per_minute: float = RATE_PER_MINUTE,
    ) -> None:
        super().__init__(name, is_mainnet=is_mainnet)
        self._url = api_url.rstrip("/")
        self._clock = clock
        self.wall = VenueWall(clock.now_ms, clock.elapsed_s)
        self._timeout_s = timeout_s
        self._weight_per_minute = weight_per_minute
        # As the trading client, it takes no proxy from the environment. A redirect is not followed: what
        # is answered elsewhere says nothing of what was asked here.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)

    def act(self, signed: Callable[[int], Mapping[str, Any]]) -> tuple[Mapping[str, Any], ActionAnswer]:
        """Send the action that ``signed`` makes with a nonce; return the request and the answer.

        If the venue refuses the nonce as too old or too new, a new one is tried once: that answer gave the
        venue's time. After a nonce that was used before nothing is sent again: the action itself may have
        used it.
        """
        body = signed(NONCES.next(self.wall.now_ms))
        outcome = self.perform(body)
        if isinstance(outcome, Refused) and is_outside_of_window(outcome.reason):
            body = signed(NONCES.next(self.wall.now_ms))
            outcome = self.perform(body)
        return body, outcome

    def perform(self, body: Mapping[str, Any]) -> ActionAnswer:
        """Send a signed action, once. Only the venue's own structured answer says what became of it.

        Anything else may have happened after the venue read the request, so the outcome is in doubt.
        """
        try:
            self._wait_for_budget("exchange", body)
        except VenueError as error:
            return Refused(RefusalCode.OTHER, str(error))
        try:
            return read_answer(self._post("/exchange", body))
        except Exception as error:
            return Unknown(said(error))

    def _info(self, request: dict[str, Any]) -> Any:
        self._wait_for_budget("info", request)
        return self._post("/info", request)

    def _post(self, path: str, document: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(
            self._url + path,
            data=json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        sent_ms = self._clock.now_ms()
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                self.wall.answered(response.headers["Date"], sent_ms)
                text = response.read(_LONGEST_ANSWER + 1)
            if len(text) > _LONGEST_ANSWER:
                raise ValueError(f"it has more than {_LONGEST_ANSWER:,} bytes")
            return parsed(text)
        except urllib.error.HTTPError as error:
            raise VenueError(self._refused(error)) from error
        except (TimeoutError, HTTPException, OSError) as error:
            raise VenueError(self._unreachable(error)) from error
        except ValueError as error:
            raise malformed(f"{path} at {self.name}", str(error)) from error

    def _refused(self, error: urllib.error.HTTPError) -> str:
        if error.code == 422:
            with suppress(HTTPException, OSError, ValueError):  # a page that breaks off says nothing
                words = error.read(_SHOWN).decode(errors="replace").strip()
                return f"{self.name} does not understand the request: {words}"
        if error.code == 429:
            return f"{self.name} says that too much was asked from here; wait a minute and try again."
        if 300 <= error.code < 400:
            return (
                f"{self.name} ({self._url}) sends the request elsewhere (HTTP {error.code}), which is not"
                " followed; check api_url and the network."
            )
        return f"{self.name} ({self._url}) answers with HTTP {error.code}; try again later."

    def _wait_for_budget(self, path: str, document: Mapping[str, Any]) -> None:
        """Ask no more than the venue allows this address, whatever other processes ask."""
        priority = Priority.ORDER if path == "exchange" else Priority.WATCH
        weight = weight_of(path, document)
        take_turn(self._url, weight, priority, rate_per_minute=self._weight_per_minute)

    def _unreachable(self, error: Exception) -> str:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        where = f"{self.name} ({self._url})"
        match reason:
            case ssl.SSLCertVerificationError():
                return (
                    f"The certificate of {where} is not valid: {reason.verify_message}. Nothing was sent;"
                    " check api_url, this machine's clock, and any proxy in between."
                )
            case ssl.SSLError():
                return f"{where} does not speak TLS as it should: {reason.reason}. Check api_url."
            case socket.gaierror():
                return f"The host of {where} has no address; check api_url and this machine's network."
            case TimeoutError():
                return f"{where} did not answer within {self._timeout_s:g} s; try again later."
            case OSError() if reason.strerror:
                return f"{where} cannot be reached: {reason.strerror}. Check api_url and the network."
            case _:
                return f"{where} cannot be reached: {reason}. Check api_url and the network."


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow none: the redirect itself is the answer, an HTTP error."""
