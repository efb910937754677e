"""Changes of an algorithm, and its levels, sizes and orders, in words."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from firstwatch.strategy.specification import EntryKind, EntryOrder, Level, Sizing, SizingKind
from firstwatch.trading.launch import FollowUp
from firstwatch.trading.launch_words import link_words, percent_words
from firstwatch.trading.numbers import all_figures
from firstwatch.trading.text import counted
from firstwatch.trading.toml_text import inline_text

TOKEN = re.compile(r"[A-Za-z_]\w*|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\w*|[<>]=?|\s+|\S")
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_IN_GROUP = re.compile(r"(entry|exit)\.(long|short)(?:\.(required|optional|when))?.*")
_LINK = re.compile(r"reset\.follow_up\[(\d+)\]")
_LISTS = {"required": "", "optional": ", one of", "when": ", when"}
_NAMES = {"stop_loss": "stop", "take_profit": "target", "sizing": "size", "order": "entry order"}


def change_words(place: str, before: Any, after: Any) -> str:
    """Return a change as a person would say it. None: it was not there, or is not there any more."""
    if place == "name":
        return f"renamed: {before} → {after}"
    what = _place_words(place)
    one, other = (None if value is None else value_words(place, value) for value in (before, after))
    if one is None:
        return f"{what}: {other} added"
    if other is None:
        return f"{what}: {one} removed"
    if one == other:
        # What sets them apart is how they are written: 1 and 1.0.
        one, other = inline_text(before), inline_text(after)
    if _are_lists(before, after) and sorted(map(str, before)) == sorted(map(str, after)):
        return f"{what}: in another order"
    if isinstance(before, str) and isinstance(after, str):
        return f"{what}: {_narrowed(before, after)}"
    return f"{what}: {one} → {other}"


def level_words(level: Level) -> str:
    """Return a stop or target in words: ``5 % trailing``, ``3 × ATR(14)``."""
    if level.fraction is not None:
        distance = percent_words(level.fraction)
    else:
        distance = all_figures(level.value)
        if level.atr is not None:
            distance = f"{distance} × ATR({level.period})"
    return f"{distance} trailing" if level.trailing else distance


def sizing_words(sizing: Sizing) -> str:
    """Return a position's size in words: ``50 % of equity``."""
    if sizing.kind is SizingKind.FIXED:
        return f"margin {all_figures(sizing.value)}"
    share = percent_words(sizing.value)
    return f"{share} of equity" if sizing.kind is SizingKind.EQUITY else f"{share} of equity at risk"


def order_words(order: EntryOrder) -> str:
    """Return an entry order in words: ``limit, 5 bps away for 3 bars``."""
    match order.kind:
        case EntryKind.LIMIT:
            return f"limit, {all_figures(order.offset_bps)} bps away for {counted(order.timeout_bars, 'bar')}"
        case EntryKind.TWAP:
            return f"twap over {counted(order.bars, 'bar')}"
    return "market"


_WORDS: Mapping[str, tuple[type[BaseModel], Callable[[Any], str]]] = {
    "stop_loss": (Level, level_words),
    "take_profit": (Level, level_words),
    "sizing": (Sizing, sizing_words),
    "order": (EntryOrder, order_words),
    "link": (FollowUp, link_words),
}


def value_words(place: str, value: Any) -> str:
    """Return what stands at a place of an algorithm's file, in words; it may be wrong."""
    if found := _WORDS.get("link" if _LINK.fullmatch(place) else place):
        model, words = found
        try:
            return words(model.model_validate(value))
        except ValidationError:
            pass
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return all_figures(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items()) or "nothing"
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "nothing"
    return str(value)


def _place_words(place: str) -> str:
    if found := _IN_GROUP.fullmatch(place):
        kind, side, part = found.groups()
        at_least = ", at least" if place.endswith(".at_least") else ""
        return f"{side} {kind}{_LISTS.get(part, '')}{at_least}"
    place = _LINK.sub(lambda link: f"follow-up {int(link[1]) + 1}", place)
    return _NAMES.get(place, place.replace("_", " ").replace(".", ", "))


def _are_lists(*values: Any) -> bool:
    return all(isinstance(value, list) for value in values)


def _narrowed(before: str, after: str) -> str:
    """Return both texts as one where a single number differs: ``rsi(14) < 30 → 25``."""
    one, other = TOKEN.findall(before), TOKEN.findall(after)
    differ = [number for number, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]]
    if len(one) == len(other) and len(differ) == 1:
        (number,) = differ
        if _NUMBER.fullmatch(one[number]) and _NUMBER.fullmatch(other[number]):
            # A sign belongs to the number: -100 → -50.
            begin = number - (one[number - 1 : number] == ["-"])
            return "".join((*one[: number + 1], " → ", *other[begin:]))
    return f"{before} → {after}"
