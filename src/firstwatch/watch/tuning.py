"""When an algorithm needs tuning, and where to begin: four signs over weeks, a hint for each failed check.

A sign compares a stretch of the run with all stretches of the same length in its backtest, so that it has a
rate of its own: about one true stretch in twenty shows it. Signs are advice, not verdicts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.metrics import RATIO_DAYS, daily_returns
from firstwatch.backtest.sharpe_ratio import Sharpe, probabilistic_sharpe
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.text import counted
from firstwatch.trading.verdicts import DAY_MS, CheckName, Sign, SignName, Verdict
from firstwatch.trading.watch import WatchReport
from firstwatch.watch.weakest import Weakest
from firstwatch.watch.windows import STOP_REASONS

LEAST_DAYS = 7
"""Days that a window needs for any sign."""
_LEAST_EXITS = 10
_LEAST_STRETCHES = 20
_RATE = 0.05

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
"""Hints on what to look at, by check that is not ``CONSISTENT``."""
OF_INDICATORS = (CheckName.TRADE_FREQUENCY, CheckName.EDGE)
"""Checks whose hint names the indicator to swap, where it is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """The data that signs need, of a stretch of a run or of a whole backtest.

    ``time_ms``: open times of its bars, ``equity`` at their closes and ``capital`` before the first (quote);
    ``entry_ms``: when positions were opened, in order; ``exits``: why they were closed.
    """

    days: int
    """Whole days from the first open to the last close."""
    time_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    capital: float
    entry_ms: Sequence[int]
    exits: Sequence[ExitReason]


class BacktestLimits:
    """A backtest and the limits of its stretches, computed once per length. For one thread."""

    def __init__(self, record: Record) -> None:
        self.sharpe = Sharpe.of(daily_returns(record.time_ms, record.equity, record.capital))
        self.n_exits = len(record.exits)
        self.stops = sum(reason in STOP_REASONS for reason in record.exits)
        self._record = record
        self._limits: dict[int, _Limits | None] = {}

    def limits(self, days: int) -> "_Limits | None":
        """Return the limits of stretches of so many days, one begun on each day; None: too few of them."""
        if days not in self._limits:
            self._limits[days] = _limits(self._record, days)
        return self._limits[days]


@dataclass(frozen=True, slots=True)
class _Limits:
    """Limits, each exceeded by one stretch of the backtest in twenty."""

    drawdown: float
    entries: int


def hints(report: WatchReport, weakest: Weakest | None = None) -> dict[CheckName, str]:
    """Return the hint of each check that is ``WATCH`` or ``DIVERGED``, the worst first."""
    return {name: hint_of(name, weakest) for name in failed_checks(report)}


def failed_checks(report: WatchReport) -> list[CheckName]:
    """Return the checks that are ``WATCH`` or ``DIVERGED``, the worst first."""
    order = (Verdict.DIVERGED, Verdict.WATCH)
    failed = sorted(
        (check for check in report.checks if check.verdict in order),
        key=lambda check: order.index(check.verdict),
    )
    return [check.name for check in failed]


def hint_of(name: CheckName, weakest: Weakest | None) -> str:
    """Return the hint of a check; ``weakest``: of the run's algorithm, None: not known."""
    swap = f" {weakest.hint}" if weakest is not None and name in OF_INDICATORS else ""
    return HINTS[name] + swap


def tuning_signs(live: Record, test: BacktestLimits, weakest: Weakest | None = None) -> tuple[Sign, ...]:
    """Return the four signs of a stretch of ``LEAST_DAYS`` or more of a run against its backtest."""
    found = (_sharpe(live, test), *_of_stretch(live, test), _stops(live, test))
    return tuple(
        replace(each, hint=hint_of(each.name.check, weakest)) if each.is_present else each for each in found
    )


def unknown_signs(why: str) -> tuple[Sign, ...]:
    """Return the four signs where nothing is known, with the reason."""
    return tuple(Sign(name, None, why) for name in SignName)


def _sharpe(live: Record, test: BacktestLimits) -> Sign:
    name = SignName.SHARPE
    shown = Sharpe.of(daily_returns(live.time_ms, live.equity, live.capital))
    if shown is None or test.sharpe is None or shown.n < RATIO_DAYS:
        return Sign(name, None, f"Needs {RATIO_DAYS} days, not all alike.")
    probability = probabilistic_sharpe(shown, test.sharpe.ratio)
    text = (
        f"Sharpe ratio {shown.a_year:.2f}, the test's {test.sharpe.a_year:.2f}: that it truly reaches the "
        f"test's has a probability of {probability * 100:.0f} %."
    )
    return Sign(name, probability <= _RATE, text, shown.a_year, test.sharpe.a_year)


def _of_stretch(live: Record, test: BacktestLimits) -> tuple[Sign, Sign]:
    """Return the signs that compare with the test's stretches: drawdown and frequency."""
    limits = test.limits(live.days)
    if limits is None:
        stretches = f"{_LEAST_STRETCHES} stretches of {counted(live.days, 'day')}"
        text = f"The test is too short: it has fewer than {stretches}."
        return Sign(SignName.DRAWDOWN, None, text), Sign(SignName.FREQUENCY, None, text)
    of_stretches = f"95 % of the test's stretches of {counted(live.days, 'day')}"
    deepest = _depth(np.append(live.capital, live.equity))
    text = f"Drawdown {deepest * 100:.1f} %; {of_stretches} stay below {limits.drawdown * 100:.1f} %."
    drawdown = Sign(SignName.DRAWDOWN, deepest > limits.drawdown, text, deepest, limits.drawdown)
    n = len(live.entry_ms)
    text = f"{counted(n, 'entry', 'entries')}; {of_stretches} have at least {limits.entries}."
    return drawdown, Sign(SignName.FREQUENCY, n < limits.entries, text, float(n), float(limits.entries))


def _stops(live: Record, test: BacktestLimits) -> Sign:
    name = SignName.STOPS
    n, k = len(live.exits), sum(reason in STOP_REASONS for reason in live.exits)
    if n < _LEAST_EXITS or not test.n_exits:
        return Sign(name, None, f"Needs {_LEAST_EXITS} exits, and one of the test.")
    share = test.stops / test.n_exits
    is_present = k / n > 0.5 and at_least(k, n, share) <= _RATE
    text = f"{k} of {counted(n, 'exit')} by stop; in the test {share * 100:.0f} % of {test.n_exits}."
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


def _limits(test: Record, days: int) -> _Limits | None:
    begins = test.days - days + 1
    if begins < _LEAST_STRETCHES:
        return None
    begin_ms = test.time_ms[0] + np.arange(begins) * DAY_MS
    first = np.searchsorted(test.time_ms, begin_ms)
    end = np.searchsorted(test.time_ms, begin_ms + days * DAY_MS)
    marks = np.append(test.capital, test.equity)
    depths = [_depth(marks[low : high + 1]) for low, high in zip(first.tolist(), end.tolist(), strict=True)]
    entry_ms = np.asarray(test.entry_ms, dtype=np.int64)
    entries = np.searchsorted(entry_ms, begin_ms + days * DAY_MS) - np.searchsorted(entry_ms, begin_ms)
    return _Limits(
        drawdown=float(np.quantile(depths, 1 - _RATE, method="higher")),
        entries=int(np.quantile(entries, _RATE, method="lower")),
    )


def _depth(equity: NDArray[np.float64]) -> float:
    """Return the largest fall from a peak, as a fraction of it; 1 at most."""
    peaks = np.maximum.accumulate(equity)
    return float(np.minimum((peaks - equity) / peaks, 1).max()) if equity[0] > 0 else 0.0
