"""Frozen view models of one run's details, from its orders to why it did what it did.

As in ``views``: made from the store only, None for what the store does not know, times in milliseconds since
the epoch, money Decimal in quote. A module of its own because the screen's first paint does not need it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from firstwatch.manager.views import PositionView, StoryLine, WatchView
from firstwatch.trading.launch import LaunchSettings, SettingDifference
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState
from firstwatch.trading.runs import Author
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS, Sign

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order of the selected run."""

    client_order_id: str
    purpose: OrderPurpose
    side: OrderSide
    kind: OrderKind
    state: OrderState
    amount: Decimal
    filled: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    average_price: Decimal | None
    reduce_only: bool
    created_ms: int
    updated_ms: int
    history: tuple["OrderStep", ...] = ()


@dataclass(frozen=True, slots=True)
class OrderStep:
    """One change of an order's state."""

    time_ms: int
    state: OrderState
    why: str


@dataclass(frozen=True, slots=True)
class FillView:
    """One fill of the selected run."""

    fill_id: str
    client_order_id: str | None
    purpose: OrderPurpose | None
    """What its order was for; None: it has none of this program."""
    side: OrderSide
    amount: Decimal
    price: Decimal
    fee: Decimal
    time_ms: int
    is_maker: bool
    mid_at_decision: float | None = None

    @property
    def worse_bps(self) -> float | None:
        """How much worse than the mid at the decision it filled; None: that mid is not known."""
        if not self.mid_at_decision:
            return None
        return (float(self.price) / self.mid_at_decision - 1) * self.side.sign * 10_000


@dataclass(frozen=True, slots=True)
class EventView:
    """One journal entry of the selected run, as text."""

    run_id: str
    sequence: int
    kind: str
    sentence: str
    author: Author
    venue_time_ms: int | None
    local_time_ms: int
    is_alarm: bool = False
    """It raises an alarm."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A metric over stretches of a baseline: its median, and its 5 and 95 % quantiles."""

    median: float
    low: float
    high: float

    def scaled(self, by: float) -> "Expected":
        """Return all values times a number above zero."""
        return Expected(self.median * by, self.low * by, self.high * by)


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric of the run beside the baseline's. The screen formats both."""

    name: str
    live: float | None
    baseline: float | None
    """Comparable value: over the same time, for the same trades, or of the whole backtest."""
    band: Expected | None = None
    """Band over the same time; None: it has none, or the baseline is too short or of other settings."""
    needs_days: int = 0
    """UTC days still missing before it has a value."""
    needs_trades: int = 0
    """Trades still missing before it has a value."""


@dataclass(frozen=True, slots=True)
class PartView:
    """A group of a run's trades. Money in quote."""

    group: str
    """``side``, ``exit``, ``hour`` or ``day``"""
    name: str
    trades: int
    won: int
    pnl: Decimal
    value: Decimal
    """Notional at the entries."""


@dataclass(frozen=True, eq=False)
class Candles:
    """Bars by their open times (int64), oldest first; prices float64 in quote, all of one length."""

    time_ms: "NDArray[np.int64]"
    open: "NDArray[np.float64]"
    high: "NDArray[np.float64]"
    low: "NDArray[np.float64]"
    close: "NDArray[np.float64]"

    def __len__(self) -> int:
        return len(self.time_ms)

    def part(self, seen: slice) -> "Candles":
        """Return the bars of that slice."""
        return Candles(self.time_ms[seen], self.open[seen], self.high[seen], self.low[seen], self.close[seen])


@dataclass(frozen=True, eq=False)
class OperandView:
    """An indicator of the algorithm at the newest closes: float64, NaN where it has no value yet."""

    name: str
    is_price: bool
    """It is drawn on the price scale, as ``ema(9)`` is and ``rsi(14)`` is not."""
    values: "NDArray[np.float64]"
    numbers: tuple[float, ...]
    """Constants that it is compared with."""


@dataclass(frozen=True, slots=True)
class TradeWhy:
    """Why a trade was entered and why it ended, each as a clause; empty: not known."""

    entry: str
    exit: str


@dataclass(frozen=True, slots=True)
class TradeStory:
    """Everything that belongs to one trade, oldest first."""

    number: int
    trade: Trade
    orders: tuple[OrderView, ...]
    fills: tuple[FillView, ...]
    events: tuple[EventView, ...]
    best_ms: int | None
    """Open time of the bar in which the price was best for it; None: its bars are not known."""
    worst_ms: int | None
    why: TradeWhy


@dataclass(frozen=True, slots=True)
class WhyView:
    """Why a run did what it did last, and what would have to be true next, in sentences."""

    last_ms: int | None = None
    """The venue's time of the last decision, or of the last exit at the venue; None: there was none."""
    last: str = ""
    dropped: str = ""
    """An entry since then that was decided and not carried out."""
    next: tuple[str, ...] = ()
    """Conditions for a decision at the next close; empty: not known, or the run does not go on."""
    waits: tuple[str, ...] = ()
    """Reasons that prevent decisions whatever the conditions are."""
    problem: str = ""
    """Why all this cannot be read."""


@dataclass(frozen=True, slots=True)
class ParentView:
    """The run of which ``run_id`` is the next version."""

    run_id: str
    parent_id: str
    settings: LaunchSettings
    metrics: Mapping[str, float | None]
    """Of its whole time, by name."""


@dataclass(frozen=True, eq=False)
class RunDetails:
    """Details of the selected run. Curves are float64 (in quote) over int64 times, of equal length."""

    run_id: str
    settings: LaunchSettings
    events: tuple[EventView, ...]
    """The newest ones, oldest first."""
    journal_length: int
    orders: tuple[OrderView, ...]
    """The newest ones and all open ones, oldest first."""
    order_count: int
    """How many the run has."""
    fills: tuple[FillView, ...]
    """Those since the first of its candles, oldest first; others are read when they are asked for."""
    trades: tuple[Trade, ...]
    position: PositionView | None
    equity_time_ms: "NDArray[np.int64]"
    equity: "NDArray[np.float64]"
    candles: Candles
    """The newest bars that the run has handled."""
    operands: tuple[OperandView, ...] = ()
    """At those bars."""
    story: tuple[StoryLine, ...] = ()
    """Its events in a trader's terms, oldest first."""
    metrics: tuple[MetricView, ...] = ()
    parts: tuple[PartView, ...] = ()
    """Its trades by side, reason, hour and day."""
    days: tuple[WatchView, ...] = ()
    """Its watch, the first day first."""
    watch_begin_ms: int | None = None
    """When its first day began, by the venue; None: it has not, or is not known."""
    week_signs: tuple[Sign, ...] = ()
    """Signs of tuning over the last seven whole days; empty: there is no watch."""
    all_signs: tuple[Sign, ...] = ()
    """The same over all whole days."""
    differences: tuple[SettingDifference, ...] | None = None
    """Settings that differ from its baseline's and matter; None: it has no baseline."""
    why: WhyView = field(default_factory=WhyView)
    trade_whys: Mapping[int, TradeWhy] = field(default_factory=dict)
    """Why the newest trades were entered and left, by their number from 1."""

    def begin_ms(self, view: WatchView) -> int | None:
        """Return when a day of the watch began."""
        begin_ms = self.watch_begin_ms
        return None if begin_ms is None else begin_ms + (view.report.day - 1) * DAY_MS
