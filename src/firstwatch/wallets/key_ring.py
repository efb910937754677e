"""The engine's keys: locked until the passphrase is given, and in memory only afterwards."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.venues.signer import KeyMissingError, SignerOf, VaultLockedError
from firstwatch.wallets.forgetting import forget
from firstwatch.wallets.vault import KeySigner, OpenVault, TooManyTriesError, Vault

PASSPHRASE_FILE_VARIABLE = "FIRSTWATCH_PASSPHRASE_FILE"

_log = logging.getLogger(__name__)


class KeyRing:
    """The keys of one engine. Safe for threads; ``signer`` never takes long, ``unlock`` a second or two."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._opened: OpenVault | None = None
        self._unlocking = threading.Lock()

    @property
    def is_locked(self) -> bool:
        """There are keys, and the passphrase was not given yet."""
        return self._opened is None and not self._vault.is_empty

    def unlock(self, passphrase: str) -> None:
        """Open the vault.

        Raises:
            WrongPassphraseError: it is not the vault's.
            TooManyTriesError: it was wrong too often.
            WrongUseError: there is nothing to unlock, or it is empty.
            VaultError: the vault cannot be read.
        """
        with self._unlocking:
            if self._vault.is_empty:
                raise WrongUseError("The vault has no key yet, so there is nothing to unlock.")
            self._opened = self._vault.open(passphrase)
            _log.info("the vault is unlocked")

    def unlock_by_file(self, gives_up: Callable[[float], bool]) -> None:
        """Unlock by the file that the environment names, if it names one; trouble goes to the log.

        ``gives_up``: after too many wrong tries, waits for that many seconds and returns whether to give up.
        """
        while self.is_locked:
            try:
                passphrase = passphrase_of_file()
                if passphrase is None:
                    return
                with self._unlocking:
                    # Another thread may just have done it.
                    if self.is_locked:
                        self._opened = self._vault.open(passphrase)
                        forget(passphrase)
                        _log.info("the vault is unlocked by %s", PASSPHRASE_FILE_VARIABLE)
            except TooManyTriesError as error:
                _log.warning("%s", error)
                if gives_up(error.seconds):
                    return
            except FirstwatchError as error:
                _log.error("the vault stays locked: %s", error)
                return

    def require(self, venue: str, account: str, *, network: str, may_wait: bool) -> None:
        """Make sure that the account's key can sign.

        ``may_wait``: first try to unlock the vault with the passphrase file, if there is one.

        Raises:
            VaultLockedError: the passphrase was not given yet.
            KeyMissingError: there is no key for the account.
            WrongNetworkError: its key is of another network than this.
            VaultError: the vault cannot be read.
        """
        self._vault.require_network(venue, account, network)
        if may_wait:
            # A vault that had no key when the engine started is locked since it has one.
            self.unlock_by_file(lambda _seconds: True)
        self._signer(venue, account)

    def signers(self, venue: str) -> SignerOf:
        """Return a function that gives the signers of one venue (a name of the settings)."""
        return lambda account, key=None: self._signer(venue, account, key)

    def _signer(self, venue: str, account: str, key: str | None = None) -> KeySigner:
        if self._opened is not None:
            return self._opened.signer(venue, account, address=key)
        if self._vault.record_of(venue, account) is None:
            raise KeyMissingError(
                f"The vault has no key for {account} at {venue}; import it with: firstwatch wallet import"
                " NAME --venue V --account ADDRESS --key-fd N."
            )
        raise VaultLockedError(
            "The vault is locked, so nothing can be signed; unlock it with: firstwatch wallet unlock"
            f" (or start the engine with {PASSPHRASE_FILE_VARIABLE})."
        )


def passphrase_of_file() -> str | None:
    """Return the first line of the file that ``FIRSTWATCH_PASSPHRASE_FILE`` names; None: it names none.

    Raises:
        WrongUseError: the file cannot be read or is empty.
    """
    name = os.environ.get(PASSPHRASE_FILE_VARIABLE)
    if not name:
        return None
    try:
        text = Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise WrongUseError(
            f"{PASSPHRASE_FILE_VARIABLE}: {name} cannot be read: {error.strerror}."
        ) from error
    except UnicodeDecodeError:
        raise WrongUseError(f"{PASSPHRASE_FILE_VARIABLE}: {name} is not UTF-8 text.") from None
    passphrase = text.split("\n", 1)[0].removesuffix("\r")
    if not passphrase:
        raise WrongUseError(f"{PASSPHRASE_FILE_VARIABLE}: the first line of {name} is empty.")
    return passphrase
