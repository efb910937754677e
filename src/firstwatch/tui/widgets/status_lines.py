"""The lines that every screen has: the head, the keys, the status."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.widget import Widget

from firstwatch.manager.views import EngineWhere
from firstwatch.trading.text import clean
from firstwatch.tui import formats
from firstwatch.tui.state import StateApp, app_of


class HeadLine(Widget):
    """Program, mode selector and the time."""

    def render(self) -> Text:
        app = app_of(self)
        colours = app.theme_variables
        now = formats.moment(app.now_ms()) + " UTC"
        left = Text.assemble(
            (" firstwatch ", f"bold {colours['primary']}"),
            " mode ",
            (" Run ", f"bold {colours['background']} on {colours['primary']}"),
        )
        folder = f"  {clean(app.title_note)}" if app.title_note else ""
        room = self.size.width - left.cell_len - len(now) - 1
        left.append(folder[:room].ljust(max(room, 0)), colours["secondary"])
        left.append(now + " ")
        left.no_wrap = True
        return left


class StatusLine(Widget):
    """Input mode, engine and its age, unprotected runs, worst alarm. On dialogs too."""

    _painted: Text | None = None

    def on_mount(self) -> None:
        app = app_of(self)
        for name in ("snapshot", "beat", "busy"):
            self.watch(app, name, self.renew, init=False)

    def renew(self) -> None:
        """Repaint if the text has changed."""
        if self._line() != self._painted:
            self.refresh()

    def render(self) -> Text:
        self._painted = self._line()
        return self._painted

    def _line(self) -> Text:
        app = app_of(self)
        colours = app.theme_variables
        snapshot = app.snapshot
        is_editing = app.is_editing
        line = Text(no_wrap=True, overflow="ellipsis")
        mode_colour = colours["accent"] if is_editing else colours["primary"]
        line.append(" EDIT " if is_editing else " NAV ", f"bold {colours['background']} on {mode_colour}")
        line.append(f" {clean(_engine(app))} ", _engine_style(app))
        if snapshot.is_ready:
            unprotected = snapshot.unprotected
            style = f"bold {colours['background']} on {colours['error']}" if unprotected else ""
            line.append(f" {unprotected} unprotected ", style)
        if app.busy:
            line.append(f" {clean(app.busy)} ", colours["accent"])
        if snapshot.problem:
            line.append(f" {clean(snapshot.problem)}", f"bold {colours['error']}")
        elif snapshot.alarms:
            alarm = snapshot.alarms[0]
            more = f" (+{len(snapshot.alarms) - 1})" if len(snapshot.alarms) > 1 else ""
            line.append(f" ALARM{more}: {clean(alarm.sentence)}", f"bold {colours['error']}")
        elif snapshot.is_ready:
            line.append(" no alarm", colours["success"])
        return line


def _engine(app: StateApp) -> str:
    engine = app.snapshot.engine
    if engine.where is EngineWhere.NONE:
        return f"engine: {engine.sentence or 'none'}"
    age = None if engine.heartbeat_ms is None else app.now_ms() - engine.heartbeat_ms
    pid = f" pid {engine.pid}" if engine.where is not EngineWhere.EMBEDDED else ""
    if engine.where is EngineWhere.NOT_RESPONDING:
        return f"engine NOT RESPONDING{pid}, silent for {formats.age(age)}"
    return f"engine {engine.where}{pid}, {formats.age(age)}"


def _engine_style(app: StateApp) -> str:
    engine = app.snapshot.engine
    if engine.where is EngineWhere.NOT_RESPONDING:
        return f"bold {app.theme_variables['error']}"
    if engine.where is EngineWhere.NONE and app.snapshot.is_ready:
        return app.theme_variables["warning"]
    return ""


@dataclass(frozen=True, slots=True)
class KeyHint:
    """One key and what it does now."""

    key: str
    text: str

    @property
    def width(self) -> int:
        """The columns that it takes, with the space around it."""
        return len(self.key) + len(self.text) + 3


_ALWAYS = 2
"""The last hints are always shown: help and quit, or how to leave a dialog."""


class KeyLine(Widget):
    """The keys that do something now, the most useful first; those without room are in the help only."""

    def __init__(self, hints: Callable[[], Sequence[KeyHint]]) -> None:
        super().__init__()
        self._hints = hints
        self._painted: Sequence[KeyHint] = ()

    def renew(self) -> None:
        """Repaint if other keys do something now."""
        if self._hints() != self._painted:
            self.refresh()

    def render(self) -> Text:
        line = Text(no_wrap=True)
        self._painted = self._hints()
        first, last = self._painted[:-_ALWAYS], self._painted[-_ALWAYS:]
        room = self.size.width - sum(hint.width for hint in last)
        for hint in first:
            room -= hint.width
            if room < 0:
                break
            self._write(line, hint)
        for hint in last:
            self._write(line, hint)
        return line

    def _write(self, line: Text, hint: KeyHint) -> None:
        line.append(f" {hint.key}", f"bold {self.app.theme_variables['accent']}")
        line.append(f" {hint.text} ")
