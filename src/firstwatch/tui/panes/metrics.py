"""Run Metrics: the chosen run's figures beside its baseline's, its equity and its price with fills."""

from collections.abc import Callable
from typing import cast

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import ContentSwitcher

from firstwatch.manager.views import FigureView, ManagerSnapshot, RunDetails, RunRow
from firstwatch.trading.orders import OrderSide
from firstwatch.tui import words
from firstwatch.tui.desk import Pane, desk_of
from firstwatch.tui.widgets.bars import TabStrip
from firstwatch.tui.widgets.chart import Chart, Drawing, Level, Mark, Series
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.sentence import Sentence
from firstwatch.tui.widgets.table import Cell, Column, Line, Tone

_SUMMARY = (
    Column("", 20, grows=True),
    Column("live", 13, is_number=True),
    Column("baseline", 13, is_number=True),
)


def _money(value: float | None) -> str:
    return words.money(value, signed=True)


def _ratio(value: float | None) -> str:
    return words.UNKNOWN if value is None else f"{value:.2f}"


def _count(value: float | None) -> str:
    return words.UNKNOWN if value is None else f"{value:.0f}"


_FIGURES: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("net_pnl", "Net PnL", _money),
    ("total_return", "Return", words.percent),
    ("max_drawdown", "Largest drawdown", words.percent),
    ("total_trades", "Trades", _count),
    ("win_rate", "Won", words.percent),
    ("profit_factor", "Profit factor", _ratio),
    ("expectancy", "Expectancy", _money),
    ("average_win", "Average win", _money),
    ("average_loss", "Average loss", _money),
    ("average_bars", "Bars held", _ratio),
    ("sharpe", "Sharpe", _ratio),
    ("sortino", "Sortino", _ratio),
    ("calmar", "Calmar", _ratio),
    ("exposure", "Time in position", words.percent),
    ("fees", "Fees", words.money),
    ("funding", "Funding", words.money),
    ("slippage", "Slippage", words.money),
)
_SIGNED = frozenset({"net_pnl", "total_return", "expectancy"})


class MetricsPane(Pane):
    """Tabs over the figures and charts of the chosen run."""

    TITLE = "Metrics"
    NUMBER = 4
    TABS = ("Summary", "Equity", "Price")

    def compose(self) -> ComposeResult:
        yield TabStrip(self.TABS)
        with ContentSwitcher(initial="Summary"):
            yield Listing(_SUMMARY, empty="Choose a run in Info (3).", id="Summary")
            with Vertical(id="Equity"):
                yield Chart("run equity", id="equity-chart")
                yield Chart("drawdown from the peak", id="drawdown-chart")
                yield Sentence(classes="empty")
            with Vertical(id="Price"):
                yield Chart("price, fills, stop and target", id="price-chart")
                yield Sentence(classes="empty")

    @property
    def tab(self) -> str:
        return self.query_one(TabStrip).chosen

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(desk_of(self), "beat", lambda _beat: self._look(), init=False)

    def show(self, snapshot: ManagerSnapshot) -> None:
        run = snapshot.run(desk_of(self).selected_run)
        self.set_subtitle("" if run is None else f"{run.title} {run.symbol} {words.short_id(run.run_id)}")
        details = snapshot.selected
        if run is None or details is None or details.run_id != run.run_id:
            details = None
        if self.tab == "Summary":
            self._show_summary(run, details)
        elif self.tab == "Equity":
            self._show_equity(details)
        else:
            self._show_price(run, details)

    def step_tab(self, by: int) -> None:
        self.query_one(TabStrip).step(by)

    def focus_pane(self) -> None:
        self.query_one("#Summary", Listing).table.focus()

    @on(TabStrip.Chosen)
    def _switch(self, event: TabStrip.Chosen) -> None:
        self.query_one(ContentSwitcher).current = event.tab
        # The chart has no size before the next layout.
        self.call_after_refresh(self._look)

    def _show_summary(self, run: RunRow | None, details: RunDetails | None) -> None:
        listing = self.query_one("#Summary", Listing)
        if run is None or details is None:
            listing.set_lines([], empty="Choose a run in Info (3)." if run is None else "Reading the store…")
            return
        by_name = {figure.name: figure for figure in details.figures}
        lines = [
            _figure_line(by_name[name], label, write) for name, label, write in _FIGURES if name in by_name
        ]
        listing.set_lines([_open_line(run), *lines])

    def _show_equity(self, details: RunDetails | None) -> None:
        is_there = details is not None and len(details.equity) > 1
        self._show_charts("#Equity", is_there, "Equity is marked at each close: none or one so far.")
        if details is None or not is_there:
            return
        times, equity = details.equity_time_ms, details.equity
        peak = np.maximum.accumulate(np.maximum(equity, float(details.settings.capital)))
        drawdown = equity / peak - 1
        version = (details.run_id, len(times), float(equity[-1]))
        capital = Level(float(details.settings.capital), "secondary")
        self.query_one("#equity-chart", Chart).draw(
            Drawing(version, (Series(times, equity, "gain"),), levels=(capital,), has_times=False)
        )
        self.query_one("#drawdown-chart", Chart).draw(
            Drawing(version, (Series(times, drawdown, "loss"),), is_percent=True)
        )

    def _show_price(self, run: RunRow | None, details: RunDetails | None) -> None:
        is_there = details is not None and len(details.price) > 1
        self._show_charts("#Price", is_there, "No closes of this run are known yet.")
        if details is None or run is None or not is_there:
            return
        marks = tuple(
            Mark(fill.time_ms, float(fill.price), "▲", "gain")
            if fill.side is OrderSide.BUY
            else Mark(fill.time_ms, float(fill.price), "▼", "loss")
            for fill in details.fills
            if fill.time_ms >= int(details.price_time_ms[0])
        )
        position = details.position
        levels: list[Level] = []
        if position is not None and position.side is not None:
            levels += [Level(float(position.stop), "error")] if position.stop is not None else []
            levels += [Level(float(position.target), "success")] if position.target is not None else []
        version = (details.run_id, len(details.price), float(details.price[-1]), marks, tuple(levels))
        line = Series(details.price_time_ms, details.price, "primary")
        self.query_one("#price-chart", Chart).draw(Drawing(version, (line,), marks, tuple(levels)))

    def _show_charts(self, tab: str, is_there: bool, sentence: str) -> None:
        for chart in self.query(f"{tab} Chart").results(Chart):
            if chart.display is not is_there:
                chart.display = is_there
        empty = self.query_one(f"{tab} .empty", Sentence)
        empty.show_if(not is_there)
        empty.say(sentence if desk_of(self).selected_run else "Choose a run in Info (3).")


def _figure_line(figure: FigureView, label: str, write: Callable[[float | None], str]) -> Line:
    tone: Tone = ""
    if figure.name in _SIGNED and figure.live:
        tone = "gain" if figure.live > 0 else "loss"
    live = "-" if figure.live is None else write(figure.live)
    baseline = "-" if figure.baseline is None else write(figure.baseline)
    return Line(figure.name, (Cell(label), Cell(live, tone), Cell(baseline, "dim")))


def _open_line(run: RunRow) -> Line:
    """Return what is not realised yet."""
    value = cast("float | None", run.unrealised_pnl)
    return Line("unrealised", (Cell("Unrealised PnL"), Cell(words.money(value, signed=True)), Cell("")))
