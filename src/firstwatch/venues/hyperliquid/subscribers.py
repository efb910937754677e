"""The runs that listen at a venue, and the delivery of events to them. Used in the gateway's loop only."""

from collections.abc import Iterator
from dataclasses import dataclass

from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import Deliver, VenueEvent


@dataclass(eq=False, slots=True)
class Subscriber:
    """One run that listens."""

    account: str
    symbol: str
    timeframe: Timeframe
    deliver: Deliver
    after_ms: int | None
    """Open time of the last bar that it knows; None: it gets those that close from now on."""
    is_open: bool = True

    def receive(self, event: VenueEvent) -> None:
        """Deliver an event, unless the run has left."""
        if self.is_open:
            self.deliver(event)


class Subscribers:
    """All subscribers. They may come and go while they are iterated over."""

    def __init__(self) -> None:
        self._all: list[Subscriber] = []

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(tuple(self._all))

    def __len__(self) -> int:
        return len(self._all)

    @property
    def accounts(self) -> set[str]:
        """Their accounts. May be called from any thread."""
        return {subscriber.account for subscriber in self}

    def has_symbol(self, symbol: str, timeframe: Timeframe | None = None) -> bool:
        """Return whether a run subscribes to the symbol; ``timeframe``: in that one only."""
        return any(
            subscriber.symbol == symbol and timeframe in (None, subscriber.timeframe) for subscriber in self
        )

    def add(self, subscriber: Subscriber) -> None:
        self._all.append(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        self._all.remove(subscriber)

    def send(self, event: VenueEvent, *, account: str | None = None, symbol: str | None = None) -> None:
        """Deliver an event to those of the account and the symbol; None: of any."""
        for subscriber in self:
            if account in (None, subscriber.account) and symbol in (None, subscriber.symbol):
                subscriber.receive(event)
