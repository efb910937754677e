"""Venue adapters by the names in the settings: one per name and host, made on first use."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from firstwatch.market.cache import CandleCache
from firstwatch.settings import Settings
from firstwatch.store.database import Store, open_store
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import WrongUseError
from firstwatch.venues.assembly import VenueHost
from firstwatch.venues.protocol import Venue
from firstwatch.venues.registry import assembly_of
from firstwatch.wallets.key_ring import KeyRing
from firstwatch.wallets.vault import Vault

CACHE_FOLDER = "cache"
"""Where parsed candle files are kept, in the data folder."""

OpenVenue = Callable[[str], Venue]
"""Makes the adapter of that name; raises WrongUseError or VenueError."""

RequireKey = Callable[[str, str, bool], None]
"""Makes sure that the key of (venue, account) is unlocked; the flag: it may wait about a second for it.

Raises VaultLockedError or another VenueError.
"""


def _needs_no_key(_venue: str, _account: str, _may_wait: bool) -> None:
    """Pass: the venues need no signatures."""


class VenueRegistry:
    """Hands out the venues. All runs of a host share one adapter per name."""

    def __init__(
        self, names: Iterable[str], open_venue: OpenVenue, require_key: RequireKey = _needs_no_key
    ) -> None:
        self._names = tuple(names)
        self._open_venue = open_venue
        self._require_key = require_key
        self._venues: dict[str, Venue] = {}
        self._guard = threading.Lock()

    def get(self, name: str) -> Venue:
        """Return the venue of that name of the settings.

        Raises:
            WrongUseError: the settings have no such venue, or its settings are wrong.
            VenueError: the adapter cannot be made now.
        """
        with self._guard:
            if name not in self._venues:
                if name not in self._names:
                    raise WrongUseError(
                        f"there is no venue {name} in the settings file, which has"
                        f" {', '.join(self._names) or 'none'}; add a table [venues.{name}]"
                    )
                self._venues[name] = self._open_venue(name)
            return self._venues[name]

    def require_key(self, name: str, account: str, *, may_wait: bool) -> None:
        """Make sure that the account's orders can be signed, if its venue needs signatures.

        ``may_wait``: first try to unlock the vault with the passphrase file; that takes about a second.

        Raises:
            VaultLockedError: the vault is locked.
            VenueError: the account has no key, or one of another network, or the vault cannot be read.
        """
        self._require_key(name, account, may_wait)

    def close(self) -> None:
        """Close all venues. Idempotent; a venue that is needed again is opened again."""
        with self._guard:
            venues, self._venues = list(self._venues.values()), {}
        for venue in venues:
            venue.close()


def venue_registry_of(
    settings: Settings, store: Store, clock: Clock, epoch: Callable[[], int | None], keys: KeyRing
) -> VenueRegistry:
    """Return the venues of the settings.

    ``epoch``: the engine's, asserted whenever a paper venue writes its books. ``keys``: sign for venues that
    need signatures.
    """
    cache = CandleCache(settings.home / CACHE_FOLDER)

    def open_venue(name: str) -> Venue:
        host = VenueHost(clock=clock, store=store, epoch=epoch, cache=cache, signer_of=keys.signers(name))
        return assembly_of(settings.venues[name]).open_venue(name, settings.venues[name], host)

    def require_key(name: str, account: str, may_wait: bool) -> None:
        venue = settings.venues.get(name)
        if venue is not None and venue.key_network is not None:
            keys.require(name, account, network=venue.key_network, may_wait=may_wait)

    return VenueRegistry(settings.venues, open_venue, require_key)


@contextmanager
def reading_venue(settings: Settings, name: str, clock: Clock) -> Iterator[Venue]:
    """Open a venue in a process that is no engine, for its markets and candles, and close it after the block.

    No key is unlocked, and the store is opened read-only: nothing can be sent, no book can change.

    Raises:
        WrongUseError, VenueError, StoreError: as ``VenueRegistry.get`` and ``open_store``.
    """
    configured = settings.model_copy(
        update={"venues": {each: venue.for_reading() for each, venue in settings.venues.items()}}
    )
    store = open_store(settings.home, read_only=True)
    venues = venue_registry_of(configured, store, clock, lambda: None, KeyRing(Vault(settings.home, clock)))
    try:
        yield venues.get(name)
    finally:
        venues.close()
        store.close()
