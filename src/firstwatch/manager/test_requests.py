"""The request of a test, from a draft and the texts of its settings."""

from decimal import Decimal
from pathlib import Path

from firstwatch.backtest.inputs import FROM_VENUE, BacktestRequest
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.engine.venue_registry import reading_venue
from firstwatch.manager.draft_document import spec_of_document
from firstwatch.manager.test_views import OWN_PERIOD, WHOLE_PERIOD, DraftView, TestSetup
from firstwatch.market.archive import REFERENCE, find_series, read_series
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock, parse_iso
from firstwatch.trading.errors import WrongUseError

_DAY_MS = 86_400_000


def request_of(draft: DraftView, settings: Settings, clock: Clock) -> BacktestRequest:
    """Return the request for a test of the draft, its period counted back from the end of the candles.

    Raises:
        WrongUseError, VenueError: the draft or a setting is wrong, or there is no such venue or series.
    """
    spec, setup = spec_of_document(draft.document), draft.setup
    symbol = spec.symbol or setup.symbol or None
    if setup.venue and symbol is None:
        raise WrongUseError("Choose a market in the setup.")
    if not setup.venue and setup.candles == FROM_VENUE:
        raise WrongUseError("Without a venue the test needs candles: a series of the archive, or a file.")
    begin_ms, end_ms = _period(setup, settings, clock)
    candles = setup.candles
    if candles != FROM_VENUE and not candles.startswith(REFERENCE):
        candles = str(Path(candles).expanduser().absolute())
    return BacktestRequest(
        algorithm=draft.name,
        spec_json=spec.canonical_json(),
        version_id=None if draft.is_changed else draft.base_id,
        candles=candles,
        venue=setup.venue or None,
        symbol=symbol,
        from_ms=begin_ms,
        to_ms=end_ms,
        taker_fee_bps=_decimal(setup.taker_fee_bps),
        maker_fee_bps=_decimal(setup.maker_fee_bps),
        slippage_bps=_decimal(setup.slippage_bps) or Decimal(0),
        settings=BacktestSettings(
            capital=_decimal(setup.capital) or BacktestSettings.capital,
            leverage=_decimal(setup.leverage) or BacktestSettings.leverage,
            trades_limit=int(setup.trades_limit) if setup.trades_limit else None,
        ),
    )


def _decimal(text: str) -> Decimal | None:
    return Decimal(text.replace(",", "")) if text else None


def _period(setup: TestSetup, settings: Settings, clock: Clock) -> tuple[int | None, int | None]:
    """Return begin and end of the period; None: that of the candles.

    Raises:
        WrongUseError: the dates exclude each other.
    """
    if setup.period == WHOLE_PERIOD:
        return None, None
    if setup.period == OWN_PERIOD:
        begin_ms, end_ms = (
            parse_iso(f"{day}T00:00:00Z") if day else None for day in (setup.begin, setup.end)
        )
        if begin_ms is not None and end_ms is not None and begin_ms >= end_ms:
            raise WrongUseError(f"The period is empty: it ends on {setup.end}, not after {setup.begin}.")
        return begin_ms, end_ms
    return _end_of_candles(setup, settings, clock) - int(setup.period) * _DAY_MS, None


def _end_of_candles(setup: TestSetup, settings: Settings, clock: Clock) -> int:
    if setup.candles.startswith(REFERENCE):
        times = read_series(settings.home, find_series(settings.home, setup.candles)).candles.time_ms
        return int(times[-1])
    if not setup.venue:
        raise WrongUseError("Choose all candles of a file, or your own dates: its end is not known before.")
    with reading_venue(settings, setup.venue, clock) as venue:
        return venue.now_ms()
