"""First 24 hours: does the run do what its backtest promised? And each day after them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import DataTable

from firstwatch.manager.views import RunView, WatchView
from firstwatch.trading.verdicts import CheckName, Sign, Verdict
from firstwatch.tui import formats, watch_text
from firstwatch.tui.panes.watch_lines import (
    CHECK_COLUMNS,
    DAY_COLUMNS,
    SIGNS_TITLE,
    begun,
    check_lines,
    day_lines,
    head_line,
    no_fan,
    sign_lines,
    strip_of,
    with_changes,
)
from firstwatch.tui.state import app_of
from firstwatch.tui.watch_text import Window
from firstwatch.tui.widgets.drawn import Drawn
from firstwatch.tui.widgets.fan import draw_fans
from firstwatch.tui.widgets.hour_strip import StripCell, Tick, cell_at, draw_strip, strip_rows
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine
from firstwatch.tui.widgets.table import KeyedTable

if TYPE_CHECKING:
    # Not at run time: the screen starts without the models of reports.
    from firstwatch.manager.run_views import FillView, RunDetails
    from firstwatch.trading.watch import WatchReport

_FAN_TONES = {Verdict.DIVERGED: "error", Verdict.WATCH: "warning"}
_HEAD_ROWS, _TABLE_ROWS = 1, 8
_DETAIL_ROWS, _LARGE_DETAIL_ROWS = 5, 9
_PADDING = 2
_FAN_ROWS, _WANTED_FAN_ROWS = 3, 8
"""Fewest rows of the fan (with fewer, the checks get the room), and rows that it should have."""
_CHANGES_HEIGHT, _DETAIL_HEIGHT, _NEXT_HEIGHT = 30, 24, 15
"""Rows of the page from which on the strip has the changes of equity, the check under the cursor is
explained, and two rows say what to do."""


class ChecksTable(KeyedTable):
    """The checks; the left and right keys move along the strip above them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step_cell(-1)", "Earlier", show=False, id="watch.earlier"),
        Binding("right", "step_cell(1)", "Later", show=False, id="watch.later"),
    ]

    class CellStepped(Message):
        """The operator moves ``by`` cells along the strip."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class CellOpened(Message):
        """The operator opens the cell of the strip under the cursor."""

    def action_step_cell(self, by: int) -> None:
        self.post_message(self.CellStepped(by))

    def action_select_cursor(self) -> None:
        if self.cursor_key is None:
            self.post_message(self.CellOpened())
        super().action_select_cursor()


class WatchPage(Vertical):
    """The watch of the chosen run: strip of hours, fan, checks, and what to do next.

    The cursor is on a check, or on a cell of the strip.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave_cell", "Leave the strip", show=False, id="watch.leave_cell")
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._window = Window.DAY
        self._run: RunView | None = None
        self._details: RunDetails | None = None
        self._strip_rows = self._sign_rows = 0
        self._advice = ""
        """What to do next."""
        self._chosen = CheckName.SIGNAL_PARITY
        """The check under the cursor; it stays when another run is chosen."""
        self._day: int | None = None
        """The day that the window of 24 hours shows; None: the newest."""
        self._cell: int | None = None
        """The cell under the cursor, from 0; None: the cursor is on a check."""

    def compose(self) -> ComposeResult:
        yield Drawn(id="watch-head")
        yield Drawn(id="watch-strip")
        yield Drawn(id="watch-fan")
        yield ChecksTable(CHECK_COLUMNS, id="watch-checks")
        yield ChecksTable(DAY_COLUMNS, id="watch-days")
        yield Drawn(id="watch-signs")
        yield Paragraph(id="watch-detail")
        yield Paragraph(id="watch-next")
        yield Paragraph(classes="empty")

    @property
    def table(self) -> ChecksTable:
        """The table of the window that is shown."""
        return self.query_one("#watch-checks" if self._window is Window.DAY else "#watch-days", ChecksTable)

    @property
    def hints(self) -> tuple[KeyHint, ...]:
        """The keys of the page that do something now."""
        shown = self._shown
        if not shown:
            return ()
        is_day = self._window is Window.DAY
        cells = KeyHint("← →", "Hours" if is_day else "Days")
        if self._cell is None:
            return (KeyHint("enter", "Evidence"), cells)
        what = f"Hour {self._cell}" if is_day else f"Day {shown[self._cell].report.day}"
        return (KeyHint("enter", what), cells, KeyHint("esc", "Checks"))

    def next_window(self) -> None:
        """Show the next window: 24 hours, 7 days, all."""
        windows = list(Window)
        self._show_window(windows[(windows.index(self._window) + 1) % len(windows)], day=None)

    def on_resize(self) -> None:
        self.show(self._run, self._details)

    def show(self, run: RunView | None, details: "RunDetails | None") -> None:
        """Show the run's watch; None: no run is chosen, or its details are not read yet."""
        if run is not None and self._run is not None and run.run_id != self._run.run_id:
            self._day = self._cell = None
        self._run, self._details = run, details
        days = () if details is None else details.days
        if len(days) < 2:
            self._window, self._day = Window.DAY, None
        shown = self._shown
        if run is None or details is None or not shown:
            self._show_nothing(run, details)
            return
        report = shown[-1].report
        self._advice = f"NEXT  {report.next}"
        silent_ms = watch_text.silent_ms(run, days[-1], app_of(self).now_ms())
        self._show_head(run, report, silent_ms, has_windows=len(days) > 1)
        cells, ticks, unit = strip_of(shown, self._window)
        if self.size.height >= _CHANGES_HEIGHT:
            cells = with_changes(cells, shown, self._window, run, details)
        if self._cell is not None:
            self._cell = min(self._cell, begun(cells) - 1)
        self._show_strip(cells, ticks, unit)
        self._show_signs(self._window.signs_of(details))
        self._show_fan(shown, self._window)
        is_day = self._window is Window.DAY
        self.query_one("#watch-checks", KeyedTable).display = is_day
        self.query_one("#watch-days", KeyedTable).display = not is_day
        self.table.set_lines(check_lines(report) if is_day else day_lines(shown))
        self.table.set_class(False, "-empty")
        if self._cell is not None:
            self.table.point_at(None)
        elif self.table.cursor_key is None:
            self.table.point_at(self._chosen.value)
        self._show_words(report)
        self.query_one(".empty", Paragraph).show_if(False)

    @property
    def _shown(self) -> Sequence[WatchView]:
        """The days that are shown, the first one first."""
        days = () if self._details is None else self._details.days
        if self._window is Window.DAY and self._day is not None:
            chosen = tuple(view for view in days if view.report.day == self._day)
            return chosen or days[-1:]
        return self._window.of(days)

    def _show_window(self, window: Window, *, day: int | None) -> None:
        had_focus = self.table.has_focus
        self._window, self._day, self._cell = window, day, None
        self.show(self._run, self._details)
        self.table.point_at(self._chosen.value)
        if had_focus:
            self.table.focus()
        self.screen.query_one(KeyLine).renew()

    # --- the cells of the strip ------------------------------------------------------------------------

    @on(ChecksTable.CellStepped)
    def _step_cell(self, event: ChecksTable.CellStepped) -> None:
        shown = self._shown
        if not shown:
            return
        last = begun(strip_of(shown, self._window)[0]) - 1
        cell = last if self._cell is None else self._cell + event.by
        if last >= 0:
            self._put_cell(min(max(cell, 0), last))

    def _put_cell(self, cell: int | None) -> None:
        self._cell = cell
        self.show(self._run, self._details)
        self.screen.query_one(KeyLine).renew()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Without a cell under the cursor Escape is left to the page's parent.
        del parameters
        return action != "leave_cell" or self._cell is not None

    def action_leave_cell(self) -> None:
        self._put_cell(None)

    def on_click(self, event: events.Click) -> None:
        """Open the cell of the strip that was clicked."""
        shown = self._shown
        if event.widget is None or event.widget.id != "watch-strip" or not shown:
            return
        cells = strip_of(shown, self._window)[0]
        cell = cell_at(event.x, len(cells), event.widget.size.width)
        if cell is not None and cell < begun(cells):
            self.table.focus()
            self._put_cell(cell)
            self._open_cell()

    @on(ChecksTable.CellOpened)
    def _open_cell(self) -> None:
        """Open the hour under the cursor; of a day its own watch."""
        run, details, shown, cell = self._run, self._details, self._shown, self._cell
        if run is None or details is None or cell is None or not shown:
            return
        if self._window is Window.DAY:
            app_of(self).in_background(self._show_hour(run, details, shown[-1], cell))
        else:
            self._show_window(Window.DAY, day=shown[cell].report.day)

    async def _show_hour(self, run: RunView, details: "RunDetails", view: WatchView, cell: int) -> None:
        from firstwatch.tui.modals.hour import HourDialog, hour_of

        hour = view.report.hours_strip[cell]
        span = hour_of(details, view, hour)
        fills = () if span is None else await self._fills(run, span)
        if not app_of(self).is_covered:
            self.app.push_screen(HourDialog(run, details, view, hour, fills))

    async def _fills(self, run: RunView, span: range) -> "Sequence[FillView]":
        """Read the fills of a part of the watch: the details have those of the chart only."""
        return await asyncio.to_thread(app_of(self).manager.fills, run.run_id, span)

    # --- what is shown ---------------------------------------------------------------------------------

    def _show_nothing(self, run: RunView | None, details: "RunDetails | None") -> None:
        for widget in self.children:
            # The table keeps the focus of the pane.
            widget.display = widget.has_class("empty") or widget is self.table
        self.table.set_lines([])
        self.table.set_class(True, "-empty")
        sentence = "The first watch begins with the first bar that the run takes in."
        if run is None:
            sentence = app_of(self).no_run
        elif details is None:
            sentence = formats.READING
        elif run.state.is_final:
            sentence = "This run has no watch: it ended before the first look, or is older than the watch."
        self.query_one(".empty", Paragraph).set_text(sentence)

    def _show_head(self, run: RunView, report: "WatchReport", silent_ms: int, *, has_windows: bool) -> None:
        head = self.query_one("#watch-head", Drawn)
        head.display = True
        warnings = [f"OLD: the watch is silent for {formats.age(silent_ms)}"] if silent_ms else []
        if run.paused and not run.state.is_final:
            warnings.append(f"PAUSED {run.pause_reason}".strip())
        window = self._window if has_windows else None
        version = (report.verdict, report.day, report.hours, report.locked, tuple(warnings), window)
        head.show(version, lambda width, _rows, colours: head_line(report, warnings, window, width, colours))

    def _show_strip(self, cells: Sequence[StripCell], ticks: Sequence[Tick], unit: str) -> None:
        strip = self.query_one("#watch-strip", Drawn)
        strip.display = bool(cells)
        self._strip_rows = 0
        if cells:
            if self._cell is not None:
                chosen = replace(cells[self._cell], is_chosen=True)
                cells = (*cells[: self._cell], chosen, *cells[self._cell + 1 :])
            self._strip_rows = strip_rows(cells, self.size.width)
            strip.styles.height = self._strip_rows
            strip.show(
                (cells, ticks), lambda width, _rows, colours: draw_strip(cells, ticks, unit, width, colours)
            )

    def _show_fan(self, shown: Sequence[WatchView], window: Window) -> None:
        """Draw the fan if it has room; without bands say why there."""
        drawn = self.query_one("#watch-fan", Drawn)
        report = shown[-1].report
        fans = tuple(view.report.fan for view in shown)
        drawn.display = self._free_rows - self._detail_rows - self._next_rows >= _FAN_ROWS
        if not any(fans):
            drawn.show((report.locked, window), lambda width, rows, _: no_fan(report, width, rows))
            return
        tone = _FAN_TONES.get(report.verdict, "foreground")
        drawn.show(
            (fans, tone),
            lambda width, rows, colours: draw_fans(
                fans, tone=tone, width=width, height=rows, colours=colours
            ),
        )

    def _show_signs(self, signs: Sequence[Sign]) -> None:
        """Show the signs of tuning of the longer windows; in one row where nothing is known of any."""
        drawn = self.query_one("#watch-signs", Drawn)
        drawn.display = bool(signs)
        unknown = {sign.sentence for sign in signs if sign.is_present is None}
        is_one = len(unknown) == 1 and all(sign.is_present is None for sign in signs)
        self._sign_rows = 0
        # The title only where the advice keeps a row.
        has_title = self._free_rows > len(signs) + 1
        self._sign_rows = len(signs) and (1 if is_one else len(signs) + has_title)
        drawn.styles.height = self._sign_rows
        if is_one:
            drawn.show(signs, lambda *_: Text(f"· {SIGNS_TITLE}: {unknown.copy().pop()}", "dim"))
        elif signs:
            drawn.show(
                (signs, has_title),
                lambda width, _rows, colours: sign_lines(signs, width, colours, has_title=has_title),
            )

    @property
    def _free_rows(self) -> int:
        """Rows for the fan, the explanation and the advice."""
        return self.size.height - _HEAD_ROWS - self._strip_rows - _TABLE_ROWS - self._sign_rows

    @property
    def _next_rows(self) -> int:
        wanted = sum(self.size.height >= height for height in (0, _NEXT_HEIGHT, _DETAIL_HEIGHT))
        if self.size.height >= _DETAIL_HEIGHT:
            # The whole advice comes before a long explanation of the check under the cursor.
            wanted = max(wanted, formats.fitted(self._advice, self.size.width - _PADDING).count("\n") + 1)
        return max(1, min(wanted, self._free_rows))

    @property
    def _detail_rows(self) -> int:
        room = self._free_rows - self._next_rows - _WANTED_FAN_ROWS
        if room >= _DETAIL_ROWS:
            return min(room, _LARGE_DETAIL_ROWS)
        # If there are signs of tuning, the fan gets the room.
        return _DETAIL_ROWS if self.size.height >= _DETAIL_HEIGHT and not self._sign_rows else 0

    def _show_words(self, report: "WatchReport") -> None:
        detail = self.query_one("#watch-detail", Paragraph)
        detail.show_if(bool(self._detail_rows))
        detail.styles.max_height = self._detail_rows
        advice = self.query_one("#watch-next", Paragraph)
        advice.display = True
        advice.styles.max_height = self._next_rows
        advice.set_text(formats.fitted(self._advice, self.size.width - _PADDING, self._next_rows))
        for verdict in Verdict:
            advice.set_class(report.verdict is verdict, verdict.name.lower())
        self._show_detail()

    def _show_detail(self) -> None:
        """Explain the check under the cursor, or the last one that was."""
        details, shown = self._details, self._shown
        check = None if not shown else shown[-1].report.check(self._chosen)
        if details is None or check is None:
            return
        signs = self._window.signs_of(details)
        lines = [f"{watch_text.LABELS[check.name]}: {check.sentence}", watch_text.evidence_text(check)]
        if check.verdict is Verdict.DIVERGED and check.name in watch_text.JOINT_CHECKS:
            lines.append(watch_text.TOGETHER)
        if self._window is not Window.DAY:
            since = shown[-1].report.since_start
            e_value = watch_text.NONE if since.e_value is None else f"{since.e_value:.3g}"
            lines[1] = f"since the start: {watch_text.WORDS[since.verdict]}, e {e_value} of 20"
        width, rows = self.size.width - _PADDING, self._detail_rows
        whole = formats.fitted("\n".join([*lines, *watch_text.tuning_lines(check.name, shown, signs)]), width)
        # What to adjust is in the evidence too: here it is left out rather than cut.
        is_whole = whole.count("\n") < rows
        detail = self.query_one("#watch-detail", Paragraph)
        detail.set_text(whole if is_whole else formats.fitted("\n".join(lines), width, rows))

    @on(KeyedTable.CursorMoved)
    def _moved(self, event: KeyedTable.CursorMoved) -> None:
        if event.key is not None:
            self._chosen = CheckName(event.key)
            if self._cell is not None:
                self._put_cell(None)
        self._show_detail()

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        """Open the evidence of the check under the cursor, for the days shown."""
        if self._run is not None and self._details is not None and event.row_key.value is not None:
            name = CheckName(event.row_key.value)
            app_of(self).in_background(self._show_evidence(self._run, self._details, self._shown, name))

    async def _show_evidence(
        self, run: RunView, details: "RunDetails", shown: Sequence[WatchView], name: CheckName
    ) -> None:
        from firstwatch.tui.modals.evidence import EvidenceDialog, span_of

        signs = self._window.signs_of(details)
        span = span_of(details, shown) if name is CheckName.FILL_PRICES else None
        fills = details.fills if span is None else await self._fills(run, span)
        # A key that was pressed twice has opened it once.
        if not app_of(self).is_covered:
            self.app.push_screen(EvidenceDialog(run, details, shown, name, fills=fills, signs=signs))
