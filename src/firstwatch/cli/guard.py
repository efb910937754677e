"""What stands around every command: streams that are there, and a last catch for all that goes wrong."""

import logging
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from firstwatch.cli.output import OutputError, say_aside, say_json
from firstwatch.engine.host.process import keep_private
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.text import clean

LOG_FILE = "commands.log"
_PACKAGE = Path(__file__).parents[1]


def run_guarded(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code.

    An error of ours is its sentence. Anything else is one sentence, exit code 1, and a traceback in the
    data folder's log. An output that cannot be written is exit code 1, and silent when its reader has left.
    """
    _open_streams()
    keep_private()
    try:
        code = _code_of(command)
        sys.stdout.flush()
    except (OutputError, OSError) as error:
        code = 1
        _drop_output()
        with suppress(OutputError):
            if sentence := str(error):
                say_aside(sentence)
    with suppress(OSError):
        sys.stderr.flush()
    return code


def _code_of(command: Callable[[], Any]) -> int:
    try:
        code = command()
    except OutputError:
        raise
    except FirstwatchError as error:
        return _refuse(str(error), error.exit_code)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if callable(getattr(error, "format_message", None)):
            return _say_usage(error)
        return _refuse(f"{_sentence_of(error)}{_log(error)}", 1)
    return code if isinstance(code, int) else 0


def _refuse(sentence: str, code: int) -> int:
    if "--json" in sys.argv:
        say_json({"error": sentence, "exit_code": code})
    say_aside(sentence)
    return code


def _say_usage(error: Any) -> int:
    """Say what the parser of the command line found; it quotes the words of the line as they are."""
    sentence = clean(error.format_message())
    error.format_message = lambda: sentence
    error.show()
    return int(error.exit_code)


def _sentence_of(error: Exception) -> str:
    if isinstance(error, OSError):
        place = "" if error.filename is None else f": {error.filename}"
        return f"The system refused: {error.strerror or error}{place}."
    if isinstance(error, MemoryError | RecursionError):
        return "What was given is too much to work on."
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    last = (ours or frames)[-1]
    return (
        f"Unexpected {type(error).__name__} at {Path(last.filename).name}:{last.lineno}; nothing more was"
        " done. `firstwatch doctor` says whether the store is damaged; else it is a defect of this program."
    )


def _log(error: Exception) -> str:
    """Write the traceback into the data folder, if it is there, and say where."""
    from firstwatch.engine.host.background import log_handler
    from firstwatch.settings import load_settings
    from firstwatch.store.files import check_folder

    try:
        path = load_settings().home / LOG_FILE
        check_folder(path.parent, make=False)
        with closing(log_handler(path)) as handler:
            about = (type(error), error, error.__traceback__)
            handler.emit(logging.LogRecord("firstwatch.cli", logging.ERROR, "", 0, "failed", None, about))
    except (OSError, FirstwatchError):
        return ""
    return f" More is in {path}."


def _open_streams() -> None:
    """Put the null device where a standard stream is closed, so that no file of ours gets its descriptor."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # What the encoding of the terminal lacks is written as an escape.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that the end of the process does not try again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
