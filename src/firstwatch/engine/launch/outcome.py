"""Figures on the outcome of a launch: its first entry, and differences from its baseline. Pure."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from firstwatch.engine.launch.facts import LaunchFacts
from firstwatch.strategy.core import enter_now, new_state
from firstwatch.strategy.core_prices import level_distance, liquidation_price
from firstwatch.strategy.core_state import ENTER, NO_LEVEL, CoreSettings
from firstwatch.strategy.specification import SizingKind
from firstwatch.trading.launch import MarketFacts, NextTrade, ResetSettings, SettingDifference
from firstwatch.trading.launch_words import guard_words, reset_words, session_words, value_words


def market_facts(facts: LaunchFacts) -> MarketFacts | None:
    """Return the market's figures; None: it is not known."""
    market = facts.market
    if market is None:
        return None
    price = facts.price
    return MarketFacts(
        symbol=market.symbol,
        price=price,
        tick=market.tick if price is None else market.tick_at(price),
        minimum_cost=market.minimum_cost,
        maximum_leverage=market.maximum_leverage,
    )


def next_trade(facts: LaunchFacts) -> NextTrade | None:
    """Return the first entry at the mark now; None: not known (as an ATR may be), or less than one step."""
    market, core, price = facts.market, facts.core, facts.price
    if market is None or core is None or price is None or facts.flags is None:
        return None
    amount = market.amount(first_entry_steps(core, price, facts.flags.atr_stop))
    cost = float(amount) * price
    distance = level_distance(core.stop_kind, core.stop_value, price, facts.flags.atr_stop)
    has_stop = core.stop_kind != NO_LEVEL
    if not cost > 0 or (has_stop and not distance > 0):
        return None
    margin = cost / core.leverage
    fees = core.taker_fee * (cost + float(amount) * abs(price - distance)) if has_stop else 0.0
    room = liquidation_room(core, price)
    return NextTrade(
        amount=amount,
        cost=cost,
        margin=margin,
        stop_share=distance / price if has_stop else None,
        worst_loss=min(float(amount) * distance, margin) + fees if has_stop else margin,
        liquidation_share=room / price if room < price else None,
    )


def first_entry_steps(core: CoreSettings, price: float, atr_stop: float) -> int:
    """Return the whole amount steps that the core would enter with at ``price``, whatever the minimums."""
    unbounded = replace(core, minimum_steps=0, minimum_cost=0.0)
    state = new_state(unbounded)
    enter_now(state, unbounded, price, core.allows_long, 1 - core.allows_long, atr_stop, math.nan, 1)
    return state.decision_steps if state.decision == ENTER else 0


def liquidation_room(core: CoreSettings, price: float) -> float:
    """Return the distance of the liquidation price from an entry at ``price``, for the nearer side."""
    sides = [sign for sign, allowed in ((1, core.allows_long), (-1, core.allows_short)) if allowed]
    return min(
        sign * (price - liquidation_price(sign, price, 1.0, price / core.leverage, core.maintenance))
        for sign in sides
    )


def differences(facts: LaunchFacts) -> tuple[SettingDifference, ...]:
    """Return the settings and fees that differ from the baseline's and matter for a comparison with it."""
    return tuple(_differences(facts))


def _differences(facts: LaunchFacts) -> Iterator[SettingDifference]:
    baseline = facts.baseline
    if baseline is None:
        return
    for field, there in baseline.settings.items():
        mine, theirs = _worded(field, getattr(facts.settings, field), facts), _worded(field, there, facts)
        for name, words in mine.items():
            if words != theirs[name]:
                yield SettingDifference(name=name, here=words, baseline=theirs[name])
    if facts.market is None:
        return
    fees = (
        ("taker fee", facts.market.taker_fee_bps, baseline.taker_fee_bps),
        ("maker fee", facts.market.maker_fee_bps, baseline.maker_fee_bps),
    )
    for name, here, bps in fees:
        if bps is not None and here != bps:
            yield SettingDifference(
                name=name, here=f"{value_words(here)} bps", baseline=f"{value_words(bps)} bps"
            )


def _worded(field: str, value: Any, facts: LaunchFacts) -> dict[str, str]:
    """Return a setting as text, by the parts that are compared; empty if a difference does not matter."""
    match field:
        case "capital":
            # Sizes that are shares of equity scale with the capital, and results are compared in per cent.
            is_fixed = facts.spec is not None and facts.spec.sizing.kind is SizingKind.FIXED
            return {"capital": value_words(value)} if is_fixed else {}
        case "guards":
            return guard_words(value)
        case "session":
            return {"session": session_words(value)}
        case "reset":
            own = None if facts.spec is None else facts.spec.reset
            # An override equal to the version's own counts as none.
            is_own = isinstance(value, ResetSettings) and value == own
            return {"after a trade": reset_words(None if is_own else value)}
    return {field.replace("_", " "): value_words(value)}
