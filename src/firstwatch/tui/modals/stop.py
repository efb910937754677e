"""The stop dialog: one run, and what each stop mode leaves at the venue."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.views import RunView
from firstwatch.trading.runs import StopMode
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.run_text import exposure_text, left_behind
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

    def __init__(self, run: RunView) -> None:
        super().__init__()
        self._run = run

    def body(self) -> Sequence[Widget]:
        run = self._run
        return [
            text(f"{run.title} on {run.symbol}, wallet {run.wallet}", "strong"),
            text(f"run {run.run_id}, {run.state}, {exposure_text(run)}"),
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
