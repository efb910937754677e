"""The journal of one run."""

from typing import TYPE_CHECKING

from firstwatch.trading.runs import Author
from firstwatch.tui import formats
from firstwatch.tui.widgets.table import Cell, Column, Line

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import RunDetails

COLUMNS = (
    Column("#", 5, rank=3, is_number=True),
    Column("wall time", 14),
    Column("who", 8, rank=2),
    Column("what happened", 36, grows=True),
)
EMPTY = "The journal is empty."


def lines(details: "RunDetails") -> list[Line]:
    """Return a line for each of the newest entries, the newest first."""
    return [
        Line(
            str(event.sequence),
            (
                Cell(str(event.sequence), "dim"),
                Cell(formats.clock_time(event.local_time_ms), "dim"),
                Cell(event.author.who, "dim" if event.author is Author.SYSTEM else "accent"),
                Cell(event.sentence, "error" if event.is_alarm else ""),
            ),
        )
        for event in reversed(details.events)
    ]


def story(details: "RunDetails", key: str) -> list[str]:
    """Return the whole of one entry; nothing: there is no such entry."""
    event = next((each for each in details.events if str(each.sequence) == key), None)
    if event is None:
        return []
    lines = [f"{formats.clock_time(event.local_time_ms)} UTC, by {event.author.words}, {event.kind}"]
    if event.venue_time_ms is not None:
        lines.append(f"{formats.clock_time(event.venue_time_ms)} UTC by the venue")
    return [*lines, "", event.sentence]
