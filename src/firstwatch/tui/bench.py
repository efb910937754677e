"""The state of Test mode: the draft, the tests, and which of them are shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.test_views import DraftView, TestDetails, TestView


@dataclass(frozen=True, slots=True)
class Bench:
    """What Test mode shows. It holds nothing until the mode is first opened."""

    draft: "DraftView | None" = None
    is_open: bool = False
    """The drafts and tests have been read."""
    tests: "tuple[TestView, ...]" = ()
    """The newest first."""
    shown: tuple[str, ...] = ()
    """Keys of the tests whose results are shown: the marked ones and the one under the cursor."""
    details: "Mapping[str, TestDetails]" = field(default_factory=dict)
    """Those that have been read, by key."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Why the details of a test cannot be read, by its key."""

    def test(self, key: str | None) -> "TestView | None":
        """Return the test of that key; None: it is not in the list."""
        return next((each for each in self.tests if each.key == key), None)

    @property
    def chosen(self) -> "TestView | None":
        """The test, if exactly one is shown."""
        return self.test(self.shown[0]) if len(self.shown) == 1 else None

    @property
    def seen(self) -> "tuple[TestDetails, ...]":
        """The details of the tests that are shown, as far as they have been read."""
        return tuple(self.details[key] for key in self.shown if key in self.details)

    def with_draft(self, draft: "DraftView | None") -> "Bench":
        """Return the state with another draft."""
        return replace(self, draft=draft)


_GROUP = re.compile(r"(entry|exit)\.(long|short)\.((?:required|optional)\[\d+\]|when\..+)")
_NUMBER = re.compile(r"\[(\d+)\]")
_PARTS = {"required": "all of", "optional": "one of", "at_least": "at least"}


def place_words(place: str) -> str:
    """Return a place of a draft as the form names it: ``long entry, all of 1``."""
    found = _GROUP.fullmatch(place)
    if found is None:
        return place.replace("_", " ").replace(".", ", ")
    kind, side, condition = found.groups()
    return f"{side} {kind}, {condition_words(condition)}"


def condition_words(place: str, *, is_new: bool = False) -> str:
    """Return the place of a condition as the form names it; ``is_new``: it is still to be written.

    Of a tree it is the list and the numbers that lead to it: ``any 1``, or ``all 2.1`` in the second item.
    """
    numbers = [str(int(number) + 1) for number in _NUMBER.findall(place)]
    part = _NUMBER.sub("", place).rpartition(".")[2]
    if is_new:
        numbers[-1] = "+"
    words = _PARTS.get(part, part) + (", in" if part == "at_least" and numbers else "")
    return f"{words} {'.'.join(numbers)}".rstrip()


def first_mistake(draft: "DraftView") -> str:
    """Return the first mistake in a draft with its place, and how many more there are; empty: none."""
    if not draft.problems:
        return ""
    place, sentence = next(iter(draft.problems.items()))
    more = f" (+{len(draft.problems) - 1})" if len(draft.problems) > 1 else ""
    return f"{place_words(place)}: {sentence}{more}" if place else f"{sentence}{more}"
