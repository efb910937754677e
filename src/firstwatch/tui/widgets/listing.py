"""A keyed table with a sentence in its place while it is empty."""

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from firstwatch.tui.formats import READING
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.table import Column, KeyedTable, Line


class Listing(Vertical):
    """A table, or a sentence that says why there is nothing in it."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str,
        id: str,
        show_header: bool = True,
        takes_first: bool = True,
    ) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._empty = empty
        self._show_header = show_header
        self._takes_first = takes_first
        self._made_of: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        yield KeyedTable(
            self._columns, show_header=self._show_header, takes_first=self._takes_first, id=f"{self.id}-table"
        )
        yield Paragraph(classes="empty")

    @property
    def table(self) -> KeyedTable:
        """The table itself."""
        return self.query_one(KeyedTable)

    def set_made(
        self,
        made_of: tuple[object, ...],
        make: Callable[[], Sequence[Line]],
        *,
        is_ready: bool = True,
        empty: str | None = None,
    ) -> None:
        """Show the lines that ``make`` returns; nothing is done while ``made_of`` is equal."""
        # Equal tuples compare their parts by identity first: unchanged parts cost nothing.
        if made_of != self._made_of:
            self.set_lines(make(), is_ready=is_ready, empty=empty)
            self._made_of = made_of

    def set_lines(self, lines: Sequence[Line], *, is_ready: bool = True, empty: str | None = None) -> None:
        """Show these rows, or the sentence when there are none."""
        self._made_of = ()
        self.table.set_lines(lines)
        self.table.set_class(not lines, "-empty")
        sentence = self.query_one(Paragraph)
        sentence.show_if(not lines)
        if not lines:
            sentence.set_text(empty or self._empty if is_ready else READING)
