"""A paragraph that is only laid out again when it says something else."""

from textual.widgets import Static

from firstwatch.trading.text import clean_lines


class Sentence(Static):
    """Plain text, cleaned and without markup."""

    def __init__(self, content: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(clean_lines(content), id=id, classes=classes, markup=False)
        self._said = content

    def say(self, content: str) -> None:
        """Show this text."""
        if content != self._said:
            self._said = content
            self.update(clean_lines(content))

    def show_if(self, is_shown: bool) -> None:
        """Take room, or none."""
        if self.display is not is_shown:
            self.display = is_shown
