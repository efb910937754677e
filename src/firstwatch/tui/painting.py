"""Smaller updates of the terminal: only the columns that have changed, and no style twice."""

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate


class NarrowUpdate(ChopsUpdate):
    """An update of the changed columns only.

    Textual's own update begins at the left edge of the widget that has changed, and sends the style of each
    segment anew (measured on 8.2.8).
    """

    @classmethod
    def of(cls, update: ChopsUpdate) -> "NarrowUpdate":
        """Return the update as a narrow one."""
        return cls(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """Return the text with the escape sequences for the terminal."""
        parts = []
        for row, first, end in self.spans:
            for chop_end, (left, strip) in zip(self.chop_ends[row], self.chops[row].items(), strict=False):
                begin, stop = max(first, left), min(end, chop_end)
                if strip is not None and begin < stop:
                    parts.append(Control.move_to(begin, row).segment.text)
                    parts.append(strip.crop(begin - left, stop - left).simplify().render(console))
        return "".join(parts)
