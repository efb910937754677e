"""Two shadows of a run: the same decision core, fed with the bars that the run saw.

The *conditional* one takes over what the venue decides, in the order in which the run booked it: fills, the
position's end, payments, run equity E. Armed sides, counters, ``best``, stop and target are its own, so at
each close it must decide what the run decides. The *free* one has its own fills, as a backtest's, at the
costs that the baseline assumes; it is what the accounting identity compares the run with.

Both states are JSON. TA-Lib's are not: after a restart the signals are warmed with the same bars again.
"""

import math
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal

from firstwatch.store.journal import JournalEntry
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core import (
    adopt,
    amount_of,
    book_entry,
    book_exit,
    book_funding,
    close_bar,
    drop_slices,
    enter_now,
    entry_ended,
    mark_equity,
    new_state,
    price_gross,
    resume_entries,
)
from firstwatch.strategy.core_replay import end_data, open_bar, range_bar, settle_funding
from firstwatch.strategy.core_settings import exit_reason, reason_code
from firstwatch.strategy.core_state import (
    ATR,
    LIMIT_ORDER,
    MARKET_ORDER,
    NO_CAP,
    NO_ORDER,
    TWAP_ORDER,
    CoreSettings,
    CoreState,
)
from firstwatch.strategy.evaluation import GroupFlags
from firstwatch.strategy.stream import SignalStream
from firstwatch.trading.bar import Bar, Decided
from firstwatch.trading.events import (
    Adopted,
    EntriesResumed,
    EntryDecided,
    FillBooked,
    FundingBooked,
    OrderIntended,
    OrderMoved,
    SlicesCancelled,
    TradeClosed,
)
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState
from firstwatch.trading.runs import Author, ExitReason
from firstwatch.watch.identity import Holding
from firstwatch.watch.record import WatchedRun

_DAY_MS = 86_400_000
_KEPT_ORDERS = 64
"""How many orders that are over are remembered, for fills that come late."""


def signals_of(watched: WatchedRun, seen: Sequence[Bar] = ()) -> SignalStream:
    """Return the run's condition groups after the bars that it has ``seen``, warmed up as its own were."""
    timeframe, stream = watched.timeframe, SignalStream(watched.spec)
    history = dict(watched.warm_up)
    own = [CandleArrays.from_bars(seen, timeframe)] if seen else []
    if timeframe in history:
        own.insert(0, history[timeframe])
    if own:
        history[timeframe] = CandleArrays.joined(own)
    stream.warm(history)
    return stream


@dataclass(slots=True)
class Order:
    """An order of the run, as its journal tells."""

    purpose: OrderPurpose
    side: OrderSide
    kind: OrderKind
    amount: Decimal
    price: Decimal | None
    state: OrderState = OrderState.PENDING_SUBMIT
    filled: Decimal = Decimal(0)
    trade_is_closed: bool = False
    """An entry whose trade is over: later fills of it were not decided."""

    @property
    def is_over(self) -> bool:
        """No more fills of it are expected."""
        is_booked = self.state is not OrderState.FILLED or self.filled >= self.amount
        return self.state.is_final and is_booked


@dataclass(slots=True)
class Account:
    """The state of the conditional shadow."""

    core: CoreState
    orders: dict[str, Order] = field(default_factory=dict)
    """By client order id, oldest first: those that are open, and the last ones that are over."""
    entered_ms: int = 0
    """The venue's time at which the first fill of the position was booked."""
    entered_at_maker: bool = False


class ConditionalShadow:
    """The decision core on the run's bars, with the run's fills."""

    def __init__(self, settings: CoreSettings, account: Account | None = None) -> None:
        self.settings = settings
        self.account = account or Account(new_state(settings))

    @property
    def core(self) -> CoreState:
        return self.account.core

    def order(self, client_order_id: str | None) -> Order | None:
        return None if client_order_id is None else self.account.orders.get(client_order_id)

    @property
    def open_entries(self) -> list[Order]:
        """The entry orders whose end is not known."""
        orders = self.account.orders.values()
        return [order for order in orders if order.purpose is OrderPurpose.ENTRY and not order.is_over]

    # --- what the venue and the operator decide ----------------------------------------------------

    def take(self, entry: JournalEntry, flags: GroupFlags | None) -> None:
        """Take over one journal entry; ``flags``: the values at the last close, for an adoption."""
        match entry.event:
            case OrderIntended() as intended:
                self._remember(intended)
            case OrderMoved(client_order_id=order_id, new=new):
                if (order := self.order(order_id)) is not None:
                    order.state = new
            case FillBooked() as fill:
                self._fill(fill, entry.venue_time_ms or 0)
            case FundingBooked(paid=paid):
                book_funding(self.core, self.settings, float(paid), int(self.core.steps > 0))
            case TradeClosed() as closed:
                self._close(closed)
            case EntriesResumed() if entry.author is not Author.SYSTEM:
                if self.core.entries_paused_by_guard:
                    resume_entries(self.core)
            case SlicesCancelled():
                drop_slices(self.core)
            case Adopted() as adopted if flags is not None:
                self._adopt(adopted, flags, entry.venue_time_ms or 0)
            case _:
                pass

    def _remember(self, intended: OrderIntended) -> None:
        orders = self.account.orders
        orders[intended.client_order_id] = Order(
            intended.purpose, intended.side, intended.order_kind, intended.amount, intended.price
        )
        over = [order_id for order_id, order in orders.items() if order.is_over]
        for order_id in over[: max(0, len(over) - _KEPT_ORDERS)]:
            del orders[order_id]

    def _fill(self, fill: FillBooked, time_ms: int) -> None:
        core, order = self.core, self.order(fill.client_order_id)
        if order is not None:
            order.filled += fill.amount
        steps = round(float(fill.amount) * self.settings.step_scale / self.settings.step_units)
        if order is not None and order.purpose is OrderPurpose.ENTRY:
            if core.steps > 0 and fill.side.sign != core.phase:
                return
            if core.steps == 0:
                self.account.entered_ms = time_ms
                self.account.entered_at_maker = fill.is_maker
            at_open = 0 if fill.is_maker else 1
            price, fee = float(fill.price), float(fill.fee)
            book_entry(core, self.settings, fill.side.sign, steps, price, fee, at_open)
            if order.trade_is_closed and core.position_steps == steps:
                core.entries -= 1
        elif core.steps > 0 and fill.side.sign == -core.phase and steps < core.steps:
            # The last fill of a position is booked with its reason, as the trade that it closes.
            gross = price_gross(core, self.settings, steps, float(fill.price))
            book_exit(core, self.settings, steps, float(fill.price), float(fill.fee), 0, gross)

    def _close(self, closed: TradeClosed) -> None:
        core = self.core
        if core.steps == 0:
            return
        pnl, lost = float(closed.pnl), core.losing_trades
        gross = pnl + core.fees + core.funding - core.gross
        book_exit(
            core, self.settings, core.steps, float(closed.exit_price), 0.0, reason_code(closed.reason), gross
        )
        core.losing_trades = lost + 1 if pnl < 0 else 0
        for order in self.account.orders.values():
            order.trade_is_closed = order.purpose is OrderPurpose.ENTRY

    def _adopt(self, adopted: Adopted, flags: GroupFlags, time_ms: int) -> None:
        steps = round(float(adopted.amount) * self.settings.step_scale / self.settings.step_units)
        price = float(adopted.entry_price)
        # Its margin at the venue matters to the liquidation price only, which is the venue's own.
        margin = price * float(adopted.amount) / self.settings.leverage
        adopt(
            self.core,
            self.settings,
            adopted.side.sign,
            steps,
            adopted.mark,
            price,
            margin,
            flags.atr_stop,
            flags.atr_target,
        )
        self.account.entered_ms, self.account.entered_at_maker = time_ms, False

    # --- a close ------------------------------------------------------------------------------------

    def enter_now(self, bar: Bar, flags: GroupFlags, may_enter: int) -> CoreState:
        """Decide as a launch with *assume position now* and a flat wallet does."""
        _enter_now(self.core, self.settings, bar, flags, may_enter)
        return self.core

    def end_entry(self) -> None:
        """Note the end of the entry order, if the run has none any more and no slice of it follows."""
        core = self.core
        is_sliced = core.slices > 0 and core.steps > 0
        if core.entry_order != NO_ORDER and not self.open_entries and not is_sliced:
            entry_ended(core)

    def close(
        self,
        bar: Bar,
        flags: GroupFlags,
        watched: WatchedRun,
        decided: Decided,
        *,
        equity: float | None,
        equity_cap: float | None,
    ) -> CoreState:
        """Decide at a close; return the core as it would be if the run's entries were not held back.

        ``equity``: E at this close; None: not known, the shadow's own. ``equity_cap``: what the wallet holds,
        where that is less.
        """
        core = self.core
        self.end_entry()
        if equity is not None:
            _set_equity(core, bar.close, equity)
        core.equity_cap = NO_CAP if equity_cap is None else equity_cap
        if decided is Decided.NO:
            mark_equity(core, bar.close)
            core.decision = 0
            return core
        close_ms = bar.time_ms + watched.timeframe.ms
        may_enter = int(watched.sessions.may_enter(close_ms, watched.timeframe))
        would = core
        if decided is Decided.NO_ENTRY:
            would = copy(core)
            _close_bar(would, self.settings, bar, flags, watched, may_enter=may_enter)
            may_enter = -1
        _close_bar(core, self.settings, bar, flags, watched, may_enter=may_enter)
        core.notes = would.notes = 0
        return would

    def follow(self, decided: EntryDecided, flags: GroupFlags) -> None:
        """Expect the fills of an entry that the run has decided and the shadow has not."""
        core, settings = self.core, self.settings
        core.entry_order = MARKET_ORDER if decided.limit_price is None else LIMIT_ORDER
        core.entry_side = decided.side.sign
        core.entry_steps = round(float(decided.amount) * settings.step_scale / settings.step_units)
        if decided.slices > 1:
            core.entry_order = TWAP_ORDER
            core.slices, core.slice_steps = decided.slices - 1, core.entry_steps // decided.slices
            core.slices_steps = core.entry_steps - core.slice_steps
            core.entry_steps = core.slice_steps
        core.entry_limit = float(decided.limit_price or 0)
        core.entry_bars = 0
        core.entry_is_link = int(decided.is_follow_up)
        core.expected_entry = decided.expected_price
        core.atr_stop = flags.atr_stop if settings.stop_kind == ATR else 0.0
        core.atr_target = flags.atr_target if settings.target_kind == ATR else 0.0


def exit_in(held: CoreState, settings: CoreSettings, bar: Bar) -> ExitReason | None:
    """Return why the range of a bar ends the position, by rules 9 and 10 of the core; None: it does not."""
    core = copy(held)
    core.entry_order = core.decision = 0
    trades = core.trades
    if core.bars_held > 0 or core.entry_at_open == 1:
        open_bar(core, settings, bar.open)
    if core.trades == trades:
        range_bar(core, settings, bar.high, bar.low, bar.volume)
    return exit_reason(core.closed_reason) if core.trades != trades else None


def _enter_now(core: CoreState, settings: CoreSettings, bar: Bar, flags: GroupFlags, may_enter: int) -> None:
    enter_now(
        core,
        settings,
        bar.close,
        flags.entry_long,
        flags.entry_short,
        flags.atr_stop,
        flags.atr_target,
        may_enter,
    )


def _close_bar(
    core: CoreState,
    settings: CoreSettings,
    bar: Bar,
    flags: GroupFlags,
    watched: WatchedRun,
    *,
    may_enter: int,
) -> None:
    close_ms = bar.time_ms + watched.timeframe.ms
    close_bar(
        core,
        settings,
        bar.time_ms,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        flags.entry_long,
        flags.entry_short,
        flags.exit_long,
        flags.exit_short,
        flags.atr_stop,
        flags.atr_target,
        may_enter,
        int(watched.sessions.must_flatten(close_ms, watched.timeframe)),
        bar.time_ms // _DAY_MS,
    )


def _set_equity(core: CoreState, close: float, equity: float) -> None:
    """Set the cash so that marking at ``close`` gives ``equity``, to the bit where a float does."""
    core.cash = 0.0
    cash = equity - mark_equity(core, close)
    for core.cash in (cash, math.nextafter(cash, math.inf), math.nextafter(cash, -math.inf)):
        if mark_equity(core, close) == equity:
            return
    core.cash = cash


class FreeShadow:
    """The decision core on the run's bars, with simulated fills; no pause and no stop reaches it.

    Funding is paid at the rates that the run paid; where only the shadow held a position none is known.
    """

    def __init__(self, settings: CoreSettings, core: CoreState | None = None, entry_ms: int = 0) -> None:
        self.settings = settings
        self.core = core or new_state(settings)
        self.entry_ms = entry_ms
        """Open time of the bar in which its position was opened."""

    def launch(self, bar: Bar, flags: GroupFlags, may_enter: int) -> None:
        """Enter at once, as a launch with *assume position now* does."""
        _enter_now(self.core, self.settings, bar, flags, may_enter)

    def step(
        self,
        bar: Bar,
        flags: GroupFlags,
        watched: WatchedRun,
        *,
        rates_at_open: Iterable[float] = (),
        rates_inside: Iterable[float] = (),
    ) -> Holding | None:
        """Play one bar; return the trade that it has closed."""
        core, settings = self.core, self.settings
        trades, entries = core.trades, core.entries
        for rate in rates_at_open:
            settle_funding(core, settings, bar.open, rate)
        open_bar(core, settings, bar.open)
        range_bar(core, settings, bar.high, bar.low, bar.volume)
        for rate in rates_inside:
            settle_funding(core, settings, bar.close, rate)
        if core.entries != entries:
            self.entry_ms = bar.time_ms
        close_ms = bar.time_ms + watched.timeframe.ms
        may_enter = int(watched.sessions.may_enter(close_ms, watched.timeframe))
        _close_bar(core, settings, bar, flags, watched, may_enter=may_enter)
        core.notes = 0
        return self._closed(bar.time_ms) if core.trades != trades else None

    def end(self, time_ms: int) -> Holding | None:
        """End with the candles; return the trade that this has closed."""
        trades = self.core.trades
        end_data(self.core, self.settings)
        mark_equity(self.core, self.core.last_close)
        return self._closed(time_ms) if self.core.trades != trades else None

    def _closed(self, time_ms: int) -> Holding:
        core = self.core
        return Holding(
            side=core.closed_side,
            entry_ms=self.entry_ms,
            exit_ms=time_ms,
            amount=amount_of(self.settings, core.closed_steps),
            entry_price=core.closed_entry_price,
            gross=core.closed_gross,
            fees=core.closed_fees,
            funding=core.closed_funding,
            reason=exit_reason(core.closed_reason).value,
        )

    def holding(self) -> Holding | None:
        """Return its position, marked at the last close; None: flat."""
        return holding_of(self.core, self.settings, self.entry_ms)


def holding_of(core: CoreState, settings: CoreSettings, entry_ms: int) -> Holding | None:
    """Return a core's position, marked at its last close; None: flat."""
    if core.steps == 0:
        return None
    return Holding(
        side=core.phase,
        entry_ms=entry_ms,
        exit_ms=None,
        amount=amount_of(settings, core.position_steps),
        entry_price=core.entry_price,
        gross=core.gross + price_gross(core, settings, core.steps, core.last_close),
        fees=core.fees,
        funding=core.funding,
        reason="",
    )
