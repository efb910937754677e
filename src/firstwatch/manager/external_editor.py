"""The operator's own editor: which program it is, and a text on its way there and back."""

import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path

from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import clean, counted

LONGEST_BYTES = 1_000_000
"""Of a text that is read back."""


def editor_command(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the program that $VISUAL or $EDITOR names, with its arguments.

    Raises:
        WrongUseError: none is named, or it cannot be read as a command.
    """
    named = environment.get("VISUAL") or environment.get("EDITOR") or ""
    try:
        command = tuple(shlex.split(named))
    except ValueError as error:
        raise WrongUseError(f"$VISUAL or $EDITOR is no command: {clean(named, 60)} ({error}).") from error
    if not command:
        raise WrongUseError("No editor is named: set $VISUAL or $EDITOR, as in EDITOR=nano.")
    return command


def write_text(text: str) -> Path:
    """Write a text to a file of its own, which only its owner can read, and return its path."""
    descriptor, name = tempfile.mkstemp(prefix="firstwatch-", suffix=".toml")
    with open(descriptor, "w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)
    return Path(name)


def read_text(path: Path) -> str:
    """Return the text of the file as the editor has left it.

    Raises:
        WrongUseError: it is gone, too long, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        raise WrongUseError(f"The editor has left no text: {error.strerror or error}.") from error
    if len(content) > LONGEST_BYTES:
        raise WrongUseError(f"The text is longer than {counted(LONGEST_BYTES, 'byte')}: nothing was taken.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise WrongUseError(f"The text is not UTF-8 at byte {error.start + 1}: nothing was taken.") from error
