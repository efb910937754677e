"""What the venue's answer to an action means: taken, refused with a reason, or in doubt."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from firstwatch.venues.protocol import Accepted, Refused, SendOutcome, Unknown

DUPLICATE_NONCE = "duplicate nonce"
NO_MATCH = ("could not immediately match", "No liquidity available")
"""Refusals of an order that may fill at once or not at all: it was an order, and nothing was there."""
_LONGEST = 200

# The venue's texts have no codes. The first that is found names the reason.
_CODES = (
    ("Invalid TP/SL price", "beyond_mark"),
    ("Too many cumulative requests", "rate_limit"),
    ("does not exist", "auth"),
    ("Must deposit", "auth"),
    ("expired", "auth"),
    ("nsufficient margin", "margin"),
    ("Insufficient", "margin"),
    ("minimum value", "minimum"),
    ("Reduce only", "reduce_only"),
    ("never placed, already canceled, or filled", "not_found"),
    ("Cannot modify canceled or filled order", "not_found"),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """An action that the venue took. ``filled``: how much of an order has filled already, and at what."""

    order_id: str = ""
    filled: Decimal = Decimal(0)
    average_price: Decimal | None = None


def read_answer(answer: Any) -> Taken | Refused | Unknown:
    """Return what an answer with status 200 to an action of one order means."""
    if not isinstance(answer, dict):
        return Unknown(f"the venue's answer cannot be read: {str(answer)[:_LONGEST]!r}")
    response = answer.get("response")
    if answer.get("status") == "err":
        return refusal(str(response))
    if answer.get("status") != "ok" or not isinstance(response, dict):
        return Unknown(f"the venue's answer cannot be read: {json.dumps(answer)[:_LONGEST]}")
    if response.get("type") == "default":
        return Taken()
    statuses = (response.get("data") or {}).get("statuses")
    if not isinstance(statuses, list) or len(statuses) != 1:
        return Unknown(f"the venue's answer cannot be read: {json.dumps(answer)[:_LONGEST]}")
    return _read_status(statuses[0])


def _read_status(status: Any) -> Taken | Refused | Unknown:
    if isinstance(status, str):
        # Words without an order id: success, waitingForFill, waitingForTrigger.
        return Taken()
    if "error" in status:
        return refusal(str(status["error"]))
    if "resting" in status:
        return Taken(str(status["resting"]["oid"]))
    if "filled" in status:
        filled = status["filled"]
        return Taken(str(filled["oid"]), Decimal(filled["totalSz"]), Decimal(filled["avgPx"]))
    return Unknown(f"the venue's answer cannot be read: {json.dumps(status)[:_LONGEST]}")


def refusal(text: str) -> Refused:
    """Return the refusal that the venue's text says."""
    return Refused(next((code for part, code in _CODES if part in text), "other"), text)


def outcome_of(read: Taken | Refused | Unknown) -> SendOutcome:
    return Accepted(read.order_id, read.filled, read.average_price) if isinstance(read, Taken) else read
