"""The wallets: their money, their venue, and the run that uses each."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView, WalletView
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.alarms import UNMANAGED
from firstwatch.trading.runs import Exposure
from firstwatch.trading.symbols import base_of
from firstwatch.tui import formats
from firstwatch.tui.alarm_text import seen_word
from firstwatch.tui.messages import FieldChanged, WalletChosen
from firstwatch.tui.money_text import money_word
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.state import KeyOf, app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, Tone

_COLUMNS = (
    Column("  wallet", 11, grows=True),
    Column("venue", 6, rank=1, grows=True),
    Column("total", 10, rank=2, is_number=True),
    Column("free", 10, is_number=True),
    Column("run", 15, grows=True),
    Column("money", 7, rank=3),
    Column("age", 6, rank=4, is_number=True),
)
_OLD_MS = 120_000
"""A balance that is older than this is marked."""


class WalletsPane(Pane):
    """The wallets; Enter takes one into the launch form."""

    ID = PaneId.WALLETS
    TITLE = "Run Wallets"
    ACTIONS = (
        "run.close",
        "alarm.adopt",
        "alarm.leave",
        "alarm.acknowledge",
        "wallet.create",
        "wallet.import",
        "wallet.fund",
        "wallet.approve",
        "wallet.transfer",
        "wallet.withdraw",
    )
    STYLED_BY_PLACE = "#wallet-note"

    def compose(self) -> ComposeResult:
        yield Listing(_COLUMNS, empty="", id="wallets")
        yield Paragraph(id="wallet-note")

    def show(self, snapshot: ManagerSnapshot) -> None:
        app = app_of(self)
        empty = f"No wallet yet. Press {app.key_of('wallet.create')} to create one."
        now_ms = app.now_ms()
        self.query_one(Listing).set_made(
            (snapshot, now_ms // 1000),
            lambda: self._lines(snapshot, now_ms),
            is_ready=snapshot.is_ready,
            empty=empty,
        )
        wallet = snapshot.wallet(app.selected_wallet)
        text = "" if wallet is None else _note(wallet, snapshot.alarms, now_ms, app.key_of)
        note = self.query_one("#wallet-note", Paragraph)
        note.show_if(bool(text))
        note.set_text(text)
        is_left = wallet is not None and _is_left(wallet)
        note.set_class(is_left, "error")
        note.set_class(
            wallet is not None and not is_left and bool(wallet.problem or _lacks(wallet, app.key_of)),
            "warning",
        )

    def alarm(self) -> AlarmView | None:
        """Return the alarm that the chosen wallet's row shows."""
        app = app_of(self)
        return next((alarm for alarm in app.live.alarms if _is_of(alarm, app.selected_wallet)), None)

    def _lines(self, snapshot: ManagerSnapshot, now_ms: int) -> Sequence[Line]:
        """Return the wallets, those with an alarm first."""
        wallets = sorted(snapshot.wallets, key=lambda wallet: not _is_left(wallet))
        return [self._line(wallet, snapshot, now_ms) for wallet in wallets]

    def _line(self, wallet: WalletView, snapshot: ManagerSnapshot, now_ms: int) -> Line:
        age = None if wallet.balance_ms is None else now_ms - wallet.balance_ms
        run = snapshot.run(wallet.active_run_id)
        use, tone = _use(wallet, "" if run is None else f"{snapshot.short_id(run.run_id)} {run.title}")
        is_left, old = _is_left(wallet), _money_age(wallet, now_ms)
        money_tone: Tone = "warning" if old else ""
        return Line(
            wallet.name,
            (
                Cell(f"{'▲' if is_left else ' '} {wallet.name}", "error" if is_left else ""),
                Cell(wallet.venue, "dim"),
                Cell(formats.money(wallet.total), money_tone),
                Cell(formats.money(wallet.free), money_tone),
                Cell(use, tone),
                Cell(money_word(wallet.money), "" if wallet.money is MoneyKind.LIVE else "dim"),
                Cell(formats.age(age), money_tone or "dim"),
            ),
        )

    @on(KeyedTable.CursorMoved)
    def _choose(self, event: KeyedTable.CursorMoved) -> None:
        self.app.post_message(WalletChosen(event.key))

    @on(DataTable.RowSelected)
    def _take(self, event: DataTable.RowSelected) -> None:
        if event.row_key.value is not None:
            self.app.post_message(FieldChanged("wallet", event.row_key.value))


def _is_left(wallet: WalletView) -> bool:
    """Return whether it holds, or may hold, a position that no run manages."""
    return wallet.active_run_id is None and wallet.exposure is not Exposure.FLAT


def _is_of(alarm: AlarmView, wallet: str | None) -> bool:
    """Return whether it is the alarm of a position in that wallet that no run manages."""
    return alarm.wallet == wallet and alarm.topic == UNMANAGED


def _money_age(wallet: WalletView, now_ms: int) -> str:
    """Return how old the figures of its money are, if they are old."""
    age_ms = 0 if wallet.balance_ms is None else now_ms - wallet.balance_ms
    return formats.age(age_ms) if age_ms > _OLD_MS else ""


def _note(wallet: WalletView, alarms: Sequence[AlarmView], now_ms: int, key_of: KeyOf) -> str:
    """Return the text for which a row of the list has no room: the alarm, the age of old figures, the key."""
    parts = [key_text(wallet, now_ms, key_of)] if wallet.is_live else []
    if old := _money_age(wallet, now_ms):
        parts.insert(0, f"money as of {old} ago")
    left = [_alarm_text(alarm) for alarm in alarms if _is_of(alarm, wallet.name)]
    return "\n".join([*left[:1], " · ".join(parts)]).strip()


def _alarm_text(alarm: AlarmView) -> str:
    seen = seen_word(alarm)
    return f"▲ {alarm.sentence}{f' ({seen})' if seen else ''}"


def _use(wallet: WalletView, run: str) -> tuple[str, Tone]:
    if wallet.active_run_id is not None:
        return run or formats.short_id(wallet.active_run_id), ""
    if wallet.exposure is Exposure.EXPOSED:
        return "EXPOSED, no run", "error"
    if wallet.exposure is Exposure.UNKNOWN:
        return "unknown, no run", "error"
    return "free", "dim"


def key_text(wallet: WalletView, now_ms: int, key_of: KeyOf) -> str:
    """Return a wallet's key and what it may do, its positions at the venue, and what is missing."""
    parts = [_key(wallet, now_ms)]
    if wallet.held:
        held = (f"{each.side} {formats.amount(each.amount)} {base_of(each.symbol)}" for each in wallet.held)
        parts.append(f"holds {', '.join(held)}")
    lacks = _lacks(wallet, key_of)
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


def _lacks(wallet: WalletView, key_of: KeyOf) -> list[str]:
    """Return the missing approvals, each with the key to give it."""
    key = wallet.key
    approve, fund = key_of("wallet.approve"), key_of("wallet.fund")
    missing = [f"{name} ({approve})" for name in key.missing or ()] if key is not None else []
    return [*missing, f"money ({fund})"] if wallet.total == 0 else missing
