"""What is behind a check of the watch: mismatches, fills or trades."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.views import RunDetails, RunView
from firstwatch.trading.watch import CheckName, WatchReport
from firstwatch.tui import formats, watch_text
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.run_text import heading
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.status_lines import KeyHint
from firstwatch.tui.widgets.table import Cell, Column, Line, Tone

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
_ROWS = 200
"""Newest rows that are shown."""


class EvidenceDialog(Dialog[None]):
    """The check's own words, and the rows that it was made from; those of the run when it was opened."""

    AUTO_FOCUS = "KeyedTable"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "close", "Close", show=False, priority=True, id="evidence.close"),
        Binding("down", "scroll(1)", "Down", show=False, id="evidence.down"),
        Binding("up", "scroll(-1)", "Up", show=False, id="evidence.up"),
    ]

    def __init__(self, run: RunView, details: RunDetails, name: CheckName) -> None:
        super().__init__()
        self._report = details.days[-1].report
        self._details = details
        self._check = name
        self.TITLE_TEXT = f"{watch_text.LABELS[name]} · {heading(run)}"

    def body(self) -> Sequence[Widget]:
        check = self._report.check(self._check)
        lines = []
        if check is not None:
            live, expected = watch_text.figure(check.name, check.observed), watch_text.expectation(check)
            figures = f"live {live}, expected {expected}, n {watch_text.count_text(check)}"
            lines = [f"{check.verdict}: {check.sentence}", figures, watch_text.evidence_text(check)]
        lines += [f"NEXT  {self._report.next}", ""]
        if self._check is CheckName.SIGNAL_PARITY:
            return [text(line) for line in [*lines, *_mismatches(self._report)]]
        listing = (
            Listing(_FILLS, empty="The run has no fill yet.", id="evidence")
            if self._check is CheckName.FILL_PRICES
            else Listing(_TRADES, empty="The run has not closed a trade.", id="evidence")
        )
        return [*(text(line) for line in lines if line), listing]

    def on_mount(self) -> None:
        for listing in self.query(Listing):
            rows = _fills if self._check is CheckName.FILL_PRICES else _trades
            listing.set_lines(rows(self._details)[:_ROWS])

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("↑ ↓", "move"), KeyHint("enter q esc", "close"))

    def action_scroll(self, by: int) -> None:
        self.query_one(".dialog-body").scroll_relative(y=by * 3, animate=False)


def _mismatches(report: WatchReport) -> list[str]:
    """Return two lines for each mismatch, the newest first."""
    if not report.mismatches:
        return ["Run and shadow have decided the same at every bar."]
    lines = []
    for each in reversed(report.mismatches[-_ROWS:]):
        lines.append(f"{formats.short_moment(each.time)}  {each.what}: {each.cause}")
        lines.append(
            f"    live {each.live or watch_text.NONE}, backtest's core {each.shadow or watch_text.NONE}"
        )
    return lines


def _fills(details: RunDetails) -> list[Line]:
    purposes = {order.client_order_id: order.purpose for order in details.orders}
    lines = []
    for fill in reversed(details.fills):
        purpose = purposes.get(fill.client_order_id or "")
        worse = fill.worse_bps
        decided = fill.mid_at_decision
        lines.append(
            Line(
                fill.fill_id,
                (
                    Cell(formats.clock_time(fill.time_ms), "dim"),
                    Cell(watch_text.NONE if purpose is None else purpose.value),
                    Cell(fill.side.value),
                    Cell(formats.amount(fill.amount)),
                    Cell(formats.price(fill.price)),
                    Cell(watch_text.NONE if decided is None else formats.price(decided), "dim"),
                    Cell(watch_text.NONE if worse is None else f"{worse:+.1f} bps"),
                    Cell("maker" if fill.is_maker else "taker", "dim"),
                ),
            )
        )
    return lines


def _trades(details: RunDetails) -> list[Line]:
    return [
        Line(
            str(number),
            (
                Cell(trade.side.value),
                Cell(formats.short_moment(trade.entry_time_ms), "dim"),
                Cell(formats.short_moment(trade.exit_time_ms)),
                Cell(trade.reason.value.replace("_", " ")),
                Cell(formats.money(trade.pnl, signed=True), _sign(trade.pnl < 0)),
                Cell(formats.money(trade.fees), "dim"),
                Cell(formats.money(trade.funding), "dim"),
            ),
        )
        for number, trade in reversed(list(enumerate(details.trades, start=1)))
    ]


def _sign(is_loss: bool) -> Tone:
    return "loss" if is_loss else "gain"
