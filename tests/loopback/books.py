"""What the venue knows of an account: money, positions, orders, fills, approvals."""

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

MICRO = Decimal("0.000001")
"""Money is booked and reported in these, so that a ledger kept from the reports is the venue's own."""


def money(value: Decimal) -> Decimal:
    return value.quantize(MICRO, ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Trigger:
    is_market: bool
    price: Decimal
    is_take_profit: bool


@dataclass(slots=True)
class Order:
    oid: int
    account: str
    coin: str
    is_buy: bool
    limit: Decimal
    """Limit price; the worst price of what executes at once."""
    amount: Decimal
    rest: Decimal
    reduce_only: bool
    tif: str | None
    """None: a trigger."""
    time_ms: int
    cloid: str | None = None
    trigger: Trigger | None = None
    is_triggered: bool = False
    is_position_tpsl: bool = False
    children: list["Order"] = field(default_factory=list)
    builder: str | None = None
    builder_fee: int = 0
    """Tenths of a basis point."""
    status: str = "open"
    status_ms: int = 0
    not_before_ms: int = 0
    """A partly filled resting order waits until then for the rest."""
    average: Decimal = Decimal(0)
    by_hand: bool = False

    @property
    def sign(self) -> int:
        return 1 if self.is_buy else -1

    @property
    def is_open(self) -> bool:
        return self.status in {"open", "triggered"}

    @property
    def filled(self) -> Decimal:
        return self.amount - self.rest

    @property
    def waits_for_trigger(self) -> bool:
        return self.trigger is not None and not self.is_triggered


@dataclass(slots=True)
class Position:
    """``size`` is signed; ``margin`` is what an isolated position has of its own, less its PnL."""

    coin: str
    leverage: int
    is_isolated: bool
    size: Decimal = Decimal(0)
    entry: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    funding_paid: Decimal = Decimal(0)

    @property
    def sign(self) -> int:
        return (self.size > 0) - (self.size < 0)

    def pnl(self, mark: Decimal) -> Decimal:
        return money(self.size * (mark - self.entry))

    def liquidation_price(self, maintenance: Decimal) -> Decimal | None:
        """Return where the isolated margin is used up but for maintenance; None: nowhere."""
        if not self.size or not self.is_isolated:
            return None
        price = (self.entry - self.margin / self.size) / (1 - self.sign * maintenance)
        return price if price > 0 else None


@dataclass(frozen=True, slots=True)
class Fill:
    tid: int
    oid: int
    account: str
    coin: str
    is_buy: bool
    price: Decimal
    amount: Decimal
    time_ms: int
    start_position: Decimal
    direction: str
    closed_pnl: Decimal
    fee: Decimal
    """All included."""
    builder_fee: Decimal
    is_taker: bool
    cloid: str | None
    liquidation: dict[str, str] | None
    hash: str


@dataclass(frozen=True, slots=True)
class FundingPayment:
    account: str
    coin: str
    usdc: Decimal
    """Negative was paid."""
    size: Decimal
    rate: float
    time_ms: int
    hash: str


@dataclass(slots=True)
class Agent:
    address: str
    name: str
    """Empty: the one without a name."""
    valid_until_ms: int


@dataclass(slots=True)
class Account:
    address: str
    master: str | None = None
    """Set on a sub-account."""
    name: str = ""
    cash: Decimal = Decimal(0)
    """What is neither margin of an isolated position nor unrealised."""
    spot: Decimal = Decimal(0)
    deposits: Decimal = Decimal(0)
    """What came in less what went out: equity minus this is what trading made."""
    positions: dict[str, Position] = field(default_factory=dict)
    leverages: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Leverage and whether isolated, by coin, where set."""
    orders: dict[int, Order] = field(default_factory=dict)
    open: dict[int, Order] = field(default_factory=dict)
    cloids: dict[str, list[int]] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    funding: list[FundingPayment] = field(default_factory=list)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)
    abstraction: str = "default"
    """How the venue keeps its money: what ``userAbstraction`` answers."""
    aside: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    """Signed sizes by coin in the other exchanges of the venue, by their names."""
    orders_aside: list[tuple[str, str]] = field(default_factory=list)
    """Exchange (empty: the first) and coin of open orders in markets that are not simulated."""
    builders: dict[str, int] = field(default_factory=dict)
    """Highest fee approved, in tenths of a basis point, by builder."""
    referrer: str | None = None
    actions: int = 0
    volume: Decimal = Decimal(0)
    seen_ms: int | None = None
    """Venue time of an account as a node that is behind sees it; None: it is of now."""
    cancel_at_ms: int | None = None
    """Dead man's switch, on the wall clock."""

    def position(self, coin: str) -> Position | None:
        held = self.positions.get(coin)
        return held if held is not None and held.size else None

    def size(self, coin: str) -> Decimal:
        held = self.positions.get(coin)
        return held.size if held is not None else Decimal(0)
