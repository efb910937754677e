"""The quit dialog: it asks what to do with active runs."""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.money_text import money_counts
from firstwatch.tui.run_text import run_line
from firstwatch.tui.widgets.status_lines import KeyHint

_LISTED = 6


class QuitChoice(StrEnum):
    """How to leave."""

    TO_BACKGROUND = "to_background"
    STOP_RUNS = "stop_runs"


class QuitDialog(Dialog[QuitChoice]):
    """Asks before the process that holds the engine ends. The default is to stay."""

    TITLE_TEXT = "Quit"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "take('to_background')", "Background", show=False, id="quit.background"),
        Binding("s", "take('stop_runs')", "Stop runs", show=False, id="quit.stop"),
        Binding("enter", "close", "Stay", show=False, id="quit.stay"),
    ]

    def __init__(self, snapshot: ManagerSnapshot) -> None:
        super().__init__()
        self._snapshot = snapshot

    def body(self) -> Sequence[Widget]:
        runs = self._snapshot.active
        noun = "run is" if len(runs) == 1 else "runs are"
        rows = [text(run_line(run, self._snapshot)) for run in runs[:_LISTED]]
        if len(runs) > _LISTED:
            rows.append(text(f"  and {len(runs) - _LISTED} more"))
        money = money_counts(run.money for run in runs)
        return [
            text(f"{len(runs)} {noun} active in this process: {money}.", "strong"),
            *rows,
            text(""),
            text("b  Leave them to a background engine"),
            text("   Runs go on without a gap; firstwatch attaches to it next time."),
            text("s  Stop them, leaving positions with their protection"),
            text("   Then quit."),
            text("enter  Stay", "strong"),
        ]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("enter q esc", "stay"), KeyHint("b", "background"), KeyHint("s", "stop them"))

    def action_take(self, choice: str) -> None:
        self.dismiss(QuitChoice(choice))
