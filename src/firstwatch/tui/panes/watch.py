"""First 24 hours: does the run do what its backtest promised? And each day after them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable

from firstwatch.manager.views import RunDetails, RunView, WatchView
from firstwatch.trading.text import clean
from firstwatch.trading.watch import CheckName, Verdict, WatchReport
from firstwatch.tui import formats, watch_text
from firstwatch.tui.modals.evidence import EvidenceDialog
from firstwatch.tui.state import app_of
from firstwatch.tui.watch_text import Window
from firstwatch.tui.widgets.drawn import Drawn
from firstwatch.tui.widgets.fan import draw_fans
from firstwatch.tui.widgets.hour_strip import StripCell, Tick, draw_strip, strip_rows
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line

_CHECKS = (
    Column("check", 15),
    Column("live", 9, is_number=True),
    Column("expected", 15, is_number=True, grows=True),
    Column("in band", 9),
    Column("n", 5, rank=2, is_number=True),
    Column("verdict", 11, rank=1),
    Column("sees by now", 18, rank=3),
    Column("knows more", 11, rank=4),
)
_DAYS = (
    Column("check", 15),
    Column("diverged", 9, is_number=True),
    Column("watch", 7, is_number=True),
    Column("as promised", 11, is_number=True),
    Column("too early", 9, rank=1, is_number=True),
    Column("today", 12, rank=2, grows=True),
)
_HOURS = tuple(Tick(hour / 24, str(hour)) for hour in (0, 6, 12, 18, 24))
_FAN_TONES = {Verdict.DIVERGED: "error", Verdict.WATCH: "warning"}
_HEAD_ROWS, _TABLE_ROWS, _DETAIL_ROWS = 1, 8, 5
_FAN_ROWS = 3
"""Fewer rows say nothing: the fan leaves its room to the checks then."""
_TOGETHER = (
    "True days diverge together when the market is odd: 13 to 18 % of them in 1 month of 20. See whether "
    "other runs diverge too."
)
_DETAIL_HEIGHT, _NEXT_HEIGHT = 24, 15
"""Rows of the page from which on the check under the cursor is explained, and two rows say what to do."""


class WatchPage(Vertical):
    """The watch of the chosen run: strip of hours, fan, checks, and what to do next."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._window = Window.DAY
        self._run: RunView | None = None
        self._details: RunDetails | None = None
        self._strip_rows = 0
        self._chosen = CheckName.SIGNAL_PARITY
        """The check under the cursor; it stays when another run is chosen."""

    def compose(self) -> ComposeResult:
        yield Drawn(id="watch-head")
        yield Drawn(id="watch-strip")
        yield Drawn(id="watch-fan")
        yield KeyedTable(_CHECKS, id="watch-checks")
        yield KeyedTable(_DAYS, id="watch-days")
        yield Paragraph(id="watch-detail")
        yield Paragraph(id="watch-next")
        yield Paragraph(classes="empty")

    @property
    def table(self) -> KeyedTable:
        """The table of the window that is shown."""
        return self.query_one("#watch-checks" if self._window is Window.DAY else "#watch-days", KeyedTable)

    def next_window(self) -> None:
        """Show the next window: 24 hours, 7 days, all."""
        had_focus = self.table.has_focus
        windows = list(Window)
        self._window = windows[(windows.index(self._window) + 1) % len(windows)]
        self.show(self._run, self._details)
        if had_focus:
            self.table.focus()

    def on_resize(self) -> None:
        self.show(self._run, self._details)

    def show(self, run: RunView | None, details: RunDetails | None) -> None:
        """Show the run's watch; None: no run is chosen, or its details are not read yet."""
        self._run, self._details = run, details
        days = () if run is None or details is None else details.days
        if run is None or not days:
            self._show_nothing(run, details)
            return
        if len(days) == 1:
            self._window = Window.DAY
        shown = self._window.of(days)
        newest = shown[-1]
        report = newest.report
        silent_ms = watch_text.silent_ms(run, newest, app_of(self).now_ms())
        self._show_head(run, report, silent_ms, has_windows=len(days) > 1)
        cells, ticks, unit = _strip(shown, self._window)
        self._show_strip(cells, ticks, unit)
        self._show_fan(shown, self._window)
        is_day = self._window is Window.DAY
        self.query_one("#watch-checks", KeyedTable).display = is_day
        self.query_one("#watch-days", KeyedTable).display = not is_day
        self.table.set_lines(_check_lines(report) if is_day else _day_lines(shown))
        self.table.set_class(False, "-empty")
        if self.table.cursor_key is None:
            self.table.point_at(self._chosen.value)
        self._show_words(report)
        self.query_one(".empty", Paragraph).show_if(False)

    def _show_nothing(self, run: RunView | None, details: RunDetails | None) -> None:
        self._window = Window.DAY
        for widget in self.children:
            # The table keeps the focus of the pane.
            widget.display = widget.has_class("empty") or widget is self.table
        self.table.set_lines([])
        self.table.set_class(True, "-empty")
        sentence = "The first watch begins with the first bar that the run takes in."
        if run is None:
            sentence = "Choose a run in Info (3)."
        elif details is None:
            sentence = "Reading the store…"
        elif run.state.is_final:
            sentence = "This run has no watch: it ended before the first look, or is older than the watch."
        self.query_one(".empty", Paragraph).set_text(sentence)

    def _show_head(self, run: RunView, report: WatchReport, silent_ms: int, *, has_windows: bool) -> None:
        head = self.query_one("#watch-head", Drawn)
        head.display = True
        warnings = [f"OLD: the watch is silent for {formats.age(silent_ms)}"] if silent_ms else []
        if run.paused and not run.state.is_final:
            warnings.append(f"PAUSED {run.pause_reason}".strip())
        window = self._window if has_windows else None
        version = (report.verdict, report.day, report.hours, report.locked, tuple(warnings), window)
        head.show(version, lambda _columns, _rows, colours: _head(report, warnings, window, colours))

    def _show_strip(self, cells: Sequence[StripCell], ticks: Sequence[Tick], unit: str) -> None:
        strip = self.query_one("#watch-strip", Drawn)
        strip.display = bool(cells)
        self._strip_rows = 0
        if cells:
            self._strip_rows = strip_rows(cells)
            strip.styles.height = self._strip_rows
            strip.show(
                (cells, ticks), lambda width, _rows, colours: draw_strip(cells, ticks, unit, width, colours)
            )

    def _show_fan(self, shown: Sequence[WatchView], window: Window) -> None:
        """Draw the fan where it has room; without bands the room says why."""
        drawn = self.query_one("#watch-fan", Drawn)
        report = shown[-1].report
        fans = tuple(view.report.fan for view in shown)
        taken = _HEAD_ROWS + self._strip_rows + _TABLE_ROWS + self._detail_rows + self._next_rows
        drawn.display = self.size.height - taken >= _FAN_ROWS
        if not any(fans):
            drawn.show((report.locked, window), lambda width, rows, _: _no_fan(report, width, rows))
            return
        tone = _FAN_TONES.get(report.verdict, "foreground")
        drawn.show(
            (fans, tone),
            lambda width, rows, colours: draw_fans(
                fans, tone=tone, width=width, height=rows, colours=colours
            ),
        )

    @property
    def _next_rows(self) -> int:
        return sum(self.size.height >= height for height in (0, _NEXT_HEIGHT, _DETAIL_HEIGHT))

    @property
    def _detail_rows(self) -> int:
        return _DETAIL_ROWS if self.size.height >= _DETAIL_HEIGHT else 0

    def _show_words(self, report: WatchReport) -> None:
        self.query_one("#watch-detail", Paragraph).show_if(bool(self._detail_rows))
        advice = self.query_one("#watch-next", Paragraph)
        advice.display = True
        advice.styles.max_height = self._next_rows
        advice.set_text(f"NEXT  {report.next}")
        for verdict in Verdict:
            advice.set_class(report.verdict is verdict, verdict.name.lower())
        self._show_detail()

    def _show_detail(self) -> None:
        """Explain the check under the cursor."""
        days = () if self._details is None else self._details.days
        key = self.table.cursor_key
        if not days or key is None:
            return
        report = days[-1].report
        check = report.check(CheckName(key))
        if check is None:
            return
        lines = [f"{watch_text.LABELS[check.name]}: {check.sentence}", watch_text.evidence_text(check)]
        if check.verdict is Verdict.DIVERGED and check.name in watch_text.JOINT_CHECKS:
            lines.append(_TOGETHER)
        if self._window is not Window.DAY:
            since = report.since_start
            e_value = watch_text.NONE if since.e_value is None else f"{since.e_value:.3g}"
            lines[1] = f"since the start: {watch_text.WORDS[since.verdict]}, e {e_value} of 20"
        self.query_one("#watch-detail", Paragraph).set_text("\n".join(lines))

    @on(KeyedTable.CursorMoved)
    def _moved(self, event: KeyedTable.CursorMoved) -> None:
        if event.key is not None:
            self._chosen = CheckName(event.key)
        self._show_detail()

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        """Open what is behind the check under the cursor."""
        if self._run is not None and self._details is not None and event.row_key.value is not None:
            name = CheckName(event.row_key.value)
            self.app.push_screen(EvidenceDialog(self._run, self._details, name))


def _head(
    report: WatchReport,
    warnings: Sequence[str],
    window: Window | None,
    colours: Mapping[str, str],
) -> Text:
    """Return the verdict, what makes it so, how far the day is, and the window."""
    sign, tone = watch_text.SIGNS[report.verdict]
    colour = {"gain": colours["gain"], "warning": colours["warning"], "error": colours["error"]}.get(tone)
    style = f"bold {colours['background']} on {colour}" if colour else "bold reverse"
    line = Text.assemble((f" {sign} {report.verdict.value} ", style), no_wrap=True, overflow="ellipsis")
    for warning in warnings:
        line.append(f" {clean(warning)}", f"bold {colours['warning']}")
    day = (
        f"hour {report.hours:.1f} of 24" if report.day == 1 else f"day {report.day}, hour {report.hours:.1f}"
    )
    named = [watch_text.SHORT[name] for name in watch_text.failing(report)]
    parts = [day, ", ".join(named)] if named else [day]
    if report.locked is None:
        parts.append("no baseline")
    elif window is None:
        parts.append(f"locked {report.locked.hash[:4]}")
    line.append(f" {' · '.join(parts)}")
    if window is not None:
        line.append("  W ")
        for each in Window:
            line.append(f" {each} " if each is window else f" {each}", "reverse" if each is window else "dim")
    return line


def _no_fan(report: WatchReport, width: int, rows: int) -> Text:
    sentence = (
        "No baseline: nothing to draw the bands from."
        if report.locked is None
        else "The bands are being computed from the baseline's days."
    )
    return Text("\n" * (max(0, rows - 1) // 2) + sentence.center(width), "dim")


def _strip(shown: Sequence[WatchView], window: Window) -> tuple[tuple[StripCell, ...], tuple[Tick, ...], str]:
    """Return the cells of the strip, the labels of its axis, and their unit."""
    if window is Window.DAY:
        report = shown[-1].report
        cells = tuple(_cell(cell.verdict, cell.trades, cell.down_minutes / 60) for cell in report.hours_strip)
        begun = [number for number, cell in enumerate(cells) if cell.trades is not None]
        if begun and report.hours < 24:
            now = begun[-1]
            cells = (*cells[:now], replace(cells[now], is_now=True), *cells[now + 1 :])
        return cells, _HOURS, "hour"
    days = tuple(
        _cell(
            view.report.verdict,
            sum(cell.trades or 0 for cell in view.report.hours_strip),
            sum(cell.down_minutes for cell in view.report.hours_strip) / 1_440,
        )
        for view in shown
    )
    first, last = shown[0].report.day, shown[-1].report.day
    steps = max(1, -(-len(shown) // 8))
    ticks = (Tick((day - first) / len(shown), str(day)) for day in range(first, last + 1, steps))
    return days, tuple(ticks), "day"


def _cell(verdict: Verdict | None, trades: int | None, lost: float) -> StripCell:
    if trades is None or verdict is None:
        return StripCell("·" if trades is None else " ", "secondary", trades, lost)
    sign, tone = watch_text.SIGNS[verdict]
    is_alarm = verdict is Verdict.DIVERGED
    return StripCell(sign, "secondary" if tone == "dim" else tone, trades, lost, is_alarm=is_alarm)


def _check_lines(report: WatchReport) -> list[Line]:
    return [
        Line(
            check.name.value,
            (
                Cell(f"{sign} {watch_text.LABELS[check.name]}", tone),
                Cell(watch_text.figure(check.name, check.observed), "" if tone == "dim" else tone),
                Cell(watch_text.expectation(check), "dim"),
                Cell(watch_text.band_mark(check), tone),
                Cell(watch_text.count_text(check), "dim"),
                Cell(watch_text.WORDS[check.verdict], tone),
                Cell(watch_text.power_text(check), "dim"),
                Cell(
                    watch_text.NONE if check.more_at is None else formats.short_moment(check.more_at), "dim"
                ),
            ),
        )
        for check in report.checks
        for sign, tone in [watch_text.SIGNS[check.verdict]]
    ]


def _day_lines(shown: Sequence[WatchView]) -> list[Line]:
    """Return for each check how many of the days had which verdict."""
    lines = []
    for check in shown[-1].report.checks:
        found = [view.report.check(check.name) for view in shown]
        counts = {
            verdict: sum(each is not None and each.verdict is verdict for each in found)
            for verdict in Verdict
        }
        sign, tone = watch_text.SIGNS[check.verdict]
        cells = (
            Cell(watch_text.LABELS[check.name]),
            *(
                Cell(str(counts[verdict]), watch_text.SIGNS[verdict][1] if counts[verdict] else "dim")
                for verdict in (
                    Verdict.DIVERGED,
                    Verdict.WATCH,
                    Verdict.CONSISTENT,
                    Verdict.NOT_ENOUGH_DATA,
                )
            ),
            Cell(f"{sign} {watch_text.WORDS[check.verdict]}", tone),
        )
        lines.append(Line(check.name.value, cells))
    return lines
