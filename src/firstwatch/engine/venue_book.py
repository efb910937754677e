"""The venues of one host: one adapter per name of the settings, made when it is first needed."""

import threading
from collections.abc import Callable, Iterable

from firstwatch.trading.errors import WrongUseError
from firstwatch.venues.protocol import Venue

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

    def opened(self) -> tuple[Venue, ...]:
        """Return the venues that were needed so far."""
        with self._guard:
            return tuple(self._venues.values())

    def close(self) -> None:
        """Close all venues. Idempotent; one that is asked for again is made anew."""
        with self._guard:
            venues, self._venues = list(self._venues.values()), {}
        for venue in venues:
            venue.close()
