"""The journal of a run: what happened, one row each, in order.

Payloads are versioned; a reader accepts all older versions (golden files in the tests).
Money is Decimal, written as canonical text; prices of the market data are float.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from firstwatch.trading.hazards import Hazard
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState, Side
from firstwatch.trading.runs import ExitReason, RunState, StopMode
from firstwatch.trading.text import CleanText
from firstwatch.trading.why import ConditionValue

PAYLOAD_VERSION = 2


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Transitioned(_Event):
    """The run went from one state to another; ``old`` None: it was created."""

    kind: Literal["transitioned"] = "transitioned"
    old: RunState | None
    new: RunState
    why: CleanText
    stop_mode: StopMode | None = None
    hazard: Hazard | None = Field(default=None, exclude_if=lambda hazard: hazard is None)
    """The hazard for which the operator's policy stopped the run."""


class CheckWaived(_Event):
    """A soft launch check that did not pass, with the operator's reason."""

    kind: Literal["check_waived"] = "check_waived"
    check: CleanText
    found: CleanText
    reason: CleanText


class DropCause(StrEnum):
    """Why a decided entry was not sent; refusals by the venue and the core have texts of their own."""

    LATE = "late"
    PAUSED = "paused"
    STALE = "stale"
    RUN_IS_OVER = "the run does not go on"
    FEED_ENDED = "the feed has ended"
    POSITION_UNKNOWN = "the position cannot be read"
    LEVERAGE_NOT_SET = "the leverage is not set yet"
    NOT_WANTED = "it is no longer wanted"
    SLICE_IN_DOUBT = "the slice before it is in doubt"
    SLICE_UNFILLED = "the slice before it did not fill"
    SLICE_TOO_SMALL = "its slices would lie below the market's minimum, or beyond what the equity allows"


REFUSED_BY_VENUE = "refused by the venue"
"""Begins the cause of a dropped entry that the venue refused."""
FEED_ENDED = "the feed ended"
"""Begins the note that the candles have ended."""
NOT_SENT = "not sent"
"""Begins the reason of an order ``REJECTED`` because the venue never executed it and no longer can."""


Conditions = Annotated[
    tuple[ConditionValue, ...] | None, Field(exclude_if=lambda conditions: conditions is None)
]
"""Conditions of the deciding group at the close; None: there is none, or an earlier version wrote it."""


class EntryDecided(_Event):
    """The core decided an entry at the close of a bar; ``expected_price`` is that close, or the limit."""

    kind: Literal["entry_decided"] = "entry_decided"
    bar_time_ms: int
    side: Side
    amount: Decimal
    expected_price: float
    limit_price: Decimal | None = None
    is_follow_up: bool = False
    equity_cap: float | None = None
    """Wallet balance that limited the size, because it was less than the run's equity."""
    slices: int = Field(default=1, exclude_if=lambda slices: slices == 1)
    """How many orders it is shared among, one at each of the next opens."""
    conditions: Conditions = None


class SliceDecided(_Event):
    """The core decided a further slice of an entry at the close of a bar."""

    kind: Literal["slice_decided"] = "slice_decided"
    bar_time_ms: int
    side: Side
    amount: Decimal
    number: int
    """Which of ``slices`` it is, counted from 1, which is the entry's own."""
    slices: int
    equity_cap: float | None = None
    """Wallet balance that bounded it, because it was less than the run's money."""


class SlicesCancelled(_Event):
    """What was left of an entry, in slices that were not decided yet, is cancelled."""

    kind: Literal["slices_cancelled"] = "slices_cancelled"
    side: Side
    amount: Decimal
    cause: CleanText


class ExitDecided(_Event):
    """The core decided an exit at the close of a bar."""

    kind: Literal["exit_decided"] = "exit_decided"
    bar_time_ms: int
    reason: ExitReason
    expected_price: float
    conditions: Conditions = None


class DecisionDropped(_Event):
    """A decision that was not acted on, and why (``late``, ``paused``, below the minimum, ...)."""

    kind: Literal["decision_dropped"] = "decision_dropped"
    bar_time_ms: int
    decision: CleanText
    cause: CleanText
    code: NoteCode | None = None
    """The core's note, if the core itself refused the entry."""
    conditions: Conditions = None


class OrderIntended(_Event):
    """An order was made and stored; its request leaves after this."""

    kind: Literal["order_intended"] = "order_intended"
    client_order_id: str
    purpose: OrderPurpose
    side: OrderSide
    order_kind: OrderKind
    amount: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    reduce_only: bool = False


class OrderMoved(_Event):
    """An order went from one state to another."""

    kind: Literal["order_moved"] = "order_moved"
    client_order_id: str
    old: OrderState
    new: OrderState
    why: CleanText = ""


class FillBooked(_Event):
    """A fill was booked, with the mid at decision, submission, acknowledgement and fill."""

    kind: Literal["fill_booked"] = "fill_booked"
    fill_id: CleanText
    client_order_id: str | None
    side: OrderSide
    amount: Decimal
    price: Decimal
    fee: Decimal
    mid_at_decision: float | None = None
    mid_at_submission: float | None = None
    mid_at_acknowledgement: float | None = None
    mid_at_fill: float | None = None
    time_ms: int | None = None
    """The venue's time of the fill; None: written by an earlier version."""
    is_maker: bool = False


class FundingBooked(_Event):
    """A funding payment was booked; ``paid`` in quote, negative: received."""

    kind: Literal["funding_booked"] = "funding_booked"
    paid: Decimal
    rate: Decimal


class TradeClosed(_Event):
    """A trade ended; ``pnl`` in quote, net of fees and funding."""

    kind: Literal["trade_closed"] = "trade_closed"
    side: Side
    amount: Decimal
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    reason: ExitReason
    level: Decimal | None = Field(default=None, exclude_if=lambda level: level is None)
    """Level of the stop, target or liquidation that was reached; None: none was, or it is not known."""


class ProtectionMoved(_Event):
    """A leg was placed or moved; the level of the other leg is None."""

    kind: Literal["protection_moved"] = "protection_moved"
    stop: Decimal | None
    target: Decimal | None
    why: CleanText


class EntriesPaused(_Event):
    """Entries pause from here on."""

    kind: Literal["entries_paused"] = "entries_paused"
    why: CleanText
    by_guard: bool = False
    """A guard of the decision core pauses them, as a backtest's does."""


class EntriesResumed(_Event):
    """Entries are allowed again."""

    kind: Literal["entries_resumed"] = "entries_resumed"
    why: CleanText


class AlarmRaised(_Event):
    """An alarm that the operator must see. ``topic`` is stable; it stays active until cleared."""

    kind: Literal["alarm_raised"] = "alarm_raised"
    topic: CleanText
    sentence: CleanText


class AlarmCleared(_Event):
    """The alarm of that topic is no longer active."""

    kind: Literal["alarm_cleared"] = "alarm_cleared"
    topic: CleanText


class Recovered(_Event):
    """The run was reconciled by a new worker and goes on."""

    kind: Literal["recovered"] = "recovered"
    why: CleanText
    past_bars: int = 0
    doubtful_orders: int = 0


class Adopted(_Event):
    """The run took over a position that the wallet held; it is accounted from ``mark``."""

    kind: Literal["adopted"] = "adopted"
    side: Side
    amount: Decimal
    entry_price: Decimal
    mark: float


class HoleFound(_Event):
    """Bars are missing. ``is_confirmed``: the venue does not have them either, so nothing traded."""

    kind: Literal["hole_found"] = "hole_found"
    first_ms: int
    last_ms: int
    is_confirmed: bool


class LateBar(_Event):
    """A bar came after its successor was decided: the run does not count it, after a restart neither."""

    kind: Literal["late_bar"] = "late_bar"
    bar_time_ms: int


BarValues = tuple[float, float, float, float, float]
"""Open, high, low, close in quote and volume in base."""


class BarRevised(_Event):
    """The venue revised a bar: reread after an hour, it differs from what the run saw; None: no bar."""

    kind: Literal["bar_revised"] = "bar_revised"
    bar_time_ms: int
    seen: BarValues | None
    read: BarValues | None

    @property
    def texts(self) -> tuple[str, str]:
        """The values seen and the values read, as text."""
        seen, read = (_bar_text(each) for each in (self.seen, self.read))
        return seen, read


def _bar_text(values: BarValues | None) -> str:
    return "no such bar" if values is None else " ".join(f"{value:.12g}" for value in values)


class EquityCompared(_Event):
    """Wallet equity at the venue and run equity by the ledger, both at the same moment while flat.

    Between two such moments both must change by the same amount. ``begins``: the comparison starts here,
    because it is the first, or because money not of the run came or went.
    """

    kind: Literal["equity_compared"] = "equity_compared"
    venue: Decimal
    ledger: Decimal
    begins: bool = False


class Noted(_Event):
    """Any other note for the operator."""

    kind: Literal["noted"] = "noted"
    sentence: CleanText


class CoreNoted(_Event):
    """A note that a backtest would also report: a size cut, a level dropped, a market assumed."""

    kind: Literal["core_noted"] = "core_noted"
    code: NoteCode
    sentence: str


RunEvent = Annotated[
    Transitioned
    | CheckWaived
    | EntryDecided
    | SliceDecided
    | SlicesCancelled
    | ExitDecided
    | DecisionDropped
    | OrderIntended
    | OrderMoved
    | FillBooked
    | FundingBooked
    | TradeClosed
    | ProtectionMoved
    | EntriesPaused
    | EntriesResumed
    | AlarmRaised
    | AlarmCleared
    | Recovered
    | Adopted
    | HoleFound
    | LateBar
    | BarRevised
    | EquityCompared
    | Noted
    | CoreNoted,
    Field(discriminator="kind"),
]

RUN_EVENT: TypeAdapter[RunEvent] = TypeAdapter(RunEvent)
