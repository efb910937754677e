"""A venue that loses what it is asked and what it answers, by a seed."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from firstwatch.trading.errors import VenueError
from firstwatch.venues.protocol import PreparedRequest, Resolution, SendOutcome, StillUnknown, Unknown, Venue

_READS = frozenset({"order", "open_orders", "fills_since", "funding_since", "position", "balance", "candles"})

POINTS = (
    "before commit",
    "after commit",
    "before send",
    "after send",
    "before cancel",
    "after cancel",
    "before modify",
    "after modify",
    "before resolve",
    "after resolve",
    "before read",
    "after read",
    "before leverage",
    "after leverage",
    "before acknowledge",
    "after acknowledge",
)
"""All points of a run's worker, in the order in which an act passes them."""


class FaultyVenue:
    """Everything of ``venue``, with a share of its calls lost before or after it acted on them."""

    def __init__(self, venue: Venue, seed: int, share: float) -> None:
        self._venue = venue
        self._random = random.Random(seed)
        self.share = share
        self.sent: Counter[str] = Counter()
        """How often each client order id was sent."""
        self.faults: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._venue, name)
        if name not in _READS:
            return found

        def read(*arguments: Any, **named: Any) -> Any:
            if self._strikes(f"{name} failed"):
                raise VenueError(f"{name} was not answered")
            return found(*arguments, **named)

        return read

    def _strikes(self, fault: str) -> bool:
        strikes = self._random.random() < self.share
        self.faults[fault] += strikes
        return strikes

    def _unsure(self, call: Callable[[], SendOutcome]) -> SendOutcome:
        if self._strikes("lost before"):
            return Unknown("the request was lost")
        outcome = call()
        if self._strikes("lost after"):
            return Unknown("the answer was lost")
        return outcome

    def send(self, prepared: PreparedRequest) -> SendOutcome:
        self.sent[prepared.client_order_id] += 1
        return self._unsure(lambda: self._venue.send(prepared))

    def modify(self, client_order_id: str, new: PreparedRequest) -> SendOutcome:
        self.sent[new.client_order_id] += 1
        return self._unsure(lambda: self._venue.modify(client_order_id, new))

    def cancel(self, account: str, symbol: str, client_order_id: str) -> SendOutcome:
        return self._unsure(lambda: self._venue.cancel(account, symbol, client_order_id))

    def set_leverage(self, account: str, symbol: str, leverage: Any) -> SendOutcome:
        return self._unsure(lambda: self._venue.set_leverage(account, symbol, leverage))

    def resolve(self, prepared: PreparedRequest) -> Resolution:
        if self._strikes("still unknown"):
            return StillUnknown("the venue did not answer")
        return self._venue.resolve(prepared)
