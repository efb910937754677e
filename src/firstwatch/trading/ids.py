"""Identities. Randomness is injected, so that one seed gives one history."""

import re
import secrets
from collections.abc import Callable

RandomBits = Callable[[int], int]
"""Returns that many random bits as an integer."""

_HALF = 16
_OURS = re.compile(r"[0-9a-f]{32}")


def new_run_id(random_bits: RandomBits = secrets.randbits) -> str:
    """Return 16 lower-case hex characters: 64 bits that head all of the run's client order ids."""
    return f"{random_bits(64):016x}"


def client_order_id(run_id: str, number: int) -> str:
    """Return the run's ``number``-th client order id: 32 hex characters, the first 16 the run's."""
    return f"{run_id}{number:016x}"


def is_ours(client_order_id: str) -> bool:
    """Tell whether a client order id has the form of this program's, as those of another program may."""
    return _OURS.fullmatch(client_order_id) is not None


def run_of(client_order_id: str) -> str:
    """Return the id of the run that the client order id belongs to."""
    return client_order_id[:_HALF]


def number_of(client_order_id: str) -> int:
    """Return the number within its run of one of our orders."""
    return int(client_order_id[_HALF:], 16)


def sent_by(client_order_id: str | None, run_ids: frozenset[str]) -> bool:
    """Return whether one of these runs sent the order; False for an order without a client order id."""
    return client_order_id is not None and run_of(client_order_id) in run_ids
