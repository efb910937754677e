"""The journal of the chosen run below the panes, all active alarms first. Newest first."""

from textual.app import ComposeResult
from textual.containers import Vertical

from firstwatch.manager.views import ManagerSnapshot
from firstwatch.tui import formats
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.table import Cell, Column, Line

_COLUMNS = (Column("time", 14), Column("run", 22, rank=1), Column("what happened", 60, grows=True))
_SHOWN = 100


class JournalPanel(Vertical):
    """Shown on wide terminals only."""

    def compose(self) -> ComposeResult:
        yield Listing(_COLUMNS, empty="Nothing has happened yet.", id="events")

    def on_mount(self) -> None:
        self.border_title = "Events"
        self.watch(app_of(self), "snapshot", self._show, init=False)

    def _show(self, snapshot: ManagerSnapshot) -> None:
        if not self.display or app_of(self).is_covered:
            return
        lines = [
            Line(
                f"alarm-{alarm.run_id}-{alarm.topic}",
                (
                    Cell(formats.clock_time(alarm.since_ms), "error"),
                    Cell(formats.short_id(alarm.run_id or ""), "error"),
                    Cell(f"ALARM: {alarm.sentence}", "error"),
                ),
            )
            for alarm in snapshot.alarms
        ]
        details = snapshot.selected
        run = None if details is None else snapshot.run(details.run_id)
        for event in reversed(details.events[-_SHOWN:] if details else ()):
            cells = (
                Cell(formats.clock_time(event.local_time_ms), "dim"),
                Cell("" if run is None else f"{run.title}", "dim"),
                Cell(event.sentence),
            )
            lines.append(Line(f"{event.run_id}-{event.sequence}", cells))
        self.query_one(Listing).set_lines(lines, is_ready=snapshot.is_ready)
