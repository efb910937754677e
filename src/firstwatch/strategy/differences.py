"""What differs between two versions of an algorithm, by meaning: conditions, levels, size, order, reset.

Documents are compared, in the shape of the file, so that a draft which is not valid can be compared too.
A condition is matched with the one that is most like it, wherever it stands in its list.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from firstwatch.strategy.difference_words import TOKEN, change_words
from firstwatch.strategy.groups import Part
from firstwatch.strategy.specification import EntryOrder, Level, Sizing

Document = Mapping[str, Any]

_ALIKE = 0.5
"""A condition that shares more than this with another one is the same one, changed."""
_NAME = 3
"""What a name weighs, beside a number or a sign."""
_MOST_PAIRS = 10_000
"""Pairs that one comparison weighs; conditions of lists beyond are not matched: all are removed and added."""
_TABLES: Mapping[str, type[Part]] = {
    "stop_loss": Level,
    "take_profit": Level,
    "sizing": Sizing,
    "order": EntryOrder,
}
"""Tables that mean one thing, which changes as a whole."""


class ChangeKind(StrEnum):
    """What happened to something between two versions."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``before`` and ``after`` are values as the file has them; None: it was not there."""

    place: str
    """Its path in the later version, as ``entry.long.required[0]``; of what was removed, in the earlier."""
    kind: ChangeKind
    before: Any
    after: Any

    @property
    def sentence(self) -> str:
        """The change as a person would say it: ``long entry: rsi(14) < 30 → 25``."""
        return change_words(self.place, self.before, self.after)

    def document(self) -> dict[str, Any]:
        """Return the change as plain values."""
        return {"place": self.place, "kind": self.kind.value, "before": self.before, "after": self.after}


def differences(before: Document, after: Document) -> tuple[Change, ...]:
    """Return what differs, in the order of the file; nothing, if and only if both mean the same.

    That an empty list or table stands where there was none counts only if nothing else differs.
    """
    found = tuple(_Comparison().table("", before, after))
    return tuple(each for each in found if each.before or each.after or _is_value(each)) or found


class _Comparison:
    """One walk through two documents, with what it may still spend."""

    def __init__(self) -> None:
        self._pairs_left = _MOST_PAIRS

    def table(self, place: str, before: Document, after: Document) -> Iterator[Change]:
        for key in dict.fromkeys((*before, *after)):
            where = f"{place}.{key}" if place else key
            yield from self._value(where, before.get(key), after.get(key))

    def _value(self, place: str, before: Any, after: Any) -> Iterator[Change]:
        if _meaning(place, before) == _meaning(place, after):
            return
        found: list[Change] = []
        if place not in _TABLES:
            if _all_are((before, after), Mapping):
                found = list(self.table(place, before or {}, after or {}))
            elif _all_are((before, after), list):
                found = list(self._list(place, before or [], after or []))
        # An empty table beside one that is not there, and a list in another order, differ as a whole.
        yield from found or [_change(place, before, after)]

    def _list(self, place: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
        pairs = dict(self._pairs(before, after))
        for number, value in enumerate(after):
            where = f"{place}[{number}]"
            if number in pairs:
                yield from self._value(where, before[pairs[number]], value)
            else:
                yield _change(where, None, value)
        for number in sorted(set(range(len(before))) - set(pairs.values())):
            yield _change(f"{place}[{number}]", before[number], None)

    def _pairs(self, before: Sequence[Any], after: Sequence[Any]) -> Iterator[tuple[int, int]]:
        """Yield which entries belong together: the place in ``after``, and the one in ``before``."""
        equal = defaultdict(list)
        for number, value in enumerate(before):
            equal[_written(value)].append(number)
        left_after = []
        for number, value in enumerate(after):
            if same := equal[_written(value)]:
                yield number, same.pop(0)
            else:
                left_after.append(number)
        left_before = sorted(number for numbers in equal.values() for number in numbers)
        for is_text in (True, False):
            ones, others = (
                [number for number in numbers if isinstance(values[number], str) is is_text]
                for numbers, values in ((left_before, before), (left_after, after))
            )
            if is_text:
                yield from self._like(before, after, ones, others)
            else:
                yield from zip(others, ones, strict=False)

    def _like(
        self, before: Sequence[str], after: Sequence[str], ones: Sequence[int], others: Sequence[int]
    ) -> Iterator[tuple[int, int]]:
        pairs = len(ones) * len(others)
        if pairs > self._pairs_left:
            return
        self._pairs_left -= pairs
        weights = {(0, number): _weights(before[number]) for number in ones}
        weights |= {(1, number): _weights(after[number]) for number in others}
        # Equal likeness: the nearer pair first, so that both directions match the same pairs.
        ranked = sorted(
            (-likeness, abs(one - other), one + other, one, other)
            for one in ones
            for other in others
            if (likeness := _likeness(weights[0, one], weights[1, other])) > _ALIKE
        )
        taken: set[tuple[int, int]] = set()
        for *_, one, other in ranked:
            if (0, one) not in taken and (1, other) not in taken:
                taken |= {(0, one), (1, other)}
                yield other, one


def _weights(condition: str) -> Counter[str]:
    counts = Counter(
        token for token in TOKEN.findall(condition) if token not in "()," and not token.isspace()
    )
    return Counter({token: count * (_NAME if token[0].isalpha() else 1) for token, count in counts.items()})


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    """Return the Sørensen–Dice coefficient of the weighted tokens, from 0 to 1."""
    whole = one.total() + other.total()
    return 2 * (one & other).total() / whole if whole else 0.0


def _change(place: str, before: Any, after: Any) -> Change:
    kind = ChangeKind.CHANGED
    if before is None:
        kind = ChangeKind.ADDED
    elif after is None:
        kind = ChangeKind.REMOVED
    return Change(place, kind, before, after)


def _is_value(change: Change) -> bool:
    return not _all_are((change.before, change.after), Mapping | list)


def _meaning(place: str, value: Any) -> str:
    """Return a text that values of one meaning share: with all defaults, where they are valid."""
    written = _written(value)
    if place in _TABLES:
        with suppress(ValidationError):
            given = "{}" if value is None else written
            return _TABLES[place].model_validate_json(given, strict=True).model_dump_json()
    return written


def _written(value: Any) -> str:
    """Return a text that equal values share: 0.0 and -0.0, 1 and true have different ones."""
    return json.dumps(value, sort_keys=True, default=str)


def _all_are(values: Iterable[Any], kind: Any) -> bool:
    return all(value is None or isinstance(value, kind) for value in values)
