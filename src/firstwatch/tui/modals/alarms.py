"""All alarms: since when, what each is about, and what can be done about it from here."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.widget import Widget
from textual.widgets import DataTable

from firstwatch.manager.views import AlarmView, ManagerSnapshot
from firstwatch.trading.alarms import AlarmAction, meaning_of
from firstwatch.tui import formats
from firstwatch.tui.alarm_text import alarm_key, seen_word, since
from firstwatch.tui.keymap import Keymap
from firstwatch.tui.layout import Layout, layout_for
from firstwatch.tui.messages import AlarmActed
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.run_text import run_lines
from firstwatch.tui.state import app_of
from firstwatch.tui.stream_text import late_lines
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, Tone

_COLUMNS = (
    Column("since", 11),
    Column("wallet", 9, rank=1),
    Column("run", 8, rank=2),
    Column("alarm", 40, grows=True),
)
_ACTIONS = {
    AlarmAction.CLOSE: ("close position", "run.close"),
    AlarmAction.ADOPT: ("adopt", "alarm.adopt"),
    AlarmAction.LEAVE: ("leave", "alarm.leave"),
    AlarmAction.PAUSE: ("pause", "run.pause"),
    AlarmAction.STOP: ("stop", "run.stop"),
    AlarmAction.ACKNOWLEDGE: ("acknowledge", "alarm.acknowledge"),
}
"""Label of each here, and the id of the action, whose key performs it."""
_IN_PLACE = (AlarmAction.LEAVE, AlarmAction.ACKNOWLEDGE)
"""After these the dialog stays open."""


@dataclass(frozen=True, slots=True)
class AlarmChoice:
    """The operator's choice for an alarm: an action's id; empty: go to its run."""

    action_id: str
    alarm: AlarmView


class AlarmsDialog(Dialog[AlarmChoice]):
    """The active alarms, as they are now: one that is over goes, one that was acknowledged stays."""

    TITLE_TEXT = "Alarms"
    IS_DANGEROUS = True
    AUTO_FOCUS = "KeyedTable"

    def __init__(self, keymap: Keymap) -> None:
        super().__init__()
        self._keymap = keymap
        for action, (_, action_id) in _ACTIONS.items():
            if key := keymap.keys[action_id]:
                self._bindings.bind(key, f"take('{action}')", show=False)

    def body(self) -> Sequence[Widget]:
        return [
            Listing(_COLUMNS, empty="There is no alarm.", id="alarms"),
            Paragraph(id="alarm"),
            Paragraph(id="late-streams"),
        ]

    def on_mount(self) -> None:
        self.watch(app_of(self), "snapshot", self._renew)
        self.watch(app_of(self), "beat", self._renew, init=False)

    def hints(self) -> Sequence[KeyHint]:
        alarm = self._alarm
        hints = []
        if alarm is not None:
            named = [_ACTIONS[action] for action in self._possible(alarm)]
            hints = [KeyHint(key, word) for word, name in named if (key := self._keymap.shown(name))]
            hints += [KeyHint("enter", "go to the run")] if alarm.run_id is not None else []
        return (*hints, KeyHint("q esc", "close"))

    def _possible(self, alarm: AlarmView) -> list[AlarmAction]:
        """Return the actions possible on an alarm on this screen."""
        if app_of(self).is_read_only:
            return []
        is_tiny = layout_for(*self.app.size) is Layout.TINY
        refused = {AlarmAction.ADOPT} if is_tiny else set()
        return [action for action in _ACTIONS if action in alarm.actions and action not in refused]

    def _renew(self) -> None:
        live = app_of(self).live
        self.query_one(Listing).set_lines([_line(alarm, live) for alarm in live.alarms])
        late = late_lines(live, app_of(self).now_ms())
        self.query_one("#late-streams", Paragraph).set_text(
            "\n".join(["", "Late streams", *late] if late else [])
        )
        self._show_alarm()

    @on(KeyedTable.CursorMoved)
    def _show_alarm(self) -> None:
        alarm, live = self._alarm, app_of(self).live
        lines = [] if alarm is None else _story(alarm, live, app_of(self).now_ms())
        self.query_one("#alarm", Paragraph).set_text("\n".join(lines))
        self.query_one(KeyLine).renew()

    @property
    def _alarm(self) -> AlarmView | None:
        key = self.query_one(KeyedTable).cursor_key
        return next((alarm for alarm in app_of(self).live.alarms if alarm_key(alarm) == key), None)

    @on(DataTable.RowSelected)
    def _go(self) -> None:
        if (alarm := self._alarm) is not None and alarm.run_id is not None:
            self.dismiss(AlarmChoice("", alarm))

    def action_take(self, name: str) -> None:
        """Act on the alarm under the cursor."""
        action, alarm = AlarmAction(name), self._alarm
        if alarm is None:
            return
        _, action_id = _ACTIONS[action]
        if action in _IN_PLACE:
            self.post_message(AlarmActed(action_id, alarm))
        else:
            self.dismiss(AlarmChoice(action_id, alarm))


def _line(alarm: AlarmView, live: ManagerSnapshot) -> Line:
    seen = seen_word(alarm)
    tone: Tone = "dim" if seen else "error"
    return Line(
        alarm_key(alarm),
        (
            Cell(formats.short_moment(alarm.since_ms), "dim"),
            Cell(alarm.wallet or "", "dim" if seen else ""),
            Cell(live.short_id(alarm.run_id) if alarm.run_id else "", "dim" if seen else ""),
            Cell(f"{seen}: {alarm.sentence}" if seen else alarm.sentence, tone),
        ),
    )


def _story(alarm: AlarmView, live: ManagerSnapshot, now_ms: int) -> list[str]:
    """Return the whole alarm: the sentence, since when, what it means, and the run that it is about."""
    run = live.run(alarm.run_id)
    about = [] if run is None else run_lines([run], live)
    return ["", alarm.sentence, since(alarm, now_ms), *filter(None, [meaning_of(alarm.topic)]), *about]
