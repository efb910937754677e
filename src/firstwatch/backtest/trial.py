"""A trial of a study: the numbers that were tried, and what the test of them found."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.result_json import metrics_json
from firstwatch.backtest.tester import Tester
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.trials import TrialState

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What the test of one specification found."""

    metrics: dict[str, Any] | None
    """By the names that ``firstwatch backtest --json`` prints; None: it could not be tested."""
    daily_pnl: NDArray[np.float64] | None = None
    """In quote, one for each UTC day of the period; 0 before the first bar that was decided."""
    problem: str = ""
    """Why it could not be tested."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One set of numbers and its outcome; trials are counted from 0."""

    number: int
    parameters: dict[str, float]
    """Values by the names that the operator gave."""
    state: TrialState
    spec_sha256: str = ""
    """Empty where the numbers do not go together."""
    first_value: float | None = None
    """What is optimised, after the first part of the period; None: not looked at, or it has no value."""
    metrics: dict[str, Any] | None = None
    daily_pnl: NDArray[np.float64] | None = None


def tried(tester: Tester, spec: AlgorithmSpec, capital: float, start_ms: int, end_ms: int) -> Outcome:
    """Return what a study keeps of a specification, tested from ``start_ms`` up to ``end_ms``."""
    try:
        result = tester.run(spec, start_ms=start_ms, end_ms=end_ms)
    except WrongUseError as error:
        return Outcome(None, problem=str(error))
    pnl = daily_pnl(result.time_ms, result.equity, capital, start_ms, end_ms)
    return Outcome(metrics_json(result.metrics), pnl)


def daily_pnl(
    time_ms: NDArray[np.int64], equity: NDArray[np.float64], capital: float, start_ms: int, end_ms: int
) -> NDArray[np.float64]:
    """Return the change of equity on each UTC day from ``start_ms`` up to ``end_ms``, exclusive.

    ``time_ms`` (open times) and ``equity`` (quote) lie inside of that period. A day without a bar has 0.
    """
    first_day = start_ms // _DAY_MS
    changes = np.zeros(int((end_ms - 1) // _DAY_MS - first_day) + 1)
    days = time_ms // _DAY_MS - first_day
    last = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    changes[days[last]] = np.diff(equity[last], prepend=capital)
    return changes


def returns_of(pnl: NDArray[np.float64], capital: float) -> NDArray[np.float64]:
    """Return daily returns of daily PnL; they end with the day on which equity reaches 0, with -1."""
    before = capital + np.concatenate([[0.0], np.cumsum(pnl)[:-1]])
    ruined = np.flatnonzero(before + pnl <= 0)
    if len(ruined):
        pnl, before = pnl[: ruined[0] + 1].copy(), before[: ruined[0] + 1]
        pnl[-1] = -before[-1]
    returns: NDArray[np.float64] = pnl / before
    return returns
