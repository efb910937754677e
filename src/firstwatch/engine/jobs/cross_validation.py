"""A rolling cross-validation of one algorithm; its result is a row that the launch checks look at.

With re-optimisation each fold has numbers of its own: then only the job has the result.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from firstwatch.backtest.cross_validation import (
    FOLDS,
    MOST_FOLDS,
    Fit,
    Fitted,
    Span,
    cross_validate,
    plan_folds,
    to_json,
)
from firstwatch.backtest.inputs import BacktestInput, BacktestRequest
from firstwatch.backtest.optimisation import (
    MOST_TRIALS,
    Search,
    load_optuna,
    parse_objectives,
    run_study,
    winner,
)
from firstwatch.backtest.trial import Outcome, Trial
from firstwatch.engine.jobs.analyses import save_analysis
from firstwatch.engine.jobs.context import Found, JobContext, Kind
from firstwatch.engine.jobs.executors import Workers, run_all
from firstwatch.engine.jobs.inputs import read_request
from firstwatch.engine.jobs.searched import Searched, try_one
from firstwatch.strategy.parameters import Parameter, parse_parameters, usual_parameters
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.jobs import JobKind

_READ = 0.1
"""Share of the work after which the candles are read."""


class Reoptimisation(BaseModel):
    """A search on the training bars of each fold, whose winner the fold tests."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    trials: int = Field(ge=1, le=MOST_TRIALS)
    """In each fold."""
    parameters: tuple[str, ...] = Field(default=(), max_length=50)
    """``NAME=LOW..HIGH[:STEP]`` each; without any, ``usual_parameters``."""
    objective: str = Field(default="sharpe", max_length=200)
    """One metric."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    workers: int | None = Field(default=None, ge=1, le=1_000)
    """None: as the settings say. The result is the same."""

    def parameters_of(self, spec: AlgorithmSpec) -> tuple[Parameter, ...]:
        """Return the numbers that are varied.

        Raises:
            WrongUseError: the algorithm has not one of them, or none at all.
        """
        return parse_parameters(self.parameters, spec) if self.parameters else usual_parameters(spec)

    def objectives(self) -> tuple[str]:
        """Return the metric that is improved.

        Raises:
            WrongUseError: it is none, or there are two.
        """
        found = parse_objectives(self.objective)
        if len(found) != 1:
            raise WrongUseError("Re-optimisation in folds improves one metric: give one.")
        return (found[0],)


class CrossValidationRequest(BaseModel):
    """A cross-validation as a job stores it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    test: BacktestRequest
    folds: int = Field(default=FOLDS, ge=1, le=MOST_FOLDS)
    is_sliding: bool = False
    """Train each fold on the block before its test alone."""
    reoptimisation: Reoptimisation | None = None
    """None: every fold tests the algorithm as it is."""

    def check(self) -> None:
        """Refuse what cannot be done, before anything is read.

        Raises:
            WrongUseError, FirstwatchError: a parameter or the metric is wrong, or Optuna is not installed.
        """
        if self.reoptimisation is not None:
            self.reoptimisation.parameters_of(self.test.spec)
            self.reoptimisation.objectives()
            load_optuna()


def run_cross_validation(request: CrossValidationRequest, job: JobContext) -> Found:
    """Test every fold and return what they say.

    Raises:
        WrongUseError, VenueError, StoreError: the algorithm, a parameter, the market or its candles cannot be
            used, or a fold is shorter than the warm-up.
        FirstwatchError: Optuna is not installed and is needed.
    """
    request.check()
    job.progress(0.0, "reading candles")
    given = read_request(job.settings, request.test, job.clock)
    how = request.reoptimisation
    if how is None:
        return _conclude(request, job, given, None)
    # Before the workers are there.
    plan_folds(
        given.tester(),
        given.spec,
        count=request.folds,
        is_sliding=request.is_sliding,
        start_ms=given.start_ms,
        end_ms=given.end_ms,
    )
    with job.workers(how.workers) as workers:
        return _conclude(request, job, given, _fit(request, how, job, given, workers))


def _conclude(
    request: CrossValidationRequest, job: JobContext, given: BacktestInput, fit: Fit | None
) -> Found:
    found = cross_validate(
        given.tester(),
        given.spec,
        count=request.folds,
        is_sliding=request.is_sliding,
        max_drawdown=job.settings.test.max_drawdown,
        start_ms=given.start_ms,
        end_ms=given.end_ms,
        fit=fit,
        progress=lambda share, step: job.progress(_READ + (1 - _READ) * share, step),
    )
    document = to_json(found)
    if fit is None:
        # Folds with numbers of their own say nothing about this version.
        with job.store.write() as session:
            save_analysis(
                session,
                JobKind.CROSS_VALIDATION,
                given,
                document,
                start_ms=found.folds[0].train.from_ms,
                end_ms=found.holdout.from_ms,
                job=job,
            )
    return Found(document, found.rule)


def _fit(
    request: CrossValidationRequest,
    how: Reoptimisation,
    job: JobContext,
    given: BacktestInput,
    workers: Workers,
) -> Fit:
    """Return the search that chooses a fold's numbers on its training bars.

    Where no trial has a value of the metric, the algorithm stays as it is.
    """
    parameters = how.parameters_of(given.spec)

    def fit(number: int, train: Span) -> Fitted:
        search = Search(given.spec, parameters, how.trials, how.objectives(), seed=how.seed + number)
        shared = Searched.of(given, train.from_ms, train.to_ms)

        def evaluate(specs: Sequence[AlgorithmSpec], share: float) -> list[Outcome]:
            return list(run_all(workers, shared, try_one, [(spec.canonical_json(), share) for spec in specs]))

        def keep(new: Sequence[Trial]) -> None:
            done = (number + (new[-1].number + 1) / how.trials) / request.folds
            step = f"fold {number + 1} of {request.folds}, trial {new[-1].number + 1} of {how.trials}"
            job.progress(_READ + (1 - _READ) * done, step)

        best = winner(search, run_study(search, evaluate, keep=keep))
        if best is None:
            return Fitted(given.spec, {each.name: each.place.value for each in parameters})
        return Fitted(search.with_values(best.parameters), best.parameters)

    return fit


KIND = Kind(
    CrossValidationRequest,
    run_cross_validation,
    is_long=lambda request: request.reoptimisation is not None,
)
