"""The decision core, one source for every caller: rules 7 to 27 of ``firstwatch.strategy``.

Free functions that change ``state`` in place: interpreted, it is a ``CoreState``; compiled, a NumPy
record with the same fields. Allowed in here: int, float, bool, ``if`` and ``math``. Live and
backtest call the same functions with their fills:

    close_bar       at each close: the decision is in ``state.decision...`` until the next close
    book_entry, book_exit, book_funding     one fill or payment
    entry_ended     the entry order is over, whatever it filled
    drop_decision   the entry is not acted on (late, paused, refused by the venue before any fill)

It is one long file: the steps of a close read each other's fields, and follow the order of the rules.

Flags of condition groups are 1 (true), 0 (false, every operand valued) and -1 (not valued).
``side`` is +1 long, -1 short. Codes are those of ``core_state``. A price of 0 means "none".
"""
# Positions, not keywords, and ``if`` instead of a call: the compiler needs one, the speed the other.
# ruff: noqa: PLR0917, PLR1730

import math

from firstwatch.strategy.core_prices import (
    COUNT_EPSILON,
    amount_of,
    fee_of,
    funding_paid,
    level_distance,
    limit_is_reached,
    limit_steps,
    liquidation_price,
    round_level,
    stop_level,
    taker_price,
    target_level,
    tick_at,
)
from firstwatch.strategy.core_state import (
    AFTER_TRADE,
    AMBIGUOUS,
    ATR,
    CANCEL_ENTRY,
    CLOSE_POSITION,
    COOLDOWN_ONLY,
    DAILY_LOSS_BIT,
    DRAWDOWN_BIT,
    ENTER,
    EXIT,
    FLAT,
    GOES_ON,
    GUARD,
    GUARD_STOPS,
    LEAVE_UNPROTECTED,
    LIMIT_ORDER,
    LIQUIDATION,
    LOSING_TRADES_BIT,
    MARKET_ORDER,
    NO_CAUSE,
    NO_LEVEL,
    NO_ORDER,
    NOTE_BELOW_MINIMUM,
    NOTE_CHAIN_STOP,
    NOTE_EQUITY_GONE,
    NOTE_GUARD_PAUSE,
    NOTE_GUARD_STOP,
    NOTE_LEVEL_DROPPED,
    NOTE_RISK_CAPPED,
    NOTE_SIZE_CAPPED,
    NOTE_SLICE_CUT,
    NOTHING,
    REGULAR,
    RESET,
    REST_AT_MARKET,
    SESSION,
    SIGNAL,
    SIZE_EQUITY,
    SIZE_FIXED,
    SIZE_RISK,
    SLICE,
    STOP_BY_CHAIN,
    STOP_BY_GUARD,
    STOP_BY_TRADES_LIMIT,
    STOP_LOSS,
    TAKE_PROFIT,
    TRAILING_STOP,
    TWAP_ORDER,
    CoreSettings,
    CoreState,
)

__all__ = [
    "CoreSettings",
    "CoreState",
    "adopt",
    "amount_of",
    "book_entry",
    "book_exit",
    "book_funding",
    "close_bar",
    "drop_decision",
    "drop_slices",
    "end_slice",
    "enter_now",
    "entry_ended",
    "fee_of",
    "funding_paid",
    "limit_is_reached",
    "limit_steps",
    "liquidation_price",
    "mark_equity",
    "new_state",
    "price_gross",
    "resume_entries",
    "round_level",
    "stop_level",
    "stop_reason",
    "taker_price",
    "target_level",
    "tick_at",
    "unbook_entry",
    "unbook_exit",
]

FEE_RESERVE = 0.005
"""Part of the notional kept free for a price that moves before the entry fills (rule 15)."""

MOST_STEPS = 2.0**53
"""Most amount steps of an order: float64 counts no further one by one."""


def new_state(settings: CoreSettings) -> CoreState:
    """Return the state of a run that is flat, unarmed and holds its capital."""
    return CoreState(cash=settings.capital, equity=settings.capital, peak_equity=settings.capital)


def close_bar(
    state: CoreState,
    settings: CoreSettings,
    time_ms: int,
    open_price: float,
    high: float,
    low: float,
    close: float,
    entry_long: int,
    entry_short: int,
    exit_long: int,
    exit_short: int,
    atr_stop: float,
    atr_target: float,
    may_enter: int,
    must_flatten: int,
    day: int,
) -> None:
    """Do rules 11 to 13 of ``firstwatch.strategy`` at the close of one bar; all earlier fills are booked.

    ``time_ms`` is the bar's open time and ``day`` the UTC day that it lies in. ``may_enter``: 1 yes;
    0 the session pauses, and an entry that is due lapses; -1 an operator or a fault pauses: a pending
    link stays pending while its window lasts. The open of the bar decides nothing.

    If entries are not allowed, a resting entry order is cancelled. An EXIT while an entry order is open
    cancels that order, too. After ``stop_run`` is set, bars are only counted and marked. With
    ``closes_on_exit`` off a decided exit sets ``alert`` once, until nothing is decided at a close. A trailing
    stop that would move to or beyond the close exits instead, with the reason of the present level.
    """
    state.bar_time_ms = time_ms
    state.decision = NOTHING
    state.decision_side = 0
    state.decision_steps = 0
    state.decision_limit = 0.0
    state.decision_reason = 0
    state.decision_is_follow_up = 0
    state.stop_moved = 0
    state.refused = 0
    state.alert = 0
    state.expected_exit = 0.0
    if entry_long == 0:
        state.armed_long = 1
        state.refused_long = 0
    if entry_short == 0:
        state.armed_short = 1
        state.refused_short = 0
    if state.phase == RESET:
        state.reset_bar += 1

    is_crossed = 0
    if state.steps > 0:
        _count_bar(state, high, low)
        if settings.stop_trails == 1 and state.stop_run == GOES_ON:
            is_crossed = _trail(state, settings, high, low, close)
    mark_equity(state, close)
    if state.stop_run != GOES_ON:
        return
    guard_stops = _check_guards(state, settings, day) if settings.has_guards == 1 else 0
    enters = may_enter
    if state.entries_paused_by_guard != 0 and may_enter == 1:
        enters = -1

    if state.steps > 0:
        exit_flag = exit_long if state.phase > 0 else exit_short
        _decide_exit(state, settings, close, is_crossed, must_flatten, guard_stops, exit_flag)
        if state.decision == EXIT:
            drop_slices(state)
        elif state.entry_order == LIMIT_ORDER:
            _rest_entry(state, settings, close, exit_flag, enters)
        elif state.entry_order == TWAP_ORDER:
            _slice_entry(state, settings, close, exit_flag, enters)
        return
    if state.entry_order == LIMIT_ORDER:
        _rest_entry(state, settings, close, exit_long if state.entry_side > 0 else exit_short, enters)
    elif state.entry_order == TWAP_ORDER:
        # Its first slice has not filled by now, or its trade is over.
        drop_slices(state)
    elif state.entry_order == NO_ORDER and state.stop_run == GOES_ON:
        _decide_entry(state, settings, close, entry_long, entry_short, atr_stop, atr_target, enters)


def mark_equity(state: CoreState, close: float) -> float:
    """Return run equity E at ``close``: cash + unrealised PnL, in quote; kept in ``state.equity``."""
    state.last_close = close
    if state.steps > 0:
        state.equity = state.cash + state.phase * state.amount * (close - state.entry_price)
    else:
        state.equity = state.cash
    return state.equity


# --- step 4: the position at a close ------------------------------------------------------------


def _count_bar(state: CoreState, high: float, low: float) -> None:
    """Count the bar and its excursions; of a bar entered at the limit only the adverse half is known."""
    state.bars_held += 1
    counts_best = state.bars_held > 1 or state.entry_at_open == 1
    if state.phase > 0:
        against = state.entry_price - low
        favour = high - state.entry_price
    else:
        against = high - state.entry_price
        favour = state.entry_price - low
    if against > state.adverse:
        state.adverse = against
    if counts_best and favour > state.favourable:
        state.favourable = favour


def _trail(state: CoreState, settings: CoreSettings, high: float, low: float, close: float) -> int:
    """Ratchet the stop; return 1 when it would now lie at or beyond the close, and leave it then."""
    side = state.phase
    if state.bars_held > 1 or state.entry_at_open == 1:
        extreme = high if side > 0 else low
        if side * extreme > side * state.best:
            state.best = extreme
    level = stop_level(settings, side, state.best, state.atr_stop)
    if level == 0.0 or (state.stop > 0.0 and side * level <= side * state.stop):
        return 0
    if side * level >= side * close:
        return 1
    state.stop = level
    state.stop_moved = 1
    state.stop_has_moved = 1
    return 0


def stop_reason(state: CoreState) -> int:
    """Return the reason of an exit at the stop: trailing once the level has moved from its first value."""
    return TRAILING_STOP if state.stop_has_moved == 1 else STOP_LOSS


# --- step 5: guards, session, exits -------------------------------------------------------------


def _check_guards(state: CoreState, settings: CoreSettings, day: int) -> int:
    """Evaluate the guards on E, max drawdown first; return 1 when one of them stops the run at this close.

    A day's first E is that of its first close. A pause by drawdown or losing trades lasts until
    ``resume_entries``, the daily one also ends with the UTC day.
    """
    equity = state.equity
    if day != state.day:
        state.day = day
        state.day_first_equity = equity
        if state.entries_paused_by_guard & DAILY_LOSS_BIT != 0:
            state.entries_paused_by_guard -= DAILY_LOSS_BIT
    if equity > state.peak_equity:
        state.peak_equity = equity
    if settings.drawdown_action != 0:
        lost = state.peak_equity - equity
        if lost >= settings.drawdown_limit * state.peak_equity:
            _fire_guard(state, settings.drawdown_action, DRAWDOWN_BIT)
    if settings.daily_loss_action != 0:
        lost = state.day_first_equity - equity
        if lost > 0.0 and lost >= settings.daily_loss_limit * state.day_first_equity:
            _fire_guard(state, settings.daily_loss_action, DAILY_LOSS_BIT)
    if settings.losing_trades_action != 0 and state.losing_trades >= settings.losing_trades_limit:
        _fire_guard(state, settings.losing_trades_action, LOSING_TRADES_BIT)
    if state.stop_run != STOP_BY_GUARD:
        return 0
    if settings.guard_leaves == LEAVE_UNPROTECTED:
        state.stop = 0.0
        state.target = 0.0
    return 1


def _fire_guard(state: CoreState, action: int, bit: int) -> None:
    if action == GUARD_STOPS:
        if state.stop_run == GOES_ON:
            state.stop_run = STOP_BY_GUARD
            state.guard_stopped = bit
            state.notes |= NOTE_GUARD_STOP
    elif state.entries_paused_by_guard & bit == 0:
        state.entries_paused_by_guard += bit
        state.notes |= NOTE_GUARD_PAUSE


def resume_entries(state: CoreState) -> None:
    """End every pause by a guard; the guards start again from the present equity and day."""
    state.entries_paused_by_guard = 0
    state.peak_equity = state.equity
    state.day_first_equity = state.equity
    state.losing_trades = 0


def _decide_exit(
    state: CoreState,
    settings: CoreSettings,
    close: float,
    is_crossed: int,
    must_flatten: int,
    guard_stops: int,
    exit_flag: int,
) -> None:
    """Decide an exit; precedence: the stop (step 4), session, guard, signal."""
    reason = 0
    if is_crossed == 1:
        reason = stop_reason(state)
    elif must_flatten == 1:
        reason = SESSION
    elif guard_stops == 1:
        # A guard that leaves the position open decides no exit: the run ends as chosen.
        reason = GUARD if settings.guard_leaves == CLOSE_POSITION else 0
    elif exit_flag == 1:
        reason = SIGNAL
    if reason == 0:
        state.alerted = 0
        return
    if settings.closes_on_exit == 0 and is_crossed == 0:
        if state.alerted != reason:
            state.alert = reason
            state.alerted = reason
        return
    state.decision = EXIT
    state.decision_side = state.phase
    state.decision_steps = state.steps
    state.decision_reason = reason
    state.expected_exit = close


# --- step 6: entries -----------------------------------------------------------------------------


def _rest_entry(state: CoreState, settings: CoreSettings, close: float, exit_flag: int, enters: int) -> None:
    """Count a close of a resting entry: exit group true or entries paused cancel it, then the timeout.

    A rest below the market's minimum is cancelled too: no venue takes it.
    """
    state.entry_bars += 1
    decision = NOTHING
    if exit_flag == 1 or enters != 1 or state.stop_run != GOES_ON:
        decision = CANCEL_ENTRY
    elif state.entry_bars >= settings.order_timeout_bars:
        if state.steps > 0 and _is_below_minimum(settings, state.entry_steps, close):
            decision = CANCEL_ENTRY
        else:
            decision = REST_AT_MARKET
            state.entry_order = MARKET_ORDER
    if decision == NOTHING:
        return
    state.decision = decision
    state.decision_side = state.entry_side
    state.decision_steps = state.entry_steps
    state.decision_is_follow_up = state.entry_is_link


def _slice_entry(state: CoreState, settings: CoreSettings, close: float, exit_flag: int, enters: int) -> None:
    """Decide the next slice of an entry, or cancel what is left of it.

    What the slice before did not fill is dropped. The expected price of the entry is the average of the
    closes that decided its slices.
    """
    end_slice(state)
    if state.slices == 0:
        return
    left = state.slices_steps
    steps = 0
    if exit_flag != 1 and enters == 1 and state.stop_run == GOES_ON:
        steps = _next_slice(state, settings, close)
    if steps == 0:
        state.decision = CANCEL_ENTRY
        state.decision_steps = left
        drop_slices(state)
    else:
        state.decision = SLICE
        state.decision_steps = steps
        state.entry_steps = steps
        state.slice_price = close
        filled = state.position_steps
        state.expected_entry = (state.expected_entry * filled + close * steps) / (filled + steps)
    state.decision_side = state.entry_side


def _next_slice(state: CoreState, settings: CoreSettings, close: float) -> int:
    """Take the next slice from those that are left; return its steps, 0 where none can be sent.

    One that has come to lie below the minimum is joined with the following ones. None is larger than what
    the money that is not in the position allows, with the reserve of rule 15; what is cut off is dropped.
    """
    if state.slices > 1 and _is_below_minimum(settings, state.slice_steps, close):
        _plan_slices(state, settings, state.slices_steps, state.slices, close)
    steps = state.slice_steps if state.slices > 1 else state.slices_steps
    state.slices -= 1
    state.slices_steps -= steps
    free = (state.cash if state.cash < state.equity_cap else state.equity_cap) - state.margin
    most_margin = free / (1.0 + settings.leverage * (settings.taker_fee + FEE_RESERVE))
    most = most_margin * settings.leverage / close * settings.step_scale / settings.step_units
    if most < steps:
        state.notes |= NOTE_SLICE_CUT
        steps = math.floor(most + COUNT_EPSILON)
    return 0 if _is_below_minimum(settings, steps, close) else steps


def _plan_slices(state: CoreState, settings: CoreSettings, steps: int, slices: int, price: float) -> None:
    """Share steps among that many slices, or among fewer where one would lie below the minimum."""
    while slices > 1 and _is_below_minimum(settings, steps // slices, price):
        slices -= 1
    state.slices = slices
    state.slice_steps = steps // slices
    state.slices_steps = steps


def end_slice(state: CoreState) -> None:
    """Drop what the slice that was decided last has not filled: it does not count for what was expected."""
    filled = state.position_steps
    rest = state.entry_steps
    if state.entry_order == TWAP_ORDER and rest > 0 and filled > 0:
        whole = state.expected_entry * (filled + rest)
        state.expected_entry = (whole - state.slice_price * rest) / filled
    state.entry_steps = 0


def drop_slices(state: CoreState) -> None:
    """Cancel the slices of an entry that are not decided yet."""
    state.slices = 0
    state.slice_steps = 0
    state.slices_steps = 0


def _decide_entry(
    state: CoreState,
    settings: CoreSettings,
    close: float,
    entry_long: int,
    entry_short: int,
    atr_stop: float,
    atr_target: float,
    enters: int,
) -> None:
    """Decide an entry in FLAT, or in a RESET that ends now."""
    met_long = settings.allows_long == 1 and state.armed_long == 1 and entry_long == 1
    met_short = settings.allows_short == 1 and state.armed_short == 1 and entry_short == 1
    if state.phase == RESET and state.reset_cause == AFTER_TRADE:
        if state.link > 0:
            _follow_up(state, settings, close, entry_long, entry_short, atr_stop, atr_target, enters)
            return
        if state.reset_bar <= settings.cooldown_bars:
            return
        if settings.reset_mode == COOLDOWN_ONLY:
            _leave_reset(state)
        elif settings.reset_mode == REGULAR:
            met_opposite = met_short if state.reset_side > 0 else met_long
            same = entry_long if state.reset_side > 0 else entry_short
            if met_opposite:
                _enter(state, settings, -state.reset_side, 1.0, 0, close, atr_stop, atr_target, enters, 0)
            elif same == 0:
                _leave_reset(state)
            return
        elif (settings.allows_long == 0 or entry_long == 0) and (
            settings.allows_short == 0 or entry_short == 0
        ):
            # Strict: both groups are false, so there is nothing to enter at this close.
            _leave_reset(state)
            return
        else:
            return
    if met_long and met_short:
        state.phase = RESET
        state.reset_cause = AMBIGUOUS
    elif met_long:
        _enter(state, settings, 1, 1.0, 0, close, atr_stop, atr_target, enters, 0)
    elif met_short:
        _enter(state, settings, -1, 1.0, 0, close, atr_stop, atr_target, enters, 0)
    elif state.phase == RESET:
        _leave_reset(state)


def _leave_reset(state: CoreState) -> None:
    state.phase = FLAT
    state.reset_cause = NO_CAUSE


def _follow_up(
    state: CoreState,
    settings: CoreSettings,
    close: float,
    entry_long: int,
    entry_short: int,
    atr_stop: float,
    atr_target: float,
    enters: int,
) -> None:
    """Decide by the pending link alone; after the close ``within`` it has lapsed.

    A link without signal decides at close wait + 1: a session pause makes it lapse there, another
    pause holds it. A link whose entry is refused as below the minimum lapses too.
    """
    index = state.link - 1
    if state.reset_bar <= settings.link_wait[index]:
        return
    side = -state.reset_side if settings.link_opposite[index] == 1 else state.reset_side
    flag = entry_long if side > 0 else entry_short
    needs_signal = settings.link_needs_signal[index] == 1
    if flag == 1 or not needs_signal:
        factor = settings.link_factor[index]
        _enter(state, settings, side, factor, 1, close, atr_stop, atr_target, enters, 0)
        if state.decision == NOTHING and (state.refused != 0 or (enters == 0 and not needs_signal)):
            _lapse(state)
    if state.decision == NOTHING and state.reset_bar >= settings.link_within[index]:
        _lapse(state)


def _lapse(state: CoreState) -> None:
    """Drop the pending link: the chain starts over, the mode's rules hold from the next close on."""
    state.link = 0
    state.chain = 0


def _enter(
    state: CoreState,
    settings: CoreSettings,
    side: int,
    factor: float,
    is_link: int,
    close: float,
    atr_stop: float,
    atr_target: float,
    enters: int,
    at_market: int,
) -> None:
    """Decide an entry of that side unless entries are paused, used up or too small.

    A long's limit is rounded down to the tick and a short's up: never worse than the offset.
    Without a value of the ATR that a level needs there is no entry: it would be unprotected.
    """
    if enters != 1 or (settings.trades_limit > 0 and state.entries >= settings.trades_limit):
        return
    if (settings.stop_kind == ATR and not atr_stop > 0.0) or (
        settings.target_kind == ATR and not atr_target > 0.0
    ):
        return
    price = close
    limit = 0.0
    if settings.order_kind == LIMIT_ORDER and at_market == 0:
        limit = round_level(settings, close - side * close * settings.order_offset, 0 if side > 0 else 1)
        price = limit
    steps = _size(state, settings, factor, price, atr_stop)
    if steps < 0:
        _refuse(state, side, NOTE_EQUITY_GONE)
        return
    if _is_below_minimum(settings, steps, price):
        _refuse(state, side, NOTE_BELOW_MINIMUM)
        return
    if state.size_granted < state.size_asked:
        state.notes |= NOTE_RISK_CAPPED if settings.sizing_kind == SIZE_RISK else NOTE_SIZE_CAPPED
    state.decision = ENTER
    state.decision_side = side
    state.decision_steps = steps
    state.decision_limit = limit
    state.decision_is_follow_up = is_link
    state.expected_entry = price
    _keep_atr(state, settings, atr_stop, atr_target)
    state.entry_order = LIMIT_ORDER if limit > 0.0 else MARKET_ORDER
    state.entry_side = side
    state.entry_steps = steps
    state.entry_limit = limit
    state.entry_bars = 0
    state.entry_is_link = is_link
    if settings.order_kind == TWAP_ORDER and at_market == 0:
        _plan_slices(state, settings, steps, settings.order_bars, price)
        if state.slices > 1:
            state.entry_order = TWAP_ORDER
            state.entry_steps = state.slice_steps
            state.slice_price = price
            state.slices -= 1
            state.slices_steps -= state.slice_steps
        else:
            drop_slices(state)


def _keep_atr(state: CoreState, settings: CoreSettings, atr_stop: float, atr_target: float) -> None:
    """Keep the ATR of the decision close; one that no level uses may be NaN and is not kept."""
    state.atr_stop = atr_stop if settings.stop_kind == ATR else 0.0
    state.atr_target = atr_target if settings.target_kind == ATR else 0.0


def _is_below_minimum(settings: CoreSettings, steps: int, price: float) -> bool:
    if steps < 1 or steps < settings.minimum_steps:
        return True
    return amount_of(settings, steps) * price < settings.minimum_cost


def _size(state: CoreState, settings: CoreSettings, factor: float, price: float, atr: float) -> int:
    """Return the entry's whole steps (rule 15 of ``firstwatch.strategy``); -1: E is used up, no entry."""
    equity = state.equity if state.equity < state.equity_cap else state.equity_cap
    if equity <= 0.0 or price <= 0.0:
        return -1
    value = settings.sizing_value * factor
    state.size_asked = value
    state.size_granted = value
    most_margin = equity / (1.0 + settings.leverage * (settings.taker_fee + FEE_RESERVE))
    if settings.sizing_kind in (SIZE_FIXED, SIZE_EQUITY):
        margin = value if settings.sizing_kind == SIZE_FIXED else value * equity
        if margin > most_margin:
            state.size_granted = value * most_margin / margin
            margin = most_margin
        quantity = margin * settings.leverage / price
    else:
        distance = level_distance(settings.stop_kind, settings.stop_value, price, atr)
        if not distance > 0.0:
            return 0
        quantity = value * equity / distance
        most = most_margin * settings.leverage / price
        if quantity > most:
            state.size_granted = value * most / quantity
            quantity = most
    steps = quantity * settings.step_scale / settings.step_units
    if not steps < MOST_STEPS:
        state.size_granted = state.size_granted * (MOST_STEPS / steps)
        steps = MOST_STEPS
    return math.floor(steps + COUNT_EPSILON)


def _refuse(state: CoreState, side: int, note: int) -> None:
    """Refuse an entry, with a note once until the side's group was false."""
    was_refused = state.refused_long if side > 0 else state.refused_short
    if was_refused == 1:
        return
    state.refused = side
    state.notes |= note
    if side > 0:
        state.refused_long = 1
    else:
        state.refused_short = 1


def enter_now(
    state: CoreState,
    settings: CoreSettings,
    close: float,
    entry_long: int,
    entry_short: int,
    atr_stop: float,
    atr_target: float,
    may_enter: int,
) -> None:
    """Assume position now, wallet flat: exactly one side's group true at the last close enters at market.

    Sets ``state.decision`` as a close does; the core stays flat and unarmed when it decides nothing.
    """
    state.decision = NOTHING
    mark_equity(state, close)
    is_long = settings.allows_long == 1 and entry_long == 1
    is_short = settings.allows_short == 1 and entry_short == 1
    if is_long != is_short:
        side = 1 if is_long else -1
        _enter(state, settings, side, 1.0, 0, close, atr_stop, atr_target, may_enter, 1)


# --- fills -----------------------------------------------------------------------------------------


def book_entry(
    state: CoreState,
    settings: CoreSettings,
    side: int,
    steps: int,
    price: float,
    fee: float,
    at_open: int,
) -> None:
    """Book one entry fill; the first opens the position and counts as an entry.

    Levels come from the average entry price, again at each further fill; a stop that has trailed
    never goes back. ``at_open`` 1: filled at the bar's open, so the whole bar counts for ``best``.
    """
    if state.steps == 0:
        _open_position(state, side, price, at_open)
        state.entries += 1
        state.reset_cause = NO_CAUSE
        state.link = 0
        if state.entry_is_link == 1:
            state.chain += 1
            state.entry_is_link = 0
        else:
            state.chain = 0
    else:
        state.entry_price = (state.entry_price * state.steps + price * steps) / (state.steps + steps)
        state.level_price = state.entry_price
        if state.bars_held == 0 or state.phase * state.entry_price > state.phase * state.best:
            state.best = state.entry_price
    state.steps += steps
    state.position_steps += steps
    state.entry_steps = state.entry_steps - steps if state.entry_steps > steps else 0
    state.amount = amount_of(settings, state.steps)
    state.cash -= fee
    state.fees += fee
    state.margin += price * amount_of(settings, steps) / settings.leverage
    _set_liquidation(state, settings)
    _set_levels(state, settings)


def _open_position(state: CoreState, side: int, price: float, at_open: int) -> None:
    state.phase = side
    state.entry_price = price
    state.level_price = price
    state.best = price
    state.entry_at_open = at_open
    state.bars_held = 0
    state.margin = 0.0
    state.adverse = 0.0
    state.favourable = 0.0
    state.position_steps = 0
    state.exit_steps = 0
    state.exit_price = 0.0
    state.gross = 0.0
    state.fees = 0.0
    state.funding = 0.0
    state.expected_exit = 0.0
    state.stop = 0.0
    state.stop_has_moved = 0
    state.level_dropped = 0
    state.alerted = 0


def _set_liquidation(state: CoreState, settings: CoreSettings) -> None:
    state.liquidation = liquidation_price(
        state.phase, state.entry_price, state.amount, state.margin, settings.maintenance
    )


def _set_levels(state: CoreState, settings: CoreSettings) -> None:
    """Place stop and target; one that would lie beyond zero is dropped, with a note at the first fill."""
    side = state.phase
    stop = stop_level(settings, side, state.level_price, state.atr_stop)
    if state.stop_has_moved == 0 or side * stop > side * state.stop:
        state.stop = stop
    state.target = target_level(settings, side, state.level_price, state.atr_target)
    lacks_stop = settings.stop_kind != NO_LEVEL and state.stop == 0.0
    lacks_target = settings.target_kind != NO_LEVEL and state.target == 0.0
    if (lacks_stop or lacks_target) and state.level_dropped == 0:
        state.level_dropped = 1
        state.notes |= NOTE_LEVEL_DROPPED


def entry_ended(state: CoreState) -> None:
    """Note that the entry order is over: filled, its rest dropped, refused or cancelled.

    Without a fill the core is as before the decision, armed; a link whose entry filled nothing lapses.
    """
    if state.steps > 0:
        end_slice(state)
    state.entry_order = NO_ORDER
    state.entry_steps = 0
    drop_slices(state)
    if state.entry_is_link == 1:
        state.entry_is_link = 0
        _lapse(state)


def drop_decision(state: CoreState) -> None:
    """Note that a decided entry is not acted on (late, paused): the core stays armed."""
    state.decision = NOTHING
    entry_ended(state)


def price_gross(state: CoreState, settings: CoreSettings, steps: int, price: float) -> float:
    """Return the profit of closing ``steps`` at ``price`` in quote, before fees and uncapped."""
    return state.phase * (price - state.entry_price) * amount_of(settings, steps)


def book_exit(
    state: CoreState,
    settings: CoreSettings,
    steps: int,
    price: float,
    fee: float,
    reason: int,
    gross: float,
) -> int:
    """Book one exit fill; return 1 when the position is flat; the trade is then in ``closed_...``.

    ``gross``: its profit in quote before its fee: ``price_gross``, except for a loss that ended at the
    margin.
    """
    share = state.margin if steps >= state.steps else state.margin * steps / state.steps
    _note_price(state, price)
    state.cash += gross - fee
    state.gross += gross
    state.fees += fee
    state.margin -= share
    if state.exit_steps == 0:
        state.exit_price = price
    else:
        filled = state.exit_steps
        state.exit_price = (state.exit_price * filled + price * steps) / (filled + steps)
    state.exit_steps += steps
    state.steps -= steps
    if state.steps > 0:
        state.amount = amount_of(settings, state.steps)
        return 0
    _close_trade(state, settings, reason)
    return 1


def unbook_entry(state: CoreState, settings: CoreSettings, steps: int, price: float, fee: float) -> None:
    """Take back the entry fill booked last, not the only one; levels follow at the next ``book_entry``."""
    rest = state.steps - steps
    state.entry_price = (state.entry_price * state.steps - price * steps) / rest
    state.steps = rest
    state.position_steps -= steps
    state.entry_steps += steps
    state.amount = amount_of(settings, rest)
    state.cash += fee
    state.fees -= fee
    state.margin -= price * amount_of(settings, steps) / settings.leverage
    _set_liquidation(state, settings)


def unbook_exit(
    state: CoreState, settings: CoreSettings, steps: int, price: float, fee: float, gross: float
) -> None:
    """Take back the exit fill booked last, one after which the position stayed open."""
    total = state.steps + steps
    state.margin = state.margin * total / state.steps
    state.steps = total
    state.amount = amount_of(settings, total)
    filled = state.exit_steps - steps
    state.exit_price = (state.exit_price * state.exit_steps - price * steps) / filled if filled > 0 else 0.0
    state.exit_steps = filled
    state.cash -= gross - fee
    state.gross -= gross
    state.fees -= fee


def _note_price(state: CoreState, price: float) -> None:
    """Count a fill's price in the excursions of the trade."""
    favour = state.phase * (price - state.entry_price)
    if favour > state.favourable:
        state.favourable = favour
    if -favour > state.adverse:
        state.adverse = -favour


def _close_trade(state: CoreState, settings: CoreSettings, reason: int) -> None:
    side = state.phase
    end_slice(state)
    pnl = state.gross - state.fees - state.funding
    state.trades += 1
    state.closed_side = side
    state.closed_steps = state.position_steps
    state.closed_entry_price = state.entry_price
    state.closed_exit_price = state.exit_price
    state.closed_gross = state.gross
    state.closed_fees = state.fees
    state.closed_funding = state.funding
    state.closed_pnl = pnl
    state.closed_reason = reason
    state.closed_bars_held = state.bars_held
    state.closed_adverse = state.adverse
    state.closed_favourable = state.favourable
    state.closed_expected_entry = state.expected_entry
    state.closed_expected_exit = _expected_exit(state, reason)
    state.losing_trades = state.losing_trades + 1 if pnl < 0.0 else 0

    state.steps = 0
    state.amount = 0.0
    state.margin = 0.0
    state.liquidation = 0.0
    state.stop = 0.0
    state.target = 0.0
    state.phase = RESET
    state.reset_cause = AFTER_TRADE
    state.reset_side = side
    state.reset_bar = 0
    drop_slices(state)
    _match_chain(state, settings, reason)
    if state.stop_run == GOES_ON and settings.trades_limit > 0 and state.entries >= settings.trades_limit:
        state.stop_run = STOP_BY_TRADES_LIMIT


def _expected_exit(state: CoreState, reason: int) -> float:
    """Return the price an exit was expected at: the close that decided it, else its level, else the mark."""
    if state.expected_exit > 0.0:
        return state.expected_exit
    if reason in (STOP_LOSS, TRAILING_STOP):
        return state.stop
    if reason == TAKE_PROFIT:
        return state.target
    if reason == LIQUIDATION:
        return state.liquidation
    return state.last_close


def _match_chain(state: CoreState, settings: CoreSettings, reason: int) -> None:
    """Match an exit against the next link; after the last was taken, against the last (rule 23)."""
    state.link = 0
    if settings.links == 0:
        return
    is_exhausted = state.chain >= settings.links
    index = settings.links - 1 if is_exhausted else state.chain
    if settings.link_after[index] & (1 << reason) == 0:
        state.chain = 0
    elif is_exhausted:
        state.chain = 0
        if settings.exhausted_stops == 1 and state.stop_run == GOES_ON:
            state.stop_run = STOP_BY_CHAIN
            state.notes |= NOTE_CHAIN_STOP
    else:
        state.link = index + 1


def book_funding(state: CoreState, settings: CoreSettings, paid: float, is_of_position: int) -> None:
    """Book a funding payment in quote (negative: received).

    Only the cash changes when flat, or when the position it was paid on is closed by now
    (``is_of_position`` 0).
    """
    state.cash -= paid
    if state.steps > 0 and is_of_position:
        state.funding += paid
        state.margin -= paid
        _set_liquidation(state, settings)


def adopt(
    state: CoreState,
    settings: CoreSettings,
    side: int,
    steps: int,
    mark: float,
    venue_entry_price: float,
    venue_margin: float,
    atr_stop: float,
    atr_target: float,
) -> int:
    """Take over a position that the wallet holds; return 0, and change nothing, if a level is passed.

    Accounting starts at ``mark``; levels come from the venue's entry price, ``best`` is the mark. It
    counts as an entry. The bar of the adoption does not count for ``best``. The margin is what the
    mark has left of ``venue_margin``, so that the liquidation price is the venue's.
    """
    stop = stop_level(settings, side, venue_entry_price, atr_stop)
    target = target_level(settings, side, venue_entry_price, atr_target)
    if (stop > 0.0 and side * stop >= side * mark) or (target > 0.0 and side * target <= side * mark):
        return 0
    _keep_atr(state, settings, atr_stop, atr_target)
    state.expected_entry = mark
    state.entry_is_link = 0
    book_entry(state, settings, side, steps, mark, 0.0, 0)
    state.level_price = venue_entry_price
    state.margin = venue_margin + side * state.amount * (mark - venue_entry_price)
    _set_liquidation(state, settings)
    _set_levels(state, settings)
    mark_equity(state, mark)
    return 1
