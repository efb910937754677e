"""Reads JSON lists of rows, ``[[time, open, high, low, close, volume], …]``, of freqtrade and exchanges."""

from pathlib import Path

from firstwatch.trading.errors import WrongUseError

_BLANKS = b" \t\r\n"


def is_json(data: bytes) -> bool:
    """Return whether the bytes begin like a JSON list or object, as no CSV row does."""
    return data.lstrip(_BLANKS)[:1] in (b"[", b"{")


def as_lines(path: Path, data: bytes) -> bytes:
    """Return a JSON list of rows as CSV: one row per line, cells separated by commas.

    Cells are not checked here: the CSV reader reports those that are not numbers.

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
