"""Opens Hyperliquid venues of the settings."""

from collections.abc import Callable

from firstwatch.trading.clock import Clock
from firstwatch.venues.assembly import VenueHost
from firstwatch.venues.hyperliquid.account_actions import HyperliquidAccounts
from firstwatch.venues.hyperliquid.account_api import AccountApi
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.hyperliquid.venue import HyperliquidVenue


def open_venue(name: str, settings: HyperliquidVenueSettings, host: VenueHost) -> HyperliquidVenue:
    """Return the venue that ``[venues.NAME]`` describes; it connects when it is first asked."""
    return HyperliquidVenue(
        name,
        api_url=settings.http_url,
        ws_url=settings.stream_url,
        is_mainnet=settings.is_mainnet,
        signer_of=host.signer_of,
        clock=host.clock,
        builder=settings.fee_receiver,
        max_slippage_bps=settings.max_slippage_bps,
        stream_users=settings.stream_users,
        weight_per_minute=settings.weight_per_minute,
    )


def open_accounts(
    name: str, settings: HyperliquidVenueSettings, clock: Clock, pause: Callable[[float], None]
) -> HyperliquidAccounts:
    """Return the accounts at that venue, without a request to it."""
    api = AccountApi(
        name,
        settings.http_url,
        is_mainnet=settings.is_mainnet,
        clock=clock,
        weight_per_minute=settings.weight_per_minute,
    )
    return HyperliquidAccounts(api, settings.fee_receiver, clock, pause)
