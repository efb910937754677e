"""Account management at venues whose accounts have keys: balances, permissions, approvals, transfers.

The wallets of the program (``firstwatch.wallets``) keep the keys and know no venue; a venue knows its own
questions, signatures and ledger, and keeps no key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from firstwatch.trading.account import KEY_APPROVAL, Approval, Position
from firstwatch.trading.errors import FirstwatchError
from firstwatch.venues.signer import KeyKind, Signer


@dataclass(frozen=True, slots=True)
class Builder:
    """Receiver of a fee on every fill of an entry, in tenths of a basis point of its value."""

    address: str
    fee_tenths_bp: int


@dataclass(frozen=True, slots=True)
class AccountMoney:
    """Money of an account in quote."""

    total: Decimal
    used: Decimal
    withdrawable: Decimal
    positions: tuple[Position, ...]
    spot: Decimal = Decimal(0)
    """Spot balance, which does not count as margin for perpetuals."""

    @property
    def free(self) -> Decimal:
        return self.total - self.used


@dataclass(frozen=True, slots=True)
class KeyPermissions:
    """Permissions of a key, according to the venue."""

    account: str
    """Address of the account that the key trades for."""
    address: str
    kind: KeyKind
    account_exists: bool
    """The account has ever received money."""
    valid_until_ms: int | None
    """None: no expiry (a master key), or the venue does not list it (the unnamed agent)."""
    sentence: str
    """Sentence on what the key may do."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """Permissions of a key, and approvals of its account."""

    key: KeyPermissions | None
    why: str
    """Why no key may trade; empty: one may."""
    approvals: tuple[Approval, ...]
    """What is needed to trade, the next action first."""

    @property
    def missing(self) -> dict[str, str]:
        """A sentence by the name of each approval that is not given."""
        found = {each.name: each.sentence for each in self.approvals if not each.is_given}
        return found if self.key is not None else found | {KEY_APPROVAL: self.why}


@dataclass(frozen=True, slots=True)
class TransferResult:
    """A movement of money that the venue carried out."""

    amount: Decimal
    source: str
    destination: str
    was_in_doubt: bool
    """The first answer was lost; asked again, the venue showed that it had accepted the request."""


class OutcomeUnknownError(FirstwatchError):
    """It is not known whether the money moved."""


class VenueAccounts(Protocol):
    """The accounts of one venue of the settings. All methods wait for the venue.

    ``master`` is the account's own key. Whatever it signs is sent at most once.

    Raises:
        VenueError: from every method, when the venue cannot be asked; nothing was changed then.
    """

    name: str
    builder: Builder | None
    """Receiver of the builder fee in the settings; None: there is none."""
    withdrawal_fee: Decimal
    """The venue's fee for a withdrawal, in quote."""

    def money(self, account: str) -> AccountMoney:
        """Return the account's money and positions."""

    def key_permissions(self, address: str, account: str | None) -> tuple[KeyPermissions, Sequence[Approval]]:
        """Return the permissions of the key for the account, and the approvals needed to trade.

        ``account`` None: the venue is asked whose key it is.

        Raises:
            RefusedError: it may do nothing for this account, in one sentence.
        """

    def permissions(self, account: str, address: str | None) -> Permissions:
        """Return what the stored key of that address may do; None: there is none."""

    def approve_agent(self, master: Signer, address: str) -> KeyPermissions:
        """Let the key of that address trade for the account, and verify that at the venue.

        Raises:
            RefusedError: the venue refused it, or does not show it.
        """

    def approve_builder(self, master: Signer, builder: Builder) -> None:
        """Allow the builder its fee, and verify that at the venue.

        Raises:
            RefusedError: the venue refused it, or does not show it.
        """

    def withdraw(self, master: Signer, amount: Decimal, destination: str) -> TransferResult:
        """Take money out of the venue.

        Raises:
            RefusedError: the balance is too low, or the venue refused; nothing moved.
            OutcomeUnknownError: the outcome could not be found out.
        """

    def transfer(self, master: Signer, amount: Decimal, account: str) -> TransferResult:
        """Send money to another account at the venue.

        Raises:
            RefusedError, OutcomeUnknownError: as for ``withdraw``.
        """


@runtime_checkable
class ShowsAccounts(Protocol):
    """A venue adapter that answers questions about wallets, after all requests of runs.

    Raises:
        VenueError: from both, when the venue cannot be asked, or other requests take too long.
    """

    def recent_money(self, account: str, *, youngest_s: float) -> tuple[AccountMoney, int]:
        """Return balance and positions, and when they were read (wall time, ms).

        ``youngest_s``: a run's reading up to this age in seconds is reused; otherwise the venue is asked.
        """

    def permissions(self, account: str, address: str | None) -> Permissions:
        """Return what the stored key of that address may do; None: there is none."""
