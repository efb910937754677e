"""The base of all dialogs: a box over the dimmed screen, the status line, keys that close."""

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import DataTable, OptionList, Static

from firstwatch.trading.text import clean, clean_lines
from firstwatch.tui.layout import HEIGHTS, WIDTHS
from firstwatch.tui.painting import NarrowCompositor
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine, StatusLine

Result = TypeVar("Result")

_SCROLLED_ROWS = 3


class _Body(VerticalScroll, can_focus=False, inherit_bindings=False):
    """What a dialog holds. The dialog's own keys scroll it, and only where they move nothing else."""


class Dialog(ModalScreen[Result | None]):
    """A dialog. Escape closes it with None; so does ``q`` where no field has the focus."""

    TITLE_TEXT = ""
    IS_DANGEROUS = False
    AUTO_FOCUS = "Input, OptionList, Button"

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", show=False, id="dialog.close"),
        Binding("q", "close", "Close", show=False, id="dialog.close_q"),
        Binding("down", "scroll_body(1)", "Down", show=False, id="dialog.down"),
        Binding("up", "scroll_body(-1)", "Up", show=False, id="dialog.up"),
        Binding("pagedown", "turn_page(1)", "More", show=False, priority=True, id="dialog.page_down"),
        Binding("pageup", "turn_page(-1)", "Back", show=False, priority=True, id="dialog.page_up"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._compositor = NarrowCompositor()

    def compose(self) -> ComposeResult:
        box = Vertical(classes="dialog-box")
        box.border_title = Content(clean(self.TITLE_TEXT))
        box.set_class(self.IS_DANGEROUS, "dangerous")
        with box:
            with _Body(classes="dialog-body"):
                yield from self.body()
            yield KeyLine(self._all_hints, most_rows=None)
        yield StatusLine()

    def body(self) -> Sequence[Widget]:
        """Return the content of the box; nothing if the title is enough."""
        return ()

    def hints(self) -> Sequence[KeyHint]:
        """Return the keys of this dialog."""
        return (KeyHint("esc", "close"),)

    def _all_hints(self) -> Sequence[KeyHint]:
        """Return the keys of the dialog; where its text does not fit, those that scroll it too."""
        hints = self.hints()
        if not self._is_cut:
            return hints
        # In a table or a list the arrow keys move its own cursor.
        has_arrows = isinstance(self.focused, DataTable | OptionList) or any(
            "↓" in hint.key for hint in hints
        )
        return (KeyHint("pgdn", "more") if has_arrows else KeyHint("↑ ↓", "scroll"), *hints)

    @property
    def _is_cut(self) -> bool:
        """Whether there is more text than room."""
        return self.query_one(".dialog-body").max_scroll_y > 0

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        return action != "turn_page" or self._is_cut

    def on_mount(self) -> None:
        # Whether all of it fits is known only after it is laid out.
        for body in self.query(_Body):
            self.watch(body, "show_vertical_scrollbar", self.query_one(KeyLine).renew, init=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self.query_one(KeyLine).renew)

    def action_scroll_body(self, by: int) -> None:
        self.query_one(".dialog-body").scroll_relative(y=by * _SCROLLED_ROWS, animate=False)

    def action_turn_page(self, by: int) -> None:
        body = self.query_one(".dialog-body")
        body.scroll_relative(y=by * max(1, body.size.height - 1), animate=False)

    def action_close(self) -> None:
        self.dismiss(None)


def text(content: str, classes: str = "") -> Static:
    """Return a paragraph; the content is cleaned and shown without markup."""
    return Static(clean_lines(content), markup=False, classes=classes)
