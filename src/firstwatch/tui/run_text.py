"""Texts about one run that several panes and dialogs show."""

from collections.abc import Callable
from decimal import Decimal

from firstwatch.manager.views import RunView
from firstwatch.trading.runs import Exposure, Protection, StopMode
from firstwatch.trading.symbols import base_of
from firstwatch.tui import formats


def heading(run: RunView) -> str:
    """Return the run's name, symbol and short id."""
    return f"{run.title} {run.symbol} {formats.short_id(run.run_id)}"


def held_text(run: RunView, write: Callable[[Decimal], str] = formats.amount) -> str:
    """Return what the run holds: ``flat``, ``unknown``, or a side and an amount."""
    if run.exposure is Exposure.FLAT:
        return "flat"
    position = run.position
    if run.exposure is Exposure.UNKNOWN or position is None or position.side is None:
        return "unknown"
    return f"{position.side} {write(position.amount)}"


def exposure_text(run: RunView) -> str:
    """Return what the run holds, and its stop."""
    held, position = held_text(run), run.position
    if held == "flat":
        return held
    if held == "unknown" or position is None:
        return "exposure unknown"
    guard = "no stop" if position.stop is None else f"stop {formats.price(position.stop)}"
    if position.is_stop_behind:
        guard = f"{guard} where {formats.price(position.stop_wanted)} is wanted"
    elif run.protection is Protection.UNPROTECTED:
        guard = "unprotected"
    entry = formats.price(position.entry_price)
    return f"{held} {base_of(run.symbol)} from {entry}, {guard}"


def left_behind(run: RunView, mode: StopMode) -> str:
    """Return the exposure that stopping in that mode leaves."""
    if run.exposure is Exposure.FLAT:
        return "Entry orders are cancelled. Nothing is held, nothing is left."
    what = "whatever the venue holds" if run.exposure is Exposure.UNKNOWN else exposure_text(run)
    if mode is StopMode.CLOSE:
        return f"Entry orders are cancelled, {what} is closed at market, protection goes last: flat."
    if mode is StopMode.LEAVE:
        return f"Entry orders are cancelled. Left: {what}; stop and target stay at the venue, unmanaged."
    return f"All orders are cancelled. Left: {what}, WITHOUT any protection. The run's name must be typed."
