"""The launch as a TOML text, to read and to edit."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import TextArea

from firstwatch.trading.errors import WrongUseError
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint


class TomlDialog(Dialog[str]):
    """Returns the text once ``check`` can read it; ``check`` raises ``WrongUseError`` if it cannot."""

    AUTO_FOCUS = "TextArea"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "accept", "Save", show=False, priority=True, id="toml.save"),
        Binding("escape", "close", "Cancel", show=False, priority=True, id="toml.cancel"),
    ]

    def __init__(self, title: str, text: str, check: Callable[[str], object]) -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self._text = text
        self._check = check

    def body(self) -> Sequence[Widget]:
        return [TextArea(self._text, compact=True), Paragraph(classes="problem")]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("ctrl+s", "save"), KeyHint("esc", "cancel"))

    def action_accept(self) -> None:
        text = self.query_one(TextArea).text
        try:
            self._check(text)
        except WrongUseError as error:
            self.query_one(".problem", Paragraph).set_text(str(error))
        else:
            self.dismiss(text)
