"""The wallets: their money, their venue, and the run that uses each."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable

from firstwatch.manager.views import ManagerSnapshot, WalletView
from firstwatch.trading.runs import Exposure
from firstwatch.trading.symbols import base_of
from firstwatch.tui import formats
from firstwatch.tui.messages import FieldChanged, WalletChosen
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, Tone

_COLUMNS = (
    Column("wallet", 10, grows=True),
    Column("venue", 8, rank=3),
    Column("free", 12, is_number=True),
    Column("total", 12, rank=4, is_number=True),
    Column("age", 6, rank=2, is_number=True),
    Column("run", 16, rank=1),
)


_OLD_MS = 120_000
"""A balance that is older than this is marked."""


class WalletsPane(Pane):
    """The wallets; Enter takes one into the launch form."""

    ID = PaneId.WALLETS
    TITLE = "Wallets"
    ACTIONS = (
        "wallet.create",
        "wallet.import",
        "wallet.fund",
        "wallet.approve",
        "wallet.transfer",
        "wallet.withdraw",
    )

    def compose(self) -> ComposeResult:
        yield Listing(_COLUMNS, empty="No wallet yet. Press w to create one.", id="wallets")
        yield Paragraph(id="wallet-note")

    def show(self, snapshot: ManagerSnapshot) -> None:
        self.query_one(Listing).set_lines(self._lines(snapshot), is_ready=snapshot.is_ready)
        wallet = snapshot.wallet(app_of(self).selected_wallet)
        is_live = wallet is not None and wallet.is_live
        note = self.query_one("#wallet-note", Paragraph)
        note.show_if(is_live)
        if wallet is not None and is_live:
            note.set_text(key_text(wallet, app_of(self).now_ms()))
            note.set_class(bool(wallet.problem or _lacks(wallet)), "warning")

    def _lines(self, snapshot: ManagerSnapshot) -> Sequence[Line]:
        return [self._line(wallet, snapshot) for wallet in snapshot.wallets]

    def _line(self, wallet: WalletView, snapshot: ManagerSnapshot) -> Line:
        now_ms = app_of(self).now_ms()
        age = None if wallet.balance_ms is None else now_ms - wallet.balance_ms
        run = snapshot.run(wallet.active_run_id)
        use, tone = _use(wallet, "" if run is None else f"{run.title}")
        return Line(
            wallet.name,
            (
                Cell(wallet.name, "accent" if wallet.name == app_of(self).draft.wallet else ""),
                Cell(wallet.venue, "dim"),
                Cell(formats.money(wallet.free)),
                Cell(formats.money(wallet.total)),
                Cell(formats.age(age), "warning" if age is not None and age > _OLD_MS else "dim"),
                Cell(use, tone),
            ),
        )

    @on(KeyedTable.CursorMoved)
    def _choose(self, event: KeyedTable.CursorMoved) -> None:
        self.app.post_message(WalletChosen(event.key))

    @on(DataTable.RowSelected)
    def _take(self, event: DataTable.RowSelected) -> None:
        if event.row_key.value is not None:
            self.app.post_message(FieldChanged("wallet", event.row_key.value))


def _use(wallet: WalletView, run: str) -> tuple[str, Tone]:
    if wallet.active_run_id is not None:
        return run or formats.short_id(wallet.active_run_id), ""
    if wallet.exposure is Exposure.EXPOSED:
        return "EXPOSED, no run", "error"
    if wallet.exposure is Exposure.UNKNOWN:
        return "unknown, no run", "error"
    return "free", "dim"


def key_text(wallet: WalletView, now_ms: int) -> str:
    """Return a wallet's key and what it may do, its positions at the venue, and what is missing."""
    parts = [_key(wallet, now_ms)]
    if wallet.held:
        held = (f"{each.side} {formats.amount(each.amount)} {base_of(each.symbol)}" for each in wallet.held)
        parts.append(f"holds {', '.join(held)}")
    lacks = _lacks(wallet)
    if lacks:
        parts.append(f"missing: {', '.join(lacks)}")
    elif wallet.key is not None and wallet.key.missing is not None and wallet.total is not None:
        parts.append("nothing is missing")
    if wallet.problem:
        parts.append(wallet.problem)
    return " · ".join(parts)


def _key(wallet: WalletView, now_ms: int) -> str:
    key = wallet.key
    if key is None:
        return "its key is not known yet"
    if key.address is None:
        return "the vault has no key for it"
    asked = "not asked yet" if key.read_ms is None else f"{formats.age(now_ms - key.read_ms)} ago"
    if key.is_master:
        return f"own key, trades and withdraws ({asked})"
    until = "" if key.valid_until_ms is None else f" until {formats.moment(key.valid_until_ms)}"
    return f"API wallet, trades{until}, cannot withdraw ({asked})"


def _lacks(wallet: WalletView) -> list[str]:
    key = wallet.key
    missing = [f"{name} (v)" for name in key.missing or ()] if key is not None else []
    return [*missing, "money (f)"] if wallet.total == 0 else missing
