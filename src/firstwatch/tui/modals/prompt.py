"""Dialogs with a field: a name, an amount, a reason."""

from collections.abc import Callable, Sequence

from textual import on
from textual.widget import Widget
from textual.widgets import Input

from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint

Check = Callable[[str], str]
"""Returns what is wrong with a text; empty: nothing is wrong."""


class PromptDialog(Dialog[str]):
    """Asks for one line. Enter accepts it if ``check`` does."""

    def __init__(
        self,
        title: str,
        lines: Sequence[str],
        *,
        check: Check,
        value: str = "",
        is_dangerous: bool = False,
        is_secret: bool = False,
    ) -> None:
        """Make the dialog. ``is_secret``: the text is hidden and taken exactly as typed."""
        super().__init__()
        self.TITLE_TEXT = title
        self.IS_DANGEROUS = is_dangerous
        self._lines = tuple(lines)
        self._check = check
        self._value = value
        self._is_secret = is_secret

    def body(self) -> Sequence[Widget]:
        return [
            *(text(line) for line in self._lines),
            Input(self._value, select_on_focus=False, password=self._is_secret),
            Paragraph(classes="problem"),
        ]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("enter", "accept"), KeyHint("esc", "cancel"))

    @on(Input.Changed)
    def _judge(self, event: Input.Changed) -> None:
        problem = self._check(event.value.strip()) if event.value.strip() else ""
        self.query_one(".problem", Paragraph).set_text(problem)

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        value = event.value if self._is_secret else event.value.strip()
        problem = self._check(value)
        if problem:
            self.query_one(".problem", Paragraph).set_text(problem)
        else:
            self.dismiss(value)
