"""A chart that zooms and pans."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import zip_longest
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style as RichStyle
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.style import Style

from firstwatch.tui.widgets.drawn import Drawn
from firstwatch.tui.widgets.plot import View

DrawPart = Callable[[View, int, int, Mapping[str, str]], Text]
"""Returns the picture from the view, columns, rows and the theme's colours by name."""


class Chart(Drawn):
    """Shows one drawing, painted anew only when it, the part that is seen, the size or the theme changes.

    Of a new drawing only the lines are painted that differ, and without what Textual does for text: wrapping
    and selecting take longer than drawing.
    """

    ALLOW_SELECT: ClassVar[bool] = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view = View()
        self._subject: object = None
        self._total = 0
        self._usual: Callable[[int], int] = lambda _: 1
        self._chart_version: object = None
        self._draw_part: DrawPart | None = None
        self._lines: list[Strip] = []
        self._lines_of: tuple[Size, Style, Mapping[str, str]] | None = None
        """What the lines were painted for; None: they are to be painted anew."""

    def picture_changed(self) -> None:
        before, is_in_place = self._lines, self._lines_of == self._place
        self._lines_of = None
        if not is_in_place:
            self.refresh()
            return
        self._paint()
        changed = [
            Region(0, row, self.size.width, 1)
            for row, (old, new) in enumerate(zip_longest(before, self._lines))
            if old != new
        ]
        if changed:
            self.refresh(*changed)

    def render_lines(self, crop: Region) -> list[Strip]:
        self._paint()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        if y < len(self._lines):
            return self._lines[y]
        return Strip.blank(self.size.width, self.visual_style.rich_style)

    @property
    def _place(self) -> tuple[Size, Style, Mapping[str, str]]:
        return self.size, self.visual_style, self.app.theme_variables

    def _paint(self) -> None:
        """Paint the lines, unless they are painted for the size, style and theme of now."""
        place = self._place
        if self._lines_of == place:
            return
        picture, style_of = self.render(), self.app.console.get_style
        rows: list[list[Segment]] = [[]]
        for text, style in _parts(picture):
            shown = _on(self.visual_style, style_of(picture.style) + style_of(style), self.app.ansi_theme)
            for number, line in enumerate(text.split("\n")):
                if number:
                    rows.append([])
                if line:
                    rows[-1].append(Segment(line, shown))
        blank = self.visual_style.rich_style
        self._lines = [Strip(row).adjust_cell_length(self.size.width, blank) for row in rows]
        self._lines_of = place

    def plot(
        self,
        subject: object,
        version: object,
        draw: DrawPart,
        *,
        total: int,
        usual: Callable[[int], int],
    ) -> None:
        """Show a drawing of ``total`` points; ``usual``: returns for a width how many are shown at first.

        Two drawings of equal version are the same. With another subject the view begins anew; a view of the
        past stays where it is while points are added.
        """
        if subject != self._subject:
            self._view = View()
        elif self._view.back and total > self._total:
            self._view = View(self._view.scale, self._view.back + total - self._total)
        self._subject, self._chart_version, self._draw_part = subject, version, draw
        self._total, self._usual = total, usual
        self._renew()

    def say(self, sentence: str) -> None:
        """Show a sentence instead of the drawing, until there is one again."""
        self._subject, self._draw_part = None, None
        self.show(sentence, lambda _width, _height, colours: Text(f"\n  {sentence}", colours["secondary"]))

    def zoom(self, by: int) -> None:
        """Zoom in by ``by`` steps; below zero: out."""
        self._view = self._view.zoomed(by, self._total, self._usual(self.size.width))
        self._renew()

    def pan(self, by: int) -> None:
        """Pan ``by`` steps later; below zero: earlier."""
        self._view = self._view.panned(by, self._total, self._usual(self.size.width))
        self._renew()

    def _renew(self) -> None:
        draw, view = self._draw_part, self._view
        if draw is not None and self._total:
            self.show(
                (self._subject, self._chart_version, view),
                lambda width, height, colours: draw(view, width, height, colours),
            )


def _parts(picture: Text) -> Iterator[tuple[str, str | RichStyle]]:
    """Yield the parts of a picture with the styles that they have over its own.

    Where two spans overlap, which those of a grid never do, the first one counts.
    """
    at = 0
    for start, end, style in picture.spans:
        if at < start:
            yield picture.plain[at:start], ""
        if max(at, start) < end:
            yield picture.plain[max(at, start) : end], style
        at = max(at, end)
    yield picture.plain[at:], ""


@lru_cache(1024)
def _on(base: Style, style: RichStyle, ansi_theme: TerminalTheme) -> RichStyle:
    """Return a style of a picture over that of its widget."""
    return (base + Style.from_rich_style(style, ansi_theme)).rich_style
