"""Opens paper venues from the settings."""

import logging
from decimal import Decimal

from firstwatch.market.assumed import assumed_of, market_of_file
from firstwatch.market.cache import CandleCache
from firstwatch.market.feeds import CandleSource, ReplayFeed, SyntheticFeed
from firstwatch.market.files import read_candles, read_funding
from firstwatch.market.funding import NO_FUNDING, missing_sentence
from firstwatch.market.launch_files import read_market
from firstwatch.market.synthetic import SyntheticMarket
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.market import DEFAULT_MARKET, Market
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.assembly import VenueHost
from firstwatch.venues.paper.account import exact
from firstwatch.venues.paper.exchange import PaperCosts
from firstwatch.venues.paper.faults import PaperFaults
from firstwatch.venues.paper.settings import PaperVenueSettings
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue

_log = logging.getLogger(__name__)

# A synthetic market has no natural first bar. It starts at 2025-01-01 in every new store.
_SYNTHETIC_START_MS = 1_735_689_600_000


def market_of(settings: PaperVenueSettings) -> Market:
    """Return the venue's market; fees in the settings replace the market's own.

    For a replay, fields that no market file gives follow from the candles, and the symbol from the file name.

    Raises:
        WrongUseError: the market file or the candle file cannot be used.
    """
    given = None if settings.market is None else read_market(settings.market)
    path = settings.candles
    market = given or DEFAULT_MARKET if path is None else market_of_file(path, given)
    fees: dict[str, Decimal] = {}
    if settings.fee_bps is not None:
        fees = {"taker_fee_bps": settings.fee_bps, "maker_fee_bps": settings.fee_bps}
    if settings.maker_fee_bps is not None:
        fees["maker_fee_bps"] = settings.maker_fee_bps
    return market.model_copy(update=fees)


def assumed_of_venue(settings: PaperVenueSettings) -> tuple[str, ...]:
    """Return the fields of ``market_of`` that neither a market file nor the settings give; replays only.

    Raises:
        WrongUseError: the market file cannot be used.
    """
    if settings.candles is None:
        return ()
    set_here = {"maker_fee_bps"} if settings.maker_fee_bps is not None else set[str]()
    if settings.fee_bps is not None:
        set_here |= {"taker_fee_bps", "maker_fee_bps"}
    given = None if settings.market is None else read_market(settings.market)
    return tuple(name for name in assumed_of(given) if name not in set_here)


def open_venue(name: str, settings: PaperVenueSettings, host: VenueHost) -> PaperVenue:
    """Return the venue that ``[venues.NAME]`` describes, in its stored state.

    Raises:
        WrongUseError: a file that the settings name cannot be used.
        VenueError, StoreError: as ``PaperVenue``.
    """
    market = market_of(settings)
    _log.info(
        "%s trades %s: tick %s, amount step %s, minimum order %s, maintenance rate %s, leverage up to %s",
        name,
        market.symbol,
        market.tick,
        market.amount_step,
        market.minimum_cost,
        market.maintenance_rate,
        market.maximum_leverage,
    )
    costs = PaperCosts(
        slippage_bps=exact(settings.slippage_bps),
        spread_bps=exact(settings.spread_bps),
        latency_ms=settings.latency_ms,
        volume_share=settings.volume_share,
        limit_fills=settings.limit_fills,
    )
    return PaperVenue(
        name,
        candle_source(settings, market, host.cache),
        market,
        PaperSettings(
            costs=costs,
            speed=settings.speed,
            while_down=settings.while_down,
            has_start=settings.start is not None,
            assumed=assumed_of_venue(settings),
            faults=PaperFaults(settings.refuse_share, settings.suppress_share, settings.seed),
        ),
        clock=host.clock,
        store=host.store,
        epoch=host.epoch,
    )


def candle_source(settings: PaperVenueSettings, market: Market, cache: CandleCache | None) -> CandleSource:
    """Return the source of the venue's bars.

    Raises:
        WrongUseError: a file that the settings name cannot be used.
    """
    if settings.feed == "synthetic":
        decimals = max(0, -int(market.tick.normalize().as_tuple().exponent))
        invented = SyntheticMarket(settings.seed, Timeframe.M1, decimals=decimals)
        return SyntheticFeed(invented, _SYNTHETIC_START_MS if settings.start is None else settings.start)
    if settings.candles is None:
        raise WrongUseError('a venue with feed = "replay" needs the key candles, the file to replay')
    read = read_candles if cache is None else cache.read
    candles = read(settings.candles).candles
    funding = NO_FUNDING if settings.funding is None else read_funding(settings.funding)
    feed = ReplayFeed(candles, funding, settings.start)
    start_ms = int(candles.time_ms[feed.start_index])
    end_ms = int(candles.time_ms[-1]) + candles.timeframe.ms
    funding.require_overlap(start_ms, end_ms)
    if missing := funding.uncovered(start_ms, end_ms):
        _log.warning("%s: %s", settings.funding, missing_sentence(missing, end_ms - start_ms))
    return feed
