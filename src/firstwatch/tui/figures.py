"""The figures of a result: their labels, and how the screen writes them."""

from collections.abc import Callable, Mapping

from firstwatch.tui import formats

Write = Callable[[float], str]


def money(value: float) -> str:
    """Return an amount that was won or lost."""
    return formats.money(value, signed=True)


def signed_percent(value: float) -> str:
    """Return a fraction that was won or lost."""
    return f"{formats.change(value)} %"


def percent(value: float) -> str:
    """Return a fraction."""
    return f"{value * 100:.1f} %"


def ratio(value: float) -> str:
    """Return a ratio."""
    return f"{value:.2f}"


def count(value: float) -> str:
    """Return a whole number."""
    return f"{value:,.0f}"


def probability(value: float) -> str:
    """Return a probability; a tiny one is not 0."""
    return "<0.001" if 0 < value < 0.001 else f"{value:.3f}"


FIGURES: Mapping[str, tuple[str, Write]] = {
    "net_pnl": ("Realised PnL", money),
    "total_return": ("Return", signed_percent),
    "market_change": ("Market change", signed_percent),
    "sharpe": ("Sharpe", ratio),
    "sortino": ("Sortino", ratio),
    "calmar": ("Calmar", ratio),
    "max_drawdown": ("Largest drawdown", percent),
    "total_trades": ("Trades", count),
    "win_rate": ("Won", percent),
    "profit_factor": ("Profit factor", ratio),
    "expectancy": ("Expectancy", money),
    "p_value": ("p of the mean trade", probability),
    "average_trade": ("Average trade", money),
    "average_win": ("Average win", money),
    "average_loss": ("Average loss", money),
    "largest_win": ("Largest win", money),
    "largest_loss": ("Largest loss", money),
    "average_bars": ("Bars held", ratio),
    "max_drawdown_bars": ("Below a peak, bars", count),
    "exposure": ("Time in position", percent),
    "long_trades": ("Long trades", count),
    "short_trades": ("Short trades", count),
    "fees": ("Fees", formats.money),
    "funding": ("Funding paid", formats.money),
    "slippage": ("Slippage", formats.money),
}
"""Names of metrics with their labels, in the order of the screen."""
WON_OR_LOST = frozenset({"net_pnl", "total_return", "market_change", "expectancy", "average_trade"})
