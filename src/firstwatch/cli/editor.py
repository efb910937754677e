"""The operator's own editor, on a text, in the terminal of a command."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from firstwatch.manager.external_editor import Left, editor_command, how_it_ended, read_text, write_text
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.text import quoted

_LEFT_TO_IT = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


@contextmanager
def edit_text(text: str) -> Iterator[Left]:
    """Open a text in ``$VISUAL`` or ``$EDITOR``, wait for its end, and yield the text as it was left.

    The block keeps the text somewhere else, also where the editor has failed. Then the file is removed; if
    the block fails, it stays, and the error says where it is.

    Raises:
        WrongUseError: there is no editor, it cannot be started, or what it left is no text.
        FirstwatchError: the text cannot be written for it.
    """
    words = editor_command()
    path = write_text(text)
    try:
        with _signals_are_the_editors():
            code = subprocess.run([*words, str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        path.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise WrongUseError(f"The editor {quoted(words[0])} cannot be started: {reason}.") from error
    try:
        yield Left(read_text(path), how_it_ended(words, code))
    except FirstwatchError as error:
        if path.exists():
            raise type(error)(f"{error} The text is in {path}.") from error
        raise
    path.unlink(missing_ok=True)


@contextmanager
def _signals_are_the_editors() -> Iterator[None]:
    """Leave to the editor what Ctrl+C, a closed terminal or a shutdown sends: this program waits for it.

    Its end is then a failure, and what it has left is kept.
    """
    # A handler, because a program that is started inherits what is ignored.
    before = {each: signal.signal(each, lambda *_: None) for each in _LEFT_TO_IT}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
