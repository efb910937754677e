"""JSON lists of rows, ``[[time, open, high, low, close, volume], …]``, as of freqtrade and exchanges."""

from pathlib import Path

from firstwatch.trading.errors import WrongUseError

_BLANKS = b" \t\r\n"


def is_json(data: bytes) -> bool:
    """Return whether the bytes begin as a JSON list or object does; no row of a table does."""
    return data.lstrip(_BLANKS)[:1] in (b"[", b"{")


def as_lines(path: Path, data: bytes) -> bytes:
    """Return a list of rows of numbers as one row on each line, the cells parted by commas.

    What stands in a cell is not looked at: the reader of the lines names what is not a number.

    Raises:
        WrongUseError: it is another kind of JSON.
    """
    text = data.translate(None, _BLANKS)
    if text == b"[]":
        raise WrongUseError(f"{path} holds no rows; give a file with at least one row of data")
    if not (text.startswith(b"[[") and text.endswith(b"]]")):
        raise WrongUseError(
            f"{path} is JSON, but no list of rows [[time, open, high, low, close, volume], …]; export it so,"
            " or as CSV"
        )
    return text[2:-2].replace(b"],[", b"\n")
