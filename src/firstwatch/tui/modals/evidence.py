"""The evidence of a check of the watch: mismatches, fills or trades."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.views import RunView, WatchView
from firstwatch.trading.launch_words import EXIT_WORDS
from firstwatch.trading.verdicts import DAY_MS, CheckName, Sign, Verdict
from firstwatch.trading.watch import Mismatch
from firstwatch.tui import formats, watch_text
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.run_text import heading
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.status_lines import KeyHint
from firstwatch.tui.widgets.table import Cell, Column, Line, Tone

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import FillView, RunDetails

_FILLS = (
    Column("time", 14),
    Column("for", 7),
    Column("side", 4),
    Column("amount", 10, rank=1, is_number=True),
    Column("price", 11, is_number=True),
    Column("decided at", 11, is_number=True),
    Column("worse by", 9, is_number=True),
    Column("", 5, rank=2),
)
_TRADES = (
    Column("side", 5, rank=1),
    Column("entered", 11),
    Column("exited", 11),
    Column("reason", 15, grows=True),
    Column("PnL", 10, is_number=True),
    Column("fees", 8, rank=2, is_number=True),
    Column("funding", 8, rank=3, is_number=True),
)
_FRAME_ROWS = 4
"""Rows of the box without its body."""
_ROWS = 200
"""Newest rows that are shown."""


class EvidenceDialog(Dialog[None]):
    """The check's sentences and the rows behind it, as they were when the dialog was opened."""

    AUTO_FOCUS = "KeyedTable"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "close", "Close", show=False, priority=True, id="evidence.close"),
        Binding("down", "scroll(1)", "Down", show=False, id="evidence.down"),
        Binding("up", "scroll(-1)", "Up", show=False, id="evidence.up"),
    ]

    def __init__(
        self,
        run: RunView,
        details: "RunDetails",
        shown: Sequence[WatchView],
        name: CheckName,
        *,
        fills: "Sequence[FillView]" = (),
        signs: Sequence[Sign] = (),
    ) -> None:
        """``shown``: the days of the rows, the first one first; ``fills``, ``signs`` of tuning: of them."""
        super().__init__()
        self._details = details
        self._shown = shown
        self._check = name
        self._fills = fills
        self._signs = signs
        first, last = shown[0].report.day, shown[-1].report.day
        days = f"day {last}" if first == last else f"days {first} to {last}"
        self.TITLE_TEXT = f"{watch_text.LABELS[name]} · {days} · {heading(run)}"

    def body(self) -> Sequence[Widget]:
        lines = [*self._words(), ""]
        if self._check is CheckName.SIGNAL_PARITY:
            return [text(line) for line in [*lines, *_mismatches(self._shown)]]
        listing = (
            Listing(_FILLS, empty="There was no fill.", id="evidence")
            if self._check is CheckName.FILL_PRICES
            else Listing(_TRADES, empty="No trade was closed.", id="evidence")
        )
        return [*(text(line) for line in lines if line), listing]

    def _words(self) -> Iterator[str]:
        """Yield the check's sentences on the shown days, and what to do."""
        newest = self._shown[-1]
        check = newest.report.check(self._check)
        if check is not None:
            live, expected = watch_text.figure(check.name, check.observed), watch_text.expectation(check)
            yield f"{check.verdict}: {check.sentence}"
            yield f"live {live}, expected {expected}, n {watch_text.count_text(check)}"
            yield watch_text.evidence_text(check)
            if check.verdict is Verdict.DIVERGED and check.name in watch_text.JOINT_CHECKS:
                yield watch_text.TOGETHER
        for view in self._shown[:-1]:
            before = view.report.check(self._check)
            if before is not None and before.verdict in (Verdict.WATCH, Verdict.DIVERGED):
                yield f"day {view.report.day}  {before.verdict}: {before.sentence}"
        yield f"NEXT  {newest.report.next}"
        yield from watch_text.tuning_lines(self._check, self._shown, self._signs)

    def on_mount(self) -> None:
        if self._check is CheckName.FILL_PRICES:
            lines = [_fill_line(fill) for fill in reversed(self._fills[-_ROWS:])]
        else:
            lines = _trades(self._details, span_of(self._details, self._shown))[:_ROWS]
        for listing in self.query(Listing):
            listing.set_lines(lines)
        self.call_after_refresh(self._fit)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """Give the rows the height that the sentences leave, so that both are seen."""
        body = self.query_one(".dialog-body")
        words = sum(each.outer_size.height for each in body.children if not isinstance(each, Listing))
        for listing in self.query(Listing):
            listing.styles.max_height = min(max(self.size.height * 9 // 10 - _FRAME_ROWS - words, 5), 24)
        body.scroll_home(animate=False)

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("↑ ↓", "move"), KeyHint("enter q esc", "close"))

    def action_scroll(self, by: int) -> None:
        self.query_one(".dialog-body").scroll_relative(y=by * 3, animate=False)


def span_of(details: "RunDetails", shown: Sequence[WatchView]) -> range | None:
    """Return the venue time (ms) of days of the watch, the first one first; None: it is not known."""
    first_ms, last_ms = (details.begin_ms(shown[place]) for place in (0, -1))
    return None if first_ms is None or last_ms is None else range(first_ms, last_ms + DAY_MS)


def mismatch_text(each: Mismatch) -> str:
    """Return the difference, its cause, and the decisions of run and shadow."""
    live, shadow = each.live or watch_text.NONE, each.shadow or watch_text.NONE
    return f"{each.what}: {each.cause}; live {live}, backtest's core {shadow}"


def _mismatches(shown: Sequence[WatchView]) -> list[str]:
    """Return a paragraph for each mismatch of the shown days, the newest first."""
    found = [each for view in shown for each in view.report.mismatches][-_ROWS:]
    lines = [f"{formats.short_moment(each.time)}  {mismatch_text(each)}" for each in reversed(found)]
    return lines or ["Run and shadow have decided the same at every bar."]


def _fill_line(fill: "FillView") -> Line:
    worse, decided = fill.worse_bps, fill.mid_at_decision
    return Line(
        fill.fill_id,
        (
            Cell(formats.clock_time(fill.time_ms), "dim"),
            Cell(watch_text.NONE if fill.purpose is None else fill.purpose.value),
            Cell(fill.side.value),
            Cell(formats.amount(fill.amount)),
            Cell(formats.price(fill.price)),
            Cell(watch_text.NONE if decided is None else formats.price(decided), "dim"),
            Cell(watch_text.NONE if worse is None else f"{worse:+.1f} bps"),
            Cell("maker" if fill.is_maker else "taker", "dim"),
        ),
    )


def _trades(details: "RunDetails", span: range | None) -> list[Line]:
    """Return the trades that were closed in a span of time, the newest first; None: all of them."""
    return [
        Line(
            str(number),
            (
                Cell(trade.side.value),
                Cell(formats.short_moment(trade.entry_time_ms), "dim"),
                Cell(formats.short_moment(trade.exit_time_ms)),
                Cell(EXIT_WORDS[trade.reason]),
                Cell(formats.money(trade.pnl, signed=True), _sign(trade.pnl < 0)),
                Cell(formats.money(trade.fees), "dim"),
                Cell(formats.money(trade.funding), "dim"),
            ),
        )
        for number, trade in reversed(list(enumerate(details.trades, start=1)))
        if span is None or trade.exit_time_ms in span
    ]


def _sign(is_loss: bool) -> Tone:
    return "loss" if is_loss else "gain"
