"""Wallets: create, import, approve, fund, move money, archive. The work is the manager's.

Secrets go from a field to one call and are forgotten: no message, log or row of the store has any of them.
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from firstwatch.manager.views import WalletView
from firstwatch.manager.wallet_views import ApprovalKind, ApprovalsView, MoneyView, NewAccountView
from firstwatch.trading.commands import FundWallet
from firstwatch.tui import formats
from firstwatch.tui.controllers.wallet_fields import (
    NewWallet,
    account_field,
    amount_field,
    amount_problem,
    confirmation_field,
    destination_field,
    key_field,
    new_name_field,
    new_wallet_problem,
    passphrase_fields,
    signing_fields,
    target_field,
    vault_lines,
    venue_field,
    wallet_from,
)
from firstwatch.tui.modals.account import FundingDialog, NewAccountDialog
from firstwatch.tui.modals.confirm import ConfirmDialog, MessageDialog
from firstwatch.tui.modals.form import FormDialog, FormSpec, Values
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.state import StateApp


class WalletController:
    """Creates, approves, funds and archives wallets, and moves their money."""

    def __init__(self, app: StateApp) -> None:
        self._app = app

    # --- creating and importing --------------------------------------------------------------------

    def ask_create(self, venues: Sequence[str]) -> None:
        """Ask for a new wallet's name and, for a live wallet, for the vault's passphrase."""
        taken = [wallet.name for wallet in self._app.live.wallets]
        lines = [f"Name, or name and venue. Venues: {', '.join(venues)} (default {venues[0]})"]
        dialog = PromptDialog(
            "Create wallet", lines, check=lambda value: new_wallet_problem(value, venues, taken)
        )
        self._app.push_screen(dialog, partial(self._create_wallet, tuple(venues)))

    def _create_wallet(self, venues: tuple[str, ...], value: str | None) -> None:
        if not value:
            return
        wallet = wallet_from(value, venues)
        if wallet.venue in self._app.live.live_venues:
            self._ask_new_account(wallet.name, wallet.venue)
            return
        self._app.in_background(self._create_paper_wallet(wallet))

    async def _create_paper_wallet(self, wallet: NewWallet) -> None:
        await asyncio.to_thread(self._app.manager.create_wallet, wallet.name, wallet.venue)
        self._app.selected_wallet = wallet.name

    def _ask_new_account(self, name: str, venue: str) -> None:
        async def create(values: Values) -> NewAccountView:
            passphrase = values.get("passphrase", "")
            return await asyncio.to_thread(self._app.manager.wallets.create, name, venue, passphrase)

        async def load() -> FormSpec[NewAccountView]:
            needs = await asyncio.to_thread(self._app.manager.wallets.required_secrets)
            lines = [
                f"A new account at {venue} with a key of its own, for the wallet {name}.",
                "It costs nothing; the first money that it receives costs 1 USDC.",
                "The key is encrypted under the vault's passphrase and shown once.",
                *vault_lines(needs),
            ]
            return FormSpec(lines, "create", create, passphrase_fields(needs))

        form = FormDialog(
            "Create wallet", load, late_message=lambda made: f"{made.name} has been created: {made.account}"
        )
        self._app.push_screen(form, self._show_new_account)

    def _show_new_account(self, made: NewAccountView | None) -> None:
        if made is not None:
            self._app.selected_wallet = made.name
            self._app.push_screen(NewAccountDialog(made), partial(self._fund_new_account, made.name))

    def _fund_new_account(self, name: str, is_wanted: bool | None) -> None:
        wallet = self._app.live.wallet(name)
        if is_wanted and wallet is not None:
            self.ask_funds(wallet)

    def ask_import(self, venues: Sequence[str]) -> None:
        """Ask for an account and a key; the venue says what the key may do."""
        taken = [wallet.name for wallet in self._app.live.wallets if wallet.venue not in venues]

        async def import_key(values: Values) -> str:
            sentence = await asyncio.to_thread(
                self._app.manager.wallets.import_key,
                values["name"],
                values["venue"],
                values["account"],
                values["key"],
                values.get("passphrase", ""),
            )
            self._app.selected_wallet = values["name"]
            return sentence

        async def load() -> FormSpec[str]:
            needs = await asyncio.to_thread(self._app.manager.wallets.required_secrets)
            lines = [
                "An account, and a key that trades for it: its own, or an API wallet's.",
                "The venue is asked which of the two it is and, if you name no account, whose.",
                *vault_lines(needs),
            ]
            fields = [
                new_name_field(taken),
                venue_field(venues),
                account_field(),
                key_field("Private key"),
                *passphrase_fields(needs),
            ]
            return FormSpec(lines, "import", import_key, fields)

        self._app.push_screen(FormDialog("Import key", load), partial(self._show_outcome, "Imported"))

    # --- approving -------------------------------------------------------------------------------

    def ask_approval(self, wallet: WalletView, *, then: Callable[[], None] | None = None) -> None:
        """Show the one approval that comes next, and give it. ``then`` follows each that was given."""
        seen: list[ApprovalsView] = []

        async def load() -> FormSpec[str]:
            found = await asyncio.to_thread(self._app.manager.wallets.approvals, wallet.name)
            seen.append(found)
            coming = found.next

            async def approve(values: Values) -> str:
                key, passphrase = values.get("key", ""), values.get("passphrase", "")
                return await asyncio.to_thread(
                    self._app.manager.wallets.approve, wallet.name, coming.kind, key, passphrase
                )

            fields = signing_fields(found.needs, is_new_key=coming.kind is ApprovalKind.AGENT)
            lines = [
                found.found,
                "" if coming.is_needed else "Nothing is missing. You can still approve:",
                coming.title,
                f"Costs   {coming.costs}",
                f"Allows  {coming.allows}",
                *vault_lines(found.needs),
            ]
            return FormSpec(lines, "approve", approve, fields)

        form = FormDialog(f"Approve for {wallet.name} at {wallet.venue}", load)
        self._app.push_screen(form, partial(self._approved, wallet, seen, then))

    def _approved(
        self,
        wallet: WalletView,
        seen: list[ApprovalsView],
        then: Callable[[], None] | None,
        sentence: str | None,
    ) -> None:
        if sentence is None:
            return
        if then is not None:
            then()
        if seen[-1].is_last:
            self._app.push_screen(MessageDialog("Approved", [sentence]))
            return
        lines = [sentence, "", "One more approval is missing."]
        self._app.push_screen(
            ConfirmDialog("Approved", lines, "continue"), partial(self._next_approval, wallet, then)
        )

    def _next_approval(
        self, wallet: WalletView, then: Callable[[], None] | None, goes_on: bool | None
    ) -> None:
        if goes_on:
            self.ask_approval(wallet, then=then)

    # --- money -----------------------------------------------------------------------------------

    def ask_funds(self, wallet: WalletView) -> None:
        """Ask for an amount of play money, or show where to send real money and watch it arrive."""
        if wallet.is_live:
            self._app.push_screen(FundingDialog(wallet, partial(self._ask_money, wallet)))
            return
        lines = [f"Play money for {wallet.name} at {wallet.venue}:"]
        dialog = PromptDialog("Fund wallet", lines, check=amount_problem)
        self._app.push_screen(dialog, partial(self._fund, wallet))

    def _fund(self, wallet: WalletView, value: str | None) -> None:
        if value:
            self._app.submit(FundWallet(wallet=wallet.name, amount=formats.read_decimal(value)))

    async def _ask_money(self, wallet: WalletView) -> MoneyView:
        return await asyncio.to_thread(self._app.manager.wallets.money, wallet.name)

    def ask_withdrawal(self, wallet: WalletView) -> None:
        """Ask for an amount to withdraw from the venue."""

        async def withdraw(values: Values) -> str:
            return await asyncio.to_thread(
                self._app.manager.wallets.withdraw,
                wallet.name,
                formats.read_decimal(values["amount"]),
                values["to"],
                values.get("key", ""),
                values.get("passphrase", ""),
            )

        async def load() -> FormSpec[str]:
            money = await self._ask_money(wallet)
            lines = [
                f"{formats.money(money.withdrawable)} USDC can be withdrawn from {wallet.venue}.",
                f"The venue keeps {money.withdrawal_fee} USDC; the rest arrives on Arbitrum within minutes.",
                f"It cannot be undone: type the wallet's name, {wallet.name}, to continue.",
            ]
            return FormSpec(
                lines,
                "withdraw",
                withdraw,
                [
                    amount_field(money, least=money.withdrawal_fee),
                    destination_field(wallet.account),
                    *signing_fields(money.needs, is_new_key=False),
                    confirmation_field(wallet),
                ],
            )

        form = FormDialog(f"Withdraw from {wallet.name}", load, is_dangerous=True)
        self._app.push_screen(form, partial(self._show_outcome, "On its way"))

    def ask_transfer(self, wallet: WalletView, targets: Sequence[str]) -> None:
        """Ask for an amount to send to another of the operator's wallets at the same venue."""

        async def transfer(values: Values) -> str:
            return await asyncio.to_thread(
                self._app.manager.wallets.transfer,
                wallet.name,
                values["to"],
                formats.read_decimal(values["amount"]),
                values.get("key", ""),
                values.get("passphrase", ""),
            )

        async def load() -> FormSpec[str]:
            money = await self._ask_money(wallet)
            lines = [
                f"{formats.money(money.withdrawable)} USDC can be sent within {wallet.venue}.",
                f"To one of: {', '.join(targets)}. Free, but an account's first money costs 1 USDC.",
                f"It cannot be undone: type the wallet's name, {wallet.name}, to continue.",
            ]
            return FormSpec(
                lines,
                "send",
                transfer,
                [
                    target_field(targets),
                    amount_field(money, least=Decimal(0)),
                    *signing_fields(money.needs, is_new_key=False),
                    confirmation_field(wallet),
                ],
            )

        form = FormDialog(f"Transfer from {wallet.name}", load, is_dangerous=True)
        self._app.push_screen(form, partial(self._show_outcome, "Sent"))

    # --- the list --------------------------------------------------------------------------------

    def ask_archive(self, wallet: WalletView) -> None:
        """Ask whether to remove a wallet from the lists."""

        async def archive(values: Values) -> str:
            del values
            return await asyncio.to_thread(self._app.manager.wallets.archive, wallet.name)

        async def load() -> FormSpec[str]:
            lines = [
                f"Remove {wallet.name} at {wallet.venue} from the lists.",
                "Refused while a run uses it or it holds money at the venue. Its key stays in the vault.",
            ]
            return FormSpec(lines, "archive", archive)

        self._app.push_screen(FormDialog("Archive wallet", load), self._archived)

    def _archived(self, sentence: str | None) -> None:
        if sentence is not None:
            self._app.notify(sentence)

    def _show_outcome(self, title: str, sentence: str | None) -> None:
        if sentence is not None:
            self._app.push_screen(MessageDialog(title, [sentence]))
