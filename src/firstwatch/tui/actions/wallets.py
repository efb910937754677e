"""Actions on wallets: their keys act in the wallet pane only, on the wallet under the cursor."""

from typing import ClassVar

from firstwatch.tui.actions.action import Action, AppControls, Severity, Situation, needs_engine
from firstwatch.tui.panes.pane import PaneId

PANES = (PaneId.WALLETS,)


class CreateWalletAction(Action):
    id, title, short, key = "wallet.create", "wallet: Create", "New wallet", "w"
    help = "Create a run wallet; a live wallet gets an account and a key of its own."
    panes = PANES
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        if not situation.snapshot.is_ready:
            return "The store is not read yet"
        return "" if situation.snapshot.venues else "No venue is configured"

    def perform(self, app: AppControls, situation: Situation) -> None:
        app.wallets.ask_create(situation.snapshot.venues)


class _WalletAction(Action):
    """An action on the wallet under the cursor."""

    panes = PANES
    severity = Severity.TRADE
    needs_key: ClassVar[bool] = True
    """Only for wallets with keys."""
    needs_idle: ClassVar[bool] = False
    """Only for wallets that no run uses."""

    def refusal(self, situation: Situation) -> str:
        wallet = situation.wallet
        if wallet is None:
            return f"Put the cursor on a wallet first ({situation.key_of('view.wallets')})"
        if self.needs_idle and wallet.active_run_id is not None:
            return f"A run uses {wallet.name}; stop it first"
        if self.needs_key and not wallet.is_live:
            return f"{wallet.name} is a paper wallet: it has play money and no key"
        return ""


class ImportKeyAction(Action):
    id, title, short, key = "wallet.import", "wallet: Import key", "Import", "i"
    help = "Import an account's own key, or an API wallet's; the venue says which of the two it is."
    panes = PANES
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        if not situation.snapshot.is_ready:
            return "The store is not read yet"
        if not situation.snapshot.live_venues:
            return 'No venue of the settings takes keys; add one with kind = "hyperliquid"'
        return ""

    def perform(self, app: AppControls, situation: Situation) -> None:
        app.wallets.ask_import(situation.snapshot.live_venues)


class FundWalletAction(_WalletAction):
    id, title, short, key = "wallet.fund", "wallet: Fund", "Fund", "f"
    help = "Put play money into the wallet, or show where to send real money and watch it arrive."
    needs_key = False

    def refusal(self, situation: Situation) -> str:
        refusal = super().refusal(situation)
        if refusal or situation.wallet is None or situation.wallet.is_live:
            return refusal
        return needs_engine(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_funds(situation.wallet)


class ApproveWalletAction(_WalletAction):
    id, title, short, key = "wallet.approve", "wallet: Approve", "Approve", "v"
    help = "Give the next approval that the wallet lacks: an API wallet, the builder's fee."

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_approval(situation.wallet)


class WithdrawMoneyAction(_WalletAction):
    id, title, short, key = "wallet.withdraw", "wallet: Withdraw", "Withdraw", "o"
    help = "Withdraw money of the wallet from its venue."
    severity = Severity.DANGER
    needs_idle = True

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_withdrawal(situation.wallet)


class TransferMoneyAction(_WalletAction):
    id, title, short, key = "wallet.transfer", "wallet: Transfer", "Transfer", "m"
    help = "Send money of the wallet to another of your wallets at the same venue."
    severity = Severity.DANGER
    needs_idle = True

    def refusal(self, situation: Situation) -> str:
        refusal = super().refusal(situation)
        if refusal or situation.wallet is None:
            return refusal
        if not _targets(situation):
            return f"There is no other wallet at {situation.wallet.venue} to send to"
        return ""

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_transfer(situation.wallet, _targets(situation))


def _targets(situation: Situation) -> tuple[str, ...]:
    mine = situation.wallet
    others = (wallet for wallet in situation.snapshot.wallets if mine is not None and wallet != mine)
    return tuple(wallet.name for wallet in others if mine is not None and wallet.venue == mine.venue)


class ArchiveWalletAction(_WalletAction):
    id, title, short = "wallet.archive", "wallet: Archive", "Archive"
    help = "Remove the wallet from the lists; refused while it holds money or is in use."
    needs_key = False
    needs_idle = True

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_archive(situation.wallet)
