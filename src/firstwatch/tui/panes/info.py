"""Info: the runs, and all that is known about the chosen one."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import ClassVar

from textual import on
from textual.widgets import DataTable

from firstwatch.manager.views import ManagerSnapshot, OrderView, RunDetails, RunView
from firstwatch.trading.orders import OrderState
from firstwatch.trading.runs import Author, Exposure, Health, Protection, RunState
from firstwatch.trading.symbols import pair_of
from firstwatch.trading.trade import Trade
from firstwatch.tui import formats, watch_text
from firstwatch.tui.launch_form.draft import FIELDS, VERSIONS_OWN, draft_of
from firstwatch.tui.messages import RunChosen
from firstwatch.tui.modals.confirm import MessageDialog
from firstwatch.tui.panes.pane import PaneId, TabbedPane
from firstwatch.tui.run_text import held_text
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, Tone

_ACTIVE = (
    Column("algorithm", 15, grows=True),
    Column("symbol", 9, rank=4),
    Column("wallet", 9, rank=1),
    Column("state", 8, rank=2),
    Column("position", 12),
    Column("PnL", 9, is_number=True),
    Column("watch", 12),
    Column("equity", 10, rank=4, is_number=True),
    Column("note", 16, rank=3),
    Column("bar", 11, rank=5),
    Column("age", 6, rank=5, is_number=True),
)
_HISTORY = (
    Column("algorithm", 14, grows=True),
    Column("symbol", 10, rank=2),
    Column("wallet", 9, rank=4),
    Column("state", 9),
    Column("PnL", 10, is_number=True),
    Column("left", 9, rank=1),
    Column("ended", 11, rank=1),
    Column("why", 20, rank=3),
)
_POSITIONS = (
    Column("algorithm", 12, grows=True),
    Column("side", 5),
    Column("amount", 10, is_number=True),
    Column("entry", 11, is_number=True),
    Column("mark", 11, rank=2, is_number=True),
    Column("PnL", 10, is_number=True),
    Column("stop", 11, rank=1, is_number=True),
    Column("target", 11, rank=3, is_number=True),
    Column("liquidation", 11, rank=4, is_number=True),
    Column("wallet", 9, rank=5),
)
_ORDERS = (
    Column("time", 14, rank=2),
    Column("purpose", 7),
    Column("side", 4),
    Column("kind", 6, rank=3),
    Column("amount", 9, is_number=True),
    Column("price", 11, is_number=True),
    Column("filled", 9, rank=1, is_number=True),
    Column("state", 14, grows=True),
    Column("id", 8, rank=4),
)
_TRADES = (
    Column("side", 5),
    Column("entered", 11, rank=3),
    Column("entry", 11, rank=1, is_number=True),
    Column("exited", 11),
    Column("exit", 11, rank=1, is_number=True),
    Column("amount", 9, rank=4, is_number=True),
    Column("PnL", 10, is_number=True),
    Column("fees", 8, rank=5, is_number=True),
    Column("reason", 13, grows=True),
)
_DETAILS = (
    Column("#", 4, rank=3, is_number=True),
    Column("time", 14),
    Column("who", 8, rank=2),
    Column("what happened", 36, grows=True),
)
_CONFIG = (Column("setting", 22), Column("value", 24, grows=True))


_RUN_LISTS = ("Active", "History", "Positions")
"""Tabs that list runs. Passing through one must not choose another run: its cursor follows the chosen one."""
_LISTS: dict[str, tuple[Sequence[Column], str]] = {
    "Active": (_ACTIVE, "No active run. Fill in Configuration (2), then press g."),
    "History": (_HISTORY, "No run has ended yet."),
    "Positions": (_POSITIONS, "All flat."),
    "Orders": (_ORDERS, "This run has no orders."),
    "Trades": (_TRADES, "This run has not closed a trade."),
    "Details": (_DETAILS, "The journal is empty."),
    "Config": (_CONFIG, ""),
}


def _listing(tab: str) -> Listing:
    columns, empty = _LISTS[tab]
    return Listing(columns, empty=empty, id=tab, takes_first=tab not in _RUN_LISTS)


class InfoPane(TabbedPane):
    """The lists of runs, and orders, trades, journal and settings of the chosen run."""

    ID = PaneId.INFO
    TITLE = "Info"
    ACTIONS = (
        "run.stop",
        "run.pause",
        "run.resume",
        "run.close",
        "run.discard",
        "run.again",
        "view.next_tab",
    )
    PAGES: ClassVar = {tab: partial(_listing, tab) for tab in _LISTS}

    def show(self, snapshot: ManagerSnapshot) -> None:
        app = app_of(self)
        run = snapshot.run(app.selected_run)
        self.set_heading(run)
        self.set_note(watch_text.count_sentence(snapshot.watch_count))
        listing = self.query_one(f"#{self.tab}", Listing)
        run_lists: dict[str, Callable[[], Sequence[Line]]] = {
            "Active": lambda: [_active(row, app.now_ms()) for row in snapshot.active],
            "History": lambda: [_finished(row) for row in snapshot.finished],
            "Positions": lambda: [
                _position(row) for row in snapshot.runs if row.exposure is not Exposure.FLAT
            ],
        }
        if self.tab in run_lists:
            listing.set_lines(run_lists[self.tab](), is_ready=snapshot.is_ready)
            if listing.table.cursor_key != app.selected_run:
                listing.table.point_at(app.selected_run)
            return
        if run is None:
            listing.set_lines([], is_ready=snapshot.is_ready, empty="Choose a run in Active or History.")
            return
        details = snapshot.selected
        if details is None or details.run_id != run.run_id:
            listing.set_lines([], is_ready=False)
            return
        run_pages: dict[str, Callable[[], Sequence[Line]]] = {
            "Orders": lambda: [_order(order) for order in reversed(details.orders)],
            "Trades": lambda: [_trade(number, trade) for number, trade in _numbered(details)],
            "Details": lambda: _journal(details),
            "Config": lambda: _config(details),
        }
        listing.set_lines(run_pages[self.tab]())

    def focus_pane(self) -> None:
        self.query_one(f"#{self.tab}", Listing).table.focus()

    def tab_shown(self, *, had_focus: bool) -> None:
        self.show(app_of(self).snapshot)
        if had_focus:
            self.focus_pane()

    @on(KeyedTable.CursorMoved)
    def _choose(self, event: KeyedTable.CursorMoved) -> None:
        # A row that has gone leaves the chosen run as it is: a run is chosen by its id, not by its place.
        if self.tab in _RUN_LISTS and event.table.id == f"{self.tab}-table" and event.key is not None:
            self.app.post_message(RunChosen(event.key))

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        if self.tab in _RUN_LISTS and event.row_key.value is not None:
            self.app.post_message(RunChosen(event.row_key.value))
            self.go_to("Details")
            return
        details = app_of(self).snapshot.selected
        if details is not None and event.row_key.value is not None:
            self._show_whole(details, event.row_key.value)

    def _show_whole(self, details: RunDetails, key: str) -> None:
        """Show the whole of a row that is too long for a line."""
        for order in details.orders:
            if self.tab == "Orders" and order.client_order_id == key:
                self.app.push_screen(MessageDialog(f"Order {key}", _order_story(order)))
        for event in details.events:
            if self.tab == "Details" and str(event.sequence) == key:
                lines = [f"{formats.clock_time(event.local_time_ms)} UTC, by {event.author}, {event.kind}"]
                if event.venue_time_ms is not None:
                    lines.append(f"{formats.clock_time(event.venue_time_ms)} UTC by the venue")
                lines += ["", event.sentence]
                self.app.push_screen(MessageDialog(f"Journal row {key}", lines))


def _signed(value: object) -> Tone:
    text = str(value)
    return "dim" if value is None else "loss" if text.startswith("-") else "gain"


def _active(row: RunView, now_ms: int) -> Line:
    note, tone = _note(row)
    age = None if row.live_ms is None else now_ms - row.live_ms
    cells = (
        Cell(row.title),
        Cell(pair_of(row.symbol)),
        Cell(row.wallet, "dim"),
        Cell(row.state.value, "warning" if row.state is RunState.STOPPING else ""),
        _held(row),
        Cell(formats.money(row.pnl, signed=True), _signed(row.pnl)),
        Cell(*watch_text.list_cell(row)),
        Cell(formats.money(row.equity)),
        Cell(note, tone),
        Cell(formats.short_moment(row.last_bar_ms), "dim"),
        Cell(formats.age(age), "warning" if age is None or age > 5_000 else "dim"),
    )
    return Line(row.run_id, cells)


def _held(row: RunView) -> Cell:
    held = held_text(row, write=formats.short_amount)
    tones: dict[str, Tone] = {"flat": "dim", "unknown": "error", "long": "gain", "short": "loss"}
    return Cell(held, tones[held.split()[0]])


def _note(row: RunView) -> tuple[str, Tone]:
    """Return the most serious remark about a run."""
    if row.protection is Protection.UNPROTECTED:
        is_behind = row.position is not None and row.position.is_stop_behind
        return "STOP NOT MOVED" if is_behind else "UNPROTECTED", "error"
    if row.health is not Health.OK:
        return f"{row.health}: {row.sentence}" if row.sentence else row.health.value, "error"
    if row.paused:
        return f"paused: {row.pause_reason}" if row.pause_reason else "paused", "warning"
    return (row.sentence, "") if row.sentence else ("ok", "dim")


def _finished(row: RunView) -> Line:
    state_tone: Tone = "error" if row.state is RunState.FAILED else ""
    cells = (
        Cell(row.title),
        Cell(pair_of(row.symbol)),
        Cell(row.wallet, "dim"),
        Cell(row.state.value, state_tone),
        Cell(formats.money(row.pnl, signed=True), _signed(row.pnl)),
        _held(row),
        Cell(formats.short_moment(row.ended_ms), "dim"),
        Cell(row.sentence or (row.exit_reason.value if row.exit_reason else ""), "dim"),
    )
    return Line(row.run_id, cells)


def _position(row: RunView) -> Line:
    position = row.position
    if position is None or position.side is None:
        unknown = tuple(Cell("?", "error") for _ in range(8))
        return Line(row.run_id, (Cell(row.title), *unknown, Cell(row.wallet, "dim")))
    cells = (
        Cell(row.title),
        Cell(position.side.value, "gain" if position.side.sign > 0 else "loss"),
        Cell(formats.amount(position.amount)),
        Cell(formats.price(position.entry_price)),
        Cell(formats.price(row.mark)),
        Cell(formats.money(row.unrealised_pnl, signed=True), _signed(row.unrealised_pnl)),
        _resting(position.stop, position.stop_wanted, is_missed=row.protection is Protection.UNPROTECTED),
        _resting(position.target, position.target_wanted),
        Cell(_level(position.liquidation_price), "dim"),
        Cell(row.wallet, "dim"),
    )
    return Line(row.run_id, cells)


def _resting(level: Decimal | None, wanted: Decimal | None, *, is_missed: bool = False) -> Cell:
    """Return the level at which a leg rests; an alarm if it is missing or should rest elsewhere."""
    is_missed = is_missed or wanted not in (None, level)
    text = "NONE" if is_missed and level is None else _level(level)
    return Cell(text, "error" if is_missed else "")


def _level(value: Decimal | None) -> str:
    return "-" if value is None else formats.price(value)


def _order(order: OrderView) -> Line:
    price = order.trigger_price if order.trigger_price is not None else order.price
    if order.average_price is not None:
        price = order.average_price
    tone: Tone = "" if order.state.is_open else "dim"
    if order.state in (OrderState.UNKNOWN, OrderState.REJECTED):
        tone = "error"
    cells = (
        Cell(formats.clock_time(order.created_ms), "dim"),
        Cell(order.purpose.value),
        Cell(order.side.value, "gain" if order.side.sign > 0 else "loss"),
        Cell(order.kind.value, "dim"),
        Cell(formats.amount(order.amount)),
        Cell("market" if price is None else formats.price(price)),
        Cell(formats.amount(order.filled)),
        Cell(order.state.value, tone),
        Cell(order.client_order_id[-6:], "dim"),
    )
    return Line(order.client_order_id, cells)


def _order_story(order: OrderView) -> list[str]:
    only = ", reduce only" if order.reduce_only else ""
    steps = [
        f"{formats.clock_time(step.time_ms)}  {step.state}{': ' + step.why if step.why else ''}"
        for step in order.history
    ]
    return [
        f"{order.purpose}: {order.side} {formats.amount(order.amount)} {order.kind}{only}",
        f"limit {_level(order.price)}, trigger {_level(order.trigger_price)}",
        f"filled {formats.amount(order.filled)} at {_level(order.average_price)}",
        "",
        *steps,
    ]


def _numbered(details: RunDetails) -> list[tuple[int, Trade]]:
    return list(reversed(list(enumerate(details.trades, start=1))))


def _trade(number: int, trade: Trade) -> Line:
    cells = (
        Cell(trade.side.value, "gain" if trade.side.sign > 0 else "loss"),
        Cell(formats.short_moment(trade.entry_time_ms), "dim"),
        Cell(formats.price(trade.entry_price)),
        Cell(formats.short_moment(trade.exit_time_ms)),
        Cell(formats.price(trade.exit_price)),
        Cell(formats.amount(trade.amount)),
        Cell(formats.money(trade.pnl, signed=True), _signed(trade.pnl)),
        Cell(formats.money(trade.fees), "dim"),
        Cell(trade.reason.value),
    )
    return Line(str(number), cells)


def _journal(details: RunDetails) -> list[Line]:
    return [
        Line(
            str(event.sequence),
            (
                Cell(str(event.sequence), "dim"),
                Cell(formats.clock_time(event.local_time_ms), "dim"),
                Cell(event.author, "dim" if event.author is Author.SYSTEM else "accent"),
                Cell(event.sentence, "error" if event.is_alarm else ""),
            ),
        )
        for event in reversed(details.events)
    ]


def _config(details: RunDetails) -> list[Line]:
    draft = draft_of(details.settings, parent_run_id=details.settings.parent_run_id)
    lines = [Line("run", (Cell("run"), Cell(details.run_id)))]
    if draft.parent_run_id:
        lines.append(Line("parent", (Cell("started again from"), Cell(draft.parent_run_id, "accent"))))
    for field in FIELDS:
        if field.shown(draft):
            value = draft.value(field.id)
            is_override = field.id == "reset_mode" and value != VERSIONS_OWN
            shown = f"{value} (overrides the version's)" if is_override else value or "-"
            lines.append(
                Line(field.id, (Cell(field.label, "dim"), Cell(shown, "warning" if is_override else "")))
            )
    return lines
