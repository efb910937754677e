"""Answers and messages that are odd in one place, as a venue's may be after a change or a fault of it."""

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

_MISSING = object()
_LEAST_TIME_MS = 10**12
"""No other whole number that the venue says is so large."""


def made_odd(document: Any, chance: Random) -> Any:
    """Return a copy with one leaf null, missing, no number, of another type, or a time in microseconds."""
    odd = copy.deepcopy(document)
    places = list(_leaves(odd))
    if not places:
        return None
    times = [place for place in places if _is_time(place[0][place[1]])]
    if times and chance.random() < 0.3:
        holder, key = chance.choice(times)
        holder[key] *= 1_000
        return odd
    holder, key = chance.choice(places)
    others = (_MISSING, None, float("nan"), {}, [], "text" if _is_number(holder[key]) else 7)
    value = chance.choice([other for other in others if other != holder[key]])
    if value is not _MISSING:
        holder[key] = value
    elif isinstance(holder, dict):
        del holder[key]
    else:
        holder.pop(key)
    return odd


def _leaves(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what holds each leaf, and at which key."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(inner) if isinstance(document, (dict, list)) else ():
        if isinstance(value, (dict, list)) and value:
            yield from _leaves(value)
        else:
            yield document, key


def _is_time(value: Any) -> bool:
    return type(value) is int and value >= _LEAST_TIME_MS


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
