"""A QR code in half blocks, dark on white in any theme, so that a camera can read it."""

from functools import lru_cache

from rich.style import Style
from rich.text import Text
from textual.widgets import Static

from firstwatch.tui.colour_filter import PICTURE

_QUIET = 2
_COLOURS = {True: "#000000", False: "#ffffff"}


def qr_text(content: str) -> Text:
    """Return a QR code, two modules a character."""
    # Imported here: most sessions never show one.
    import segno

    rows = [list(map(bool, row)) for row in segno.make(content, micro=False).matrix]
    width = len(rows[0]) + 2 * _QUIET
    blank = [False] * width
    padded = [blank] * _QUIET + [[False] * _QUIET + row + [False] * _QUIET for row in rows] + [blank] * _QUIET
    if len(padded) % 2:
        padded.append(blank)
    drawn = Text(no_wrap=True, end="")
    for upper, lower in zip(padded[::2], padded[1::2], strict=True):
        for top, bottom in zip(upper, lower, strict=True):
            drawn.append("▀", _style(top, bottom))
        drawn.append("\n")
    drawn.right_crop(1)
    return drawn


@lru_cache(4)
def _style(top: bool, bottom: bool) -> Style:
    return Style(color=_COLOURS[top], bgcolor=_COLOURS[bottom], meta=PICTURE)


class QrCode(Static):
    """An address as a QR code. Without UTF-8 it is not readable, because there are no half blocks."""

    def __init__(self, content: str) -> None:
        super().__init__(qr_text(content), classes="qr")
