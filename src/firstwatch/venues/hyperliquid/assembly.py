"""Makes a Hyperliquid venue from an operator's settings."""

from firstwatch.settings import HyperliquidVenueSettings
from firstwatch.trading.clock import Clock
from firstwatch.venues.hyperliquid.actions import Builder
from firstwatch.venues.hyperliquid.venue import HyperliquidVenue
from firstwatch.venues.signer import SignerOf


def open_hyperliquid_venue(
    name: str, settings: HyperliquidVenueSettings, *, clock: Clock, signer_of: SignerOf
) -> HyperliquidVenue:
    """Return the venue that ``[venues.NAME]`` describes; it connects when it is first asked."""
    builder = None
    if settings.builder is not None:
        builder = Builder(settings.builder, settings.builder_fee_tenths_bp)
    return HyperliquidVenue(
        name,
        api_url=settings.http_url,
        ws_url=settings.stream_url,
        is_mainnet=settings.is_mainnet,
        signer_of=signer_of,
        clock=clock,
        builder=builder,
        max_slippage_bps=settings.max_slippage_bps,
        stream_users=settings.stream_users,
        weight_per_minute=settings.weight_per_minute,
    )
