"""The outlook: conditions missing for the next decision, and what blocks one, read from the core's state.

For the operator only: the core never calls this.
"""

from collections.abc import Callable, Iterator, Sequence

from firstwatch.strategy import core_state as codes
from firstwatch.strategy.core import amount_of
from firstwatch.strategy.core_notes import guard_bits, guard_sentence
from firstwatch.strategy.core_state import CoreSettings, CoreState
from firstwatch.trading.orders import Side
from firstwatch.trading.why import ConditionValue, GroupKind, Outlook, level, missing

Conditions = Callable[[GroupKind, Side], tuple[ConditionValue, ...]]
"""Returns the conditions of a group with their values at the last close (``SignalStream.conditions``)."""


def outlook_of(
    state: CoreState,
    settings: CoreSettings,
    conditions: Conditions,
    *,
    bar_time_ms: int,
    held_back: Sequence[str] = (),
    may_enter: bool = True,
) -> Outlook:
    """Return the outlook after the close of the bar that opened at ``bar_time_ms``.

    ``held_back``: sentences on what keeps the run from entering. ``may_enter``: the session allows an entry
    at the next close.
    """
    if state.steps == 0:
        return Outlook(
            bar_time_ms=bar_time_ms,
            needs=needs_of(None, settings, conditions),
            waits=(*held_back, *_entries_wait(state, settings, may_enter=may_enter)),
        )
    side = Side.LONG if state.phase > 0 else Side.SHORT
    levels = (("stop_loss", state.stop), ("take_profit", state.target))
    return Outlook(
        bar_time_ms=bar_time_ms,
        held=side,
        needs=(
            *needs_of(side, settings, conditions),
            *(level(name, side, state.last_close, at) for name, at in levels if at > 0),
        ),
        waits=tuple(_held_waits(state, settings)),
    )


def _held_waits(state: CoreState, settings: CoreSettings) -> Iterator[str]:
    """Yield sentences on what goes on beside a position."""
    if state.slices > 0:
        amount = amount_of(settings, state.slices_steps)
        slices = "1 more slice" if state.slices == 1 else f"{state.slices} more slices, one each bar"
        yield f"the entry goes on: {slices}, {amount:,.12g} in all"
    if not settings.closes_on_exit:
        yield _LEFT_TO_OPERATOR


_LEFT_TO_OPERATOR = "closing is left to you: an exit signal only raises an alarm"


def needs_of(held: Side | None, settings: CoreSettings, conditions: Conditions) -> tuple[ConditionValue, ...]:
    """Return the conditions that have to become true: of entries when flat, else of the exit."""
    if held is not None:
        return missing(conditions(GroupKind.EXIT, held))
    allowed = {Side.LONG: settings.allows_long, Side.SHORT: settings.allows_short}
    return tuple(
        need for side in Side if allowed[side] for need in missing(conditions(GroupKind.ENTRY, side))
    )


def _entries_wait(state: CoreState, settings: CoreSettings, *, may_enter: bool) -> Iterator[str]:
    """Yield sentences on what blocks entries of a flat run, whatever the conditions are."""
    if state.stop_run != codes.GOES_ON:
        yield "no entry follows: the run is ending"
        return
    for bit in guard_bits(state.entries_paused_by_guard):
        until = "the next day (UTC)" if bit == codes.DAILY_LOSS_BIT else "you resume them"
        yield f"entries pause until {until}: {guard_sentence(bit, settings)}"
    if not may_enter:
        yield "the session allows no entry at the next close"
    if state.entry_order == codes.LIMIT_ORDER:
        left = settings.order_timeout_bars - state.entry_bars
        yield f"an entry rests at {state.entry_limit:,.12g} for {_bars(left)}, then goes to market"
    elif state.entry_order in {codes.MARKET_ORDER, codes.TWAP_ORDER}:
        yield "an entry order is under way"
    elif state.phase == codes.RESET:
        yield from _reset_waits(state, settings)
    for side, allows, is_armed in (
        (Side.LONG, settings.allows_long, state.armed_long),
        (Side.SHORT, settings.allows_short, state.armed_short),
    ):
        if allows and not is_armed:
            yield f"{side} waits for a fresh signal: its entry conditions must be false once"


def _reset_waits(state: CoreState, settings: CoreSettings) -> Iterator[str]:
    if state.reset_cause == codes.AMBIGUOUS:
        yield "both entry signals are true: it waits until exactly one is"
    elif state.link > 0:
        link = state.link - 1
        opposite = settings.link_opposite[link] == 1
        side = Side.LONG if (state.reset_side > 0) is not opposite else Side.SHORT
        wait, within = settings.link_wait[link], settings.link_within[link]
        signal = "with its signal" if settings.link_needs_signal[link] else "without a signal"
        if state.reset_bar < wait:
            yield f"a follow-up {side} waits {_bars(wait - state.reset_bar)}, then enters {signal}"
        else:
            yield f"a follow-up {side} enters {signal}, {_bars(within - state.reset_bar)} at most"
    elif state.reset_bar < settings.cooldown_bars:
        yield f"cooldown: {_bars(settings.cooldown_bars - state.reset_bar)}"
    elif settings.reset_mode == codes.REGULAR:
        same = Side.LONG if state.reset_side > 0 else Side.SHORT
        yield f"after the {same} trade: the opposite signal, or its own once its conditions were false"
    elif settings.reset_mode == codes.STRICT:
        yield "after the trade: the entry conditions of every side must be false once"


def _bars(count: int) -> str:
    return "1 more bar" if count == 1 else f"{count} more bars"
