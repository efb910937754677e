"""Inputs of a run's core, one at a time: events of the venue, outcomes of effects, requests of the operator.

Every input carries the venue's time as ``time_ms``; the core has no other clock. The worker delivers exactly
one outcome for each effect that has one, also when the venue did not answer; other inputs may come before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firstwatch.engine.core.effects import Effect
from firstwatch.trading.account import Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.commands import RunCommand
from firstwatch.trading.orders import Fill, OrderReport, Touch
from firstwatch.trading.runs import Author
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
    """The outcome of ``ModifyOrder``: accepted means that the new order is open and the old one is gone."""

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
    """All open orders of the account in the symbol, external ones included."""

    reports: Sequence[OrderReport]
    time_ms: int


@dataclass(frozen=True, slots=True)
class FillsRead:
    """Fills and funding payments since the requested time, oldest first."""

    fills: Sequence[Fill]
    fundings: Sequence[Funding]
    time_ms: int


@dataclass(frozen=True, slots=True)
class BalanceRead:
    balance: Balance
    time_ms: int


@dataclass(frozen=True, slots=True)
class TransfersRead:
    """Whether money that is not of the run came into or left the account."""

    has_some: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class BarsRead:
    """The closed bars after the requested time, oldest first: all that the venue has."""

    bars: Sequence[Bar]
    time_ms: int


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """A reading failed: no answer, or one that cannot be understood."""

    effect: Effect
    reason: str
    time_ms: int


# --- the venue read as a whole -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VenueQuestions:
    """Scope of a reading of the whole venue."""

    in_flight: Sequence[str]
    """Client order ids of the orders to resolve."""
    known: Sequence[str]
    """Client order ids of other orders whose final state is not known."""
    fills_since_ms: int
    """Fills are read from this time on."""
    fundings_since_ms: int
    """Payments are read from this time on."""
    after_ms: int
    """Bars that open after this time are read; 0: no bars."""


@dataclass(frozen=True, slots=True)
class VenueReading:
    """``VenueQuestions`` answered: all that a run must know about its venue after a gap.

    ``resolutions``: the answer of ``Venue.resolve`` for each order in flight; ``reports``: that of
    ``Venue.order`` for each known one. Fills, fundings and bars come oldest first. Fills must be read after
    the resolutions, the position after the fills.
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
    """The outcome of ``Reconcile``: the venue read while the run went on."""

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
    """Sentences of the launch for the journal (warnings, overrides)."""


@dataclass(frozen=True, slots=True)
class RecoveryStarted:
    """The first event of a run that was active before: its process ended, or its worker raised.

    The signal stream is warm up to and including ``RunCore.last_bar_ms``; earlier requests will not be
    answered any more.
    """

    reading: VenueReading
    why: str
    time_ms: int
    lost_until_ms: int | None = None
    """The venue no longer has the bars that the stream was warmed with. Open time of the last bar that it was
    warmed with instead, or of the last one handled: nothing is decided up to it. None: no bar is lost."""
    late_bars: Sequence[int] = field(default=())
    """Open times of bars that the run skipped as holes and that the venue now has."""
    newest_bar_ms: int | None = None
    """The last bar that the run handled cannot have closed yet. Open time of the venue's newest bar, which
    the stream is warm with and which takes its place. None: the last bar is credible."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A tick, about once a second. ``elapsed_ms`` counts the machine's time and never jumps.

    ``is_reachable``: the venue answered the latest call and no request is queued. Deadlines run only then.
    """

    time_ms: int
    elapsed_ms: int
    is_reachable: bool = True


@dataclass(frozen=True, slots=True)
class FeedWentStale:
    """No bar came although one is due by the venue's time, or the venue cannot be reached."""

    reason: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class KeyRead:
    """The last reading of the permissions of the key that signs for the run."""

    problem: str
    """Why the key may not trade, or not for long; empty: it may."""
    time_ms: int


# --- the operator --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OperatorRequest:
    """A command for the run, by an operator or an agent."""

    command: RunCommand
    author: Author
    time_ms: int


@dataclass(frozen=True, slots=True)
class FailRequested:
    """Fail the run: its protection is not proven, or its launch was called off. Protection stays in place."""

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
    | TransfersRead
    | BarsRead
    | Reconciled
    | ReadFailed
)

Request = OperatorRequest | FailRequested

Event = VenueEvent | Outcome | Request | Launched | RecoveryStarted | TimePassed | FeedWentStale | KeyRead
