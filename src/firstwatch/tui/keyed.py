"""The keys on wallets: create, import, approve, fund, move money, archive. The work is the manager's.

Secrets go from a field to one call and are forgotten; nothing of them is in a message, a log or the store.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from firstwatch.manager.views import WalletView
from firstwatch.manager.wallet_views import (
    ApprovalKind,
    ApprovalsView,
    MoneyView,
    Needs,
    NewAccountView,
    Passphrase,
)
from firstwatch.trading import commands
from firstwatch.trading.account import is_address
from firstwatch.trading.numbers import decimal_of
from firstwatch.tui import formats
from firstwatch.tui.launching import LaunchingApp
from firstwatch.tui.modals.account import FundingDialog, NewAccountDialog
from firstwatch.tui.modals.confirm import ConfirmDialog, MessageDialog
from firstwatch.tui.modals.form import Field, FormDialog, FormSpec, Values
from firstwatch.tui.modals.prompt import PromptDialog, check_wallet, wallet_from


class KeyedApp(LaunchingApp):
    """What the keys on wallets need."""

    # --- making ----------------------------------------------------------------------------------

    def ask_wallet(self, venues: Sequence[str]) -> None:
        """Ask how a new wallet is called; where orders are signed, for the vault's passphrase too."""
        taken = [wallet.name for wallet in self.snapshot.wallets]
        lines = [f"Name, or name and venue. Venues: {', '.join(venues)} (default {venues[0]})"]
        dialog = PromptDialog("Create wallet", lines, check=lambda value: check_wallet(value, venues, taken))
        self.push_screen(dialog, partial(self._create_wallet, tuple(venues)))

    def _create_wallet(self, venues: tuple[str, ...], value: str | None) -> None:
        if not value:
            return
        wallet = wallet_from(value, venues)
        if wallet.venue in self.snapshot.signed_venues:
            self._ask_new_account(wallet.name, wallet.venue)
            return
        self._in_background(asyncio.to_thread(self._manager.create_wallet, wallet.name, wallet.venue))
        self.selected_wallet = wallet.name

    def _ask_new_account(self, name: str, venue: str) -> None:
        async def create(values: Values) -> NewAccountView:
            passphrase = values.get("passphrase", "")
            return await asyncio.to_thread(self._manager.keyed.create, name, venue, passphrase)

        async def load() -> FormSpec[NewAccountView]:
            needs = await asyncio.to_thread(self._manager.keyed.needs)
            lines = [
                f"A new account at {venue} with a key of its own, for the wallet {name}.",
                "It costs nothing; the first money that it receives costs 1 USDC.",
                "The key is encrypted under the vault's passphrase and shown once.",
                *_about(needs),
            ]
            return FormSpec(lines, "make it", create, _passphrase_fields(needs))

        form = FormDialog(
            "Create wallet", load, late_message=lambda made: f"{made.name} is there: {made.account}"
        )
        self.push_screen(form, self._show_new_account)

    def _show_new_account(self, made: NewAccountView | None) -> None:
        if made is not None:
            self.selected_wallet = made.name
            self.push_screen(NewAccountDialog(made), partial(self._fund_new_account, made.name))

    def _fund_new_account(self, name: str, is_wanted: bool | None) -> None:
        wallet = self.snapshot.wallet(name)
        if is_wanted and wallet is not None:
            self.ask_funds(wallet)

    def ask_import(self, venues: Sequence[str]) -> None:
        """Ask for an account and a key, and find out what the key may do."""
        taken = [wallet.name for wallet in self.snapshot.wallets if wallet.venue not in venues]

        async def bring(values: Values) -> str:
            sentence = await asyncio.to_thread(
                self._manager.keyed.import_key,
                values["name"],
                values["venue"],
                values["account"],
                values["key"],
                values.get("passphrase", ""),
            )
            self.selected_wallet = values["name"]
            return sentence

        async def load() -> FormSpec[str]:
            needs = await asyncio.to_thread(self._manager.keyed.needs)
            lines = [
                "An account, and a key that trades for it: its own, or an API wallet's.",
                "The venue is asked which of the two it is, and without an account, whose.",
                *_about(needs),
            ]
            fields = [
                Field("name", "Name", check=lambda values: _name_problem(values["name"], taken)),
                Field("venue", "Venue", venues[0], check=lambda values: _venue_problem(values, venues)),
                Field("account", "Account (0x…)", check=lambda values: _address_problem(values["account"])),
                _key_field("Private key"),
                *_passphrase_fields(needs),
            ]
            return FormSpec(lines, "import", bring, fields)

        self.push_screen(FormDialog("Import key", load), partial(self._tell, "Imported"))

    # --- approving -------------------------------------------------------------------------------

    def ask_approval(self, wallet: WalletView) -> None:
        """Show the one approval that comes next, and give it."""
        seen: list[ApprovalsView] = []

        async def load() -> FormSpec[str]:
            found = await asyncio.to_thread(self._manager.keyed.approvals, wallet.name)
            seen.append(found)
            coming = found.next

            async def approve(values: Values) -> str:
                key, passphrase = values.get("key", ""), values.get("passphrase", "")
                return await asyncio.to_thread(
                    self._manager.keyed.approve, wallet.name, coming.kind, key, passphrase
                )

            fields = _signing_fields(found.needs, is_new_key=coming.kind is ApprovalKind.AGENT)
            lines = [
                found.found,
                "" if coming.is_needed else "Nothing is missing. You may all the same:",
                coming.title,
                f"Costs   {coming.costs}",
                f"Allows  {coming.allows}",
                *_about(found.needs),
            ]
            return FormSpec(lines, "approve", approve, fields)

        form = FormDialog(f"Approve for {wallet.name} at {wallet.venue}", load)
        self.push_screen(form, partial(self._approved, wallet, seen))

    def _approved(self, wallet: WalletView, seen: list[ApprovalsView], sentence: str | None) -> None:
        if sentence is None:
            return
        if seen[-1].is_last:
            self.push_screen(MessageDialog("Approved", [sentence]))
            return
        lines = [sentence, "", "One more approval is missing."]
        self.push_screen(ConfirmDialog("Approved", lines, "go on"), partial(self._next_approval, wallet))

    def _next_approval(self, wallet: WalletView, goes_on: bool | None) -> None:
        if goes_on:
            self.ask_approval(wallet)

    # --- money -----------------------------------------------------------------------------------

    def ask_funds(self, wallet: WalletView) -> None:
        """Ask for an amount of play money, or show where to send real money and watch it arrive."""
        if wallet.is_signed:
            self.push_screen(FundingDialog(wallet, partial(self._ask_money, wallet)))
            return
        lines = [f"Play money for {wallet.name} at {wallet.venue}:"]
        dialog = PromptDialog("Fund wallet", lines, check=amount_problem)
        self.push_screen(dialog, partial(self._fund, wallet))

    def _fund(self, wallet: WalletView, value: str | None) -> None:
        if value:
            self.submit(commands.FundWallet(wallet=wallet.name, amount=_decimal(value)))

    async def _ask_money(self, wallet: WalletView) -> MoneyView:
        return await asyncio.to_thread(self._manager.keyed.money, wallet.name)

    def ask_withdrawal(self, wallet: WalletView) -> None:
        """Take money out of the venue."""

        async def withdraw(values: Values) -> str:
            return await asyncio.to_thread(
                self._manager.keyed.withdraw,
                wallet.name,
                _decimal(values["amount"]),
                values["to"],
                values.get("key", ""),
                values.get("passphrase", ""),
            )

        async def load() -> FormSpec[str]:
            money = await self._ask_money(wallet)
            lines = [
                f"{formats.money(money.withdrawable)} USDC can be taken out of {wallet.venue}.",
                f"The venue keeps {money.withdrawal_fee} USDC; the rest arrives on Arbitrum in some minutes.",
                f"It cannot be called back: type the wallet's name, {wallet.name}, to go on.",
            ]
            return FormSpec(
                lines,
                "withdraw",
                withdraw,
                [
                    _amount_field(money, least=money.withdrawal_fee),
                    Field(
                        "to",
                        "To (on Arbitrum)",
                        wallet.account,
                        check=lambda values: _address_problem(values["to"] or "nothing"),
                    ),
                    *_signing_fields(money.needs, is_new_key=False),
                    _name_field(wallet),
                ],
            )

        form = FormDialog(f"Withdraw from {wallet.name}", load, is_dangerous=True)
        self.push_screen(form, partial(self._tell, "On its way"))

    def ask_transfer(self, wallet: WalletView, targets: Sequence[str]) -> None:
        """Send money to another own wallet at the same venue."""

        async def transfer(values: Values) -> str:
            return await asyncio.to_thread(
                self._manager.keyed.transfer,
                wallet.name,
                values["to"],
                _decimal(values["amount"]),
                values.get("key", ""),
                values.get("passphrase", ""),
            )

        async def load() -> FormSpec[str]:
            money = await self._ask_money(wallet)
            lines = [
                f"{formats.money(money.withdrawable)} USDC can be sent within {wallet.venue}.",
                f"To one of: {', '.join(targets)}. Free, but an account's first money costs 1 USDC.",
                f"It cannot be called back: type the wallet's name, {wallet.name}, to go on.",
            ]
            return FormSpec(
                lines,
                "send",
                transfer,
                [
                    Field("to", "To", targets[0], check=lambda values: _target_problem(values, targets)),
                    _amount_field(money, least=Decimal(0)),
                    *_signing_fields(money.needs, is_new_key=False),
                    _name_field(wallet),
                ],
            )

        form = FormDialog(f"Transfer from {wallet.name}", load, is_dangerous=True)
        self.push_screen(form, partial(self._tell, "Sent"))

    # --- the list --------------------------------------------------------------------------------

    def ask_archive(self, wallet: WalletView) -> None:
        """Take a wallet out of the list."""

        async def archive(values: Values) -> str:
            del values
            return await asyncio.to_thread(self._manager.keyed.archive, wallet.name)

        async def load() -> FormSpec[str]:
            lines = [
                f"Take {wallet.name} at {wallet.venue} out of the lists.",
                "Refused while a run uses it or the venue holds money of it. Its key stays in the vault.",
            ]
            return FormSpec(lines, "archive", archive)

        self.push_screen(FormDialog("Archive wallet", load), self._archived)

    def _archived(self, sentence: str | None) -> None:
        if sentence is not None:
            self.notify(sentence)

    def _tell(self, title: str, sentence: str | None) -> None:
        if sentence is not None:
            self.push_screen(MessageDialog(title, [sentence]))


# --- fields --------------------------------------------------------------------------------------


def _about(needs: Needs) -> list[str]:
    if needs.passphrase is Passphrase.NEW:
        return ["This begins the vault. Nobody can recover its passphrase: keep it well."]
    return []


def _passphrase_fields(needs: Needs) -> list[Field]:
    if needs.passphrase is Passphrase.NONE:
        return []
    is_new = needs.passphrase is Passphrase.NEW
    first = Field("passphrase", "New passphrase" if is_new else "Vault's passphrase", is_secret=True,
                  check=lambda values: "" if values["passphrase"] else "write the passphrase")  # fmt: skip
    if not is_new:
        return [first]
    return [first, Field("again", "The same again", is_secret=True, check=_again_problem)]


def _again_problem(values: Values) -> str:
    typed, again = values["passphrase"], values["again"]
    if typed == again:
        return ""
    return "not yet the same" if typed.startswith(again) else "the two passphrases differ"


def _signing_fields(needs: Needs, *, is_new_key: bool) -> list[Field]:
    """Ask for the account's own key unless the vault has it, and for the passphrase if that is needed."""
    fields = [] if needs.has_master_key else [_key_field("Key of the account")]
    if needs.has_master_key or is_new_key:
        fields += _passphrase_fields(needs)
    return fields


def _key_field(label: str) -> Field:
    return Field(
        "key", label, is_secret=True, check=lambda values: "" if values["key"] else "write the private key"
    )


def _name_field(wallet: WalletView) -> Field:
    return Field(
        "wallet",
        "Name of the wallet",
        check=lambda values: "" if values["wallet"] == wallet.name else f"not {wallet.name}",
    )


def _amount_field(money: MoneyView, *, least: Decimal) -> Field:
    def problem(values: Values) -> str:
        found = amount_problem(values["amount"])
        if found:
            return found
        amount = _decimal(values["amount"])
        if amount <= least:
            return f"must be above the {least} USDC that the venue keeps"
        return (
            ""
            if amount <= money.withdrawable
            else f"more than the {formats.money(money.withdrawable)} USDC there"
        )

    return Field("amount", "Amount (USDC)", check=problem)


def _name_problem(name: str, taken: Sequence[str]) -> str:
    if not name:
        return "write a name"
    return f"there is a wallet {name} already" if name in taken else ""


def _venue_problem(values: Values, venues: Sequence[str]) -> str:
    venue = values["venue"]
    return "" if venue in venues else f"no venue {venue} with keys; there are {', '.join(venues)}"


def _address_problem(value: str) -> str:
    return "" if not value or is_address(value) else "an address is 0x and 40 hexadecimal digits"


def _target_problem(values: Values, targets: Sequence[str]) -> str:
    return "" if values["to"] in targets else f"no other wallet {values['to']} here"


def amount_problem(value: str) -> str:
    """Return what is wrong with an amount of money; empty: nothing."""
    try:
        amount = _decimal(value)
    except ValueError as error:
        return str(error)
    return "" if amount > 0 else "must be above 0"


def _decimal(value: str) -> Decimal:
    return decimal_of(value.replace(",", ""))
