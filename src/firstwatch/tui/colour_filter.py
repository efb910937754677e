"""Filters for the colours of each line on its way to the terminal."""

from collections.abc import Callable
from functools import lru_cache, partial

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

PICTURE = {"is_picture": True}
"""Meta data of a style whose colours are the picture, such as a QR code's."""


class StyleFilter(LineFilter):
    """Applies a function to the style of each segment of a line."""

    def __init__(self, change: Callable[[Style], Style]) -> None:
        super().__init__()
        self._change = change

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.style is None
            else Segment(segment.text, self._change(segment.style), segment.control)
            for segment in segments
        ]


@lru_cache(16)
def with_muted(muted: str) -> StyleFilter:
    """Return the filter that shows dim text in the theme's muted colour instead of a blended one."""
    return StyleFilter(partial(_muted, RichColor.parse(muted)))


@lru_cache(16)
def without_colours(foreground: str, background: str) -> StyleFilter:
    """Return the filter that removes all colours.

    Text on another background than the theme's, such as an alarm or the chosen tab, is shown in reverse.
    """
    light, dark = (Color.parse(each).brightness for each in (foreground, background))
    return StyleFilter(partial(_colourless, light, dark))


@lru_cache(4_096)
def _muted(muted: RichColor, style: Style) -> Style:
    return style + Style(color=muted, dim=False) if style.dim else style


@lru_cache(4_096)
def _colourless(foreground: float, background: float, style: Style) -> Style:
    if style.meta.get("is_picture"):
        return style
    is_reverse = bool(style.reverse)
    if style.bgcolor is not None and style.bgcolor.triplet is not None:
        ground = Color.from_rich_color(style.bgcolor).brightness
        is_reverse ^= abs(ground - foreground) < abs(ground - background)
    return style.without_color + Style(reverse=is_reverse)
