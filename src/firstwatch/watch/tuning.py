"""When an algorithm needs tuning, and where to begin: four signs over weeks, a hint for each failed check.

A sign compares a window of the run with all windows of the same length in its backtest, so that it has a rate
of its own: about one true window in twenty shows it. Signs are advice, not verdicts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.metrics import RATIO_DAYS, daily_returns
from firstwatch.backtest.record import TradeRecord
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.watch import DAY_MS, CheckName, Verdict, WatchReport
from firstwatch.watch.edge import Sharpe, probabilistic_sharpe

LEAST_DAYS = 7
"""Days that a window needs for any sign."""
_LEAST_EXITS = 10
_LEAST_WINDOWS = 20
_RATE = 0.05
_STOPS = frozenset({ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP})

HINTS = {
    CheckName.SIGNAL_PARITY: (
        "Look at the causes of the mismatches first: rejected and late orders are of the venue and the "
        "network, not of the algorithm; an unexplained one is a defect to report."
    ),
    CheckName.FILL_PRICES: (
        "Try limit entries instead of market orders, or a longer timeframe, so that a trade earns more than "
        "its fills cost; or test again with the slippage that was seen."
    ),
    CheckName.TRADE_FREQUENCY: (
        "Look at the thresholds of the entry conditions and at the length of their indicators: fitted to one "
        "stretch of the market, they are met too seldom or too often in another."
    ),
    CheckName.DRAWDOWN: (
        "Make the position smaller (sizing, leverage) or the stop nearer, and set a drawdown guard; test "
        "again with the costs that were seen."
    ),
    CheckName.EXITS: (
        "The stop may lie within the noise of the market: try it wider, or in units of the ATR, with a "
        "smaller position."
    ),
    CheckName.COSTS: "Enter the fees and the funding that are paid into the backtest, and test again.",
    CheckName.EDGE: (
        "The edge of the backtest is not there: test on candles that it was not fitted to, with fewer "
        "conditions, before more money goes in."
    ),
}
"""What to look at where a check is not consistent."""


class SignName(StrEnum):
    """The four signs."""

    SHARPE = "Sharpe ratio below the test's"
    DRAWDOWN = "drawdown larger than the test's"
    FREQUENCY = "trades too few"
    STOPS = "most exits by stop"


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign over a window; ``is_present`` None: not enough is known."""

    name: SignName
    is_present: bool | None
    sentence: str
    live: float | None = None
    test: float | None = None
    """What the sign's limit is: beyond it lies one window of the test in twenty."""


@dataclass(frozen=True, slots=True)
class Record:
    """What signs read of a run's window or of a whole backtest: equity at closes (open times), its trades.

    ``capital``: equity at the begin; times in ms, equity in quote.
    """

    time_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    capital: float
    trades: Sequence[TradeRecord]

    @property
    def days(self) -> int:
        """Whole days from the first close to the last."""
        return int((self.time_ms[-1] - self.time_ms[0]) // DAY_MS) if len(self.time_ms) else 0


def hints(report: WatchReport) -> tuple[str, ...]:
    """Return the hint of each check that is ``WATCH`` or ``DIVERGED``, the worst first."""
    order = (Verdict.DIVERGED, Verdict.WATCH)
    failed = sorted(
        (check for check in report.checks if check.verdict in order),
        key=lambda check: order.index(check.verdict),
    )
    return tuple(HINTS[check.name] for check in failed)


def tuning_signs(live: Record, test: Record) -> tuple[Sign, ...]:
    """Return the four signs of a run's window against its backtest."""
    if live.days < LEAST_DAYS:
        return tuple(Sign(name, None, f"Needs {LEAST_DAYS} days.") for name in SignName)
    return (_sharpe(live, test), _drawdown(live, test), _frequency(live, test), _stops(live, test))


def _sharpe(live: Record, test: Record) -> Sign:
    name = SignName.SHARPE
    shown = Sharpe.of(daily_returns(live.time_ms, live.equity, live.capital))
    promised = Sharpe.of(daily_returns(test.time_ms, test.equity, test.capital))
    if shown is None or promised is None or shown.n < RATIO_DAYS:
        return Sign(name, None, f"Needs {RATIO_DAYS} days, not all alike.")
    probability = probabilistic_sharpe(shown, promised.ratio)
    text = (
        f"Sharpe ratio {shown.a_year:.2f}, the test's {promised.a_year:.2f}: that it truly reaches the "
        f"test's has a probability of {probability * 100:.0f} %."
    )
    return Sign(name, probability <= _RATE, text, shown.a_year, promised.a_year)


def _drawdown(live: Record, test: Record) -> Sign:
    name = SignName.DRAWDOWN
    windows = _windows(test, live.days)
    if len(windows) < _LEAST_WINDOWS:
        return _too_short(name)
    depths = [_depth(test.equity[first:end]) for first, end in windows]
    limit = float(np.quantile(depths, 1 - _RATE))
    deepest = _depth(np.concatenate([[live.capital], live.equity]))
    text = f"Drawdown {deepest * 100:.1f} %; 95 % of the test's stretches of {live.days} days stay below "
    return Sign(name, deepest > limit, f"{text}{limit * 100:.1f} %.", deepest, limit)


def _frequency(live: Record, test: Record) -> Sign:
    name = SignName.FREQUENCY
    windows = _windows(test, live.days)
    if len(windows) < _LEAST_WINDOWS:
        return _too_short(name)
    entries = np.sort([trade.entry_time_ms for trade in test.trades])
    begins = np.array([test.time_ms[first] for first, _ in windows])
    counts = np.searchsorted(entries, begins + live.days * DAY_MS) - np.searchsorted(entries, begins)
    limit = float(np.quantile(counts, _RATE))
    n = len(live.trades)
    text = f"{n} trades; 95 % of the test's stretches of {live.days} days have at least {limit:.0f}."
    return Sign(name, n < limit, text, float(n), limit)


def _stops(live: Record, test: Record) -> Sign:
    name = SignName.STOPS
    n, k = len(live.trades), sum(trade.reason in _STOPS for trade in live.trades)
    if n < _LEAST_EXITS or not test.trades:
        return Sign(name, None, f"Needs {_LEAST_EXITS} exits, and one of the test.")
    share = sum(trade.reason in _STOPS for trade in test.trades) / len(test.trades)
    is_present = k / n > 0.5 and at_least(k, n, share) <= _RATE
    text = f"{k} of {n} exits by stop; in the test {share * 100:.0f} % of {len(test.trades)}."
    return Sign(name, is_present, text, k / n, share)


def at_least(k: int, n: int, probability: float) -> float:
    """Return the probability of at least ``k`` of ``n`` independent events (the binomial distribution)."""
    if probability in (0.0, 1.0):
        return float(k <= n * probability)
    terms = (
        math.lgamma(n + 1)
        - math.lgamma(i + 1)
        - math.lgamma(n - i + 1)
        + i * math.log(probability)
        + (n - i) * math.log1p(-probability)
        for i in range(k, n + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def _windows(test: Record, days: int) -> list[tuple[int, int]]:
    """Return the first bar and the end of each stretch of so many days, one for each day of the test."""
    if test.days < days:
        return []
    begins = test.time_ms[0] + np.arange(test.days - days + 1) * DAY_MS
    firsts = np.searchsorted(test.time_ms, begins)
    ends = np.searchsorted(test.time_ms, begins + days * DAY_MS)
    return [(first, end) for first, end in zip(firsts.tolist(), ends.tolist(), strict=True) if end > first]


def _depth(equity: NDArray[np.float64]) -> float:
    peaks = np.maximum.accumulate(equity)
    return float(((peaks - equity) / peaks).max()) if len(equity) and peaks[0] > 0 else 0.0


def _too_short(name: SignName) -> Sign:
    return Sign(name, None, f"The test is too short: it has fewer than {_LEAST_WINDOWS} such stretches.")
