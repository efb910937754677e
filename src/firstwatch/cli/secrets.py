"""Reading of secrets: from a descriptor, from a file that the environment names, or at a hidden prompt.

Never from an argument, which every process of the machine can read.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firstwatch.cli.output import say_error, say_to_stderr
from firstwatch.trading.errors import WrongUseError
from firstwatch.wallets.forgetting import forget

if TYPE_CHECKING:
    from firstwatch.wallets.vault import OpenVault, Vault

_LARGEST = 2**20
PassphraseFd = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, max=_LARGEST, help="Descriptor with the vault's passphrase on its first line."
    ),
]
KeyFd = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, max=_LARGEST, help="Descriptor with the private key on its first line."),
]
MasterKeyFd = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, max=_LARGEST, help="Descriptor with the account's own key; it is not stored."
    ),
]

_LONGEST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Secrets:
    """The descriptors that give a command its secrets; None: a file or a person gives the secret."""

    key_fd: int | None = None
    passphrase_fd: int | None = None

    def key(self, question: str, option: str) -> str:
        """Return a private key: from the descriptor, or from a person who is asked ``question``.

        ``option``: the option that took the descriptor, for error messages.

        Raises:
            WrongUseError: the descriptor cannot be read, or no person is at a terminal.
        """
        if self.key_fd is None:
            return hidden(question, f"{option} N")
        return line_of(self.key_fd, option)

    def open_vault(self, vault: "Vault") -> "OpenVault":
        """Open the vault; a person may try again until the vault enforces a wait.

        Raises:
            WrongPassphraseError: the passphrase was wrong.
            WrongUseError: there is no passphrase.
        """
        return _right(vault, self.passphrase_fd)[1]


def line_of(descriptor: int, option: str) -> str:
    """Return the next line of an open descriptor; two secrets may stand on one, a line each.

    Raises:
        WrongUseError: it cannot be read, or the line is empty.
    """
    received = bytearray(_LONGEST_BYTES)
    length = 0
    try:
        # Byte by byte, so that nothing of a following line is taken.
        while length < _LONGEST_BYTES and (byte := os.read(descriptor, 1)) not in {b"", b"\n"}:
            received[length] = byte[0]
            length += 1
        is_cut, length = length == _LONGEST_BYTES, length - (received[length - 1 : length] == b"\r")
        text = str(memoryview(received)[:length], "utf-8")
    except OSError as error:
        raise WrongUseError(f"{option} {descriptor} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise WrongUseError(f"{option} {descriptor} gives no UTF-8 text.") from None
    finally:
        forget(received)
    if not text:
        raise WrongUseError(f"{option} {descriptor} gives an empty line.")
    if is_cut:
        raise WrongUseError(f"{option} {descriptor} gives a line that is longer than {_LONGEST_BYTES} bytes.")
    return text


def hidden(question: str, option: str) -> str:
    """Ask a person for a text that is not shown while it is typed.

    Raises:
        WrongUseError: standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        raise WrongUseError(f"{question}: there is no terminal to type it at; give it with {option}.")
    text: str = typer.prompt(question, hide_input=True, err=True)
    return text


def passphrase(descriptor: int | None, *, is_new: bool) -> str:
    """Return the vault's passphrase: from the descriptor, the file, or a person (who types a new one twice).

    Raises:
        WrongUseError: none of them gives one.
    """
    from firstwatch.wallets.key_ring import PASSPHRASE_FILE_VARIABLE, passphrase_of_file

    option = f"--passphrase-fd N or {PASSPHRASE_FILE_VARIABLE}"
    if descriptor is not None:
        return line_of(descriptor, "--passphrase-fd")
    if (given := passphrase_of_file()) is not None:
        return given
    if not is_new:
        return hidden("Passphrase of the vault", option)
    first = hidden("New passphrase for the vault (it cannot be recovered)", option)
    if hidden("The same again", option) != first:
        raise WrongUseError("The two passphrases differ; nothing was made.")
    return first


def unlock_and_forget(home: Path, passphrase: str) -> str:
    """Send the passphrase to the engine of a data folder, forget it, and return the engine's sentence.

    Raises:
        RefusedError: no engine listens, or it is not the passphrase.
    """
    from firstwatch.wallets.unlock_socket import unlock_engine

    sentence = unlock_engine(home, passphrase)
    forget(passphrase)
    return sentence


def passphrase_for_engine(vault: "Vault", descriptor: int | None) -> str | None:
    """Return the passphrase for an engine that is about to start; None: it needs none, or has its file.

    Raises:
        WrongPassphraseError: the passphrase was wrong.
        WrongUseError: the descriptor or the file cannot be read.
    """
    from firstwatch.wallets.key_ring import passphrase_of_file

    if vault.is_empty or (descriptor is None and passphrase_of_file() is not None):
        return None
    if descriptor is None and not sys.stdin.isatty():
        say_to_stderr("the vault is locked; unlock it with: firstwatch wallet unlock")
        return None
    return _right(vault, descriptor)[0]


def _right(vault: "Vault", descriptor: int | None) -> "tuple[str, OpenVault]":
    """Return the passphrase that opens the vault, and the vault that it opens."""
    from firstwatch.wallets.key_ring import passphrase_of_file
    from firstwatch.wallets.vault import WrongPassphraseError

    is_person = descriptor is None and passphrase_of_file() is None
    while True:
        text = passphrase(descriptor, is_new=vault.is_empty)
        try:
            return text, vault.open(text)
        except WrongPassphraseError as error:
            if not is_person or not error.tries_left:
                raise
            say_error(error)
