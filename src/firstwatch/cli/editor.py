"""The operator's own editor, on a text, in the terminal of a command."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from firstwatch.manager.external_editor import editor_command, read_text, write_text
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.text import quoted


@dataclass(frozen=True, slots=True)
class Left:
    """What an editor has left."""

    text: str
    problem: str = ""
    """How it failed, as a sentence; empty: it ended well."""


@contextmanager
def edit_text(text: str) -> Iterator[Left]:
    """Open a text in ``$VISUAL`` or ``$EDITOR``, wait for its end, and yield the text as it was left.

    The block keeps the text somewhere else, also where the editor has failed. Then the file is removed; if
    the block fails, it stays, and the error says where it is.

    Raises:
        WrongUseError: there is no editor, it cannot be started, or what it left is no text.
        OSError: the text cannot be written for it.
    """
    words = editor_command()
    path = write_text(text)
    try:
        with _interrupts_are_the_editors():
            code = subprocess.run([*words, str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        path.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise WrongUseError(f"The editor {quoted(words[0])} cannot be started: {reason}.") from error
    problem = ""
    if code != 0:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        problem = f"The editor {quoted(words[0])} {how}."
    try:
        yield Left(read_text(path).replace("\r\n", "\n"), problem)
    except FirstwatchError as error:
        if path.exists():
            raise WrongUseError(f"{error} The text is in {path}.") from error
        raise
    path.unlink(missing_ok=True)


@contextmanager
def _interrupts_are_the_editors() -> Iterator[None]:
    """Leave Ctrl+C to the editor: this program waits for it."""
    # A handler, because a program that is started inherits what is ignored.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
