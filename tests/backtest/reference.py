"""A slow second opinion on rules 7 to 23 of ``firstwatch.strategy``, sharing no code with the core.

It looks back over the whole history where the core keeps counters, and rounds to steps and ticks in
Decimal where the core counts floats.
"""

import math
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

DAY_MS = 86_400_000


@dataclass
class Held:
    side: int
    steps: int
    price: float
    bar: int
    at_open: bool
    margin: float
    fees: float
    atr_stop: float
    atr_target: float
    expected: float
    stop: float | None = None
    target: float | None = None
    moved: bool = False
    funding: float = 0.0
    floor: float = 0.0
    adverse: float = 0.0
    favourable: float = 0.0


@dataclass
class Resting:
    side: int
    steps: int
    limit: float
    decided: int
    link: bool
    atr_stop: float
    atr_target: float
    expected: float
    slices: int = 0


@dataclass
class After:
    """What was left behind by a closed trade."""

    side: int
    bar: int
    link: int | None


@dataclass
class Reference:
    spec: object
    candles: object
    signals: object
    market: object
    costs: object
    settings: object
    funding: list = field(default_factory=list)
    may_enter: object = None
    must_flatten: object = None

    def run(self, first):
        self.cash = float(self.settings.capital)
        self.held = None
        self.resting = None
        self.pending = None  # ("exit", reason) or ("enter", Resting)
        self.after = None
        self.ambiguous = False
        self.taken = 0
        self.entries = 0
        self.trades = []
        self.equity = []
        self.first = first
        self.over = False
        self.paused_for_good = set()
        self.paused_day = None
        self.refusals = 0
        self.follow_ups = 0
        self.further = 0
        self.left = None  # steps and slices that are left of an entry, and how many steps each has
        self.cut = 0
        reset = self.settings.reset or self.spec.reset
        self.reset = reset
        rows = list(
            zip(
                self.candles.time_ms.tolist(),
                self.candles.open.tolist(),
                self.candles.high.tolist(),
                self.candles.low.tolist(),
                self.candles.close.tolist(),
                self.candles.volume.tolist(),
                strict=True,
            )
        )
        self.rows = rows
        if self.settings.assume_position_now and first > 0:
            self.assume(first - 1)
        for i in range(first, len(rows)):
            self.bar(i)
        if self.held:
            self.leave(len(rows) - 1, self.taker(rows[-1][4], -self.held.side), "end_of_data", "taker")
            self.equity[-1] = self.cash
        return self.trades, self.equity

    # --- prices

    def taker(self, price, sign):
        bps = float(self.costs.slippage_bps) + float(self.costs.spread_bps) / 2
        return price + sign * price * bps / 1e4

    def fee(self, price, steps, kind):
        bps = self.costs.taker_fee_bps if kind == "taker" else self.costs.maker_fee_bps
        return float(self.market.amount(steps)) * price * float(bps) / 1e4

    def on_tick(self, price, up):
        tick = self.market.tick_at(price)
        count = Decimal(repr(price)) / tick
        nearest = count.to_integral_value()
        if abs(count - nearest) > Decimal("1e-7"):
            nearest = count.to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
        return float(nearest * tick)

    def distance(self, level, price, atr):
        if level is None:
            return None
        return {"fraction": price * level.value, "amount": level.value, "atr": level.value * atr}[level.kind]

    def stop_from(self, price, side, atr):
        distance = self.distance(self.spec.stop_loss, price, atr)
        if distance is None or price - side * distance <= 0:
            return None
        return self.on_tick(price - side * distance, up=side > 0)

    def target_from(self, price, side, atr):
        distance = self.distance(self.spec.take_profit, price, atr)
        if distance is None or price + side * distance <= 0:
            return None
        return self.on_tick(price + side * distance, up=side < 0)

    def liquidation(self):
        held = self.held
        m = float(self.market.maintenance_rate)
        quantity = float(self.market.amount(held.steps))
        price = (held.price - held.side * held.margin / quantity) / (1 - held.side * m)
        return price if price > 0 else None

    # --- one bar

    def bar(self, i):
        t, o, h, low, c, volume = self.rows[i]
        for f, rate in self.funding:
            if f == t and self.held:
                self.pay(o, rate)
        had = self.held.steps if self.held else 0
        pending, self.pending = self.pending, None
        if pending and pending[0] == "exit":
            decided = self.rows[i - 1][4]
            self.leave(i, self.taker(o, -self.held.side), pending[1], "taker", decided)
        elif pending:
            self.enter(i, pending[1], self.taker(o, pending[1].side), "taker", at_open=True)
        elif self.resting and (o <= self.resting.limit if self.resting.side > 0 else o >= self.resting.limit):
            self.enter(i, self.resting, o, "taker", at_open=True)
        if self.held:
            self.protect(i, o, o, at_open=True, target=had == self.held.steps)
        steps = self.filled_by_range(h, low, volume) if self.resting else 0
        if steps:
            self.enter(i, replace(self.resting, steps=steps), self.resting.limit, "maker", at_open=False)
        if self.held:
            self.protect(i, h, low, at_open=False, target=not steps)
        for f, rate in self.funding:
            if t < f < t + 3_600_000 and self.held:
                self.pay(c, rate)
        self.close(i)

    def filled_by_range(self, high, low, volume):
        """What a bar fills of the order that rests: all beyond it, at a touch what the rule says."""
        order, fills = self.resting, self.costs.limit_fills
        reach = low if order.side > 0 else high
        if order.side * reach < order.side * order.limit:
            return order.steps
        if reach != order.limit or fills.rule == "through":
            return 0
        if fills.rule == "touch":
            return order.steps
        behind = (1 - fills.queue) * volume / float(self.market.amount_step)
        return min(order.steps, math.floor(behind + 1e-9))

    def pay(self, price, rate):
        amount = float(self.market.amount(self.held.steps))
        worth = self.held.margin + self.held.side * amount * (price - self.held.price)
        paid = min(self.held.side * amount * price * rate, max(worth, 0.0))
        self.cash -= paid
        self.held.funding += paid
        self.held.margin -= paid

    def protect(self, i, high, low, at_open, target=True):
        held = self.held
        levels = [level for level in (held.stop, self.liquidation()) if level is not None]
        nearest = (max if held.side > 0 else min)(levels) if levels else None
        worst, favourable = (low, high) if held.side > 0 else (high, low)
        if nearest is not None and held.side * worst <= held.side * nearest:
            price = worst if at_open else nearest
            if nearest == held.stop:
                reason = "trailing_stop" if held.moved else "stop_loss"
                self.leave(i, self.taker(price, -held.side), reason, "taker", nearest)
            else:
                self.leave(i, price, "liquidation", None, nearest)
        elif target and held.target is not None and held.side * favourable >= held.side * held.target:
            self.leave(i, held.target, "take_profit", "maker", held.target)

    def enter(self, i, order, price, kind, at_open):
        fee = self.fee(price, order.steps, kind)
        margin = price * float(self.market.amount(order.steps)) / float(self.settings.leverage)
        self.cash -= fee
        rest = self.resting.steps - order.steps if self.resting else 0
        self.resting = replace(self.resting, steps=rest) if rest else None
        held = self.held
        if held is not None and order.slices:
            # What was expected is the mean of the closes that decided the parts.
            order.expected = (held.expected * held.steps + order.expected * order.steps) / (
                held.steps + order.steps
            )
        if held is None:
            held = self.held = Held(
                order.side,
                order.steps,
                price,
                i,
                at_open,
                margin,
                fee,
                order.atr_stop,
                order.atr_target,
                order.expected,
                floor=price,
            )
            self.entries += 1
            self.taken = self.taken + 1 if order.link else 0
            self.follow_ups += order.link
            self.after = None
            self.ambiguous = False
        else:
            held.price = (held.price * held.steps + price * order.steps) / (held.steps + order.steps)
            held.expected = order.expected
            held.steps += order.steps
            held.margin += margin
            held.fees += fee
            held.floor = (max if held.side > 0 else min)(held.floor, held.price)
            self.further += 1
        stop = self.stop_from(held.price, order.side, order.atr_stop)
        if not held.moved or (stop is not None and held.side * stop > held.side * held.stop):
            held.stop = stop
        held.target = self.target_from(held.price, order.side, order.atr_target)

    def note_price(self, against, favour):
        """Count what the price has come to, measured from the average that was paid so far."""
        held = self.held
        held.adverse = max(held.adverse, held.side * (held.price - against))
        if favour is not None:
            held.favourable = max(held.favourable, held.side * (favour - held.price))

    def leave(self, i, price, reason, fee_kind, expected=None):
        held = self.held
        fee = self.fee(price, held.steps, fee_kind) if fee_kind else 0.0
        gross = held.side * (price - held.price) * float(self.market.amount(held.steps))
        gross = -held.margin if reason == "liquidation" else max(gross, -held.margin)
        self.cash += gross - fee
        last_full = i if reason == "end_of_data" else i - 1
        self.note_price(price, price)
        self.trades.append(
            {
                "side": held.side,
                "entry": (self.rows[held.bar][0], held.price),
                "exit": (self.rows[i][0], price),
                "steps": held.steps,
                "pnl": gross - fee - held.fees - held.funding,
                "fees": fee + held.fees,
                "funding": held.funding,
                "reason": reason,
                "bars": last_full - held.bar + 1,
                "adverse": held.adverse,
                "favourable": held.favourable,
                "expected": (held.expected, self.rows[i][4] if expected is None else expected),
            }
        )
        self.held = self.resting = self.left = None
        links = self.reset.follow_up
        link = None
        if links:
            exhausted = self.taken >= len(links)
            matches = reason in links[min(self.taken, len(links) - 1)].after
            if matches and not exhausted:
                link = self.taken
            else:
                self.taken = 0
                if matches and self.reset.on_exhausted == "stop_run":
                    self.over = True
        self.after = After(held.side, i, link)
        if self.settings.trades_limit and self.entries >= self.settings.trades_limit:
            self.over = True

    # --- the close

    def close(self, i):
        t, high, low, c = self.rows[i][0], *self.rows[i][2:5]
        crossed = False
        held = self.held
        if held:
            worst, best = (low, high) if held.side > 0 else (high, low)
            self.note_price(worst, best if held.at_open or i > held.bar else None)
        if held and self.spec.stop_loss and self.spec.stop_loss.trailing and not self.over:
            bars = range(held.bar if held.at_open else held.bar + 1, i + 1)
            extremes = [self.rows[j][2] if held.side > 0 else self.rows[j][3] for j in bars]
            best = (max if held.side > 0 else min)([held.floor, *extremes])
            level = self.stop_from(best, held.side, held.atr_stop)
            if level is not None and (held.stop is None or held.side * level > held.side * held.stop):
                if held.side * level >= held.side * c:
                    crossed = True
                else:
                    held.stop = level
                    held.moved = True
        amount = float(self.market.amount(held.steps)) if held else 0.0
        equity = self.cash + (held.side * amount * (c - held.price) if held else 0.0)
        self.equity.append(equity)
        if self.over:
            return
        guard = self.guards(i, equity)
        if self.over and self.settings.guards.stop_mode == "leave_unprotected" and held:
            held.stop = held.target = None
        allowed = bool(self.may_enter[i]) if self.may_enter is not None else True
        held_back = bool(self.paused_for_good) or self.paused_day == t // DAY_MS

        if held:
            exits = self.signals.exit_long if held.side > 0 else self.signals.exit_short
            reason = None
            if crossed:
                reason = "trailing_stop" if held.moved else "stop_loss"
            elif self.must_flatten is not None and self.must_flatten[i]:
                reason = "session"
            elif guard:
                reason = "guard" if self.settings.guards.stop_mode == "close" else None
            elif exits[i] == 1:
                reason = "signal"
            if reason and not crossed and not self.settings.close_position_on_exit:
                reason = None
            if reason:
                self.pending, self.resting = ("exit", reason), None
            elif self.resting:
                self.rest(i, free=allowed and not held_back)
            elif self.left:
                self.slice(i, held, free=allowed and not held_back)
            if reason:
                self.left = None
            return
        if self.resting:
            self.rest(i, free=allowed and not held_back)
            return
        if not self.over:
            self.decide(i, equity, allowed, held_back)

    def rest(self, i, free):
        """Count a close of the order that rests."""
        order = self.resting
        exits = self.signals.exit_long if order.side > 0 else self.signals.exit_short
        if exits[i] == 1 or not free or self.over:
            self.resting = None
            if order.link and not self.held:
                self.lapse()
        elif i - order.decided >= self.spec.order.timeout_bars:
            self.resting = None
            if not self.held or not self.is_too_small(order.steps, self.rows[i][4]):
                self.pending = ("enter", order)

    def slice(self, i, held, free):
        """Decide the next part of an entry, or nothing more of it."""
        steps, count, each = self.left
        self.left = None
        exits = self.signals.exit_long if held.side > 0 else self.signals.exit_short
        if exits[i] == 1 or not free or self.over:
            return
        close = self.rows[i][4]
        if count > 1 and self.is_too_small(each, close):
            count = max(n for n in range(1, count + 1) if n == 1 or not self.is_too_small(steps // n, close))
            each = steps // count
        part = steps if count == 1 else each
        if count > 1:
            self.left = steps - part, count - 1, each
        leverage = float(self.settings.leverage)
        reserve = 1 + leverage * (float(self.costs.taker_fee_bps) / 1e4 + 0.005)
        amount = (self.cash - held.margin) / reserve * leverage / close
        most = math.floor(amount / float(self.market.amount_step) + 1e-9)
        if most < part:
            self.cut += 1
            part = most
        if self.is_too_small(part, close):
            self.left = None
            return
        order = Resting(held.side, part, close, i, False, held.atr_stop, held.atr_target, close, slices=1)
        self.pending = ("enter", order)

    def is_too_small(self, steps, price):
        amount = self.market.amount(steps)
        least = float(self.market.minimum_cost)
        return steps < 1 or amount < self.market.minimum_amount or float(amount) * price < least

    def guards(self, i, equity):
        limits = self.settings.guards
        day = self.rows[i][0] // DAY_MS
        if self.paused_day is not None and self.paused_day != day:
            self.paused_day = None
        fired = []
        if limits.drawdown is not None:
            peak = max(float(self.settings.capital), *self.equity)
            if peak - equity >= limits.drawdown * peak:
                fired.append(("drawdown", limits.drawdown_action))
        if limits.daily_loss is not None:
            begin = next(
                e for j, e in enumerate(self.equity, start=self.first) if self.rows[j][0] // DAY_MS == day
            )
            if begin > equity and begin - equity >= limits.daily_loss * begin:
                fired.append(("day", limits.daily_loss_action))
        if limits.losing_trades is not None:
            row = 0
            for trade in reversed(self.trades):
                if trade["pnl"] >= 0:
                    break
                row += 1
            if row >= limits.losing_trades:
                fired.append(("losing", limits.losing_trades_action))
        for name, action in fired:
            if action == "stop":
                self.over = True
            elif name == "day":
                self.paused_day = day
            else:
                self.paused_for_good.add(name)
        return any(action == "stop" for _, action in fired)

    def lapse(self):
        self.taken = 0
        if self.after:
            self.after.link = None

    def flag(self, side, i):
        return int((self.signals.entry_long if side > 0 else self.signals.entry_short)[i])

    def allows(self, side):
        return self.spec.direction == "both" or (self.spec.direction == "long") == (side > 0)

    def met(self, side, i):
        if not self.allows(side) or self.flag(side, i) != 1:
            return False
        return any(self.flag(side, j) == 0 for j in range(self.first, i))

    def decide(self, i, equity, allowed, held_back):
        free = allowed and not held_back
        if self.after:
            number = i - self.after.bar + 1
            if self.after.link is not None:
                link = self.reset.follow_up[self.after.link]
                if number <= link.wait_bars:
                    return
                side = self.after.side * (1 if link.side == "same" else -1)
                due = self.flag(side, i) == 1 or not link.require_signal
                if due and free:
                    outcome = self.order(i, side, equity, link.size_factor, link=True)
                    if outcome == "decided":
                        return
                    if outcome == "refused":
                        self.lapse()
                elif due and not allowed and not link.require_signal:
                    self.lapse()
                if number >= link.within_bars:
                    self.lapse()
                return
            if number <= self.reset.cooldown_bars:
                return
            opposite, same = -self.after.side, self.after.side
            if self.reset.mode == "cooldown_only":
                self.after = None
            elif self.reset.mode == "regular":
                if self.met(opposite, i):
                    if free:
                        self.order(i, opposite, equity, 1.0)
                elif self.flag(same, i) == 0:
                    self.after = None
                return
            else:
                if all(self.flag(side, i) == 0 for side in (1, -1) if self.allows(side)):
                    self.after = None
                return
        met = [side for side in (1, -1) if self.met(side, i)]
        self.ambiguous = len(met) == 2
        if len(met) == 1 and free:
            self.order(i, met[0], equity, 1.0)

    def assume(self, i):
        true = [side for side in (1, -1) if self.allows(side) and self.flag(side, i) == 1]
        if len(true) == 1 and (self.may_enter is None or self.may_enter[i]):
            self.order(i, true[0], float(self.settings.capital), 1.0, at_market=True)

    def order(self, i, side, equity, factor, link=False, at_market=False):
        if self.settings.trades_limit and self.entries >= self.settings.trades_limit:
            return "none"
        close = self.rows[i][4]
        atr_stop, atr_target = float(self.signals.atr_stop[i]), float(self.signals.atr_target[i])
        for level, atr in ((self.spec.stop_loss, atr_stop), (self.spec.take_profit, atr_target)):
            if level is not None and level.kind == "atr" and not atr > 0:
                return "none"
        price = close
        is_limit = self.spec.order.kind == "limit" and not at_market
        if is_limit:
            price = self.on_tick(close * (1 - side * self.spec.order.offset_bps / 1e4), up=side < 0)
        if equity <= 0:
            return "none"
        leverage = float(self.settings.leverage)
        most = equity / (1 + leverage * (float(self.costs.taker_fee_bps) / 1e4 + 0.005)) * leverage / price
        value = self.spec.sizing.value * factor
        if self.spec.sizing.kind == "fixed":
            quantity = value * leverage / price
        elif self.spec.sizing.kind == "equity":
            quantity = value * equity * leverage / price
        else:
            quantity = value * equity / self.distance(self.spec.stop_loss, price, atr_stop)
        steps = math.floor(min(quantity, most) / float(self.market.amount_step) + 1e-9)
        if self.is_too_small(steps, price):
            self.refusals += 1
            return "refused"
        order = Resting(side, steps, price, i, link, atr_stop, atr_target, price)
        if is_limit:
            self.resting = order
        elif self.spec.order.kind == "twap" and not at_market:
            counts = range(1, self.spec.order.bars + 1)
            count = max(n for n in counts if n == 1 or not self.is_too_small(steps // n, price))
            self.left = (steps - steps // count, count - 1, steps // count) if count > 1 else None
            self.pending = ("enter", replace(order, steps=steps // count, slices=count))
        else:
            self.pending = ("enter", order)
        return "decided"
