"""The formulas of prices and money that the core, the backtest and the paper venue share.

Only int, float, bool, ``if`` and ``math``: compiled and interpreted give the same bits.
"""
# Positions, not keywords: the compiler needs them.
# ruff: noqa: PLR0917

import math

from firstwatch.strategy.core_state import (
    AMOUNT,
    ATR,
    FILLS_THROUGH,
    FILLS_TOUCHED,
    FRACTION,
    CoreSettings,
)

COUNT_EPSILON = 1e-9
"""Binary noise of a count of whole steps or ticks."""


def amount_of(settings: CoreSettings, steps: int) -> float:
    """Return whole amount steps as base coin: the float nearest to the decimal."""
    return steps * settings.step_units / settings.step_scale


def tick_at(settings: CoreSettings, price: float) -> float:
    """Return the price step at ``price``, coarser where significant figures limit it (Market.tick_at)."""
    scale = _figures_scale(settings, price)
    return 1.0 / scale if scale > 0.0 else settings.tick_units / settings.tick_scale


def round_level(settings: CoreSettings, price: float, up: int) -> float:
    """Return ``price`` on the tick: never below it when ``up`` is 1, else never above it."""
    scale = _figures_scale(settings, price)
    units = 1.0
    if scale == 0.0:
        scale = settings.tick_scale
        units = settings.tick_units
    count = price * scale / units
    # A price of many ticks carries more noise than the epsilon of a count.
    noise = COUNT_EPSILON + abs(count) * 1e-15
    whole = math.ceil(count - noise) if up == 1 else math.floor(count + noise)
    return whole * units / scale


def _figures_scale(settings: CoreSettings, price: float) -> float:
    """Return ticks per unit of price by significant figures; 0 where the market's tick is coarser."""
    if settings.price_figures == 0 or price <= 0.0:
        return 0.0
    decimals = settings.price_figures - 1 - math.floor(math.log10(price))
    scale = 10.0 ** float(decimals) if decimals > 0 else 1.0
    return scale if scale * settings.tick_units < settings.tick_scale else 0.0


def taker_price(price: float, order_sign: int, slippage: float, half_spread: float) -> float:
    """Return the price a taker pays (``order_sign`` +1 buys) or gets (-1 sells), not rounded.

    ``slippage`` and ``half_spread`` are fractions of the price.
    """
    return price * (1.0 + order_sign * (slippage + half_spread))


def limit_is_reached(side: int, price: float, limit: float) -> int:
    """Return 1 when an open at ``price`` fills an entry limit of that side at once.

    It fills at the open itself, as a taker, without slippage: the limit bounds the price.
    """
    return 1 if side * price <= side * limit else 0


def limit_steps(
    side: int,
    reach: float,
    limit: float,
    steps: int,
    volume: float,
    rule: int,
    queue: float,
    step: float,
) -> int:
    """Return how many of ``steps`` a bar's range fills of a resting entry limit of that side.

    ``reach``: the bar's low for a buy, its high for a sell. A price beyond the limit fills all. One that
    touches it fills nothing, all, or at most (1 - ``queue``) x ``volume``, the base coin that the bar
    traded, in whole steps of the size ``step``.
    """
    if side * reach < side * limit:
        return steps
    if rule == FILLS_THROUGH or side * reach > side * limit:
        return 0
    if rule == FILLS_TOUCHED:
        return steps
    share = (1.0 - queue) * volume / step
    return steps if share >= steps else math.floor(share + COUNT_EPSILON)


def fee_of(price: float, amount: float, rate: float) -> float:
    """Return the fee of a fill in quote; ``rate`` is a fraction of the notional."""
    return price * amount * rate


def funding_paid(side: int, amount: float, price: float, rate: float) -> float:
    """Return what a position owes at a funding time (negative: receives), in quote."""
    return side * amount * price * rate


def payable(owed: float, margin: float, profit: float) -> float:
    """Return how much of a payment an isolated position pays: at most its margin and profit, in quote."""
    worth = margin + profit
    if owed <= 0.0 or owed <= worth:
        return owed
    return worth if worth > 0.0 else 0.0


def liquidation_price(side: int, entry: float, amount: float, margin: float, maintenance: float) -> float:
    """Return the price at which ``margin`` is used up except for maintenance; 0: there is none.

    (entry - s * margin / amount) / (1 - s * m), the margin after funding (rule 17).
    """
    price = (entry - side * margin / amount) / (1.0 - side * maintenance)
    return price if price > 0.0 else 0.0


def level_distance(kind: int, value: float, price: float, atr: float) -> float:
    """Return how far a stop or target lies from ``price``, in quote."""
    if kind == FRACTION:
        return price * value
    if kind == AMOUNT:
        return value
    if kind == ATR:
        return value * atr
    return 0.0


def stop_level(settings: CoreSettings, side: int, price: float, atr: float) -> float:
    """Return the stop measured from ``price``, on the tick, rounded toward it; 0: none."""
    distance = level_distance(settings.stop_kind, settings.stop_value, price, atr)
    level = price - side * distance
    if not distance > 0.0 or level <= 0.0:
        return 0.0
    return round_level(settings, level, 1 if side > 0 else 0)


def target_level(settings: CoreSettings, side: int, price: float, atr: float) -> float:
    """Return the target measured from ``price``, on the tick, rounded toward it; 0: none."""
    distance = level_distance(settings.target_kind, settings.target_value, price, atr)
    level = price + side * distance
    if not distance > 0.0 or level <= 0.0:
        return 0.0
    return round_level(settings, level, 0 if side > 0 else 1)
