"""The algorithms: a line for each version, the newest first, with what was made with it; drafts before it."""

from collections.abc import Sequence

from firstwatch.manager.build_views import AlgorithmEntry, VersionEntry
from firstwatch.tui import formats
from firstwatch.tui.lists.cells import NOTHING
from firstwatch.tui.widgets.table import Cell, Column, Line

COLUMNS = (
    Column("algorithm", 20, grows=True, keeps="@", least=12),
    Column("from", 5, rank=4),
    Column("note", 10, rank=2, most=30),
    Column("runs", 5, rank=3),
    Column("newest result", 13, rank=1, most=34),
    Column("saved", 11, rank=5),
)
_SHOWN_RUNS = 2
_ID = 5


def lines(algorithms: Sequence[AlgorithmEntry], *, shows_archived: bool) -> list[Line]:
    """Return the lines; archived algorithms are left out unless they are shown."""
    found: list[Line] = []
    for entry in algorithms:
        if entry.is_archived and not shows_archived:
            continue
        if entry.draft:
            found.append(_draft(entry.draft))
        found.extend(_version(each, is_archived=entry.is_archived) for each in entry.versions)
    return found


def hidden(algorithms: Sequence[AlgorithmEntry]) -> int:
    """Return how many algorithms are archived."""
    return sum(entry.is_archived for entry in algorithms)


def _draft(name: str) -> Line:
    return Line(
        name, (Cell(name, "accent"), NOTHING, Cell("not saved yet", "dim"), NOTHING, NOTHING, NOTHING)
    )


def _version(version: VersionEntry, *, is_archived: bool) -> Line:
    parent = version.parent.rpartition("@")
    is_own = parent[0] == version.label.rpartition("@")[0]
    return Line(
        version.label,
        (
            Cell(version.label, "dim" if is_archived else ""),
            Cell(f"@{parent[2]}" if is_own else version.parent, "dim") if version.parent else NOTHING,
            Cell("archived" if is_archived and not version.note else version.note),
            Cell(runs_text(version.runs)) if version.runs else NOTHING,
            Cell(version.result) if version.result else Cell("not tested", "dim"),
            Cell(formats.short_moment(version.created_ms), "dim"),
        ),
    )


def runs_text(runs: Sequence[str]) -> str:
    """Return how many runs there are: the newest by their ids, of more the number."""
    if len(runs) > _SHOWN_RUNS:
        return str(len(runs))
    return " ".join(each[:_ID] for each in runs)
