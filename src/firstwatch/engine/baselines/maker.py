"""Makes the baseline of a launch: backtests its settings on candles of its market, and saves the result."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firstwatch.backtest.baseline import baseline_key, settings_of_run
from firstwatch.backtest.inputs import FROM_VENUE
from firstwatch.backtest.simulate import simulate
from firstwatch.engine.venue_registry import reading_venue
from firstwatch.market.archive import REFERENCE, extend, find_series, read_series, series_of, sound_candles
from firstwatch.market.files import CandleFile, Hole, holes_of, read_candles, read_funding, require_timeframe
from firstwatch.market.funding import NO_FUNDING
from firstwatch.market.packed import History, fingerprint, until
from firstwatch.settings import Settings
from firstwatch.store.algorithms import AlgorithmVersion, get_version
from firstwatch.store.backtests import Backtest
from firstwatch.store.database import Store
from firstwatch.store.wallets import get_wallet
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import CORE_VERSION, Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import VenueError, WrongUseError
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


Progress = Callable[[float, str], None]
"""Callback with the share that is done (0 to 1), and the current step."""


def make_baseline(
    settings: Settings, store: Store, request: BaselineRequest, *, clock: Clock, progress: Progress
) -> Made:
    """Backtest the launch's version with the launch's settings on its market, and save it as its baseline.

    A saved one with the same key that is not stale is returned instead.

    Raises:
        WrongUseError, VenueError, StoreError: candles or market are not available; nothing is saved.
    """
    launch = request.launch
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
    return venue_candles(home, venue, request.launch.symbol, spec, request.days)


def venue_candles(home: Path, venue: Venue, symbol: str, spec: AlgorithmSpec, days: int) -> CandleFile:
    """Return the closed candles of a venue; for a live one, merged with those recorded earlier.

    The market behind a paper venue's name may change, so its candles are not archived.

    Raises:
        VenueError: it has none, or returns invalid ones.
    """
    timeframe = spec.timeframe
    wanted = days * _DAY_MS // timeframe.ms + max(spec.needed_bars().values())
    bars = venue.candles(
        symbol, timeframe, end_ms=venue.now_ms() - 1, limit=min(wanted, venue.capabilities.most_candles)
    )
    if not bars:
        raise VenueError(f"{venue.name} has no candles of {symbol} at {timeframe} before its time now.")
    try:
        candles = sound_candles(bars, timeframe)
    except ValueError as error:
        raise VenueError(f"{venue.name} gives no candles that can be kept: {error}.") from error
    if venue.capabilities.is_paper:
        rows = candles.time_ms // timeframe.ms
        return CandleFile(Path(venue.name), candles, tuple(holes_of(candles, rows, is_row=True)))
    series = series_of(venue.name, symbol, timeframe)
    extend(home, series, candles)
    return read_series(home, series)


def _last_days(file: CandleFile, spec: AlgorithmSpec, days: int) -> tuple[CandleArrays, int]:
    """Return the candles of the last days and the warm-up before them, and where the test starts."""
    candles, step_ms = file.candles, spec.timeframe.ms
    start_ms = int(candles.time_ms[-1]) + step_ms - days * _DAY_MS
    warm_ms = max(bars * timeframe.ms for timeframe, bars in spec.needed_bars().items())
    return candles.part(candles.index_at(start_ms - warm_ms), len(candles)), start_ms
