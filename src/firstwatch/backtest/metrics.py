"""Metrics of a backtest or a run, in NumPy.

Ratios are those of empyrical-reloaded at ``periods = 365`` (a frozen table in the tests holds them):
daily returns by UTC day from marked equity, the first day's against the capital, a day without a bar
counts as unchanged; risk-free rate 0. Annualised ratios need 30 days. Whatever is not finite is None.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.record import BARS_AT_ONCE, TradeRecord, TradeTable
from firstwatch.strategy.core_settings import exit_reason
from firstwatch.trading.runs import ExitReason

DAYS_A_YEAR = 365
RATIO_DAYS = 30
"""UTC days that an annualised ratio needs."""
ANNUALISED = ("sharpe", "sortino", "calmar")
_NEEDS_DAYS = f"needs {RATIO_DAYS} days"
NEEDS = {
    "win_rate": "needs a trade",
    "profit_factor": "needs a losing trade",
    "expectancy": "needs a trade",
    "sharpe": f"{_NEEDS_DAYS}, not all alike",
    "sortino": f"{_NEEDS_DAYS}, one at a loss",
    "calmar": f"{_NEEDS_DAYS} and a drawdown",
    "average_trade": "needs a trade",
    "average_win": "needs a winning trade",
    "average_loss": "needs a losing trade",
    "largest_win": "needs a winning trade",
    "largest_loss": "needs a losing trade",
    "average_bars": "needs a trade",
}
"""What is missing for a metric that is None, by its name."""
MEANINGS = {
    "net_pnl": "realised: of closed trades only, net of fees and funding",
    "total_return": "of equity: with the open position, at its last mark",
}
"""The two results that differ while a position is open."""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Metrics:
    """Money in quote; every number is finite; None: not defined (``NEEDS``), or too large for a number.

    ``win_rate max_drawdown total_return exposure`` are fractions; drawdowns are positive,
    losses negative. A trade with a net PnL of 0 neither wins nor loses.
    """

    total_trades: int
    winning_trades: int
    losing_trades: int
    win_rate: float | None
    profit_factor: float | None
    """Sum of the wins / sum of the losses."""
    expectancy: float | None
    """win rate x average win + loss rate x average loss."""
    net_pnl: float | None
    total_return: float | None
    sharpe: float | None
    """Mean / sample deviation of the daily returns, x sqrt(365)."""
    sortino: float | None
    """Mean / sqrt(mean(min(r, 0)^2)) of the daily returns over all days, x sqrt(365)."""
    calmar: float | None
    """Compound return per 365 days / largest drawdown, both of the daily returns."""
    max_drawdown: float | None
    """Largest fall from a peak as a fraction of it, marked at every bar, the capital the first peak."""
    max_drawdown_usd: float | None
    """Largest fall from a peak, in quote."""
    max_drawdown_bars: int
    """Longest time below a peak, in bars; one that goes on counts up to the end."""
    average_trade: float | None
    average_win: float | None
    average_loss: float | None
    largest_win: float | None
    largest_loss: float | None
    average_bars: float | None
    fees: float | None
    funding: float | None
    slippage: float | None
    """Cost of slippage and spread, relative to the prices that triggered the fills, in quote."""
    exposure: float | None
    """Share of the bars that the position of a closed trade stood through to the close."""
    long_trades: int
    short_trades: int
    exit_reasons: dict[ExitReason, int]
    """How many trades ended by each reason that occurred."""


_FLOATS = tuple(entry.name for entry in fields(Metrics) if "float" in str(entry.type))


def compute_metrics(
    trades: Sequence[TradeRecord],
    time_ms: NDArray[np.int64],
    equity: NDArray[np.float64],
    capital: float,
    *,
    slippage: float,
) -> Metrics:
    """Return the metrics of closed trades and of equity marked at bars (open times, quote)."""
    # Values that overflow become None.
    with np.errstate(all="ignore"):
        found = _measure(trades, time_ms, equity, capital, slippage)
    lost: dict[str, Any] = {name: None for name in _FLOATS if not _is_finite(getattr(found, name))}
    return replace(found, **lost) if lost else found


def about(metrics: Metrics) -> dict[str, str]:
    """Return by name what a figure means, or, where it is not defined, what it needs."""
    return MEANINGS | {name: text for name, text in NEEDS.items() if getattr(metrics, name) is None}


def _is_finite(value: float | None) -> bool:
    return value is None or math.isfinite(value)


def _measure(
    trades: Sequence[TradeRecord],
    time_ms: NDArray[np.int64],
    equity: NDArray[np.float64],
    capital: float,
    slippage: float,
) -> Metrics:
    table = trades if isinstance(trades, TradeTable) else TradeTable.of(trades)
    pnl = table.column("pnl")
    wins = pnl[pnl > 0]
    losses = pnl[pnl < 0]
    count = len(pnl)
    held = int(table.column("bars_held").sum())
    returns = daily_returns(time_ms, equity, capital)
    reasons = np.bincount(table.column("reason").astype(np.int64)).tolist()
    long_trades = int((table.column("side") > 0).sum())
    average_win = _mean(wins)
    average_loss = _mean(losses)
    drawdown, drawdown_usd, drawdown_bars = _drawdowns(equity, capital)
    return Metrics(
        total_trades=count,
        winning_trades=len(wins),
        losing_trades=len(losses),
        win_rate=_ratio(len(wins), count),
        profit_factor=_ratio(float(wins.sum()), -float(losses.sum())),
        expectancy=_ratio(len(wins) * (average_win or 0.0) + len(losses) * (average_loss or 0.0), count),
        net_pnl=float(pnl.sum()),
        total_return=float(equity[-1]) / capital - 1 if len(equity) else 0.0,
        sharpe=_sharpe(returns),
        sortino=_sortino(returns),
        calmar=_calmar(returns),
        max_drawdown=drawdown,
        max_drawdown_usd=drawdown_usd,
        max_drawdown_bars=drawdown_bars,
        average_trade=_mean(pnl),
        average_win=average_win,
        average_loss=average_loss,
        largest_win=float(wins.max()) if len(wins) else None,
        largest_loss=float(losses.min()) if len(losses) else None,
        average_bars=_ratio(held, count),
        fees=float(table.column("fees").sum()),
        funding=float(table.column("funding").sum()),
        slippage=slippage,
        exposure=_ratio(held, len(equity)) or 0.0,
        long_trades=long_trades,
        short_trades=count - long_trades,
        exit_reasons={exit_reason(code): count for code, count in enumerate(reasons) if count},
    )


def count_days(time_ms: NDArray[np.int64]) -> int:
    """Return the UTC days from the first bar to the last (open times)."""
    return int(time_ms[-1] // _DAY_MS - time_ms[0] // _DAY_MS) + 1 if len(time_ms) else 0


def daily_returns(
    time_ms: NDArray[np.int64], equity: NDArray[np.float64], capital: float
) -> NDArray[np.float64]:
    """Return one return per UTC day from the first to the last; a day without a bar has 0. Times ascend.

    Equity that reaches 0 or less has no return: the series ends on that day with -1.
    """
    if not len(equity):
        return np.empty(0)
    first_day = int(time_ms[0]) // _DAY_MS
    # The bars before the end of each day; a day without one has as many as the day before.
    ends = np.searchsorted(time_ms, (first_day + 1 + np.arange(count_days(time_ms))) * _DAY_MS)
    days = np.flatnonzero(np.diff(ends, prepend=0))
    last = ends[days] - 1
    marks = np.concatenate([[capital], equity[last]])
    ruined = np.flatnonzero(marks <= 0)
    if len(ruined):
        marks = marks[: ruined[0] + 1]
        marks[-1] = 0.0
        days = days[: ruined[0]]
    returns = np.zeros(int(days[-1]) + 1)
    returns[days] = marks[1:] / marks[:-1] - 1
    return returns


def _drawdowns(equity: NDArray[np.float64], capital: float) -> tuple[float, float, int]:
    if not len(equity):
        return 0.0, 0.0, 0
    peak, deepest, most, at_peak = capital, np.float64(0.0), np.float64(0.0), [np.array([-1])]
    for begin in range(0, len(equity), BARS_AT_ONCE):
        part = equity[begin : begin + BARS_AT_ONCE]
        peaks = np.maximum.accumulate(part)
        np.maximum(peaks, peak, out=peaks)
        peak = peaks[-1]
        fall = peaks - part
        at_peak.append(np.flatnonzero(fall == 0) + begin)
        most = np.maximum(most, fall.max())
        np.divide(fall, peaks, out=fall)
        deepest = np.maximum(deepest, fall.max())
    # Distance between the points that are at a peak, the capital before them all: the bars between lie below.
    longest = int(np.diff(np.concatenate((*at_peak, [len(equity)]))).max()) - 1
    return float(deepest), float(most), longest


def _sharpe(returns: NDArray[np.float64]) -> float | None:
    if len(returns) < RATIO_DAYS:
        return None
    return _ratio(float(returns.mean()) * math.sqrt(DAYS_A_YEAR), float(returns.std(ddof=1)))


def _sortino(returns: NDArray[np.float64]) -> float | None:
    if len(returns) < RATIO_DAYS:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return _ratio(float(returns.mean()) * math.sqrt(DAYS_A_YEAR), downside)


def _calmar(returns: NDArray[np.float64]) -> float | None:
    if len(returns) < RATIO_DAYS:
        return None
    growth = np.cumprod(np.concatenate([[1.0], 1.0 + returns]))
    deepest = float((1 - growth / np.maximum.accumulate(growth)).max())
    # NumPy's power: it overflows to infinity, where Python's raises.
    per_year = float(np.float_power(growth[-1], DAYS_A_YEAR / len(returns))) - 1
    return _ratio(per_year, deepest)


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _ratio(value: float, over: float) -> float | None:
    """Return ``value / over``; None where it is not defined or not finite."""
    if over == 0:
        return None
    ratio = value / over
    return ratio if math.isfinite(ratio) else None
