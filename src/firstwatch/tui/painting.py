"""Smaller updates of the terminal: only widgets and columns that have changed, and no style twice."""

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.widget import Widget


class NarrowCompositor(Compositor):
    """Renders the widgets that a changed region touches.

    Textual's own renders all that lie in the smallest rectangle around the changed regions: with one at the
    top and one at the bottom, as head and status line are, every widget (measured on 8.2.8).
    """

    def __init__(self) -> None:
        super().__init__()
        self._touched: tuple[Region, ...] = ()
        """The changed regions, until it is known which widgets to render for them."""

    @property
    def visible_widgets(self) -> dict[Widget, tuple[Region, Region]]:
        """The visible widgets with their regions and what clips them; at first those in changed regions."""
        visible = super().visible_widgets
        touched, self._touched = self._touched, ()
        if not touched:
            return visible
        return {
            widget: places
            for widget, places in visible.items()
            if any(changed.overlaps(places[0]) for changed in touched)
        }

    def render_partial_update(self) -> ChopsUpdate | None:
        """Render what has changed; None: nothing has."""
        # First what is made of all widgets: after it the widgets to render are asked for.
        if self.cuts:
            self._touched = tuple(self._dirty_regions)
        return super().render_partial_update()


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
