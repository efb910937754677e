"""The vault: the encrypted keys of a data folder, one file each, all under one passphrase.

A file is named after its venue, account and key, and has these in addition to the keystore, so that the
folder alone says which key trades for which account. Secrets are in memory only, and never printed.
"""

import fcntl
import json
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firstwatch.store.files import VAULT_FOLDER
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import RefusedError, VenueError, WrongUseError
from firstwatch.venues.signer import KeyKind, KeyMissingError, Signature
from firstwatch.wallets.keystore import (
    WORK_FACTOR,
    Derivation,
    address_of,
    decrypt,
    derivation_of,
    encrypt,
    private_key,
)

_OURS = "firstwatch"
_PENDING = ".pending"
_SECRET_BYTES = 32
_LONGEST_BYTES = 64 * 1024
_TRIES = 3
_TRIES_FILE = "wrong-tries"
WAIT_S = 30
"""Seconds without a try after three wrong passphrases."""


_log = logging.getLogger(__name__)


class VaultError(VenueError):
    """The vault's files cannot be read or written."""


class WrongNetworkError(VenueError):
    """A key is of another network than the settings say."""


class WrongPassphraseError(RefusedError):
    """The passphrase does not open the vault."""

    def __init__(self, tries_left: int) -> None:
        self.tries_left = tries_left
        tries = {0: f"wait {WAIT_S} s before the next try", 1: "one try is left"}.get(
            tries_left, f"{tries_left} tries are left"
        )
        super().__init__(f"That is not the passphrase of the vault; {tries}.")


class TooManyTriesError(RefusedError):
    """Wrong passphrases were given too often; the vault takes none for a while."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The passphrase was wrong {_TRIES} times; try again in {seconds} s.")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The part of a stored key that is readable without the passphrase."""

    venue: str
    """The venue's name in the settings: an agent is approved on one network."""
    account: str
    address: str
    kind: KeyKind
    created_at_ms: int
    path: Path
    network: str = ""
    """The account's network; empty: the file is older than this field."""


class KeySigner:
    """A key in memory that signs for one account."""

    __slots__ = ("_account", "_address", "_key", "_kind")

    def __init__(self, secret: bytes, account: str, kind: KeyKind) -> None:
        self._key = private_key(secret)
        self._address = str(self._key.public_key.to_address())
        self._account = account
        self._kind = kind

    @property
    def account(self) -> str:
        return self._account

    @property
    def address(self) -> str:
        return self._address

    @property
    def kind(self) -> KeyKind:
        return self._kind

    def sign_digest(self, digest: bytes) -> Signature:
        """Sign a 32-byte digest as it is."""
        v, r, s = self._key.sign_msg_hash(digest).vrs
        return Signature(r=r, s=s, v=27 + v)

    def __repr__(self) -> str:
        return f"KeySigner({self._kind} {self._address} for {self._account})"


class Vault:
    """The key files of a data folder. ``work_factor``: what a new vault's passphrase costs to guess."""

    def __init__(self, home: Path, clock: Clock, *, work_factor: int = WORK_FACTOR) -> None:
        self.folder = home.absolute() / VAULT_FOLDER
        self._clock = clock
        self._work_factor = work_factor
        self._known: tuple[int, list[KeyRecord]] = (0, [])

    def now_ms(self) -> int:
        """Return wall time."""
        return self._clock.now_ms()

    @property
    def is_empty(self) -> bool:
        """No key was ever put into it, so it has no passphrase yet."""
        return not self._paths()

    def records(self) -> list[KeyRecord]:
        """Return the stored keys, the newest last; read again only when files came or went.

        A file that is not a key, or is damaged, is left out; ``problems`` names it.

        Raises:
            VaultError: the folder cannot be read.
        """
        try:
            changed_ns = self.folder.stat().st_mtime_ns
        except OSError:
            return []
        if changed_ns != self._known[0]:
            found = [_record(path, document) for path, document in self._usable()]
            ordered = sorted(found, key=lambda record: (record.created_at_ms, record.address))
            self._known = (changed_ns, ordered)
        return self._known[1]

    def problems(self) -> list[str]:
        """Return a sentence for each file that cannot be used: damaged, not a key file, or incomplete."""
        found = []
        for path in self._paths():
            try:
                document = _read(path)
                record = _record(path, document)
                _derivation(document, path)
                if path.name != f"{record.venue}.{record.account}.{record.address}.json":
                    found.append(f"The key file {path} does not hold the key that its name says.")
            except VaultError as error:
                found.append(str(error))
        return found

    def record_of(self, venue: str, account: str) -> KeyRecord | None:
        """Return the key that trades for the account: an agent's before the master's, the newest first."""
        mine = [record for record in self.records() if (record.venue, record.account) == (venue, account)]
        agents = [record for record in mine if record.kind is KeyKind.AGENT]
        return (agents or mine)[-1] if mine else None

    def require_network(self, venue: str, account: str, network: str) -> None:
        """Make sure that the account's keys are of the network that the settings name now.

        Raises:
            WrongNetworkError: the settings were changed since; play money would become real.
        """
        record = self.record_of(venue, account)
        if record is not None and record.network not in ("", network):
            raise WrongNetworkError(
                f"The key of {account} at {venue} is of the {record.network}, and the settings call {venue} a"
                f" {network} now; put the network back, and give the other one a table [venues.NAME] and"
                " wallets of its own."
            )

    def open(self, passphrase: str) -> "OpenVault":
        """Return the vault with its keys at hand; a vault without keys begins with this passphrase.

        Takes a second or two for all keys together.

        Raises:
            WrongPassphraseError: it opens none of the keys.
            TooManyTriesError: it was wrong three times, in whatever process, and not long ago.
            WrongUseError: it is empty.
            VaultError: none of its files can be read.
        """
        if not passphrase:
            raise WrongUseError("The passphrase is empty; the vault needs one.")
        documents = [document for _, document in self._usable()]
        if not documents:
            beginning = Derivation.new(self._work_factor)
            return OpenVault(self, {beginning: beginning.derive(passphrase)})
        wrong = self._wrong_tries()
        derivations = {_derivation(document, self.folder) for document in documents}
        derived = {derivation: derivation.derive(passphrase) for derivation in derivations}
        fitting = {
            derivation: derived[derivation]
            for document in documents
            if decrypt(document, derived[derivation := _derivation(document, self.folder)]) is not None
        }
        self._note_tries(0 if fitting else wrong + 1)
        if not fitting:
            raise WrongPassphraseError(_TRIES - wrong - 1)
        return OpenVault(self, fitting)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder, and keep other processes from adding keys until the block ends.

        Raises:
            VaultError: the folder cannot be made or written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            descriptor = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            raise VaultError(f"The vault {self.folder} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            os.fsync(descriptor)
        except OSError as error:
            raise VaultError(f"The vault {self.folder} cannot be written: {error.strerror}.") from error
        finally:
            os.close(descriptor)

    def _wrong_tries(self) -> int:
        """Return how often in a row the passphrase was wrong.

        Raises:
            TooManyTriesError: so often that none is tried now.
        """
        try:
            wrong, last_ms = map(int, (self.folder / _TRIES_FILE).read_text(encoding="ascii").split())
        except (OSError, ValueError):
            return 0
        if wrong < _TRIES:
            return wrong
        left_ms = last_ms + WAIT_S * 1000 - self._clock.now_ms()
        # A clock that was set back must not lock the vault for longer.
        if 0 < left_ms <= WAIT_S * 1000:
            raise TooManyTriesError(-(-left_ms // 1000))
        return 0

    def _note_tries(self, wrong: int) -> None:
        path = self.folder / _TRIES_FILE
        with self.writing():
            if wrong:
                path.write_text(f"{wrong} {self._clock.now_ms()}\n", encoding="ascii")
            else:
                path.unlink(missing_ok=True)

    def _usable(self) -> list[tuple[Path, dict[str, Any]]]:
        """Return the key files that can be used, with what is in them; the others go to the log.

        Raises:
            VaultError: there are key files and none can be used, so the vault is not a new one.
        """
        usable: list[tuple[Path, dict[str, Any]]] = []
        problem: VaultError | None = None
        for path in self._paths():
            try:
                document = _read(path)
                _record(path, document)
                _derivation(document, path)
            except VaultError as error:
                problem = error
                _log.warning("%s The other keys are used.", error)
            else:
                usable.append((path, document))
        if problem is not None and not usable:
            raise problem
        return usable

    def _paths(self) -> list[Path]:
        try:
            return sorted(self.folder.glob("*.json"))
        except OSError as error:
            raise VaultError(f"The vault {self.folder} cannot be read: {error.strerror}.") from error


class OpenVault:
    """A vault whose passphrase was given: it adds keys and hands out signers. Safe for threads."""

    def __init__(self, vault: Vault, derived: dict[Derivation, bytes]) -> None:
        self._vault = vault
        self._derived = derived
        self._signers: dict[Path, KeySigner] = {}
        self._guard = threading.Lock()

    def __repr__(self) -> str:
        return f"OpenVault({self._vault.folder})"

    def add(
        self,
        secret: bytes,
        *,
        venue: str,
        account: str,
        kind: KeyKind,
        network: str = "",
        pending: bool = False,
    ) -> KeyRecord:
        """Encrypt a key into a file of its own; the same key again is no second file.

        ``pending``: it is stored as a key that cannot be used yet, until ``keep``.

        Raises:
            VaultError: the file cannot be written.
        """
        address, now_ms = address_of(secret), self._vault.now_ms()
        path = self._vault.folder / f"{venue}.{account}.{address}.json"
        derivation, derived = next(iter(self._derived.items()))
        ours = {
            "venue": venue,
            "network": network,
            "account": account,
            "kind": kind.value,
            "created_at_ms": now_ms,
        }
        document = {**encrypt(secret, derived, derivation), _OURS: ours}
        target = path.with_suffix(_PENDING) if pending else path
        with self._vault.writing():
            others = [document for _, document in self._vault._usable()]
            if others and not any(_derivation(other, path) in self._derived for other in others):
                raise VaultError("Another command has begun the vault meanwhile; try again.")
            if not path.exists():
                _write(target, document)
        kept = target if target.exists() else path
        return KeyRecord(venue, account, address, kind, now_ms, kept, network)

    def keep(self, record: KeyRecord) -> KeyRecord:
        """Make a pending key usable."""
        path = record.path.with_suffix(".json")
        with self._vault.writing():
            record.path.replace(path)
        return replace(record, path=path)

    def drop(self, record: KeyRecord) -> None:
        """Delete a pending key that the venue does not know."""
        with self._vault.writing():
            record.path.with_suffix(_PENDING).unlink(missing_ok=True)

    def signer(
        self, venue: str, account: str, kind: KeyKind | None = None, *, address: str | None = None
    ) -> KeySigner:
        """Return the signer that trades for the account, or the one of that kind or address.

        Raises:
            KeyMissingError: there is no such key, or another passphrase encrypts it.
            VaultError: a file cannot be read.
        """
        records = [
            record
            for record in self._vault.records()
            if (record.venue, record.account) == (venue, account)
            and kind in {None, record.kind}
            and address in {None, record.address}
        ]
        if not records:
            raise KeyMissingError(
                f"The vault has no {'' if kind is None else f'{kind} '}key"
                f" {'' if address is None else f'{address} '}for {account} at {venue};"
                " import it with: firstwatch wallet import NAME --venue V --account ADDRESS --key-fd N."
            )
        return self._signer(max(records, key=lambda r: (r.kind is KeyKind.AGENT, r.created_at_ms)))

    def _signer(self, record: KeyRecord) -> KeySigner:
        with self._guard:
            if record.path not in self._signers:
                document = _read(record.path)
                derived = self._derived.get(_derivation(document, record.path))
                secret = None if derived is None else decrypt(document, derived)
                if secret is None or address_of(secret) != record.address:
                    raise KeyMissingError(
                        f"The key {record.address} is not under this vault's passphrase ({record.path});"
                        " import it again."
                    )
                self._signers[record.path] = KeySigner(secret, record.account, record.kind)
            return self._signers[record.path]


def new_secret() -> bytes:
    """Return a new private key from the system's randomness."""
    while True:
        secret = secrets.token_bytes(_SECRET_BYTES)
        try:
            address_of(secret)
        except ValueError:
            # One in 2^128 of all numbers lies beyond the order of the curve.
            continue
        return secret


def secret_of(text: str) -> bytes:
    """Return the private key that an operator typed: 64 hexadecimal digits, with or without ``0x``.

    Raises:
        WrongUseError: the text is not a private key; the sentence does not quote it.
    """
    try:
        secret = bytes.fromhex(text.strip().removeprefix("0x").removeprefix("0X"))
        if len(secret) != _SECRET_BYTES:
            raise ValueError
        address_of(secret)
    except ValueError:
        raise WrongUseError(
            "What was given is not a private key; it must be 64 hexadecimal digits, with or without 0x."
        ) from None
    return secret


def _derivation(document: dict[str, Any], where: Path) -> Derivation:
    try:
        return derivation_of(document)
    except ValueError as error:
        raise VaultError(f"A key file in {where} cannot be used: {error}.") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes()[:_LONGEST_BYTES])
    except OSError as error:
        raise VaultError(f"The key file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise VaultError(f"The key file {path} is damaged; put a backup in its place.") from error
    if not isinstance(document, dict) or not isinstance(document.get(_OURS), dict):
        raise VaultError(f"{path} is not a key file of this program; move it away, and import its key.")
    return document


def _record(path: Path, document: dict[str, Any]) -> KeyRecord:
    ours = document[_OURS]
    try:
        return KeyRecord(
            venue=str(ours["venue"]),
            account=str(ours["account"]),
            address="0x" + str(document["address"]).lower().removeprefix("0x"),
            kind=KeyKind(ours["kind"]),
            created_at_ms=int(ours["created_at_ms"]),
            path=path,
            network=str(ours.get("network", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VaultError(f"The key file {path} is damaged; put a backup in its place.") from error


def _write(path: Path, document: dict[str, Any]) -> None:
    """Write a file completely or not at all, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
