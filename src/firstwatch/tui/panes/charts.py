"""The charts of Metrics: the chosen run's equity and drawdown, and its price with fills and levels."""

from abc import abstractmethod

import numpy as np
from textual.app import ComposeResult
from textual.containers import Vertical

from firstwatch.manager.views import RunDetails, RunView
from firstwatch.trading.orders import OrderSide
from firstwatch.tui.widgets.chart import Chart, Drawing, Level, Mark, Series
from firstwatch.tui.widgets.paragraph import Paragraph


class ChartPage(Vertical):
    """Charts of one run, or a sentence that says why there are none."""

    @abstractmethod
    def show(self, run: RunView | None, details: RunDetails | None) -> None:
        """Draw the run's curves; None: no run is chosen, or its details are not read yet."""

    def _show_charts(self, is_there: bool, run: RunView | None, sentence: str) -> None:
        for chart in self.query(Chart):
            if chart.display is not is_there:
                chart.display = is_there
        empty = self.query_one(Paragraph)
        empty.show_if(not is_there)
        empty.set_text(sentence if run is not None else "Choose a run in Info (3).")


class EquityPage(ChartPage):
    """Equity at each close above the drawdown from its peak."""

    def compose(self) -> ComposeResult:
        yield Chart("run equity", id="equity-chart")
        yield Chart("drawdown from the peak", id="drawdown-chart")
        yield Paragraph(classes="empty")

    def show(self, run: RunView | None, details: RunDetails | None) -> None:
        is_there = details is not None and len(details.equity) > 1
        self._show_charts(is_there, run, "Equity is marked at each close: none or one so far.")
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


class PricePage(ChartPage):
    """The closes of the run's own bars, its fills, and the levels of its position."""

    def compose(self) -> ComposeResult:
        yield Chart("price, fills, stop and target", id="price-chart")
        yield Paragraph(classes="empty")

    def show(self, run: RunView | None, details: RunDetails | None) -> None:
        is_there = details is not None and len(details.price) > 1
        self._show_charts(is_there, run, "The run has taken in no bar yet, or one: a chart needs two.")
        if details is None or not is_there:
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
            lines = (
                (position.stop, "error"),
                (position.target, "success"),
                (position.stop_wanted if position.stop_wanted != position.stop else None, "dim"),
                (position.target_wanted if position.target_wanted != position.target else None, "dim"),
            )
            levels = [Level(float(level), tone) for level, tone in lines if level is not None]
        version = (details.run_id, len(details.price), float(details.price[-1]), marks, tuple(levels))
        line = Series(details.price_time_ms, details.price, "primary")
        self.query_one(Chart).draw(Drawing(version, (line,), marks, tuple(levels)))
