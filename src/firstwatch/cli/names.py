"""Names on the command line."""

from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import quoted

_DIGITS = 10


def split_version(text: str) -> tuple[str, int | None]:
    """Return (name, version) of ``NAME[@VERSION]``; None: the newest.

    Raises:
        WrongUseError: what follows the ``@`` is not a version number.
    """
    name, at, number = text.rpartition("@")
    if not at:
        return text, None
    if not (number.isascii() and number.isdecimal() and len(number) < _DIGITS):
        raise WrongUseError(f"{quoted(text)} is not a version: write NAME or NAME@NUMBER, such as {name}@1.")
    return name, int(number)
