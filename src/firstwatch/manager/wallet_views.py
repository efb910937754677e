"""What comes back from work on wallets with keys. A secret is in one of them, and in no text of it."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Passphrase(StrEnum):
    """Which passphrase of the vault an act needs from the operator."""

    NEW = "new"
    """There is no vault yet: one that is chosen now, written twice."""
    KNOWN = "known"
    NONE = "none"
    """``FIRSTWATCH_PASSPHRASE_FILE`` gives it."""


@dataclass(frozen=True, slots=True)
class RequiredSecrets:
    """What an act on a wallet needs to be told."""

    passphrase: Passphrase
    has_master_key: bool = False
    """The vault holds the account's own key, so nobody has to write it."""


@dataclass(frozen=True, slots=True)
class NewAccountView:
    """A wallet with an account and a key that were just made."""

    name: str
    venue: str
    account: str
    key_file: str
    private_key: str = field(repr=False)
    """Shown once."""


class ApprovalKind(StrEnum):
    AGENT = "agent"
    BUILDER = "builder"


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """One approval that could be given next."""

    kind: ApprovalKind
    title: str
    is_needed: bool
    """A run cannot trade without it; else it is offered."""
    costs: str
    allows: str


@dataclass(frozen=True, slots=True)
class ApprovalsView:
    """What the venue says of a wallet's permissions, and the one approval that comes next."""

    found: str
    """What is so now, in a sentence."""
    next: ApprovalView
    is_last: bool
    """Nothing else is missing once it is given."""
    needs: RequiredSecrets


@dataclass(frozen=True, slots=True)
class MoneyView:
    """What an account has at its venue now, in USDC."""

    total: Decimal
    withdrawable: Decimal
    spot: Decimal
    """In the spot balance, where it is no margin for perpetuals."""
    withdrawal_fee: Decimal
    """What the venue keeps of a withdrawal."""
    needs: RequiredSecrets
