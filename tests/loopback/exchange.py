"""The matching engine: accounts trade against a book around each coin's price path.

Pure and single-threaded: time comes in by ``advance``, what happened goes out by ``take_happenings``.
Orders of accounts never meet one another. A resting limit fills at its price once the path has passed it,
a reduce-only one once it was touched, as the backtest has it; triggers and liquidations happen at their
own level on a straight leg and at the new price on a jump, nearest first.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from firstwatch.trading.timeframe import Timeframe
from tests.loopback.books import Account, Fill, FundingPayment, Order, Position, Trigger, money
from tests.loopback.tape import Coin, Tape, ceil_to, decimal_of, floor_to

HOUR_MS = 3_600_000
BOOK_LEVELS = 20
DEFAULT_LEVERAGE = 20
_BPS = Decimal(10_000)
_FIRST_TID = 500_000_000_000
_TENTHS_BP = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class Rules:
    """How this venue charges and closes."""

    taker_fee_bps: Decimal = Decimal("4.5")
    maker_fee_bps: Decimal = Decimal("1.5")
    minimum_cost: Decimal = Decimal(10)
    liquidation: str = "market"
    """``market``: closed at the mark for the taker fee, the rest of the margin is the trader's.
    ``backstop``: taken over at the price at which the whole margin is lost, without a fee."""
    ends_reduce_only: bool = True
    """A position that is gone takes the orders along that could only reduce it."""
    fills_carry_cloid: bool = True


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to tell: ``kind`` is ``candle fill order funding trade``; ``account`` '' is everybody."""

    kind: str
    coin: str
    account: str
    what: Any


class Rejected(Exception):
    """An order that is refused, with the venue's sentence and the status under which it is remembered."""

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Exchange:
    """All accounts and coins at one moment of venue time."""

    def __init__(self, coins: Sequence[Coin], *, start_ms: int, dwell: float, rules: Rules) -> None:
        self.rules = rules
        self.coins = list(coins)
        self.tapes = {coin.name: Tape(coin, dwell=dwell, start_ms=start_ms) for coin in coins}
        self.now_ms = start_ms
        self.accounts: dict[str, Account] = {}
        self.dexes: list[str] = []
        """Names of the venue's other exchanges of perpetuals."""
        self._resting: dict[str, dict[int, Order]] = {coin.name: {} for coin in coins}
        self.watched: dict[str, set[Timeframe]] = {coin.name: set() for coin in coins}
        """The intervals of which somebody wants to be told."""
        self.partial_shares: list[Decimal] = []
        """Faults: the next executions fill only this share of what they could."""
        self._happenings: list[Happening] = []
        self._next_oid = 10_000_000
        self._next_tid = _FIRST_TID

    # --- reading --------------------------------------------------------------------------------

    def mark(self, coin: str) -> Decimal:
        return self.tapes[coin].price

    def best(self, coin: str, *, is_bid: bool) -> Decimal:
        """Return the book's best price of a side."""
        tape = self.tapes[coin]
        half = tape.price * decimal_of(tape.coin.half_spread_bps) / _BPS
        tick = tape.coin.tick_at(tape.price)
        return floor_to(tape.price - half, tick) if is_bid else ceil_to(tape.price + half, tick)

    def levels(self, coin: str, *, is_bid: bool) -> Iterator[tuple[Decimal, Decimal]]:
        """Yield price and amount of a side of the book, best first."""
        price, meta = self.best(coin, is_bid=is_bid), self.tapes[coin].coin
        for _ in range(BOOK_LEVELS):
            if price <= 0:
                return
            yield price, meta.level_amount
            tick = meta.tick_at(price)
            price = price - tick if is_bid else price + tick

    def account_value(self, account: Account) -> Decimal:
        return account.cash + sum(
            held.pnl(self.mark(held.coin)) + (held.margin if held.is_isolated else 0)
            for held in account.positions.values()
        )

    def cross_value(self, account: Account) -> Decimal:
        held = (one for one in account.positions.values() if not one.is_isolated)
        return account.cash + sum(one.pnl(self.mark(one.coin)) for one in held)

    def margin_used(self, held: Position) -> Decimal:
        mark = self.mark(held.coin)
        return (
            held.margin + held.pnl(mark) if held.is_isolated else money(abs(held.size) * mark / held.leverage)
        )

    def free(self, account: Account) -> Decimal:
        cross = (one for one in account.positions.values() if not one.is_isolated)
        return max(self.cross_value(account) - sum(map(self.margin_used, cross)), Decimal(0))

    def leverage(self, account: Account, coin: str) -> tuple[int, bool]:
        most = self.tapes[coin].coin.max_leverage
        return account.leverages.get(coin, (min(DEFAULT_LEVERAGE, most), False))

    def orders_of(self, account: Account, coin: str | None = None) -> list[Order]:
        """Return the open orders of an account, oldest first."""
        return [order for order in account.open.values() if coin in {None, order.coin}]

    def find(self, account: Account, oid: int | str) -> Order | None:
        """Return an order by its id or its client id: the newest, where one was reused."""
        if isinstance(oid, str):
            known = account.cloids.get(oid, [])
            return account.orders[known[-1]] if known else None
        return account.orders.get(oid)

    def take_happenings(self) -> list[Happening]:
        taken, self._happenings = self._happenings, []
        return taken

    # --- time -----------------------------------------------------------------------------------

    def advance(self, to_ms: int) -> None:
        """Let everything happen up to ``to_ms`` of venue time."""
        while self.now_ms <= to_ms:
            edge_ms = min(to_ms, (self.now_ms // HOUR_MS + 1) * HOUR_MS)
            edge_ms = min([edge_ms, *(tape.next_edge_ms(edge_ms) for tape in self.tapes.values())])
            self._happen_at(max(edge_ms, self.now_ms))
            if edge_ms >= to_ms:
                break

    def _happen_at(self, edge_ms: int) -> None:
        is_later = edge_ms > self.now_ms
        self.now_ms = edge_ms
        for tape in self.tapes.values():
            self._move(tape, tape.price_at(edge_ms), is_jump=False)
            if tape.bar_ends_at(edge_ms):
                tape.finish()
                self._tell_candles(tape)
                tape.end()
        if is_later and edge_ms % HOUR_MS == 0:
            self._settle_funding()
        for tape in self.tapes.values():
            if tape.bar_begins_at(edge_ms):
                self._move(tape, tape.begin(), is_jump=True)
                self._tell_candles(tape)
        self._liquidate_cross()

    def _tell_candles(self, tape: Tape) -> None:
        for interval in self.watched[tape.coin.name]:
            row = tape.last_row(interval)
            if row is not None:
                self._tell("candle", tape.coin.name, "", (interval, row))

    def _move(self, tape: Tape, price: Decimal, *, is_jump: bool) -> None:
        """Move a coin's price there; what lies on the way happens, nearest first."""
        if price == tape.price and not is_jump:
            tape.moved(price, self.now_ms)
        while (reached := self._nearest(tape, price)) is not None:
            level, what = reached
            tape.moved(price if is_jump else level, self.now_ms)
            if isinstance(what, Order):
                self._reach(what)
            else:
                self._liquidate(self.accounts[what[0]], what[1])
        if price != tape.price:
            self._tell("trade", tape.coin.name, "", price > tape.price)
        tape.moved(price, self.now_ms)

    def _nearest(self, tape: Tape, to: Decimal) -> tuple[Decimal, Order | tuple[str, Position]] | None:
        """Return what is reached first between the price and ``to``, and where."""
        at, coin = tape.price, tape.coin
        low, high = min(at, to), max(at, to)
        found: list[tuple[Decimal, int, int, Decimal, Any]] = []

        def add(level: Decimal, rank: int, what: Any) -> None:
            level = min(max(level, low), high)
            found.append((abs(level - at), rank, len(found), level, what))

        half = decimal_of(coin.half_spread_bps) / _BPS
        for order in self._resting[coin.name].values():
            if order.not_before_ms > self.now_ms:
                continue
            if order.waits_for_trigger:
                trigger = order.trigger
                falls = order.is_buy == trigger.is_take_profit
                if to <= trigger.price if falls else to >= trigger.price:
                    add(trigger.price, 0, order)
            else:
                counter = to * (1 + order.sign * half)
                beyond = order.sign * (order.limit - counter)
                if beyond > 0 or (beyond == 0 and order.reduce_only):
                    add(order.limit / (1 + order.sign * half), 1, order)
        for account in self.accounts.values():
            held = account.position(coin.name)
            level = None if held is None else held.liquidation_price(coin.maintenance_rate)
            if level is not None and held.sign * (to - level) <= 0:
                add(level, 2, (account.address, held))
        if not found:
            return None
        _, _, _, level, what = min(found)
        return level, what

    # --- orders ---------------------------------------------------------------------------------

    def place(self, order: Order) -> None:
        """Take an order: it executes, rests or waits. It is remembered in every case.

        Raises:
            Rejected: the venue refuses it.
        """
        account = self.accounts[order.account]
        account.orders[order.oid] = order
        if order.cloid is not None:
            account.cloids.setdefault(order.cloid, []).append(order.oid)
        try:
            self._check(account, order)
        except Rejected as refusal:
            self._end(order, refusal.status)
            raise
        order.status_ms = self.now_ms
        if order.trigger is None and self._crosses(order):
            self._take(account, order)
            if order.is_open and order.tif != "Gtc":
                # The venue calls what an immediate order did "filled", the rest is in its size.
                self._end(order, "filled" if order.filled else "iocCancelRejected")
        if order.is_open:
            self._keep(order)
            self._report(order)

    def new_order(
        self,
        account: str,
        coin: str,
        is_buy: bool,
        limit: Decimal,
        amount: Decimal,
        *,
        reduce_only: bool = False,
        tif: str | None = "Gtc",
        cloid: str | None = None,
        trigger: Trigger | None = None,
        builder: tuple[str, int] | None = None,
        by_hand: bool = False,
    ) -> Order:
        """Return an order with the next id, not yet placed."""
        self._next_oid += 1
        builder_address, builder_fee = (None, 0) if builder is None else builder
        return Order(
            self._next_oid,
            account,
            coin,
            is_buy,
            limit,
            amount,
            amount,
            reduce_only,
            tif,
            self.now_ms,
            cloid=cloid,
            trigger=trigger,
            builder=builder_address,
            builder_fee=builder_fee,
            by_hand=by_hand,
        )

    def cancel(
        self, account: Account, oid: int | str, coin: str, *, status: str = "canceled"
    ) -> Order | None:
        """Cancel an open order; None: there is none."""
        order = self.find(account, oid)
        if order is None or order.coin != coin or order.oid not in account.open:
            return None
        self._end(order, status)
        return order

    def modify(self, account: Account, oid: int | str, new: Order) -> None:
        """Replace an open order in one step; a refused new one leaves the old as it is.

        Raises:
            Rejected: there is no such open order, or the new one is refused.
        """
        old = self.find(account, oid)
        if old is None or old.oid not in account.open:
            raise Rejected("badModify", "Cannot modify canceled or filled order")
        self._drop(old)
        try:
            self.place(new)
        except Rejected:
            self._keep(old)
            raise
        self._end(old, "canceled")

    def _check(self, account: Account, order: Order) -> None:
        coin = self.tapes[order.coin].coin
        tail = f" asset={[one.name for one in self.coins].index(order.coin)}"
        mark, held = self.mark(order.coin), account.size(order.coin)
        prices = [order.limit] if order.trigger is None else [order.limit, order.trigger.price]
        if coin.is_delisted:
            raise Rejected("rejected", "Trading is halted." + tail)
        if not all(price > 0 and coin.is_on_tick(price) for price in prices):
            raise Rejected("tickRejected", "Price must be divisible by tick size." + tail)
        if order.amount == 0:
            raise Rejected("rejected", "Order has zero size." + tail)
        if order.amount < 0 or not coin.is_on_step(order.amount):
            raise Rejected("rejected", "Order has invalid size." + tail)
        if abs(order.limit - mark) > mark * Decimal("0.8"):
            raise Rejected(
                "oracleRejected",
                "Order price cannot be more than 80% away from the reference price" + tail,
            )
        closes_all = order.reduce_only and order.amount >= abs(held) > 0
        if not closes_all and order.amount * min(*prices, mark) < self.rules.minimum_cost:
            raise Rejected("minTradeNtlRejected", "Order must have minimum value of $10." + tail)
        if order.reduce_only and held * order.sign >= 0:
            raise Rejected("reduceOnlyRejected", "Reduce only order would increase position." + tail)
        if order.trigger is not None:
            falls = order.is_buy == order.trigger.is_take_profit
            if mark <= order.trigger.price if falls else mark >= order.trigger.price:
                raise Rejected("badTriggerPxRejected", "Invalid TP/SL price." + tail)
        elif order.tif == "Alo" and self._crosses(order):
            bid, ask = (self.best(order.coin, is_bid=side) for side in (True, False))
            raise Rejected(
                "badAloPxRejected",
                f"Post only order would have immediately matched, bbo was {bid}@{ask}.{tail}",
            )
        elif order.tif in {"Ioc", "FrontendMarket"} and not self._crosses(order):
            raise Rejected(
                "iocCancelRejected",
                "Order could not immediately match against any resting orders." + tail,
            )
        if not order.reduce_only and not self._can_carry(
            account, order, order.amount, min(order.limit, mark)
        ):
            raise Rejected("perpMarginRejected", "Insufficient margin to place order." + tail)

    def _can_carry(self, account: Account, order: Order, amount: Decimal, price: Decimal) -> bool:
        held = account.size(order.coin)
        opening = max(amount - abs(held), Decimal(0)) if held * order.sign < 0 else amount
        leverage, _ = self.leverage(account, order.coin)
        fee_bps = self.rules.taker_fee_bps + Decimal(order.builder_fee) / 10
        needed = opening * price * (1 / Decimal(leverage) + fee_bps / _BPS)
        # What an opposite fill gives back of the position's own margin is free by then.
        given = self._margin_given_back(account, order, amount)
        return needed <= self.free(account) + given

    def _margin_given_back(self, account: Account, order: Order, amount: Decimal) -> Decimal:
        held = account.position(order.coin)
        if held is None or held.sign == order.sign:
            return Decimal(0)
        return self.margin_used(held) * min(amount, abs(held.size)) / abs(held.size)

    def _crosses(self, order: Order) -> bool:
        return order.sign * (order.limit - self.best(order.coin, is_bid=not order.is_buy)) >= 0

    def _reach(self, order: Order) -> None:
        """Execute what the price has reached: a trigger fires, a resting limit fills."""
        account = self.accounts[order.account]
        if not order.waits_for_trigger:
            self._fill_resting(account, order)
            return
        order.is_triggered = True
        order.status, order.status_ms = "triggered", self.now_ms
        self._report(order)
        if self._crosses(order):
            self._take(account, order)
        if not order.is_open:
            return
        if order.trigger.is_market:
            self._end(order, "filled" if order.filled else "canceled")
        else:
            order.status, order.tif = "open", "Gtc"

    def _fill_resting(self, account: Account, order: Order) -> None:
        amount = self._fillable(account, order)
        if amount <= 0:
            self._end(order, "reduceOnlyCanceled")
        elif not order.reduce_only and not self._can_carry(account, order, amount, order.limit):
            self._end(order, "marginCanceled")
        else:
            amount = self._shared(order, amount)
            order.not_before_ms = self.now_ms + 1_000
            self._fill(account, order, order.limit, amount, is_taker=False)

    def _take(self, account: Account, order: Order) -> None:
        """Fill against the book, level by level, as far as the limit and the amount go."""
        left = self._shared(order, self._fillable(account, order))
        for price, amount in list(self.levels(order.coin, is_bid=not order.is_buy)):
            if left <= 0 or order.sign * (order.limit - price) < 0:
                break
            part = min(left, amount)
            if not order.reduce_only and not self._can_carry(account, order, part, price):
                self._end(order, "marginCanceled")
                return
            left -= part
            self._fill(account, order, price, part, is_taker=True)
        if order.reduce_only and order.rest and order.is_open and not account.size(order.coin):
            self._end(order, "reduceOnlyCanceled")

    def _fillable(self, account: Account, order: Order) -> Decimal:
        if not order.reduce_only:
            return order.rest
        held = account.size(order.coin)
        return min(order.rest, abs(held)) if held * order.sign < 0 else Decimal(0)

    def _shared(self, order: Order, amount: Decimal) -> Decimal:
        if amount <= 0 or not self.partial_shares or order.by_hand:
            return amount
        step = Decimal(1).scaleb(-self.tapes[order.coin].coin.sz_decimals)
        return max(floor_to(amount * self.partial_shares.pop(0), step), min(step, amount))

    def _fill(
        self,
        account: Account,
        order: Order,
        price: Decimal,
        amount: Decimal,
        *,
        is_taker: bool,
        liquidation: dict[str, str] | None = None,
        fee_bps: Decimal | None = None,
    ) -> None:
        """Book an execution and tell of it."""
        if fee_bps is None:
            fee_bps = self.rules.taker_fee_bps if is_taker else self.rules.maker_fee_bps
        builder_fee = money(price * amount * order.builder_fee / _TENTHS_BP)
        fee = money(price * amount * fee_bps / _BPS) + builder_fee
        start = account.size(order.coin)
        closed_pnl = self._book(account, order, price, amount)
        account.cash += closed_pnl - fee
        account.volume += price * amount
        order.average = (order.average * order.filled + price * amount) / (order.filled + amount)
        order.rest -= amount
        self._next_tid += 1
        fill = Fill(
            # Both sides of a trade have one id at the venue: an id is only an account's own.
            _FIRST_TID + len(account.fills),
            order.oid,
            account.address,
            order.coin,
            order.is_buy,
            price,
            amount,
            self.now_ms,
            start,
            _direction(start, order.sign * amount, liquidation is not None),
            closed_pnl,
            fee,
            builder_fee,
            is_taker,
            order.cloid,
            liquidation,
            f"0x{self._next_tid:064x}",
        )
        account.fills.append(fill)
        self._tell("fill", order.coin, account.address, fill)
        if not order.rest:
            self._end(order, "filled")
        else:
            self._report(order)
        if self.rules.ends_reduce_only:
            self._end_reduce_only(account, order.coin)

    def _book(self, account: Account, order: Order, price: Decimal, amount: Decimal) -> Decimal:
        """Change the position; return the PnL that was realised."""
        coin, change = order.coin, order.sign * amount
        held = account.position(coin)
        pnl = Decimal(0)
        if held is not None and held.sign != order.sign:
            closing = min(amount, abs(held.size))
            pnl = money(held.sign * closing * (price - held.entry))
            share = closing / abs(held.size)
            released = held.margin if share == 1 else money(held.margin * share)
            account.cash += released
            held.margin -= released
            held.size += order.sign * closing
            change -= order.sign * closing
            if not held.size:
                del account.positions[coin]
        if change:
            leverage, is_isolated = self.leverage(account, coin)
            held = account.positions.setdefault(coin, Position(coin, leverage, is_isolated))
            held.entry = (held.entry * abs(held.size) + price * abs(change)) / (abs(held.size) + abs(change))
            held.size += change
            if held.is_isolated:
                margin = money(price * abs(change) / leverage)
                held.margin += margin
                account.cash -= margin
        return pnl

    def _end_reduce_only(self, account: Account, coin: str) -> None:
        held = account.size(coin)
        for order in self.orders_of(account, coin):
            if order.reduce_only and order.sign * held >= 0:
                self._end(order, "reduceOnlyCanceled")

    def _end(self, order: Order, status: str) -> None:
        order.status, order.status_ms = status, self.now_ms
        self._drop(order)
        self._report(order)
        children, order.children = order.children, []
        for child in children if status == "filled" else ():
            with suppress(Rejected):  # it is remembered as refused
                self.place(child)

    def _keep(self, order: Order) -> None:
        self._resting[order.coin][order.oid] = order
        self.accounts[order.account].open[order.oid] = order

    def _drop(self, order: Order) -> None:
        self._resting[order.coin].pop(order.oid, None)
        self.accounts[order.account].open.pop(order.oid, None)

    def _report(self, order: Order) -> None:
        self._tell("order", order.coin, order.account, (order, order.status, order.rest, self.now_ms))

    # --- the venue's own doing ------------------------------------------------------------------

    def liquidate(self, account: Account, coin: str) -> None:
        """Close a position now as if its margin were used up."""
        held = account.position(coin)
        if held is not None:
            self._liquidate(account, held)

    def _liquidate(self, account: Account, held: Position) -> None:
        mark = self.mark(held.coin)
        bankrupt = held.entry - held.margin / held.size if held.is_isolated else mark
        is_backstop = self.rules.liquidation == "backstop" or held.sign * (mark - bankrupt) < 0
        price = money(bankrupt) if is_backstop else mark
        order = self.new_order(account.address, held.coin, held.size < 0, price, abs(held.size), by_hand=True)
        order.status = "filled"
        what = {
            "liquidatedUser": account.address,
            "markPx": str(mark),
            "method": "backstop" if is_backstop else "market",
        }
        for other in self.orders_of(account, held.coin):
            self._end(other, "liquidatedCanceled")
        account.orders[order.oid] = order
        fee_bps = Decimal(0) if is_backstop else self.rules.taker_fee_bps
        self._fill(account, order, price, order.amount, is_taker=True, liquidation=what, fee_bps=fee_bps)

    def _liquidate_cross(self) -> None:
        for account in self.accounts.values():
            cross = [held for held in account.positions.values() if not held.is_isolated]
            needed = sum(
                abs(held.size) * self.mark(held.coin) * self.tapes[held.coin].coin.maintenance_rate
                for held in cross
            )
            if cross and self.cross_value(account) < needed:
                for held in cross:
                    self._liquidate(account, held)

    def _settle_funding(self) -> None:
        for account in self.accounts.values():
            for held in list(account.positions.values()):
                coin = self.tapes[held.coin].coin
                rate = coin.funding.get(self.now_ms, coin.funding_rate)
                usdc = money(-held.size * self.mark(held.coin) * decimal_of(rate))
                if held.is_isolated:
                    held.margin += usdc
                else:
                    account.cash += usdc
                held.funding_paid -= usdc
                self._next_tid += 1
                payment = FundingPayment(
                    account.address,
                    held.coin,
                    usdc,
                    held.size,
                    rate,
                    self.now_ms,
                    f"0x{self._next_tid:064x}",
                )
                account.funding.append(payment)
                self._tell("funding", held.coin, account.address, payment)

    def _tell(self, kind: str, coin: str, account: str, what: Any) -> None:
        self._happenings.append(Happening(kind, coin, account, what))


def _direction(start: Decimal, change: Decimal, is_liquidation: bool) -> str:
    side = "Long" if start > 0 else "Short"
    if is_liquidation:
        return f"Liquidated Isolated {side}"
    if start * change >= 0:
        return "Open Long" if change > 0 else "Open Short"
    if abs(change) > abs(start):
        return f"{side} > {'Short' if side == 'Long' else 'Long'}"
    return f"Close {side}"
