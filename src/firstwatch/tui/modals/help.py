"""All keys, made from the actions."""

from collections.abc import Iterable, Sequence
from itertools import starmap
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from firstwatch.trading.text import clean_lines
from firstwatch.tui import formats
from firstwatch.tui.actions import Action
from firstwatch.tui.key_table import groups
from firstwatch.tui.keymap import Keymap
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.panes.pane import PaneId
from firstwatch.tui.widgets.status_lines import KeyHint

_LISTS = (
    ("↑ ↓ enter", "Move in a table; choose, or edit a field (EDIT)."),
    ("← → space", "Change the value of a choice in the launch form."),
    ("← → enter", "In the watch: go to an hour or a day, and open it."),
    ("tab", "Go to the next pane or table."),
    ("enter esc", "Leave a field: accept the text, or discard it."),
    ("esc", "Back: from a filter to all rows, from an hour to the checks, from one pane to all of them."),
)
_WIDTH, _BESIDE, _KEYS = 108, 8, 13
"""Widths in columns: of the box, of its border, padding and scroll bar, and of the keys."""

_SIGNS = (
    ("PAPER", "Play money of the built-in venue."),
    ("TESTNET", "Test money of a venue."),
    ("LIVE", "Real money."),
    ("● ❚ ▲ ○", "A run that is running, paused, in trouble, not running."),
    ("✔ 7 h", "It does what its backtest promised, after 7 hours on watch."),
    ("· 1 h", "Too early to say, after 1 hour."),
    ("! fills", "A check to look at, by its name: fills, trades, draw (drawdown), stops, costs."),
    ("✘ parity", "It does not do what its backtest promised, by this check."),
    ("×300", "A market that is played 300 times as fast."),
    ("?  –", "Not known; not known yet."),
)


class HelpDialog(Dialog[None]):
    """The key table, the keys of the pane in front first."""

    TITLE_TEXT = "Help"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "close", "Close", show=False, id="help.close"),
        Binding("down", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("up", "scroll(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, keymap: Keymap, front: PaneId) -> None:
        super().__init__()
        self._keymap = keymap
        self._front = front

    def body(self) -> Sequence[Widget]:
        parts: dict[str, Iterable[str]] = {
            place: map(self._row, actions) for place, actions in groups(self._front)
        }
        parts["In a list or a field"] = starmap(self._line, _LISTS)
        parts["Words and signs"] = starmap(self._line, _SIGNS)
        shown = Content(
            "In NAV keys act; in EDIT they are text. The status line says which it is. What words and signs "
            "mean stands at the end."
        )
        for title, lines in parts.items():
            shown += Content.assemble("\n\n", (title, "bold"), "\n", clean_lines("\n".join(lines)))
        # One widget: one for each part would leave 4 MiB to collect, one for each line twice as much.
        return [Static(shown, markup=False)]

    def _row(self, action: Action) -> str:
        if self._keymap.keys[action.id]:
            return self._line(self._keymap.shown(action.id), action.help)
        return self._line(self._keymap.shown("app.commands"), f"{action.title}: {action.help}")

    def _line(self, keys: str, meaning: str) -> str:
        """Return a line whose text wraps beside its keys."""
        width = min(_WIDTH, self.app.size.width * 96 // 100) - _BESIDE - _KEYS
        lines = formats.fitted(meaning, width).replace("\n", "\n" + " " * _KEYS)
        return f"{keys:>{_KEYS - 2}}  {lines}"

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("↑ ↓", "scroll"), KeyHint("q esc ?", "close"))

    def action_scroll(self, by: int) -> None:
        self.query_one(".dialog-body").scroll_relative(y=by * 3, animate=False)
