"""One hour of the watch: its trades, mismatches and time lost."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.views import RunView, WatchView
from firstwatch.trading.launch_words import EXIT_WORDS
from firstwatch.trading.text import counted
from firstwatch.trading.verdicts import Verdict
from firstwatch.trading.watch import HourCell
from firstwatch.tui import formats, watch_text
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.modals.evidence import mismatch_text
from firstwatch.tui.run_text import heading
from firstwatch.tui.widgets.status_lines import KeyHint

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import FillView, RunDetails

_HOUR_MS = 3_600_000


class HourDialog(Dialog[None]):
    """The events of an hour, in order of time, as they were when the dialog was opened."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "close", "Close", show=False, priority=True, id="hour.close"),
        Binding("down", "scroll(1)", "Down", show=False, id="hour.down"),
        Binding("up", "scroll(-1)", "Up", show=False, id="hour.up"),
    ]

    def __init__(
        self,
        run: RunView,
        details: "RunDetails",
        view: WatchView,
        cell: HourCell,
        fills: "Sequence[FillView]" = (),
    ) -> None:
        """``fills``: of that hour."""
        super().__init__()
        self._lines = list(_lines(details, view, cell, fills))
        self.TITLE_TEXT = f"hour {cell.hour} of day {view.report.day} · {heading(run)}"

    def body(self) -> Sequence[Widget]:
        return [text(line) for line in self._lines]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("↑ ↓", "move"), KeyHint("enter q esc", "close"))

    def action_scroll(self, by: int) -> None:
        self.query_one(".dialog-body").scroll_relative(y=by * 3, animate=False)


def hour_of(details: "RunDetails", view: WatchView, cell: HourCell) -> range | None:
    """Return the venue time (ms) of an hour of the watch; None: it is not known."""
    begin_ms = details.begin_ms(view)
    if begin_ms is None:
        return None
    from_ms = begin_ms + cell.hour * _HOUR_MS
    return range(from_ms, from_ms + _HOUR_MS)


def _lines(
    details: "RunDetails", view: WatchView, cell: HourCell, fills: "Sequence[FillView]"
) -> Iterator[str]:
    """Yield the hour's figures, then what happened in it."""
    hour = hour_of(details, view, cell)
    parts = [counted(cell.trades or 0, "entry", "entries")]
    if cell.down_minutes:
        parts.append(f"{counted(round(cell.down_minutes), 'minute')} lost: stale data, or no engine")
    if cell.verdict is not None:
        sign, _ = watch_text.SIGNS[cell.verdict]
        parts.append(f"{sign} {watch_text.WORDS[cell.verdict]}")
    if hour is None:
        yield " · ".join(parts)
        yield "When this hour was is not known: the journal of the launch is missing."
        return
    times = f"{formats.short_moment(hour.start)} to {formats.short_moment(hour.stop)[-5:]}"
    yield " · ".join([times, *parts])
    yield ""
    happened = sorted(_happened(details, view, hour, fills), key=lambda each: each[0])
    if not happened:
        yield "Nothing was traded, and nothing differed."
    for time_ms, sentence in happened:
        yield f"{formats.short_moment(time_ms)}  {sentence}"


def _happened(
    details: "RunDetails", view: WatchView, hour: range, fills: "Sequence[FillView]"
) -> Iterator[tuple[int, str]]:
    for fill in fills:
        yield fill.time_ms, _fill_text(fill)
    for trade in details.trades:
        if trade.exit_time_ms in hour:
            reason = EXIT_WORDS[trade.reason]
            yield (
                trade.exit_time_ms,
                f"{trade.side} closed by {reason}: {formats.money(trade.pnl, signed=True)}",
            )
    # A decision belongs to the bar that ends with it, and so does a verdict.
    for mismatch in view.report.mismatches:
        if hour.start < mismatch.time <= hour.stop:
            yield mismatch.time, mismatch_text(mismatch)
    for check in view.report.checks:
        if check.verdict is Verdict.DIVERGED and check.first_at and hour.start < check.first_at <= hour.stop:
            yield check.first_at, f"✘ {watch_text.LABELS[check.name]} DIVERGED. {check.sentence}"


def _fill_text(fill: "FillView") -> str:
    purpose = "fill" if fill.purpose is None else fill.purpose.value
    worse, beside = fill.worse_bps, ""
    if worse is not None:
        than = "worse" if worse >= 0 else "better"
        beside = f", {abs(worse):.1f} bps {than} than the mid at the decision"
    return f"{purpose}: {fill.side} {formats.amount(fill.amount)} at {formats.price(fill.price)}{beside}"
