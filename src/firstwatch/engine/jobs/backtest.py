"""A test of one algorithm, as ``BacktestRequest`` asks for it. Its result is a row; it makes no baseline."""

import json

from firstwatch.backtest.baseline import costs_json, settings_json
from firstwatch.backtest.inputs import BacktestInput, BacktestRequest
from firstwatch.backtest.result_json import metrics_json, note_json
from firstwatch.backtest.review import review_json
from firstwatch.backtest.simulate import BacktestResult
from firstwatch.engine.jobs.context import Found, JobContext, Kind
from firstwatch.engine.jobs.inputs import read_request
from firstwatch.store.algorithms import version_by_id
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Session
from firstwatch.store.test_results import add_result
from firstwatch.strategy.core_settings import CORE_VERSION
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import counted


def run_backtest(request: BacktestRequest, job: JobContext) -> Found:
    """Test it, save the result, and return the metrics, what they rest on, and the result's number.

    Raises:
        WrongUseError, VenueError, StoreError: the algorithm, the market or its candles cannot be used.
    """
    job.progress(0.0, "reading candles")
    given = read_request(job.settings, request, job.clock)
    _check_period(given)
    job.progress(0.4, f"backtest of {counted(len(given.file.candles), 'bar')}")
    result = given.simulate()
    job.progress(0.9, "saving")
    sha256 = candles_of(given, result)
    version = None
    with job.store.write() as session:
        if request.version_id is not None:
            version = version_by_id(session, request.version_id).number
        number = save_result(
            session, request, given, result, candles=sha256, job_id=job.number, now_ms=job.clock.now_ms()
        )
    found = {
        "result": number,
        "algorithm": given.spec.name,
        "version": version,
        "symbol": given.market.symbol,
        "timeframe": given.spec.timeframe.value,
        "from": iso(int(result.time_ms[0])),
        "to": iso(int(result.time_ms[-1]) + given.spec.timeframe.ms),
        "bars": result.bars,
        "capital": float(given.settings.capital),
        "leverage": float(given.settings.leverage),
        "metrics": metrics_json(result.metrics),
        "notes": [note_json(note) for note in result.notes],
    }
    trades = len(result.records)
    return Found(found, f"{counted(result.bars, 'bar')}, {counted(trades, 'trade')}")


def candles_of(given: BacktestInput, result: BacktestResult) -> str:
    """Return the fingerprint of the candles that a result rests on: those up to its end."""
    return given.fingerprint(result)


def save_result(
    session: Session,
    request: BacktestRequest,
    given: BacktestInput,
    result: BacktestResult,
    *,
    candles: str,
    job_id: int | None,
    now_ms: int,
) -> int:
    """Save what a test has found with all of its inputs, and return its number."""
    symbol = given.symbol
    return add_result(
        session,
        job_id=job_id,
        title=f"{request.algorithm} on {symbol}",
        version_id=request.version_id,
        spec_json=request.spec_json,
        symbol=symbol,
        timeframe=given.spec.timeframe,
        request_json=request.model_dump_json(),
        market_json=given.market.model_dump_json(),
        costs_json=costs_json(given.costs),
        settings_json=settings_json(given.settings),
        start_ms=int(result.time_ms[0]),
        end_ms=int(result.time_ms[-1]) + given.spec.timeframe.ms,
        bars=result.bars,
        metrics_json=json.dumps(metrics_json(result.metrics)),
        details_json=json.dumps(
            {
                "notes": [note_json(note) for note in result.notes],
                "missing_bars": result.missing_bars,
                "review": review_json(given.review(result), result.time_ms),
            }
        ),
        trades=result.trades,
        equity=EquityCurve(result.time_ms, result.equity),
        candles=candles,
        core_version=CORE_VERSION,
        now_ms=now_ms,
    )


def _check_period(given: BacktestInput) -> None:
    """Refuse a period of which there is no bar, with the one that there is."""
    candles = given.file.candles
    first = 0 if given.start_ms is None else candles.index_at(given.start_ms)
    last = len(candles) if given.end_ms is None else candles.index_at(given.end_ms)
    if first >= last:
        begin = iso(int(candles.time_ms[0]))
        end = iso(int(candles.time_ms[-1]) + candles.timeframe.ms)
        raise WrongUseError(
            f"there are no candles of {given.market.symbol} in that period; they go from {begin} to {end}"
        )


KIND = Kind(BacktestRequest, run_backtest, is_long=lambda _request: False)
