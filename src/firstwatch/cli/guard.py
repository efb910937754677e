"""The frame of every command: open standard streams, and a handler for every failure."""

import ast
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from firstwatch.cli.output import OutputError, say_json, say_to_stderr
from firstwatch.engine.host.process import keep_private
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.text import clean, quoted
from firstwatch.trading.validation import value_text, why_wrong

LOG_FILE = "commands.log"
_PACKAGE = Path(__file__).parents[1]
_PYTHON_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")
"""A string as Python quotes it."""
_ESCAPED = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4})")
"""A character that does not print, as the parser of the command line writes it."""


def run_guarded(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code.

    A ``FirstwatchError`` prints its sentence. Any other error is one sentence, exit code 1, and a traceback
    in the data folder's log. If the output cannot be written, the exit code is 1, without a message if its
    reader has left.
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
                say_to_stderr(sentence)
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
        # Not at the top: the screen starts without the parser.
        from typer import Abort

        if isinstance(error, Abort):
            # Ctrl+C, or the end of the input.
            return _refuse("A question was not answered; nothing more was done.", 1)
        if callable(getattr(error, "format_message", None)):
            return _say_usage(error)
        return _refuse(f"{_sentence_of(error)}{_log(error)}", 1)
    return code if isinstance(code, int) else 0


def _refuse(sentence: str, code: int) -> int:
    if "--json" in sys.argv:
        say_json({"error": sentence, "exit_code": code})
    say_to_stderr(sentence)
    return code


def _say_usage(error: Any) -> int:
    """Print an error of the command line's parser, cleaned and reworded."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        details = cause.errors(include_url=False)[0]
        why, is_choice, choices = why_wrong(details).partition(" is not one of ")
        if is_choice:
            why = f"it should be one of {choices.rstrip('.').replace(chr(39), '')}"
        error.message = f"{why}, not {value_text(details['input'])}"
    sentence = _PYTHON_TEXT.sub(lambda text: quoted(ast.literal_eval(text[0])), error.format_message())
    sentence = _ESCAPED.sub("\N{REPLACEMENT CHARACTER}", sentence)
    error.format_message = lambda: clean(sentence)
    error.show()
    return int(error.exit_code)


def _sentence_of(error: Exception) -> str:
    if isinstance(error, OSError):
        place = "" if error.filename is None else f": {error.filename}"
        return f"The system refused: {error.strerror or error}{place}."
    if isinstance(error, MemoryError | RecursionError):
        return "The input is too large to process."
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    last = (ours or frames)[-1]
    return (
        f"Unexpected failure at {Path(last.filename).name}:{last.lineno}; nothing more was"
        " done. `firstwatch doctor` checks the store for damage; otherwise it is a defect of this program."
    )


def _log(error: Exception) -> str:
    """Write the traceback into the data folder, if it exists; return where, for the operator."""
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
    """Open the null device for each closed standard stream, so that no other file gets its descriptor."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # Characters that the terminal's encoding lacks are written as escapes.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Discard what is still buffered, so that the end of the process does not write it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
