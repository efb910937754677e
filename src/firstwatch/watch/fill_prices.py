"""Costs of live fills and of the backtest's own, and the check of fill prices that compares them.

A cost is in basis points of the price at which the fill was decided, worse positive:

    total = delay + half spread + impact

``delay`` is how far the mid moved from there to the fill, ``half spread`` what crossing the spread costs (a
maker earns it), ``impact`` the rest. Decided at: an order at market at the mid of the decision (the close of
its bar), a limit at its price, a stop at its trigger. A backtest's trade has the same prices, so its fills
are measured alike. Entries and exits, by takers and makers, are four streams with an expectation each; one
confidence sequence judges all fills together (``fill_sequence``).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

import numpy as np

from firstwatch.backtest.record import TradeRecord
from firstwatch.store.fills import StoredFill
from firstwatch.store.orders import StoredOrder
from firstwatch.trading.orders import OrderKind, OrderPurpose
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.verdicts import FILLS_ALPHA, WATCH_FILLS_ALPHA, Change, Verdict
from firstwatch.watch.fill_sequence import (
    LEAST_EXCESS_BPS,
    NOISE_BPS,
    SLIPPAGES_BPS,
    FillSequence,
    power_by_fills,
)

_BPS = 10_000
_Z_95 = 1.6448536269514722
_ENOUGH_POWER = 0.5
_GOOD_POWER = 0.8
_LEFT_OUT = frozenset({ExitReason.LIQUIDATION, ExitReason.END_OF_DATA})


class Stream(StrEnum):
    """Fills of one kind; costs are shown per stream, and judged for all together."""

    ENTRY_TAKER = "entries, taker"
    ENTRY_MAKER = "entries, maker"
    EXIT_TAKER = "exits, taker"
    EXIT_MAKER = "exits, maker"

    @classmethod
    def of(cls, *, is_entry: bool, is_maker: bool) -> "Stream":
        """Return the stream of such fills."""
        if is_entry:
            return cls.ENTRY_MAKER if is_maker else cls.ENTRY_TAKER
        return cls.EXIT_MAKER if is_maker else cls.EXIT_TAKER

    @property
    def is_maker(self) -> bool:
        """Its fills came from orders that rested."""
        return self in (Stream.ENTRY_MAKER, Stream.EXIT_MAKER)


@dataclass(frozen=True, slots=True)
class FillCost:
    """The executions of one order as one observation, because they depend on each other. Prices in quote."""

    time_ms: int
    """Venue time of the last execution."""
    client_order_id: str
    stream: Stream
    decided_price: float
    price: float
    amount: float
    total_bps: float
    delay_bps: float | None
    """None, and the two after it: the mid at the fill is not known."""
    half_spread_bps: float | None
    impact_bps: float | None


@dataclass(frozen=True, slots=True)
class Expectation:
    """Cost of the backtest's own fills by stream, and the noise that is allowed for (bps)."""

    mean_bps: Mapping[Stream, float]
    fills: Mapping[Stream, int]
    noise_bps: float = NOISE_BPS


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream as it is shown, without a verdict."""

    stream: Stream
    n: int
    observed_bps: float
    expected_bps: float
    delay_bps: float | None
    half_spread_bps: float | None
    impact_bps: float | None


@dataclass(frozen=True, slots=True)
class FillsJudged:
    """Result of the check so far; means over all fills in basis points."""

    verdict: Verdict
    n: int
    sentence: str
    observed_bps: float | None = None
    expected_bps: float | None = None
    band_bps: tuple[float, float] | None = None
    """5 to 95 % of the mean of so many fills, with the noise that is allowed for."""
    lower_bps: float | None = None
    """Lower bound of the true excess at the level of ``DIVERGED``; None: too few fills for any bound."""
    e_value: float | None = None
    first_at_ms: int | None = None
    """Time of the fill that made it ``DIVERGED``."""
    smallest_effect: Change | None = None
    streams: tuple[StreamFigures, ...] = field(default=())


def fill_costs(
    fills: Iterable[StoredFill], orders: Iterable[StoredOrder], *, spread_bps: float = 0.0
) -> list[FillCost]:
    """Return the cost of each order's fills, by time; ``spread_bps``: bid to ask where no quote is known.

    Left out: liquidations, fills of other orders, and those whose price at the decision is not known.
    """
    by_id = {order.client_order_id: order for order in orders}
    groups: defaultdict[tuple[str, bool], list[StoredFill]] = defaultdict(list)
    for stored in fills:
        if stored.fill.client_order_id in by_id and not stored.fill.is_liquidation:
            groups[stored.fill.client_order_id, stored.fill.is_maker].append(stored)
    costs = (
        _cost(by_id[client_order_id], group, is_maker=is_maker, spread_bps=spread_bps)
        for (client_order_id, is_maker), group in groups.items()
    )
    return sorted(filter(None, costs), key=lambda cost: (cost.time_ms, cost.client_order_id))


def expectation(
    trades: Iterable[TradeRecord],
    *,
    has_limit_entries: bool,
    taker_bps: float,
    least_noise_bps: float = NOISE_BPS,
) -> Expectation:
    """Return the expected cost of fills, from a backtest's trades.

    ``taker_bps``: slippage and half spread that it assumed, for a stream of takers that it does not have;
    makers are expected at their price. An entry that went to market after its limit counts as a taker's at
    the assumed cost: the trade does not have the close at which that was decided. The noise is the deviation
    of the backtest's own fills within their streams, at least ``least_noise_bps``.
    """
    seen: dict[Stream, list[float]] = {stream: [] for stream in Stream}
    for trade in trades:
        entry = _bps(trade.side, trade.entry_price, trade.expected_entry_price)
        is_maker = has_limit_entries and entry == 0
        if has_limit_entries and entry > 0:
            entry = taker_bps
        seen[Stream.of(is_entry=True, is_maker=is_maker)].append(entry)
        if trade.reason not in _LEFT_OUT:
            exit_ = _bps(-trade.side, trade.exit_price, trade.expected_exit_price)
            is_target = trade.reason is ExitReason.TAKE_PROFIT
            seen[Stream.of(is_entry=False, is_maker=is_target)].append(exit_)
    means = {
        stream: float(np.mean(costs)) if costs else (0.0 if stream.is_maker else taker_bps)
        for stream, costs in seen.items()
    }
    count = sum(map(len, seen.values()))
    squares = sum(float(np.sum((np.array(costs) - means[stream]) ** 2)) for stream, costs in seen.items())
    noise_bps = max(least_noise_bps, math.sqrt(squares / count) if count else 0.0)
    return Expectation(means, {stream: len(costs) for stream, costs in seen.items()}, noise_bps)


def judge_fills(costs: Sequence[FillCost], expected: Expectation) -> FillsJudged:
    """Judge the fills of a day, in the order of their times.

    ``DIVERGED`` stays from the fill that made it; ``WATCH`` holds while the excess lasts.
    """
    n = len(costs)
    if n == 0:
        return FillsJudged(Verdict.NOT_ENOUGH_DATA, 0, "No fill yet.")
    sequence = FillSequence(expected.noise_bps)
    for cost in costs:
        sequence.add(cost.total_bps - expected.mean_bps[cost.stream])
    observed = math.fsum(cost.total_bps for cost in costs) / n
    excess = sequence.mean_bps or 0.0
    lower = sequence.lower(FILLS_ALPHA)
    first = sequence.first_crossing(FILLS_ALPHA)
    power = power_by_fills(expected.noise_bps)
    seen = {change: float(power[change][min(n, len(power[change])) - 1]) for change in SLIPPAGES_BPS}
    smallest = next((change for change, share in seen.items() if share >= _GOOD_POWER), None)
    if first is not None:
        verdict = Verdict.DIVERGED
    elif sequence.first_crossing(WATCH_FILLS_ALPHA) is not None and excess >= LEAST_EXCESS_BPS:
        verdict = Verdict.WATCH
    elif max(seen.values()) >= _ENOUGH_POWER:
        verdict = Verdict.CONSISTENT
    else:
        verdict = Verdict.NOT_ENOUGH_DATA
    half_band = _Z_95 * expected.noise_bps / math.sqrt(n)
    return FillsJudged(
        verdict=verdict,
        n=n,
        sentence=_sentence(verdict, n, observed, observed - excess, lower),
        observed_bps=observed,
        expected_bps=observed - excess,
        band_bps=(observed - excess - half_band, observed - excess + half_band),
        lower_bps=lower,
        e_value=sequence.e_value,
        first_at_ms=None if first is None else costs[first].time_ms,
        smallest_effect=smallest,
        streams=stream_figures(costs, expected),
    )


def stream_figures(costs: Sequence[FillCost], expected: Expectation) -> tuple[StreamFigures, ...]:
    """Return the means of each stream that has fills."""
    figures = []
    for stream in Stream:
        mine = [cost for cost in costs if cost.stream is stream]
        if mine:
            figures.append(
                StreamFigures(
                    stream,
                    len(mine),
                    math.fsum(cost.total_bps for cost in mine) / len(mine),
                    expected.mean_bps[stream],
                    _mean(cost.delay_bps for cost in mine),
                    _mean(cost.half_spread_bps for cost in mine),
                    _mean(cost.impact_bps for cost in mine),
                )
            )
    return tuple(figures)


def _cost(
    order: StoredOrder, fills: Sequence[StoredFill], *, is_maker: bool, spread_bps: float
) -> FillCost | None:
    intent = order.intent
    decided = _decided_price(order, fills[0])
    if decided is None:
        return None
    amount = math.fsum(float(stored.fill.amount) for stored in fills)
    price = math.fsum(float(stored.fill.price * stored.fill.amount) for stored in fills) / amount
    sign = intent.side.sign
    total = _bps(sign, price, decided)
    delay = half_spread = impact = None
    mids = [stored.mid_at_fill for stored in fills]
    if all(map(_is_price, mids)):
        mid = math.fsum(float(s.fill.amount) * (s.mid_at_fill or 0.0) for s in fills) / amount
        delay = _bps(sign, mid, decided)
        touch = order.touch_at_submission
        half_bps = spread_bps / 2 if touch is None else (touch.ask - touch.bid) / 2 / touch.mid * _BPS
        half_spread = -half_bps if is_maker else half_bps
        # An order that rests fills once the market has come to it. A mid that is further away is an older
        # one: on a feed of bars that of the bar's open.
        if intent.kind is OrderKind.STOP:
            delay = max(delay, 0.0)
        elif is_maker:
            delay = min(delay, half_bps)
        impact = total - delay - half_spread
    return FillCost(
        time_ms=max(stored.fill.time_ms for stored in fills),
        client_order_id=order.client_order_id,
        stream=Stream.of(is_entry=intent.purpose is OrderPurpose.ENTRY, is_maker=is_maker),
        decided_price=decided,
        price=price,
        amount=amount,
        total_bps=total,
        delay_bps=delay,
        half_spread_bps=half_spread,
        impact_bps=impact,
    )


def _decided_price(order: StoredOrder, fill: StoredFill) -> float | None:
    intent = order.intent
    level = {
        OrderKind.MARKET: fill.mid_at_decision,
        OrderKind.LIMIT: intent.price,
        OrderKind.STOP: intent.trigger_price,
    }[intent.kind]
    return float(level) if level is not None and _is_price(level) else None


def _is_price(value: Decimal | float | None) -> bool:
    return value is not None and 0 < value < math.inf


def _bps(sign: int, price: float, decided: float) -> float:
    """Return how much worse than decided a price is for an order of that sign."""
    return sign * (price - decided) / decided * _BPS


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _sentence(verdict: Verdict, n: int, observed: float, expected: float, lower: float | None) -> str:
    fills = f"{n} fill{'s' if n > 1 else ''} cost {observed:.1f} bps on average, {expected:.1f} expected"
    match verdict:
        case Verdict.DIVERGED | Verdict.WATCH:
            more = f"; at least {lower:.1f} bps more is certain at 99 %" if lower and lower > 0 else ""
            return f"{fills}{more}."
        case Verdict.CONSISTENT:
            return f"{fills}."
        case _:
            return f"{fills}; too few to tell even 10 bps more."
