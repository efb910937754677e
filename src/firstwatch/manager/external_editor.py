"""The operator's own editor: which program it is, and a text on its way there and back."""

import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.text import clean, clean_document, counted, quoted

LONGEST_BYTES = 1_000_000
"""Of a text that is read back."""


@dataclass(frozen=True, slots=True)
class Left:
    """What an editor has left."""

    text: str
    problem: str = ""
    """How it failed, as a sentence; empty: it ended well."""


def editor_command(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the program that $VISUAL or $EDITOR names, with its arguments.

    Raises:
        WrongUseError: none is named, or it cannot be read as a command.
    """
    named = environment.get("VISUAL") or environment.get("EDITOR") or ""
    try:
        command = tuple(shlex.split(named))
    except ValueError as error:
        raise WrongUseError(
            f"$VISUAL or $EDITOR is no command: {clean(named, 60)}: a quote in it has no end."
        ) from error
    if not command:
        raise WrongUseError("No editor is named: set $VISUAL or $EDITOR, as in EDITOR=nano.")
    return command


def write_text(text: str) -> Path:
    """Write a text to a file of its own, which only its owner can read, and return its path.

    Raises:
        FirstwatchError: it cannot be written; nothing is left of it.
    """
    path = None
    try:
        descriptor, name = tempfile.mkstemp(prefix="firstwatch-", suffix=".toml")
        path = Path(name)
        with open(descriptor, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
    except OSError as error:
        if path is not None:
            path.unlink(missing_ok=True)
        folder = tempfile.gettempdir()
        raise FirstwatchError(
            f"The text cannot be written for the editor in {folder}: {error.strerror or error}."
        ) from error
    return path


def how_it_ended(command: Sequence[str], code: int) -> str:
    """Return how an editor has failed, as a sentence; empty: it ended well. ``code``: below 0, a signal."""
    if code == 0:
        return ""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"The editor {quoted(command[0])} {how}."


def read_text(path: Path) -> str:
    """Return the text of the file as the editor has left it, without what steers a terminal.

    Raises:
        WrongUseError: it is gone, too long, or not UTF-8. The file is as it was.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        raise WrongUseError(f"The editor has left no text: {error.strerror or error}.") from error
    if len(content) > LONGEST_BYTES:
        raise WrongUseError(f"The text is longer than {counted(LONGEST_BYTES, 'byte')}: nothing was taken.")
    try:
        return clean_document(content.decode())
    except UnicodeDecodeError as error:
        raise WrongUseError(f"The text is not UTF-8 at byte {error.start + 1}: nothing was taken.") from error
