"""A dialog that lists options."""

from collections.abc import Sequence

from textual import on
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from firstwatch.trading.text import clean
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.widgets.status_lines import KeyHint


class ChoiceDialog(Dialog[str]):
    """Returns the chosen option's text."""

    def __init__(self, title: str, options: Sequence[str], chosen: str) -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self._choices = tuple(options)
        self._chosen = chosen

    def body(self) -> Sequence[Widget]:
        options = OptionList(*(Option(clean(choice)) for choice in self._choices), markup=False)
        if self._chosen in self._choices:
            options.highlighted = self._choices.index(self._chosen)
        return [options]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("↑ ↓", "move"), KeyHint("enter", "choose"), KeyHint("q esc", "cancel"))

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index])
