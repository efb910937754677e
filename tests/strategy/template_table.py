"""Writes the README's table of the templates: ``python -m tests.strategy.template_table README.md``.

Each is tested on the same invented market, so the figures say how it trades and not what it earns.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from firstwatch.backtest.simulate import BacktestResult, BacktestSettings, simulate
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.strategy.templates import templates
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.tui.widgets.sparkline import sparkline
from tests.candles import generated_candles

BEGIN, END = "<!-- templates: begin -->\n", "<!-- templates: end -->\n"
CANDLES = generated_candles(7, 4_380)
"""Half a year of hours."""
_CELLS = 24


def backtest(spec: AlgorithmSpec) -> BacktestResult:
    costs = Costs.of_market(DEFAULT_MARKET, slippage_bps=2)
    return simulate(spec, CANDLES, market=DEFAULT_MARKET, costs=costs, settings=BacktestSettings())


def markdown() -> str:
    """Return the table."""
    return "".join(_rows())


def _rows() -> Iterator[str]:
    yield "| template | idea | trades | won | return | drawdown | equity |\n|---|---|---|---|---|---|---|\n"
    for each in templates():
        result = backtest(AlgorithmSpec.from_toml(each.text))
        found = result.metrics
        yield (
            f"| `{each.name}` | {each.idea} | {len(result.trades)} | {_percent(found.win_rate)} "
            f"| {_percent(found.total_return)} | {_percent(found.max_drawdown)} "
            f"| `{sparkline(result.equity.tolist(), _CELLS)}` |\n"
        )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{round(share * 100)} %"


def with_table(text: str) -> str:
    """Return a document with the table between the marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{markdown()}{END}{after}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
