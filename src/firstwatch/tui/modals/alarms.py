"""What wants an answer: questions of agents, then all alarms with what can be done about each from here.

A question is answered only where it is shown whole. Its keys are dead for a second after it is shown, so that
a key that was pressed for something else answers nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events, on
from textual.widget import Widget
from textual.widgets import DataTable

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView, AskView
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.alarms import AlarmAction, meaning_of
from firstwatch.tui import formats
from firstwatch.tui.alarm_text import alarm_key, seen_word, since
from firstwatch.tui.ask_text import ask_key, asks_what, time_left, waiting
from firstwatch.tui.keymap import Keymap
from firstwatch.tui.layout import Layout, layout_for
from firstwatch.tui.messages import AlarmActed, AskAnswered, AskShown
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.money_text import money_word
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
_ANSWERS = ("ask.approve", "ask.refuse")
_DEAD_S = 1.0
"""How long the keys of an ask are dead after it is shown."""


@dataclass(frozen=True, slots=True)
class AlarmChoice:
    """The operator's choice for an alarm: an action's id; empty: go to its run."""

    action_id: str
    alarm: AlarmView


class AlarmsDialog(Dialog[AlarmChoice]):
    """The asks and the active alarms, as they are now: what is over goes, what was acknowledged stays."""

    TITLE_TEXT = "Alarms"
    _TITLE_WITH_ASKS = "Questions of agents, and alarms"
    IS_DANGEROUS = True
    AUTO_FOCUS = "KeyedTable"

    def __init__(self, keymap: Keymap) -> None:
        super().__init__()
        self._keymap = keymap
        for action, (_, action_id) in _ACTIONS.items():
            if key := keymap.keys[action_id]:
                self._bindings.bind(key, f"take('{action}')", show=False)
        for answer in _ANSWERS:
            if key := keymap.keys[answer]:
                self._bindings.bind(key, f"answer('{answer}')", show=False)
        self._shown: AskView | None = None
        """The ask that is shown, or was until it went."""
        self._shown_s = 0.0
        """Since when it is shown."""

    def body(self) -> Sequence[Widget]:
        return [
            Listing(_COLUMNS, empty="There is no alarm.", id="alarms"),
            Paragraph("REAL MONEY", id="real-money"),
            Paragraph(id="alarm"),
            Paragraph(id="late-streams"),
        ]

    def on_mount(self) -> None:
        self.watch(app_of(self), "snapshot", self._renew)
        for name in ("beat", "ask_codes"):
            self.watch(app_of(self), name, self._renew, init=False)

    def on_screen_resume(self, _event: events.ScreenResume) -> None:
        # What was in front of this dialog took the keys until now.
        self._shown = None
        self._show()

    def hints(self) -> Sequence[KeyHint]:
        alarm = self._alarm
        hints: list[KeyHint] = []
        if self._ask is not None and not app_of(self).is_read_only:
            keys = [self._keymap.shown(answer) for answer in _ANSWERS]
            if self._is_dead:
                hints = [KeyHint("", f"{' and '.join(filter(None, keys))} in {_DEAD_S:.0f} s")]
            else:
                words = zip(keys, ("yes", "no"), strict=True)
                hints = [KeyHint(key, word) for key, word in words if key]
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
        live, now_ms = app_of(self).live, app_of(self).now_ms()
        asks = [_ask_line(ask, live, now_ms) for ask in waiting(live, now_ms)]
        self.query_one(".dialog-box").border_title = self._TITLE_WITH_ASKS if asks else self.TITLE_TEXT
        self.query_one(Listing).set_lines([*asks, *(_line(alarm, live) for alarm in live.alarms)])
        late = late_lines(live, now_ms)
        self.query_one("#late-streams", Paragraph).set_text(
            "\n".join(["", "Late streams", *late] if late else [])
        )
        self._show()

    @on(KeyedTable.CursorMoved)
    def _show(self) -> None:
        """Show the whole of what is under the cursor."""
        app, ask, alarm = app_of(self), self._ask, self._alarm
        lines: list[str] = []
        if ask is not None:
            if self._shown is None or self._shown.ask_id != ask.ask_id:
                self._begin(ask)
            code = None if app.is_read_only else app.ask_codes.get(ask.ask_id, "…")
            lines = _ask_story(ask, app.live, app.now_ms(), code)
        elif alarm is not None:
            self._shown = None
            lines = _story(alarm, app.live, app.now_ms())
        self.query_one("#real-money", Paragraph).show_if(ask is not None and ask.money is MoneyKind.LIVE)
        self.query_one("#alarm", Paragraph).set_text("\n".join(lines))
        self.query_one(KeyLine).renew()

    def _begin(self, ask: AskView) -> None:
        """Show another ask than before, from its first line."""
        self._shown, self._shown_s = ask, app_of(self).elapsed_s()
        self.set_timer(_DEAD_S, self.query_one(KeyLine).renew)
        self.query_one(".dialog-body").scroll_home(animate=False)
        self.post_message(AskShown(ask))

    @property
    def _is_dead(self) -> bool:
        """Whether the ask has been shown too shortly for its keys to be meant for it."""
        return app_of(self).elapsed_s() - self._shown_s < _DEAD_S

    @property
    def _ask(self) -> AskView | None:
        key, app = self.query_one(KeyedTable).cursor_key, app_of(self)
        return next((ask for ask in waiting(app.live, app.now_ms()) if ask_key(ask) == key), None)

    @property
    def _alarm(self) -> AlarmView | None:
        key = self.query_one(KeyedTable).cursor_key
        return next((alarm for alarm in app_of(self).live.alarms if alarm_key(alarm) == key), None)

    @on(DataTable.RowSelected)
    def _go(self) -> None:
        if (alarm := self._alarm) is not None and alarm.run_id is not None:
            self.dismiss(AlarmChoice("", alarm))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # A key of the settings may be both: an answer to an ask, and an action on an alarm.
        if action in ("answer", "take"):
            return (self._alarm is None) is (action == "answer")
        return super().check_action(action, parameters)

    def action_answer(self, action_id: str) -> None:
        """Answer the ask under the cursor; one that has gone is refused with a sentence."""
        ask = self._ask
        if ask is not None and self._is_dead:
            return
        if (asked := ask or self._shown) is not None:
            self.post_message(AskAnswered(action_id, asked))

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


def _ask_line(ask: AskView, live: ManagerSnapshot, now_ms: int) -> Line:
    tone: Tone = "live" if ask.money is MoneyKind.LIVE else "warning"
    return Line(
        ask_key(ask),
        (
            Cell(f"{time_left(ask, now_ms)} left", tone),
            Cell(ask.wallet),
            Cell(live.short_id(ask.run_id) if ask.run_id else ""),
            Cell(asks_what(ask), tone),
        ),
    )


def _ask_story(ask: AskView, live: ManagerSnapshot, now_ms: int, code: str | None) -> list[str]:
    """Return the whole ask. ``code``: for an answer at a terminal; None: it is not shown."""
    run = f"run {live.short_id(ask.run_id)}" if ask.run_id else "a new run"
    lines = [
        "",
        asks_what(ask),
        f"{run}, wallet {ask.wallet} ({money_word(ask.money)})",
        "",
        *ask.plan,
        "",
        f"{time_left(ask, now_ms)} left; without an answer it is a no",
    ]
    if ask.name_to_type and code is not None:
        lines.append(f"At a terminal: firstwatch agent approve {ask.ask_id}, with the code {code}")
    return lines
