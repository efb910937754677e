"""The parts of the watch's page as text, cells and lines. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text

from firstwatch.manager.views import RunView, WatchView
from firstwatch.trading.text import clean
from firstwatch.trading.verdicts import DAY_MS, Sign, Verdict
from firstwatch.tui import formats, watch_text
from firstwatch.tui.watch_text import Window
from firstwatch.tui.widgets.hour_strip import StripCell, Tick
from firstwatch.tui.widgets.table import Cell, Column, Line

if TYPE_CHECKING:
    # Not at run time: the screen starts without the models of reports.
    from firstwatch.manager.run_views import RunDetails
    from firstwatch.trading.watch import WatchReport

CHECK_COLUMNS = (
    Column("check", 15),
    Column("live", 9, is_number=True),
    Column("expected", 15, is_number=True, most=20),
    Column("in band", 9, rank=1),
    Column("n", 5, rank=3, is_number=True),
    Column("verdict", 11, rank=2),
    Column("sees by now", 19, rank=4),
    Column("knows more", 11, rank=5),
    Column("why", 40, rank=6, grows=True),
)
DAY_COLUMNS = (
    Column("check", 13),
    Column("diverged", 8, is_number=True),
    Column("watch", 5, is_number=True),
    Column("as promised", 11, is_number=True),
    Column("too early", 9, rank=1, is_number=True),
    Column("today", 12, rank=2, grows=True),
)
SIGNS_TITLE = "signs that the algorithm needs tuning, over whole days"
_HOURS = tuple(Tick(hour / 24, str(hour)) for hour in (0, 6, 12, 18, 24))


def head_line(
    report: "WatchReport",
    warnings: Sequence[str],
    window: Window | None,
    width: int,
    colours: Mapping[str, str],
) -> Text:
    """Return the verdict, the checks that decide it, the time of the day watched so far, and the window."""
    sign, tone = watch_text.SIGNS[report.verdict]
    colour = {"gain": colours["gain"], "warning": colours["warning"], "error": colours["error"]}.get(tone)
    style = f"bold {colours['background']} on {colour}" if colour else "bold reverse"
    line = Text.assemble((f" {sign} {report.verdict.value} ", style), no_wrap=True, overflow="ellipsis")
    for warning in warnings:
        line.append(f" {clean(warning)}", f"bold {colours['warning']}")
    day = (
        f"hour {report.hours:.1f} of 24" if report.day == 1 else f"day {report.day}, hour {report.hours:.1f}"
    )
    failing = report.failing
    line.append(f" {day}")
    if window is not None:
        line.append("  W ")
        for each in Window:
            line.append(f" {each} ", "reverse" if each is window else "dim")
    lock = "no baseline" if report.locked is None else f"locked {report.locked.hash[:4]}"
    long, short = (
        ", ".join(words[name] for name in failing) for words in (watch_text.LABELS, watch_text.SHORT)
    )
    for forms in ((long, short), (lock,)):
        # Parts without room are left out whole.
        part = next((each for each in forms if each and line.cell_len + len(each) + 3 <= width), "")
        line.append(f" · {part}" if part else "")
    return line


def sign_lines(signs: Sequence[Sign], width: int, colours: Mapping[str, str], *, has_title: bool) -> Text:
    """Return a line for each sign: its sentence if there is room for it, otherwise its figures."""
    lines = [Text(SIGNS_TITLE, "dim")] if has_title else []
    for sign in signs:
        mark, tone = watch_text.SIGNS[watch_text.sign_verdict(sign)]
        label = f"{mark} {sign.name:<14} "
        said = sign.sentence if len(label) + len(sign.sentence) <= width else watch_text.sign_text(sign)
        lines.append(Text(label + said, "dim" if tone == "dim" else colours[tone]))
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


def begun(cells: Sequence[StripCell]) -> int:
    """Return how many cells have begun: the cursor can be on them."""
    return sum(cell.trades is not None for cell in cells)


def no_fan(report: "WatchReport", width: int, rows: int) -> Text:
    sentence = (
        "No baseline: nothing to draw the bands from."
        if report.locked is None
        else "The bands are being computed from the baseline's days."
    )
    return Text("\n" * (max(0, rows - 1) // 2) + sentence.center(width), "dim")


def strip_of(
    shown: Sequence[WatchView], window: Window
) -> tuple[tuple[StripCell, ...], tuple[Tick, ...], str]:
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


def with_changes(
    cells: Sequence[StripCell],
    shown: Sequence[WatchView],
    window: Window,
    run: RunView,
    details: "RunDetails",
) -> tuple[StripCell, ...]:
    """Return the cells with how much the equity changed in each, where that is known."""
    begin_ms = details.begin_ms(shown[0])
    if begin_ms is None or run.timeframe is None:
        return tuple(cells)
    step_ms = DAY_MS // 24 if window is Window.DAY else DAY_MS
    # A close is stored by the open of its bar; before the first one there is the capital.
    edges = [begin_ms + step_ms * number - run.timeframe.ms for number in range(len(cells) + 1)]
    last = details.equity_time_ms.searchsorted(edges, side="right").tolist()
    marks = [float(details.equity[end - 1]) if end else float(run.capital) for end in last]
    return tuple(
        # The change in an hour without a close is not known.
        replace(cell, change=marks[place + 1] / marks[place] - 1)
        if last[place + 1] > last[place] and marks[place] > 0
        else cell
        for place, cell in enumerate(cells)
    )


def _cell(verdict: Verdict | None, trades: int | None, lost: float) -> StripCell:
    if trades is None or verdict is None:
        return StripCell("·" if trades is None else " ", "secondary", trades, lost)
    sign, tone = watch_text.SIGNS[verdict]
    is_alarm = verdict is Verdict.DIVERGED
    return StripCell(sign, "secondary" if tone == "dim" else tone, trades, lost, is_alarm=is_alarm)


def check_lines(report: "WatchReport") -> list[Line]:
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
                Cell(check.sentence, "dim"),
            ),
        )
        for check in report.checks
        for sign, tone in [watch_text.SIGNS[check.verdict]]
    ]


def day_lines(shown: Sequence[WatchView]) -> list[Line]:
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
