"""A Hyperliquid venue in front of a loopback server, and a wallet's key."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from eth_account import Account

from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.ids import client_order_id
from firstwatch.trading.orders import OrderIntent, OrderKind, OrderPurpose, OrderSide
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.venue import HyperliquidVenue
from firstwatch.venues.protocol import VenueEvent
from firstwatch.venues.signer import KeyKind, KeyMissingError, Signature
from tests.loopback import Coin, Loopback

START_MS = 1_704_067_200_000
SYMBOL = "BTC/USDC:USDC"
RUN = "0123456789abcdef"
BUY, SELL = OrderSide.BUY, OrderSide.SELL
MARKET, LIMIT, STOP = OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP
PATIENCE_S = 8.0


class LocalSigner:
    """A key in a test's hands."""

    def __init__(self, number: int, account: str | None = None) -> None:
        self._key = Account.from_key(number.to_bytes(32, "big"))
        self.address = self._key.address.lower()
        self.account = account or self.address
        self.kind = KeyKind.MASTER if account is None else KeyKind.AGENT

    def sign_digest(self, digest: bytes) -> Signature:
        signed = self._key.unsafe_sign_hash(digest)
        return Signature(signed.r, signed.s, signed.v)


def wait_for(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Return what the condition returns as soon as that is true."""
    until_s = time.monotonic() + patience_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < until_s, "it did not happen in time"
        time.sleep(0.01)


def flat_bars(count: int, price: float = 100.0) -> list[Bar]:
    return [Bar(START_MS + n * 60_000, price, price, price, price, 10.0) for n in range(count)]


@dataclass
class Wallets:
    """Who signs for which account."""

    signers: dict[str, LocalSigner] = field(default_factory=dict)
    """By account: the one that was added last signs for it."""
    keys: dict[str, LocalSigner] = field(default_factory=dict)
    """By the key's own address."""

    def add(self, signer: LocalSigner) -> LocalSigner:
        self.signers[signer.account] = self.keys[signer.address] = signer
        return signer

    def __call__(self, account: str, key: str | None = None) -> LocalSigner:
        signer = self.signers.get(account) if key is None else self.keys.get(key)
        if signer is None:
            raise KeyMissingError(f"no key {key or ''} for {account}")
        return signer


class LiveRig:
    """One venue, one loopback server, one funded account with its own key."""

    def __init__(self, *, bars: list[Bar] | None = None, clock: str | float = 1.0, history: int = 5, **more):
        server = {name: more.pop(name) for name in ("weight_limit", "rules", "network") if name in more}
        self.coin = more.pop("coin", None) or Coin("BTC", 3, 20, bars=bars or flat_bars(60))
        self.server = Loopback([self.coin], clock=clock, history=history, **server).start()
        self.wallets = Wallets()
        self.signer = self.wallets.add(LocalSigner(7))
        self.account = self.signer.account
        self.server.fund(self.account, 100_000)
        self.events: list[VenueEvent] = []
        self._more = more
        self._number = 0
        self.venue = self.open()

    def open(self) -> HyperliquidVenue:
        return HyperliquidVenue(
            "hl",
            api_url=self.server.url,
            ws_url=self.server.ws_url,
            is_mainnet=self.server.network == "mainnet",
            signer_of=self.wallets,
            clock=SystemClock(),
            **self._more,
        )

    def restart(self) -> None:
        """Let the process die: everything in memory is gone."""
        self.venue.close()
        self.venue = self.open()

    def listen(self, account: str | None = None, after_ms: int | None = None):
        self.subscription = self.venue.subscribe(
            account or self.account, SYMBOL, Timeframe.M1, self.events.append, after_ms=after_ms
        )
        wait_for(lambda: self.of("StreamRestored"))
        return self.subscription

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if type(event).__name__ == kind]

    def intent(self, side, kind, amount, *, price=None, trigger=None, reduce_only=False, account=None):
        self._number += 1
        return OrderIntent(
            client_order_id(RUN, self._number),
            RUN,
            account or self.account,
            SYMBOL,
            OrderPurpose.EXIT if reduce_only else OrderPurpose.ENTRY,
            side,
            kind,
            Decimal(amount),
            reduce_only,
            None if price is None else Decimal(price),
            None if trigger is None else Decimal(trigger),
        )

    def prepared(self, *args, **kwargs):
        return self.venue.prepare(self.intent(*args, **kwargs))

    def send(self, *args, **kwargs):
        """Send an order; return its client order id and the outcome."""
        prepared = self.prepared(*args, **kwargs)
        return prepared.client_order_id, self.venue.send(prepared)

    def order(self, key: str):
        return self.venue.order(self.account, SYMBOL, key)

    def position(self):
        return self.venue.position(self.account, SYMBOL)

    def close(self) -> None:
        self.venue.close()
        self.server.stop()
