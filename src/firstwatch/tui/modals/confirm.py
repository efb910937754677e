"""A yes-or-no question, and a message to read."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.trading.text import clean_lines
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.widgets.status_lines import KeyHint


class ConfirmDialog(Dialog[bool]):
    """Asks a question; only ``y`` is yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", show=False, id="confirm.yes"),
        Binding("n", "close", "No", show=False, id="confirm.no"),
    ]

    def __init__(self, title: str, lines: Sequence[str], verb: str, *, is_dangerous: bool = False) -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self.IS_DANGEROUS = is_dangerous
        self._lines = tuple(lines)
        self._verb = verb

    def body(self) -> Sequence[Widget]:
        return [text(line) for line in self._lines]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("y", self._verb), KeyHint("n q esc", "cancel"))

    def action_yes(self) -> None:
        self.dismiss(True)


class MessageDialog(Dialog[None]):
    """Shows lines that do not fit into a table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "close", "Close", show=False, id="message.close"),
        Binding("y", "copy", "Copy", show=False, id="message.copy"),
    ]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self._lines = tuple(lines)

    def body(self) -> Sequence[Widget]:
        return [text(line) for line in self._lines]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("y", "copy"), KeyHint("enter q esc", "close"))

    def action_copy(self) -> None:
        self.app.copy_to_clipboard("\n".join(clean_lines(line) for line in self._lines))
        self.app.notify("Copied, if the terminal allows it (OSC 52)")
