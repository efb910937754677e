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
            rows, self._text = self._rows(), content
            self.update(clean_lines(content), layout=rows is None or rows != self._rows())

    def show_if(self, is_shown: bool) -> None:
        """Show or hide the paragraph; hidden, it takes no room."""
        if self.display is not is_shown:
            self.display = is_shown

    def _rows(self) -> int | None:
        """Return the rows that the text takes; None: not known yet, or the width follows the text."""
        width = self.content_size.width
        has_own_width = self.styles.width is not None and self.styles.width.is_auto
        if has_own_width or not width:
            return None
        return self.visual.get_height(cast("RulesMap", self.styles), width)
