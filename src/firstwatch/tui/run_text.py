"""Texts about one run that several panes and dialogs show."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.trading.runs import Exposure, Health, Protection, RunState, StopMode
from firstwatch.trading.symbols import base_of
from firstwatch.tui import formats, watch_text
from firstwatch.tui.money_text import money_counts, run_place
from firstwatch.tui.widgets.table import Tone

WHO = ": "
"""Separates a state from its cause: if there is too little room, both it and the cause are left out."""
_HEALTH_WORDS = {Health.STALE: "STALE", Health.DEGRADED: "DEGRADED", Health.UNKNOWN: "NO NEWS"}


def heading(run: RunView) -> str:
    """Return the run's name, symbol and short id."""
    return f"{run.title} {run.symbol} {formats.short_id(run.run_id)}"


def trouble(run: RunView) -> str:
    """Return in a word or two what an operator has to look at first; empty: nothing is wrong."""
    if run.is_damaged:
        return "DAMAGED"
    if run.protection is Protection.UNPROTECTED:
        is_behind = run.position is not None and run.position.is_stop_behind
        return "OLD STOP" if is_behind else "NO STOP"
    if run.exposure is Exposure.UNKNOWN:
        return "IN DOUBT"
    if run.state is RunState.FAILED:
        return "FAILED"
    return _HEALTH_WORDS.get(run.health, "") if run.state.is_active else ""


def sign(run: RunView) -> tuple[str, Tone]:
    """Return one character for a run's state: in trouble, paused, running, or not running."""
    if trouble(run):
        return "▲", "error"
    if run.state is RunState.RUNNING:
        return ("❚", "warning") if run.paused else ("●", "")
    return "○", "dim"


def state_text(run: RunView) -> tuple[str, Tone]:
    """Return an active run's state as it is: trouble, a stop under way or a pause come before the watch."""
    if wrong := trouble(run):
        return wrong, "error"
    if run.state is not RunState.RUNNING:
        return run.state.value, "warning"
    verdict, tone = watch_text.list_cell(run)
    if run.paused:
        is_bad = tone in ("warning", "error")
        state = f"PAUSED {verdict[0]}" if is_bad else "PAUSED"
        cause = f"{WHO}{run.pause_reason}" if run.pause_reason else ""
        return f"{state}{cause}", tone if is_bad else "warning"
    return verdict, tone


def remark(run: RunView) -> tuple[str, Tone]:
    """Return the reason for a run's state in words; empty: there is none."""
    if wrong := trouble(run):
        return run.sentence or wrong.lower(), "error"
    if run.paused:
        return f"paused: {run.pause_reason}" if run.pause_reason else "paused", "warning"
    return run.sentence, ""


def run_lines(runs: Sequence[RunView], snapshot: ManagerSnapshot) -> list[str]:
    """Return the lines of a dialog on its runs: which, how many, with what money."""
    if len(runs) == 1:
        [run] = runs
        return [
            f"{run.title} on {run.symbol}, wallet {run_place(run)}",
            f"run {run.run_id}, {run.state}, {exposure_text(run)}",
        ]
    lines = [f"{len(runs)} runs: {money_counts(run.money for run in runs)}"]
    return [*lines, *(run_line(run, snapshot) for run in runs)]


def run_line(run: RunView, snapshot: ManagerSnapshot) -> str:
    """Return a line for one of several runs of a dialog."""
    name = f"{snapshot.short_id(run.run_id)} {run.title}"
    return f"  {name}, {run_place(run)}, {exposure_text(run)}"


def held_text(run: RunView, write: Callable[[Decimal], str] = formats.amount) -> str:
    """Return the position of the run: ``flat``, ``unknown``, or a side and an amount."""
    if run.exposure is Exposure.FLAT:
        return "flat"
    position = run.position
    if run.exposure is Exposure.UNKNOWN or position is None or position.side is None:
        return "unknown"
    return f"{position.side} {write(position.amount)}"


def exposure_text(run: RunView) -> str:
    """Return the position of the run, and its stop."""
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
