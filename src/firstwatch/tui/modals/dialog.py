"""The base of all dialogs: a box over the dimmed screen, the status line, keys that close."""

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from firstwatch.trading.text import clean, clean_lines
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine, StatusLine

Result = TypeVar("Result")


class Dialog(ModalScreen[Result | None]):
    """A dialog. Escape closes it with None; so does ``q`` where no field has the focus."""

    TITLE_TEXT = ""
    IS_DANGEROUS = False
    AUTO_FOCUS = "Input, OptionList, Button"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", show=False, id="dialog.close"),
        Binding("q", "close", "Close", show=False, id="dialog.close_q"),
    ]

    def compose(self) -> ComposeResult:
        box = Vertical(classes="dialog-box")
        box.border_title = Content(clean(self.TITLE_TEXT))
        box.set_class(self.IS_DANGEROUS, "dangerous")
        with box:
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield from self.body()
            yield KeyLine(self.hints)
        yield StatusLine()

    def body(self) -> Sequence[Widget]:
        """Return the content of the box; nothing if the title is enough."""
        return ()

    def hints(self) -> Sequence[KeyHint]:
        """Return the keys of this dialog."""
        return (KeyHint("esc", "close"),)

    def action_close(self) -> None:
        self.dismiss(None)


def text(content: str, classes: str = "") -> Static:
    """Return a paragraph; the content is cleaned and shown without markup."""
    return Static(clean_lines(content), markup=False, classes=classes)
