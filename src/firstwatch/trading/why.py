"""Conditions with their values: those behind a decision, and those missing for the next; also as text."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from firstwatch.trading.orders import Side
from firstwatch.trading.text import CleanText

MOST_CONDITIONS = 40
"""Conditions of a group that are kept with a decision; more are dropped from the end."""
STOP, TARGET = "stop_loss", "take_profit"
"""Groups of the conditions under which a level ends a position."""

_NOT = "not "
_OPERATION = re.compile(rf"({_NOT})?(.+?) (crosses above|crosses below|<=|>=|<|>) (.+)")
_NUMBER = re.compile(r"-?[0-9.]+(e[+-]?[0-9]+)?")
_ARITHMETIC = re.compile(r"^-| [-+*/] ")
_INNER = re.compile(r"\([^()]*\)")
"""What stands between the innermost parentheses."""
_LIST = re.compile(r"\.(optional|any|all|of)\b")
_WORDS = {
    "<": "below",
    "<=": "at or below",
    ">": "above",
    ">=": "at or above",
    "crosses above": "cross above",
    "crosses below": "cross below",
}
_FIGURES = 5
_MOST_PLACES = 12


class GroupKind(StrEnum):
    """Decision that a group of conditions leads to."""

    ENTRY = "entry"
    EXIT = "exit"


class ConditionValue(BaseModel):
    """A condition at a close. ``left`` and ``right`` None: the operand has no value, or it was not kept."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    group: CleanText
    """Its place in the file: ``entry.long.required``; of a level ``stop_loss`` or ``take_profit``."""
    condition: CleanText
    left: float | None = Field(default=None, allow_inf_nan=False)
    right: float | None = Field(default=None, allow_inf_nan=False)
    value: bool | None = None
    """None: not known, because an operand has no value."""
    compares_prices: bool = Field(default=False, exclude_if=lambda compares: not compares)
    """Both sides are prices: their difference has a meaning in per cent."""
    wanted: tuple[int, ...] = Field(default=(), exclude_if=lambda wanted: not wanted)
    """In a tree: how many must be true in each list around it, the outermost first (``missing``)."""

    @property
    def is_cross(self) -> bool:
        """The condition is a cross, which is true at one close only; that there is none lasts."""
        return " crosses " in self.condition and not self.condition.startswith(_NOT)

    @property
    def lasts(self) -> bool:
        """The condition is true, and it need not happen again."""
        return bool(self.value) and not self.is_cross


class Outlook(BaseModel):
    """The outlook of a run at its last close: conditions that would have to become true at the next."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    bar_time_ms: int
    """Open time of the bar that closed last."""
    held: Side | None = None
    """The side of the run's position; None: it is flat."""
    needs: tuple[ConditionValue, ...] = ()
    """Missing conditions: of the entries when flat, else of exit, stop and target."""
    waits: tuple[CleanText, ...] = ()
    """Sentences on what blocks decisions whatever the conditions are."""

    def side_of(self, need: ConditionValue) -> Side | None:
        """Return the side that a condition would enter or leave."""
        parts = need.group.split(".")
        return Side(parts[1]) if len(parts) > 1 and parts[1] in set(Side) else self.held


def level(group: str, side: Side, price: float, at: float) -> ConditionValue:
    """Return the condition under which a stop or a target ends a position of that side.

    ``group``: ``stop_loss`` or ``take_profit``.
    """
    name = "stop" if group == STOP else "target"
    is_below = (side is Side.LONG) is (group == STOP)
    return ConditionValue(
        group=group,
        condition=f"price {'<=' if is_below else '>='} {name}",
        left=price,
        right=at,
        value=price <= at if is_below else price >= at,
        compares_prices=True,
    )


@dataclass(slots=True)
class _Need:
    """Some of which so many must be true; parts are in the order of the file."""

    wanted: int
    parts: "list[ConditionValue | _Need]" = field(default_factory=list)


def missing(conditions: Iterable[ConditionValue]) -> tuple[ConditionValue, ...]:
    """Return the conditions of one group that have to become true, or happen again, as each cross must.

    Of a list of which enough are true, and need not happen again, none is missing. ``wanted`` of those that
    are returned: how many of the ones that are missing in each list around it would be enough.
    """
    lacking = _lacking(_need_of(conditions))
    return () if lacking is None else tuple(_flat(lacking))


def _need_of(conditions: Iterable[ConditionValue]) -> _Need:
    """Return the conditions of one group in its lists, all of which must be true."""
    whole = _Need(0)
    lists: dict[str, _Need] = {}
    for each in conditions:
        around = whole
        for found, wanted in zip(_LIST.finditer(each.group), each.wanted or (1,), strict=False):
            place = each.group[: found.end()]
            if place not in lists:
                lists[place] = _Need(wanted)
                around.parts.append(lists[place])
            around = lists[place]
        around.parts.append(each)
    whole.wanted = len(whole.parts)
    return whole


def _lacking(need: _Need) -> _Need | None:
    """Return what is missing of it; None: nothing."""
    parts: list[ConditionValue | _Need] = []
    for part in need.parts:
        if isinstance(part, _Need):
            if (inner := _lacking(part)) is not None:
                parts.append(inner)
        elif not part.lasts:
            parts.append(part)
    wanted = need.wanted - (len(need.parts) - len(parts))
    return _Need(wanted, parts) if wanted > 0 else None


def _flat(need: _Need, around: tuple[int, ...] = ()) -> Iterator[ConditionValue]:
    for part in need.parts:
        if isinstance(part, _Need):
            yield from _flat(part, (*around, part.wanted))
        else:
            yield part.model_copy(update={"wanted": around}) if part.wanted else part


# --- words -----------------------------------------------------------------------------------------


def because(conditions: Sequence[ConditionValue]) -> str:
    """Return the conditions that held, as a clause; empty: none did."""
    return "; ".join(condition_sentence(each) for each in conditions if each.value)


def condition_sentence(found: ConditionValue) -> str:
    """Return the condition at the close as text: ``ema(9) 119,301 crossed below ema(21) 119,318``."""
    parts = _OPERATION.fullmatch(found.condition)
    if parts is None or found.left is None or found.right is None or found.value is None:
        return f"{found.condition}: not known"
    negated, left, operator, right = parts.groups()
    left_text, right_text = figures(found.left, found.right)
    left = _named(left, left_text)
    right = _named(right, right_text)
    word = _WORDS[operator]
    holds = found.value is not bool(negated)
    if operator.startswith("crosses"):
        verb = word.replace("cross", "crossed") if holds else f"did not {word}"
    else:
        verb = f"is {word}" if holds else f"is not {word}"
    return f"{left} {verb} {right}"


def need_sentence(need: ConditionValue) -> str:
    """Return a missing condition and its distance as text: ``rsi(14) < 30: 34.2, +4.2 away``."""
    parts = _OPERATION.fullmatch(need.condition)
    if parts is None or need.left is None or need.right is None:
        return f"{need.condition}: not known yet"
    left, right = figures(need.left, need.right)
    now = left if _is_number(parts[4]) else right if _is_number(parts[2]) else f"{left} / {right}"
    return f"{need.condition}: {now}, {distance(need)} away"


def needs_sentence(needs: Sequence[ConditionValue]) -> str:
    """Return the missing conditions of one group as text, where one of several is enough as ``one of``."""
    return "; ".join(map(_need_text, _need_of(needs).parts))


def _need_text(part: ConditionValue | _Need) -> str:
    if not isinstance(part, _Need):
        return need_sentence(part)
    found = list(map(_need_text, part.parts))
    if len(found) == 1:
        return found[0]
    found = [
        f"({each})" if isinstance(inner, _Need) and len(inner.parts) > 1 else each
        for inner, each in zip(part.parts, found, strict=True)
    ]
    if part.wanted >= len(found):
        return " and ".join(found)
    return f"{'one' if part.wanted == 1 else part.wanted} of {' or '.join(found)}"


def distance(need: ConditionValue) -> str:
    """Return by how much left and right differ: in per cent if both are prices; ``?``: not known."""
    if need.left is None or need.right is None:
        return "?"
    difference = need.left - need.right
    if need.compares_prices and need.right > 0:
        per_cent = difference / need.right * 100
        return f"{_signed(per_cent, 2 if abs(per_cent) >= 0.005 or not per_cent else 4)} %"
    places = max(len(text.partition(".")[2]) for text in figures(need.left, need.right))
    return _signed(difference, places)


def _signed(value: float, places: int) -> str:
    """Return a value with its sign; what rounds to 0 has more figures instead."""
    text = f"{value + 0.0:+,.{places}f}"
    if not value or float(text.replace(",", "")):
        return text
    return f"{'+' if value > 0 else ''}{figure(value)}"


def figures(left: float, right: float) -> tuple[str, str]:
    """Return both values with as few places as keep them apart."""
    for more in range(_MOST_PLACES):
        texts = figure(left, more), figure(right, more)
        if texts[0] != texts[1] or left == right:
            break
    return texts


def figure(value: float, more: int = 0) -> str:
    """Return a value with five figures and ``more`` places, all of its whole part, no zeros at the end."""
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-9:
        return f"{value:.{_FIGURES + more}g}"
    exponent = math.floor(math.log10(size)) if size else 0
    text = f"{value + 0.0:,.{max(0, _FIGURES - 1 - exponent) + more}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _named(operand: str, value: str) -> str:
    """Return an operand with its value; a number is its own value."""
    if _is_number(operand):
        return value
    outer, was = operand, ""
    while outer != was:
        outer, was = _INNER.sub("", outer), outer
    return f"{operand} = {value}" if _ARITHMETIC.search(outer) else f"{operand} {value}"


def _is_number(operand: str) -> bool:
    return _NUMBER.fullmatch(operand) is not None
