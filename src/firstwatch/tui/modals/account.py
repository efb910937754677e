"""Dialogs that show an account's address, also as a QR code: a new account, and one to fund."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from firstwatch.manager.views import WalletView
from firstwatch.manager.wallet_views import MoneyView, NewAccountView
from firstwatch.trading.errors import FirstwatchError
from firstwatch.tui import formats
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.qr import QrCode
from firstwatch.tui.widgets.status_lines import KeyHint

LOOK_EVERY_S = 3.0
"""How often the balance is asked for while the dialog is open."""


class NewAccountDialog(Dialog[bool]):
    """Shows a new account and, only here, its key; returns whether to fund it next."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f", "fund", "Fund", show=False, id="account.fund")]

    def __init__(self, made: NewAccountView) -> None:
        super().__init__()
        self.TITLE_TEXT = f"New wallet {made.name} at {made.venue}"
        self.add_class("account")
        self._made = made

    def body(self) -> Sequence[Widget]:
        made = self._made
        beside = Vertical(
            text("The key is shown this once.", "strong"),
            text(""),
            text("It is also in the vault, a keystore that any Ethereum wallet opens with the passphrase."),
            text(""),
            text(
                "Anyone who has the key has the money. Write it down in a safe place, or rely on the vault."
            ),
            text(""),
            text("Next: send USDC to the account."),
            classes="beside",
        )
        return [
            text(f"Account {made.account}"),
            # One line, so that it can be marked and copied as one.
            text(f"Key {made.private_key}"),
            Horizontal(QrCode(made.account), beside),
        ]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("f", "fund it"), KeyHint("q esc", "the key is safe; close"))

    def action_fund(self) -> None:
        self.dismiss(True)


class FundingDialog(Dialog[None]):
    """Shows where to send money, and watches the balance for what arrives."""

    def __init__(self, wallet: WalletView, ask: Callable[[], Awaitable[MoneyView]]) -> None:
        super().__init__()
        self.TITLE_TEXT = f"Fund {wallet.name} at {wallet.venue}"
        self.add_class("account")
        self._wallet = wallet
        self._ask = ask
        self._before: Decimal | None = None
        self._is_asking = False

    def body(self) -> Sequence[Widget]:
        move = app_of(self).key_of("wallet.transfer")
        beside = Vertical(
            text("Send USDC to this account:"),
            text(
                f"from another account at the venue (a transfer, {move}, takes no time),"
                " or through its bridge."
            ),
            text(""),
            text("Send only USDC, and at least the bridge's minimum: anything else may be lost."),
            text(""),
            Paragraph(f"Asking {self._wallet.venue}…", id="there"),
            Paragraph(id="arrived"),
            Paragraph(classes="problem"),
            classes="beside",
        )
        return [text(f"Account {self._wallet.account}"), Horizontal(QrCode(self._wallet.account), beside)]

    def hints(self) -> Sequence[KeyHint]:
        return (KeyHint("", ""), KeyHint("q esc", "close; the money arrives anyway"))

    def on_mount(self) -> None:
        self._look()
        self.set_interval(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        if not self._is_asking:
            self._is_asking = True
            self.run_worker(self._ask_once(), exit_on_error=False)

    async def _ask_once(self) -> None:
        try:
            money = await self._ask()
        except FirstwatchError as error:
            self.query_one(".problem", Paragraph).set_text(str(error))
        else:
            self.query_one(".problem", Paragraph).set_text("")
            self._show(money)
        finally:
            self._is_asking = False

    def _show(self, money: MoneyView) -> None:
        if self._before is None:
            self._before = money.withdrawable
        spot = (
            f", and {formats.money(money.spot)} in spot, where it does not count as margin"
            if money.spot
            else ""
        )
        self.query_one("#there", Paragraph).set_text(
            f"Balance now: {formats.money(money.total)} USDC{spot}. Watching…"
        )
        arrived = money.withdrawable - self._before
        if arrived > 0:
            self.query_one("#arrived", Paragraph).set_text(f"{formats.money(arrived)} USDC have arrived.")
