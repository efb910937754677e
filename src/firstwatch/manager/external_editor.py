"""The operator's own editor, on a text in a temporary file."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.text import quoted

_USUAL = ("sensible-editor", "nano", "vi")
_LONGEST_BYTES = 10_000_000


class EditorError(FirstwatchError):
    """The editor cannot be used. No text was changed."""


@dataclass(frozen=True, slots=True)
class Left:
    """What an editor has left."""

    text: str
    problem: str = ""
    """How it failed, as a sentence; empty: it ended well."""


@contextmanager
def edit_text(text: str, *, suffix: str = ".toml") -> Iterator[Left]:
    """Open a text in ``$VISUAL`` or ``$EDITOR``, wait for its end, and yield the text as it was left.

    The block keeps the text somewhere else, also where the editor has failed. Then the file is removed; if
    the block fails, it stays, and the error says where it is.

    Raises:
        EditorError: there is no editor, it could not be started, or what it left is no text.
    """
    words = _command()
    try:
        descriptor, name = tempfile.mkstemp(prefix="firstwatch-", suffix=suffix)
        with open(descriptor, "wb") as file:
            file.write(text.encode(errors="replace"))
    except OSError as error:
        raise EditorError(f"There is no room to edit in: {error.strerror}.") from error
    try:
        with _interrupts_are_the_editors():
            code = subprocess.run([*words, name], check=False).returncode
    except (OSError, ValueError) as error:
        Path(name).unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise EditorError(f"The editor {quoted(words[0])} cannot be started: {reason}.") from error
    problem = ""
    if code != 0:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        problem = f"The editor {quoted(words[0])} {how}."
    try:
        yield Left(_read(Path(name)), problem)
    except FirstwatchError as error:
        raise EditorError(f"{error} The text is in {name}.") from error
    Path(name).unlink(missing_ok=True)


def _command() -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        try:
            if words := shlex.split(os.environ.get(name, "")):
                return words
        except ValueError as error:
            raise EditorError(f"${name} cannot be understood: a quote in it does not end.") from error
    usual = next(filter(shutil.which, _USUAL), None) if sys.stdin is not None and sys.stdin.isatty() else None
    if usual is None:
        raise EditorError("There is no editor: name one in $VISUAL or $EDITOR.")
    return [usual]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_BYTES + 1)
        if len(content) > _LONGEST_BYTES:
            raise EditorError(f"The editor has left more than {_LONGEST_BYTES:,} bytes.")
        return content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise EditorError(
            f"What the editor has left is not text: byte {error.start} is not UTF-8."
        ) from error
    except OSError as error:
        raise EditorError(f"What the editor has left cannot be read: {error.strerror}.") from error


@contextmanager
def _interrupts_are_the_editors() -> Iterator[None]:
    """Leave Ctrl+C to the editor: this program waits for it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A handler, because a program that is started inherits what is ignored.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
