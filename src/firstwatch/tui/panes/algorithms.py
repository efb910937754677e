"""Algorithms: the versions and drafts, of which one is opened in the editor."""

from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.trading.text import counted
from firstwatch.tui.build import name_of
from firstwatch.tui.lists import algorithms
from firstwatch.tui.messages import AlgorithmsChosen, TextWanted
from firstwatch.tui.panes.editor import no_text
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.status_lines import KeyHint
from firstwatch.tui.widgets.table import KeyedTable


class AlgorithmsPane(Pane):
    """The versions with what they came from, their runs and their newest result."""

    ID = PaneId.ALGORITHMS
    TITLE = "Algorithms"
    ACTIONS = (
        "build.new",
        "build.differences",
        "list.mark",
        "build.note",
        "build.rename",
        "build.archive",
        "build.export",
        "build.import",
        "view.archived",
        "list.filter",
    )
    HINTS = (KeyHint("enter", "open"),)

    _reported: tuple[str, tuple[str, ...]] = ("", ())
    _opened = ""
    """What was last in the editor."""
    _made_of: tuple[object, ...] | None = None
    """The state that the list was made of."""

    def compose(self) -> ComposeResult:
        yield Listing(algorithms.COLUMNS, empty="", id="algorithm-list")

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(app_of(self), "build", self._on_state, init=False)

    def run_ids(self) -> tuple[str, ...]:
        return ()

    def hints(self) -> tuple[KeyHint, ...]:
        return self.HINTS if app_of(self).build.algorithms else ()

    def show(self, snapshot: ManagerSnapshot) -> None:
        del snapshot
        app = app_of(self)
        build = app.build
        count, hidden = len(build.algorithms), algorithms.hidden(build.algorithms)
        self.set_note(counted(count, "algorithm") if count else "")
        is_hiding = hidden and not build.shows_archived
        self.set_subtitle(f"{hidden} archived: {app.key_of('view.archived')}" if is_hiding else "")
        empty = (
            f"All are archived: {app.key_of('view.archived')} shows them." if count else no_text(app.key_of)
        )
        # Each key in the editor changes the state, and hardly ever the list.
        made_of = (build.algorithms, build.shows_archived, build.is_open)
        if made_of != self._made_of:
            self._made_of = made_of
            self.query_one(Listing).set_lines(
                algorithms.lines(build.algorithms, shows_archived=build.shows_archived),
                is_ready=build.is_open,
                empty=empty,
            )
        self._point()
        self._report()

    def _point(self) -> None:
        """Put the cursor on what is in the editor, when another text has come there or its row has gone."""
        table, build = self.query_one(Listing).table, app_of(self).build
        opened = "" if build.text is None else name_of(build.text)
        if build.lists(opened) and (opened != self._opened or table.cursor_key is None):
            self._opened = opened
            table.point_at(opened)

    def focus_pane(self) -> None:
        self.query_one(Listing).table.focus()

    @on(KeyedTable.MarksChanged)
    @on(KeyedTable.CursorMoved)
    def _report(self) -> None:
        """Report the row under the cursor, and the marked ones."""
        table = self.query_one(Listing).table
        reported = (table.cursor_key or "", table.marked)
        if reported != self._reported:
            self._reported = reported
            self.app.post_message(AlgorithmsChosen(*reported))

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if event.row_key.value is not None:
            self.app.post_message(TextWanted(event.row_key.value))
