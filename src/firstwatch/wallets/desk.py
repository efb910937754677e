"""A few questions and signed actions of an operator to Hyperliquid, one at a time and blocking.

Trading goes through the venue's adapter. This is for what a command or a screen does with a key that the
engine never sees, and needs no exchange library; the engine puts the same questions through its gateway.
"""

import json
import socket
import ssl
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from http.client import HTTPException
from typing import Any

from firstwatch.trading.errors import VenueError
from firstwatch.venues.hyperliquid.budget import RATE_PER_MINUTE, Priority, take_turn, weight_of
from firstwatch.venues.hyperliquid.kinds import kind_of, market_name
from firstwatch.venues.hyperliquid.words import spot_of

_TIMEOUT_S = 10.0
_SHOWN = 200
_LONGEST_ANSWER = 1 << 24


@dataclass(frozen=True, slots=True)
class Role:
    """What the venue knows an address as: ``missing user agent vault subAccount``."""

    name: str
    master: str | None
    """Whose agent or sub-account it is."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent (API wallet) of an account that the venue lists."""

    name: str
    address: str
    valid_until_ms: int | None


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """A position as the venue tells it; ``amount`` is negative for a short."""

    coin: str
    amount: Decimal
    entry_price: Decimal | None
    margin: Decimal
    unrealised_pnl: Decimal
    liquidation_price: Decimal | None

    @property
    def symbol(self) -> str:
        """The market by its unified symbol."""
        return market_name(self.coin)


@dataclass(frozen=True, slots=True)
class AccountMoney:
    """Money of an account in USDC."""

    total: Decimal
    used: Decimal
    withdrawable: Decimal
    positions: tuple[HeldPosition, ...]
    spot: Decimal = Decimal(0)
    """USDC in the spot balance, where it is no margin for perpetuals."""

    @property
    def free(self) -> Decimal:
        return self.total - self.used


@dataclass(frozen=True, slots=True)
class Done:
    """The venue carried the action out."""


@dataclass(frozen=True, slots=True)
class NotDone:
    """The venue's own refusal: the action was not and will not be carried out."""

    reason: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Nobody can tell from the answer whether the action was carried out."""

    reason: str


ActionOutcome = Done | NotDone | InDoubt


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


class Inquiry(ABC):
    """Questions about accounts, however they reach the venue: ``_info`` puts one.

    Raises:
        VenueError: from every question, when the venue cannot be asked or understood.
    """

    def __init__(self, name: str, *, is_mainnet: bool) -> None:
        self.name = name
        self.is_mainnet = is_mainnet

    def role(self, address: str) -> Role:
        """Return what an address is to the venue."""
        answer = self._info({"type": "userRole", "user": address})
        try:
            data = answer.get("data") or {}
            master = data.get("user") or data.get("master")
            return Role(str(answer["role"]), None if master is None else str(master).lower())
        except (AttributeError, KeyError) as error:
            raise self._strange("userRole", answer) from error

    def agents(self, account: str) -> tuple[Agent, ...]:
        """Return the account's named agents."""
        answer = self._info({"type": "extraAgents", "user": account})
        try:
            return tuple(
                Agent(
                    str(row.get("name") or ""),
                    str(row["address"]).lower(),
                    None if row.get("validUntil") is None else int(row["validUntil"]),
                )
                for row in answer or ()
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._strange("extraAgents", answer) from error

    def approved_fee(self, account: str, builder: str) -> int:
        """Return the largest fee that the account allows the builder, in tenths of a basis point."""
        answer = self._info({"type": "maxBuilderFee", "user": account, "builder": builder})
        try:
            return int(answer or 0)
        except (TypeError, ValueError) as error:
            raise self._strange("maxBuilderFee", answer) from error

    def money(self, account: str) -> AccountMoney:
        """Return the account's money and positions in perpetuals, and its USDC in spot."""
        money = self.money_of(self._info({"type": "clearinghouseState", "user": account}))
        spot = self._info({"type": "spotClearinghouseState", "user": account})
        return replace(money, spot=spot_of(spot))

    def time_ms(self) -> int:
        """Return the venue's time."""
        answer = self._info({"type": "exchangeStatus"})
        try:
            return int(answer["time"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange("exchangeStatus", answer) from error

    def ledger(self, account: str, since_ms: int) -> tuple[LedgerEntry, ...]:
        """Return what came to and left the account from that time of the venue on, oldest first."""
        question = {"type": "userNonFundingLedgerUpdates", "user": account, "startTime": since_ms}
        answer = self._info(question)
        try:
            return tuple(_ledger_entry(row) for row in answer)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._strange("userNonFundingLedgerUpdates", answer) from error

    def kind(self, account: str) -> str:
        """Return how the venue keeps the account's money (see ``kinds``)."""
        return kind_of(self._info({"type": "userAbstraction", "user": account}))

    def money_of(self, answer: Any) -> AccountMoney:
        """Return money and positions of a ``clearinghouseState``.

        Raises:
            VenueError: it cannot be understood.
        """
        try:
            summary = answer["marginSummary"]
            held = [row["position"] for row in answer["assetPositions"]]
            return AccountMoney(
                total=Decimal(summary["accountValue"]),
                used=Decimal(summary["totalMarginUsed"]),
                withdrawable=Decimal(answer["withdrawable"]),
                positions=tuple(_position(row) for row in held if Decimal(row["szi"])),
            )
        except (AttributeError, InvalidOperation, KeyError, TypeError) as error:
            raise self._strange("clearinghouseState", answer) from error

    @abstractmethod
    def _info(self, question: Mapping[str, Any]) -> Any:
        """Return the venue's answer to a question."""

    def _strange(self, what: str, answer: object) -> VenueError:
        return VenueError(
            f"{self.name} answers {what} with something that cannot be understood: {str(answer)[:_SHOWN]}"
        )


class Desk(Inquiry):
    """The venue's two doors, ``/info`` and ``/exchange``."""

    def __init__(
        self,
        name: str,
        api_url: str,
        *,
        is_mainnet: bool,
        timeout_s: float = _TIMEOUT_S,
        weight_per_minute: float = RATE_PER_MINUTE,
    ) -> None:
        super().__init__(name, is_mainnet=is_mainnet)
        self._url = api_url.rstrip("/")
        self._timeout_s = timeout_s
        self._weight_per_minute = weight_per_minute
        # As the trading client, it takes no proxy from the environment. A redirect is not followed: what
        # is answered elsewhere says nothing of what was asked here.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)

    def perform(self, body: Mapping[str, Any]) -> ActionOutcome:
        """Send a signed action, once. Only the venue's own structured answer tells what became of it.

        Whatever else happens may happen after the venue has read the request, so that it is doubt.
        """
        try:
            self._wait_for_turn("exchange", body)
        except VenueError as error:
            return NotDone(str(error))
        try:
            answer = self._post("/exchange", body)
        except Exception as error:
            return InDoubt(str(error) or type(error).__name__)
        match answer:
            case {"status": "ok"}:
                return Done()
            case {"status": "err", "response": str(reason)}:
                return NotDone(reason)
            case _:
                return InDoubt(str(self._strange("exchange", answer)))

    def _info(self, question: Mapping[str, Any]) -> Any:
        self._wait_for_turn("info", question)
        return self._post("/info", question)

    def _post(self, path: str, document: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(
            self._url + path,
            data=json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                text = response.read(_LONGEST_ANSWER + 1)
            if len(text) > _LONGEST_ANSWER:
                raise self._strange(path, f"more than {_LONGEST_ANSWER:,} bytes")
            return json.loads(text)
        except urllib.error.HTTPError as error:
            raise VenueError(self._refused(error)) from error
        except (TimeoutError, HTTPException, OSError) as error:
            raise VenueError(self._unreachable(error)) from error
        except (ValueError, RecursionError) as error:
            raise self._strange(path, "something that is no JSON") from error

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

    def _wait_for_turn(self, path: str, document: Mapping[str, Any]) -> None:
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
                    " check api_url, this machine's clock, and who stands between."
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


def _ledger_entry(row: Mapping[str, Any]) -> LedgerEntry:
    delta = row["delta"]
    usdc, nonce = delta.get("usdc", delta.get("amount")), delta.get("nonce")
    return LedgerEntry(
        time_ms=int(row["time"]),
        hash=str(row["hash"]),
        kind=str(delta["type"]),
        usdc=None if usdc is None else Decimal(usdc),
        destination=None if delta.get("destination") is None else str(delta["destination"]).lower(),
        nonce=None if nonce is None else int(nonce),
    )


def _position(row: Mapping[str, Any]) -> HeldPosition:
    return HeldPosition(
        coin=str(row["coin"]),
        amount=Decimal(row["szi"]),
        entry_price=_maybe(row.get("entryPx")),
        margin=Decimal(row.get("marginUsed") or 0),
        unrealised_pnl=Decimal(row.get("unrealizedPnl") or 0),
        liquidation_price=_maybe(row.get("liquidationPx")),
    )


def _maybe(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
