"""A table by key: it sorts, filters and marks its rows, and repaints only what changed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import ClassVar, Literal

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual._two_way_dict import TwoWayDict
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import Reactive, var
from textual.strip import Strip
from textual.theme import Theme
from textual.widgets import DataTable
from textual.widgets._data_table import Row, RowKey

from firstwatch.trading.text import clean
from firstwatch.tui.widgets.recent_cache import RecentCache

Tone = Literal["", "gain", "loss", "warning", "error", "dim", "accent", "live"]
_VARIABLES = {
    "gain": "gain",
    "loss": "loss",
    "warning": "warning",
    "error": "error",
    "dim": "text-muted",
    "accent": "accent",
    "live": "live",
}
_GAP = " "
"""Separator before each cell."""
_SCROLLBAR = 1
_CACHES = {
    "_line_cache": 100,
    "_row_render_cache": 100,
    "_row_renderable_cache": 100,
    "_cell_render_cache": 1_000,
    "_offset_cache": 1,
    "_ordered_row_cache": 1,
}
"""Painted lines and cells that a table keeps, by the cache: more than stand on a screen.

Each change makes new entries, and an old one goes only when there are too many: by itself a table keeps 1,000
lines and 10,000 cells (Textual 8.2.8), most of which are never shown again.
"""
_MARK = "*"
_UNKNOWN = frozenset({"", "?", "-", "–"})
_NUMBER = re.compile(r"([-+−]?[\d,]*\.?\d+)(?:\s*(s|min|h|d)\b)?")
_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: text and tone, so that cells compare without being painted.

    ``end`` is at the right and is never cut in favour of the text.
    """

    text: str
    tone: Tone = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. If there is too little room, columns of the highest ``rank`` are hidden first.

    ``most``: width to which a longer text widens it; ``least``: width down to which it gives room for that.
    ``grows``: it takes the room that is left. When a text is cut, the part from the text ``keeps`` on stays,
    and the part from ``drops`` on is left out as a whole.
    """

    label: str
    width: int
    rank: int = 0
    is_number: bool = False
    grows: bool = False
    keeps: str = ""
    drops: str = ""
    most: int = 0
    least: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its key and a cell for every column, hidden ones included."""

    key: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Sorting:
    """The column by which rows are sorted, by its index, and in which direction."""

    column: int
    is_descending: bool = False

    @property
    def sign(self) -> str:
        """An arrow for the column's head."""
        return "↓" if self.is_descending else "↑"


@lru_cache(maxsize=4_096)
def rank_of(text: str, is_number: bool) -> tuple[float | str, ...] | None:
    """Return the sort key of a cell: its number or age, or its text with ``w2`` before ``w10``.

    None: unknown, which comes last in either direction.
    """
    text = text.strip()
    if text in _UNKNOWN:
        return None
    if not is_number:
        parts = enumerate(_DIGITS.split(text.casefold()))
        return tuple(int(part) if place % 2 else part for place, part in parts)
    found = _NUMBER.search(text)
    if found is None:
        return None
    number, unit = found.groups()
    return (float(number.replace(",", "").replace("−", "-")) * _SECONDS.get(unit, 1),)


def sorted_keys(
    lines: Mapping[str, tuple[Cell, ...]], keys: Iterable[str], sorting: Sorting, *, is_number: bool
) -> list[str]:
    """Return the keys sorted by one column, stably; unknown values are last in either direction."""
    ranks = {key: rank_of(lines[key][sorting.column].text, is_number) for key in keys}
    known = [(rank, key) for key, rank in ranks.items() if rank is not None]
    known.sort(key=lambda each: each[0], reverse=sorting.is_descending)
    return [key for _, key in known] + [key for key, rank in ranks.items() if rank is None]


def fitted(text: str, width: int, column: Column) -> str:
    """Return the text in exactly ``width`` columns, numbers at the right, words at the left; ``…``: cut."""
    if column.drops and cell_len(text) > width:
        text = text.partition(column.drops)[0]
    room = width - cell_len(text)
    if room < 0:
        _, sign, end = text.rpartition(column.keeps) if column.keeps else ("", "", "")
        # A space separates them, so that the sign is not read as part of the cut text.
        end = f"… {sign}{end}"
        kept = end if sign and cell_len(end) < width else "…"
        return f"{set_cell_size(text, width - cell_len(kept))}{kept}"
    return f"{' ' * room}{text}" if column.is_number else f"{text}{' ' * room}"


class KeyedTable(DataTable[Text]):
    """Rows are shown by key. When the cursor's row goes, the table has no cursor until a key moves it.

    A row that the filter hides counts as gone, but its cursor and its mark come back with it.
    """

    DEFAULT_CSS = """
    KeyedTable { height: 1fr; background: $surface; scrollbar-size: 1 1; }
    KeyedTable > .datatable--cursor { background: $panel; color: $foreground; text-style: none; }
    KeyedTable:focus > .datatable--cursor { background: $panel; color: $foreground; text-style: bold; }
    KeyedTable > .datatable--header { background: $surface; color: $text-muted; text-style: none; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_filter", "All rows", show=False, id="list.clear_filter"),
        # The cursor is on a row, never on a cell: home and end go to the ends of the list.
        Binding("home", "scroll_top", "First", show=False, id="list.first"),
        Binding("end", "scroll_bottom", "Last", show=False, id="list.last"),
    ]

    virtual_size = Reactive(Size(0, 0))
    filter_text: var[str] = var("", init=False)
    """Only rows with each of these words in one of their cells are shown; empty: all."""
    counts: var[tuple[int, int]] = var((0, 0))
    """Number of rows shown, and of all rows."""

    class CursorMoved(Message):
        """The cursor is on another key; None: on no row."""

        def __init__(self, table: "KeyedTable", key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "KeyedTable":
            return self.table

    class MarksChanged(Message):
        """A row was marked, or is no longer."""

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
            cell_padding=0,
            header_height=1,
            # The row under the cursor keeps the colours of its cells.
            cursor_foreground_priority="renderable",
        )
        vars(self).update({name: RecentCache(most) for name, most in _CACHES.items()})
        self._columns = tuple(columns)
        self._shown: tuple[int, ...] = ()
        self._widths: tuple[int, ...] = ()
        self._longest: dict[int, int] = {index: 0 for index, each in enumerate(self._columns) if each.most}
        """Length of the longest text of each column with ``most``, by index."""
        self._lines: dict[str, tuple[Cell, ...]] = {}
        """All rows, in the order of the last ``set_lines``."""
        self._order: list[str] = []
        """The keys of the rows that are shown, from the top."""
        self._sorting: Sorting | None = None
        self._marks: set[str] = set()
        self._cursor_key: str | None = None
        self._known_key: str | None = None
        """The key that the app knows to be under the cursor."""
        self.ahead = 0
        """Moves of the cursor that its pane counts, until the app knows them: it is not to be moved back."""
        self._is_syncing = False
        self._pressed_row = -1
        """The row that the mouse was pressed on last; -1: none."""
        self._was_filled = not takes_first
        self._styles: dict[Tone, Style] = {}
        """The styles of tones in the present theme, filled when first needed."""

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor; None: there is no such row, or the filter leaves it out."""
        return self._cursor_key if RowKey(self._cursor_key) in self._row_locations else None

    @property
    def is_laid_out(self) -> bool:
        """It has been on the screen: before that no row is under its cursor."""
        return bool(self._shown)

    @property
    def marked(self) -> tuple[str, ...]:
        """The keys of the marked rows that are shown, from the top."""
        return tuple(key for key in self._order if key in self._marks)

    @property
    def labels(self) -> dict[int, str]:
        """The labels of the columns that have one, hidden columns too, by their indices."""
        return {index: column.label for index, column in enumerate(self._columns) if column.label}

    @property
    def sorted_by(self) -> int | None:
        """The index of the column by which the rows are sorted; None: they are as they were given."""
        return None if self._sorting is None else self._sorting.column

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._take_colours)

    def _take_colours(self, _theme: Theme) -> None:
        self._styles.clear()
        self._repaint()

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size.width)

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these rows in this order, unless the operator sorts them; the cursor stays on its key."""
        new = {line.key: line.cells for line in lines}
        old, self._lines = self._lines, new
        self._longest = {
            index: max((cell_len(cells[index].text) for cells in new.values()), default=0)
            for index in self._longest
        }
        if self._longest or not self._shown:
            # A table that is mounted while the screen is arranged may never be notified of its first size.
            self._fit(self.size.width)
        if not self._shown or (new == old and list(new) == list(old)):
            return
        self._marks &= new.keys()
        changed: dict[str, list[int]] = {}
        for key, cells in new.items():
            before = old.get(key, cells)
            if cells is not before and cells != before:
                changed[key] = [
                    place for place, index in enumerate(self._shown) if cells[index] != before[index]
                ]
        self._arrange(changed)

    def point_at(self, key: str | None) -> None:
        """Put the cursor on that key; on no row when there is none of that key."""
        self._cursor_key = self._known_key = key if key in self._lines else None
        self._was_filled = True
        self._put_cursor()

    # --- operations ----------------------------------------------------------------------------------

    def sort_by(self, column: int | None) -> None:
        """Sort by a column; the same one again reverses the direction; None: as the rows were given."""
        before = self._sorting
        if column is None:
            self._sorting = None
        elif before is not None and before.column == column:
            self._sorting = Sorting(column, not before.is_descending)
        else:
            self._sorting = Sorting(column)
        self._repaint()
        self._arrange()

    def watch_filter_text(self) -> None:
        self._arrange()

    def take_first(self) -> None:
        """Put a cursor that is on no row on the first one."""
        if self.cursor_key is None and self._order:
            self._cursor_key = self._order[0]
            self._put_cursor()
            self._report()

    def toggle_mark(self) -> None:
        """Mark the row under the cursor, or no longer."""
        if (key := self.cursor_key) is not None:
            self._marks ^= {key}
            self._repaint_rows({key})
            self.post_message(self.MarksChanged())

    def mark_only(self, key: str) -> None:
        """Mark that row and no other; no row is marked if there is none of that key."""
        before, self._marks = self._marks, {key} & self._lines.keys()
        self._repaint_rows(before | self._marks)

    def unmark(self) -> None:
        """Remove all marks."""
        gone, self._marks = self._marks, set()
        self._repaint_rows(gone)
        self.post_message(self.MarksChanged())

    def chosen_text(self) -> str:
        """Return the marked rows, or the one under the cursor, with a tab between cells."""
        keys = self.marked or tuple(key for key in (self.cursor_key,) if key is not None)
        return "\n".join("\t".join(clean(cell.text) for cell in self._lines[key]) for key in keys)

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        event.stop()
        self.sort_by(int(event.column_key.value or 0))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Without a filter Escape is left to the table's parent.
        del parameters
        return action != "clear_filter" or bool(self.filter_text)

    def action_clear_filter(self) -> None:
        self.filter_text = ""

    # --- rows ------------------------------------------------------------------------------------

    def _arrange(self, changed: Mapping[str, Sequence[int]] | None = None) -> None:
        """Show the rows that the filter lets through in their order.

        ``changed``: of these rows repaint the cells in these places.
        """
        if not self._shown:
            return
        words = self.filter_text.casefold().split()
        keys = [key for key in self._lines if not words or self._has(key, words)]
        if self._sorting is not None:
            is_number = self._columns[self._sorting.column].is_number
            keys = sorted_keys(self._lines, keys, self._sorting, is_number=is_number)
        if keys != self._order:
            self._place(keys)
        else:
            self._repaint_cells(changed or {})
        self.counts = (len(keys), len(self._lines))
        self._put_cursor()
        self._report()

    def _has(self, key: str, words: Sequence[str]) -> bool:
        text = "\t".join(cell.text for cell in self._lines[key]).casefold()
        return all(word in text for word in words)

    def _place(self, keys: list[str]) -> None:
        """Show these rows. Their cells are made when they are drawn (``_row``)."""
        self._order = keys
        row_keys = [RowKey(key) for key in keys]
        self._is_syncing = True
        try:
            self.rows = {key: Row(key, 1) for key in row_keys}
            self._data = {key: {} for key in row_keys}
            self._row_locations = TwoWayDict({key: place for place, key in enumerate(row_keys)})
            self._require_update_dimensions = True
            self._repaint()
            self.cursor_coordinate = self.validate_cursor_coordinate(self.cursor_coordinate)
            self.check_idle()
        finally:
            self._is_syncing = False

    def _repaint(self) -> None:
        self._clear_caches()
        self._update_count += 1
        self.refresh()

    def _repaint_rows(self, keys: Iterable[str]) -> None:
        places = range(len(self._shown))
        self._repaint_cells(dict.fromkeys(keys, places))

    def _repaint_cells(self, changed: Mapping[str, Sequence[int]]) -> None:
        """Repaint the cells of some rows; ``update_cell`` would repaint the whole table for one."""
        if not changed:
            return
        self._update_count += 1
        if not self.is_on_screen:
            # Hidden, it has no part that could be repainted, and shown again it is drawn as it was kept.
            self.refresh()
            return
        head = self.header_height if self.show_header else 0
        lefts = [0, *accumulate(width + len(_GAP) for width in self._widths)]
        for key, places in changed.items():
            row = self._row_locations.get(RowKey(key))
            if row is not None:
                for place in places:
                    width = lefts[place + 1] - lefts[place]
                    self._refresh_region(Region(lefts[place], head + row, width, 1))

    def watch_virtual_size(self, size: Size) -> None:
        """Bring the scrollbar up to date; only one that comes or goes arranges the screen anew."""
        self._scroll_update(size)
        if self.styles.auto_dimensions:
            self.refresh(layout=True)

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        # Columns have their widths and rows one line: no cell has to be measured.
        super()._update_dimensions(())

    def _render_line_in_row(
        self,
        row_key: RowKey,
        line_no: int,
        base_style: Style,
        cursor_location: Coordinate,
        hover_location: Coordinate,
    ) -> tuple[list[list[Segment]], list[list[Segment]]]:
        """Draw a row directly, which is faster than the base's general layout of each cell."""
        place = self._row_locations.get(row_key)
        row = -1 if place is None else place
        look, _ = self._get_styles_to_render_cell(
            row < 0,
            False,
            False,
            row == hover_location.row,
            row == cursor_location.row,
            self.show_cursor,
            self._show_hover_cursor,
            False,
            False,
        )
        style = self._get_row_style(row, base_style) + look
        segments = self._head(style) if row < 0 else self._row(row, style)
        room = self.size.width - sum(width + len(_GAP) for width in self._widths)
        segments.append(Segment(" " * max(0, room), style + Style.from_meta({"row": row, "column": 0})))
        return [], [segments]

    def _head(self, style: Style) -> list[Segment]:
        segments = []
        for column, (index, width) in enumerate(zip(self._shown, self._widths, strict=True)):
            sorting = self._sorting
            sign = sorting.sign if sorting is not None and sorting.column == index else ""
            label = self._columns[index].label[: width - len(sign)]
            label = fitted(f"{label}{sign}", width, self._columns[index])
            # A click reads its column from this.
            meta = Style.from_meta({"row": -1, "column": column})
            segments.append(Segment(f"{_GAP}{label}", style + meta))
        return segments

    def _row(self, row: int, style: Style) -> list[Segment]:
        key = self._order[row]
        cells = self._lines[key]
        style += Style.from_meta({"row": row, "column": 0})
        gap = Segment(_GAP, style)
        segments: list[Segment] = []
        for index, width in zip(self._shown, self._widths, strict=True):
            cell = cells[index]
            end = f" {cell.end}" if cell.end else ""
            text = fitted(clean(cell.text), max(0, width - cell_len(end)), self._columns[index]) + end
            segments += [gap, Segment(text, style + self._style_of(cell.tone))]
        if key in self._marks:
            # Before the second cell: the cursor's bar stands before the first one.
            segments[2 if len(segments) > 2 else 0] = Segment(_MARK, style + self._style_of("accent"))
        return segments

    def _fit(self, room: int) -> None:
        """Choose the columns that have room, and their widths."""
        if room <= 0:
            return
        room -= _SCROLLBAR
        shown = list(range(len(self._columns)))

        def needed() -> int:
            return sum(self._columns[index].width + len(_GAP) for index in shown)

        while needed() > room and len(shown) > 1:
            worst = max(shown, key=lambda index: (self._columns[index].rank, index))
            if self._columns[worst].rank == 0:
                break
            shown.remove(worst)
        widths = self._widths_of(shown, max(0, room - needed()))
        if (tuple(shown), widths) != (self._shown, self._widths):
            self._shown, self._widths = tuple(shown), widths
            self._make_columns()

    def _widths_of(self, shown: Sequence[int], spare: int) -> tuple[int, ...]:
        """Return the widths of columns: those with longer texts are widened first, then those that grow."""
        columns = {index: self._columns[index] for index in shown}
        widths = {index: column.width for index, column in columns.items()}
        for index, column in columns.items():
            lacks = max(0, min(column.most, self._longest.get(index, 0)) - column.width)
            if column.drops and lacks > spare:
                # A text that is dropped as a whole has no use for part of its room.
                continue
            if lacks > spare:
                for other, giver in columns.items():
                    given = max(0, min(lacks - spare, widths[other] - giver.least)) if giver.least else 0
                    widths[other] -= given
                    spare += given
            taken = min(lacks, spare)
            widths[index] += taken
            spare -= taken
        growing = [index for index, column in columns.items() if column.grows]
        for index in growing:
            widths[index] += spare // len(growing)
        return tuple(widths.values())

    def _make_columns(self) -> None:
        """Make the columns anew, and place the rows in them."""
        self._order = []
        self._is_syncing = True
        try:
            self.clear(columns=True)
            for index, width in zip(self._shown, self._widths, strict=True):
                self.add_column(Text(self._columns[index].label), width=width + len(_GAP), key=str(index))
        finally:
            self._is_syncing = False
        self._arrange()

    def _style_of(self, tone: Tone) -> Style:
        if tone not in self._styles:
            variable = _VARIABLES.get(tone)
            colour = self.app.theme_variables.get(variable, "") if variable else ""
            # Only colours that Rich can read: "auto 60%" is Textual's own.
            self._styles[tone] = Style.parse("dim" if colour.startswith("auto") else colour)
        return self._styles[tone]

    # --- the cursor ------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Mark the cursor's row by a bar at its left: its cells keep their own colours."""
        strip = super().render_line(y)
        head = self.header_height if self.show_header else 0
        if not self.show_cursor or y < head or y - head + self.scroll_offset.y != self.cursor_row:
            return strip
        sign, colour = ("▌", "primary") if self.has_focus else ("▏", "secondary")
        bar = Style(color=self.app.theme_variables[colour])
        first = [Segment(sign, (segment.style or Style()) + bar) for segment in strip.crop(0, 1)]
        return Strip.join([Strip(first), strip.crop(1)])

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._pressed_row = event.style.meta.get("row", -1)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row that was pressed, where the base does not.

        The base does not if the table had no cursor, or if the press made the pane grow, so that another row,
        or none, is under the mouse.
        """
        pressed = self._pressed_row
        has_moved = event.style.meta.get("row", -1) != pressed
        if pressed >= 0 and (has_moved or self.cursor_key is None):
            event.prevent_default()
            self.move_cursor(row=pressed)
            self._follow()

    def _put_cursor(self) -> None:
        if not self._shown:
            # Not laid out yet: rows and cursor come with the columns.
            return
        if self._cursor_key is None and not self._was_filled and self._order:
            self._cursor_key = self._order[0]
            self._was_filled = True
        if self._cursor_key not in self._lines:
            self._cursor_key = None
        key = self.cursor_key
        self.show_cursor = key is not None
        if key is not None:
            self._is_syncing = True
            try:
                self.move_cursor(row=self.get_row_index(key))
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
        key = self._order[self.cursor_row]
        self.show_cursor = True
        self._cursor_key = key
        self._report()

    def _report(self) -> None:
        """Post a message with the row under the cursor if it has changed."""
        if self.cursor_key != self._known_key:
            self._known_key = self.cursor_key
            self.ahead += 1
            self.post_message(self.CursorMoved(self, self._known_key))

    def _wakes(self) -> bool:
        """Give a table that has lost its cursor a new one, in the same place; return whether it did."""
        if self.cursor_key is not None or not self._order:
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
        if self.cursor_key is not None:
            super().action_select_cursor()
