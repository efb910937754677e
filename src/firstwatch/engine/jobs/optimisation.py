"""An optimisation: a study of trials, gone on with from its rows; its winner, and what it is worth.

The trials get the candles before the hold-out and no others. The winner alone is tested on the hold-out, once
the study is complete.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from firstwatch.backtest import study_figures
from firstwatch.backtest.baseline import costs_json
from firstwatch.backtest.holdout import split_period
from firstwatch.backtest.inputs import BacktestInput
from firstwatch.backtest.optimisation import Search, load_optuna, pareto_front, run_study, winner
from firstwatch.backtest.overfitting import overfitting_words
from firstwatch.backtest.tester import Tester
from firstwatch.backtest.trial import Outcome, Trial, tried
from firstwatch.engine.jobs.context import Found, JobContext, Kind
from firstwatch.engine.jobs.executors import Workers, run_all
from firstwatch.engine.jobs.inputs import read_request
from firstwatch.engine.jobs.searched import Searched, get_ready, try_one
from firstwatch.engine.jobs.studies import (
    OptimisationRequest,
    StudyDefinition,
    known_trials,
    stored_trial,
)
from firstwatch.market.packed import History, fingerprint, until
from firstwatch.store.algorithms import add_version
from firstwatch.store.studies import (
    Study,
    add_study,
    add_trials,
    count_tried,
    count_uses,
    find_study,
    record_tried,
    redefine_study,
)
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import counted, quoted
from firstwatch.trading.trials import TrialOrigin

_READ, _TESTED = 0.02, 0.97
"""Shares of the work after which the candles are read, and all trials are made."""


def run_optimisation(request: OptimisationRequest, job: JobContext) -> Found:
    """Make the trials that the study does not have yet, and return what it has found.

    Raises:
        WrongUseError, VenueError, StoreError: the algorithm, a parameter, the market or its candles cannot be
            used, or the study was made with something else.
        FirstwatchError: Optuna is not installed.
    """
    load_optuna()
    request.search()
    if request.save is not None:
        _renamed(request.test.spec, request.save)
    job.progress(0.0, "reading candles")
    with job.workers(request.workers) as workers:
        workers.start(get_ready)
        opened = _open_study(job, request, read_request(job.settings, request.test, job.clock))
        trials = _make_trials(opened, workers)
    job.progress(_TESTED, "comparing trials")
    return _conclude(opened, trials)


KIND = Kind(OptimisationRequest, run_optimisation)


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """A study at work."""

    job: JobContext
    request: OptimisationRequest
    given: BacktestInput
    study: Study
    definition: StudyDefinition

    @property
    def search(self) -> Search:
        """Its definition; parameters have the names of the study, however they are written now."""
        return self.definition.request.model_copy(update={"trials": self.request.trials}).search()

    @property
    def capital(self) -> float:
        return float(self.given.settings.capital)


def _open_study(job: JobContext, request: OptimisationRequest, given: BacktestInput) -> _Opened:
    """Return the study of that name, made now if there is none.

    Raises:
        WrongUseError: it was made with something else.
    """
    name = request.study or f"job {job.number}"
    with job.store.read() as session:
        known = find_study(session, name)
    if known is None:
        definition = _define(request, given, given.end_ms)
        with job.store.write() as session:
            study = add_study(session, name, definition.model_dump_json(), now_ms=job.clock.now_ms())
        return _Opened(job, request, given, study, definition)
    with job.store.read() as session:
        is_begun = bool(known_trials(session, known.id))
    if not is_begun:
        # It came to nothing, perhaps for lack of candles; it is what is asked for now.
        definition = _define(request, given, given.end_ms)
        with job.store.write() as session:
            redefine_study(session, known.id, definition.model_dump_json())
        return _Opened(job, request, given, known, definition)
    definition = StudyDefinition.read(known)
    # Candles that have come since are no part of it, unless another end is asked for.
    end_ms = definition.end_ms if given.end_ms is None else given.end_ms
    if others := definition.differences(_define(request, given, end_ms)):
        listed = " and ".join(filter(None, (", ".join(others[:-1]), others[-1])))
        raise WrongUseError(
            f"The study {quoted(name)} was made with other {listed}; give the same, or another "
            "--study to begin a new one."
        )
    return _Opened(job, request, given, known, definition)


def _define(request: OptimisationRequest, given: BacktestInput, end_ms: int | None) -> StudyDefinition:
    split = split_period(given.file.candles, given.start_ms, end_ms)
    return StudyDefinition(
        request=request,
        symbol=given.symbol,
        timeframe=given.spec.timeframe,
        start_ms=split.start_ms,
        holdout_ms=split.holdout_ms,
        end_ms=split.end_ms,
        candles=fingerprint(until(History(given.file.candles, given.funding), split.end_ms)),
        market_json=given.market.model_dump_json(),
        costs_json=costs_json(given.costs),
    )


def _make_trials(opened: _Opened, workers: Workers) -> tuple[Trial, ...]:
    job, study, definition, search = opened.job, opened.study, opened.definition, opened.search
    with job.store.read() as session:
        known = known_trials(session, study.id)
    shared = Searched.of(
        opened.given,
        definition.start_ms,
        definition.holdout_ms,
        tests=-(-max(search.trials - len(known), 1) // workers.count),
    )
    made = len(known)

    def show() -> None:
        share = _READ + (_TESTED - _READ) * min(made / search.trials, 1.0)
        job.progress(share, f"trial {min(made + 1, search.trials)} of {search.trials}")

    def keep(new: Sequence[Trial]) -> None:
        nonlocal made
        with job.store.write() as session:
            add_trials(
                session,
                study.id,
                [stored_trial(trial) for trial in new],
                definition.searched,
                costs_json=definition.costs_json,
                now_ms=job.clock.now_ms(),
            )
        made = new[-1].number + 1
        show()

    def evaluate(specs: Sequence[AlgorithmSpec], share: float) -> list[Outcome]:
        asked = [(spec.canonical_json(), share) for spec in specs]
        outcomes = list(run_all(workers, shared, try_one, asked))
        if made == 0 and all(each.problem for each in outcomes):
            # Not the numbers of these are wrong, but what all trials share.
            raise WrongUseError(outcomes[0].problem)
        return outcomes

    show()
    return run_study(search, evaluate, known=known, keep=keep)


def _conclude(opened: _Opened, trials: Sequence[Trial]) -> Found:
    """Compare the trials, test the winner on the hold-out, save it where that is wanted."""
    job, search, capital = opened.job, opened.search, opened.capital
    with job.store.read() as session:
        count = count_tried(session, opened.definition.searched)
    has_one = len(search.objectives) == 1
    best = winner(search, trials) if has_one else None
    front = () if has_one else pareto_front(search, trials)
    deflated = None if best is None else study_figures.deflated(best, trials, capital, count)
    overfitting = study_figures.overfitting(trials)
    days = None if best is None else study_figures.needed_days(best, count)
    saved = None
    if best is not None and opened.request.save is not None:
        spec = _renamed(search.with_values(best.parameters), opened.request.save)
        with job.store.write() as session:
            version = add_version(
                session,
                spec.name,
                spec.canonical_json(),
                spec.sha256(),
                now_ms=job.clock.now_ms(),
                parent_id=opened.request.test.version_id,
            )
        saved = version.label
    result = {
        "best": None if best is None else _point(best) | {"value": _values(search, best)[0]},
        "trials": len(trials),
        "counted_trials": count,
        "deflated_sharpe": deflated,
        "overfitting_probability": overfitting,
        "minimum_backtest_days": days,
        "holdout": _hold_out(opened, best),
        "importance": study_figures.importance(search, trials),
        "pareto": [
            _point(trial)
            | {
                "values": list(_values(search, trial)),
                "deflated_sharpe": study_figures.deflated(trial, trials, capital, count),
            }
            for trial in front
        ],
        "study": opened.study.name,
        "words": _words(best, front, deflated, overfitting, count, has_one=has_one),
        "saved": saved,
    }
    return Found(result, _sentence(search, trials, best, front, saved))


def _hold_out(opened: _Opened, best: Trial | None) -> dict[str, Any]:
    """Return what the winner does on the hold-out, and how often that was used before."""
    job, definition, given = opened.job, opened.definition, opened.given
    spec_sha256 = "" if best is None else best.spec_sha256
    with job.store.write() as session:
        used = count_uses(session, definition.held_out, study_id=opened.study.id, spec_sha256=spec_sha256)
        if best is not None:
            # Entered before it is looked at.
            record_tried(
                session,
                TrialOrigin.HOLDOUT,
                [spec_sha256],
                definition.held_out,
                costs_json=definition.costs_json,
                now_ms=job.clock.now_ms(),
                study_id=opened.study.id,
            )
    if best is None:
        return {"metrics": None, "used_before": used}
    history = until(History(given.file.candles, given.funding), definition.end_ms)
    tester = Tester(
        history.candles,
        market=given.market,
        costs=given.costs,
        settings=given.settings,
        funding=history.funding,
    )
    spec = opened.search.with_values(best.parameters)
    outcome = tried(tester, spec, opened.capital, definition.holdout_ms, definition.end_ms)
    return {"metrics": outcome.metrics, "used_before": used}


def _point(trial: Trial) -> dict[str, Any]:
    return {"parameters": trial.parameters, "metrics": trial.metrics}


def _values(search: Search, trial: Trial) -> tuple[float, ...]:
    values = search.values(trial.metrics)
    assert values is not None
    return values


def _words(
    best: Trial | None,
    front: Sequence[Trial],
    deflated: float | None,
    overfitting: float | None,
    count: int,
    *,
    has_one: bool,
) -> str:
    """Return in a sentence or two what the figures say."""
    if (has_one and best is None) or (not has_one and not front):
        return "No trial has a value and keeps the constraints."
    if not has_one:
        return f"{counted(len(front), 'point')} that no other trial beats in both; choose one."
    return overfitting_words(deflated, overfitting, count)


def _sentence(
    search: Search, trials: Sequence[Trial], best: Trial | None, front: Sequence[Trial], saved: str | None
) -> str:
    done = counted(len(trials), "trial")
    if best is not None:
        end = f", saved as {saved}" if saved else ""
        return f"{done}, best {search.objectives[0]} {_values(search, best)[0]:,.4g}{end}"
    if front:
        return f"{done}, {counted(len(front), 'point')} of the front"
    return f"{done}, none has a value and keeps the constraints"


def _renamed(spec: AlgorithmSpec, name: str) -> AlgorithmSpec:
    """Return the specification under another name.

    Raises:
        WrongUseError: it cannot be a name.
    """
    return AlgorithmSpec.from_json(json.dumps(spec.document() | {"name": name}), "--save")
