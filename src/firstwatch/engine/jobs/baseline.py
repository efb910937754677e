"""Makes the baseline of a launch: backtests its settings on candles of its market, and saves the result."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firstwatch.backtest.baseline import baseline_key, settings_of_run
from firstwatch.backtest.inputs import FROM_VENUE
from firstwatch.backtest.simulate import simulate
from firstwatch.engine.jobs.context import Found, JobContext, Kind
from firstwatch.engine.jobs.inputs import venue_candles
from firstwatch.engine.venue_registry import reading_venue
from firstwatch.market.archive import REFERENCE, find_series, read_series
from firstwatch.market.exchange_hours import with_hours
from firstwatch.market.files import CandleFile, Hole, read_candles, read_funding, require_timeframe
from firstwatch.market.funding import NO_FUNDING
from firstwatch.market.packed import History, fingerprint, until
from firstwatch.store.algorithms import AlgorithmVersion, get_version
from firstwatch.store.backtests import Backtest
from firstwatch.store.wallets import get_wallet
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import CORE_VERSION, Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.numbers import BoundedDecimal
from firstwatch.trading.text import counted
from firstwatch.trading.validation import validation_sentences
from firstwatch.venues.protocol import Venue
from firstwatch.watch.baseline import find_by_key, save_baseline, stale_because

BASELINE_DAYS = 184
"""Six months of any length."""
_DAY_MS = 86_400_000


class BaselineRequest(BaseModel):
    """Request for a baseline: launch settings and candles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    launch: LaunchSettings
    candles: str = Field(default=FROM_VENUE, min_length=1, max_length=4_096)
    """``venue``, ``archive:[SOURCE:]SYMBOL@TIMEFRAME``, or a candle file."""
    funding: Path | None = None
    days: int = Field(default=BASELINE_DAYS, ge=1, le=36_500)
    """Use at most this many days, the last ones of the candles."""
    slippage_bps: BoundedDecimal = Field(default=Decimal(2), ge=0, lt=10_000)


def request_of(**fields: Any) -> BaselineRequest:
    """Return the request with these fields.

    Raises:
        WrongUseError: one of them is not allowed; the text names it.
    """
    try:
        return BaselineRequest.model_validate(fields)
    except ValidationError as error:
        raise WrongUseError("\n".join(validation_sentences(BaselineRequest, error))) from error


@dataclass(frozen=True, slots=True)
class Made:
    """A baseline, new or saved earlier from identical inputs."""

    version: AlgorithmVersion
    backtest: Backtest
    is_new: bool
    holes: tuple[Hole, ...]

    @property
    def days(self) -> float:
        """Number of days that it covers."""
        return (self.backtest.end_ms - self.backtest.start_ms) / _DAY_MS


def make_baseline(request: BaselineRequest, job: JobContext) -> Found:
    """Make it; the result holds its number and whether it is new.

    Raises:
        WrongUseError, VenueError, StoreError: candles or market are not available; nothing is saved.
    """
    made = _made(request, job)
    result = {
        "baseline": made.backtest.id,
        "is_new": made.is_new,
        "holes": [f"{hole.bars} missing, {hole.span}" for hole in made.holes],
    }
    return Found(result, _sentence_of(made))


def _made(request: BaselineRequest, job: JobContext) -> Made:
    """Backtest the launch's version with the launch's settings on its market, and save it as its baseline.

    A saved one with the same key that is not stale is returned instead.

    Raises:
        WrongUseError, VenueError, StoreError: candles or market are not available; nothing is saved.
    """
    settings, store, clock, progress = job.settings, job.store, job.clock, job.progress
    launch = request.launch.model_copy(update={"session": with_hours(request.launch.session)})
    progress(0.0, "reading the market")
    with store.read() as session:
        version = get_version(session, launch.algorithm, launch.version)
        wallet = get_wallet(session, launch.wallet)
    spec = AlgorithmSpec.from_json(version.spec_json)
    funding = NO_FUNDING if request.funding is None else read_funding(request.funding)
    with reading_venue(settings, wallet.venue, clock) as venue:
        market = _market(venue, launch.symbol)
        progress(0.1, "reading candles")
        file = _candles(settings.home, venue, request, spec)
    candles, start_ms = _last_days(file, spec, request.days)
    history = History(candles, funding)
    costs = Costs.of_market(market, slippage_bps=request.slippage_bps)
    chosen = settings_of_run(launch)
    progress(0.4, f"backtest of {counted(len(candles), 'bar')}")
    result = simulate(
        spec, candles, market=market, costs=costs, settings=chosen, funding=funding, start_ms=start_ms
    )
    progress(0.9, "saving")
    key = baseline_key(
        spec,
        symbol=launch.symbol,
        candles=fingerprint(until(history, int(result.time_ms[-1]) + spec.timeframe.ms)),
        start_ms=int(result.time_ms[0]),
        market=market,
        costs=costs,
        settings=chosen,
        core_version=CORE_VERSION,
    )
    holes = tuple(hole for hole in file.holes if hole.last_ms >= result.time_ms[0])
    with store.read() as session:
        known = find_by_key(session, version.id, spec, key)
    if known is not None and not stale_because(known, settings.home, now_ms=clock.now_ms()):
        return Made(version, known, False, holes)
    saved = save_baseline(
        store, settings.home, spec, result, history,
        market=market, costs=costs, settings=chosen, now_ms=clock.now_ms(),
    )  # fmt: skip
    return Made(saved.version, saved.backtest, True, holes)


def _market(venue: Venue, symbol: str) -> Market:
    market = venue.markets().get(symbol)
    if market is None:
        raise WrongUseError(f"{venue.name} has no market {symbol}; choose one that it has.")
    return market


def _candles(home: Path, venue: Venue, request: BaselineRequest, spec: AlgorithmSpec) -> CandleFile:
    if request.candles.startswith(REFERENCE):
        series = find_series(home, request.candles)
        require_timeframe(Path(request.candles), series.timeframe, spec.timeframe)
        return read_series(home, series)
    if request.candles != FROM_VENUE:
        return read_candles(Path(request.candles).expanduser(), spec.timeframe)
    bars = request.days * _DAY_MS // spec.timeframe.ms
    return venue_candles(home, venue, request.launch.symbol, spec, bars)


def _sentence_of(made: Made) -> str:
    """Return a sentence for the operator about the finished baseline."""
    was = "saved" if made.is_new else "saved before from just the same; it is used again"
    trades = made.backtest.metrics.get("total_trades", 0)
    return (
        f"baseline of {made.version.label} on {made.backtest.symbol}: {counted(round(made.days), 'day')},"
        f" {counted(made.backtest.bars, 'bar')}, {counted(trades, 'trade')}, {was}"
    )


def _last_days(file: CandleFile, spec: AlgorithmSpec, days: int) -> tuple[CandleArrays, int]:
    """Return the candles of the last days and the warm-up before them, and where the test starts."""
    candles, step_ms = file.candles, spec.timeframe.ms
    start_ms = int(candles.time_ms[-1]) + step_ms - days * _DAY_MS
    warm_ms = max(bars * timeframe.ms for timeframe, bars in spec.needed_bars().items())
    return candles.part(candles.index_at(start_ms - warm_ms), len(candles)), start_ms


KIND = Kind(BaselineRequest, make_baseline, is_long=lambda _request: False)
