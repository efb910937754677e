"""From the settings to venue adapters: one adapter per name and host, made when it is first needed."""

import threading
from collections.abc import Callable, Iterable

from firstwatch.market.cache import CandleCache
from firstwatch.settings import Settings
from firstwatch.store.database import Store
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import WrongUseError
from firstwatch.venues.paper.assembly import open_paper_venue
from firstwatch.venues.protocol import Venue

CACHE_FOLDER = "cache"
"""Where parsed candle files are kept, in the data folder."""

OpenVenue = Callable[[str], Venue]
"""Makes the adapter of that name; raises WrongUseError or VenueError with a sentence."""


class VenueBook:
    """Hands out the venues. All runs of a host share one adapter per name."""

    def __init__(self, names: Iterable[str], open_venue: OpenVenue) -> None:
        self._names = tuple(names)
        self._open_venue = open_venue
        self._venues: dict[str, Venue] = {}
        self._guard = threading.Lock()

    def get(self, name: str) -> Venue:
        """Return the venue of that name of the settings.

        Raises:
            WrongUseError: the settings have no such venue, or what they say of it is wrong.
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

    def close(self) -> None:
        """Close all venues. Idempotent; one that is asked for again is made anew."""
        with self._guard:
            venues, self._venues = list(self._venues.values()), {}
        for venue in venues:
            venue.close()


def venues_of(settings: Settings, store: Store, clock: Clock, epoch: Callable[[], int | None]) -> VenueBook:
    """Return the venues of the settings.

    ``epoch``: the engine's, asserted whenever a paper venue writes its books.
    """
    cache = CandleCache(settings.home / CACHE_FOLDER)
    return VenueBook(
        settings.venues,
        lambda name: open_paper_venue(
            name, settings.venues[name], clock=clock, store=store, epoch=epoch, cache=cache
        ),
    )
