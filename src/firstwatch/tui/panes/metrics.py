"""Metrics: the chosen run's watch, its figures beside those of its baseline, and its charts."""

from typing import TYPE_CHECKING, ClassVar, cast

from textual.widget import Widget

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.tui.lists import summary
from firstwatch.tui.panes.pane import PaneId, TabbedPane
from firstwatch.tui.panes.watch import WatchPage
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.lazy_pages import page_id
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine

if TYPE_CHECKING:
    from firstwatch.manager.run_views import RunDetails
    from firstwatch.tui.panes.charts import ChartPage
    from firstwatch.tui.panes.performance import PerformancePage
    from firstwatch.tui.widgets.chart import Chart

WATCH = "First 24 hours"
_CHARTS = ("Chart", "Equity")


def _watch() -> Widget:
    return WatchPage(id=page_id(WATCH))


def _summary() -> Widget:
    return Listing(summary.COLUMNS, empty="", id="Summary")


# Charts are imported when one is first shown: numpy would delay the first paint.


def _equity() -> Widget:
    from firstwatch.tui.panes.charts import EquityPage

    return EquityPage(id="Equity")


def _performance() -> Widget:
    from firstwatch.tui.panes.performance import PerformancePage

    return PerformancePage(id="Performance")


def _price() -> Widget:
    from firstwatch.tui.panes.charts import PricePage

    return PricePage(id="Chart")


class MetricsPane(TabbedPane):
    """The watch, the figures and the charts of the chosen run."""

    ID = PaneId.METRICS
    TITLE = "Run Metrics"
    ACTIONS = (
        "chart.nearer",
        "chart.farther",
        "chart.earlier",
        "chart.later",
        "run.pause",
        "run.resume",
        "run.stop",
        "view.window",
        "view.next_tab",
    )
    PAGES: ClassVar = {
        WATCH: _watch,
        "Summary": _summary,
        "Chart": _price,
        "Equity": _equity,
        "Performance": _performance,
    }

    def on_mount(self) -> None:
        super().on_mount()
        for name in ("beat", "beside_run"):
            self.watch(app_of(self), name, self._on_state, init=False)

    def show(self, snapshot: ManagerSnapshot) -> None:
        run = snapshot.run(app_of(self).selected_run)
        self.set_heading(run)
        details = snapshot.selected
        if run is None or details is None or details.run_id != run.run_id:
            details = None
        if self.tab == WATCH:
            self._watch_page.show(run, details)
        elif self.tab == "Summary":
            self._show_summary(run, details)
        else:
            self._page.show(run, details)

    @property
    def _watch_page(self) -> WatchPage:
        return self.query_one(WatchPage)

    def next_window(self) -> None:
        """Show the watch, or its next window if it is shown already."""
        if self.tab == WATCH:
            self._watch_page.next_window()
        else:
            self.go_to(WATCH)

    def hints(self) -> tuple[KeyHint, ...]:
        return self._watch_page.hints if self.tab == WATCH else ()

    @property
    def chart(self) -> "Chart | None":
        """The chart that is shown, which zooms and pans; None: none is."""
        if self.tab not in _CHARTS:
            return None
        chart = cast("ChartPage", self._page).chart
        return chart if chart.display else None

    @property
    def _page(self) -> "ChartPage | PerformancePage":
        return cast("ChartPage | PerformancePage", self.query_one(f"#{self.tab}"))

    def focus_pane(self) -> None:
        # A chart takes no focus: the table of the first tab, which is always there, has it then.
        if self.tab == "Summary":
            table = self.query_one("#Summary", Listing).table
        elif self.tab == "Performance":
            table = cast("PerformancePage", self._page).table
        else:
            table = self._watch_page.table
        table.focus()

    def tab_shown(self, *, had_focus: bool) -> None:
        if had_focus:
            self.focus_pane()
        self.screen.query_one(KeyLine).renew()
        # The chart has no size before the next layout.
        self.call_after_refresh(self.renew)

    def _show_summary(self, run: RunView | None, details: "RunDetails | None") -> None:
        listing = self.query_one("#Summary", Listing)
        if run is None:
            listing.set_lines([], empty=app_of(self).no_run)
        elif details is None:
            listing.set_lines([], is_ready=False)
        else:
            listing.set_lines(summary.lines(run, details))
