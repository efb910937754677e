"""All state of a run's core; serialised as JSON it is the checkpoint.

Intentions are state too (close this, cancel that, read the position), and each step derives its effects from
them. So a crash between two steps loses nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from operator import attrgetter
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter

from firstwatch.strategy.core_state import CoreState
from firstwatch.trading.account import Funding
from firstwatch.trading.bar import Bar
from firstwatch.trading.hazards import ALARMS_ONLY, Policy
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import LeverageTier, Market
from firstwatch.trading.orders import Fill, OrderIntent, OrderState
from firstwatch.trading.runs import ExitReason, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Constants of a run: its identity, its market, and the venue's capabilities."""

    run_id: str
    account: str
    symbol: str
    timeframe: Timeframe
    market: Market
    launch: LaunchSettings
    has_phases: bool
    modifies_orders: bool
    max_slippage_bps: float = 500.0
    """How far beyond the mid, in basis points, an entry at market may fill."""
    slice_delay_ms: int = 0
    """Longest random delay before a slice of an entry is sent."""
    policy: Policy = field(default_factory=lambda: ALARMS_ONLY)
    """The operator's policy: the response to each hazard."""
    suppresses: Callable[[int], bool] | None = None
    """The fault of a paper venue (``Capabilities.suppresses``)."""
    earlier_runs: frozenset[str] = frozenset()
    """Other runs of the wallet: their orders are not external; the host cancels them after an adoption."""


@dataclass(slots=True)
class TrackedOrder:
    """An order of the run as far as known. Amounts in base, ``cost`` in quote."""

    intent: OrderIntent
    created_ms: int
    bar_time_ms: int
    """The bar whose close decided it."""
    state: OrderState = OrderState.PENDING_SUBMIT
    reason: ExitReason | None = None
    """The exit reason that a fill of a closing order is booked with."""
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    reported: Decimal = ZERO
    """Filled amount according to the venue's reports; above ``filled`` while fills are on their way."""
    reported_price: Decimal | None = None
    """Average price of the fill in the venue's answer."""
    venue_order_id: str | None = None
    stands_at: Decimal | None = None
    """Trigger of a stop, price of another order, in the venue's last report; None: not reported."""
    replaces: str | None = None
    """The order that this one replaces, until the venue has confirmed that."""
    announces: str = ""
    """Journal text of a leg, once the venue has confirmed it; empty: none, or already written."""
    trade_is_closed: bool = False
    """An entry whose trade is over: a further fill would be another trade, which was never decided."""
    wants_read: bool = False
    """Its state must be read from the venue before anything is concluded."""
    is_missing: bool = False
    """The venue did not have it at the last reading; its answer may have lagged."""
    is_left_over: bool = False
    """It is no longer wanted, like a leg whose trade is over: it is cancelled and never moved."""
    doubted_at_ms: int | None = None
    """Since when its outcome is unknown; None: it is known."""
    behind_since_ms: int | None = None
    """Since when reports of it are older than what is known: its fills, or that it was accepted."""
    asks: int = 0
    """How often reading or cancelling it has led to nothing."""
    ask_at_ms: int = 0
    """When to try again, on the clock of ``RunMemory.elapsed_ms``, like all fields ending in ``_at_ms``."""
    mid_at_decision: float | None = None
    mid_at_submission: float | None = None
    mid_at_acknowledgement: float | None = None

    @property
    def rest(self) -> Decimal:
        return self.intent.amount - self.filled

    @property
    def level(self) -> Decimal | None:
        """Its level: the trigger of a stop, the price of another order; None: not known."""
        return self.stands_at or self.intent.trigger_price or self.intent.price

    @property
    def is_settled(self) -> bool:
        """It is over, and all of its fills are booked."""
        return self.state.is_final and not self.wants_read and self.reported <= self.filled


@dataclass(slots=True)
class EntryPlan:
    """The entry that is under way."""

    bar_time_ms: int
    order_id: str
    cancels: bool = False
    """It is to be cancelled."""
    rest_at_market: bool = False
    """Once it is cancelled, its remainder is sent to market."""
    was_not_sent: bool = False
    """The venue never executed the request and no longer can: it may be sent again."""
    resends: int = 0
    resend_at_ms: int = 0
    number: int = 1
    """Which slice of the entry the order is, counted from 1."""
    waiting: Decimal | None = None
    """Amount of a slice that is decided and not an order yet; None: there is none."""
    delay_ms: int = 0
    """How long after the close that decided it a slice is sent."""
    mid_at_decision: float | None = None
    """The mid at that close: the delay is a part of what the fill costs."""


@dataclass(slots=True)
class ExitPlan:
    """The exit that is under way, until the venue shows the position flat."""

    reason: ExitReason
    bar_time_ms: int
    is_unwanted: bool = False
    """It closes a position that an order of the run made after flat, not the run's position."""
    is_withdrawn: bool = False
    """The position stays after all: its order is cancelled and none follows."""
    attempts: int = 0
    unsent: int = 0
    order_id: str | None = None
    retry_at_ms: int = 0
    is_after_feed: bool = False
    """Its order was sent after the feed had ended, so it waits for no further bar."""
    waits_for_price: bool = False
    """The bound of the last order was too narrow: the next one needs a newer price."""


@dataclass(slots=True)
class Leg:
    """The stop or the target at the venue."""

    order_id: str | None = None
    problem: str | None = None
    """Code of the venue's refusal that is being handled."""
    problem_reason: str = ""
    is_corrected: bool = False
    """The one corrected retry after a refusal was sent; its order does not rest yet."""
    has_ended: bool = False
    """The order before this one ended although the run did not cancel it."""
    retries: int = 0
    """Failed attempts: each lengthens the wait for the next one."""
    unsent: int = 0
    misses: int = 0
    """Requests in a row after which it does not rest where wanted: refused, or never executed."""
    missed_why: str = ""
    """Why the last one of them failed."""
    rests_since_ms: int | None = None
    """Since when it has rested where wanted; after a while earlier failures are forgotten."""
    retry_at_ms: int = 0
    unprotected_since_ms: int | None = None

    @property
    def is_new(self) -> bool:
        """No order of it was sent in this trade."""
        is_untried = not (self.is_corrected or self.has_ended or self.retries or self.unsent)
        return self.order_id is None and self.problem is None and is_untried


@dataclass(slots=True)
class BookedRow:
    """A fill, the run's own part of it, or a payment, as it was booked on the open position."""

    source: Fill | Funding
    reason: ExitReason | None = None
    """Exit reason; None: an entry or a payment."""
    gross: float = 0.0
    """Profit of an exit in quote, before its fee."""

    @property
    def is_entry(self) -> bool:
        return self.reason is None and isinstance(self.source, Fill)


@dataclass(slots=True)
class EquityPair:
    """Wallet equity at the venue and run equity by the ledger, in quote, as of the same moment."""

    time_ms: int
    venue: Decimal
    ledger: Decimal
    begins: bool = False
    """A comparison starts with it: there is none before it."""

    @property
    def beyond(self) -> Decimal:
        """Wallet equity beyond the run's."""
        return self.venue - self.ledger


@dataclass(slots=True)
class PositionFacts:
    """Position and facts of the run as last recorded, so that only changes are recorded."""

    position: str = ""
    facts: str = ""


@dataclass(slots=True)
class RunMemory:
    """The whole state of a run between two events.

    It has one level although several parts share it: its field names are the keys of the checkpoints in
    existing stores. Nesting it by part would only move names, and the program would have to read two formats
    for ever.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_inf_nan="constants")

    core: CoreState
    state: RunState = RunState.NEW
    order_number: int = 0
    orders: dict[str, TrackedOrder] = field(default_factory=dict)
    """Orders whose end is not fully known, by client order id."""
    settled: dict[str, TrackedOrder] = field(default_factory=dict)
    """The latest orders that are over, for late messages of the venue."""
    fills_seen: dict[str, int] = field(default_factory=dict)
    """Time of each fill that was booked, by its id; bounded by ``fills_horizon_ms``."""
    last_trades: list[Trade] = field(default_factory=list)
    """The last closed trades, the latest at the end: a payment on their position may arrive later."""
    fundings_seen: dict[str, int] = field(default_factory=dict)
    fills_horizon_ms: int = 0
    fundings_horizon_ms: int = 0
    now_ms: int = 0
    """The venue's time of the latest event."""
    elapsed_ms: int = 0
    """How long the run has lived on the machine's clock, counted by ``TimePassed``."""
    clock_ms: int | None = None
    """The latest ``TimePassed.elapsed_ms`` of this process."""
    pending: list[str] = field(default_factory=list)
    """Effects whose outcome is awaited."""
    wanted_anew: list[str] = field(default_factory=list)
    """Readings among them to repeat: their answer may be older than the latest cause for one."""
    tokens: list[int] = field(default_factory=list)
    """Tokens of phases that are not acknowledged yet."""

    started_ms: int = 0
    last_bar_ms: int = 0
    price: float = 0.0
    """The latest mid price known."""
    mark: float = 0.0
    """The latest mark known, by which the venue liquidates; the price, if no mark came with it."""
    is_in_bar: bool = False
    """Between the open and the close of a bar of a feed with phases: orders execute as they are sent."""
    waiting_bar: Bar | None = None
    """A closed bar that is decided once fills and earlier missing bars are read."""
    wants_bars: bool = False
    holes: list[int] = field(default_factory=list)
    """Open times of the latest bars that were skipped because the venue did not have them."""
    feed_ended: bool = False
    leverage_is_set: bool = False
    leverage_tries: int = 0
    leverage_at_ms: int = 0
    wallet_total: Decimal | None = None

    entry: EntryPlan | None = None
    closing: ExitPlan | None = None
    stop: Leg = field(default_factory=Leg)
    target: Leg = field(default_factory=Leg)
    foreign: Decimal = ZERO
    """Signed amount at the venue that is not the run's own, + long."""
    foreign_fills: list[Fill] = field(default_factory=list)
    """External fills since the position was last compared."""
    early_exits: list[Fill] = field(default_factory=list)
    """Parts of the run's exit fills beyond all that is booked: they close an entry whose own fill arrives
    later. ``foreign`` holds their amounts until then."""
    position_rows: list[BookedRow] = field(default_factory=list)
    """The latest fills and payments of the open position, as booked: one from before them is booked in its
    place."""
    early_payments: list[Funding] = field(default_factory=list)
    """Payments on no position that is booked: an entry from before them may arrive later."""
    unwanted: Decimal = ZERO
    """Signed part of ``foreign`` that an order of the run itself made: it is closed."""
    is_adopted: bool = False
    """The open position was adopted from the wallet."""
    is_undecided: bool = False
    """The open position was made by an entry whose trade was over: it is closed at once."""

    wants_position: bool = False
    """The venue's position must be compared with the books."""
    is_compared: bool = False
    """The venue's position was read and agreed, and nothing happened since."""
    is_read_out: bool = False
    """The last reading before the end of the run was requested."""
    payments_read_ms: int = 0
    """The venue's time up to which fills and payments were read last."""
    account_as_of_ms: int = 0
    """Newest venue time of an answer about the account: some of the venue's nodes may lag."""
    asked_as_of_ms: int = 0
    """``account_as_of_ms`` when fills and payments were last requested."""
    payments_as_of_ms: int = 0
    """The same for those last read: they are complete at least up to then."""
    goes_by_books: bool = False
    """The venue's position is older than the books, or an order in flight may explain why it differs: what
    cannot wait for a newer reading relies on the books."""
    denied_ms: int = 0
    """When the venue first refused for lack of a position to reduce; 0: its position was read since."""
    mismatches: int = 0
    """Readings in a row that disagreed with the books."""
    disputed: tuple[Decimal, Decimal] | None = None
    """The position, signed, that the last of them showed, and the one that was booked."""
    position_at_ms: int = 0
    wants_open_orders: bool = False
    wants_fills: bool = False
    wants_balance: bool = False
    is_balance_read_out: bool = False
    """The balance at the end of the run was requested."""
    compared: EquityPair | None = None
    """The last pair that was journalled."""
    doubted: EquityPair | None = None
    """A newer pair that disagrees with it, until it is known whether money came or went."""
    shares_wallet: bool = False
    """Something that is not of the run was traded in the wallet since the last pair."""
    wants_reconcile: str = ""
    failed_reads: int = 0
    read_at_ms: int = 0

    trade_entry_ms: int = 0
    exit_reason: ExitReason | None = None
    refusals: int = 0
    pause_reasons: list[str] = field(default_factory=list)
    guard_pauses: int = 0
    skipped: list[str] = field(default_factory=list)
    """The sides whose true signal was not entered because entries were held back: journalled once."""
    alarms: dict[str, str] = field(default_factory=dict)
    stale: str = ""
    """Why entries are not allowed for lack of data; empty: the data is fresh."""
    lost_streams: dict[str, str] = field(default_factory=dict)
    heard_at_ms: dict[str, int] = field(default_factory=dict)
    """When each stream last sent a message, or was lost."""
    leverage_tiers: tuple[LeverageTier, ...] = ()
    """The market's tiers when first read; empty: not read yet."""
    shown_liquidation: tuple[int, Decimal, Decimal] | None = None
    """Entry time and signed amount of a position, and its liquidation price according to the venue."""
    stop_mode: StopMode | None = None
    stop_why: str = ""
    stopping_ms: int = 0
    """How long the run has been stopping while the venue could be reached."""
    sentence: str = ""
    written: PositionFacts = field(default_factory=PositionFacts)


_ADAPTER: TypeAdapter[RunMemory] = TypeAdapter(RunMemory)
_CONFIG = RunMemory.__pydantic_config__
_ORDERS: TypeAdapter[dict[str, TrackedOrder]] = TypeAdapter(dict[str, TrackedOrder], config=_CONFIG)
_TRADES: TypeAdapter[list[Trade]] = TypeAdapter(list[Trade], config=_CONFIG)
_FIELDS = attrgetter(*(field.name for field in fields(TrackedOrder)))


class CheckpointWriter:
    """Writes a run's memory as JSON text: the checkpoint.

    Four fifths of it are orders that are over and closed trades, which seldom change: their JSON is kept.
    """

    def __init__(self, memory: RunMemory) -> None:
        self._memory = memory
        self._orders: dict[str, tuple[tuple[Any, ...], bytes]] = {}
        """By id: the fields of a settled order, and its JSON."""
        self._trades: list[tuple[Trade, bytes]] = []

    def write(self) -> str:
        """Return the memory as it is now."""
        self._orders = {key: self._order(key, order) for key, order in self._memory.settled.items()}
        known = {id(trade): text for trade, text in self._trades}
        self._trades = [
            (trade, known.get(id(trade)) or _TRADES.dump_json([trade])[1:-1])
            for trade in self._memory.last_trades
        ]
        rest = _ADAPTER.dump_json(self._memory, exclude={"settled", "last_trades"})
        orders = b",".join(text for _, text in self._orders.values())
        trades = b",".join(text for _, text in self._trades)
        return (b'%b,"settled":{%b},"last_trades":[%b]}' % (rest[:-1], orders, trades)).decode()

    def _order(self, key: str, order: TrackedOrder) -> tuple[tuple[Any, ...], bytes]:
        known, fields_now = self._orders.get(key), _FIELDS(order)
        if known is not None and known[0] == fields_now:
            return known
        return fields_now, _ORDERS.dump_json({key: order}, exclude_defaults=True)[1:-1]


def memory_from_json(text: str) -> RunMemory:
    """Return the memory that a ``CheckpointWriter`` wrote, in this or an earlier version.

    Raises:
        pydantic.ValidationError: the text is not a checkpoint of this version.
    """
    memory = _ADAPTER.validate_json(text)
    if not memory.fundings_horizon_ms:
        # In earlier versions fills and fundings had one horizon.
        memory.fundings_horizon_ms = memory.fills_horizon_ms
    return memory
