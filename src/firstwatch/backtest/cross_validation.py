"""Rolling cross-validation (walk-forward): is an algorithm as good on the bars that follow as on those
before?

1. The period, less its hold-out, is cut into k + 1 blocks of equally many bars. Fold i trains on the blocks 1
   to i, or on block i alone (sliding), and is tested on block i + 1.
2. Embargo: a test begins the warm-up of the indicators after the end of its training: all that an indicator
   needs for its first value lies in the block that is tested. It begins flat, with the whole capital.
3. With a ``fit`` each fold tests the algorithm that was fitted on its training bars; without one all folds
   test the same algorithm.
4. A fold is valued if a trade was closed in it and its days differ. The folds pass together if at least 60 %
   of the valued ones have a positive net PnL, the median of their daily mean by deviation (not annualised) is
   above 0, and no drawdown is above the limit. With fewer than three valued folds there is no verdict.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, stdev
from typing import Any, NamedTuple

from firstwatch.backtest.holdout import split_period
from firstwatch.backtest.metrics import Metrics, daily_returns
from firstwatch.backtest.result_json import metrics_json
from firstwatch.backtest.sharpe_ratio import Sharpe
from firstwatch.backtest.tester import Tester
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import counted

FOLDS = 6
MOST_FOLDS = 100
LEAST_VALUED = 3
LEAST_POSITIVE = 0.6
MAX_DRAWDOWN = 0.20
_SPREAD = (
    "net_pnl",
    "total_return",
    "daily_ratio",
    "sharpe",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "total_trades",
)

Progress = Callable[[float, str], None]
"""Callback with the share that is done (0 to 1), and the current step."""


class Span(NamedTuple):
    """Bars from ``from_ms`` up to, not including, ``to_ms`` (open times)."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """The algorithm that a fold's training has chosen, and the parameters in which it differs, by place."""

    spec: AlgorithmSpec
    parameters: Mapping[str, float] | None
    """None: nothing was fitted."""


Fit = Callable[[int, Span], Fitted]
"""Chooses an algorithm: the fold's number from 0, the bars that it may use."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold."""

    train: Span
    test: Span
    metrics: Metrics
    daily_ratio: float | None
    """Mean of the daily returns by their deviation, not annualised; None: fewer than two days that differ."""
    parameters: Mapping[str, float] | None = None
    """Parameters chosen on the training bars; None: nothing was fitted."""

    @property
    def is_valued(self) -> bool:
        """Whether its figures say anything."""
        return self.metrics.total_trades > 0 and self.daily_ratio is not None

    def figure(self, name: str) -> float | None:
        """Return a figure by its name: the daily ratio, or one of the metrics."""
        value: float | None = self.daily_ratio if name == "daily_ratio" else getattr(self.metrics, name)
        return value


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """All folds, and what they say together."""

    folds: tuple[Fold, ...]
    holdout: Span
    """The bars that were left out."""
    embargo_bars: int
    passed: bool | None
    """None: no verdict."""
    rule: str
    """The rule, with this cross-validation's figures."""


def cross_validate(
    tester: Tester,
    spec: AlgorithmSpec,
    *,
    count: int = FOLDS,
    is_sliding: bool = False,
    max_drawdown: float = MAX_DRAWDOWN,
    start_ms: int | None = None,
    end_ms: int | None = None,
    fit: Fit | None = None,
    progress: Progress = lambda _share, _step: None,
) -> CrossValidation:
    """Return ``count`` folds over the period from ``start_ms`` to ``end_ms``, less its hold-out.

    ``max_drawdown``: a fraction.

    Raises:
        WrongUseError: there are too few bars, or a fold is shorter than the warm-up; as ``Tester.run``.
    """
    plan = plan_folds(tester, spec, count=count, is_sliding=is_sliding, start_ms=start_ms, end_ms=end_ms)
    candles = tester.candles
    folds = []
    for number, (train, planned) in enumerate(plan.folds):
        progress(number / count, f"fold {number + 1} of {count}")
        fitted = Fitted(spec, None) if fit is None else fit(number, train)
        # Other numbers may need more bars to warm up.
        test = (
            planned
            if fit is None
            else _after_embargo(candles, train.to_ms, planned.to_ms, fitted.spec, count)
        )
        result = tester.run(fitted.spec, start_ms=test.from_ms, end_ms=test.to_ms)
        ratio = Sharpe.of(daily_returns(result.time_ms, result.equity, tester.capital))
        folds.append(
            Fold(
                train,
                test,
                result.metrics,
                None if ratio is None else ratio.ratio,
                fitted.parameters,
            )
        )
    passed, rule = judge_folds(folds, max_drawdown)
    return CrossValidation(tuple(folds), plan.holdout, plan.embargo_bars, passed, rule)


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """The spans of the folds: (training, test) of each."""

    folds: tuple[tuple[Span, Span], ...]
    holdout: Span
    embargo_bars: int


def plan_folds(
    tester: Tester,
    spec: AlgorithmSpec,
    *,
    count: int = FOLDS,
    is_sliding: bool = False,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> FoldPlan:
    """Return the spans of ``count`` folds, as ``cross_validate`` tests them.

    Raises:
        WrongUseError: there are too few bars in the period, or a fold is shorter than the warm-up.
    """
    if not 1 <= count <= MOST_FOLDS:
        raise WrongUseError(f"Choose 1 to {MOST_FOLDS} folds, not {count}.")
    candles = tester.candles
    period = split_period(candles, start_ms, end_ms)
    first, after = candles.index_at(period.start_ms), candles.index_at(period.holdout_ms)
    marks = [first + (after - first) * block // (count + 1) for block in range(count + 2)]
    blocks = [Span(int(candles.time_ms[begin]), int(candles.time_ms[end])) for begin, end in pairwise(marks)]
    folds = tuple(
        (
            Span((train if is_sliding else blocks[0]).from_ms, train.to_ms),
            _after_embargo(candles, test.from_ms, test.to_ms, spec, count),
        )
        for train, test in pairwise(blocks)
    )
    return FoldPlan(folds, Span(period.holdout_ms, period.end_ms), spec.warm_up_bars())


def _after_embargo(
    candles: CandleArrays, begin_ms: int, end_ms: int, spec: AlgorithmSpec, count: int
) -> Span:
    """Return the part of a block in which a fold is tested.

    Raises:
        WrongUseError: it has none, because the block is not longer than the warm-up.
    """
    begin, end = candles.index_at(begin_ms), candles.index_at(end_ms)
    embargo = spec.warm_up_bars()
    if end - begin <= embargo:
        raise WrongUseError(
            f"A fold of {counted(end - begin, 'bar')} is not longer than the warm-up of "
            f"{counted(embargo, 'bar')} that {spec.name} needs: choose fewer folds than {count}, or candles "
            "of a longer time."
        )
    return Span(int(candles.time_ms[begin + embargo]), end_ms)


def judge_folds(folds: Sequence[Fold], max_drawdown: float) -> tuple[bool | None, str]:
    """Return whether the folds pass the rule (None: no verdict), and the rule with their figures."""
    valued = [fold for fold in folds if fold.is_valued]
    if len(valued) < LEAST_VALUED:
        return None, (
            f"No verdict: {len(valued)} of {counted(len(folds), 'fold')} had a trade and days that differ, "
            f"and {LEAST_VALUED} are needed."
        )
    positive = sum((fold.metrics.net_pnl or 0) > 0 for fold in valued)
    ratio = median(fold.daily_ratio for fold in valued if fold.daily_ratio is not None)
    # A drawdown that is not defined is too large for a number.
    deepest = max(
        math.inf if fold.metrics.max_drawdown is None else fold.metrics.max_drawdown for fold in folds
    )
    passed = positive >= LEAST_POSITIVE * len(valued) and ratio > 0 and deepest <= max_drawdown
    return passed, (
        f"At least {LEAST_POSITIVE * 100:.0f} % of the folds must have a positive net PnL ({positive} of "
        f"{len(valued)} have), the median of their daily mean by deviation must be above 0 (it is "
        f"{ratio:.3f}), and no drawdown may be above {max_drawdown * 100:g} % (the largest is "
        f"{deepest * 100:.1f} %)."
    )


def spread_of(folds: Sequence[Fold]) -> dict[str, dict[str, float | int | None]]:
    """Return by figure its spread over the folds in which it is defined: ``folds`` is their number.

    ``deviation`` is that of a sample; None: fewer than two folds.
    """
    spread: dict[str, dict[str, float | int | None]] = {}
    for name in _SPREAD:
        values = [value for value in (fold.figure(name) for fold in folds) if value is not None]
        spread[name] = {
            "folds": len(values),
            "minimum": min(values, default=None),
            "median": median(values) if values else None,
            "mean": fmean(values) if values else None,
            "maximum": max(values, default=None),
            "deviation": stdev(values) if len(values) > 1 else None,
        }
    return spread


def to_json(found: CrossValidation) -> dict[str, Any]:
    """Return the object that ``firstwatch crossvalidate --json`` prints; times are ISO 8601 UTC."""
    return {
        "folds": [
            {
                "train": _span_json(fold.train),
                "test": _span_json(fold.test),
                "metrics": metrics_json(fold.metrics),
                "daily_ratio": fold.daily_ratio,
                "is_valued": fold.is_valued,
                **({} if fold.parameters is None else {"parameters": dict(fold.parameters)}),
            }
            for fold in found.folds
        ],
        "spread": spread_of(found.folds),
        "passed": found.passed,
        "rule": found.rule,
        "holdout": _span_json(found.holdout),
        "embargo_bars": found.embargo_bars,
    }


def _span_json(span: Span) -> list[str]:
    return [iso(span.from_ms), iso(span.to_ms)]
