"""Signing for an account, at venues that need signatures instead of passwords.

Addresses are ``0x`` and 40 lower-case hexadecimal digits everywhere in the program.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from firstwatch.trading.errors import VenueError


class KeyKind(StrEnum):
    """Permissions of a key: ``master`` may do everything, ``agent`` may trade, not withdraw or approve."""

    MASTER = "master"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Signature:
    """An ECDSA signature on secp256k1, ``s`` in the lower half of the order; ``v`` is 27 or 28."""

    r: int
    s: int
    v: int


class Signer(Protocol):
    """A key in memory that signs for one account. Its attributes and its repr are not secret."""

    @property
    def account(self) -> str:
        """Address of the account that trades: the master's, also when an agent signs for it."""

    @property
    def address(self) -> str:
        """Address of the key itself; the venue recovers it from every signature."""

    @property
    def kind(self) -> KeyKind:
        """What the key may do."""

    def sign_digest(self, digest: bytes) -> Signature:
        """Sign a 32-byte digest without hashing it again. Deterministic (RFC 6979)."""


class SignerOf(Protocol):
    """Finds the signer of an account."""

    def __call__(self, account: str, key: str | None = None) -> Signer:
        """Return the signer that trades for an account now; ``key``: that of this address.

        Raises:
            VaultLockedError: the key is encrypted.
            KeyMissingError: there is no key.
        """


class VaultLockedError(VenueError):
    """The account's key is encrypted, and the engine has no passphrase yet."""


class KeyMissingError(VenueError):
    """This data folder holds no key for the account."""
