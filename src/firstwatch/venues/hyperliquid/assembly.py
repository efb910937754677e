"""Opens Hyperliquid venues of the settings."""

from firstwatch.venues.assembly import VenueHost
from firstwatch.venues.hyperliquid.actions import Builder
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.hyperliquid.venue import HyperliquidVenue


def open_venue(name: str, settings: HyperliquidVenueSettings, host: VenueHost) -> HyperliquidVenue:
    """Return the venue that ``[venues.NAME]`` describes; it connects when it is first asked."""
    builder = None
    if settings.builder is not None:
        builder = Builder(settings.builder, settings.builder_fee_tenths_bp)
    return HyperliquidVenue(
        name,
        api_url=settings.http_url,
        ws_url=settings.stream_url,
        is_mainnet=settings.is_mainnet,
        signer_of=host.signer_of,
        clock=host.clock,
        builder=builder,
        max_slippage_bps=settings.max_slippage_bps,
        stream_users=settings.stream_users,
        weight_per_minute=settings.weight_per_minute,
    )
