"""The charts of Metrics: the chosen run's candles with its trades and levels, and its equity and drawdown."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from firstwatch.manager.views import PositionView, RunView
from firstwatch.trading.orders import OrderPurpose
from firstwatch.tui.formats import READING
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.candles import CandleChart, Level, Mark, draw_candles, usual_bars
from firstwatch.tui.widgets.chart import Chart
from firstwatch.tui.widgets.equity_curve import EquityChart, draw_equity
from firstwatch.tui.widgets.paragraph import Paragraph

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import RunDetails


class ChartPage(Vertical):
    """A chart of one run, or a sentence that says why there is none."""

    NONE = ""
    """Said while the run has nothing to draw."""

    def compose(self) -> ComposeResult:
        yield Chart()
        yield Paragraph(classes="empty")

    @property
    def chart(self) -> Chart:
        """The chart itself, which zooms and pans."""
        return self.query_one(Chart)

    def show(self, run: RunView | None, details: "RunDetails | None") -> None:
        """Draw the run's chart; None: no run is chosen, or its details are not read yet."""
        if run is not None and details is None and self.chart.display:
            # In the chart's own room: a sentence in its place would arrange the screen twice for each run.
            self.chart.say(READING)
            return
        is_there = run is not None and details is not None and self.plot(details)
        if self.chart.display is not is_there:
            self.chart.display = is_there
        empty = self.query_one(Paragraph)
        empty.show_if(not is_there)
        if run is None:
            empty.set_text(app_of(self).no_run)
        else:
            empty.set_text(self.NONE if details is not None else READING)

    @abstractmethod
    def plot(self, details: "RunDetails") -> bool:
        """Give the chart its drawing; return False if there is nothing to draw."""


class EquityPage(ChartPage):
    """Equity at each close, and below it the drawdown from its peak."""

    NONE = "Equity is marked at each close: none or one so far."

    def plot(self, details: "RunDetails") -> bool:
        times, equity = details.equity_time_ms, details.equity
        if len(equity) < 2:
            return False
        drawn = EquityChart(times, equity, float(details.settings.capital))
        self.chart.plot(
            details.run_id,
            (len(times), float(equity[-1])),
            lambda *place: draw_equity(drawn, *place),
            total=len(times),
            usual=lambda _: len(times),
        )
        return True


class PricePage(ChartPage):
    """The run's own bars as candles, its entries and exits, and the levels of its position."""

    NONE = "The run has taken in no bar yet, or one: a chart needs two."

    _fills: object = None
    """The fills and the candles that the marks were made of."""
    _candles: object = None
    _marks: tuple[Mark, ...] = ()

    def plot(self, details: "RunDetails") -> bool:
        candles = details.candles
        if len(candles) < 2:
            return False
        if details.fills is not self._fills or details.candles is not self._candles:
            self._fills, self._candles, self._marks = details.fills, details.candles, _marks(details)
        marks, levels = self._marks, _levels(details.position)
        version = (int(candles.time_ms[-1]), float(candles.close[-1]), marks, levels)
        drawn = CandleChart(candles, marks, levels, details.operands)
        self.chart.plot(
            details.run_id,
            version,
            lambda *place: draw_candles(drawn, *place),
            total=len(candles),
            usual=usual_bars,
        )
        return True


def _marks(details: "RunDetails") -> tuple[Mark, ...]:
    """Return the fills in the time of the bars: E into a position, X out of it."""
    first_ms = int(details.candles.time_ms[0])
    return tuple(
        Mark(fill.time_ms, float(fill.price), "E" if fill.purpose is OrderPurpose.ENTRY else "X")
        for fill in details.fills
        if fill.time_ms >= first_ms
    )


def _levels(position: PositionView | None) -> tuple[Level, ...]:
    if position is None or position.side is None:
        return ()
    wanted = {
        "stop wanted": position.stop_wanted if position.stop_wanted != position.stop else None,
        "target wanted": position.target_wanted if position.target_wanted != position.target else None,
    }
    levels = {
        "entry": position.entry_price,
        "stop": position.stop,
        "target": position.target,
        **wanted,
        "liquidation": position.liquidation_price,
    }
    return tuple(Level(float(price), label) for label, price in levels.items() if price is not None)
