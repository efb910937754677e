"""The list that has the focus: its filter, its order, its marks, and copies of its rows."""

from functools import partial

from firstwatch.trading.text import counted
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.state import StateApp
from firstwatch.tui.widgets.filter_line import FilterLine
from firstwatch.tui.widgets.status_lines import KeyLine, StatusLine
from firstwatch.tui.widgets.table import KeyedTable


class ListController:
    """Changes how a list is shown, not what is in it."""

    def __init__(self, app: StateApp) -> None:
        self._app = app

    @property
    def table(self) -> KeyedTable | None:
        """The list that has the focus below all dialogs; the rows of a form are none."""
        focused = self._app.screen_stack[0].focused
        return focused if isinstance(focused, KeyedTable) and focused.labels else None

    def filter(self) -> None:
        """Open the list's filter."""
        if (table := self.table) is None or table.parent is None:
            return
        for line in table.parent.query_children(FilterLine):
            line.focus_input()
            return
        self._app.screen.mount(FilterLine(table), after=table)

    def ask_sort(self) -> None:
        """Ask by which column to sort. The first choice is the present one, and reverses its direction."""
        if (table := self.table) is None:
            return
        labels, now = table.labels, table.sorted_by
        columns = sorted(labels, key=lambda index: index != now)
        choices = [*(Choice(str(index), labels[index]) for index in columns), Choice("", "not sorted")]
        self._app.push_screen(ChoiceDialog("Sort by", choices, choices[0].value), partial(self._sort, table))

    def _sort(self, table: KeyedTable, column: str | None) -> None:
        if column is not None:
            table.sort_by(int(column) if column else None)

    def mark(self) -> None:
        """Mark the row under the cursor, or no longer."""
        if (table := self.table) is not None:
            table.toggle_mark()
            self._renew_lines()

    def unmark(self) -> None:
        """Remove all marks, once the marked rows have been acted on."""
        if (table := self.table) is not None:
            table.unmark()
            self._renew_lines()

    def _renew_lines(self) -> None:
        """Say on which runs keys act now."""
        screen = self._app.screen_stack[0]
        screen.query_one(StatusLine).renew()
        screen.query_one(KeyLine).renew()

    def copy(self) -> None:
        """Copy the text that the mouse has selected, or rows of the list, to the terminal's clipboard."""
        selected = self._app.screen.get_selected_text()
        text = selected or ("" if self.table is None else self.table.chosen_text())
        if not text:
            self._app.notify("Nothing is selected: put the cursor on a row", severity="warning")
            return
        self._app.copy_to_clipboard(text)
        lines = counted(text.count("\n") + 1, "line")
        self._app.notify(f"Copied {lines}, if the terminal allows it (OSC 52)")
