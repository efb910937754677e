"""What a venue whose accounts have keys says of an account and does with it, beside trading.

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
    """Who is paid for every fill of an entry, in tenths of a basis point of its value."""

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
    """In the spot balance, where it is no margin for perpetuals."""

    @property
    def free(self) -> Decimal:
        return self.total - self.used


@dataclass(frozen=True, slots=True)
class KeyPermissions:
    """What a key may do, as the venue says."""

    account: str
    """The address whose money it trades."""
    address: str
    kind: KeyKind
    account_exists: bool
    """The venue has seen money on the account."""
    valid_until_ms: int | None
    """None: for ever (a master's), or the venue does not list it (the unnamed agent's)."""
    sentence: str
    """What the key may do, in words."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a key may do, and what its account has approved."""

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
    """The venue's first answer was lost; it was asked, and had taken the request."""


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
    """Who gets the fee of the settings; None: there is none."""
    withdrawal_fee: Decimal
    """What the venue keeps of a withdrawal, in quote."""

    def money(self, account: str) -> AccountMoney:
        """Return the account's money and positions."""

    def key_permissions(self, address: str, account: str | None) -> tuple[KeyPermissions, Sequence[Approval]]:
        """Return what the key of that address may do for the account, and what is needed to trade.

        ``account`` None: the venue says whose key it is.

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
            RefusedError: there is too little, or the venue said no; nothing moved.
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
        VenueError: from both, when the venue cannot be asked, or everything else takes too long.
    """

    def recent_money(self, account: str, *, youngest_s: float) -> tuple[AccountMoney, int]:
        """Return money and positions, and when they were read (wall clock, ms).

        ``youngest_s``: a reading of a run that is no older is reused; otherwise the venue is asked.
        """

    def permissions(self, account: str, address: str | None) -> Permissions:
        """Return what the stored key of that address may do; None: there is none."""
