"""A search for better numbers of an algorithm: which to try next, from what was found so far.

Trials are asked in rounds of eight. Each round begins with a fresh sampler (Optuna's TPE), seeded by the
study's seed and the number of the round, and an in-memory study that is rebuilt from the trials of the rounds
before, in their order. So a study depends on its definition alone: not on the number of workers, on which of
them was faster, or on where it was killed and resumed.

Trial 0 is the algorithm as it is, as near as the ranges come to it; the next ones are the starts that were
given. A specification that was tried before in the study is not tested again. What has no value of the
objective (no trade, numbers that do not go together) counts as worse than every trial that has one.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from firstwatch.backtest.metrics import Metrics
from firstwatch.backtest.trial import Outcome, Trial
from firstwatch.strategy.parameters import Parameter, with_values
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.numbers import decimal_of
from firstwatch.trading.text import quoted
from firstwatch.trading.trials import TrialState
from firstwatch.trading.validation import nearest

if TYPE_CHECKING:
    import optuna

ROUND = 8
"""Trials that are asked before the outcome of any is known."""
MOST_TRIALS = 10_000
FIRST_PART = 1 / 3
"""Share of the period after which a study that prunes looks at a trial."""
_LEARNED = 2 * ROUND
"""Trials that a study has completed before it gives up others."""

METRICS = tuple(entry.name for entry in fields(Metrics) if entry.name != "exit_reasons")
LOWER_IS_BETTER = frozenset(
    (
        *("max_drawdown", "max_drawdown_usd", "max_drawdown_bars", "losing_trades"),
        *("fees", "slippage", "exposure", "average_bars"),
    )
)
"""Metrics that are minimised; all others are maximised, losses too, which are negative."""

_CONSTRAINT = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a winner must keep, as ``max_drawdown<0.2``. A metric without a value does not keep it."""

    metric: str
    operator: str
    limit: float

    def violation(self, metrics: Mapping[str, Any]) -> float:
        """Return by how much it is broken; 0: it is kept."""
        value = metrics.get(self.metric)
        if value is None:
            return 1.0 + abs(self.limit)
        distance = float(value) - self.limit
        if self.operator.startswith(">"):
            distance = -distance
        is_kept = distance <= 0 if self.operator.endswith("=") else distance < 0
        return 0.0 if is_kept else max(distance, 1e-12)

    def __str__(self) -> str:
        return f"{self.metric}{self.operator}{self.limit:g}"


@dataclass(frozen=True, slots=True)
class Search:
    """The definition of a study."""

    spec: AlgorithmSpec
    parameters: tuple[Parameter, ...]
    trials: int
    """How many, in all."""
    objectives: tuple[str, ...] = ("sharpe",)
    """Names of one or two metrics."""
    constraints: tuple[Constraint, ...] = ()
    seed: int = 0
    starts: tuple[Mapping[str, float], ...] = ()
    """Values to begin with, by the parameters' names; one that is missing is the algorithm's own."""
    prunes: bool = False
    """Give up a trial that is below the median of the rounds before after a third of the period."""

    def values(self, metrics: Mapping[str, Any] | None) -> tuple[float, ...] | None:
        """Return what is optimised; None: a metric has no value."""
        found = [None if metrics is None else metrics.get(name) for name in self.objectives]
        return None if None in found else tuple(float(value) for value in found if value is not None)

    def is_feasible(self, trial: Trial) -> bool:
        """Return whether a trial has a value and keeps the constraints."""
        if trial.state is not TrialState.COMPLETE or trial.metrics is None:
            return False
        return not any(each.violation(trial.metrics) for each in self.constraints)

    def with_values(self, values: Mapping[str, float]) -> AlgorithmSpec:
        """Return the specification with these numbers, by the parameters' names.

        Raises:
            WrongUseError: they do not go together.
        """
        return with_values(self.spec, {each.place: values[each.name] for each in self.parameters})

    def signs(self) -> tuple[int, ...]:
        """Return 1 for each objective that is maximised, -1 for one that is minimised."""
        return tuple(-1 if name in LOWER_IS_BETTER else 1 for name in self.objectives)


Evaluate = Callable[[Sequence[AlgorithmSpec], float], Sequence[Outcome]]
"""Tests specifications over a first share of the period (1: all of it); outcomes come in their order."""


def parse_objectives(text: str) -> tuple[str, ...]:
    """Return the metrics of ``sharpe`` or ``sharpe,max_drawdown``.

    Raises:
        WrongUseError: one is no metric, or there are not one or two different ones.
    """
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        _require_metric(name)
    if len(names) > 2 or len(set(names)) < len(names):
        raise WrongUseError(f"{quoted(text)}: give one metric, or two different ones with a comma.")
    return names


def parse_constraint(text: str) -> Constraint:
    """Return the constraint of ``max_drawdown<0.2``.

    Raises:
        WrongUseError: it is not a metric, a comparison and a number.
    """
    found = _CONSTRAINT.fullmatch(text)
    if found is None:
        raise WrongUseError(f"{quoted(text)} is not a constraint: write one like max_drawdown<0.2.")
    metric, operator, limit = found.groups()
    _require_metric(metric)
    try:
        return Constraint(metric, operator, float(decimal_of(limit)))
    except ValueError as error:
        raise WrongUseError(f"{quoted(text)}: {error}.") from error


def _require_metric(name: str) -> None:
    if name not in METRICS:
        raise WrongUseError(f"{quoted(name)} is no metric{nearest(name, METRICS)} ({', '.join(METRICS)}).")


def run_study(
    search: Search,
    evaluate: Evaluate,
    *,
    known: Sequence[Trial] = (),
    keep: Callable[[Sequence[Trial]], None] = lambda _trials: None,
) -> tuple[Trial, ...]:
    """Return the trials of a study, as many as are wanted: the known ones, and those that are missing.

    ``known``: trials of this study, in any order. ``keep`` gets the new trials of each round, in their order,
    before the next round is asked; it may raise to end the study.

    Raises:
        FirstwatchError: Optuna is not installed.
    """
    library = load_optuna()
    told: list[Trial] = sorted(known, key=lambda trial: trial.number)
    while len(told) < search.trials:
        number = len(told) // ROUND
        before = told[: number * ROUND]
        proposed = _propose(library, search, number, before)
        here = range(len(told), min(search.trials, (number + 1) * ROUND))
        new = _test(search, evaluate, [(each, proposed[each % ROUND]) for each in here], told, before)
        keep(new)
        told += new
    return tuple(told[: search.trials])


def load_optuna() -> Any:
    """Return the library, silent.

    Raises:
        FirstwatchError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise FirstwatchError(
            "Optimising needs the library optuna; install firstwatch with it: "
            "pip install 'firstwatch[optimise]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def rebuilt(library: Any, search: Search, trials: Sequence[Trial], sampler: Any = None) -> "optuna.Study":
    """Return an in-memory study of Optuna with these trials."""
    directions = ["maximize" if sign > 0 else "minimize" for sign in search.signs()]
    study: optuna.Study = library.create_study(
        directions=directions, sampler=sampler or library.samplers.RandomSampler(seed=0)
    )
    study.add_trials([_frozen(library, search, trial) for trial in trials])
    return study


def winner(search: Search, trials: Sequence[Trial]) -> Trial | None:
    """Return the best trial that keeps the constraints, the first of equal ones; None: there is none.

    Of a study with one objective.
    """
    sign = search.signs()[0]
    feasible = [trial for trial in trials if search.is_feasible(trial)]
    return max(feasible, key=lambda trial: (sign * _values(search, trial)[0], -trial.number), default=None)


def pareto_front(search: Search, trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """Return the trials that no other one beats in both objectives, the best of the first objective first.

    They keep the constraints; of the same specification the first one is returned.
    """
    signs = np.array(search.signs())
    feasible = list(
        {trial.spec_sha256: trial for trial in reversed(trials) if search.is_feasible(trial)}.values()
    )
    points = np.array([_values(search, trial) for trial in feasible]).reshape(-1, len(signs)) * signs
    front = [
        (point, trial)
        for point, trial in zip(points, feasible, strict=True)
        if not (np.all(points >= point, axis=1) & np.any(points > point, axis=1)).any()
    ]
    front.sort(key=lambda each: (*(-each[0]).tolist(), each[1].number))
    return tuple(trial for _, trial in front)


# --- one round -------------------------------------------------------------------------------------


def _propose(library: Any, search: Search, number: int, before: Sequence[Trial]) -> list[dict[str, float]]:
    """Return the numbers of all trials of a round."""
    seed = int(np.random.SeedSequence((search.seed, number)).generate_state(1)[0])
    sampler = library.samplers.TPESampler(seed=seed, constant_liar=True)
    study = rebuilt(library, search, before, sampler)
    ranges = _ranges(library, search)
    starts = _starts(search)[number * ROUND : (number + 1) * ROUND]
    asked = [study.ask(ranges).params for _ in range(ROUND - len(starts))]
    return starts + [
        {each.name: each.value(params[each.place.name]) for each in search.parameters} for params in asked
    ]


def _starts(search: Search) -> list[dict[str, float]]:
    """Return the values to begin with, each the nearest of its range."""
    own = {each.name: each.place.value for each in search.parameters}
    return [
        {each.name: each.value(each.index((own | dict(start))[each.name])) for each in search.parameters}
        for start in ({}, *search.starts)
    ]


def _test(
    search: Search,
    evaluate: Evaluate,
    asked: Sequence[tuple[int, dict[str, float]]],
    told: Sequence[Trial],
    before: Sequence[Trial],
) -> list[Trial]:
    """Return the trials of these numbers, each new specification tested once."""
    found = {trial.spec_sha256: trial for trial in reversed(told) if trial.spec_sha256}
    new: list[Trial] = []
    specs: dict[str, AlgorithmSpec] = {}
    for number, values in asked:
        try:
            spec = search.with_values(values)
        except WrongUseError:
            new.append(Trial(number, values, TrialState.INVALID))
            continue
        sha256 = spec.sha256()
        if sha256 not in found:
            specs.setdefault(sha256, spec)
        new.append(Trial(number, values, TrialState.COMPLETE, sha256))
    for tested in _tested(search, evaluate, specs, before):
        found[tested.spec_sha256] = tested
    return [
        replace(found[trial.spec_sha256], number=trial.number, parameters=trial.parameters)
        if trial.spec_sha256
        else trial
        for trial in new
    ]


def _tested(
    search: Search, evaluate: Evaluate, specs: Mapping[str, AlgorithmSpec], before: Sequence[Trial]
) -> Iterator[Trial]:
    """Yield a trial, without its numbers, for each specification."""
    first: dict[str, float | None] = {}
    left = dict(specs)
    if search.prunes and specs:
        for sha256, outcome in zip(specs, evaluate(list(specs.values()), FIRST_PART), strict=True):
            values = search.values(outcome.metrics)
            first[sha256] = None if values is None else values[0]
            if _is_hopeless(search, first[sha256], before):
                yield Trial(-1, {}, TrialState.PRUNED, sha256, first[sha256])
                del left[sha256]
    if not left:
        return
    for (sha256, _), outcome in zip(left.items(), evaluate(list(left.values()), 1.0), strict=True):
        if outcome.metrics is None:
            state = TrialState.INVALID
        else:
            has_value = search.values(outcome.metrics) is not None
            state = TrialState.COMPLETE if has_value else TrialState.UNDEFINED
        yield Trial(-1, {}, state, sha256, first.get(sha256), outcome.metrics, outcome.daily_pnl)


def _is_hopeless(search: Search, value: float | None, before: Sequence[Trial]) -> bool:
    """Return whether a trial is worse after its first part than half of the completed ones were."""
    known = [
        trial.first_value
        for trial in before
        if trial.state is TrialState.COMPLETE and trial.first_value is not None
    ]
    if len(known) < _LEARNED:
        return False
    sign = search.signs()[0]
    return value is None or sign * value < sign * median(known)


# --- as Optuna sees it -----------------------------------------------------------------------------


def _ranges(library: Any, search: Search) -> dict[str, Any]:
    """Return the range of each parameter as the numbers of its values, by the name of its place.

    So every value is an exact decimal, and the way in which an operator writes a place changes nothing.
    """
    return {
        each.place.name: library.distributions.IntDistribution(0, each.count - 1)
        for each in search.parameters
    }


def _frozen(library: Any, search: Search, trial: Trial) -> Any:
    ranges = _ranges(library, search)
    params = {each.place.name: each.index(trial.parameters[each.name]) for each in search.parameters}
    states = library.trial.TrialState
    if trial.state is not TrialState.COMPLETE:
        reached = {} if trial.first_value is None else {0: trial.first_value}
        return library.trial.create_trial(
            state=states.PRUNED, params=params, distributions=ranges, intermediate_values=reached
        )
    metrics = trial.metrics or {}
    return library.trial.create_trial(
        state=states.COMPLETE,
        values=list(_values(search, trial)),
        params=params,
        distributions=ranges,
        constraints={str(each): each.violation(metrics) for each in search.constraints},
    )


def _values(search: Search, trial: Trial) -> tuple[float, ...]:
    values = search.values(trial.metrics)
    assert values is not None
    return values
