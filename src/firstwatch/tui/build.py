"""The state of Build mode: the text that is edited, the algorithms, and the picture of the text."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from firstwatch.trading.text import counted

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.build_views import (
        AlgorithmEntry,
        PreviewView,
        TextProblem,
        TextView,
        VersionEntry,
    )


@dataclass(frozen=True, slots=True)
class Build:
    """What Build mode shows. It holds nothing until the mode is first opened."""

    text: "TextView | None" = None
    opened: int = 0
    """Counts the texts that were put into the editor from outside: it takes each once."""
    goes_on: bool = False
    """The last of them goes on from the text before."""
    is_open: bool = False
    """The drafts and algorithms have been read."""
    algorithms: "tuple[AlgorithmEntry, ...]" = ()
    shows_archived: bool = False
    chosen: str = ""
    """The row under the cursor of the algorithms: a version as ``name@version``, or a draft; empty: none."""
    marked: tuple[str, ...] = ()
    """The marked rows."""
    preview: "PreviewView | None" = None
    """The newest picture of the text; None: there was none yet."""
    problem: str = ""
    """Why there is no newer picture; empty: it is that of the newest text."""
    is_late: bool = False
    """The picture of the newest text takes long: another one is shown."""

    def with_text(self, text: "TextView | None", *, goes_on: bool = False) -> "Build":
        """Return the state with a text from outside of the editor.

        ``goes_on``: it goes on from the text in the editor, which undo brings back; another has no picture.
        """
        new = replace(self, text=text, opened=self.opened + 1, goes_on=goes_on)
        return new if goes_on else replace(new, preview=None, problem="", is_late=False)

    @property
    def entry(self) -> "AlgorithmEntry | None":
        """The algorithm under the cursor of the list."""
        return next((each for each in self.algorithms if self.chosen in keys_of(each)), None)

    @property
    def version(self) -> "VersionEntry | None":
        """The stored version under the cursor of the list; None: it is on a draft, or on nothing."""
        entry = self.entry
        return None if entry is None else next((v for v in entry.versions if v.label == self.chosen), None)

    def lists(self, key: str) -> bool:
        """Return whether the list has that row."""
        return any(key in keys_of(entry) for entry in self.algorithms)

    @property
    def compared(self) -> tuple[str, str] | None:
        """What is compared, the older first: the marked row with that under the cursor, or a draft's base.

        None: there are no two.
        """
        others = [key for key in self.marked if key != self.chosen]
        if len(others) == 1 and self.chosen:
            ids = {each.label: each.id for entry in self.algorithms for each in entry.versions}
            # A draft has no id, and is newer than all versions.
            first, second = sorted(
                (others[0], self.chosen), key=lambda key: (key not in ids, ids.get(key, 0))
            )
            return first, second
        if self.text is not None and self.text.base and self.text.is_changed:
            return self.text.base, self.text.draft
        return None


def keys_of(entry: "AlgorithmEntry") -> tuple[str, ...]:
    """Return the keys of an algorithm's rows in the list: its draft, and its versions, the newest first."""
    drafts = (entry.draft,) if entry.draft else ()
    return (*drafts, *(each.label for each in entry.versions))


def problem_text(problem: "TextProblem") -> str:
    """Return a mistake with its place, as an editor counts: ``line 7, column 14: …``."""
    return f"line {problem.line + 1}, column {problem.column + 1}: {problem.sentence}"


def first_problem(text: "TextView") -> str:
    """Return the first mistake in a text with its place, and how many more there are; empty: none."""
    if not text.problems:
        return ""
    more = f" (+{len(text.problems) - 1})" if len(text.problems) > 1 else ""
    return f"{problem_text(text.problems[0])}{more}"


def name_of(text: "TextView") -> str:
    """Return what is in the editor: a version as it is stored, or a draft."""
    return text.draft if text.is_changed or not text.base else text.base


def standing_text(text: "TextView") -> str:
    """Return how a text stands to the stored version: ``3 mistakes``, ``changed``, ``as stored``."""
    if text.problems:
        return counted(len(text.problems), "mistake")
    if not text.base:
        return "not saved yet"
    return "changed" if text.is_changed else "as stored"


def algorithm_name_problem(name: str) -> str:
    """Return what is wrong with the name of an algorithm; empty: nothing."""
    if not name:
        return "write a name"
    if "@" in name or not name.isprintable():
        return "a name has no @, which stands in name@version"
    return "" if len(name) <= 80 else "at most 80 characters"
