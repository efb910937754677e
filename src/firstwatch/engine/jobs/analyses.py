"""Saves what a cross-validation or a usefulness has found, with all that it rests on."""

import json
from typing import Any

from firstwatch.backtest.baseline import costs_json, settings_json
from firstwatch.backtest.inputs import BacktestInput
from firstwatch.engine.jobs.context import JobContext
from firstwatch.store.analyses import add_analysis
from firstwatch.store.database import Session
from firstwatch.strategy.core_settings import CORE_VERSION
from firstwatch.trading.jobs import JobKind


def save_analysis(
    session: Session,
    kind: JobKind,
    given: BacktestInput,
    result: dict[str, Any],
    *,
    start_ms: int,
    end_ms: int,
    job: JobContext,
) -> int:
    """Save it and return its number. ``start_ms``, ``end_ms``: the period that was looked at."""
    return add_analysis(
        session,
        kind,
        job_id=job.number,
        spec_sha256=given.spec.sha256(),
        symbol=given.symbol,
        timeframe=given.spec.timeframe,
        costs_json=costs_json(given.costs),
        settings_json=settings_json(given.settings),
        start_ms=start_ms,
        end_ms=end_ms,
        result_json=json.dumps(result, allow_nan=False),
        core_version=CORE_VERSION,
        now_ms=job.clock.now_ms(),
    )
