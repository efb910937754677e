"""Reads what a test asks for: its market and candles, from a venue, the archive or files."""

from dataclasses import dataclass, replace
from pathlib import Path

from firstwatch.backtest.inputs import FROM_ANYWHERE, FROM_VENUE, BacktestInput, BacktestRequest
from firstwatch.engine.venue_registry import reading_venue
from firstwatch.market.archive import (
    REFERENCE,
    Series,
    extend,
    find_series,
    list_series,
    read_series,
    series_of,
    sound_candles,
)
from firstwatch.market.assumed import market_of_candles
from firstwatch.market.exchange_hours import with_hours
from firstwatch.market.files import CandleFile, holes_of, read_candles, read_funding, require_timeframe
from firstwatch.market.funding import NO_FUNDING
from firstwatch.market.launch_files import read_market
from firstwatch.settings import Settings
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError, VenueError, WrongUseError
from firstwatch.trading.market import Market
from firstwatch.trading.notes import Note
from firstwatch.venues.protocol import Venue

_DAY_MS = 86_400_000
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What a request is tested on: the market, and the candles of the whole source up to its end."""

    market: Market
    file: CandleFile
    assumed: tuple[Note, ...] = ()
    """The assumptions about the market."""


def read_request(settings: Settings, request: BacktestRequest, clock: Clock) -> BacktestInput:
    """Return the input that a request names; candles are those of the whole source, up to its end.

    Raises:
        WrongUseError, VenueError, StoreError: the algorithm is damaged, or the market, its candles or a
            file are not available.
    """
    return input_of(request, request.spec, read_source(settings, request, clock))


def read_source(
    settings: Settings, request: BacktestRequest, clock: Clock, *, bars: int | None = None
) -> Source:
    """Return the market and the candles that a request names.

    ``bars``: so many newest ones of a venue are enough, besides the warm-up; None: those of the period.

    Raises:
        WrongUseError, VenueError, StoreError: as ``read_request``.
    """
    spec = request.spec
    if request.candles == FROM_ANYWHERE:
        return _of_any_venue(settings, request, spec, clock, bars)
    if request.venue is None:
        return _of_files(settings.home, request, spec)
    return _of_venue(settings, request, spec, clock, bars)


def input_of(request: BacktestRequest, spec: AlgorithmSpec, source: Source) -> BacktestInput:
    """Return the input of a request for its algorithm on its source, which other algorithms can share.

    Raises:
        WrongUseError: the market does not take the leverage, or funding cannot be read.
    """
    market = source.market
    if request.settings.leverage > market.maximum_leverage:
        raise WrongUseError(
            f"{market.symbol} takes a leverage of {market.maximum_leverage} at most, not"
            f" {request.settings.leverage}."
        )
    taker, maker = request.taker_fee_bps, request.maker_fee_bps
    return BacktestInput(
        spec,
        source.file,
        market,
        source.assumed,
        Costs(
            market.taker_fee_bps if taker is None else taker,
            market.maker_fee_bps if maker is None else maker,
            slippage_bps=request.slippage_bps,
            limit_fills=request.limit_fills,
        ),
        replace(request.settings, session=with_hours(request.settings.session)),
        NO_FUNDING if request.funding is None else read_funding(request.funding),
        request.from_ms,
        request.to_ms,
    )


def _of_any_venue(
    settings: Settings, request: BacktestRequest, spec: AlgorithmSpec, clock: Clock, bars: int | None
) -> Source:
    """Return the market at the first venue that has it, and the longest candles of it that there are."""
    problems = []
    kept = _covering(settings.home, request, spec)
    for name in settings.venues:
        at_venue = request.model_copy(
            update={"venue": name, "candles": FROM_VENUE if kept is None else str(kept)}
        )
        try:
            return _of_venue(settings, at_venue, spec, clock, bars)
        except FirstwatchError as error:
            problems.append(str(error))
    raise WrongUseError(" ".join(problems))


def _covering(home: Path, request: BacktestRequest, spec: AlgorithmSpec) -> Series | None:
    """Return the series of the archive that covers the period; None: it has none that does."""
    for series in list_series(home):
        if (series.symbol, series.timeframe) == (request.symbol, spec.timeframe):
            times = read_series(home, series).candles.time_ms
            ends = request.to_ms is not None and int(times[-1]) + spec.timeframe.ms >= request.to_ms
            if ends and request.from_ms is not None and int(times[0]) <= request.from_ms:
                return series
    return None


def _of_files(home: Path, request: BacktestRequest, spec: AlgorithmSpec) -> Source:
    given = None if request.market is None else read_market(request.market)
    file = _stored(home, request, spec)
    if request.candles.startswith(REFERENCE):
        named = {"symbol": find_series(home, request.candles).symbol}
        known = Market(**named) if given is None else given
        given = known if "symbol" in known.model_fields_set else known.model_copy(update=named)
    market, notes = market_of_candles(Path(request.candles), file.candles, given, spec)
    return Source(market, file, notes)


def _of_venue(
    settings: Settings,
    request: BacktestRequest,
    spec: AlgorithmSpec,
    clock: Clock,
    bars: int | None,
) -> Source:
    assert request.venue is not None
    with reading_venue(settings, request.venue, clock) as venue:
        market = venue.markets().get(request.symbol or "")
        if market is None:
            raise WrongUseError(f"{request.venue} has no market {request.symbol}; choose one that it has.")
        if request.candles != FROM_VENUE:
            return Source(market, _stored(settings.home, request, spec))
        if bars is None:
            since_ms = request.from_ms or 0
            days = min(_MOST_DAYS, max(1, -(-(venue.now_ms() - since_ms) // _DAY_MS)))
            bars = days * _DAY_MS // spec.timeframe.ms
        return Source(market, venue_candles(settings.home, venue, market.symbol, spec, bars))


def _stored(home: Path, request: BacktestRequest, spec: AlgorithmSpec) -> CandleFile:
    """Return the candles of the archive or of a file."""
    if request.candles.startswith(REFERENCE):
        series = find_series(home, request.candles)
        require_timeframe(Path(request.candles), series.timeframe, spec.timeframe)
        return read_series(home, series)
    return read_candles(Path(request.candles), spec.timeframe)


def venue_candles(home: Path, venue: Venue, symbol: str, spec: AlgorithmSpec, bars: int) -> CandleFile:
    """Return so many closed candles of a venue and their warm-up; of a live one with those recorded earlier.

    The market behind a paper venue's name may change, so its candles are not archived.

    Raises:
        VenueError: it has none, or returns invalid ones.
    """
    timeframe = spec.timeframe
    wanted = bars + max(spec.needed_bars().values())
    found = venue.candles(
        symbol, timeframe, end_ms=venue.now_ms() - 1, limit=min(wanted, venue.capabilities.most_candles)
    )
    if not found:
        raise VenueError(f"{venue.name} has no candles of {symbol} at {timeframe} before its time now.")
    try:
        candles = sound_candles(found, timeframe)
    except ValueError as error:
        raise VenueError(f"{venue.name} gives no candles that can be kept: {error}.") from error
    if venue.capabilities.is_paper:
        rows = candles.time_ms // timeframe.ms
        return CandleFile(Path(venue.name), candles, tuple(holes_of(candles, rows, is_row=True)))
    series = series_of(venue.name, symbol, timeframe)
    extend(home, series, candles)
    return read_series(home, series)
