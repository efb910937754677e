"""Settings of a run that differ from its baseline's, in three columns."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from firstwatch.trading.launch import SettingDifference
from firstwatch.tui.launch_form.outcome import difference_rows
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.widgets.columns import three_columns
from firstwatch.tui.widgets.status_lines import KeyHint


class DifferencesDialog(Dialog[None]):
    """Shows the settings and fees that differ and matter, or that none does or there is no baseline."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "close", "Close", show=False, id="differences.close"),
        Binding("D", "close", "Close", show=False, id="differences.close_d"),
    ]

    def __init__(self, name: str, differences: Sequence[SettingDifference] | None) -> None:
        super().__init__()
        self.TITLE_TEXT = f"{name} and its baseline"
        self._has_baseline = differences is not None
        self._rows = difference_rows(differences or ())

    def body(self) -> Sequence[Widget]:
        if not self._has_baseline:
            return [text("The run has no baseline: there is nothing to compare its settings with.")]
        if not self._rows:
            return [text("Nothing that matters differs.")]
        return [Static(three_columns(self._rows))]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("enter q esc", "close"),)
