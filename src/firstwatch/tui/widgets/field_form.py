"""Fields in rows under headings. A text is typed on its own row; a choice is stepped through there.

Below the row of the cursor is the meaning of its field, or the mistake in its text.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.geometry import Region
from textual.widgets import DataTable, Input

from firstwatch.trading.text import clean
from firstwatch.tui import formats
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, Tone

_HEADING = "#"
_NOTE = "note"
_NOTE_ROWS = 3
"""Most rows of a note."""
_NOTE_INDENT = 4
_COLUMNS = (Column("", 21), Column("", 26, grows=True))
_VALUE = 1
_GAP = 1
"""Columns before each cell of a table."""


class FieldHost(Protocol):
    """The interface that a form needs of its widget or dialog. Keys are those of the rows."""

    def text_of(self, key: str) -> str | None:
        """Return the text to write; None: the field is not written."""

    def typed(self, key: str, text: str) -> None:
        """Show the mistake in the text that is being typed, if there is one."""

    def save(self, key: str, text: str, step: int) -> bool:
        """Take a text and go ``step`` fields on (0: to the next, as far as it needs something).

        False: it cannot be read; writing goes on.
        """

    def press(self, key: str) -> None:
        """Handle Enter on a field that is not typed."""

    def turn(self, key: str, by: int) -> None:
        """Go ``by`` options on in a choice."""

    def pointed(self, key: str) -> None:
        """Show the meaning of the field under the cursor (``FieldForm.say``)."""


def heading(title: str) -> Line:
    """Return a row that the cursor passes over."""
    return Line(f"{_HEADING}{title}", (Cell(f"─ {title}", "dim"), Cell("")))


def is_field(key: str) -> bool:
    """Return whether a row is that of a field."""
    return not key.startswith(_HEADING)


def field_line(key: str, label: str, value: str, tone: Tone = "") -> Line:
    """Return the row of a field."""
    return Line(key, (Cell(label), Cell(value, tone)))


class FieldTable(KeyedTable):
    """The rows of a form."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "Previous value", show=False, id="form.previous_value"),
        Binding("right", "turn(1)", "Next value", show=False, id="form.next_value"),
        Binding("space", "turn(1)", "Next value", show=False, id="form.turn"),
    ]

    def __init__(self, host: FieldHost) -> None:
        super().__init__(_COLUMNS, show_header=False, takes_first=False)
        self._host = host

    def action_turn(self, by: int) -> None:
        if self.cursor_key is not None:
            self._host.turn(self.cursor_key, by)

    def value_place(self, key: str) -> tuple[int, int, int] | None:
        """Return column, row and width of a field's value, from the table's corner; None: not drawn yet."""
        if not self._widths or key not in self._lines:
            return None
        left = sum(width + _GAP for width in self._widths[:_VALUE]) + _GAP
        row = self.get_row_index(key) - round(self.scroll_offset.y)
        return left, row, self._widths[_VALUE]

    def _follow(self) -> None:
        row = self.cursor_row
        if not self.is_valid_row_index(row) or is_field(self._order[row]):
            super()._follow()
            return
        before = self._cursor_key
        comes_up = before is not None and self.get_row_index(before) > row
        above, below = range(row - 1, -1, -1), range(row + 1, len(self._order))
        ways = (above, below) if comes_up else (below, above)
        place = next((place for way in ways for place in way if is_field(self._order[place])), None)
        if place is not None:
            self.move_cursor(row=place)

    def _row(self, row: int, style: Style) -> list[Segment]:
        key = self._order[row]
        if is_field(key):
            return super()._row(row, style)
        # A heading and a note span all columns.
        cell = self._lines[key][0]
        style += Style.from_meta({"row": row, "column": 0})
        indent = _NOTE_INDENT if key.startswith(f"{_HEADING}{_NOTE}") else _GAP
        text = f"{' ' * indent}{clean(cell.text)}"
        width = sum(width + _GAP for width in self._widths)
        return [Segment(set_cell_size(text, width), style + self._style_of(cell.tone))]

    @property
    def note_width(self) -> int:
        """The columns that a note has; 0: not laid out yet."""
        return max(0, sum(width + _GAP for width in self._widths) - _NOTE_INDENT)

    def show_below(self, key: str, rows: int) -> None:
        """Bring a row and so many below it into sight."""
        if key in self._order:
            self.scroll_to_region(
                Region(0, self.get_row_index(key), 1, rows + 1), animate=False, force=True, immediate=True
            )


class FieldInput(Input):
    """The input on a field's row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "save(1)", "Save, next field", show=False, id="form.save_next"),
        Binding("shift+tab", "save(-1)", "Save, field before", show=False, id="form.save_before"),
        Binding("escape", "cancel", "Cancel", show=False, id="form.cancel"),
    ]

    def __init__(self, form: "FieldForm") -> None:
        super().__init__(compact=True, select_on_focus=True, id="field-line")
        self._form = form

    # At once and not by a message, which later keys could overtake.
    async def action_submit(self) -> None:
        self._form.save(0)

    def action_save(self, step: int) -> None:
        self._form.save(step)

    def action_cancel(self) -> None:
        self._form.leave()


class FieldForm(Container):
    """Rows, and an input on the row that is being edited."""

    DEFAULT_CSS = """
    FieldForm { layers: rows line; height: 1fr; }
    FieldForm FieldTable { layer: rows; height: 100%; }
    FieldForm FieldInput { layer: line; position: absolute; height: 1; border: none; padding: 0; }
    """

    def __init__(self, host: FieldHost, *, id: str) -> None:
        super().__init__(id=id)
        self._host = host
        self.table = FieldTable(host)
        self._line = FieldInput(self)
        self._line.display = False
        self._written: str | None = None
        self._lines: tuple[Line, ...] = ()
        self._note: tuple[str, str, Tone] = ("", "", "dim")
        """The field that a note is about, the note, and its tone."""

    def compose(self) -> ComposeResult:
        yield self.table
        yield self._line

    def on_mount(self) -> None:
        self.watch(self.table, "scroll_y", self._place, init=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._lay_out_again)

    def _lay_out_again(self) -> None:
        """Fit the rows to another size, from the first one on, with the cursor's in sight."""
        self._renew()
        self.table.scroll_to(y=0, animate=False, force=True, immediate=True)
        self._bring_into_sight()

    @property
    def note(self) -> str:
        """The note below the row of the cursor."""
        return self._note[1]

    @property
    def cursor_key(self) -> str | None:
        """The field under the cursor."""
        return self.table.cursor_key

    @property
    def written(self) -> str | None:
        """The field that is being edited."""
        return self._written

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these rows."""
        self._lines = tuple(lines)
        self._renew()

    def say(self, key: str, note: str, *, is_problem: bool = False) -> None:
        """Show a note below a field: its meaning, or a mistake."""
        said: tuple[str, str, Tone] = (key, note, "error" if is_problem else "dim")
        if said != self._note:
            self._note = said
            self._renew()
            self.call_after_refresh(self._bring_into_sight)

    def _renew(self) -> None:
        """Show the rows, with the note below its own."""
        key, _, tone = self._note
        notes = [
            Line(f"{_HEADING}{_NOTE} {number}", (Cell(text, tone), Cell("")))
            for number, text in enumerate(self._note_rows())
        ]
        place = next((place for place, line in enumerate(self._lines, 1) if line.key == key), 0)
        self.table.set_lines([*self._lines[:place], *(notes if place else ()), *self._lines[place:]])
        self._place()

    def _note_rows(self) -> list[str]:
        width = self.table.note_width
        return formats.fitted(self.note, width, _NOTE_ROWS).split("\n") if width and self.note else []

    def _bring_into_sight(self) -> None:
        self.table.show_below(self._note[0], len(self._note_rows()))

    def go_to(self, key: str, *, opens: bool = False) -> None:
        """Put the cursor on a field, and edit it if ``opens`` and it is a text."""
        self.table.point_at(key)
        if opens and self._host.text_of(key) is not None:
            self.write(key)
        else:
            self.table.focus()
            self._host.pointed(key)

    def write(self, key: str) -> None:
        """Begin to edit a field, if it is a text."""
        text = self._host.text_of(key)
        if text is None:
            return
        self._written = key
        self._line.value = text
        # A number is replaced by what is typed; of several words one is changed.
        self._line.select_on_focus = " " not in text
        self._line.cursor_position = len(text)
        self._line.display = True
        self._host.pointed(key)
        self._place()
        self._line.focus()
        self.call_after_refresh(self._place)

    def save(self, step: int) -> None:
        """Save the text, and go ``step`` fields on."""
        key = self._written
        if key is None:
            return
        self._written = None
        if not self._host.save(key, self._line.value.strip(), step):
            self._written = key
        elif self._written is None:
            self._hide()

    def leave(self) -> None:
        """End editing without saving."""
        if self._written is not None:
            self._written = None
            self._hide()

    def _hide(self) -> None:
        # Move the focus first: hiding a focused input would move it to any other pane.
        if self._line.has_focus:
            self.table.focus()
        self._line.display = False
        if self.cursor_key is not None:
            self._host.pointed(self.cursor_key)

    def _place(self) -> None:
        """Place the input on its row."""
        place = None if self._written is None else self.table.value_place(self._written)
        if place is not None:
            left, row, width = place
            self._line.styles.offset = (left, row)
            self._line.styles.width = width

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._written is not None:
            self._host.typed(self._written, event.value.strip())

    @on(DataTable.RowSelected)
    def _enter(self, event: DataTable.RowSelected) -> None:
        event.stop()
        key = event.row_key.value
        if key is None or not is_field(key):
            return
        if self._host.text_of(key) is None:
            self._host.press(key)
        else:
            self.write(key)

    @on(KeyedTable.CursorMoved)
    def _moved(self, event: KeyedTable.CursorMoved) -> None:
        event.stop()
        if event.key is not None and self._written is None:
            self._host.pointed(event.key)

    @on(events.DescendantBlur)
    def _blurred(self, event: events.DescendantBlur) -> None:
        # Below a dialog the input keeps its text.
        has_moved = event.widget is self._line and self.screen.focused is not self._line
        if has_moved and self.app.screen is self.screen:
            self.leave()
