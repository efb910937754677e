"""The paper venue's matching engine: accounts, orders and positions of one market. No input, output or clock.

The caller releases a bar in phases (``Phase``) and gives each phase its prices and times. Events and changed
state collect in ``Changes`` until ``take`` returns them. The decision core's own functions compute prices,
fees and liquidation, so a backtest and a paper run agree. The file is one rule book, read from top to bottom.
A phase follows rules 8 to 11 of ``firstwatch.strategy``; where these are silent:

- Several triggers in one bar execute nearest first; a stop at exactly the liquidation price wins.
- Margin is checked when an order is accepted, at the last price (for a limit order: at its own). As at a
  live venue, the gap to the next open is not checked again.
- A reduce-only order executes for what is left of the position, and is cancelled once it has nothing to
  reduce. Minimums do not apply to an order that closes the whole position.
- A stop that is already beyond the last price is refused at a close. While a bar is open it executes at once
  at that price, and so does an entry limit that the open has reached. A position that the open has filled
  is tested against its liquidation price before the limits, when its protection could have been placed.
- An open that reaches an entry limit fills it before the open is tested against stops and targets.
- With ``volume_share`` an order fills at most that share of a bar's volume; a liquidation fills whole.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum

from firstwatch.market.funding import FundingRate
from firstwatch.strategy.core_prices import (
    fee_of,
    funding_paid,
    limit_is_reached,
    limit_steps,
    liquidation_price,
    payable,
    taker_price,
)
from firstwatch.strategy.core_settings import fraction, limit_rule
from firstwatch.trading.account import Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.limit_fills import THROUGH, LimitFills
from firstwatch.trading.market import COUNT_EPSILON, Market
from firstwatch.trading.orders import (
    Fill,
    OrderIntent,
    OrderKind,
    OrderReport,
    OrderSide,
    OrderState,
    Side,
    Touch,
)
from firstwatch.venues.paper.account import PaperAccount, PaperOrder, PaperPosition, exact
from firstwatch.venues.protocol import (
    Accepted,
    FillReported,
    FundingReported,
    OrderReported,
    RefusalCode,
    Refused,
    VenueEvent,
)


class Phase(IntEnum):
    """How far a bar has been released."""

    OPEN = 0
    """Its open is known: waiting orders have executed, gaps were tested."""
    LIMITS = 1
    """Entry limits in its range have filled; their protection may be placed."""
    RANGE = 2
    """Stops, liquidation and targets in its range have executed."""
    CLOSE = 3
    """It is closed."""
    ENDED = 4
    """It was the last bar; orders execute at its close."""


@dataclass(frozen=True, slots=True)
class PaperCosts:
    """Deviations from ideal fills, which are whole, immediate and at the shown price."""

    slippage_bps: Decimal = Decimal(0)
    spread_bps: Decimal = Decimal(0)
    """Bid to ask; a taker pays half of it on top of the slippage."""
    latency_ms: int = 0
    volume_share: float = 0.0
    """Largest share of a bar's volume that one order may fill; 0: no bound."""
    limit_fills: LimitFills = THROUGH
    """What a price that touches an entry limit fills; reduce-only limits fill when touched."""


@dataclass(frozen=True, slots=True)
class Tape:
    """Position of the feed: the last price, the venue's time, and the bar that stamps the fills."""

    price: float
    now_ms: int
    bar_ms: int
    phase: Phase
    volume: float = 0.0


@dataclass(slots=True)
class Changes:
    """State changes to be stored in one transaction, and the events of the accounts."""

    accounts: dict[str, PaperAccount] = field(default_factory=dict)
    orders: dict[str, PaperOrder] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    fundings: list[Funding] = field(default_factory=list)
    events: list[tuple[str, VenueEvent]] = field(default_factory=list)
    """(account, event), in order."""

    @property
    def is_empty(self) -> bool:
        """There is nothing to store; events alone need no transaction."""
        return not (self.accounts or self.orders or self.fills or self.fundings)


class PaperExchange:
    """Accounts and their resting orders in one market."""

    def __init__(self, market: Market, costs: PaperCosts, tape: Tape, *, next_number: int = 1) -> None:
        self.market = market
        self.tape = tape
        self.next_number = next_number
        """Number of the next order or fill."""
        self.accounts: dict[str, PaperAccount] = {}
        self.orders: dict[str, PaperOrder] = {}
        """Open orders only, by client order id, oldest first."""
        self._costs = costs
        self._slippage = fraction(costs.slippage_bps)
        self._half_spread = fraction(costs.spread_bps / 2)
        self._limit_rule = limit_rule(costs.limit_fills)
        self._taker_fee = fraction(market.taker_fee_bps)
        self._maker_fee = fraction(market.maker_fee_bps)
        self._maintenance = float(market.maintenance_rate)
        self._changes = Changes()

    def restore(self, accounts: Iterable[PaperAccount], orders: Iterable[PaperOrder]) -> None:
        """Set accounts and open orders from the store."""
        self.accounts = {account.name: account for account in accounts}
        self.orders = {
            order.client_order_id: order for order in sorted(orders, key=lambda order: order.number)
        }

    def take(self) -> Changes:
        """Return the changes since the last call."""
        taken, self._changes = self._changes, Changes()
        return taken

    # --- phases ---------------------------------------------------------------------------------

    def release_open(self, bar: Bar, funding: Sequence[FundingRate]) -> None:
        """Release a bar's open: funding due at it, waiting orders (exits first), then gaps against the rest.

        ``funding``: the rates due exactly at the bar's open time, on positions held before.
        """
        self.tape = Tape(bar.open, bar.time_ms, bar.time_ms, Phase.OPEN, bar.volume)
        if self._is_idle:
            return
        self._settle(funding, bar.open)
        self._execute_waiting()
        for order in self._resting(OrderKind.LIMIT, reduce_only=False):
            if limit_is_reached(order.side.sign, bar.open, _float(order.price)):
                self._fill(order, bar.open, self._fillable(order), is_maker=False)
        for account in self._busy_accounts():
            if account.position.entered_bar_ms != bar.time_ms:
                self._test_gap(account)
                self._fill_targets(account, bar.open, bar.open)

    def release_limits(self, bar: Bar, end_ms: int) -> None:
        """Fill the entry limits that the bar's range passed; ``end_ms``: its close time."""
        self.tape = Tape(self.tape.price, end_ms - 1, bar.time_ms, Phase.LIMITS, bar.volume)
        if self._is_idle:
            return
        for account in self._busy_accounts():
            self._test_gap(account)
        for order in self._resting(OrderKind.LIMIT, reduce_only=False):
            limit = _float(order.price)
            reach = bar.low if order.side is OrderSide.BUY else bar.high
            steps = self._fillable(order)
            if steps:
                steps = limit_steps(
                    order.side.sign,
                    reach,
                    limit,
                    steps,
                    bar.volume,
                    self._limit_rule,
                    self._costs.limit_fills.queue,
                    float(self.market.amount_step),
                )
            self._fill(order, limit, steps, is_maker=True)

    def release_range(self, bar: Bar, end_ms: int) -> None:
        """Execute stops, liquidation and then targets that the bar's range reached."""
        self.tape = Tape(self.tape.price, end_ms - 1, bar.time_ms, Phase.RANGE, bar.volume)
        if self._is_idle:
            return
        for account in self._busy_accounts():
            self._test_triggers(account, bar.low, bar.high, gap_price=None)
            self._fill_targets(account, bar.low, bar.high)

    def release_close(self, bar: Bar, funding: Sequence[FundingRate], end_ms: int) -> None:
        """Release the close: funding due inside the bar, and orders that latency has delayed until now."""
        self.tape = Tape(bar.close, end_ms, bar.time_ms, Phase.CLOSE, bar.volume)
        if self._is_idle:
            return
        self._settle(funding, bar.close)
        self._execute_waiting()

    def end(self) -> None:
        """End the feed: from here on market orders execute at the last close."""
        tape = self.tape
        self.tape = Tape(tape.price, tape.now_ms, tape.bar_ms, Phase.ENDED, tape.volume)

    # --- orders ---------------------------------------------------------------------------------

    def send(self, intent: OrderIntent) -> Accepted | Refused:
        """Accept an order, or refuse it with a reason. The caller has checked the client order id."""
        refusal = self._why_not(intent)
        if refusal is not None:
            return refusal
        order, price = self._accept(intent), self.tape.price
        is_open = self.tape.phase in (Phase.OPEN, Phase.LIMITS)
        if order.kind is OrderKind.MARKET:
            if self._executes_at_once(order):
                self._execute(order, price)
        elif order.kind is OrderKind.STOP:
            if is_open:
                self._test_gap(self.account(order.account))
        elif (
            is_open
            and not order.reduce_only
            and limit_is_reached(order.side.sign, price, _float(order.price))
        ):
            self._fill(order, price, self._fillable(order), is_maker=False)
        return Accepted(order.venue_order_id)

    def cancel(self, client_order_id: str, account: str) -> Accepted | Refused:
        """Cancel an open order of the account."""
        order = self.orders.get(client_order_id)
        if order is None or order.account != account:
            return Refused(RefusalCode.NOT_FOUND, f"order {client_order_id} is not open")
        self._end_order(order, "cancelled by its sender")
        return Accepted(order.venue_order_id)

    def modify(self, client_order_id: str, intent: OrderIntent) -> Accepted | Refused:
        """Replace an open order; when the new one is refused, the old one stays unchanged."""
        old = self.orders.get(client_order_id)
        if old is None or old.account != intent.account:
            return Refused(RefusalCode.NOT_FOUND, f"order {client_order_id} is not open")
        refusal = self._why_not(intent, instead_of=old)
        if refusal is not None:
            return refusal
        self._end_order(old, f"replaced by order {intent.client_order_id[-6:]}")
        return self.send(intent)

    def set_leverage(self, name: str, leverage: Decimal) -> Accepted | Refused:
        """Set isolated margin at that leverage; refused while a position or entry order has another."""
        account = self.account(name)
        if leverage == account.leverage:
            return Accepted("")
        if not 1 <= leverage <= self.market.maximum_leverage:
            return Refused(
                RefusalCode.OTHER, f"leverage {leverage} is not within 1 to {self.market.maximum_leverage}"
            )
        if self.market.whole_leverage and leverage != leverage.to_integral_value():
            return Refused(RefusalCode.OTHER, f"leverage {leverage} is not a whole number")
        if account.position.sign or any(
            order.account == name and not order.reduce_only for order in self.orders.values()
        ):
            return Refused(
                RefusalCode.OTHER, "leverage cannot change while there is a position or an entry order"
            )
        account.leverage = leverage
        self._changes.accounts[name] = account
        return Accepted("")

    # --- readings -------------------------------------------------------------------------------

    def account(self, name: str) -> PaperAccount:
        """Return the account; a new one if it is not known."""
        known = self.accounts.get(name)
        if known is None:
            known = self.accounts[name] = PaperAccount(name)
        return known

    def touch(self) -> Touch:
        """Return the last price with the spread around it."""
        price = self.tape.price
        half = price * self._half_spread
        return Touch(price - half, price + half, price, self.tape.now_ms)

    def balance(self, name: str) -> Balance:
        """Return the money; ``used`` is the margin of the position and of the entry orders."""
        account = self.account(name)
        used = exact(account.position.margin) + sum(
            (
                exact(self._margin_of(order.rest, self._price_of(order), account))
                for order in self.orders.values()
                if order.account == name and not order.reduce_only
            ),
            Decimal(0),
        )
        total = account.deposits + account.cash
        return Balance(total, used, total - used, self.tape.now_ms, account.deposits)

    def position(self, name: str) -> Position:
        """Return the account's position."""
        account = self.account(name)
        held = account.position
        is_flat = held.sign == 0
        unrealised = held.sign * (self.tape.price - held.entry_price) * self._quantity(held.steps)
        liquidation = self._liquidation(held)
        return Position(
            account=name,
            symbol=self.market.symbol,
            side=None if is_flat else _side(held.sign),
            amount=self.market.amount(held.steps),
            entry_price=None if is_flat else exact(held.entry_price),
            leverage=account.leverage,
            is_isolated=True,
            liquidation_price=exact(liquidation) if liquidation > 0 else None,
            margin=exact(held.margin),
            unrealised_pnl=exact(unrealised),
            time_ms=self.tape.now_ms,
        )

    def open_orders(self, name: str) -> list[OrderReport]:
        """Return the account's open orders, oldest first."""
        return [self.report(order) for order in self.orders.values() if order.account == name]

    def report(self, order: PaperOrder) -> OrderReport:
        """Return the venue's report of an order."""
        return order.report(self.market.amount_step)

    # --- taking an order ------------------------------------------------------------------------

    def _why_not(self, intent: OrderIntent, *, instead_of: PaperOrder | None = None) -> Refused | None:
        """Return the refusal of an order, or None; ``instead_of``: the order that it replaces."""
        market = self.market
        if intent.symbol != market.symbol:
            return Refused(RefusalCode.OTHER, f"{intent.symbol} is not traded here; {market.symbol} is")
        if intent.amount <= 0 or intent.amount % market.amount_step:
            return Refused(
                RefusalCode.OTHER, f"amount {intent.amount} is not whole steps of {market.amount_step}"
            )
        if intent.kind is OrderKind.LIMIT and intent.price is None:
            return Refused(RefusalCode.OTHER, "a limit order needs a price")
        if intent.kind is OrderKind.STOP and intent.trigger_price is None:
            return Refused(RefusalCode.OTHER, "a stop order needs a trigger price")
        # A worst price is a bound, not a price: it need not be on the tick.
        limit = intent.price if intent.kind is OrderKind.LIMIT else None
        for price in (limit, intent.trigger_price):
            if price is not None and (price <= 0 or price % market.tick_at(float(price))):
                return Refused(
                    RefusalCode.OTHER, f"price {price} is not on the tick of {market.tick_at(float(price))}"
                )
        account = self.account(intent.account)
        held = account.position
        steps = market.steps(intent.amount)
        if intent.reduce_only and held.sign * intent.side.sign >= 0:
            return Refused(
                RefusalCode.REDUCE_ONLY, "there is no position that this reduce-only order would reduce"
            )
        if intent.kind is OrderKind.STOP and self._is_beyond(intent):
            return Refused(
                RefusalCode.BEYOND_MARK,
                f"trigger {intent.trigger_price} is beyond the mark {self.tape.price}",
            )
        price_now = _float(intent.trigger_price or limit) or self.tape.price
        closes_whole = intent.reduce_only and steps >= held.steps
        if not closes_whole and (refusal := self._below_minimum(intent.amount, price_now)):
            return refusal
        if intent.reduce_only:
            return None
        opening = steps if held.sign * intent.side.sign >= 0 else max(0, steps - held.steps)
        quantity = self._quantity(opening)
        need = exact(
            self._margin_of(opening, price_now, account) + fee_of(price_now, quantity, self._taker_fee)
        )
        free = self.balance(intent.account).free
        if instead_of is not None and not instead_of.reduce_only:
            free += exact(self._margin_of(instead_of.rest, self._price_of(instead_of), account))
        if need > free:
            return Refused(
                RefusalCode.MARGIN, f"the order needs {need:.2f} {market.quote}, free are {free:.2f}"
            )
        return None

    def _is_beyond(self, intent: OrderIntent) -> bool:
        if self.tape.phase not in (Phase.CLOSE, Phase.ENDED):
            return False
        return intent.side.sign * (self.tape.price - _float(intent.trigger_price)) >= 0

    def _below_minimum(self, amount: Decimal, price: float) -> Refused | None:
        market = self.market
        if amount < market.minimum_amount:
            return Refused(
                RefusalCode.MINIMUM, f"amount {amount} is below the minimum of {market.minimum_amount}"
            )
        cost = price * float(amount)
        if cost < float(market.minimum_cost) * (1 - COUNT_EPSILON):
            return Refused(
                RefusalCode.MINIMUM,
                f"{cost:.2f} {market.quote} is below the minimum order of {market.minimum_cost}",
            )
        return None

    def _accept(self, intent: OrderIntent) -> PaperOrder:
        order = PaperOrder(
            client_order_id=intent.client_order_id,
            number=self._number(),
            account=intent.account,
            symbol=intent.symbol,
            side=intent.side,
            kind=intent.kind,
            steps=self.market.steps(intent.amount),
            reduce_only=intent.reduce_only,
            price=intent.price,
            trigger_price=intent.trigger_price,
            ready_ms=self.tape.now_ms + self._costs.latency_ms,
            updated_ms=self.tape.now_ms,
        )
        self.orders[order.client_order_id] = order
        self._changes.orders[order.client_order_id] = order
        return order

    def _executes_at_once(self, order: PaperOrder) -> bool:
        """Whether a market order executes now: an open's price still holds, a close's is already past."""
        if self.tape.phase is Phase.ENDED:
            return True
        return self.tape.phase is Phase.OPEN and order.ready_ms <= self.tape.now_ms

    # --- executing ------------------------------------------------------------------------------

    @property
    def _is_idle(self) -> bool:
        return not self.orders and not any(account.position.sign for account in self.accounts.values())

    def _busy_accounts(self) -> list[PaperAccount]:
        """Return the accounts with a position or an order, by name: the same sequence after a restart."""
        names = {order.account for order in self.orders.values()}
        return [
            account
            for name, account in sorted(self.accounts.items())
            if account.position.sign or name in names
        ]

    def _resting(self, kind: OrderKind, *, reduce_only: bool) -> list[PaperOrder]:
        return [
            order
            for order in self.orders.values()
            if order.kind is kind and order.reduce_only == reduce_only and not order.is_triggered
        ]

    def _settle(self, funding: Sequence[FundingRate], price: float) -> None:
        """Book funding on all positions: sign x quantity x price x rate, at most what they are worth."""
        for time_ms, rate in funding:
            for account in self._busy_accounts():
                held = account.position
                if held.sign == 0:
                    continue
                owed = funding_paid(held.sign, self._quantity(held.steps), price, rate)
                paid = payable(owed, held.margin, self._gross(held, held.steps, price))
                held.margin -= paid
                account.cash -= exact(paid)
                booked = Funding(
                    funding_id=f"{self.market.symbol} {account.name} {time_ms}",
                    account=account.name,
                    symbol=self.market.symbol,
                    paid=exact(paid),
                    rate=exact(rate),
                    time_ms=time_ms,
                )
                self._changes.accounts[account.name] = account
                self._changes.fundings.append(booked)
                self._report(account.name, FundingReported(booked, self.tape.now_ms))

    def _execute_waiting(self) -> None:
        """Execute the orders that waited for this price, exits before entries."""
        now_ms = self.tape.now_ms
        waiting = [
            order for order in self.orders.values() if order.waits_for_price and order.ready_ms <= now_ms
        ]
        for order in sorted(waiting, key=lambda order: not order.reduce_only):
            # An earlier one may have closed the position, and cancelled this order with it.
            if order.state.is_open:
                self._execute(order, self.tape.price)

    def _execute(self, order: PaperOrder, price: float) -> None:
        """Execute a market order or a triggered stop at ``price``, within its worst price and the volume."""
        taken = self._taker(price, order.side)
        if order.price is not None and order.side.sign * (taken - _float(order.price)) > 0:
            self._end_order(order, f"{taken:g} is beyond its worst price {order.price}")
            return
        self._fill(order, taken, self._fillable(order), is_maker=False)
        if not order.state.is_open:
            return
        if order.kind is OrderKind.STOP:
            order.is_triggered = True
        elif order.filled_steps:
            self._end_order(order, "the rest of an immediate order is cancelled")
        else:
            self._end_order(order, "nothing could be filled at once")

    def _test_gap(self, account: PaperAccount) -> None:
        """Execute at the bar's open the stops and the liquidation of an account that the open has passed."""
        price = self.tape.price
        self._test_triggers(account, price, price, gap_price=price)

    def _test_triggers(
        self, account: PaperAccount, low: float, high: float, *, gap_price: float | None
    ) -> None:
        """Execute the stops and the liquidation of an account within ``low`` to ``high``, nearest first.

        ``gap_price``: the open, if it is already beyond the levels; None: each executes at its level.
        """
        while account.position.sign:
            held = account.position
            reached = low if held.sign > 0 else high
            stop = self._nearest_stop(account, low, high)
            liquidation = self._liquidation(held)
            is_liquidated = liquidation > 0 and held.sign * (reached - liquidation) <= 0
            if is_liquidated and (stop is None or held.sign * (liquidation - _float(stop.trigger_price)) > 0):
                self._liquidate(account, liquidation if gap_price is None else gap_price)
            elif stop is not None:
                self._trigger(stop, gap_price)
            else:
                break
        for order in self._resting(OrderKind.STOP, reduce_only=False):
            if order.account == account.name and _is_triggered(order, low, high):
                self._trigger(order, gap_price)

    def _nearest_stop(self, account: PaperAccount, low: float, high: float) -> PaperOrder | None:
        sign = account.position.sign
        return max(
            (
                order
                for order in self.orders.values()
                if order.account == account.name
                and order.kind is OrderKind.STOP
                and order.side.sign == -sign
                and not order.is_triggered
                and _is_triggered(order, low, high)
            ),
            key=lambda order: sign * _float(order.trigger_price),
            default=None,
        )

    def _trigger(self, order: PaperOrder, gap_price: float | None) -> None:
        self._execute(order, _float(order.trigger_price) if gap_price is None else gap_price)

    def _fill_targets(self, account: PaperAccount, low: float, high: float) -> None:
        """Fill the reached reduce-only limits of an account at exactly their price."""
        held = account.position
        if held.sign == 0 or (self.tape.phase is Phase.RANGE and held.limit_bar_ms == self.tape.bar_ms):
            return
        for order in self._resting(OrderKind.LIMIT, reduce_only=True):
            if order.account != account.name or not order.state.is_open:
                continue
            limit = _float(order.price)
            if low <= limit if order.side is OrderSide.BUY else high >= limit:
                self._fill(order, limit, self._fillable(order), is_maker=True)

    def _fillable(self, order: PaperOrder) -> int:
        """Return how many steps of the order may fill now: by its rest, the position and the volume."""
        steps = order.rest
        if order.reduce_only:
            held = self.account(order.account).position
            steps = min(steps, held.steps) if held.sign * order.side.sign < 0 else 0
        if self._costs.volume_share > 0:
            if order.volume_bar_ms != self.tape.bar_ms:
                order.volume_bar_ms, order.volume_steps = self.tape.bar_ms, 0
            share = self._costs.volume_share * self.tape.volume / float(self.market.amount_step)
            steps = min(steps, math.floor(share + COUNT_EPSILON) - order.volume_steps)
        return max(steps, 0)

    def _fill(self, order: PaperOrder, price: float, steps: int, *, is_maker: bool) -> None:
        """Fill ``steps`` of an order at ``price``; 0 does nothing."""
        if steps == 0:
            return
        account = self.account(order.account)
        fee = fee_of(price, self._quantity(steps), self._maker_fee if is_maker else self._taker_fee)
        beyond_price = self._book(account, order.side.sign, steps, price)
        if not order.reduce_only and self.tape.phase is Phase.LIMITS:
            account.position.limit_bar_ms = self.tape.bar_ms
        account.cash -= exact(fee)
        filled = order.filled_steps + steps
        order.average_price = (
            price
            if order.filled_steps == 0
            else (order.average_price * order.filled_steps + price * steps) / filled
        )
        order.filled_steps = filled
        order.volume_steps += steps
        order.updated_ms = self.tape.now_ms
        order.state = OrderState.PARTIALLY_FILLED if order.rest else OrderState.FILLED
        if not order.rest:
            del self.orders[order.client_order_id]
        self._changes.orders[order.client_order_id] = order
        self._report_fill(
            account, order.side, steps, price, fee, order=order, is_maker=is_maker, beyond_price=beyond_price
        )
        self._report(order.account, OrderReported(self.report(order), self.tape.now_ms))
        self._sweep(account)

    def _liquidate(self, account: PaperAccount, price: float) -> None:
        """Liquidate the position: the whole margin is lost, without a fee."""
        held = account.position
        steps, side = held.steps, OrderSide.SELL if held.sign > 0 else OrderSide.BUY
        gross = self._gross(held, steps, price)
        beyond_price = self._realise(account, gross, -held.margin)
        account.position = PaperPosition()
        self._report_fill(
            account, side, steps, price, 0.0, order=None, is_maker=False, beyond_price=beyond_price
        )
        self._sweep(account)

    def _book(self, account: PaperAccount, sign: int, steps: int, price: float) -> Decimal:
        """Change the position by a fill; a realised loss is capped at the margin of the closed part.

        Returns the difference between the realised PnL and the PnL by the price.
        """
        held, beyond_price = account.position, Decimal(0)
        if held.sign * sign < 0:
            closing = min(steps, held.steps)
            margin = held.margin if closing == held.steps else held.margin * closing / held.steps
            gross = self._gross(held, closing, price)
            beyond_price = self._realise(account, gross, max(gross, -margin))
            held.margin -= margin
            held.steps -= closing
            steps -= closing
            if held.steps == 0:
                account.position = held = PaperPosition()
        if steps:
            total = held.steps + steps
            held.entry_price = (
                price if held.steps == 0 else (held.entry_price * held.steps + price * steps) / total
            )
            held.margin += self._margin_of(steps, price, account)
            held.sign, held.steps = sign, total
            held.entered_bar_ms = self.tape.bar_ms
        return beyond_price

    @staticmethod
    def _realise(account: PaperAccount, gross: float, realised: float) -> Decimal:
        """Book realised PnL; return its difference from ``gross``, the PnL by the price."""
        account.cash += exact(realised)
        return exact(realised) - exact(gross)

    def _report_fill(
        self,
        account: PaperAccount,
        side: OrderSide,
        steps: int,
        price: float,
        fee: float,
        *,
        order: PaperOrder | None,
        is_maker: bool,
        beyond_price: Decimal,
    ) -> None:
        fill = Fill(
            # Padded, so that ids sort as text in the sequence of the fills.
            fill_id=f"{self._number():012d}",
            client_order_id=None if order is None else order.client_order_id,
            account=account.name,
            symbol=self.market.symbol,
            side=side,
            amount=self.market.amount(steps),
            price=exact(price),
            fee=exact(fee),
            time_ms=self.tape.bar_ms,
            is_maker=is_maker,
            is_liquidation=order is None,
            beyond_price=beyond_price,
        )
        self._changes.accounts[account.name] = account
        self._changes.fills.append(fill)
        self._report(account.name, FillReported(fill, self.touch(), self.tape.now_ms))

    def _sweep(self, account: PaperAccount) -> None:
        """Cancel the account's reduce-only orders that have nothing left to reduce."""
        sign = account.position.sign
        for order in list(self.orders.values()):
            if order.account == account.name and order.reduce_only and order.side.sign * sign >= 0:
                self._end_order(order, "the position that it would reduce is gone")

    def _end_order(self, order: PaperOrder, reason: str) -> None:
        order.state = OrderState.CANCELED
        order.reason = reason
        order.updated_ms = self.tape.now_ms
        del self.orders[order.client_order_id]
        self._changes.orders[order.client_order_id] = order
        self._report(order.account, OrderReported(self.report(order), self.tape.now_ms))

    def _report(self, account: str, event: VenueEvent) -> None:
        self._changes.events.append((account, event))

    # --- figures --------------------------------------------------------------------------------

    def _number(self) -> int:
        number = self.next_number
        self.next_number += 1
        return number

    def _quantity(self, steps: int) -> float:
        return float(self.market.amount(steps))

    def _gross(self, held: PaperPosition, steps: int, price: float) -> float:
        """Return the PnL of closing ``steps`` by the price, without the cap at the margin."""
        return held.sign * (price - held.entry_price) * self._quantity(steps)

    def _margin_of(self, steps: int, price: float, account: PaperAccount) -> float:
        return price * self._quantity(steps) / float(account.leverage)

    def _price_of(self, order: PaperOrder) -> float:
        """Return the price at which an entry order's margin is reserved."""
        limit = order.price if order.kind is OrderKind.LIMIT else order.trigger_price
        return self.tape.price if limit is None else float(limit)

    def _liquidation(self, held: PaperPosition) -> float:
        """Return the liquidation price; 0: there is none."""
        if held.sign == 0:
            return 0.0
        return liquidation_price(
            held.sign, held.entry_price, self._quantity(held.steps), held.margin, self._maintenance
        )

    def _taker(self, price: float, side: OrderSide) -> float:
        return taker_price(price, side.sign, self._slippage, self._half_spread)


def _side(sign: int) -> Side:
    return Side.LONG if sign > 0 else Side.SHORT


def _float(price: Decimal | None) -> float:
    return 0.0 if price is None else float(price)


def _is_triggered(order: PaperOrder, low: float, high: float) -> bool:
    trigger = _float(order.trigger_price)
    return high >= trigger if order.side is OrderSide.BUY else low <= trigger
