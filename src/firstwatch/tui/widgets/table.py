"""A table whose cursor stays on its row's key, and which repaints only what changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.text import Text
from textual import events
from textual._two_way_dict import TwoWayDict
from textual.coordinate import Coordinate
from textual.message import Message
from textual.widgets import DataTable
from textual.widgets._data_table import ColumnKey, RowKey

from firstwatch.trading.text import clean

Tone = Literal["", "gain", "loss", "warning", "error", "dim", "accent"]
_VARIABLES = {
    "gain": "gain",
    "loss": "loss",
    "warning": "warning",
    "error": "error",
    "dim": "text-muted",
    "accent": "accent",
}
_PADDING = 1
_SCROLLBAR = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: text and meaning, so that cells compare without being painted."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of fixed width. Where room lacks, columns of the highest ``rank`` go first.

    ``grows``: it takes the room that is left.
    """

    label: str
    width: int
    rank: int = 0
    is_number: bool = False
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its key and a cell for every column, hidden ones included."""

    key: str
    cells: tuple[Cell, ...]


class KeyedTable(DataTable[Text]):
    """Rows are shown by key. When the cursor's row goes, the table has no cursor until a key moves it."""

    DEFAULT_CSS = """
    KeyedTable { height: 1fr; background: $surface; scrollbar-size: 1 1; }
    KeyedTable > .datatable--cursor { background: $panel; color: $foreground; text-style: bold; }
    KeyedTable:focus > .datatable--cursor { background: $primary 30%; color: $foreground; }
    KeyedTable > .datatable--header { background: $surface; color: $text-muted; text-style: none; }
    """

    class CursorMoved(Message):
        """The cursor is on another key; None: on no row."""

        def __init__(self, table: "KeyedTable", key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "KeyedTable":
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        id: str | None = None,
        show_header: bool = True,
        takes_first: bool = True,
    ) -> None:
        super().__init__(
            id=id,
            show_header=show_header,
            cursor_type="row",
            cell_padding=_PADDING,
            header_height=1,
            # The row under the cursor keeps the colours of its cells.
            cursor_foreground_priority="renderable",
        )
        self._columns = tuple(columns)
        self._shown: tuple[int, ...] = ()
        self._widths: tuple[int, ...] = ()
        self._lines: dict[str, tuple[Cell, ...]] = {}
        self._cursor_key: str | None = None
        self._is_syncing = False
        self._was_filled = not takes_first

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._cursor_key

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._rebuild())

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size.width)

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these rows in this order; the cursor stays on its key."""
        new = {line.key: line.cells for line in lines}
        if not self._shown or (new == self._lines and list(new) == list(self._lines)):
            self._lines = new
            return
        self._is_syncing = True
        try:
            self._take(new)
        finally:
            self._is_syncing = False
        self._put_cursor()

    def point_at(self, key: str | None) -> None:
        """Put the cursor on that key; on no row when there is none of that key."""
        self._cursor_key = key if key in self._lines else None
        self._was_filled = True
        self._put_cursor()

    # --- rows ------------------------------------------------------------------------------------

    def _take(self, new: dict[str, tuple[Cell, ...]]) -> None:
        for key in [key for key in self._lines if key not in new]:
            self.remove_row(key)
        changed: set[str] = set()
        for key, cells in new.items():
            old = self._lines.get(key)
            if old is None:
                self.add_row(*(self._text(cells[index], index) for index in self._shown), key=key)
                continue
            for index in self._shown:
                if cells[index] != old[index]:
                    self._data[RowKey(key)][ColumnKey(str(index))] = self._text(cells[index], index)
                    changed.add(key)
        order = [RowKey(key) for key in new]
        if [row.key for row in self.ordered_rows] != order:
            self._row_locations = TwoWayDict({key: index for index, key in enumerate(order)})
            self._update_count += 1
            self.refresh()
        elif changed:
            # update_cell would repaint the whole table for one cell.
            self._update_count += 1
            for key in changed:
                self.refresh_row(self.get_row_index(key))
        self._lines = new

    def _rebuild(self) -> None:
        """Make columns and rows anew: after a resize that changes the columns, or another theme."""
        lines, self._lines = self._lines, {}
        self._is_syncing = True
        try:
            self.clear(columns=True)
            for index, width in zip(self._shown, self._widths, strict=True):
                column = self._columns[index]
                label = Text(column.label, justify="right" if column.is_number else "left")
                self.add_column(label, width=width, key=str(index))
            self._take(lines)
        finally:
            self._is_syncing = False
        self._put_cursor()

    def _fit(self, room: int) -> None:
        """Choose the columns that have room, and their widths."""
        room -= _SCROLLBAR
        shown = list(range(len(self._columns)))

        def needed() -> int:
            return sum(self._columns[index].width + 2 * _PADDING for index in shown)

        while needed() > room and len(shown) > 1:
            worst = max(shown, key=lambda index: (self._columns[index].rank, index))
            if self._columns[worst].rank == 0:
                break
            shown.remove(worst)
        spare = max(0, room - needed())
        growing = [index for index in shown if self._columns[index].grows]
        widths = tuple(
            self._columns[index].width + (spare // len(growing) if index in growing else 0) for index in shown
        )
        if (tuple(shown), widths) != (self._shown, self._widths):
            self._shown, self._widths = tuple(shown), widths
            self._rebuild()

    def _text(self, cell: Cell, index: int) -> Text:
        variable = _VARIABLES.get(cell.tone)
        style = self.app.theme_variables.get(variable, "") if variable else ""
        # Only colours that Rich can read: "auto 60%" is Textual's own.
        style = "dim" if style.startswith("auto") else style
        justify: Literal["left", "right"] = "right" if self._columns[index].is_number else "left"
        return Text(clean(cell.text), style=style, justify=justify, no_wrap=True, overflow="ellipsis")

    # --- the cursor ------------------------------------------------------------------------------

    def _put_cursor(self) -> None:
        if not self._shown:
            # Not laid out yet: rows and cursor come with the columns.
            return
        if self._cursor_key is None and not self._was_filled and self._lines:
            self._cursor_key = next(iter(self._lines))
            self._was_filled = True
            self.post_message(self.CursorMoved(self, self._cursor_key))
        if self._cursor_key is not None and self._cursor_key not in self._lines:
            self._cursor_key = None
            self.post_message(self.CursorMoved(self, None))
        self.show_cursor = self._cursor_key is not None
        if self._cursor_key is not None:
            self._is_syncing = True
            try:
                self.move_cursor(row=self.get_row_index(self._cursor_key))
            finally:
                self._is_syncing = False

    def watch_cursor_coordinate(self, old_coordinate: Coordinate, new_coordinate: Coordinate) -> None:
        super().watch_cursor_coordinate(old_coordinate, new_coordinate)
        if not self._is_syncing:
            self._follow()

    def _follow(self) -> None:
        """Take over the key of the row on which the operator put the cursor."""
        if not self.is_valid_row_index(self.cursor_row):
            return
        key = self.ordered_rows[self.cursor_row].key.value
        self.show_cursor = True
        if key != self._cursor_key:
            self._cursor_key = key
            self.post_message(self.CursorMoved(self, key))

    def _wakes(self) -> bool:
        """Give a table that has lost its cursor a new one, in the same place; return whether it did."""
        if self._cursor_key is not None or not self._lines:
            return False
        self._follow()
        return True

    def action_cursor_up(self) -> None:
        if not self._wakes():
            super().action_cursor_up()

    def action_cursor_down(self) -> None:
        if not self._wakes():
            super().action_cursor_down()

    def action_select_cursor(self) -> None:
        if self._cursor_key is not None:
            super().action_select_cursor()
