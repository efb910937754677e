"""The stop dialog: the runs, and what each stop mode leaves at the venue."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.views import RunView
from firstwatch.trading.runs import StopMode
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.run_text import left_behind
from firstwatch.tui.widgets.status_lines import KeyHint

_MODES = {
    StopMode.LEAVE: "l  Leave position (default)",
    StopMode.CLOSE: "x  Close position",
    StopMode.LEAVE_UNPROTECTED: "u  Leave position and cancel protection",
}
_LEFT = {
    StopMode.LEAVE: "Entry orders are cancelled. Stops and targets stay at the venue, unmanaged.",
    StopMode.CLOSE: "Entry orders are cancelled, all that is held is closed at market, protection goes last.",
    StopMode.LEAVE_UNPROTECTED: "All orders are cancelled. What is held is left WITHOUT any protection.",
}
"""What each mode leaves of several runs."""


class StopRunDialog(Dialog[StopMode]):
    """Returns the chosen mode. The runs are as of the moment when the dialog was opened."""

    IS_DANGEROUS = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "take('leave')", "Leave position", show=False, id="stop.leave"),
        Binding("u", "take('leave_unprotected')", "Leave unprotected", show=False, id="stop.unprotected"),
        Binding("x", "take('close')", "Close position", show=False, id="stop.close"),
    ]

    def __init__(self, runs: Sequence[RunView], lines: Sequence[str]) -> None:
        """``lines`` say which runs these are."""
        super().__init__()
        self._runs = tuple(runs)
        self._lines = tuple(lines)
        self.TITLE_TEXT = "Stop run" if len(runs) == 1 else f"Stop {len(runs)} runs"

    def body(self) -> Sequence[Widget]:
        first, *more = self._lines
        rows = [text(first, "strong"), *(text(line) for line in more), text("")]
        for mode, title in _MODES.items():
            rows += [text(title, "strong"), text(f"   {self._left(mode)}")]
        return rows

    def _left(self, mode: StopMode) -> str:
        return left_behind(self._runs[0], mode) if len(self._runs) == 1 else _LEFT[mode]

    def hints(self) -> Sequence[KeyHint]:
        return (
            KeyHint("l", "leave"),
            KeyHint("x", "close"),
            KeyHint("u", "leave unprotected"),
            KeyHint("q esc", "do not stop"),
        )

    def action_take(self, mode: str) -> None:
        self.dismiss(StopMode(mode))
