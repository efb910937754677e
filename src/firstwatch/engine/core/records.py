"""Records of a run's core: stored in one transaction before any effect is performed."""

from dataclasses import dataclass
from decimal import Decimal

from firstwatch.engine.core.effects import Effect
from firstwatch.trading.account import Funding
from firstwatch.trading.bar import Bar, Decided
from firstwatch.trading.events import RunEvent
from firstwatch.trading.hazards import Hazard
from firstwatch.trading.orders import Fill, OrderIntent, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason, Exposure, Health, Protection, RunState, StopMode
from firstwatch.trading.trade import Trade
from firstwatch.trading.why import Outlook


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row of the journal. ``time_ms`` is the venue's."""

    event: RunEvent
    time_ms: int
    author: Author = Author.SYSTEM


@dataclass(frozen=True, slots=True)
class Transition:
    """A transition of the run's state: the row of the run and its journal row (``Transitioned``)."""

    old: RunState
    new: RunState
    why: str
    time_ms: int
    author: Author = Author.SYSTEM
    stop_mode: StopMode | None = None
    hazard: Hazard | None = None


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that the effects of this step will send: stored with the request ``Venue.prepare`` made."""

    intent: OrderIntent
    time_ms: int
    mid_at_decision: float | None = None


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order moved or was filled; ``state``, ``filled`` and the rest are its values now."""

    client_order_id: str
    state: OrderState
    why: str
    filled: Decimal
    average_price: Decimal | None
    venue_order_id: str | None
    time_ms: int


@dataclass(frozen=True, slots=True)
class FillRow:
    """One fill with the mids at its order's decision, submission, acknowledgement, and at the fill."""

    fill: Fill
    mid_at_decision: float | None = None
    mid_at_submission: float | None = None
    mid_at_acknowledgement: float | None = None
    mid_at_fill: float | None = None


@dataclass(frozen=True, slots=True)
class FundingRow:
    funding: Funding


@dataclass(frozen=True, slots=True)
class TradeRow:
    """The run's ``number``-th closed trade, from 1."""

    number: int
    trade: Trade


@dataclass(frozen=True, slots=True)
class TradeAmended:
    """A closed trade, amended by payments that arrived since."""

    trade: Trade
    closed_since: int
    """How many trades were closed after it."""


@dataclass(frozen=True, slots=True)
class PositionRow:
    """The run's booked position with its levels. Prices in quote."""

    side: Side | None
    amount: Decimal
    entry_price: Decimal | None
    entry_time_ms: int | None
    stop: Decimal | None
    """Where the venue has confirmed the resting stop; None: none rests. The same for ``target``."""
    target: Decimal | None
    stop_wanted: Decimal | None
    """Where the strategy core wants it; None: nowhere. The same for ``target_wanted``."""
    target_wanted: Decimal | None
    liquidation: Decimal | None
    margin: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class BarRow:
    """A bar that the run has handled, and the mark's range in it, where the venue sent one."""

    bar: Bar
    mark_high: float | None = None
    mark_low: float | None = None
    decided: Decided = Decided.NO


@dataclass(frozen=True, slots=True)
class EquityRow:
    """Run equity marked at the close of the bar that opened at ``time_ms``."""

    time_ms: int
    equity: float


@dataclass(frozen=True, slots=True)
class FactsRow:
    """The facts beside a run's state, recorded when one of them changed."""

    is_paused: bool
    pause_reasons: tuple[str, ...]
    health: Health
    health_sentence: str
    exposure: Exposure
    protection: Protection
    stop_mode: StopMode | None
    exit_reason: ExitReason | None
    sentence: str
    """Sentence for the operator about the run now, or about its end; may be empty."""


@dataclass(frozen=True, slots=True)
class OutlookRow:
    """The outlook, in place of the last one: conditions that would have to become true next."""

    outlook: Outlook


Record = (
    JournalRow
    | Transition
    | NewOrder
    | OrderChanged
    | FillRow
    | FundingRow
    | TradeRow
    | TradeAmended
    | PositionRow
    | BarRow
    | EquityRow
    | FactsRow
    | OutlookRow
)


@dataclass(frozen=True, slots=True)
class Step:
    """What one event led to: first all records are stored, then the effects are performed in order."""

    records: tuple[Record, ...]
    effects: tuple[Effect, ...]
    refusal: str = ""
    """Why the operator's request was refused; empty: it was followed, or the event was not a request."""
