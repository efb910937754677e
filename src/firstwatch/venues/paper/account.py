"""Accounts, positions and orders of the paper venue: plain state, to and from JSON without loss."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from firstwatch.trading.fields import fields_of
from firstwatch.trading.orders import OrderKind, OrderReport, OrderSide, OrderState


@dataclass(slots=True)
class PaperOrder:
    """One order at the venue. Amounts are whole counts of the market's amount step."""

    client_order_id: str
    number: int
    """Place in the queue: the lowest number executes first."""
    account: str
    symbol: str
    side: OrderSide
    kind: OrderKind
    steps: int
    reduce_only: bool
    price: Decimal | None
    """Limit price; for market and stop orders the worst price."""
    trigger_price: Decimal | None
    ready_ms: int
    """Venue time from which a market order may execute: sent plus latency."""
    updated_ms: int
    state: OrderState = OrderState.ACCEPTED
    filled_steps: int = 0
    average_price: float = 0.0
    is_triggered: bool = False
    """The price has passed the stop's trigger, and its remainder waits for volume."""
    reason: str = ""
    volume_bar_ms: int = -1
    """The bar in which ``volume_steps`` were filled."""
    volume_steps: int = 0

    @property
    def venue_order_id(self) -> str:
        """The venue's own id: the order's number."""
        return str(self.number)

    @property
    def rest(self) -> int:
        """Amount steps not filled yet."""
        return self.steps - self.filled_steps

    @property
    def waits_for_price(self) -> bool:
        """The order executes at the next price, as a market order does."""
        return self.kind is OrderKind.MARKET or self.is_triggered

    def report(self, amount_step: Decimal) -> OrderReport:
        """Return the venue's report of this order. ``amount_step``: the market's, in base coin."""
        return OrderReport(
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            account=self.account,
            symbol=self.symbol,
            side=self.side,
            kind=self.kind,
            state=self.state,
            amount=self.steps * amount_step,
            filled=self.filled_steps * amount_step,
            reduce_only=self.reduce_only,
            time_ms=self.updated_ms,
            price=self.price,
            trigger_price=self.trigger_price,
            average_price=exact(self.average_price) if self.filled_steps else None,
            reason=self.reason,
        )

    def to_json(self) -> str:
        """Return the order as a JSON object."""
        return json.dumps(fields_of(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "PaperOrder":
        """Return the order that ``to_json`` wrote."""
        plain: dict[str, Any] = json.loads(text)
        for name in ("price", "trigger_price"):
            plain[name] = None if plain[name] is None else Decimal(plain[name])
        plain["side"] = OrderSide(plain["side"])
        plain["kind"] = OrderKind(plain["kind"])
        plain["state"] = OrderState(plain["state"])
        return cls(**plain)


@dataclass(slots=True)
class PaperPosition:
    """The position of an account; ``sign`` 0 is flat. Prices and money are float64 as in the core."""

    sign: int = 0
    steps: int = 0
    entry_price: float = 0.0
    margin: float = 0.0
    """Isolated margin left, in quote: entry price x quantity / leverage, less funding paid."""
    entered_bar_ms: int = -1
    """The bar of the last opening fill: its gap test waits until protection could be placed."""
    limit_bar_ms: int = -1
    """The bar in whose range an entry limit last filled: its range does not test targets."""


@dataclass(slots=True)
class PaperAccount:
    """Money and position of an account."""

    name: str
    cash: Decimal = Decimal(0)
    """Realised PnL less fees and funding, in quote; without ``deposits``."""
    leverage: Decimal = Decimal(1)
    position: PaperPosition = field(default_factory=PaperPosition)
    deposits: Decimal = Decimal(0)
    """Sum of the deposits, in quote. They are rows of the store, read again each time, not stored here."""

    def to_json(self) -> str:
        """Return the account as a JSON object, without its deposits."""
        plain = {**fields_of(self), "position": fields_of(self.position)}
        del plain["deposits"]
        return json.dumps(plain, default=str)

    @classmethod
    def from_json(cls, text: str) -> "PaperAccount":
        """Return the account that ``to_json`` wrote, with deposits of 0."""
        plain: dict[str, Any] = json.loads(text)
        return cls(
            name=plain["name"],
            cash=Decimal(plain["cash"]),
            leverage=Decimal(plain["leverage"]),
            position=PaperPosition(**plain["position"]),
        )


def exact(value: float) -> Decimal:
    """Return the shortest decimal that reads back as ``value``."""
    return Decimal(repr(value))
