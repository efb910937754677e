"""Metrics: the chosen run's watch, its figures beside those of its baseline, and its charts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.widget import Widget

from firstwatch.manager.views import ManagerSnapshot, MetricView, RunDetails, RunView
from firstwatch.tui import formats
from firstwatch.tui.panes.pane import PaneId, TabbedPane
from firstwatch.tui.panes.watch import WatchPage
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.lazy_pages import page_id
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine
from firstwatch.tui.widgets.table import Cell, Column, Line, Tone

if TYPE_CHECKING:
    from firstwatch.tui.panes.charts import ChartPage

WATCH = "First 24 hours"
_SUMMARY = (
    Column("", 20, grows=True),
    Column("live", 13, is_number=True),
    Column("baseline", 13, is_number=True),
)


def _money(value: float | None) -> str:
    return formats.money(value, signed=True)


def _ratio(value: float | None) -> str:
    return formats.UNKNOWN if value is None else f"{value:.2f}"


def _count(value: float | None) -> str:
    return formats.UNKNOWN if value is None else f"{value:.0f}"


_FIGURES: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("net_pnl", "Net PnL, closed", _money),
    ("total_return", "Return, open too", formats.percent),
    ("max_drawdown", "Largest drawdown", formats.percent),
    ("total_trades", "Trades", _count),
    ("win_rate", "Won", formats.percent),
    ("profit_factor", "Profit factor", _ratio),
    ("expectancy", "Expectancy", _money),
    ("average_win", "Average win", _money),
    ("average_loss", "Average loss", _money),
    ("average_bars", "Bars held", _ratio),
    ("sharpe", "Sharpe", _ratio),
    ("sortino", "Sortino", _ratio),
    ("calmar", "Calmar", _ratio),
    ("exposure", "Time in position", formats.percent),
    ("fees", "Fees", formats.money),
    ("funding", "Funding", formats.money),
    ("slippage", "Slippage", formats.money),
)
_SIGNED = frozenset({"net_pnl", "total_return", "expectancy"})


def _watch() -> Widget:
    return WatchPage(id=page_id(WATCH))


def _summary() -> Widget:
    return Listing(_SUMMARY, empty="Choose a run in Info (3).", id="Summary")


# Charts are imported when one is first shown: numpy and plotext would hold the first paint up.


def _equity() -> Widget:
    from firstwatch.tui.panes.charts import EquityPage

    return EquityPage(id="Equity")


def _price() -> Widget:
    from firstwatch.tui.panes.charts import PricePage

    return PricePage(id="Price")


class MetricsPane(TabbedPane):
    """The watch, the figures and the charts of the chosen run."""

    ID = PaneId.METRICS
    TITLE = "Metrics"
    ACTIONS = ("run.pause", "run.resume", "run.stop", "view.window", "view.next_tab")
    PAGES: ClassVar = {WATCH: _watch, "Summary": _summary, "Equity": _equity, "Price": _price}

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(app_of(self), "beat", self._on_state, init=False)

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
            self._show_chart(run, details)

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

    def focus_pane(self) -> None:
        # A chart takes no focus: the table of the first tab, which is always there, has it then.
        is_summary = self.tab == "Summary"
        (self.query_one("#Summary", Listing).table if is_summary else self._watch_page.table).focus()

    def tab_shown(self, *, had_focus: bool) -> None:
        if had_focus:
            self.focus_pane()
        self.screen.query_one(KeyLine).renew()
        # The chart has no size before the next layout.
        self.call_after_refresh(self.renew)

    def _show_summary(self, run: RunView | None, details: RunDetails | None) -> None:
        listing = self.query_one("#Summary", Listing)
        if run is None or details is None:
            listing.set_lines([], empty="Choose a run in Info (3)." if run is None else "Reading the store…")
            return
        by_name = {figure.name: figure for figure in details.metrics}
        lines = [
            _figure_line(by_name[name], label, write) for name, label, write in _FIGURES if name in by_name
        ]
        listing.set_lines([_open_line(run), *lines])

    def _show_chart(self, run: RunView | None, details: RunDetails | None) -> None:
        cast("ChartPage", self.query_one(f"#{self.tab}")).show(run, details)


def _figure_line(figure: MetricView, label: str, write: Callable[[float | None], str]) -> Line:
    tone: Tone = ""
    if figure.name in _SIGNED and figure.live:
        tone = "gain" if figure.live > 0 else "loss"
    none = f"needs {figure.needs_days} days" if figure.needs_days else "-"
    live = none if figure.live is None else write(figure.live)
    baseline = "-" if figure.baseline is None else write(figure.baseline)
    return Line(figure.name, (Cell(label), Cell(live, tone), Cell(baseline, "dim")))


def _open_line(run: RunView) -> Line:
    """Return what is not realised yet."""
    value = cast("float | None", run.unrealised_pnl)
    return Line("unrealised", (Cell("Unrealised PnL"), Cell(formats.money(value, signed=True)), Cell("")))
