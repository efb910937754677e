"""Simulated execution: steps 1 to 3 of trading.md 3, what a bar does to orders and protection.

The backtest's half of the core, under the same restrictions. Live, the venue does this.
"""

from firstwatch.strategy.core import (
    amount_of,
    book_entry,
    book_exit,
    book_funding,
    entry_ended,
    fee_of,
    funding_paid,
    limit_is_reached,
    stop_reason,
    taker_price,
)
from firstwatch.strategy.core_state import (
    CANCEL_ENTRY,
    END_OF_DATA,
    EXIT,
    LIMIT_ORDER,
    LIQUIDATION,
    MARKET_ORDER,
    NOTHING,
    TAKE_PROFIT,
    CoreSettings,
    CoreState,
)


def open_bar(state: CoreState, settings: CoreSettings, price: float) -> None:
    """Execute at the open what the last close decided, then test the open against protection.

    Funding due exactly at the bar's open is booked before (``settle_funding``).
    """
    was_held = state.steps > 0
    if state.decision == EXIT:
        _take_exit(state, settings, price, state.decision_reason)
    elif state.decision == CANCEL_ENTRY:
        entry_ended(state)
    elif state.entry_order == MARKET_ORDER:
        _take_entry(state, settings, price)
    elif state.entry_order == LIMIT_ORDER and limit_is_reached(state.entry_side, price, state.entry_limit):
        fee = fee_of(price, amount_of(settings, state.entry_steps), settings.taker_fee)
        book_entry(state, settings, state.entry_side, state.entry_steps, price, fee, 1)
        entry_ended(state)
    state.decision = NOTHING
    if not was_held or state.steps == 0:
        return
    side = state.phase
    level = nearest_level(state)
    if level > 0.0 and side * price <= side * level:
        if level == state.stop:
            _take_exit(state, settings, price, stop_reason(state))
        else:
            book_exit(state, settings, state.steps, price, 0.0, LIQUIDATION)
    elif state.target > 0.0 and side * price >= side * state.target:
        _take_target(state, settings)


def range_bar(state: CoreState, settings: CoreSettings, high: float, low: float) -> None:
    """Fill a resting entry in the bar's range, then test the whole range: the stop wins, then the target."""
    if state.entry_order == LIMIT_ORDER:
        reach = low if state.entry_side > 0 else high
        if state.entry_side * reach < state.entry_side * state.entry_limit:
            fee = fee_of(state.entry_limit, amount_of(settings, state.entry_steps), settings.maker_fee)
            book_entry(state, settings, state.entry_side, state.entry_steps, state.entry_limit, fee, 0)
            entry_ended(state)
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
            book_exit(state, settings, state.steps, level, 0.0, LIQUIDATION)
    elif (
        state.target > 0.0
        and side * favour >= side * state.target
        # Nobody knows whether the target's price came before a fill at the limit, so it waits a bar.
        and (state.bars_held > 0 or state.entry_at_open == 1)
    ):
        _take_target(state, settings)


def settle_funding(state: CoreState, settings: CoreSettings, price: float, rate: float) -> None:
    """Book one funding payment on the position held, at the open or the close of its bar."""
    if state.steps > 0:
        book_funding(state, settings, funding_paid(state.phase, state.amount, price, rate))


def end_data(state: CoreState, settings: CoreSettings) -> None:
    """Drop what is pending and close an open position at the last close (``end_of_data``)."""
    state.decision = NOTHING
    entry_ended(state)
    if state.steps > 0:
        state.expected_exit = 0.0
        _take_exit(state, settings, state.last_close, END_OF_DATA)


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
    entry_ended(state)


def _take_exit(state: CoreState, settings: CoreSettings, price: float, reason: int) -> None:
    side = state.phase
    got = taker_price(price, -side, settings.slippage, settings.half_spread)
    state.slippage_paid += side * (price - got) * state.amount
    book_exit(state, settings, state.steps, got, fee_of(got, state.amount, settings.taker_fee), reason)


def _take_target(state: CoreState, settings: CoreSettings) -> None:
    fee = fee_of(state.target, state.amount, settings.maker_fee)
    book_exit(state, settings, state.steps, state.target, fee, TAKE_PROFIT)
