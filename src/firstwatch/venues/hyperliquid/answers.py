"""What the venue's answer to an action means: taken, refused with a reason, or in doubt."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from firstwatch.trading.errors import VenueError
from firstwatch.venues.hyperliquid import decoder
from firstwatch.venues.hyperliquid.decoder import ActionRefused, StatusSaid, decode, malformed
from firstwatch.venues.protocol import Accepted, RefusalCode, Refused, SendOutcome, Unknown

DUPLICATE_NONCE = "duplicate nonce"
NO_MATCH = ("could not immediately match", "No liquidity available")
"""Refusals of an order that may fill at once or not at all: it was an order, and nothing was there."""
_LONGEST = 200

# The venue's texts have no codes. The first that is found names the reason.
_CODES = (
    ("Invalid TP/SL price", RefusalCode.BEYOND_MARK),
    ("Too many cumulative requests", RefusalCode.RATE_LIMIT),
    ("does not exist", RefusalCode.AUTH),
    ("Must deposit", RefusalCode.AUTH),
    ("expired", RefusalCode.AUTH),
    ("nsufficient margin", RefusalCode.MARGIN),
    ("Insufficient", RefusalCode.MARGIN),
    ("minimum value", RefusalCode.MINIMUM),
    ("Reduce only", RefusalCode.REDUCE_ONLY),
    ("never placed, already canceled, or filled", RefusalCode.NOT_FOUND),
    ("Cannot modify canceled or filled order", RefusalCode.NOT_FOUND),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """An action that the venue took. ``filled``: how much of an order has filled already, and at what."""

    order_id: str = ""
    filled: Decimal = Decimal(0)
    average_price: Decimal | None = None


ActionAnswer = Taken | Refused | Unknown


def read_answer(answer: Any, *, orders: int = 1) -> ActionAnswer:
    """Interpret an answer with status 200 to an action; one that cannot be read is in doubt.

    ``orders``: how many the action had. The result is that of the first one, because they are accepted
    together; if the venue accepted only some, the outcome is in doubt.
    """
    try:
        said = decode(decoder.ACTION, answer, "an action")
    except VenueError as error:
        return Unknown(str(error))
    if isinstance(said, ActionRefused):
        return refusal(said.response)
    if said.response.type == "default":
        return Taken()
    statuses = said.response.data.statuses if said.response.data is not None else []
    if len(statuses) != orders:
        return Unknown(str(malformed("an action", answer)))
    read = [_read_status(status) for status in statuses]
    refused = [one for one in read if isinstance(one, Refused)]
    if not refused or len(refused) == orders:
        return read[0]
    return Unknown(f"the venue has taken only a part of it: {refused[0].reason}")


def _read_status(status: str | StatusSaid) -> Taken | Refused:
    if isinstance(status, str):
        return Taken()
    if status.error is not None:
        return refusal(status.error)
    if status.filled is not None:
        return Taken(str(status.filled.oid), status.filled.total, status.filled.average)
    return Taken("" if status.resting is None else str(status.resting.oid))


def refusal(text: str) -> Refused:
    """Return the refusal that the venue's text says."""
    return Refused(next((code for part, code in _CODES if part in text), RefusalCode.OTHER), text[:_LONGEST])


def is_outside_of_window(reason: str) -> bool:
    """Tell whether a refusal says that the venue takes no nonce so early or so late."""
    return "nonce" in reason.lower() and DUPLICATE_NONCE not in reason


def outcome_of(read: ActionAnswer) -> SendOutcome:
    return Accepted(read.order_id, read.filled, read.average_price) if isinstance(read, Taken) else read
