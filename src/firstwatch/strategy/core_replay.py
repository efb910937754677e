"""Simulated execution: effect of a bar on orders and protection (rules 8 to 10 of ``firstwatch.strategy``).

The backtest's part of the core, under the same restrictions. Live, the venue does this.
"""
# As in the core: positions, not keywords, and ``if`` instead of a call.
# ruff: noqa: PLR0917, PLR1730

from collections.abc import Sequence

from firstwatch.strategy.core import (
    amount_of,
    book_entry,
    book_exit,
    book_funding,
    entry_ended,
    fee_of,
    funding_paid,
    limit_is_reached,
    limit_steps,
    price_gross,
    stop_reason,
    taker_price,
)
from firstwatch.strategy.core_prices import payable
from firstwatch.strategy.core_state import (
    CANCEL_ENTRY,
    END_OF_DATA,
    EXIT,
    FLAT,
    GOES_ON,
    LIMIT_ORDER,
    LIQUIDATION,
    MARKET_ORDER,
    NO_ORDER,
    NOTHING,
    TAKE_PROFIT,
    TWAP_ORDER,
    CoreSettings,
    CoreState,
)

_FAR = float("inf")


def open_bar(state: CoreState, settings: CoreSettings, price: float) -> None:
    """Execute the last close's decisions at the open, then test the open against protection.

    Funding due exactly at the bar's open is booked before (``settle_funding``). A level that the entry's
    own slippage has passed executes at this open too: the market is already beyond it. On a bar whose open
    fills an entry the target waits for the range.
    """
    before = state.position_steps if state.steps > 0 else 0
    if state.decision == EXIT:
        _take_exit(state, settings, price, state.decision_reason)
    elif state.decision == CANCEL_ENTRY:
        entry_ended(state)
    elif state.entry_order in (MARKET_ORDER, TWAP_ORDER):
        if state.entry_steps > 0:
            _take_entry(state, settings, price)
    elif state.entry_order == LIMIT_ORDER and limit_is_reached(state.entry_side, price, state.entry_limit):
        fee = fee_of(price, amount_of(settings, state.entry_steps), settings.taker_fee)
        book_entry(state, settings, state.entry_side, state.entry_steps, price, fee, 1)
        entry_ended(state)
    state.decision = NOTHING
    if state.steps == 0:
        return
    side = state.phase
    level = nearest_level(state)
    if level > 0.0 and side * price <= side * level:
        if level == state.stop:
            _take_exit(state, settings, price, stop_reason(state))
        else:
            _close(state, settings, price, 0.0, LIQUIDATION, -state.margin)
    elif before == state.position_steps and state.target > 0.0 and side * price >= side * state.target:
        _take_target(state, settings)


def range_bar(state: CoreState, settings: CoreSettings, high: float, low: float, volume: float) -> None:
    """Fill a resting entry in the bar's range, then test the whole range: the stop wins, then the target.

    ``volume``: what the bar traded, in base coin.
    """
    before = state.position_steps
    if state.entry_order == LIMIT_ORDER:
        _fill_limit(state, settings, low if state.entry_side > 0 else high, volume)
    if state.steps == 0:
        return
    side = state.phase
    level = nearest_level(state)
    against = low if side > 0 else high
    favour = high if side > 0 else low
    if level > 0.0 and side * against <= side * level:
        if level == state.stop:
            _take_exit(state, settings, level, stop_reason(state))
        else:
            _close(state, settings, level, 0.0, LIQUIDATION, -state.margin)
    elif (
        state.target > 0.0
        and side * favour >= side * state.target
        # The target may have traded before the limit filled, so it is tested from the next bar on.
        and before == state.position_steps
        and (state.bars_held > 0 or state.entry_at_open == 1)
    ):
        _take_target(state, settings)


def _fill_limit(state: CoreState, settings: CoreSettings, reach: float, volume: float) -> None:
    """Fill what a bar fills of the entry that rests; the rest of it rests on."""
    side = state.entry_side
    limit = state.entry_limit
    steps = limit_steps(
        side,
        reach,
        limit,
        state.entry_steps,
        volume,
        settings.limit_rule,
        settings.limit_queue,
        settings.step_units / settings.step_scale,
    )
    if steps == 0:
        return
    fee = fee_of(limit, amount_of(settings, steps), settings.maker_fee)
    book_entry(state, settings, side, steps, limit, fee, 0)
    if state.entry_steps == 0:
        entry_ended(state)


def settle_funding(state: CoreState, settings: CoreSettings, price: float, rate: float) -> None:
    """Book one funding payment on the position held, at the open or the close of its bar."""
    if state.steps > 0:
        owed = funding_paid(state.phase, state.amount, price, rate)
        paid = payable(owed, state.margin, price_gross(state, settings, state.steps, price))
        book_funding(state, settings, paid, 1)


def end_data(state: CoreState, settings: CoreSettings) -> None:
    """Drop what is pending and close an open position at the last close (``end_of_data``)."""
    state.decision = NOTHING
    entry_ended(state)
    if state.steps > 0:
        state.expected_exit = 0.0
        _take_exit(state, settings, state.last_close, END_OF_DATA)


def is_waiting(state: CoreState, settings: CoreSettings) -> int:
    """Return 1 when the core is flat and only a true entry group can change it.

    The bars up to the next one with such a group need not be played: they would not change the state.
    """
    if state.steps > 0 or state.entry_order != NO_ORDER:
        return 0
    if state.stop_run != GOES_ON:
        return 1
    return 1 if state.phase == FLAT and _is_settled(state, settings) == 1 else 0


def _is_settled(state: CoreState, settings: CoreSettings) -> int:
    """Return 1 when no close can change arming, refusals, alerts or guards."""
    if settings.has_guards == 1 or state.alerted != 0:
        return 0
    if state.refused_long == 1 or state.refused_short == 1:
        return 0
    if settings.allows_long == 1 and state.armed_long == 0:
        return 0
    if settings.allows_short == 1 and state.armed_short == 0:
        return 0
    return 1


def hold_until(
    state: CoreState,
    settings: CoreSettings,
    first: int,
    end: int,
    highs: Sequence[float],
    lows: Sequence[float],
    busy: Sequence[bool],
) -> int:
    """Count the bars from ``first`` on that only hold the position; return the first that may do more.

    Such a bar touches no level, does not move a trailing stop, and is not ``busy``: nothing is due
    at its open or close. Playing it would change only the count and the excursions, as here.
    """
    if state.decision != NOTHING or state.entry_order != NO_ORDER or state.bars_held == 0:
        return first
    if _is_settled(state, settings) == 0:
        return first
    floor = nearest_level(state)
    ceiling = state.target if state.target > 0.0 else _FAR * state.phase
    if state.phase > 0:
        if settings.stop_trails == 1 and state.best < ceiling:
            ceiling = state.best
    else:
        floor, ceiling = ceiling, floor if floor > 0.0 else _FAR
        if settings.stop_trails == 1 and state.best > floor:
            floor = state.best
    highest = state.entry_price
    lowest = highest
    index = first
    while index < end:
        high = highs[index]
        low = lows[index]
        if high >= ceiling or low <= floor or busy[index]:
            break
        if high > highest:
            highest = high
        if low < lowest:
            lowest = low
        index += 1
    state.bars_held += index - first
    against = state.entry_price - lowest if state.phase > 0 else highest - state.entry_price
    favour = highest - state.entry_price if state.phase > 0 else state.entry_price - lowest
    if against > state.adverse:
        state.adverse = against
    if favour > state.favourable:
        state.favourable = favour
    return index


def nearest_level(state: CoreState) -> float:
    """Return the nearer of stop and liquidation price, whichever exist; at the same price the stop."""
    if state.stop == 0.0:
        return state.liquidation
    if state.liquidation == 0.0 or state.phase * state.stop >= state.phase * state.liquidation:
        return state.stop
    return state.liquidation


def _take_entry(state: CoreState, settings: CoreSettings, price: float) -> None:
    side = state.entry_side
    amount = amount_of(settings, state.entry_steps)
    paid = taker_price(price, side, settings.slippage, settings.half_spread)
    state.slippage_paid += side * (paid - price) * amount
    fee = fee_of(paid, amount, settings.taker_fee)
    book_entry(state, settings, side, state.entry_steps, paid, fee, 1)
    if state.slices == 0:
        entry_ended(state)


def _take_exit(state: CoreState, settings: CoreSettings, price: float, reason: int) -> None:
    side = state.phase
    got = taker_price(price, -side, settings.slippage, settings.half_spread)
    state.slippage_paid += side * (price - got) * state.amount
    _book_flat(state, settings, got, fee_of(got, state.amount, settings.taker_fee), reason)


def _take_target(state: CoreState, settings: CoreSettings) -> None:
    fee = fee_of(state.target, state.amount, settings.maker_fee)
    _book_flat(state, settings, state.target, fee, TAKE_PROFIT)


def _book_flat(state: CoreState, settings: CoreSettings, price: float, fee: float, reason: int) -> None:
    """Book the exit of the whole position; more than the isolated margin left cannot be lost."""
    gross = price_gross(state, settings, state.steps, price)
    if gross < -state.margin:
        gross = -state.margin
    _close(state, settings, price, fee, reason, gross)


def _close(
    state: CoreState, settings: CoreSettings, price: float, fee: float, reason: int, gross: float
) -> None:
    """Book the exit of the whole position; what is left of its entry is over with it."""
    book_exit(state, settings, state.steps, price, fee, reason, gross)
    if state.entry_order != NO_ORDER:
        entry_ended(state)
