"""What happened: a line for each event of all runs or of one, newest first, after all active alarms."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from textual import events, on
from textual.app import ComposeResult
from textual.widgets import DataTable

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView, AwayView, StoryLine
from firstwatch.trading.alarms import meaning_of
from firstwatch.tui import formats
from firstwatch.tui.alarm_text import alarm_key, seen_word, since
from firstwatch.tui.away_text import away_parts, away_title
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine, StatusLine
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, Tone

_COLUMNS = (
    Column("time", 12),
    Column("run", 6),
    Column("what happened", 40, grows=True),
)

_AWAY = "away"
"""The key of the line on what happened while no screen was open."""


class JournalPane(Pane):
    """What happened, by the venue's time. Enter shows the whole of a line."""

    ID = PaneId.JOURNAL
    TITLE = "What happened"
    ACTIONS = (
        "run.close",
        "alarm.adopt",
        "alarm.leave",
        "alarm.acknowledge",
        "view.scope",
        "view.order_changes",
        "run.pause",
        "run.resume",
        "run.stop",
    )
    HINTS = (KeyHint("enter", "Whole line"),)

    def __init__(self) -> None:
        super().__init__()
        self.is_of_one_run = False
        """Only the chosen run's lines are shown."""

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(app_of(self), "shows_order_changes", self._on_state, init=False)

    def compose(self) -> ComposeResult:
        yield Listing(
            _COLUMNS, empty="Nothing has happened yet.", id="events", show_header=False, takes_first=False
        )

    @on(events.DescendantFocus)
    def _take_newest(self) -> None:
        """Put the cursor on a line; without the focus there is none."""
        self.query_one(Listing).table.take_first()

    @on(events.DescendantBlur)
    def _follow_newest(self) -> None:
        """Scroll to the newest lines: a cursor that stayed would keep its own line in view."""
        if not app_of(self).is_covered:
            table = self.query_one(Listing).table
            table.point_at(None)
            table.scroll_home(animate=False)

    def toggle_scope(self) -> None:
        """Show what happened to the chosen run only, or to all."""
        self.is_of_one_run = not self.is_of_one_run
        self.renew()

    def run_ids(self) -> tuple[str, ...]:
        """Return the run of the line under the cursor."""
        alarm, key = self.alarm(), self._key
        run_id = alarm.run_id if alarm is not None else (key or "").rpartition("-")[0]
        return (run_id,) if run_id else ()

    def alarm(self) -> AlarmView | None:
        return next((each for each in app_of(self).live.alarms if alarm_key(each) == self._key), None)

    @property
    def _key(self) -> str | None:
        """The key of the line under the cursor."""
        table = self.table("events-table")
        return None if table is None else table.cursor_key

    @on(KeyedTable.CursorMoved)
    def _moved(self) -> None:
        self.screen.query_one(StatusLine).renew()
        self.screen.query_one(KeyLine).renew()

    def show(self, snapshot: ManagerSnapshot) -> None:
        lines = self._alarms(snapshot)
        lines += self._lines(snapshot)
        self.query_one(Listing).set_lines(lines, is_ready=snapshot.is_ready)
        run = snapshot.run(app_of(self).selected_run)
        whose = f"{snapshot.short_id(run.run_id)} only" if self.is_of_one_run and run is not None else ""
        self.set_note("venue time", whose)
        other = "all runs" if self.is_of_one_run else "this run"
        machinery = "without orders" if app_of(self).shows_order_changes else "orders"
        scope, changes = (app_of(self).key_of(name) for name in ("view.scope", "view.order_changes"))
        self.set_subtitle(f"{scope} {other} · {changes} {machinery}")

    def _story(self, snapshot: ManagerSnapshot) -> Sequence[StoryLine]:
        """Return the lines that are wanted, the newest first."""
        story = snapshot.story
        if self.is_of_one_run:
            details, chosen = snapshot.selected, app_of(self).selected_run
            story = details.story if details is not None and details.run_id == chosen else ()
        has_details = app_of(self).shows_order_changes
        return [line for line in reversed(story) if has_details or not line.is_detail]

    def _lines(self, snapshot: ManagerSnapshot) -> Iterator[Line]:
        """Yield the story, the newest line first, with what happened before the screen was open."""
        away = None if self.is_of_one_run else snapshot.away
        for line in self._story(snapshot):
            if away is not None and line.local_ms <= away.until_ms:
                yield from _away_line(away)
                away = None
            yield _line(line, snapshot.short_id(line.run_id))
        if away is not None:
            yield from _away_line(away)

    def _alarms(self, snapshot: ManagerSnapshot) -> list[Line]:
        app = app_of(self)
        now_ms = app.now_ms()
        actions = f"{app.key_of('view.alarms')} actions"
        lines = []
        for alarm in snapshot.alarms:
            tone: Tone = "dim" if alarm.is_acknowledged else "error"
            said = " · ".join(filter(None, (alarm.sentence, seen_word(alarm))))
            cells = (
                Cell(f"▲ {formats.age(now_ms - alarm.since_ms)}", tone),
                Cell(snapshot.short_id(alarm.run_id) if alarm.run_id else (alarm.wallet or ""), tone),
                Cell(said, tone, end=actions),
            )
            lines.append(Line(alarm_key(alarm), cells))
        return lines

    @on(DataTable.RowSelected)
    def _show_whole(self, event: DataTable.RowSelected) -> None:
        from firstwatch.tui.modals.confirm import MessageDialog

        app, key = app_of(self), event.row_key.value
        for alarm in app.snapshot.alarms:
            if key == alarm_key(alarm):
                lines = [alarm.sentence, "", since(alarm, app.now_ms()), meaning_of(alarm.topic)]
                about = " · ".join(part for part in (alarm.run_id, alarm.wallet) if part)
                self.app.push_screen(MessageDialog("Alarm", [*filter(None, lines), about]))
        if key == _AWAY and app.snapshot.away is not None:
            away = app.snapshot.away
            times = f"from {formats.moment(away.since_ms)} to {formats.moment(away.until_ms)} UTC"
            lines = [*away_parts(away), "", f"{times} by this machine's clock"]
            self.app.push_screen(MessageDialog(away_title(away), lines))
        for line in self._story(app.snapshot):
            if key == f"{line.run_id}-{line.sequence}":
                about = "about " if line.is_about else ""
                venue = "the venue's time is not known"
                if line.venue_ms is not None:
                    venue = f"{about}{formats.clock_time(line.venue_ms)} UTC by the venue"
                lines = [
                    line.sentence,
                    "",
                    f"run {line.run_id}, by {line.author.words}",
                    venue,
                    f"{formats.clock_time(line.local_ms)} UTC by this machine's clock",
                ]
                self.app.push_screen(MessageDialog("What happened", lines))


def _away_line(away: AwayView) -> Iterator[Line]:
    """Yield the line that separates events before this screen was opened from later ones; none: no event."""
    if parts := away_parts(away):
        said = f"{away_title(away)}: {', '.join(parts)}"
        yield Line(_AWAY, (Cell(""), Cell(""), Cell(said)))


# Most lines are shown again at each snapshot; few are new.
@lru_cache(maxsize=512)
def _line(line: StoryLine, short_id: str) -> Line:
    about = "~" if line.is_about and line.venue_ms is not None else ""
    tone: Tone = "error" if line.is_alarm else "dim" if line.is_detail else ""
    if line.pnl:
        tone = "gain" if line.pnl > 0 else "loss"
    cells = (
        Cell(f"{about}{formats.short_moment(line.venue_ms)}", "dim"),
        Cell(short_id, "dim"),
        Cell(line.sentence, tone),
    )
    return Line(f"{line.run_id}-{line.sequence}", cells)
