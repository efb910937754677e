"""Effects of a run's core, in order. The worker performs them and returns each outcome as an event."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SendOrder:
    """Send an order whose request was stored with this step's records. Outcome: ``SendAnswered``."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class ModifyOrder:
    """Replace an open order by a new one that was stored with this step's records. ``ModifyAnswered``."""

    client_order_id: str
    new_client_order_id: str


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Outcome: ``CancelAnswered``."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class ResolveOrder:
    """Ask the venue what became of an order in flight. Outcome: ``ResolveAnswered``."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class SetLeverage:
    """Set isolated margin at that leverage. Outcome: ``LeverageSet``."""

    leverage: Decimal


@dataclass(frozen=True, slots=True)
class ReadOrder:
    """Outcome: ``OrderRead`` or ``ReadFailed``."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """Outcome: ``PositionRead`` or ``ReadFailed``."""


@dataclass(frozen=True, slots=True)
class ReadOpenOrders:
    """Outcome: ``OpenOrdersRead`` or ``ReadFailed``."""


@dataclass(frozen=True, slots=True)
class ReadFills:
    """Read fills and fundings, each at or after its time. Outcome: ``FillsRead`` or ``ReadFailed``."""

    since_ms: int
    fundings_since_ms: int


@dataclass(frozen=True, slots=True)
class ReadBalance:
    """Outcome: ``BalanceRead`` or ``ReadFailed``."""


@dataclass(frozen=True, slots=True)
class ReadTransfers:
    """Read whether money came or went since a time. Outcome: ``TransfersRead`` or ``ReadFailed``."""

    since_ms: int


@dataclass(frozen=True, slots=True)
class ReadBars:
    """Read the closed bars that open after ``after_ms``. Outcome: ``BarsRead`` or ``ReadFailed``."""

    after_ms: int


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Read the venue as a whole (``inputs.VenueReading``). Outcome: ``Reconciled`` or ``ReadFailed``."""

    why: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Acknowledge to the feed that everything up to this token was handled. No outcome."""

    token: int


@dataclass(frozen=True, slots=True)
class EndRun:
    """The run is over: close the subscription and end the worker. No outcome."""


Effect = (
    SendOrder
    | ModifyOrder
    | CancelOrder
    | ResolveOrder
    | SetLeverage
    | ReadOrder
    | ReadPosition
    | ReadOpenOrders
    | ReadFills
    | ReadBalance
    | ReadTransfers
    | ReadBars
    | Reconcile
    | Acknowledge
    | EndRun
)
Act = SendOrder | ModifyOrder | CancelOrder | ResolveOrder | SetLeverage | EndRun
"""Effects before which their step must be on the disk. What came before all others can be read again."""
