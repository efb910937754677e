"""The tests of a store as views: jobs with what they have found, and the baselines beside them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from firstwatch.backtest.mean_test import mean_above_zero
from firstwatch.backtest.metrics import NEEDS, Metrics
from firstwatch.backtest.record import TradeRecord
from firstwatch.backtest.review import (
    exit_figures,
    monthly_returns,
    references_of,
    underwater,
    worst_drawdowns,
)
from firstwatch.backtest.study_figures import map_of, slice_of
from firstwatch.engine.jobs.studies import StudyDefinition, known_trials
from firstwatch.manager.test_views import (
    DRAFT_OF,
    BacktestView,
    ExitView,
    Fall,
    Figure,
    TestDetails,
    TestView,
)
from firstwatch.manager.views import JobView
from firstwatch.store import algorithms, backtests, jobs, test_results
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Session
from firstwatch.store.studies import find_study
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import parse_iso
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.market import Market
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.trade import Trade

KINDS = (JobKind.BACKTEST, JobKind.CROSS_VALIDATION, JobKind.OPTIMISATION, JobKind.USEFULNESS)
"""Kinds of jobs that are tests."""
_BASELINES = 20
"""Newest baselines of the draft's algorithm in the list."""
_WORDS: Mapping[str, Callable[[float], str]] = {
    "win_rate": lambda value: f"win rate {value * 100:.1f} %",
    "profit_factor": lambda value: f"profit factor {value:.2f}",
    "sharpe": lambda value: f"Sharpe {value:.2f}",
    "max_drawdown": lambda value: f"drawdown {value * 100:.1f} %",
}


def read_tests(session: Session, found: Sequence[JobView], algorithm: str) -> tuple[TestView, ...]:
    """Return the tests among these jobs and the baselines of an algorithm, the newest first."""
    views = [_of_job(session, job) for job in found if job.kind in KINDS]
    views += _baselines(session, algorithm)
    return tuple(sorted(views, key=lambda each: -each.created_ms))


def _of_job(session: Session, job: JobView) -> TestView:
    request: Mapping[str, Any] = {}
    result: Mapping[str, Any] = {}
    try:
        request = json.loads(jobs.request_of_job(session, job.job_id))
        text = jobs.result_of_job(session, job.job_id) if job.state is JobState.DONE else None
        result = {} if text is None else json.loads(text)
    except ValueError:
        pass
    asked = request.get("test", request)
    spec = _spec(str(asked.get("spec_json", "")), str(asked.get("algorithm", "")))
    best = result.get("best") or {}
    metrics = result.get("metrics") or best.get("metrics") or {}
    return TestView(
        key=f"job {job.job_id}",
        kind=job.kind,
        title=str(asked.get("algorithm") or job.title),
        state=job.state,
        created_ms=job.created_ms,
        sentence=job.sentence,
        symbol=str(result.get("symbol") or asked.get("symbol") or ""),
        timeframe="" if spec is None else spec.timeframe.value,
        begin_ms=_moment(result.get("from")) or asked.get("from_ms"),
        end_ms=_moment(result.get("to")) or asked.get("to_ms"),
        metrics=metrics,
        progress=job.progress,
        seconds_left=job.seconds_left,
        job=job.job_id,
        is_being_cancelled=job.is_cancel_wanted and not job.state.is_over,
        spec_sha256="" if spec is None else spec.sha256(),
        verdict=result.get("passed"),
        poor=_poor(metrics) if job.kind is JobKind.BACKTEST else (),
    )


def _baselines(session: Session, algorithm: str) -> list[TestView]:
    found = []
    for version in algorithms.list_versions(session, algorithm, damaged={}):
        for baseline in backtests.list_backtests(session, version.id)[:_BASELINES]:
            metrics = baseline.metrics
            found.append(
                TestView(
                    key=f"baseline {baseline.id}",
                    kind=JobKind.BASELINE,
                    title=version.label,
                    state=JobState.DONE,
                    created_ms=baseline.created_at_ms,
                    symbol=baseline.symbol,
                    timeframe=baseline.timeframe.value,
                    begin_ms=baseline.start_ms,
                    end_ms=baseline.end_ms,
                    metrics=metrics,
                    progress=1.0,
                    spec_sha256=version.sha256,
                    poor=_poor(metrics),
                )
            )
    return sorted(found, key=lambda each: -each.created_ms)[:_BASELINES]


def read_details(session: Session, view: TestView) -> TestDetails:
    """Return what a test has found.

    Raises:
        FirstwatchError: it cannot be read, or is not there any more.
    """
    kind, _, number = view.key.partition(" ")
    if kind == "baseline":
        return _of_baseline(session, view, int(number))
    if view.kind is JobKind.BACKTEST:
        stored = test_results.result_of_job(session, int(number))
        if stored is None:
            raise WrongUseError(f"Job {number} has saved no result.")
        backtest = _backtest(
            test_results.trades_of_result(session, stored.id),
            test_results.equity_of_result(session, stored.id),
            stored.metrics,
            stored.details,
            market_json=stored.market_json,
            settings_json=stored.settings_json,
        )
        settings = _settings(stored, stored.spec_json)
        return TestDetails(view, settings, backtest)
    text = jobs.result_of_job(session, int(number))
    request = json.loads(jobs.request_of_job(session, int(number)))
    found = {} if text is None else json.loads(text)
    if view.kind is JobKind.OPTIMISATION:
        found |= _of_study(session, str(found.get("study", "")), found.get("importance") or {})
    return TestDetails(view, tuple(_flat(_asked(request.get("test", request)))), None, found)


def _of_study(session: Session, name: str, importance: Mapping[str, float]) -> dict[str, Any]:
    """Return the slices of a study's parameters, and the map of the two that matter most."""
    study = find_study(session, name)
    if study is None:
        return {}
    search = StudyDefinition.read(study).request.search()
    trials = known_trials(session, study.id)
    names = [each.name for each in search.parameters]
    order = sorted(names, key=lambda each: -importance.get(each, 0.0))
    found: dict[str, Any] = {
        "objectives": search.objectives,
        "slices": {
            each: [(point.value, point.best, point.median) for point in slice_of(search, trials, each)]
            for each in names
        },
    }
    if len(order) > 1:
        x, y = order[:2]
        best = map_of(search, trials, x, y)
        found["map"] = {"x": x, "y": y, "columns": best.x, "rows": best.y, "best": best.best}
    return found


def read_winner(session: Session, job: int, point: int | None) -> tuple[AlgorithmSpec, AlgorithmSpec, str]:
    """Return a study's winner, what the study began with, and the version of both, ``name@version``.

    ``point``: of a point of its front, counted from 0.

    Raises:
        WrongUseError: the study has no winner, or there is no such version.
    """
    found = json.loads(jobs.result_of_job(session, job) or "{}")
    best = found.get("best") if point is None else found["pareto"][point]
    study = find_study(session, str(found.get("study", "")))
    if best is None or study is None:
        raise WrongUseError(f"The study of job {job} has no winner.")
    request = StudyDefinition.read(study).request
    search = request.search()
    label = request.test.algorithm.removeprefix(DRAFT_OF)
    if request.test.version_id is not None:
        label = algorithms.version_by_id(session, request.test.version_id).label
    return search.with_values(best["parameters"]), search.spec, label


def _of_baseline(session: Session, view: TestView, number: int) -> TestDetails:
    stored = backtests.find_backtest(session, number)
    if stored is None:
        raise WrongUseError(f"Baseline {number} is not there any more.")
    backtest = _backtest(
        backtests.trades_of_backtest(session, number),
        backtests.equity_of_backtest(session, number),
        stored.metrics,
        {},
        market_json=stored.market_json,
        settings_json=stored.settings_json,
    )
    spec_json = algorithms.version_by_id(session, stored.version_id).spec_json
    return TestDetails(view, _settings(stored, spec_json), backtest)


def _backtest(
    trades: Sequence[Trade],
    curve: EquityCurve,
    stored: Mapping[str, Any],
    details: Mapping[str, Any],
    *,
    market_json: str,
    settings_json: str,
) -> BacktestView:
    """Return a backtest with its figures, references, exits, drawdowns and months."""
    capital = float(json.loads(settings_json).get("capital", 0)) or float(curve.equity[0])
    market = Market.model_validate_json(market_json)
    records = [TradeRecord.of_trade(trade, market) for trade in trades]
    metrics = _metrics(stored)
    test = mean_above_zero(np.array([record.pnl for record in records], dtype=np.float64))
    reviewed = details.get("review") or {}
    values: dict[str, float | None] = {
        name: value for name, value in asdict(metrics).items() if not isinstance(value, dict)
    }
    values |= {
        "market_change": reviewed.get("market_change"),
        "p_value": None if test is None else test.p_value,
    }
    references = {each.name: each for each in references_of(metrics)}
    needs = NEEDS | {"p_value": "needs two trades that differ", "market_change": "was not kept"}
    figures = tuple(
        Figure(
            name,
            value,
            references[name].expected if name in references else _MEANINGS.get(name, ""),
            references[name].is_within if name in references else None,
            "" if value is not None else needs.get(name, ""),
        )
        for name, value in values.items()
    )
    fall = underwater(curve.equity, capital)
    return BacktestView(
        capital=capital,
        figures=figures,
        notes=tuple(str(each.get("sentence", "")) for each in details.get("notes", ())),
        trades=tuple(trades),
        time_ms=curve.time_ms,
        equity=curve.equity,
        exits=tuple(
            ExitView(each.reason, each.trades, each.net_pnl, each.average_trade, each.average_bars)
            for each in exit_figures(records)
        ),
        falls=tuple(
            Fall(each.depth, each.peak_ms, each.trough_ms, each.recovered_ms)
            for each in worst_drawdowns(curve.time_ms, fall)
        ),
        months={
            (each.year, each.month): each.value
            for each in monthly_returns(curve.time_ms, curve.equity, capital)
        },
    )


_MEANINGS = {
    "market_change": "what holding the market would have made",
    "p_value": "below 0.05: more than luck",
}


def _metrics(stored: Mapping[str, Any]) -> Metrics:
    """Return stored metrics; those that an older version did not have are None."""
    values: dict[str, Any] = {name: stored.get(name) for name in Metrics.__dataclass_fields__}
    values["exit_reasons"] = {
        ExitReason(name): count for name, count in (stored.get("exit_reasons") or {}).items()
    }
    return Metrics(**values)


def _poor(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the figures outside of their reference, in words."""
    if not metrics:
        return ()
    return tuple(
        f"{_WORDS[each.name](each.value)}, not {each.expected.partition(' as a rule')[0]}"
        for each in references_of(_metrics(metrics))
        if each.is_within is False and each.value is not None
    )


def _spec(text: str, name: str) -> AlgorithmSpec | None:
    try:
        return AlgorithmSpec.from_json(text, name or "the test") if text else None
    except FirstwatchError:
        return None


def _moment(text: object) -> int | None:
    return parse_iso(text) if isinstance(text, str) else None


# --- settings in words -------------------------------------------------------------------------------


def _settings(stored: Any, spec_json: str) -> tuple[tuple[str, str], ...]:
    """Return everything that a backtest depends on: name and value of each setting, in words."""
    parts = {
        "algorithm": json.loads(spec_json),
        "market": stored.symbol,
        "from": _day(stored.start_ms),
        "to": _day(stored.end_ms),
        "costs": json.loads(stored.costs_json),
        "settings": json.loads(stored.settings_json),
    }
    return tuple(_flat(parts))


def _asked(request: Mapping[str, Any]) -> dict[str, Any]:
    settings = request.get("settings") or {}
    algorithm = json.loads(request["spec_json"]) if request.get("spec_json") else {}
    rest = {name: request.get(name) for name in ("symbol", "candles", "slippage_bps")}
    period = {name: _day(request.get(f"{name}_ms")) for name in ("from", "to")}
    return {"algorithm": algorithm, **rest, **period, "settings": settings}


def _day(time_ms: int | None) -> str:
    return "" if time_ms is None else str(np.datetime64(time_ms, "ms"))[:10]


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        found = []
        for key, inner in value.items():
            # A setting is known by its own name: those of the algorithm, costs and money have no prefix.
            path = key if not name or name in ("algorithm", "costs", "settings") else f"{name}.{key}"
            found += _flat(inner, path)
        return found
    if isinstance(value, list):
        return [pair for number, inner in enumerate(value) for pair in _flat(inner, f"{name}[{number}]")]
    return [] if value is None else [(name, _text(value))]


def _text(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
