"""A chart that zooms and pans."""

from collections.abc import Callable, Mapping

from rich.text import Text

from firstwatch.tui.widgets.drawn import Drawn
from firstwatch.tui.widgets.plot import View

DrawPart = Callable[[View, int, int, Mapping[str, str]], Text]
"""Returns the picture from the view, columns, rows and the theme's colours by name."""


class Chart(Drawn):
    """Shows one drawing, painted anew only when it, the part that is seen, the size or the theme changes."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view = View()
        self._subject: object = None
        self._total = 0
        self._usual: Callable[[int], int] = lambda _: 1
        self._chart_version: object = None
        self._draw_part: DrawPart | None = None

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
