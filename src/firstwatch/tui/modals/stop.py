"""The stop dialog: the run that it was opened for, and what each mode leaves behind."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.views import RunRow
from firstwatch.trading.runs import Exposure, Protection, StopMode
from firstwatch.tui import formats
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.widgets.status_lines import KeyHint


class StopRunDialog(Dialog[StopMode]):
    """Returns the chosen mode. The run is the one of the moment when the dialog was opened."""

    TITLE_TEXT = "Stop run"
    IS_DANGEROUS = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "take('leave')", "Leave position", show=False, id="stop.leave"),
        Binding("u", "take('leave_unprotected')", "Leave unprotected", show=False, id="stop.unprotected"),
        Binding("x", "take('close')", "Close position", show=False, id="stop.close"),
    ]

    def __init__(self, run: RunRow) -> None:
        super().__init__()
        self._run = run

    def body(self) -> Sequence[Widget]:
        run = self._run
        return [
            text(f"{run.title} on {run.symbol}, wallet {run.wallet}", "strong"),
            text(f"run {run.run_id}, {run.state}, {held(run)}"),
            text(""),
            text("l  Leave position (default)", "strong"),
            text(f"   {left_behind(run, StopMode.LEAVE)}"),
            text("x  Close position", "strong"),
            text(f"   {left_behind(run, StopMode.CLOSE)}"),
            text("u  Leave position and cancel protection", "strong"),
            text(f"   {left_behind(run, StopMode.LEAVE_UNPROTECTED)}"),
        ]

    def hints(self) -> Sequence[KeyHint]:
        return (
            KeyHint("l", "leave"),
            KeyHint("x", "close"),
            KeyHint("u", "leave unprotected"),
            KeyHint("q esc", "do not stop"),
        )

    def action_take(self, mode: str) -> None:
        self.dismiss(StopMode(mode))


def held(run: RunRow) -> str:
    """Return what the run holds, in words."""
    position = run.position
    if run.exposure is Exposure.FLAT:
        return "flat"
    if run.exposure is Exposure.UNKNOWN or position is None or position.side is None:
        return "exposure unknown"
    base = run.symbol.split("/", maxsplit=1)[0]
    guard = "no stop" if position.stop is None else f"stop {formats.price(position.stop)}"
    if position.is_stop_behind:
        guard = f"{guard} where {formats.price(position.stop_wanted)} is wanted"
    elif run.protection is Protection.UNPROTECTED:
        guard = "unprotected"
    entry = formats.price(position.entry_price)
    return f"{position.side} {formats.amount(position.amount)} {base} from {entry}, {guard}"


def left_behind(run: RunRow, mode: StopMode) -> str:
    """Return the exposure that stopping in that mode leaves, in words."""
    if run.exposure is Exposure.FLAT:
        return "Entry orders are cancelled. Nothing is held, nothing is left."
    what = "whatever the venue holds" if run.exposure is Exposure.UNKNOWN else held(run)
    if mode is StopMode.CLOSE:
        return f"Entry orders are cancelled, {what} is closed at market, protection goes last: flat."
    if mode is StopMode.LEAVE:
        return f"Entry orders are cancelled. Left: {what}; stop and target stay at the venue, unmanaged."
    return f"All orders are cancelled. Left: {what}, WITHOUT any protection. The run's name must be typed."
