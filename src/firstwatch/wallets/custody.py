"""Everything that is done with wallets that have keys, the same for the command line and the screen.

Callers bring the secrets; nothing in here asks for one, shows one, or keeps one beyond a call. What the
venue answers on the way is stored, so that every screen shows it. Which venue it is, nothing in here knows.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from firstwatch.settings import Settings
from firstwatch.store import orders, paper, wallet_status, wallets
from firstwatch.store.database import Session, Store
from firstwatch.store.wallets import Wallet
from firstwatch.trading.account import ACCOUNT_KIND, is_address
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.errors import FirstwatchError, RefusedError, VenueError, WrongUseError
from firstwatch.trading.numbers import plain
from firstwatch.trading.text import quoted
from firstwatch.venues.accounts import (
    AccountMoney,
    Builder,
    KeyPermissions,
    Permissions,
    TransferResult,
    VenueAccounts,
)
from firstwatch.venues.nonces import NONCES
from firstwatch.venues.registry import assembly_of, is_paper
from firstwatch.venues.settings import VenueSettings
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.agents import new_agent
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.stored_status import key_status, money_status
from firstwatch.wallets.vault import KeyRecord, KeySigner, OpenVault, Vault, new_secret, secret_of

_log = logging.getLogger(__name__)


Opened = Callable[[], OpenVault]
"""Opens the vault, when it is needed: by then everything else has been checked."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A wallet that was just made, and the file of its key."""

    wallet: Wallet
    secret: bytes
    """The private key, to be shown once."""
    record: KeyRecord

    def __repr__(self) -> str:
        return f"NewAccount({self.wallet.name} {self.wallet.account})"


def vault_of(settings: Settings) -> Vault:
    """Return the vault of the data folder."""
    return Vault(settings.home, SystemClock())


def address(text: str, what: str) -> str:
    """Return an address in lower case; ``what`` names it in the error.

    Raises:
        WrongUseError: the text is not an address.
    """
    if not is_address(text.strip()):
        raise WrongUseError(f"{what} takes an address (0x and 40 hexadecimal digits), not {quoted(text)}.")
    return text.strip().lower()


class Custody:
    """The wallets with keys of one data folder. All methods may wait for a venue or the disk."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """``pause`` waits for so many seconds between two looks at the venue."""
        self._settings = settings
        self._store = store
        self._clock = clock
        self._pause = pause
        self.vault = vault_of(settings)

    def settings_of(self, venue: str) -> VenueSettings:
        """Return the settings of a venue whose accounts have keys.

        Raises:
            WrongUseError: there is no such venue, or it is of another kind.
        """
        found = self._settings.venues.get(venue)
        if found is None or found.key_network is None:
            raise WrongUseError(
                f"{venue} is not a venue of the settings whose orders are signed; this needs one."
            )
        return found

    def _network_of(self, venue: str) -> str:
        return str(self.settings_of(venue).key_network)

    def _names_of(self, venue: str) -> list[str]:
        """Return all names under which the settings have the same venue and network."""
        place = self.settings_of(venue).place
        return [
            name
            for name, other in self._settings.venues.items()
            if other.place is not None and other.place == place
        ]

    def accounts(self, venue: str) -> VenueAccounts:
        """Return the accounts at a venue of the settings.

        Raises:
            WrongUseError: there is no such venue, or its accounts have no keys.
        """
        found = self.settings_of(venue)
        return assembly_of(found).open_accounts(venue, found, self._clock, self._pause)

    def _accounts_to_act_on(self, venue: str) -> VenueAccounts:
        """Return the accounts for actions, which use no nonce that an order of this folder may have."""
        with self._store.read() as session:
            NONCES.seed(orders.highest_nonce(session))
        return self.accounts(venue)

    # --- keys ----------------------------------------------------------------------------------------

    def create(self, name: str, venue: str, opened: Opened) -> NewAccount:
        """Make a new account of its own for a wallet; its key goes into the vault.

        Raises:
            WrongUseError: the name or the venue cannot be used.
            RefusedError: the vault does not open.
        """
        kind = self.settings_of(venue).kind
        with self._store.read() as session:
            wallets.check_new_wallet(session, name)
        vault = opened()
        secret = new_secret()
        account, now_ms = address_of(secret), self._clock.now_ms()
        # The key first: money sent to a wallet whose key was lost could never be moved.
        network = self._network_of(venue)
        record = vault.add(secret, venue=venue, account=account, kind=KeyKind.MASTER, network=network)
        with self._store.write() as session:
            wallet = wallets.create_wallet(
                session, name, venue=venue, kind=kind, account=account, now_ms=now_ms
            )
            key = wallet_status.WalletKey(record.address, record.kind.value, None, None, None)
            wallet_status.set_key(session, wallet.id, key)
        return NewAccount(wallet, secret, record)

    def check_new(self, name: str, venue: str) -> Wallet | None:
        """Return the existing wallet that an imported key would be added to; None: it makes a new wallet.

        Raises:
            WrongUseError: the name or the venue cannot be used.
        """
        self.settings_of(venue)
        with self._store.read() as session:
            listed = wallets.list_wallets(session)
            known = next((each for each in listed if (each.name, each.venue) == (name, venue)), None)
            if known is None:
                wallets.check_new_wallet(session, name)
        return known

    def import_key(
        self, name: str, venue: str, account: str | None, text: str, opened: Opened
    ) -> KeyPermissions:
        """Find out what a key may do, keep it in the vault, and make a wallet of its account.

        An existing wallet of that name and account gets the key in addition.

        Raises:
            WrongUseError: it is not a key, or the name, the venue or the account cannot be used.
            RefusedError: it may do nothing for the account, the account is of a kind that is not supported,
                or the vault does not open.
            VenueError: the venue cannot be asked.
        """
        known = self.check_new(name, venue)
        secret, now_ms = secret_of(text), self._clock.now_ms()
        key, needed = self.accounts(venue).key_permissions(address_of(secret), account)
        unfit = next((approval for approval in needed if approval.name == ACCOUNT_KIND), None)
        if unfit is not None:
            raise RefusedError(f"{unfit.sentence}.")
        if known is None or known.account != key.account:
            with self._store.read() as session:
                wallets.check_new_wallet(session, name, venues=self._names_of(venue), account=key.account)
        network = self._network_of(venue)
        record = opened().add(secret, venue=venue, account=key.account, kind=key.kind, network=network)
        if known is None:
            kind = self.settings_of(venue).kind
            with self._store.write() as session:
                known = wallets.create_wallet(
                    session, name, venue=venue, kind=kind, account=key.account, now_ms=now_ms
                )
        self.note(known, (record, Permissions(key, "", tuple(needed))))
        return key

    def has_master(self, wallet: Wallet) -> bool:
        """Whether the vault holds the account's own key."""
        wanted = (wallet.venue, wallet.account, KeyKind.MASTER)
        return any((each.venue, each.account, each.kind) == wanted for each in self.vault.records())

    def master(self, wallet: Wallet, text: str | None, opened: Opened) -> KeySigner:
        """Return the account's own key. ``text``: the key as the operator typed it; None: the vault's.

        Raises:
            WrongUseError: what was written is not a key.
            RefusedError: it is another account's, or the vault does not open.
            KeyMissingError: the vault has none.
            WrongNetworkError: the wallet's keys are of another network than the settings say now.
        """
        self.vault.require_network(wallet.venue, wallet.account, self._network_of(wallet.venue))
        if text is None:
            return opened().signer(wallet.venue, wallet.account, KeyKind.MASTER)
        secret = secret_of(text)
        if address_of(secret) != wallet.account:
            raise RefusedError(
                f"That is the key of {address_of(secret)}, not of {wallet.account}; give the account's own."
            )
        return KeySigner(secret, wallet.account, KeyKind.MASTER)

    # --- approvals -----------------------------------------------------------------------------------

    def permissions(self, wallet: Wallet) -> Permissions:
        """Ask the venue what the stored key may do and what is approved, and note it.

        Raises:
            VenueError: the venue cannot be asked.
        """
        record = self.vault.record_of(wallet.venue, wallet.account)
        address = None if record is None else record.address
        found = self.accounts(wallet.venue).permissions(wallet.account, address)
        self._note_key(wallet, record, found)
        return found

    def _note_key(self, wallet: Wallet, record: KeyRecord | None, found: Permissions) -> None:
        with self._store.write() as session:
            wallet_status.set_key(session, wallet.id, key_status(record, found, now_ms=self._clock.now_ms()))

    def approve_agent(self, wallet: Wallet, master: KeySigner, opened: Opened) -> KeyPermissions:
        """Approve a new agent key, verify it at the venue, and keep it.

        Raises:
            RefusedError: the venue refused it, or does not show it.
            VenueError: the venue cannot be asked.
        """
        accounts = self._accounts_to_act_on(wallet.venue)
        made = new_agent(
            opened(),
            lambda address: accounts.approve_agent(master, address),
            venue=wallet.venue,
            account=wallet.account,
            network=self._network_of(wallet.venue),
        )
        self.note(wallet)
        return made

    def approve_builder(self, wallet: Wallet, master: KeySigner) -> Builder:
        """Approve the fee of the builder that the settings name, and verify it at the venue.

        Raises:
            WrongUseError: the settings name no builder.
            RefusedError: the venue refused it, or does not show it.
            VenueError: the venue cannot be asked.
        """
        wanted = self.require_builder(wallet)
        self._accounts_to_act_on(wallet.venue).approve_builder(master, wanted)
        self.note(wallet)
        return wanted

    def require_builder(self, wallet: Wallet) -> Builder:
        """Return the builder that the settings of the wallet's venue name.

        Raises:
            WrongUseError: they name none.
        """
        wanted = self.accounts(wallet.venue).builder
        if wanted is None:
            raise WrongUseError(
                f"The settings of {wallet.venue} name no builder, so there is none to approve; set builder"
                " and builder_fee_tenths_bp first."
            )
        return wanted

    # --- money ---------------------------------------------------------------------------------------

    def money(self, wallet: Wallet) -> AccountMoney:
        """Ask the venue for the account's money, and note it.

        Raises:
            VenueError: the venue cannot be asked.
        """
        money = self.accounts(wallet.venue).money(wallet.account)
        with self._store.write() as session:
            wallet_status.set_money(session, wallet.id, money_status(money, read_at_ms=self._clock.now_ms()))
        return money

    def refuse_if_used(self, wallet: Wallet) -> None:
        """Refuse to touch the money that a run counts on.

        Raises:
            RefusedError: an active run has the wallet.
        """
        with self._store.read() as session:
            run_id = wallets.active_run_id(session, wallet.id)
        if run_id is not None:
            raise RefusedError(f"Wallet {wallet.name} is in use by run {run_id}; stop that run first.")

    def take_play_money(self, wallet: Wallet, amount: Decimal | None) -> Decimal:
        """Take play money out of a paper wallet (``amount`` None: all of it), and return how much.

        Raises:
            RefusedError: a run has the wallet, it holds a position, or there is too little.
        """
        self.refuse_if_used(wallet)
        with self._store.write() as session:
            total = _play_money(session, wallet)
            taken = total if amount is None else amount
            if not 0 < taken <= total:
                raise RefusedError(f"{wallet.name} has {plain(total)} of play money.")
            paper.deposit(session, wallet.venue, wallet.account, -taken, now_ms=self._clock.now_ms())
        return taken

    def withdraw(
        self, wallet: Wallet, amount: Decimal, destination: str, master: KeySigner
    ) -> TransferResult:
        """Withdraw money to an address on Arbitrum.

        Raises:
            RefusedError: a run has the wallet, there is too little, or the venue said no; nothing moved.
            OutcomeUnknownError: the outcome could not be found out.
            VenueError: the venue cannot be asked; nothing was sent.
        """
        self.refuse_if_used(wallet)
        moved = self._accounts_to_act_on(wallet.venue).withdraw(master, amount, destination)
        self.note(wallet)
        return moved

    def transfer(self, wallet: Wallet, target: Wallet, amount: Decimal, master: KeySigner) -> TransferResult:
        """Send money to another own wallet at the same venue.

        Raises:
            WrongUseError: the other wallet cannot take it.
            RefusedError, OutcomeUnknownError, VenueError: as for ``withdraw``.
        """
        self.check_target(wallet, target)
        self.refuse_if_used(wallet)
        moved = self._accounts_to_act_on(wallet.venue).transfer(master, amount, target.account)
        self.note(wallet)
        self.note(target)
        return moved

    def check_target(self, wallet: Wallet, target: Wallet) -> None:
        """Make sure that money can be sent from one to the other.

        Raises:
            WrongUseError: it cannot.
        """
        if target.venue != wallet.venue:
            raise WrongUseError(
                f"{wallet.name} is at {wallet.venue} and {target.name} at {target.venue}; money can be sent"
                " between wallets of one venue only. Withdraw it and fund the other."
            )
        if target.archived_at_ms is not None:
            raise WrongUseError(f"{target.name} is archived; choose another wallet.")

    # --- the list ------------------------------------------------------------------------------------

    def archive(self, wallet: Wallet) -> None:
        """Take a wallet out of the lists; its key stays, because money may still be sent there.

        Raises:
            RefusedError: a run has it, or the venue holds money or positions of it.
            VenueError: the venue cannot be asked.
        """
        self.refuse_if_used(wallet)
        if is_paper(wallet.kind):
            with self._store.read() as session:
                total = _play_money(session, wallet)
            if total > 0:
                raise RefusedError(
                    f"{wallet.name} still has {plain(total)} of play money; take it out first:"
                    f" firstwatch wallet withdraw {wallet.name} all"
                )
        else:
            money = self.money(wallet)
            if money.positions:
                held = ", ".join(position.symbol for position in money.positions)
                raise RefusedError(f"{wallet.name} holds positions ({held}); close them first.")
            if money.total > 0:
                raise RefusedError(
                    f"{wallet.name} still has {money.total:f} USDC; withdraw or transfer it first."
                )
            if money.spot > 0:
                raise RefusedError(
                    f"{wallet.name} still has {money.spot:f} USDC in its spot balance; move it away at the"
                    " venue first."
                )
        with self._store.write() as session:
            wallets.archive_wallet(session, wallet.name, now_ms=self._clock.now_ms())

    def note(self, wallet: Wallet, found: tuple[KeyRecord, Permissions] | None = None) -> None:
        """Ask the venue for money and key and store the answers; without one the stored values stay.

        ``found``: the key that was just asked about. Never raises: the action before it has succeeded.
        """
        try:
            try:
                self.money(wallet)
                if found is None:
                    self.permissions(wallet)
                else:
                    self._note_key(wallet, *found)
            except VenueError as error:
                with self._store.write() as session:
                    wallet_status.set_problem(session, wallet.id, str(error))
        except FirstwatchError as error:
            _log.warning("what %s says of %s is not noted: %s", wallet.venue, wallet.name, error)


def _play_money(session: Session, wallet: Wallet) -> Decimal:
    """Return the play money of a paper wallet.

    Raises:
        RefusedError: it holds a position, or what it has is not known.
        DamagedRowError: what is stored of it cannot be read.
    """
    known = wallet_status.status_of(session, wallet.id)
    if known.money is None or known.problem:
        why = known.problem or "no run has begun on it since the store was made by an older firstwatch"
        raise RefusedError(f"What {wallet.name} has is not known: {why}.")
    if known.money.held:
        raise RefusedError(f"{wallet.name} holds a position; close it first.")
    return known.money.total
