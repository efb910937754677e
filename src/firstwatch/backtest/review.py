"""What the metrics of a test do not say by themselves: what to hold them against, and when it went badly.

Times are open times of bars, UTC; the capital is the first mark, at the open of the first bar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.mean_test import mean_above_zero
from firstwatch.backtest.metrics import Metrics
from firstwatch.backtest.record import TradeRecord
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.clock import iso
from firstwatch.trading.runs import ExitReason

LEAST_WIN_RATE = 0.40
LEAST_PROFIT_FACTOR = 1.5
LEAST_SHARPE = 1.0
MOST_DRAWDOWN = 0.20
WORST = 5
"""How many drawdowns are listed."""
_DAY_MS = 86_400_000
_MONTHS_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class Reference:
    """A metric and the range that it is expected in."""

    name: str
    """The metric's name in ``Metrics``."""
    value: float | None
    expected: str
    is_within: bool | None
    """None: the metric is not defined."""


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall of equity from a peak until the peak is reached again."""

    peak_ms: int
    trough_ms: int
    recovered_ms: int | None
    """The first bar that is not below the peak; None: it goes on."""
    depth: float
    """Fraction of the peak."""


@dataclass(frozen=True, slots=True)
class MonthReturn:
    """Return of the equity in one UTC month, a fraction."""

    year: int
    month: int
    value: float


@dataclass(frozen=True, slots=True)
class ExitFigures:
    """The trades that ended by one reason; money in quote, net."""

    reason: ExitReason
    trades: int
    net_pnl: float
    average_trade: float
    average_bars: float


@dataclass(frozen=True, slots=True, eq=False)
class Review:
    """What stands beside the metrics of a test."""

    references: tuple[Reference, ...]
    market_change: float
    """Change of the price from the first bar's open to the last one's close, a fraction."""
    mean_trade_p_value: float | None
    """Probability of so large a mean trade by chance alone (one-sided t-test); None: fewer than two
    trades."""
    drawdowns: tuple[Drawdown, ...]
    """The worst, the deepest first."""
    months: tuple[MonthReturn, ...]
    """Every month from the first to the last."""
    exits: tuple[ExitFigures, ...]
    """By reason, the most frequent first."""
    underwater: NDArray[np.float64]
    """Fall from the peak at each close, a fraction, not negative."""


def review(
    records: Sequence[TradeRecord],
    time_ms: NDArray[np.int64],
    equity: NDArray[np.float64],
    metrics: Metrics,
    *,
    capital: float,
    candles: CandleArrays,
) -> Review:
    """Return the review of a test with at least one bar.

    ``time_ms``, ``equity``: of each bar of the test. ``candles``: those of the test, or more.
    """
    pnl = np.array([record.pnl for record in records], dtype=np.float64)
    test = mean_above_zero(pnl)
    fall = underwater(equity, capital)
    first, last = candles.index_at(int(time_ms[0])), candles.index_at(int(time_ms[-1]))
    return Review(
        references_of(metrics),
        float(candles.close[last] / candles.open[first] - 1),
        None if test is None else test.p_value,
        worst_drawdowns(time_ms, fall),
        monthly_returns(time_ms, equity, capital),
        exit_figures(records),
        fall,
    )


def references_of(metrics: Metrics) -> tuple[Reference, ...]:
    """Return the metrics that have a reference range.

    The win rate is held against the one at which wins and losses of the average size cancel out, once both
    are known: ``1 / (1 + reward to risk)``, reward to risk being average win by average loss.
    """
    least, words = LEAST_WIN_RATE, f"above {LEAST_WIN_RATE * 100:.0f} %"
    if metrics.average_win and metrics.average_loss:
        reward = metrics.average_win / -metrics.average_loss
        least = 1 / (1 + reward)
        words += f" as a rule; above {least * 100:.0f} % at this reward to risk of {reward:.2f}"
    ranges = (
        ("win_rate", metrics.win_rate, words, least, 1),
        ("profit_factor", metrics.profit_factor, f"above {LEAST_PROFIT_FACTOR:g}", LEAST_PROFIT_FACTOR, 1),
        ("sharpe", metrics.sharpe, f"above {LEAST_SHARPE:g}", LEAST_SHARPE, 1),
        ("max_drawdown", metrics.max_drawdown, f"below {MOST_DRAWDOWN * 100:.0f} %", MOST_DRAWDOWN, -1),
    )
    return tuple(
        Reference(name, value, expected, None if value is None else sign * value > sign * bound)
        for name, value, expected, bound, sign in ranges
    )


def underwater(equity: NDArray[np.float64], capital: float) -> NDArray[np.float64]:
    """Return the fall from the peak at each close, a fraction; the capital is the first peak."""
    peaks = np.maximum(np.maximum.accumulate(equity), capital)
    fall: NDArray[np.float64] = (peaks - equity) / peaks
    return fall


def worst_drawdowns(
    time_ms: NDArray[np.int64], fall: NDArray[np.float64], count: int = WORST
) -> tuple[Drawdown, ...]:
    """Return the deepest drawdowns, the deepest first; equal ones in their order."""
    below = fall > 0
    edges = np.diff(np.concatenate([[False], below, [False]]).astype(np.int8))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(begins):
        return ()
    depths = np.maximum.reduceat(fall, begins)
    found = []
    for place in np.argsort(-depths, kind="stable")[:count].tolist():
        begin, end = int(begins[place]), int(ends[place])
        found.append(
            Drawdown(
                # Below from the first bar on: the capital was the peak.
                int(time_ms[max(begin - 1, 0)]),
                int(time_ms[begin + int(np.argmax(fall[begin:end]))]),
                int(time_ms[end]) if end < len(time_ms) else None,
                float(depths[place]),
            )
        )
    return tuple(found)


def monthly_returns(
    time_ms: NDArray[np.int64], equity: NDArray[np.float64], capital: float
) -> tuple[MonthReturn, ...]:
    """Return the return of each UTC month; one without a bar has 0.

    Equity that reaches 0 or less has no return: the months end with the one in which it did, at -1.
    """
    months = time_ms.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    last = np.append(np.flatnonzero(np.diff(months)), len(months) - 1)
    marks = dict(zip(months[last].tolist(), equity[last].tolist(), strict=True))
    found, before = [], capital
    for month in range(int(months[0]), int(months[-1]) + 1):
        mark = marks.get(month, before)
        value = mark / before - 1 if mark > 0 else -1.0
        found.append(MonthReturn(1970 + month // _MONTHS_A_YEAR, month % _MONTHS_A_YEAR + 1, value))
        if mark <= 0:
            break
        before = mark
    return tuple(found)


def exit_figures(records: Sequence[TradeRecord]) -> tuple[ExitFigures, ...]:
    """Return the figures of the trades by the reason of their exit, the most frequent first."""
    by_reason: dict[ExitReason, list[TradeRecord]] = {}
    for record in records:
        by_reason.setdefault(record.reason, []).append(record)
    order = list(ExitReason)
    return tuple(
        ExitFigures(
            reason,
            len(found),
            net := sum(record.pnl for record in found),
            net / len(found),
            sum(record.bars_held for record in found) / len(found),
        )
        for reason, found in sorted(by_reason.items(), key=lambda each: (-len(each[1]), order.index(each[0])))
    )


def review_json(found: Review, time_ms: NDArray[np.int64]) -> dict[str, Any]:
    """Return the review for JSON; times are ISO 8601 UTC.

    ``underwater``: for each UTC day with a bar its date and its deepest fall.
    """
    days = time_ms // _DAY_MS
    first = np.concatenate([[0], np.flatnonzero(np.diff(days)) + 1])
    deepest = np.maximum.reduceat(found.underwater, first)
    dates = np.datetime_as_string(days[first].astype("datetime64[D]")).tolist()
    return {
        "references": [
            {
                "metric": each.name,
                "value": each.value,
                "expected": each.expected,
                "is_within": each.is_within,
            }
            for each in found.references
        ],
        "market_change": found.market_change,
        "mean_trade_p_value": found.mean_trade_p_value,
        "drawdowns": [
            {
                "peak": iso(each.peak_ms),
                "trough": iso(each.trough_ms),
                "recovered": None if each.recovered_ms is None else iso(each.recovered_ms),
                "depth": each.depth,
            }
            for each in found.drawdowns
        ],
        "months": [{"month": f"{each.year}-{each.month:02}", "return": each.value} for each in found.months],
        "exits": [
            {
                "reason": each.reason.value,
                "trades": each.trades,
                "net_pnl": each.net_pnl,
                "average_trade": each.average_trade,
                "average_bars": each.average_bars,
            }
            for each in found.exits
        ],
        "underwater": list(zip(dates, deepest.tolist(), strict=True)),
    }
