"""The list of completions at the cursor of an editor."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual import events
from textual.geometry import Offset, Size
from textual.message import Message
from textual.widget import Widget

from firstwatch.manager.build_views import TextChoice
from firstwatch.trading.text import clean

_MOST_ROWS = 8
_MOST_COLUMNS = 56
_GAP = 2


class ChoiceList(Widget):
    """Choices over the text, one of them highlighted. It never has the focus: the editor's keys move it."""

    DEFAULT_CSS = """
    ChoiceList { position: absolute; layer: choices; display: none; background: $panel; }
    """

    class Pressed(Message):
        """A choice was clicked; it is highlighted."""

    def __init__(self) -> None:
        super().__init__()
        self._choices: tuple[TextChoice, ...] = ()
        self._place = 0

    @property
    def is_open(self) -> bool:
        """The list is shown."""
        return bool(self._choices)

    @property
    def chosen(self) -> TextChoice | None:
        """The highlighted choice."""
        return self._choices[self._place] if self._choices else None

    def open(self, choices: Sequence[TextChoice], at: Offset, room: Size) -> None:
        """Show these below a cursor, or above it where there is no room; ``room``: that of the parent."""
        before = self.chosen
        self._choices = tuple(choices)
        labels = [each.label for each in self._choices]
        keeps = before is not None and before.label in labels
        self._place = labels.index(before.label) if keeps and before is not None else 0
        height = min(len(self._choices), _MOST_ROWS)
        width = min(self._width(), room.width)
        below = at.y + 1
        top = below if below + height <= room.height else max(0, at.y - height)
        self.styles.offset = (max(0, min(at.x, room.width - width)), top)
        self.styles.width, self.styles.height = width, height
        self.display = True
        self.refresh()

    def close(self) -> None:
        """Hide the list."""
        if self._choices:
            self._choices, self._place = (), 0
            self.display = False

    def step(self, by: int) -> None:
        """Move the highlight, around the end."""
        if self._choices:
            self._place = (self._place + by) % len(self._choices)
            self.refresh()

    def _width(self) -> int:
        widths = (
            cell_len(each.label) + bool(each.detail) * (cell_len(each.detail) + _GAP)
            for each in self._choices
        )
        return min(max(widths, default=0) + 2, _MOST_COLUMNS)

    @property
    def _first(self) -> int:
        """The first choice that is in sight."""
        return max(0, min(self._place - _MOST_ROWS // 2, len(self._choices) - _MOST_ROWS))

    def render(self) -> Text:
        colours = self.app.theme_variables
        width = self.size.width
        label_width = max((cell_len(each.label) for each in self._choices), default=0)
        lines = []
        seen = enumerate(self._choices[self._first : self._first + self.size.height], self._first)
        for place, each in seen:
            is_chosen = place == self._place
            label = f" {set_cell_size(clean(each.label), min(label_width, width - 2))}"
            detail = set_cell_size(f"{' ' * _GAP}{clean(each.detail)}", max(0, width - cell_len(label)))
            line = Text(no_wrap=True)
            if is_chosen:
                line.append(label + detail, f"bold {colours['background']} on {colours['accent']}")
            else:
                line.append(label, colours["foreground"])
                line.append(detail, colours["text-muted"])
            lines.append(line)
        return Text("\n").join(lines)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        place = self._first + event.y
        if place < len(self._choices):
            self._place = place
            self.post_message(self.Pressed())
