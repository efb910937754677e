"""Tests: the master list of Test mode."""

from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.trading.jobs import JobState
from firstwatch.trading.text import counted
from firstwatch.tui.lists import tests
from firstwatch.tui.messages import TestOpened, TestsShown
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.table import KeyedTable


class TestsPane(Pane):
    """The tests. The one under the cursor decides what the result shows; marked ones stand side by side."""

    __test__ = False

    ID = PaneId.TESTS
    TITLE = "Tests"
    ACTIONS = (
        "view.result",
        "test.cancel",
        "test.resume",
        "list.mark",
        "test.winner",
        "test.backtest",
        "list.sort",
    )

    _reported: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield Listing(tests.COLUMNS, empty=tests.EMPTY, id="test-list")

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(app_of(self), "bench", self._on_state, init=False)

    def show(self, snapshot: ManagerSnapshot) -> None:
        del snapshot
        app = app_of(self)
        found = app.bench.tests
        running = [each for each in found if each.state is JobState.RUNNING]
        waiting = sum(each.state is JobState.QUEUED for each in found)
        self.set_note(
            tests.progress_text(running[0], 10) if running else "",
            f"{waiting} waiting" if waiting else "",
            counted(len(found), "test") if found else "",
        )
        key = app.key_of("test.backtest")
        empty = f"{tests.EMPTY} Press {key} for a backtest."
        listing = self.query_one(Listing)
        listing.set_lines(tests.lines(found), is_ready=app.bench.is_open, empty=empty)
        self._report()

    def point_at(self, key: str, beside: str) -> None:
        """Put the cursor on a test, and mark only the one beside it (empty: none)."""
        self.renew()
        table = self.query_one(Listing).table
        table.mark_only(beside)
        table.point_at(key)
        self._report()

    def focus_pane(self) -> None:
        self.query_one(Listing).table.focus()

    @on(KeyedTable.MarksChanged)
    @on(KeyedTable.CursorMoved)
    def _report(self) -> None:
        """Say which results are shown: the marked ones, and the one under the cursor."""
        table = self.query_one(Listing).table
        if not table.is_laid_out:
            # Where one pane has the screen: the newest test is shown.
            return
        cursor = () if table.cursor_key is None else (table.cursor_key,)
        keys = tuple(dict.fromkeys((*table.marked, *cursor)))
        if keys != self._reported:
            self._reported = keys
            self.app.post_message(TestsShown(keys))

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.app.post_message(TestOpened())
