"""A paragraph that is laid out again only when its text changes."""

from textual.widgets import Static

from firstwatch.trading.text import clean_lines


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
            self.update(clean_lines(content))

    def show_if(self, is_shown: bool) -> None:
        """Show or hide the paragraph; hidden, it takes no room."""
        if self.display is not is_shown:
            self.display = is_shown
