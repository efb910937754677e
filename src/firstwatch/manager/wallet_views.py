"""Views of live wallets. One of them holds a secret; its repr does not show it."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class PassphraseNeed(StrEnum):
    """The passphrase that an action needs from the operator."""

    NEW = "new"
    """There is no vault yet: the operator chooses a passphrase and writes it twice."""
    KNOWN = "known"
    """The vault's passphrase."""
    NONE = "none"
    """None is needed: ``FIRSTWATCH_PASSPHRASE_FILE`` gives it."""


@dataclass(frozen=True, slots=True)
class RequiredSecrets:
    """The secrets that an action on a wallet needs from the operator."""

    passphrase: PassphraseNeed
    has_master_key: bool = False
    """The vault holds the account's own key, so the operator need not give it."""


@dataclass(frozen=True, slots=True)
class NewAccountView:
    """A wallet with a new account and its key."""

    name: str
    venue: str
    account: str
    key_file: str
    private_key: str = field(repr=False)
    """Hexadecimal, with ``0x``; shown once."""


class ApprovalKind(StrEnum):
    """The two approvals that an operator can give."""

    AGENT = "agent"
    BUILDER = "builder"


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """An approval that can be given next."""

    kind: ApprovalKind
    title: str
    is_needed: bool
    """A run cannot trade without it; False: it is only offered."""
    costs: str
    allows: str


@dataclass(frozen=True, slots=True)
class ApprovalsView:
    """A wallet's permissions at its venue, and the approval that comes next."""

    found: str
    """The permissions now, as a sentence."""
    next: ApprovalView
    is_last: bool
    """Once it is given, no approval is missing."""
    needs: RequiredSecrets


@dataclass(frozen=True, slots=True)
class MoneyView:
    """Money of an account at its venue now, in USDC."""

    total: Decimal
    withdrawable: Decimal
    spot: Decimal
    """In the spot balance, which is not margin for perpetuals."""
    withdrawal_fee: Decimal
    """The venue's fee for a withdrawal."""
    needs: RequiredSecrets
