"""Interface of the ``assembly`` module in each venue's folder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from firstwatch.trading.clock import Clock
from firstwatch.venues.accounts import VenueAccounts
from firstwatch.venues.protocol import Venue
from firstwatch.venues.settings import VenueSettings
from firstwatch.venues.signer import SignerOf

if TYPE_CHECKING:
    from firstwatch.market.cache import CandleCache
    from firstwatch.store.database import Store


@dataclass(frozen=True, slots=True)
class VenueHost:
    """The engine's services for a venue that it opens."""

    clock: Clock
    store: "Store"
    epoch: Callable[[], int | None]
    """Returns the engine's epoch, which is checked whenever a paper venue writes its books."""
    cache: "CandleCache"
    signer_of: SignerOf
    """Signs for the venue's accounts, where they have keys."""


class VenueAssembly(Protocol):
    """Opens venues of one kind. ``settings`` are of that kind's own model."""

    def open_venue(self, name: str, settings: VenueSettings, host: VenueHost) -> Venue:
        """Return the adapter of the venue that ``[venues.NAME]`` describes.

        Raises:
            WrongUseError: the settings cannot be used.
            VenueError: the adapter cannot be made now.
        """

    def open_accounts(
        self, name: str, settings: VenueSettings, clock: Clock, pause: Callable[[float], None]
    ) -> VenueAccounts:
        """Return the accounts at that venue; only where they have keys (``VenueSettings.key_network``).

        ``pause`` waits for a number of seconds between two checks at the venue.
        """
