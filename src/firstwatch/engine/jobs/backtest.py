"""A test of a version, asked for by an agent. Only the job's own row is saved: it makes no baseline."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from firstwatch.backtest.result_json import metrics_json, note_json
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import simulate
from firstwatch.engine.baselines.maker import venue_candles
from firstwatch.engine.venue_registry import reading_venue
from firstwatch.market.archive import list_series, read_series
from firstwatch.market.files import CandleFile
from firstwatch.settings import Settings
from firstwatch.store.algorithms import get_version
from firstwatch.store.database import Store
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import Clock, iso
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.jobs import BacktestJob
from firstwatch.trading.market import Market

Progress = Callable[[float, str], None]
_DAY_MS = 86_400_000
_SLIPPAGE_BPS = Decimal(2)


def run_backtest(
    settings: Settings, store: Store, job: BacktestJob, *, clock: Clock, progress: Progress
) -> dict[str, Any]:
    """Return the metrics of a test with 10,000 of capital at leverage 1, and what they rest on.

    Raises:
        WrongUseError, VenueError, StoreError: the version, the market or its candles are not available.
    """
    with store.read() as session:
        version = get_version(session, job.algorithm, job.version)
    spec = AlgorithmSpec.from_json(version.spec_json)
    progress(0.1, "reading candles")
    market, file = _market_and_candles(settings, job, spec, clock)
    candles, step_ms = file.candles, spec.timeframe.ms
    warm_ms = max(bars * timeframe.ms for timeframe, bars in spec.needed_bars().items())
    first, last = candles.index_at(job.from_ms - warm_ms), candles.index_at(job.to_ms)
    part = candles.part(first, last)
    if not len(part) or int(part.time_ms[-1]) < job.from_ms:
        begin, end = iso(int(candles.time_ms[0])), iso(int(candles.time_ms[-1]) + step_ms)
        raise WrongUseError(
            f"there are no candles of {job.symbol} in that period; they go from {begin} to {end}"
        )
    progress(0.4, f"backtest of {len(part):,} bars")
    costs = Costs.of_market(market, slippage_bps=_SLIPPAGE_BPS)
    chosen = BacktestSettings()
    result = simulate(spec, part, market=market, costs=costs, settings=chosen, start_ms=job.from_ms)
    return {
        "algorithm": version.name,
        "version": version.number,
        "symbol": market.symbol,
        "timeframe": spec.timeframe.value,
        "from": iso(int(result.time_ms[0])),
        "to": iso(int(result.time_ms[-1]) + step_ms),
        "bars": result.bars,
        "capital": float(chosen.capital),
        "leverage": float(chosen.leverage),
        "metrics": metrics_json(result.metrics),
        "notes": [note_json(note) for note in result.notes],
    }


def _market_and_candles(
    settings: Settings, job: BacktestJob, spec: AlgorithmSpec, clock: Clock
) -> tuple[Market, CandleFile]:
    """Return the market at the first venue that has it, and the longest candles of it that there are."""
    problems = []
    for name in settings.venues:
        try:
            with reading_venue(settings, name, clock) as venue:
                market = venue.markets().get(job.symbol)
                if market is None:
                    problems.append(f"{name} has no market {job.symbol}")
                    continue
                kept = _archived(settings.home, job, spec)
                days = max(1, -(-(venue.now_ms() - job.from_ms) // _DAY_MS))
                return market, kept or venue_candles(settings.home, venue, job.symbol, spec, days)
        except FirstwatchError as error:
            problems.append(str(error))
    raise WrongUseError("; ".join(problems))


def _archived(home: Path, job: BacktestJob, spec: AlgorithmSpec) -> CandleFile | None:
    """Return the candles of the archive that cover the period; None: it has none that do."""
    for series in list_series(home):
        if (series.symbol, series.timeframe) == (job.symbol, spec.timeframe):
            file = read_series(home, series)
            times = file.candles.time_ms
            if int(times[0]) <= job.from_ms and int(times[-1]) + spec.timeframe.ms >= job.to_ms:
                return file
    return None
