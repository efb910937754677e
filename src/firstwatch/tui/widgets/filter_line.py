"""The filter of a table, below it while there is one."""

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input, Label

from firstwatch.tui.widgets.table import KeyedTable


class _Words(Input):
    """What is typed; its width never follows its text, so the screen is not arranged anew for it."""

    virtual_size = Reactive(Size(0, 0))


class FilterLine(Horizontal):
    """Filters the table while a text is typed. Enter goes back to the rows, Escape shows all again."""

    DEFAULT_CSS = """
    FilterLine { height: 1; background: $boost; }
    FilterLine Label { width: auto; padding: 0 1; color: $accent; }
    FilterLine Input { width: 1fr; background: $boost; border: none; }
    """

    def __init__(self, table: KeyedTable) -> None:
        super().__init__()
        self._table = table
        self._count_width = 0

    def compose(self) -> ComposeResult:
        yield Label("/")
        yield _Words(self._table.filter_text, compact=True, select_on_focus=False)
        yield Label(id="filter-count")

    def focus_input(self) -> None:
        """Go on typing; a line that is not there yet begins with it by itself."""
        for line in self.query(Input):
            line.focus()

    def on_mount(self) -> None:
        self.focus_input()
        self.watch(self._table, "counts", self._show_counts)
        self.watch(self._table, "filter_text", self._follow, init=False)

    def _show_counts(self, counts: tuple[int, int]) -> None:
        shown, total = counts
        # As wide for any count.
        text = f"{shown} of {total}".rjust(len(f"{total} of {total}"))
        self.query_one("#filter-count", Label).update(text, layout=len(text) != self._count_width)
        self._count_width = len(text)

    def _follow(self, text: str) -> None:
        # The table itself has dropped the filter.
        if not text and not self.query_one(Input).has_focus:
            self.remove()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self._table.filter_text = event.value

    @on(Input.Submitted)
    def _leave(self) -> None:
        self._table.take_first()
        self._table.focus()
        if not self._table.filter_text:
            self.remove()

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            self._table.filter_text = ""
            self._table.focus()
            self.remove()
