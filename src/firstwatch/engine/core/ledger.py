"""The ledger of a run: books the venue's fills and payments as position, trades and equity.

The order of arrival does not matter: the open position is booked as in the venue's order, because the profit
of an exit depends on the average of the entries before it, and a full exit ends the trade before later
entries.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cmp_to_key, partial

from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.records import FillRow, FundingRow, PositionRow, TradeAmended, TradeRow
from firstwatch.engine.core.run_memory import ZERO, BookedRow, TrackedOrder
from firstwatch.engine.core.step_context import StepContext
from firstwatch.strategy.core import (
    book_entry,
    book_exit,
    book_funding,
    price_gross,
    stop_reason,
    unbook_entry,
    unbook_exit,
)
from firstwatch.strategy.core_prices import stop_level
from firstwatch.strategy.core_settings import exit_reason, reason_code
from firstwatch.strategy.core_state import CoreSettings
from firstwatch.trading.account import Funding, Position
from firstwatch.trading.events import (
    DropCause,
    FillBooked,
    FundingBooked,
    Noted,
    SlicesCancelled,
    TradeClosed,
)
from firstwatch.trading.orders import Fill, OrderPurpose, Side, Touch
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.trade import Trade

KEPT_TRADES = 16
"""Number of closed trades kept, to book late payments on."""
REMEMBERED_FILLS = 48
"""Number of fills, and of payments, recognised by id; older ones are recognised by their time."""
KEPT_ROWS = 24
"""Number of fills and payments of the open position kept, to book a late one in its place."""
_LATE_ENTRY = "late entry"
_AT_LEVELS = frozenset(
    {ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP, ExitReason.TAKE_PROFIT, ExitReason.LIQUIDATION}
)


def exact(value: float) -> Decimal:
    """Return the shortest decimal that reads back as ``value``."""
    return Decimal(repr(value))


class Ledger:
    """Books each fill and payment of the venue once."""

    def __init__(self, context: StepContext, settings: CoreSettings, orders: OrderManager) -> None:
        self._context = context
        self._settings = settings
        self._orders = orders

    # --- reading ---------------------------------------------------------------------------------

    @property
    def side(self) -> Side | None:
        """The side of the run's own position; None: flat."""
        core = self._context.memory.core
        if core.steps == 0:
            return None
        return Side.LONG if core.phase > 0 else Side.SHORT

    @property
    def own(self) -> Decimal:
        """The run's own position as it is booked, signed, + long."""
        core = self._context.memory.core
        amount = self._context.setup.market.amount(core.steps)
        return amount if core.phase > 0 else -amount

    @property
    def liquidation(self) -> float:
        """Liquidation price, the venue's figure if it gives one, else the core's; 0: none."""
        memory = self._context.memory
        shown = memory.shown_liquidation
        if shown is not None and shown[:2] == (memory.trade_entry_ms, self.own):
            return float(shown[2])
        return memory.core.liquidation

    @property
    def exposed(self) -> Decimal:
        """Amount at the venue on the run's side, to be protected; 0 when the run is flat."""
        own, external = self.own, self._context.memory.foreign
        if own == 0:
            return ZERO
        total = own + external
        return abs(total) if total * own > 0 else ZERO

    # --- booking ---------------------------------------------------------------------------------

    def is_expected(self, fill: Fill) -> bool:
        """Return whether a fill can be booked now: of an order of the run, on a position that is booked.

        A liquidation never does: its cost depends on the funding paid before it. Nor does an exit while an
        entry has fills that have not arrived, or an entry while an exit has: the profit of an exit depends on
        the average of the entries before it.
        """
        order = self._orders.get(fill.client_order_id)
        if order is None:
            return False
        is_entry = order.intent.purpose is OrderPurpose.ENTRY
        may_follow = is_entry or self._context.memory.core.steps > 0
        return may_follow and not self._orders.unbooked(entries=not is_entry)

    def is_known(self, fill: Fill) -> bool:
        """Return whether a fill is already booked, or older than any that must be booked."""
        memory = self._context.memory
        return fill.fill_id in memory.fills_seen or fill.time_ms < memory.fills_horizon_ms

    def provisional_stop(self, entry: TrackedOrder) -> float:
        """Return where the stop will be once the fills of an entry arrive; 0: it has none."""
        if entry.reported_price is None:
            return 0.0
        atr = self._context.memory.core.atr_stop
        return stop_level(self._settings, entry.intent.side.sign, float(entry.reported_price), atr)

    def fill(self, fill: Fill, touch: Touch | None, listed: Sequence[Fill] = ()) -> None:
        """Book one fill, from whichever source; the same fill a second time changes nothing.

        ``listed``: the reading that it comes from, whose sequence orders fills of the same time.
        """
        memory = self._context.memory
        if self.is_known(fill):
            return
        order = self._orders.get(fill.client_order_id)
        if order is None and self._was_before_launch(fill):
            return
        memory.fills_seen[fill.fill_id] = fill.time_ms
        self._prune()
        memory.is_compared = False
        core = memory.core
        if fill.is_liquidation and core.steps and fill.side.sign != core.phase:
            self._remember(fill, touch)
            self._in_order(fill, listed, lambda: self._exit(fill, ExitReason.LIQUIDATION))
            self._context.alarm("liquidated", f"the venue has liquidated {fill.amount:f} at {fill.price:f}")
            if not self._follows_from_bars(fill):
                self._pause("liquidation", "the venue has liquidated the position")
        elif order is None:
            memory.foreign_fills.append(fill)
            self._context.want_position()
            self._context.journal(
                Noted(
                    sentence=f"a fill that is not of this run: {fill.side} {fill.amount} at {fill.price}"
                    f" (order {fill.client_order_id or 'without a client id'}); the position is read"
                )
            )
        else:
            self._remember(fill, touch)
            self._orders.fill(order, fill)
            if order.intent.purpose is OrderPurpose.ENTRY:
                self._in_order(fill, listed, lambda: self._entry(order, fill))
            else:
                self._context.want_position()
                if order.intent.purpose is OrderPurpose.STOP and not order.state.is_final:
                    # A stop that has begun to fill has triggered: its remainder may no longer rest.
                    order.wants_read = True
                self._in_order(fill, listed, lambda: self._reduce(fill, order))
        self._book_early_exits()

    def _in_order(self, new: Fill | Funding, listed: Sequence[Fill], book: Callable[[], None]) -> None:
        """Book a row in its place: later rows of the open position are reversed and booked again.

        The first row stays, since without any the position would not exist, unless an entry from before it
        becomes the first. A feed with phases delivers in order, including events stamped with their bar's
        open.
        """
        if self._context.setup.has_phases:
            book()
            return
        rows, phase = self._context.memory.position_rows, self._context.memory.core.phase
        is_later = [_is_after(row.source, new, listed) for row in rows]
        is_entry = isinstance(new, Fill) and new.side.sign == phase
        precedes_first = is_entry and bool(rows) and is_later[0] and rows[0].is_entry
        place = next((place for place in range(1, len(rows)) if is_later[place] or precedes_first), len(rows))
        anew = self._take_back(place)
        book()
        if precedes_first and rows[-1].source is new:
            # Entries give the same average in any order.
            rows.reverse()
            anew += self._take_back(1)
        anew += self._due_payments()
        for row in sorted(anew, key=cmp_to_key(partial(_compared, listed=listed))):
            self._book_anew(row)

    def _take_back(self, place: int) -> list[BookedRow]:
        """Take back the rows of the open position from that place on, and return them."""
        rows, core = self._context.memory.position_rows, self._context.memory.core
        taken = rows[place:]
        del rows[place:]
        for row in reversed(taken):
            source = row.source
            if isinstance(source, Funding):
                book_funding(core, self._settings, -float(source.paid), 1)
                continue
            steps = self._context.setup.market.steps(source.amount)
            price, fee = float(source.price), float(source.fee)
            if row.is_entry:
                unbook_entry(core, self._settings, steps, price, fee)
            else:
                unbook_exit(core, self._settings, steps, price, fee, row.gross)
        return taken

    def _due_payments(self) -> list[BookedRow]:
        """Take back from cash, and return, early payments on a position whose entry has arrived since."""
        memory = self._context.memory
        due = [paid for paid in memory.early_payments if paid.time_ms > memory.trade_entry_ms]
        if not due or not memory.core.steps:
            return []
        memory.early_payments = [paid for paid in memory.early_payments if paid not in due]
        for paid in due:
            book_funding(memory.core, self._settings, -float(paid.paid), 0)
        return [BookedRow(paid) for paid in due]

    def _book_anew(self, row: BookedRow) -> None:
        source = row.source
        if isinstance(source, Funding):
            self._pay(source)
        elif row.reason is None:
            self._entry(self._orders.get(source.client_order_id), source)
        elif self._context.memory.core.steps:
            self._exit(source, row.reason)
        else:
            self._reduce_external(source, source.amount, source.fee)

    def _keep_row(self, row: BookedRow) -> None:
        rows = self._context.memory.position_rows
        rows.append(row)
        del rows[:-KEPT_ROWS]

    def _was_before_launch(self, fill: Fill) -> bool:
        """Return whether the position at the launch already includes a fill.

        On a feed of bars a fill has the time of its bar's open, so the bar of the launch decides nothing.
        """
        return not self._context.setup.has_phases and fill.time_ms < self._context.memory.started_ms

    def _follows_from_bars(self, fill: Fill) -> bool:
        """Return whether the strategy core, as in a backtest, would have ended the trade at this bar itself.

        That is so on a feed of bars, within its current bar. Elsewhere, or when found only afterwards, a
        liquidation is the venue's act and entries pause.
        """
        length_ms = self._context.setup.timeframe.ms
        return self._context.setup.has_phases and self._context.memory.now_ms - fill.time_ms <= length_ms

    def _remember(self, fill: Fill, touch: Touch | None) -> None:
        order = self._orders.get(fill.client_order_id)
        mids = (
            order.mid_at_decision if order else None,
            order.mid_at_submission if order else None,
            order.mid_at_acknowledgement if order else None,
            touch.mid if touch else None,
        )
        self._context.record(FillRow(fill, *mids))
        self._context.journal(
            FillBooked(
                fill_id=fill.fill_id,
                client_order_id=fill.client_order_id,
                side=fill.side,
                amount=fill.amount,
                price=fill.price,
                fee=fill.fee,
                mid_at_decision=mids[0],
                mid_at_submission=mids[1],
                mid_at_acknowledgement=mids[2],
                mid_at_fill=mids[3],
                time_ms=fill.time_ms,
                is_maker=fill.is_maker,
            )
        )

    def _prune(self) -> None:
        """Keep the newest ids; older fills and payments count as known from then on.

        While an order fills, some of its fills may not have arrived: ids since it was made are all kept.
        """
        memory, timeframe = self._context.memory, self._context.setup.timeframe
        filling = [order.created_ms for order in self._orders.open() if order.filled or order.reported]
        made_ms = [timeframe.open_of(created_ms) for created_ms in filling]
        memory.fills_horizon_ms = _prune(memory.fills_seen, memory.fills_horizon_ms, made_ms)
        memory.fundings_horizon_ms = _prune(memory.fundings_seen, memory.fundings_horizon_ms, [])

    def _entry(self, order: TrackedOrder | None, fill: Fill) -> None:
        memory = self._context.memory
        if memory.core.steps and fill.side.sign != memory.core.phase:
            # An entry against the open position: no longer the run's own, an external one to close.
            memory.foreign += fill.side.sign * fill.amount
            memory.unwanted += fill.side.sign * fill.amount
            self._limit_unwanted()
            self._context.want_position()
            return
        if memory.core.steps == 0:
            memory.trade_entry_ms = fill.time_ms
            self._context.clear_alarm("liquidated")
            memory.is_undecided = order is None or order.trade_is_closed
            if memory.is_undecided:
                # It already counted as an entry.
                memory.core.entries -= 1
                self._context.alarm(
                    _LATE_ENTRY,
                    f"the entry order {fill.client_order_id} filled {fill.amount:f} after its trade was"
                    " closed; this position is closed at once",
                )
        memory.trade_entry_ms = min(memory.trade_entry_ms, fill.time_ms)
        # A taker's fill happened at the price of the bar's open, a maker's somewhere inside the bar.
        at_open = 0 if fill.is_maker else 1
        steps = self._context.setup.market.steps(fill.amount)
        book_entry(
            memory.core, self._settings, fill.side.sign, steps, float(fill.price), float(fill.fee), at_open
        )
        self._keep_row(BookedRow(fill))

    def _book_early_exits(self) -> None:
        """Book the run's exits that arrived before the entry fill that they close."""
        memory, market = self._context.memory, self._context.setup.market
        early, memory.early_exits = memory.early_exits, []
        for fill in early:
            steps = market.steps(fill.amount)
            closed = min(steps, memory.core.steps) if fill.side.sign != memory.core.phase else 0
            rest, share = steps - closed, Decimal(closed) / steps
            if rest:
                memory.early_exits.append(_part(fill, market.amount(rest), 1 - share))
            if not closed:
                continue
            memory.foreign -= fill.side.sign * market.amount(closed)
            self._limit_unwanted()
            order = self._orders.get(fill.client_order_id)
            reason = ExitReason.MANUAL if order is None else self._reason(order)
            # It closed an earlier entry: a trade cannot end before it began.
            time_ms = max(fill.time_ms, memory.trade_entry_ms)
            part = _part(fill, market.amount(closed), share)
            self.exit_steps(closed, part.price, part.fee, reason, time_ms, source=part)

    def _reason(self, order: TrackedOrder) -> ExitReason:
        """Return why an order of the run closes its position."""
        if order.reason is not None:
            return order.reason
        is_target = order.intent.purpose is OrderPurpose.TARGET
        return ExitReason.TAKE_PROFIT if is_target else exit_reason(stop_reason(self._context.memory.core))

    def _reduce(self, fill: Fill, order: TrackedOrder) -> None:
        core = self._context.memory.core
        if core.steps == 0 or fill.side.sign == core.phase:
            self._after_flat(fill, order.intent.purpose)
        else:
            self._exit(fill, self._reason(order))

    def _after_flat(self, fill: Fill, purpose: OrderPurpose) -> None:
        """Note a closing order's fill after flat: the position it opened is closed, if the venue shows it."""
        memory = self._context.memory
        change = fill.side.sign * fill.amount
        if memory.unwanted * change < 0:
            memory.unwanted += change
        else:
            memory.unwanted += change
            self._context.alarm(
                "fill after flat",
                f"the {purpose} order {fill.client_order_id} filled {fill.amount} after the position was"
                " flat; the position is read and what is left of it is closed",
            )
        self._reduce_external(fill, fill.amount, fill.fee)
        self._limit_unwanted()

    def _exit(self, fill: Fill, reason: ExitReason) -> None:
        """Book an exit fill; the part beyond the run's own position reduces the external one."""
        memory, market = self._context.memory, self._context.setup.market
        steps = market.steps(fill.amount)
        own = min(steps, memory.core.steps)
        if steps > own:
            # Its whole fee is booked with the run's own part.
            self._reduce_external(fill, market.amount(steps - own), ZERO)
        self._context.want_position()
        part = replace(_part(fill, market.amount(own), Decimal(own) / steps), fee=fill.fee)
        self.exit_steps(own, part.price, part.fee, reason, part.time_ms, source=part)

    def _reduce_external(self, fill: Fill, amount: Decimal, fee: Decimal) -> None:
        """Subtract the part of an exit beyond the run's own position from the external one.

        What exceeds that as well closes an entry whose fill has not arrived, at the price of this exit.
        """
        memory, sign = self._context.memory, fill.side.sign
        memory.foreign += sign * amount
        early = min(amount, max(sign * memory.foreign, ZERO))
        if self._context.setup.market.steps(early):
            share = early / fill.amount
            memory.early_exits.append(replace(_part(fill, early, share), fee=fee * early / amount))

    def exit_steps(
        self,
        steps: int,
        price: Decimal,
        fee: Decimal,
        reason: ExitReason,
        time_ms: int,
        *,
        source: Fill | None = None,
    ) -> None:
        """Reduce the run's own position; once flat, the trade is closed and recorded.

        Price and loss are the venue's, as for any fill: payments that were due before it may arrive later.
        ``source``: the part of a fill that caused it; without one the venue's position did, and earlier rows
        are never reversed.
        """
        memory = self._context.memory
        core = memory.core
        code = reason_code(reason)
        gross = price_gross(core, self._settings, steps, float(price))
        if source is not None and source.beyond_price:
            gross = float(exact(gross) + source.beyond_price)
        left = core.slices_steps
        is_closed = book_exit(core, self._settings, steps, float(price), float(fee), code, gross)
        if is_closed or source is None:
            memory.position_rows.clear()
        else:
            self._keep_row(BookedRow(source, reason, gross))
        if not is_closed:
            return
        trade = Trade(
            side=Side.LONG if core.closed_side > 0 else Side.SHORT,
            entry_time_ms=memory.trade_entry_ms,
            entry_price=exact(core.closed_entry_price),
            exit_time_ms=time_ms,
            exit_price=exact(core.closed_exit_price),
            amount=self._context.setup.market.amount(core.closed_steps),
            gross_pnl=exact(core.closed_gross),
            fees=exact(core.closed_fees),
            funding=exact(core.closed_funding),
            pnl=exact(core.closed_pnl),
            reason=reason,
            bars_held=core.closed_bars_held,
            adverse_excursion=exact(core.closed_adverse),
            favourable_excursion=exact(core.closed_favourable),
            expected_entry_price=exact(core.closed_expected_entry) if core.closed_expected_entry else None,
            expected_exit_price=exact(core.closed_expected_exit) if core.closed_expected_exit else None,
        )
        memory.exit_reason = reason
        memory.wants_balance = True
        memory.is_adopted = memory.is_undecided = False
        self._context.clear_alarm(_LATE_ENTRY)
        if memory.entry is not None:
            memory.entry.cancels, memory.entry.rest_at_market = True, False
        for order in (*memory.orders.values(), *memory.settled.values()):
            order.trade_is_closed = order.intent.purpose is OrderPurpose.ENTRY
        memory.last_trades = [*memory.last_trades, trade][-KEPT_TRADES:]
        self._context.record(TradeRow(core.trades, trade))
        self._context.journal(
            TradeClosed(
                side=trade.side,
                amount=trade.amount,
                entry_price=trade.entry_price,
                exit_price=trade.exit_price,
                pnl=trade.pnl,
                reason=reason,
                level=trade.expected_exit_price if reason in _AT_LEVELS and not core.expected_exit else None,
            )
        )
        if left:
            amount = self._context.setup.market.amount(left)
            cause = DropCause.NOT_WANTED
            self._context.journal(SlicesCancelled(side=trade.side, amount=amount, cause=cause))

    def write_off(self) -> None:
        """Book the position as closed: an external one on the other side has offset all of it."""
        memory = self._context.memory
        steps, memory.foreign = memory.core.steps, self.own + memory.foreign
        price = self._context.setup.market.price(memory.price)
        self.exit_steps(steps, price, ZERO, ExitReason.MANUAL, memory.now_ms)

    def funding(self, funding: Funding) -> None:
        """Book one funding payment, once, on the position of its time, however late it arrives.

        Payments from before the run are not its own. One on a trade that is no longer kept only reaches the
        cash.
        """
        memory = self._context.memory
        known = funding.funding_id in memory.fundings_seen or funding.time_ms < memory.fundings_horizon_ms
        if known or funding.time_ms < memory.started_ms:
            return
        memory.fundings_seen[funding.funding_id] = funding.time_ms
        self._prune()
        if memory.core.steps and funding.time_ms > memory.trade_entry_ms:
            self._in_order(funding, (), lambda: self._pay(funding))
            self._book_early_exits()
        else:
            self._pay(funding)
        self._context.record(FundingRow(funding))
        self._context.journal(FundingBooked(paid=funding.paid, rate=funding.rate))

    def _pay(self, funding: Funding) -> None:
        memory, closed = self._context.memory, self._context.memory.last_trades
        paid_on = [place for place, trade in enumerate(closed) if trade.held_at(funding.time_ms)]
        is_of_position = not paid_on and bool(memory.core.steps) and funding.time_ms > memory.trade_entry_ms
        book_funding(memory.core, self._settings, float(funding.paid), int(is_of_position))
        for place in paid_on:
            closed[place] = closed[place].with_funding(funding.paid)
            self._context.record(TradeAmended(closed[place], closed_since=len(closed) - 1 - place))
        if is_of_position:
            self._keep_row(BookedRow(funding))
        elif not paid_on:
            memory.early_payments = [*memory.early_payments, funding][-KEPT_ROWS:]

    # --- the venue's position --------------------------------------------------------------------

    def agrees(self, position: Position) -> bool:
        """Return whether the venue shows what is booked, the known external part included."""
        return signed(position) == self.own + self._context.memory.foreign

    def accept(self, position: Position) -> None:
        """Accept the venue's position, after its fills were read and did not explain it.

        What is missing on the run's side was closed by someone else (``manual``); what is too much is
        external: on the run's side it is protected with the rest, otherwise it is left alone. Both pause
        entries.
        """
        memory, market = self._context.memory, self._context.setup.market
        shown, booked = signed(position), self.own + memory.foreign
        self._context.alarm(
            "unexplained position",
            f"the venue shows a position of {shown:f}, booked are {booked:f}; entries are paused",
        )
        own = self.own
        sign = 1 if own > 0 else -1
        kept = max(shown * sign, ZERO) if own else ZERO
        if own and kept < abs(own):
            missing = abs(own) - kept
            price, fee = self._price_of_missing(missing, -sign)
            for fill in memory.foreign_fills:
                self._remember(fill, None)
            time_ms = memory.foreign_fills[-1].time_ms if memory.foreign_fills else memory.now_ms
            self.exit_steps(market.steps(missing), price, fee, ExitReason.MANUAL, time_ms)
            self._pause("manual", "someone else has closed the position or a part of it")
        else:
            self._pause("unexplained", f"the venue shows {shown:f} where {booked:f} is booked")
        memory.foreign = shown - self.own
        memory.shares_wallet |= memory.foreign != 0
        if self._orders.may_explain(memory.foreign, is_overdue=True) and not own:
            # An entry in flight opened it, and its fills do not arrive: it is closed.
            memory.unwanted = memory.foreign
        self._limit_unwanted()
        memory.foreign_fills.clear()
        memory.early_exits.clear()
        memory.early_payments.clear()

    def _limit_unwanted(self) -> None:
        """Limit the unwanted amount to the external one: no more of it is left at the venue."""
        memory = self._context.memory
        memory.unwanted = max(min(memory.unwanted, max(memory.foreign, ZERO)), min(memory.foreign, ZERO))

    def _price_of_missing(self, amount: Decimal, order_sign: int) -> tuple[Decimal, Decimal]:
        """Return average price and fees of the external fills that closed ``amount``, or the last price."""
        fills = [fill for fill in self._context.memory.foreign_fills if fill.side.sign == order_sign]
        total = sum((fill.amount for fill in fills), ZERO)
        if total == 0:
            return self._context.setup.market.price(self._context.memory.price), ZERO
        cost = sum((fill.amount * fill.price for fill in fills), ZERO)
        fees = sum((fill.fee for fill in fills), ZERO)
        return cost / total, fees * min(amount / total, Decimal(1))

    def _pause(self, reason: str, why: str) -> None:
        self._context.pause(reason, f"{why}; entries pause until they are resumed")

    # --- rows ------------------------------------------------------------------------------------

    def position_row(
        self,
        *,
        stop: Decimal | None,
        target: Decimal | None,
        stop_wanted: Decimal | None,
        target_wanted: Decimal | None,
    ) -> PositionRow:
        memory, core = self._context.memory, self._context.memory.core
        is_flat = core.steps == 0
        return PositionRow(
            side=self.side,
            amount=abs(self.own),
            entry_price=None if is_flat else exact(core.entry_price),
            entry_time_ms=None if is_flat else memory.trade_entry_ms,
            stop=stop,
            target=target,
            stop_wanted=stop_wanted,
            target_wanted=target_wanted,
            liquidation=exact(self.liquidation) if self.liquidation else None,
            margin=exact(core.margin),
            time_ms=memory.now_ms,
        )


def _prune(seen: dict[str, int], horizon_ms: int, kept_from_ms: list[int]) -> int:
    """Drop what is older than the newest ids; return the time from which all are known by their id."""
    if len(seen) > REMEMBERED_FILLS * 2:
        horizon_ms = max(horizon_ms, min([sorted(seen.values())[-REMEMBERED_FILLS], *kept_from_ms]))
    for key in [key for key, time_ms in seen.items() if time_ms < horizon_ms]:
        del seen[key]
    return horizon_ms


def _is_after(one: Fill | Funding, other: Fill | Funding, listed: Sequence[Fill]) -> bool:
    """Return whether ``one`` came after ``other`` at the venue; a payment comes before fills of its time."""
    ranks = [(source.time_ms, isinstance(source, Fill)) for source in (one, other)]
    if ranks[0] != ranks[1] or isinstance(one, Funding) or isinstance(other, Funding):
        return ranks[0] > ranks[1]
    places = {fill.fill_id: place for place, fill in enumerate(listed) if fill.time_ms == one.time_ms}
    return places.get(one.fill_id, -1) > places.get(other.fill_id, len(listed))


def _compared(one: BookedRow, other: BookedRow, *, listed: Sequence[Fill]) -> int:
    return _is_after(one.source, other.source, listed) - _is_after(other.source, one.source, listed)


def _part(fill: Fill, amount: Decimal, share: Decimal) -> Fill:
    """Return the part of a fill of size ``amount``, with its ``share`` of the fee and of ``beyond_price``."""
    return replace(fill, amount=amount, fee=fill.fee * share, beyond_price=fill.beyond_price * share)


def signed(position: Position) -> Decimal:
    """Return the position's amount, + long."""
    return ZERO if position.side is None else position.side.sign * position.amount
