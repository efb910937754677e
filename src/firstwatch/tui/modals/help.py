"""All keys, made from the actions."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.tui.actions import ACTIONS
from firstwatch.tui.keymap import Keymap
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.widgets.status_lines import KeyHint

_GENERAL = (
    ("↑ ↓ enter", "Move in a table; choose, or edit a field (EDIT)."),
    ("← → space", "Change the value of a choice in Configuration."),
    ("← → enter", "In the watch: go to an hour or a day, and open it."),
    ("tab", "Go to the next pane or table."),
    ("enter esc", "Leave a field: accept the text, or discard it."),
    ("esc", "Back: from an hour to the checks, from one pane to all of them."),
    ("ctrl+p", "Find any action by its name."),
)


class HelpDialog(Dialog[None]):
    """The key table."""

    TITLE_TEXT = "Help"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "close", "Close", show=False, id="help.close"),
        Binding("down", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("up", "scroll(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, keymap: Keymap) -> None:
        super().__init__()
        self._keymap = keymap

    def body(self) -> Sequence[Widget]:
        rows = [
            text(f"{self._keymap.shown(action.id):>11}  {action.help}")
            for action in ACTIONS
            if self._keymap.keys[action.id]
        ]
        rows += [
            text(f"{'ctrl+p':>11}  {action.title}: {action.help}")
            for action in ACTIONS
            if not self._keymap.keys[action.id]
        ]
        rows += [text(""), *(text(f"{keys:>11}  {meaning}") for keys, meaning in _GENERAL)]
        rows += [text(""), text("In NAV keys act; in EDIT they are text. The status line says which it is.")]
        return rows

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("↑ ↓", "scroll"), KeyHint("q esc ?", "close"))

    def action_scroll(self, by: int) -> None:
        self.query_one(".dialog-body").scroll_relative(y=by * 3, animate=False)
