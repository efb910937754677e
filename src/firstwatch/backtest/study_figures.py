"""Figures of a study: what its winner is worth after so many trials, and what the parameters do."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.optimisation import Search, load_optuna, rebuilt
from firstwatch.backtest.overfitting import deflated_sharpe, minimum_backtest_days, overfitting_probability
from firstwatch.backtest.sharpe_ratio import Sharpe
from firstwatch.backtest.trial import Trial, returns_of
from firstwatch.strategy.parameters import Parameter
from firstwatch.trading.trials import TrialState

MOST_POINTS = 40
"""Points of a slice; where more values were tried, neighbours share one."""
MOST_CELLS = 16
"""Cells of a map along each side."""


@dataclass(frozen=True, slots=True)
class SlicePoint:
    """What was found at one value of a parameter, or at a few neighbours."""

    value: float
    """Their mean."""
    best: float
    median: float
    trials: int


@dataclass(frozen=True, slots=True)
class Map:
    """The best value of the objective over two parameters; None where nothing was tried."""

    x: tuple[float, ...]
    """Lowest value of each column."""
    y: tuple[float, ...]
    """Lowest value of each row."""
    best: tuple[tuple[float | None, ...], ...]
    """By row."""


def deflated(trial: Trial, trials: Sequence[Trial], capital: float, count: int) -> float | None:
    """Return the deflated Sharpe ratio of a trial after ``count`` specifications; None: it has none.

    All ratios are of the same days, those of the period.
    """
    if trial.daily_pnl is None:
        return None
    ratios = [Sharpe.of(returns_of(pnl, capital)) for pnl in _daily_pnl(trials)]
    known = np.array([ratio.ratio for ratio in ratios if ratio is not None])
    return deflated_sharpe(returns_of(trial.daily_pnl, capital), known, count)


def overfitting(trials: Sequence[Trial]) -> float | None:
    """Return the probability of backtest overfitting of the completed trials; None: there are too few."""
    columns = _daily_pnl(trials)
    return overfitting_probability(np.column_stack(columns)) if columns else None


def needed_days(trial: Trial, count: int) -> float | None:
    """Return the minimum backtest length of a trial's Sharpe ratio after ``count`` specifications."""
    ratio = None if trial.metrics is None else trial.metrics.get("sharpe")
    return None if ratio is None else minimum_backtest_days(count, ratio)


def importance(search: Search, trials: Sequence[Trial]) -> dict[str, float]:
    """Return each parameter's share in reaching the best tenth of the trials, the largest first.

    By PED-ANOVA (Watanabe, Bansal and Hutter 2023, "PED-ANOVA: efficiently quantifying hyperparameter
    importance in arbitrary subspaces"). Empty: fewer than two trials have a value.

    Raises:
        FirstwatchError: Optuna is not installed.
    """
    library = load_optuna()
    if sum(trial.state is TrialState.COMPLETE for trial in trials) < 2:
        return {}
    study = rebuilt(library, search, trials)
    names = {each.place.name: each.name for each in search.parameters}
    with warnings.catch_warnings():
        # It warns of few trials.
        warnings.simplefilter("ignore")
        found = library.importance.get_param_importances(study, params=list(names))
    shares = {names[place]: float(share) for place, share in found.items()}
    order = list(names.values())
    return dict(sorted(shares.items(), key=lambda item: (-item[1], order.index(item[0]))))


def slice_of(search: Search, trials: Sequence[Trial], name: str) -> tuple[SlicePoint, ...]:
    """Return what was found along one parameter, rising; of two objectives the first one."""
    sign = search.signs()[0]
    by_value: dict[float, list[float]] = {}
    for trial, value in _valued(search, trials):
        by_value.setdefault(trial.parameters[name], []).append(value)
    points = []
    for part in np.array_split(np.array(sorted(by_value)), min(MOST_POINTS, max(len(by_value), 1))):
        found = [value for each in part.tolist() for value in by_value[each]]
        if found:
            best = sign * max(sign * value for value in found)
            points.append(SlicePoint(float(part.mean()), best, median(found), len(found)))
    return tuple(points)


def map_of(search: Search, trials: Sequence[Trial], x: str, y: str) -> Map:
    """Return the best of the first objective over two parameters."""
    sign = search.signs()[0]
    by_name = {each.name: each for each in search.parameters}
    columns, rows = _edges(by_name[x]), _edges(by_name[y])
    best: list[list[float | None]] = [[None] * len(columns) for _ in rows]
    for trial, value in _valued(search, trials):
        column = int(np.searchsorted(columns, trial.parameters[x], side="right")) - 1
        row = int(np.searchsorted(rows, trial.parameters[y], side="right")) - 1
        known = best[row][column]
        best[row][column] = value if known is None else sign * max(sign * known, sign * value)
    return Map(tuple(columns), tuple(rows), tuple(map(tuple, best)))


def _edges(parameter: Parameter) -> list[float]:
    """Return the lowest value of each cell."""
    cells = min(MOST_CELLS, parameter.count)
    return [parameter.value(int(part[0])) for part in np.array_split(np.arange(parameter.count), cells)]


def _valued(search: Search, trials: Sequence[Trial]) -> list[tuple[Trial, float]]:
    found = ((trial, search.values(trial.metrics)) for trial in trials)
    return [(trial, values[0]) for trial, values in found if values is not None]


def _daily_pnl(trials: Sequence[Trial]) -> list[NDArray[np.float64]]:
    """Return the daily PnL of each specification that was completed, in the order of the trials."""
    distinct = {
        trial.spec_sha256: trial.daily_pnl
        for trial in reversed(trials)
        if trial.state is TrialState.COMPLETE and trial.daily_pnl is not None
    }
    return [pnl for pnl in reversed(distinct.values()) if pnl is not None]
