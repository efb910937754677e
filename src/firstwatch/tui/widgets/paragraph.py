"""A paragraph that is laid out again only when its text may need other room."""

from typing import TYPE_CHECKING, cast

from textual.widgets import Static

from firstwatch.trading.text import clean_lines

if TYPE_CHECKING:
    from textual.css.styles import RulesMap


class Paragraph(Static):
    """Plain text, cleaned and without markup."""

    def __init__(self, content: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(clean_lines(content), id=id, classes=classes, markup=False)
        self._text = content

    @property
    def text(self) -> str:
        """The text that is shown."""
        return self._text

    def set_text(self, content: str) -> None:
        """Show this text."""
        if content != self._text:
            self._text = content
            self.update(clean_lines(content), layout=False)
            self.clear_cached_dimensions()
            if not self._fits():
                self.refresh(layout=True)

    def show_if(self, is_shown: bool) -> None:
        """Show or hide the paragraph; hidden, it takes no room."""
        if self.display is not is_shown:
            self.display = is_shown

    def _fits(self) -> bool:
        """Return whether the room of the paragraph need not change for its text."""
        (width, height), styles = self.content_size, self.styles
        if not width or (styles.width is not None and styles.width.is_auto):
            return False
        if styles.height is not None and not styles.height.is_auto:
            return True
        return self.visual.get_height(cast("RulesMap", self.styles), width) == height
