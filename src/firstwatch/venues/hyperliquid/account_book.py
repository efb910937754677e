"""The adapter's memory of one account: its orders by id, and the fills already seen."""

from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, TypeVar

from firstwatch.trading.account import Funding
from firstwatch.trading.orders import Fill
from firstwatch.venues.hyperliquid.decoder import AccountSaid
from firstwatch.venues.hyperliquid.parse import Footprint

NEVER_S, FOREVER_S = float("-inf"), float("inf")
_MOST_FILLS = 20_000
_MOST_ORDERS = 20_000


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Rows(Generic[Row]):
    """All rows from a time on, up to the moment when the account looked so."""

    since_ms: int
    footprint: Footprint
    rows: list[Row]
    read_ms: int = 0
    """Venue time before which they were not read."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """A ``clearinghouseState``, and when it was read by the gateway's clock."""

    state: AccountSaid
    read_at_s: float


@dataclass(slots=True)
class _Filled:
    amount: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)


@dataclass(slots=True)
class AccountBook:
    """Lives in the gateway's loop. Nothing in here is needed for safety: the venue is asked again."""

    account: str
    is_streamed: bool = False
    """The venue has confirmed that it streams this account's fills and orders."""
    streamed_from_ms: int = 0
    """Venue time at which that began."""
    mute_at_s: float = FOREVER_S
    """When its stream counts as silent and is subscribed again, unless a message arrives before."""
    is_mute: bool = False
    """Its subscribers know that its stream is silent."""
    actions_left: int | None = None
    """Orders and cancels that the venue still accepts, as last read; None: not read yet."""
    actions_at_s: float = NEVER_S
    """When that was read."""
    sizes: dict[str, Decimal] = field(default_factory=dict)
    """Signed position by coin, as last compared or as the last fill left it."""
    external: dict[str, Decimal] | None = None
    """Signed amounts held in markets without a subscriber, by symbol, as last delivered; None: not yet."""
    other_exchanges: dict[str, Decimal] | None = None
    """Signed position by coin in the venue's other exchanges; None: they were not looked at yet."""
    external_due_s: float = 0.0
    """When they are to be looked at next, and the account's kind to be asked for."""
    compared: Footprint | None = None
    compared_at_ms: int = 0
    fills: "Rows[tuple[str, Fill]] | None" = None
    """The fills that were read last, each with the coin."""
    funding: "Rows[Funding] | None" = None
    checked_at_s: float = NEVER_S
    """When the account was last compared with what was delivered; ``NEVER_S``: do it at once."""
    is_compared_now: bool = False
    external_orders: frozenset[str] = frozenset()
    """Open orders by the venue's id that no run has sent, as last read."""
    orders_at_s: float = FOREVER_S
    """When they are read again."""
    orders_read_at_s: float = NEVER_S
    full_at_s: float = 0.0
    fills_since_ms: int = 0
    """Venue time from which on fills are read when some may have been missed."""
    open_orders: dict[str, str] = field(default_factory=dict)
    """Symbol by client order id of our orders that may be open."""
    _delivered: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _seen: set[str] = field(default_factory=set)
    _filled: OrderedDict[str, _Filled] = field(default_factory=OrderedDict)
    _client_ids: OrderedDict[str, str | None] = field(default_factory=OrderedDict)

    def know_order(self, order_id: str, client_order_id: str | None) -> None:
        """Record which order has that venue order id; None: an external order."""
        if order_id:
            self._client_ids[order_id] = client_order_id
            _trim(self._client_ids, _MOST_ORDERS)

    def knows_order(self, order_id: str) -> bool:
        return order_id in self._client_ids

    def client_order_id(self, order_id: str) -> str | None:
        return self._client_ids.get(order_id)

    def see_fill(self, order_id: str, fill: Fill) -> None:
        """Count a fill to its order, once."""
        key = f"{fill.time_ms}-{fill.fill_id}"
        if key in self._seen:
            return
        if len(self._seen) > _MOST_FILLS:
            self._seen.clear()
            self._filled.clear()
        self._seen.add(key)
        filled = self._filled.setdefault(order_id, _Filled())
        filled.amount += fill.amount
        filled.cost += fill.amount * fill.price

    def is_undelivered(self, fill: Fill) -> bool:
        """Return whether this fill was not delivered yet, and mark it as delivered."""
        key = f"{fill.time_ms}-{fill.fill_id}"
        if key in self._delivered:
            return False
        self._delivered[key] = None
        _trim(self._delivered, _MOST_FILLS)
        return True

    def filled(self, order_id: str) -> Decimal:
        """Return how much of an order the fills that were seen make."""
        known = self._filled.get(order_id)
        return Decimal(0) if known is None else known.amount

    def average(self, order_id: str, filled: Decimal) -> Decimal | None:
        """Return the average price of an order; None: not all of its fills were seen."""
        known = self._filled.get(order_id)
        if known is None or known.amount != filled or not filled:
            return None
        return known.cost / known.amount


def _trim(table: OrderedDict[str, None] | OrderedDict[str, str | None], most: int) -> None:
    while len(table) > most:
        table.popitem(last=False)
