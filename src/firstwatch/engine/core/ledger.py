"""The ledger of a run: the venue's fills and payments become the core's position, trades and equity."""

from dataclasses import replace
from decimal import Decimal

from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.records import FillRow, FundingRow, PositionRow, TradeAmended, TradeRow
from firstwatch.engine.core.run_memory import ZERO, TrackedOrder
from firstwatch.engine.core.step_context import StepContext
from firstwatch.strategy.core import book_entry, book_exit, book_funding, price_gross, stop_reason
from firstwatch.strategy.core_prices import stop_level
from firstwatch.strategy.core_settings import exit_reason, reason_code
from firstwatch.strategy.core_state import CoreSettings
from firstwatch.trading.account import Funding, Position
from firstwatch.trading.events import FillBooked, FundingBooked, Noted, TradeClosed
from firstwatch.trading.orders import Fill, OrderPurpose, Side, Touch
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.trade import Trade

KEPT_TRADES = 16
"""Closed trades to which a payment is still booked that the venue tells late."""
REMEMBERED_FILLS = 48
"""Fills, and payments, that are known by their ids; older ones are known by their time."""
_LATE_ENTRY = "late entry"


def exact(value: float) -> Decimal:
    """Return the shortest decimal that reads back as ``value``."""
    return Decimal(repr(value))


class Ledger:
    """Books what the venue says happened, each thing once."""

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
    def exposed(self) -> Decimal:
        """What stands at the venue on the run's side and is to be protected; 0 when the run is flat."""
        own, foreign = self.own, self._context.memory.foreign
        if own == 0:
            return ZERO
        total = own + foreign
        return abs(total) if total * own > 0 else ZERO

    # --- booking ---------------------------------------------------------------------------------

    def is_expected(self, fill: Fill) -> bool:
        """Tell whether a fill follows from what is known: of an order of the run, on a position it has.

        A liquidation never does: what it costs depends on the funding paid before it. Nor does an exit while
        the venue has filled more of an entry than it has told, or an entry while that is so of an exit: what
        an exit makes depends on the average of the entries before it.
        """
        order = self._orders.get(fill.client_order_id)
        if order is None:
            return False
        is_entry = order.intent.purpose is OrderPurpose.ENTRY
        may_follow = is_entry or self._context.memory.core.steps > 0
        return may_follow and not self._orders.unheard(entries=not is_entry)

    def is_known(self, fill: Fill) -> bool:
        """Tell whether a fill is booked, or from before all that is to be booked."""
        memory = self._context.memory
        return fill.fill_id in memory.fills_seen or fill.time_ms < memory.fills_horizon_ms

    def first_stop(self, entry: TrackedOrder) -> float:
        """Return where the stop will stand when the fills of an entry are told; 0: it has none."""
        if entry.reported_price is None:
            return 0.0
        atr = self._context.memory.core.atr_stop
        return stop_level(self._settings, entry.intent.side.sign, float(entry.reported_price), atr)

    def fill(self, fill: Fill, touch: Touch | None) -> None:
        """Book one fill, wherever it was heard of; the second word of the same fill changes nothing."""
        memory = self._context.memory
        if self.is_known(fill):
            return
        order = self._orders.get(fill.client_order_id)
        if order is None and self._was_before_launch(fill):
            return
        memory.fills_seen[fill.fill_id] = fill.time_ms
        self._forget()
        memory.is_compared = False
        core = memory.core
        if fill.is_liquidation and core.steps and fill.side.sign != core.phase:
            self._remember(fill, touch)
            self._exit(fill, ExitReason.LIQUIDATION)
            self._context.alarm("liquidated", f"the venue has liquidated {fill.amount:f} at {fill.price:f}")
            if not self._follows_from_bars(fill):
                self._pause("liquidation", "the venue has liquidated the position")
        elif order is None:
            memory.foreign_fills.append(fill)
            self._context.want_position()
            self._context.journal(
                Noted(
                    sentence=f"a fill that is not of this run: {fill.side} {fill.amount} at {fill.price}"
                    f" (order {fill.client_order_id or 'of somebody else'}); the position is read"
                )
            )
        else:
            self._remember(fill, touch)
            self._orders.fill(order, fill)
            if order.intent.purpose is OrderPurpose.ENTRY:
                self._entry(order, fill)
            else:
                self._context.want_position()
                if order.intent.purpose is OrderPurpose.STOP and not order.state.is_final:
                    # A stop that has begun to fill has triggered: what is left of it may rest no more.
                    order.wants_read = True
                self._reduce(fill, order)

    def _was_before_launch(self, fill: Fill) -> bool:
        """Tell whether the position that the run was launched on holds a fill already.

        A feed of bars gives a fill the open of its bar, so that the bar of the launch says neither.
        """
        return not self._context.setup.has_phases and fill.time_ms < self._context.memory.started_ms

    def _follows_from_bars(self, fill: Fill) -> bool:
        """Tell whether the core itself would have ended the trade so, at this bar, and its backtest goes on.

        That is so on a feed of bars, in the bar that it stands in. Elsewhere, and when it is only found
        afterwards, a liquidation is the venue's doing and entries pause.
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
            )
        )

    def _forget(self) -> None:
        """Keep the newest ids; from then on what is older than all of them counts as known.

        While an order fills, some of its fills may not be told yet: all since it was made are kept apart.
        """
        memory, timeframe = self._context.memory, self._context.setup.timeframe
        filling = [order.created_ms for order in self._orders.open() if order.filled or order.reported]
        made_ms = [timeframe.open_of(created_ms) for created_ms in filling]
        memory.fills_horizon_ms = _forget(memory.fills_seen, memory.fills_horizon_ms, made_ms)
        memory.fundings_horizon_ms = _forget(memory.fundings_seen, memory.fundings_horizon_ms, [])

    def _entry(self, order: TrackedOrder, fill: Fill) -> None:
        memory = self._context.memory
        if memory.core.steps and fill.side.sign != memory.core.phase:
            # An entry against the position that stands: not the core's any more, a foreign one to close.
            memory.foreign += fill.side.sign * fill.amount
            memory.unwanted += fill.side.sign * fill.amount
            self._limit_unwanted()
            self._context.want_position()
            return
        if memory.core.steps == 0:
            memory.trade_entry_ms = fill.time_ms
            self._context.clear_alarm("liquidated")
            memory.is_undecided = order.trade_is_closed
            if memory.is_undecided:
                # It has counted as an entry already.
                memory.core.entries -= 1
                self._context.alarm(
                    _LATE_ENTRY,
                    f"the entry order {fill.client_order_id} filled {fill.amount:f} after its trade was"
                    " closed; what it made is closed at once",
                )
        # A taker's fill happened at the price of the bar's open, a maker's somewhere inside the bar.
        at_open = 0 if fill.is_maker else 1
        steps = self._context.setup.market.steps(fill.amount)
        book_entry(
            memory.core, self._settings, fill.side.sign, steps, float(fill.price), float(fill.fee), at_open
        )
        self._exit_by_early()

    def _exit_by_early(self) -> None:
        """Book the run's exits that were told before the entry fill that they close."""
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
            # It closed what an entry before it had made: no trade ends before it has begun.
            time_ms = max(fill.time_ms, memory.trade_entry_ms)
            part = _part(fill, market.amount(closed), share)
            self.exit_steps(closed, part.price, part.fee, reason, time_ms, beyond_price=part.beyond_price)

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
        """A closing order filled although nothing was left: what it made is closed, if the venue shows it."""
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
        self._reduce_foreign(fill, fill.amount, fill.fee)
        self._limit_unwanted()

    def _exit(self, fill: Fill, reason: ExitReason) -> None:
        """Book an exit fill; what it fills beyond the run's own position reduces the foreign one."""
        memory, market = self._context.memory, self._context.setup.market
        steps = market.steps(fill.amount)
        own = min(steps, memory.core.steps)
        if steps > own:
            # Its whole fee is booked with what it closes of the run's own.
            self._reduce_foreign(fill, market.amount(steps - own), ZERO)
        self._context.want_position()
        beyond_price = fill.beyond_price * (Decimal(own) / steps)
        self.exit_steps(own, fill.price, fill.fee, reason, fill.time_ms, beyond_price=beyond_price)

    def _reduce_foreign(self, fill: Fill, amount: Decimal, fee: Decimal) -> None:
        """Take what an exit fills beyond the run's own position from the foreign one.

        What is beyond that, too, closes an entry whose fill is not told yet, at the price of this exit.
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
        beyond_price: Decimal = ZERO,
    ) -> None:
        """Reduce the run's own position; flat, the trade is closed and recorded.

        Where a loss ends is the venue's word, as all of a fill is: what was paid before it may be told later.
        """
        memory = self._context.memory
        core = memory.core
        code = reason_code(reason)
        gross = price_gross(core, self._settings, steps, float(price))
        if beyond_price:
            gross = float(exact(gross) + beyond_price)
        if not book_exit(core, self._settings, steps, float(price), float(fee), code, gross):
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
            )
        )

    def give_away(self) -> None:
        """Close the run's position where somebody else's on the other side leaves nothing of it to close."""
        memory = self._context.memory
        steps, memory.foreign = memory.core.steps, self.own + memory.foreign
        price = self._context.setup.market.price(memory.price)
        self.exit_steps(steps, price, ZERO, ExitReason.MANUAL, memory.now_ms)

    def funding(self, funding: Funding) -> None:
        """Book one funding payment, once, on the position that stood at its time, however late it is told.

        Those from before the run are not its own. One on a trade that is remembered no more only reaches
        the cash.
        """
        memory = self._context.memory
        known = funding.funding_id in memory.fundings_seen or funding.time_ms < memory.fundings_horizon_ms
        if known or funding.time_ms < memory.started_ms:
            return
        memory.fundings_seen[funding.funding_id] = funding.time_ms
        self._forget()
        closed = memory.last_trades
        paid_on = [place for place, trade in enumerate(closed) if trade.held_at(funding.time_ms)]
        is_of_position = not paid_on and funding.time_ms > memory.trade_entry_ms
        book_funding(memory.core, self._settings, float(funding.paid), int(is_of_position))
        for place in paid_on:
            closed[place] = closed[place].with_funding(funding.paid)
            self._context.record(TradeAmended(closed[place], closed_since=len(closed) - 1 - place))
        self._context.record(FundingRow(funding))
        self._context.journal(FundingBooked(paid=funding.paid, rate=funding.rate))

    # --- the venue's position --------------------------------------------------------------------

    def agrees(self, position: Position) -> bool:
        """Tell whether the venue shows what is booked, the known foreign part included."""
        return signed(position) == self.own + self._context.memory.foreign

    def explain(self, position: Position) -> None:
        """Take the venue's position for the truth, after its fills were read and did not explain it.

        What is missing on the run's side was closed by somebody else (``manual``); what is too much is
        foreign: it is protected with the rest where it is on the run's side, and otherwise left alone.
        Both pause entries.
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
            self._pause("manual", "somebody else has closed the position, or a part of it")
        else:
            self._pause("unexplained", f"the venue shows {shown:f} where {booked:f} is booked")
        memory.foreign = shown - self.own
        if self._orders.may_explain(memory.foreign, is_lasting=True) and not own:
            # An entry in doubt has made it, whose fills the venue does not tell: it is closed.
            memory.unwanted = memory.foreign
        self._limit_unwanted()
        memory.foreign_fills.clear()
        memory.early_exits.clear()

    def _limit_unwanted(self) -> None:
        """Keep what is to be closed within what is foreign: nothing else of it is left at the venue."""
        memory = self._context.memory
        memory.unwanted = max(min(memory.unwanted, max(memory.foreign, ZERO)), min(memory.foreign, ZERO))

    def _price_of_missing(self, amount: Decimal, order_sign: int) -> tuple[Decimal, Decimal]:
        """Return average price and fees of the foreign fills that closed ``amount``; else the last price."""
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
            liquidation=exact(core.liquidation) if core.liquidation else None,
            margin=exact(core.margin),
            time_ms=memory.now_ms,
        )


def _forget(seen: dict[str, int], horizon_ms: int, kept_from_ms: list[int]) -> int:
    """Drop what is older than the newest ids, and return from when on all are known by their id."""
    if len(seen) > REMEMBERED_FILLS * 2:
        horizon_ms = max(horizon_ms, min([sorted(seen.values())[-REMEMBERED_FILLS], *kept_from_ms]))
    for key in [key for key, time_ms in seen.items() if time_ms < horizon_ms]:
        del seen[key]
    return horizon_ms


def _part(fill: Fill, amount: Decimal, share: Decimal) -> Fill:
    """Return the part of a fill that is ``amount``, with its ``share`` of the fee and of the margin's end."""
    return replace(fill, amount=amount, fee=fill.fee * share, beyond_price=fill.beyond_price * share)


def signed(position: Position) -> Decimal:
    """Return the position's amount, + long."""
    return ZERO if position.side is None else position.side.sign * position.amount
