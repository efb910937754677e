"""One small hierarchy of errors. Each message is a sentence an operator can act on."""

import re

from firstwatch.trading.text import clean_lines

_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def said(error: BaseException) -> str:
    """Return an exception's text, or its class name if it has none, like many network errors."""
    return str(error).strip() or _WORDS.sub(" ", type(error).__name__).lower()


class FirstwatchError(Exception):
    """An error that the operator reads as a sentence instead of a traceback.

    Sentences quote venues, files and operators, so each is cleaned here.
    ``exit_code`` is what the command line returns: 1 failed, 2 wrong use, 3 refused by a check.
    """

    exit_code = 1

    def __init__(self, sentence: object = "") -> None:
        super().__init__(clean_lines(str(sentence)))


class WrongUseError(FirstwatchError):
    """The operator's input is wrong: a file, a value, a name. Nothing was changed."""

    exit_code = 2


class RefusedError(FirstwatchError):
    """A check refused: the input is well formed, but acting on it now would be wrong."""

    exit_code = 3


class StoreError(FirstwatchError):
    """The store cannot be used: damaged, newer, read-only, full."""


class DamagedRowError(StoreError):
    """One row of the store cannot be read: damaged, or of a newer program. The others can."""


class VenueError(FirstwatchError):
    """A venue did not answer, or its answer cannot be understood."""


class IllegalTransitionError(FirstwatchError):
    """A state machine was asked for a move that its table does not hold. A defect of the program."""
