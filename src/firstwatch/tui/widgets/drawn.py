"""A widget that draws one picture of characters into the room that it has."""

from collections.abc import Callable, Mapping

from rich.text import Text
from textual.widget import Widget

Draw = Callable[[int, int, Mapping[str, str]], Text]
"""Returns the picture from columns, rows and the theme's colours by name."""


class Drawn(Widget):
    """Shows the picture of a function, which is called again only for another version, size or theme."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draw: Draw | None = None
        self._version: object = None

    def show(self, version: object, draw: Draw) -> None:
        """Show the picture of ``draw``. Two pictures of equal version are the same."""
        if version != self._version or self._draw is None:
            self._version, self._draw = version, draw
            self.picture_changed()

    def picture_changed(self) -> None:
        """Paint the new picture."""
        self.refresh()

    def render(self) -> Text:
        if self._draw is None or not self.size.width or not self.size.height:
            return Text()
        return self._draw(self.size.width, self.size.height, self.app.theme_variables)
