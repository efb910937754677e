"""What a run's core is told, one at a time: the venue's events, outcomes of effects, orders of the operator.

Every event carries the venue's time as ``time_ms``; the core has no other clock. The worker gives exactly
one outcome for each effect that asks for one, also when the venue did not answer; anything else may be told
before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firstwatch.engine.core.effects import Effect
from firstwatch.trading.account import Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.orders import Fill, OrderReport, Touch
from firstwatch.trading.runs import Author, StopMode
from firstwatch.venues.protocol import Resolution, SendOutcome, VenueEvent

# --- outcomes of effects -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendAnswered:
    """The outcome of ``SendOrder``, with the prices right before and right after the call."""

    client_order_id: str
    outcome: SendOutcome
    time_ms: int
    touch_at_submission: Touch | None = None
    touch_at_acknowledgement: Touch | None = None


@dataclass(frozen=True, slots=True)
class CancelAnswered:
    """The outcome of ``CancelOrder``."""

    client_order_id: str
    outcome: SendOutcome
    time_ms: int


@dataclass(frozen=True, slots=True)
class ModifyAnswered:
    """The outcome of ``ModifyOrder``: accepted means that the new order stands and the old one is gone."""

    client_order_id: str
    new_client_order_id: str
    outcome: SendOutcome
    time_ms: int
    touch_at_submission: Touch | None = None
    touch_at_acknowledgement: Touch | None = None


@dataclass(frozen=True, slots=True)
class ResolveAnswered:
    """The outcome of ``ResolveOrder``."""

    client_order_id: str
    resolution: Resolution
    time_ms: int


@dataclass(frozen=True, slots=True)
class LeverageSet:
    """The outcome of ``SetLeverage``."""

    outcome: SendOutcome
    time_ms: int


@dataclass(frozen=True, slots=True)
class OrderRead:
    """The outcome of ``ReadOrder``; ``report`` None: the venue knows of none."""

    client_order_id: str
    report: OrderReport | None
    time_ms: int


@dataclass(frozen=True, slots=True)
class PositionRead:
    position: Position
    time_ms: int


@dataclass(frozen=True, slots=True)
class OpenOrdersRead:
    """All open orders of the account in the symbol, whoever sent them."""

    reports: Sequence[OrderReport]
    time_ms: int


@dataclass(frozen=True, slots=True)
class FillsRead:
    """Fills and funding payments since the time that was asked for, oldest first."""

    fills: Sequence[Fill]
    fundings: Sequence[Funding]
    time_ms: int


@dataclass(frozen=True, slots=True)
class BalanceRead:
    balance: Balance
    time_ms: int


@dataclass(frozen=True, slots=True)
class BarsRead:
    """The closed bars after the time that was asked for, oldest first: all that the venue has."""

    bars: Sequence[Bar]
    time_ms: int


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """A reading effect got no answer, or one that cannot be understood."""

    effect: Effect
    reason: str
    time_ms: int


# --- the venue read as a whole -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VenueQuestions:
    """What a reading of the whole venue asks for."""

    doubtful: Sequence[str]
    """Client order ids of the orders that are to be resolved."""
    known: Sequence[str]
    """Those of the other orders whose end is not known."""
    fills_since_ms: int
    """Fills are read from this time on."""
    fundings_since_ms: int
    """Payments are read from this time on."""
    after_ms: int
    """Bars are read that open after this time; 0: none."""


@dataclass(frozen=True, slots=True)
class VenueReading:
    """``VenueQuestions`` answered: all that a run must know of its venue after a time of not listening.

    ``resolutions``: what ``Venue.resolve`` said of each doubtful order; ``reports``: what ``Venue.order``
    said of each known one. Fills, fundings and bars come oldest first. Fills must be read after the
    resolutions, the position after the fills.
    """

    resolutions: Mapping[str, Resolution]
    reports: Mapping[str, OrderReport | None]
    open_orders: Sequence[OrderReport]
    fills: Sequence[Fill]
    fundings: Sequence[Funding]
    bars: Sequence[Bar]
    position: Position
    balance: Balance
    touch: Touch | None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The outcome of ``Reconcile``: the venue was read while the run went on."""

    reading: VenueReading
    time_ms: int


# --- a run's life --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Launched:
    """The first event of a new run, before the venue delivers anything.

    The signal stream is warm up to, and not including, ``last_bar``: the last closed bar before the start.
    """

    position: Position
    open_orders: Sequence[OrderReport]
    balance: Balance
    touch: Touch | None
    last_bar: Bar | None
    time_ms: int
    author: Author = Author.OPERATOR
    notes: Sequence[str] = field(default=())
    """Sentences that the launch wants in the journal (warnings, overrides)."""


@dataclass(frozen=True, slots=True)
class RecoveryStarted:
    """The first event of a run that was active before: another process life, or its worker raised.

    The signal stream is warm up to and including ``RunCore.last_bar_ms``; nothing asked for earlier will
    be answered any more.
    """

    reading: VenueReading
    why: str
    time_ms: int
    lost_until_ms: int | None = None
    """The venue no longer gives the bars that the stream was warmed with. Open time of the last bar that it
    is warm with instead, or of the last one handled: up to it nothing is decided. None: no bar is lost."""
    late_bars: Sequence[int] = field(default=())
    """Open times of bars that the venue has by now and the run has passed over as holes."""
    newest_bar_ms: int | None = None
    """The bar that the run has handled last cannot have closed yet. Open time of the newest one that the
    venue has, which the stream is warm with: it takes that one's place. None: the last bar is credible."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A tick, about once a second of the machine. ``elapsed_ms`` counts the machine's time and never jumps.

    ``is_reachable``: the venue answered the latest call, and no request waits for its turn: deadlines run.
    """

    time_ms: int
    elapsed_ms: int
    is_reachable: bool = True


@dataclass(frozen=True, slots=True)
class FeedWentStale:
    """No bar came although one is due by the venue's time, or the venue cannot be reached."""

    reason: str
    time_ms: int


# --- the operator --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StopRequested:
    mode: StopMode
    author: Author
    time_ms: int
    why: str = "stop requested"


@dataclass(frozen=True, slots=True)
class PauseRequested:
    author: Author
    time_ms: int
    why: str = "paused by the operator"


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    author: Author
    time_ms: int


@dataclass(frozen=True, slots=True)
class CancelRequested:
    author: Author
    time_ms: int


@dataclass(frozen=True, slots=True)
class CloseRequested:
    author: Author
    time_ms: int


@dataclass(frozen=True, slots=True)
class FailRequested:
    """The host gives the run up: its worker raised too often. Protection stays where it is."""

    why: str
    time_ms: int


Outcome = (
    SendAnswered
    | CancelAnswered
    | ModifyAnswered
    | ResolveAnswered
    | LeverageSet
    | OrderRead
    | PositionRead
    | OpenOrdersRead
    | FillsRead
    | BalanceRead
    | BarsRead
    | Reconciled
    | ReadFailed
)

Request = StopRequested | PauseRequested | ResumeRequested | CancelRequested | CloseRequested | FailRequested

Event = VenueEvent | Outcome | Request | Launched | RecoveryStarted | TimePassed | FeedWentStale
