"""Info: the runs, and all that is known about the chosen one."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.tui.layout import layout_for
from firstwatch.tui.lists import active, config, history, journal, lineage, orders, positions, trades
from firstwatch.tui.messages import BesideChosen, RunChosen, RunOpened
from firstwatch.tui.panes.pane import PaneId, TabbedPane
from firstwatch.tui.panes.why import WhyBox
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.status_lines import KeyLine
from firstwatch.tui.widgets.table import Column, KeyedTable, Line

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import ParentView, RunDetails

_RUN_LISTS = ("Active", "History", "Positions")
"""Tabs that list runs. Passing through one must not choose another run: its cursor follows the chosen one."""
_WHY_HEIGHT = 14
"""Rows inside the pane from which on there is room for a list and the reasons below it."""
_LISTS: dict[str, tuple[Sequence[Column], str]] = {
    "Active": (active.COLUMNS, ""),
    "History": (history.COLUMNS, history.EMPTY),
    "Positions": (positions.COLUMNS, positions.EMPTY),
    "Orders": (orders.COLUMNS, orders.EMPTY),
    "Trades": (trades.COLUMNS, trades.EMPTY),
    "Details": (journal.COLUMNS, journal.EMPTY),
    "Config": (config.COLUMNS, config.EMPTY),
    "Compare": (lineage.COLUMNS, lineage.EMPTY),
}


def _listing(tab: str) -> Listing:
    columns, empty = _LISTS[tab]
    return Listing(columns, empty=empty, id=tab, takes_first=tab not in _RUN_LISTS)


class InfoPane(TabbedPane):
    """The lists of runs, and orders, trades, journal and settings of the chosen run."""

    ID = PaneId.INFO
    TITLE = "Run Info"
    ACTIONS = (
        "run.stop",
        "run.pause",
        "run.resume",
        "run.close",
        "run.discard",
        "run.again",
        "view.next_tab",
    )
    PAGES: ClassVar = {tab: partial(_listing, tab) for tab in _LISTS}

    _parent_view: "ParentView | None" = None
    """The run of which the chosen one is the next version."""
    _parent_of: str | None = None
    """The run whose parent it is."""
    _beside: str | None = None
    """The run that was last reported to be compared with the chosen one."""

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(app_of(self), "shows_order_changes", self._on_state, init=False)

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield WhyBox()

    def on_resize(self) -> None:
        super().on_resize()
        self._place_why(app_of(self).snapshot)

    def _place_why(self, snapshot: ManagerSnapshot) -> None:
        """Say below a list of runs why the chosen one did what it did, where there is room for both."""
        has_room = self.size.height >= _WHY_HEIGHT and layout_for(*self.app.size).is_split
        is_about_run = self.tab in _RUN_LISTS and snapshot.run(app_of(self).selected_run) is not None
        box = self.query_one(WhyBox)
        box.display = has_room and is_about_run
        if box.display:
            box.show(snapshot, app_of(self).selected_run)

    def show(self, snapshot: ManagerSnapshot) -> None:
        self._place_why(snapshot)
        self._report_beside()
        if self.tab in _RUN_LISTS:
            self._show_runs(snapshot)
        else:
            self._show_run(snapshot)

    def _show_runs(self, snapshot: ManagerSnapshot) -> None:
        app = app_of(self)
        self.set_note(*active.totals(snapshot))
        self.set_subtitle(active.below(snapshot, app.key_of))
        now_ms = app.now_ms()
        # History has hundreds of lines, which hardly ever change; the others change with each snapshot, but
        # not with each key. Ages are in whole seconds.
        pages: dict[str, tuple[tuple[object, ...], Callable[[], Sequence[Line]]]] = {
            "Active": ((snapshot, now_ms // 1000), lambda: active.lines(snapshot, now_ms)),
            "History": ((snapshot.finished, snapshot.short_ids), lambda: history.lines(snapshot)),
            "Positions": ((snapshot,), lambda: positions.lines(snapshot)),
        }
        listing = self.query_one(f"#{self.tab}", Listing)
        made_of, make = pages[self.tab]
        empty = active.empty(snapshot, app.key_of) if self.tab == "Active" else None
        listing.set_made((snapshot.is_ready, *made_of), make, is_ready=snapshot.is_ready, empty=empty)
        self._follow(listing.table)

    def _show_run(self, snapshot: ManagerSnapshot) -> None:
        app = app_of(self)
        run = snapshot.run(app.selected_run)
        self.set_heading(run)
        self.set_subtitle(self._left_out(snapshot.selected))
        listing = self.query_one(f"#{self.tab}", Listing)
        if run is None:
            listing.set_lines([], is_ready=snapshot.is_ready, empty="Choose a run in Active or History.")
            return
        details = snapshot.selected
        if details is None or details.run_id != run.run_id:
            listing.set_lines([], is_ready=False)
            return
        shows_changes = app.shows_order_changes
        pages: dict[str, tuple[tuple[object, ...], Callable[[], Sequence[Line]]]] = {
            "Orders": (
                (details.orders, shows_changes),
                lambda: orders.lines(details.orders, shows_changes=shows_changes),
            ),
            "Trades": ((details.trades, len(details.trade_whys)), lambda: trades.lines(details)),
            "Details": ((details.events,), lambda: journal.lines(details)),
            "Config": ((details.settings,), lambda: config.lines(details)),
            "Compare": (
                (details.metrics, self._parent_view),
                lambda: lineage.lines(run, details, self._parent_view),
            ),
        }
        if self.tab == "Compare" and self._parent_of != run.run_id:
            self._parent_of, self._parent_view = run.run_id, None
            app.in_background(self._read_parent(run.run_id))
        listing.set_made(*pages[self.tab])

    def _left_out(self, details: "RunDetails | None") -> str:
        """Return how many orders of the chosen run are listed, if not all."""
        app = app_of(self)
        if self.tab != "Orders" or details is None or details.run_id != app.selected_run:
            return ""
        return "" if len(details.orders) == details.order_count else orders.below(details, app.key_of)

    def run_ids(self) -> tuple[str, ...]:
        if self.tab not in _RUN_LISTS:
            return super().run_ids()
        table = self.table(f"{self.tab}-table")
        if table is None:
            return ()
        return table.marked or (() if table.cursor_key is None else (table.cursor_key,))

    @on(KeyedTable.MarksChanged)
    def _report_beside(self) -> None:
        """Say which run is compared with the chosen one: the only other one that is marked."""
        tables = (self.table(f"{tab}-table") for tab in _RUN_LISTS)
        marked = {run_id for table in tables if table is not None for run_id in table.marked}
        others = marked - {app_of(self).selected_run}
        beside = others.pop() if len(others) == 1 else None
        if beside != self._beside:
            self._beside = beside
            self.app.post_message(BesideChosen(beside))

    def focus_pane(self) -> None:
        self.query_one(f"#{self.tab}", Listing).table.focus()

    def tab_shown(self, *, had_focus: bool) -> None:
        self.show(app_of(self).snapshot)
        if had_focus:
            self.focus_pane()

    @on(KeyedTable.CursorMoved)
    def _choose(self, event: KeyedTable.CursorMoved) -> None:
        # Also for the run that was chosen before: a list that was just made had no row under its cursor.
        self.screen.query_one(KeyLine).renew()
        # A row that has gone leaves the chosen run as it is: a run is chosen by its id, not by its place.
        if self.tab in _RUN_LISTS and event.table.id == f"{self.tab}-table" and event.key is not None:
            self.app.post_message(RunChosen(event.key))
        # Behind that message.
        self.app.call_later(self._caught_up, event.table)

    def _caught_up(self, table: KeyedTable) -> None:
        """The app knows one more move of a cursor."""
        table.ahead -= 1
        if self.tab in _RUN_LISTS and table.id == f"{self.tab}-table":
            self._follow(table)

    def _follow(self, table: KeyedTable) -> None:
        """Put the cursor on the chosen run, unless the operator has moved it meanwhile."""
        selected = app_of(self).selected_run
        if not table.ahead and table.cursor_key != selected:
            table.point_at(selected)

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        if self.tab in _RUN_LISTS and event.row_key.value is not None:
            self.app.post_message(RunOpened(event.row_key.value))
            return
        app = app_of(self)
        details, run = app.snapshot.selected, app.snapshot.run(app.selected_run)
        if details is not None and run is not None and event.row_key.value is not None:
            self._open_row(details, run, event.row_key.value)

    def _open_row(self, details: "RunDetails", run: RunView, key: str) -> None:
        """Show everything about a row."""
        from firstwatch.tui.modals.confirm import MessageDialog

        app = app_of(self)
        if self.tab == "Trades":
            app.in_background(self._open_trade(run, int(key)))
        elif self.tab == "Orders":
            lines = orders.story(details.orders, key, shows_changes=app.shows_order_changes)
            app.push_screen(MessageDialog(f"Order {key}", lines))
        elif self.tab == "Details":
            app.push_screen(MessageDialog(f"Journal row {key}", journal.story(details, key)))

    async def _read_parent(self, run_id: str) -> None:
        parent = await asyncio.to_thread(app_of(self).manager.parent, run_id)
        if self._parent_of == run_id:
            self._parent_view = parent
            self.renew()

    async def _open_trade(self, run: RunView, number: int) -> None:
        from firstwatch.tui.modals.trade import TradeDialog

        app = app_of(self)
        story = await asyncio.to_thread(app.manager.trade_story, run.run_id, number)
        if story is not None and not app.is_covered:
            app.push_screen(TradeDialog(run, story))
