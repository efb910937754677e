"""Orders, fills and prices, and the one table that moves an order's state."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from math import inf

from firstwatch.trading.errors import IllegalTransitionError
from firstwatch.trading.text import clean_fields


class Side(StrEnum):
    """The side of a position."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        """+1 for long, -1 for short."""
        return 1 if self is Side.LONG else -1

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SHORT if self is Side.LONG else Side.LONG


class OrderSide(StrEnum):
    """What an order does."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is OrderSide.BUY else -1

    @property
    def opposite(self) -> "OrderSide":
        """The other side."""
        return OrderSide.SELL if self is OrderSide.BUY else OrderSide.BUY


def opening(side: Side) -> OrderSide:
    """Return the order side that opens a position of ``side``."""
    return OrderSide.BUY if side is Side.LONG else OrderSide.SELL


def closing(side: Side) -> OrderSide:
    """Return the order side that closes a position of ``side``."""
    return opening(side).opposite


class OrderKind(StrEnum):
    """How an order executes. A market order is immediate-or-cancel within its worst price."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    """A stop-market trigger: at ``trigger_price`` of the mark it becomes a market order."""


class OrderPurpose(StrEnum):
    """Why the run has this order."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    TARGET = "target"


class OrderState(StrEnum):
    """State of an order, as far as the venue has confirmed it."""

    PENDING_SUBMIT = "PENDING_SUBMIT"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_final(self) -> bool:
        """No further fill is expected. A late fill is still booked."""
        return self in _FINAL

    @property
    def is_open(self) -> bool:
        """The venue may execute this order; one in doubt counts as open."""
        return self not in _FINAL


_FINAL = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED})

_S = OrderState
_LIVE = frozenset({_S.ACCEPTED, _S.PARTIALLY_FILLED, _S.PENDING_CANCEL, _S.FILLED, _S.CANCELED, _S.EXPIRED})

ORDER_TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    # SUBMITTED: the request has left. PENDING_SUBMIT of an earlier process is in doubt.
    _S.PENDING_SUBMIT: _LIVE | {_S.SUBMITTED, _S.REJECTED, _S.UNKNOWN},
    _S.SUBMITTED: _LIVE | {_S.REJECTED, _S.UNKNOWN},
    _S.ACCEPTED: _LIVE | {_S.REJECTED, _S.UNKNOWN},
    _S.PARTIALLY_FILLED: _LIVE | {_S.UNKNOWN},
    _S.PENDING_CANCEL: _LIVE | {_S.UNKNOWN},
    _S.UNKNOWN: _LIVE | {_S.REJECTED, _S.UNKNOWN},
    # Streams are unordered: a fill may arrive after the report of the order's end.
    _S.CANCELED: frozenset({_S.FILLED, _S.CANCELED}),
    _S.EXPIRED: frozenset({_S.FILLED, _S.CANCELED}),
    _S.FILLED: frozenset(),
    _S.REJECTED: frozenset(),
}


def move_order(current: OrderState, new: OrderState) -> OrderState:
    """Return ``new`` if the table allows the move from ``current``.

    Raises:
        IllegalTransitionError: the table does not hold the move.
    """
    if new not in ORDER_TRANSITIONS[current]:
        raise IllegalTransitionError(f"an order cannot go from {current} to {new}")
    return new


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """An order to send, stored before its request is made. Amounts in base, prices in quote."""

    client_order_id: str
    """32 lower-case hex characters, the first 16 the run's (see ``ids``)."""
    run_id: str
    account: str
    symbol: str
    purpose: OrderPurpose
    side: OrderSide
    kind: OrderKind
    amount: Decimal
    reduce_only: bool
    price: Decimal | None = None
    """Limit price; for market and stop orders the worst price, beyond which nothing may fill."""
    trigger_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The venue's report on one order."""

    client_order_id: str | None
    venue_order_id: str
    account: str
    symbol: str
    side: OrderSide
    kind: OrderKind
    state: OrderState
    amount: Decimal
    filled: Decimal
    reduce_only: bool
    time_ms: int
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    average_price: Decimal | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        clean_fields(self, "reason")


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. Idempotent by (venue, account, fill_id): both sides of a trade may have one id."""

    fill_id: str
    client_order_id: str | None
    """None: an external order of this account, or the venue's own (a liquidation)."""
    account: str
    symbol: str
    side: OrderSide
    amount: Decimal
    price: Decimal
    fee: Decimal
    """In quote, all included; negative is a rebate."""
    time_ms: int
    is_maker: bool = False
    is_liquidation: bool = False
    beyond_price: Decimal = Decimal(0)
    """Profit that the price does not explain, in quote: positive where a loss ended at the isolated margin,
    negative where a liquidation took all of it."""
    builder_fee: Decimal = Decimal(0)
    """The part of ``fee`` that went to a builder."""

    def __post_init__(self) -> None:
        figures = (self.amount, self.price, self.fee, self.beyond_price, self.builder_fee)
        if not all(figure.is_finite() for figure in figures) or self.amount <= 0 or self.price <= 0:
            raise ValueError(f"a fill is of an amount at a price, not of {self.amount} at {self.price}")


@dataclass(frozen=True, slots=True)
class Touch:
    """Bid, ask and mark at one moment, in quote. On a feed of bars bid and ask derive from the last price."""

    bid: float
    ask: float
    mark: float
    time_ms: int

    def __post_init__(self) -> None:
        # NaN fails every comparison.
        if not (0 < self.bid < inf and 0 < self.ask < inf and 0 < self.mark < inf):
            raise ValueError(
                f"prices should be finite and above zero, not {self.bid}, {self.ask} and {self.mark}"
            )

    @property
    def mid(self) -> float:
        """The price between bid and ask."""
        return (self.bid + self.ask) / 2
