"""The metrics of one run beside those of its baseline over the same time."""

from typing import TYPE_CHECKING

from firstwatch.manager.views import RunView
from firstwatch.trading.text import counted
from firstwatch.tui import formats, watch_text
from firstwatch.tui.figures import Write, money, ratio, signed_percent
from firstwatch.tui.lists import cells
from firstwatch.tui.widgets.table import Cell, Column, Line

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import MetricView, RunDetails

COLUMNS = (
    Column("", 17),
    Column("live", 16, is_number=True),
    Column("baseline", 9, is_number=True),
    Column("5 to 95 % of it", 19, rank=1),
    Column("", 9, rank=2),
    Column("what the baseline's figure is", 32, rank=3, grows=True),
)
_SAME_TIME = "median of as long a time"
_SAME_TRADES = "these trades at its rates"
_WHOLE = "of the whole test"


def _plain_percent(value: float) -> str:
    return f"{value * 100:.2f} %"


def _bps(value: float) -> str:
    return f"{value:+.1f} bps"


def _count(value: float) -> str:
    return f"{value:.0f}"


_FIGURES: tuple[tuple[str, str, Write, str], ...] = (
    ("net_pnl", "Realised PnL", money, _SAME_TIME),
    ("total_return", "Return, open too", signed_percent, _SAME_TIME),
    ("max_drawdown", "Largest drawdown", _plain_percent, _SAME_TIME),
    ("total_trades", "Trades", _count, _SAME_TIME),
    ("win_rate", "Won", formats.percent, _WHOLE),
    ("average_trade_bps", "Average trade", _bps, _WHOLE),
    ("average_win_bps", "Average win", _bps, _WHOLE),
    ("average_loss_bps", "Average loss", _bps, _WHOLE),
    ("profit_factor", "Profit factor", ratio, _WHOLE),
    ("average_bars", "Bars held", ratio, _WHOLE),
    ("exposure", "Time in position", formats.percent, _WHOLE),
    ("fees", "Fees", formats.money, _SAME_TRADES),
    ("funding", "Funding paid", formats.money, _SAME_TRADES),
    ("slippage", "Slippage", formats.money, _SAME_TRADES),
    ("sharpe", "Sharpe", ratio, _WHOLE),
    ("sortino", "Sortino", ratio, _WHOLE),
    ("calmar", "Calmar", ratio, _WHOLE),
)
_WON_OR_LOST = frozenset({"net_pnl", "total_return"})


def lines(run: RunView, details: "RunDetails") -> list[Line]:
    """Return a line for each metric, with unrealised and realised PnL as metrics of their own."""
    by_name = {figure.name: figure for figure in details.metrics}
    lines = [
        _line(by_name[name], label, write, source)
        for name, label, write, source in _FIGURES
        if name in by_name
    ]
    nothing = (Cell(""),) * 4
    return [Line("unrealised", (Cell("Open PnL"), cells.pnl(run.unrealised_pnl), *nothing)), *lines]


def _line(figure: "MetricView", label: str, write: Write, source: str) -> Line:
    live = missing(figure) if figure.live is None else write(figure.live)
    tone = cells.money_tone(live) if figure.name in _WON_OR_LOST else ""
    band = figure.band
    return Line(
        figure.name,
        (
            Cell(label),
            Cell(live, "dim" if figure.live is None else tone),
            Cell(watch_text.NONE if figure.baseline is None else write(figure.baseline), "dim"),
            Cell("" if band is None else f"{write(band.low)} … {write(band.high)}", "dim"),
            Cell(
                ""
                if band is None or figure.live is None
                else watch_text.band_bar(figure.live, band.low, band.high)
            ),
            Cell("" if figure.baseline is None else source, "dim"),
        ),
    )


def missing(figure: "MetricView") -> str:
    """Return why a run has no such metric yet."""
    if figure.needs_days:
        return f"– {counted(figure.needs_days, 'more day')}"
    if figure.needs_trades:
        return f"– {counted(figure.needs_trades, 'more trade')}"
    return watch_text.NONE
