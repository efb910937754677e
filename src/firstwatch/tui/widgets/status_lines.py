"""The lines that every screen has: the head, the keys, the status."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual import events
from textual.geometry import Region, Size
from textual.widget import Widget

from firstwatch.manager.views import EngineWhere, RunView
from firstwatch.trading.text import clean
from firstwatch.tui import formats
from firstwatch.tui.ask_text import time_left, waiting
from firstwatch.tui.build import name_of
from firstwatch.tui.job_text import working_text
from firstwatch.tui.layout import Mode
from firstwatch.tui.messages import ModeChosen
from firstwatch.tui.money_text import money_badge, run_place, wallet_place
from firstwatch.tui.state import StateApp, app_of
from firstwatch.tui.stream_text import late_lines, worst_stream

_ENGINE_LATE_MS = 5_000
_NOTICE_MS = 8_000
"""How long a dialog shows a notice."""
_TROUBLE_COLUMNS = 20
"""Columns that a long question of an agent leaves to an alarm."""
_ACT_COLUMNS = 12
"""Least columns in which it is said what an agent asks for."""
_LEVELS = 8
"""Forms of the head, from the longest to the shortest."""
_NAMELESS_LEVEL, _LETTER_LEVEL = 3, 4
"""The forms from which on the program's name is left out, and modes are letters."""


class StateLine(Widget):
    """One line about the app's state. Only the changed part of its text is repainted."""

    STATES = (
        "snapshot", "beat", "busy", "notices", "selected_run", "selected_wallet", "is_at_wallets",
        "frozen_ms", "bench", "build",
    )  # fmt: skip

    _painted: Text | None = None
    _made_for: tuple[object, ...] = ()
    """The width and the colours of the line that is painted."""

    def on_mount(self) -> None:
        app = app_of(self)
        for name in self.STATES:
            self.watch(app, name, self.renew, init=False)

    def renew(self) -> None:
        """Repaint the changed part of the text."""
        before, line = self._painted, self.line()
        if line != before:
            self._take(line)
            changed = None if before is None else changed_part(before, line)
            self.refresh(*([] if changed is None else [changed]))

    def _take(self, line: Text) -> None:
        self._painted, self._made_for = line, (self.size.width, self.app.theme_variables)

    def render(self) -> Text:
        # Keep the painted line: of a newer one only the previously changed part would be repainted.
        if self._painted is None or self._made_for != (self.size.width, self.app.theme_variables):
            self._take(self.line())
        assert self._painted is not None
        return self._painted

    async def on_click(self, event: events.Click) -> None:
        """Open what the line mentions."""
        del event
        await self.open_mentioned()

    async def open_mentioned(self) -> None:
        """Open agents' questions, alarms and late streams; without any of them, the jobs."""
        app = app_of(self)
        if app.live.asks or app.live.alarms or late_lines(app.live, app.now_ms()):
            await self.app.run_action("app.perform('view.alarms')")
        elif app.live.working:
            await self.app.run_action("app.perform('view.jobs')")

    @abstractmethod
    def line(self) -> Text:
        """Return the text for the present width."""


def changed_part(old: Text, new: Text) -> Region | None:
    """Return the columns in which two lines of equal length and styles differ; None: repaint all."""
    before, after = old.plain, new.plain
    if old.spans != new.spans or len(before) != len(after) or old.cell_len != new.cell_len:
        return None
    places = [place for place, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    if not places:
        return None
    first, end = places[0], places[-1] + 1
    left = cell_len(after[:first])
    right = max(cell_len(before[:end]), cell_len(after[:end]))
    return Region(left, 0, right - left, 1)


class HeadLine(StateLine):
    """Program and mode, kinds of money, the venue's clock and ours, the engine, a job at work, the alarms.

    If there is too little room, the least important parts are shortened or left out, never money and alarms.
    """

    _level = 0
    """The form that is painted."""

    def line(self) -> Text:
        width = self.size.width
        alarms = self._alarms()
        for level in range(_LEVELS):
            self._level = level
            line = self._left(level)
            if line.cell_len + alarms.cell_len + 1 <= width:
                break
        line.append(" " * max(0, width - line.cell_len - alarms.cell_len))
        line.append_text(alarms)
        line.no_wrap = True
        return line

    def _left(self, level: int) -> Text:
        """Return all but the alarms; the higher the level, the shorter."""
        app = app_of(self)
        colours = app.theme_variables
        run = self._clock_run()
        line = Text(f" {app.title} " if level < _NAMELESS_LEVEL else "", f"bold {colours['primary']}")
        for mode, text in self._modes(level):
            chosen = f"bold {colours['background']} on {colours['primary']}"
            line.append(text, chosen if mode is app.mode else colours["secondary"])
        line.append(" ")
        line.append_text(self._money())
        for badge in app.badges:
            line.append(f" {badge} ", f"bold {colours['background']} on {colours['warning']}")
        if run is not None and run.market_speed != 1:
            line.append(f" {speed_text(run.market_speed)}")
        now_ms = app.now_ms()
        if level < _LEVELS - 1:
            line.append("  ")
            if run is not None and run.venue_ms is not None:
                line.append("venue ", colours["secondary"])
                line.append(formats.short_moment(run.venue_ms))
                if level < 5:
                    self._stream(line, run, now_ms)
                line.append(" · ", colours["secondary"])
            line.append("wall ", colours["secondary"])
            line.append(formats.day_time(now_ms)[: 8 if level < 2 else 5])
        line.append("  ")
        line.append(*_engine(app, has_age=level < 6, has_place=level < 2))
        if level < _LEVELS - 2 and (job := working_text(app.live.working, is_short=level > 4)):
            line.append("  ")
            line.append(job, f"bold {colours['primary']}")
        if level == 0 and app.title_note:
            line.append(f"  {clean(app.title_note)}", colours["secondary"])
        return line

    def _clock_run(self) -> RunView | None:
        """Return the run whose venue's clock is shown: the chosen one, or any while that one has ended.

        An ended run has no streams: their age would grow as if they were late.
        """
        live = app_of(self).live
        chosen = live.run(app_of(self).selected_run)
        return chosen if chosen in live.active else next(iter(live.active), None)

    @staticmethod
    def _modes(level: int) -> list[tuple[Mode, str]]:
        """Return the modes as they are written at that level."""
        is_short = level >= _LETTER_LEVEL
        return [(mode, f" {mode.label[0]}" if is_short else f" {mode.label} ") for mode in Mode]

    async def on_click(self, event: events.Click) -> None:
        """Go to the mode that is clicked; elsewhere do as all lines do."""
        start = len(f" {app_of(self).title} ") if self._level < _NAMELESS_LEVEL else 0
        for mode, text in self._modes(self._level):
            if start <= event.x < start + len(text):
                self.app.post_message(ModeChosen(mode))
                return
            start += len(text)
        await self.open_mentioned()

    def _money(self) -> Text:
        """Return the kinds of money of the active runs; without any, of the wallets."""
        snapshot = app_of(self).live
        kinds = [run.money for run in snapshot.active] or list({wallet.money for wallet in snapshot.wallets})
        return money_badge(kinds, self.app.theme_variables)

    def _stream(self, line: Text, run: RunView, now_ms: int) -> None:
        worst = worst_stream(run, now_ms)
        if worst is not None:
            name, age_ms, is_late = worst
            colours = self.app.theme_variables
            line.append(" · ", colours["secondary"])
            line.append(f"{clean(name)} {formats.age(age_ms)}", colours["warning"] if is_late else "")

    def _alarms(self) -> Text:
        """Return how many alarms are not acknowledged; if all are, how many there are."""
        live = app_of(self).live
        if not live.alarms:
            return Text()
        colours = self.app.theme_variables
        key = f" ({app_of(self).key_of('view.alarms')})"
        if not live.calling:
            return Text(f" ▲ {len(live.alarms)} seen{key} ", colours["secondary"])
        noun = "ALARM" if len(live.calling) == 1 else "ALARMS"
        style = f"bold {colours['background']} on {colours['error']}"
        return Text(f" ▲ {len(live.calling)} {noun}{key} ", style)


def speed_text(speed: float) -> str:
    """Return a market's speed: ``×60``, ``×max``."""
    return "×max" if math.isinf(speed) else f"×{speed:g}"


def _engine(app: StateApp, *, has_age: bool, has_place: bool) -> tuple[str, str]:
    """Return the engine's state in few words, and its style."""
    engine, colours = app.live.engine, app.theme_variables
    if not app.live.is_ready:
        return "reading the store…", colours["secondary"]
    if engine.where is EngineWhere.NONE:
        return "no engine", f"bold {colours['warning']}"
    age_ms = None if engine.heartbeat_ms is None else app.now_ms() - engine.heartbeat_ms
    age = f" {formats.age(age_ms)}" if has_age else ""
    if engine.where is EngineWhere.NOT_RESPONDING:
        return f"engine silent{age}", f"bold {colours['error']}"
    is_late = age_ms is not None and age_ms > _ENGINE_LATE_MS
    place = f" ({engine.where})" if has_place else ""
    return f"engine ok{age}{place}", colours["warning"] if is_late else ""


class StatusLine(StateLine):
    """Input mode, what keys act on, an engine in trouble, unprotected runs, an agent's question, worst alarm.

    On dialogs too. If there is too little room, the question takes that of what keys act on.
    """

    def line(self) -> Text:
        app = app_of(self)
        colours, snapshot = app.theme_variables, app.live
        is_editing = app.is_editing
        line = Text(no_wrap=True, overflow="ellipsis")
        mode_colour = colours["accent"] if is_editing else colours["primary"]
        line.append(" EDIT " if is_editing else " NAV ", f"bold {colours['background']} on {mode_colour}")
        trouble, ask = self._trouble(app), self._ask(app)
        if notice := self._notice(app):
            room = max(2, (self.size.width - line.cell_len) // (2 if trouble or ask else 1) - 2)
            is_cut = cell_len(notice) > room
            line.append(f" {set_cell_size(notice, room - 1)}… " if is_cut else f" {notice} ", "bold")
        else:
            subject = self._subject(app)
            if ask is not None and line.cell_len + cell_len(subject) + ask.least + 4 > self.size.width:
                subject = ""
            line.append(f" {clean(subject)} " if subject else " ")
        if engine := _engine_problem(app):
            line.append(f" {clean(engine)} ", colours["warning"] if snapshot.is_ready else "")
        if snapshot.unprotected:
            style = f"bold {colours['background']} on {colours['error']}"
            line.append(f" {snapshot.unprotected} unprotected ", style)
        if app.busy:
            line.append(f" {clean(app.busy)} ", colours["primary"])
        if ask is not None:
            asked = ask.fitted(self.size.width - line.cell_len - 2, _TROUBLE_COLUMNS if trouble else 0)
            line.append(f" {asked} ", f"bold {colours['background']} on {colours['warning']}")
        if trouble:
            # A space before it, and one after it.
            text = Text(clean(trouble), f"bold {colours['error']}")
            text.truncate(max(0, self.size.width - line.cell_len - 2), overflow="ellipsis")
            line.append(" " * max(1, self.size.width - line.cell_len - text.cell_len - 1))
            line.append_text(text)
        return line

    def _notice(self, app: StateApp) -> str:
        """Return the newest notice while it is fresh, on dialogs only: a toast could cover their text."""
        newest = app.notices[-1] if app.notices and app.is_covered else None
        is_fresh = newest is not None and app.now_ms() - newest.time_ms < _NOTICE_MS
        return clean(newest.message) if newest is not None and is_fresh else ""

    def _subject(self, app: StateApp) -> str:
        """Return what keys act on: a wallet while the wallets are in front, else a run."""
        if app.mode is Mode.TEST:
            return "" if app.bench.draft is None else app.bench.draft.name
        if app.mode is Mode.BUILD:
            return "" if app.build.text is None else name_of(app.build.text)
        if app.is_at_wallets:
            wallet = app.live.wallet(app.selected_wallet)
            return "" if wallet is None else wallet_place(wallet)
        runs = app.run_ids()
        if len(runs) > 1:
            return f"{len(runs)} marked runs"
        run = app.live.run(runs[0]) if runs else None
        return "" if run is None else f"{app.live.short_id(run.run_id)} on {run_place(run)}"

    def _ask(self, app: StateApp) -> "_Asked | None":
        """Return the oldest question of an agent that waits."""
        now_ms = app.now_ms()
        asks = waiting(app.live, now_ms)
        if not asks:
            return None
        more = f" (+{len(asks) - 1})" if len(asks) > 1 else ""
        # In a field and on a dialog the key does not open it.
        press = "" if app.is_editing or app.is_covered else f", press {app.key_of('view.alarms')}"
        return _Asked(clean(asks[0].act), more, time_left(asks[0], now_ms), press)

    def _trouble(self, app: StateApp) -> str:
        snapshot = app.live
        if snapshot.problem:
            return snapshot.problem
        calling = snapshot.calling
        if not calling:
            return ""
        more = f" (+{len(calling) - 1})" if len(calling) > 1 else ""
        return f"▲ ALARM{more}: {calling[0].sentence}"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question of an agent: what it is about, how many more there are, how long it waits, what to press."""

    act: str
    more: str
    left: str
    press: str

    @property
    def least(self) -> int:
        """Columns without what it is about."""
        return cell_len(self._short)

    @property
    def _short(self) -> str:
        return f"an agent asks ({self.left}){self.press}"

    def fitted(self, room: int, spare: int) -> str:
        """Return as much as fits into ``room`` columns; what is only useful leaves ``spare`` of them free."""
        start, end = f"an agent asks{self.more}: ", f" ({self.left}){self.press}"
        act_room = room - spare - cell_len(start + end)
        if cell_len(self.act) <= act_room:
            return f"{start}{self.act}{end}"
        if act_room >= _ACT_COLUMNS:
            return f"{start}{set_cell_size(self.act, act_room - 1)}…{end}"
        return self._short if self.least <= room else f"agent asks, {self.left}"


def _engine_problem(app: StateApp) -> str:
    """Return what is wrong with the engine; empty: it accepts commands."""
    engine = app.live.engine
    if engine.where is EngineWhere.NONE:
        return f"engine: {engine.sentence or 'none'}"
    if engine.where is EngineWhere.NOT_RESPONDING:
        age_ms = None if engine.heartbeat_ms is None else app.now_ms() - engine.heartbeat_ms
        return f"engine NOT RESPONDING pid {engine.pid}, silent for {formats.age(age_ms)}"
    return ""


_PRESSED = {
    "esc": "escape",
    "↑": "up",
    "↓": "down",
    "←": "left",
    "→": "right",
    "pgdn": "pagedown",
    "?": "question_mark",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "!": "exclamation_mark",
    "/": "slash",
    ":": "colon",
}
"""Names of keys on the screen, where these differ from Textual's."""


@dataclass(frozen=True, slots=True)
class KeyHint:
    """One key and what it does now."""

    key: str
    text: str

    @property
    def width(self) -> int:
        """Width in columns, with the space around it."""
        return len(self.key) + len(self.text) + 3

    @property
    def pressed(self) -> str:
        """The key that a click on the hint presses: the last one that is named."""
        name = self.key.split()[-1] if self.key.split() else ""
        return _PRESSED.get(name, name)


_ALWAYS = 2
"""The last hints are always shown: help and quit, or how to leave a dialog."""


class KeyLine(Widget):
    """The keys that do something now, the most useful first; a click on one presses it.

    Those without room are in the help only.
    """

    def __init__(self, hints: Callable[[], Sequence[KeyHint]], *, most_rows: int | None = 1) -> None:
        """``most_rows``: most rows that are filled; None: no limit."""
        super().__init__()
        self._hints = hints
        self.most_rows = most_rows
        self._painted: Sequence[KeyHint] = ()

    def renew(self) -> None:
        """Repaint if other keys do something now."""
        if self._hints() != self._painted:
            self.refresh(layout=self.most_rows is None)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        del container, viewport
        return len(self._rows(width))

    def render(self) -> Text:
        self._painted = self._hints()
        return Text("\n").join(self._written(row) for row in self._rows(self.size.width))

    def _rows(self, width: int) -> list[list[KeyHint]]:
        """Return the hints that are shown, row by row."""
        hints, last = list(self._hints()), []
        if self.most_rows is not None:
            hints, last = hints[:-_ALWAYS], hints[-_ALWAYS:]
        rows: list[list[KeyHint]] = []
        while hints and (self.most_rows is None or len(rows) < self.most_rows - 1):
            rows.append(_fitting(hints, width) or hints[:1])
            hints = hints[len(rows[-1]) :]
        if self.most_rows is not None:
            rows.append([*_fitting(hints, width - sum(hint.width for hint in last)), *last])
        return rows

    def _written(self, hints: Sequence[KeyHint]) -> Text:
        line = Text(no_wrap=True)
        for hint in hints:
            line.append(f" {hint.key}", f"bold {self.app.theme_variables['primary']}")
            line.append(f" {hint.text} ")
        return line

    def on_click(self, event: events.Click) -> None:
        rows = self._rows(self.size.width)
        end = 0
        for hint in rows[event.y] if event.y < len(rows) else ():
            end += hint.width
            if event.x < end:
                if hint.pressed:
                    self.app.simulate_key(hint.pressed)
                return


def _fitting(hints: Sequence[KeyHint], room: int) -> list[KeyHint]:
    """Return the first hints, as many as fit."""
    found: list[KeyHint] = []
    for hint in hints:
        room -= hint.width
        if room < 0:
            break
        found.append(hint)
    return found
