"""Work on live wallets for a screen: text in, views and sentences out.

Every method waits for the disk, most for a venue, so a screen calls them on another thread. Secrets are
arguments and are not kept. Results are safe to show, except for a new account's key.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from firstwatch.manager.wallet_views import (
    ApprovalKind,
    ApprovalsView,
    ApprovalView,
    MoneyView,
    NewAccountView,
    PassphraseNeed,
    RequiredSecrets,
)
from firstwatch.settings import Settings
from firstwatch.trading.account import ACCOUNT_KIND, BUILDER_APPROVAL, KEY_APPROVAL
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import WrongUseError

if TYPE_CHECKING:
    from firstwatch.store.database import Store
    from firstwatch.store.wallets import Wallet
    from firstwatch.venues.accounts import TransferResult
    from firstwatch.wallets.custody import Custody, Opened
    from firstwatch.wallets.vault import KeySigner

_DAYS = 180


class WalletService:
    """The live wallets of one data folder.

    All methods raise ``FirstwatchError`` with a sentence for the operator.
    """

    def __init__(self, settings: Settings, clock: Clock, store: Callable[[], "Store"]) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store

    def required_secrets(self) -> RequiredSecrets:
        """Return the passphrase that storing a new key needs."""
        from firstwatch.wallets.key_ring import passphrase_of_file

        if passphrase_of_file() is not None:
            return RequiredSecrets(PassphraseNeed.NONE)
        return RequiredSecrets(PassphraseNeed.NEW if self._custody().vault.is_empty else PassphraseNeed.KNOWN)

    # --- keys ----------------------------------------------------------------------------------------

    def create(self, name: str, venue: str, passphrase: str) -> NewAccountView:
        """Create a wallet with a new account, whose key goes into the vault."""
        custody = self._custody()
        made = custody.create(name, venue, _opened(custody, passphrase))
        return NewAccountView(
            name, venue, made.wallet.account, str(made.record.path), f"0x{made.secret.hex()}"
        )

    def import_key(self, name: str, venue: str, account: str, key: str, passphrase: str) -> str:
        """Read the permissions of a key, store it, and return them as a sentence.

        ``account``: its address; empty: the venue is asked for it.
        """
        from firstwatch.wallets.custody import address

        custody = self._custody()
        wanted = address(account, "Account") if account.strip() else None
        facts = custody.import_key(name, venue, wanted, key, _opened(custody, passphrase))
        unseen = "" if facts.account_exists else f" The account has no money at {venue} yet: fund it."
        return f"The key is {facts.sentence}.{unseen}"

    # --- approvals -----------------------------------------------------------------------------------

    def approvals(self, name: str) -> ApprovalsView:
        """Read the approvals from the venue, and return them with the one that comes next."""
        from firstwatch.venues.signer import KeyKind

        custody, wallet = self._custody(), self._wallet(name)
        found = custody.permissions(wallet)
        missing = set(found.missing)
        sentence = found.why if found.key is None else f"The key is {found.key.sentence}."
        if found.key is not None and KEY_APPROVAL in missing:
            sentence += " A run needs one that is valid for longer."
        is_master = found.key is not None and found.key.kind is KeyKind.MASTER
        if ACCOUNT_KIND in missing:
            sentence = found.missing[ACCOUNT_KIND]
        if BUILDER_APPROVAL in missing and KEY_APPROVAL not in missing:
            coming = self._builder_approval(custody, wallet)
        else:
            coming = _agent_approval(wallet, is_needed=KEY_APPROVAL in missing, is_master=is_master)
        needs = RequiredSecrets(self.required_secrets().passphrase, custody.has_master(wallet))
        return ApprovalsView(_sentence(sentence), coming, len(missing) <= 1, needs)

    def approve(self, name: str, kind: ApprovalKind, master_key: str, passphrase: str) -> str:
        """Give an approval, read it back from the venue, and return a sentence."""
        custody, wallet = self._custody(), self._wallet(name)
        opened = _opened(custody, passphrase)
        master = _master(custody, wallet, master_key, opened)
        if kind is ApprovalKind.AGENT:
            facts = custody.approve_agent(wallet, master, opened)
            return f"{wallet.venue} shows it: the key {facts.address} is {facts.sentence}."
        builder = custody.approve_builder(wallet, master)
        share = f"{builder.fee_tenths_bp / 1000:g} %"
        return f"{wallet.venue} shows it: the builder {builder.address} may take {share} of every fill."

    def _builder_approval(self, custody: "Custody", wallet: "Wallet") -> ApprovalView:
        builder = custody.require_builder(wallet)
        share = f"{builder.fee_tenths_bp / 1000:g} %"
        return ApprovalView(
            ApprovalKind.BUILDER,
            "Approve the builder's fee",
            is_needed=True,
            costs=f"{share} of the value of every fill, on top of the venue's fee.",
            allows=f"The builder {builder.address} of the settings to take that fee, and nothing else.",
        )

    # --- money ---------------------------------------------------------------------------------------

    def money(self, name: str) -> MoneyView:
        """Read the wallet's money from the venue."""
        custody, wallet = self._custody(), self._wallet(name)
        found = custody.money(wallet)
        needs = RequiredSecrets(self.required_secrets().passphrase, custody.has_master(wallet))
        fee = custody.accounts(wallet.venue).withdrawal_fee
        return MoneyView(found.total, found.withdrawable, found.spot, fee, needs)

    def withdraw(self, name: str, amount: Decimal, to: str, master_key: str, passphrase: str) -> str:
        """Withdraw ``amount`` USDC to the address ``to``, and return a sentence."""
        from firstwatch.wallets.custody import address

        custody, wallet = self._custody(), self._wallet(name)
        destination = address(to, "To")
        custody.refuse_if_used(wallet)
        master = _master(custody, wallet, master_key, _opened(custody, passphrase))
        return _moved(name, custody.withdraw(wallet, amount, destination, master), destination)

    def transfer(self, name: str, target: str, amount: Decimal, master_key: str, passphrase: str) -> str:
        """Send ``amount`` USDC to another own wallet, and return a sentence."""
        custody, wallet, other = self._custody(), self._wallet(name), self._wallet(target)
        custody.check_target(wallet, other)
        custody.refuse_if_used(wallet)
        master = _master(custody, wallet, master_key, _opened(custody, passphrase))
        return _moved(name, custody.transfer(wallet, other, amount, master), target)

    def archive(self, name: str) -> str:
        """Take a wallet that is neither used nor funded out of the lists, and return a sentence."""
        self._custody().archive(self._wallet(name))
        return f"{name} is archived; its history and its key stay."

    def _custody(self) -> "Custody":
        from firstwatch.wallets.custody import Custody

        return Custody(self._settings, self._store(), self._clock)

    def _wallet(self, name: str) -> "Wallet":
        from firstwatch.store.wallets import get_wallet

        with self._store().read() as session:
            wallet = get_wallet(session, name)
        if wallet.archived_at_ms is not None:
            raise WrongUseError(f"{name} is archived; choose another wallet.")
        return wallet


def _opened(custody: "Custody", passphrase: str) -> "Opened":
    """Return a function that opens the vault once, with this passphrase or that of the file."""
    from firstwatch.wallets.key_ring import passphrase_of_file

    return cache(lambda: custody.vault.open(passphrase or passphrase_of_file() or ""))


def _master(custody: "Custody", wallet: "Wallet", text: str, opened: "Opened") -> "KeySigner":
    return custody.master(wallet, text or None, opened)


def _agent_approval(wallet: "Wallet", *, is_needed: bool, is_master: bool) -> ApprovalView:
    why = " Safer than the account's own key, which can do both." if is_master else ""
    return ApprovalView(
        ApprovalKind.AGENT,
        "Approve a new API wallet (agent)",
        is_needed=is_needed,
        costs="Nothing.",
        allows=f"A new key, kept in the vault, to trade for {wallet.account} for up to {_DAYS} days. It can"
        f" neither withdraw nor approve.{why} It takes the place of an API wallet of this program.",
    )


def _moved(name: str, moved: "TransferResult", destination: str) -> str:
    confirmed = " The first answer was lost; the venue was asked, and has confirmed the request."
    doubt = confirmed if moved.was_in_doubt else ""
    return f"{moved.amount:,f} USDC of {name} are on their way to {destination}.{doubt}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
