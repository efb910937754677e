"""The choice of a theme: each one is shown as the cursor comes to it."""

from collections.abc import Sequence

from textual import on
from textual.widgets import OptionList

from firstwatch.tui.modals.choice import Choice, ChoiceDialog


class ThemeDialog(ChoiceDialog):
    """Returns the name of the chosen theme; closed without a choice, the theme is as before."""

    def __init__(self, names: Sequence[str], chosen: str) -> None:
        super().__init__("Theme", [Choice(name, name) for name in names], chosen)
        self._before = chosen

    @on(OptionList.OptionHighlighted)
    def _preview(self, event: OptionList.OptionHighlighted) -> None:
        self.app.theme = self._choices[event.option_index].value

    def action_close(self) -> None:
        self.app.theme = self._before
        super().action_close()
