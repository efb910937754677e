"""The modes, and how much of the screen fits into a terminal."""

from enum import StrEnum

WIDTHS = [(0, "-tight"), (60, "-narrow"), (120, "-broad")]
HEIGHTS = [(0, "-short"), (16, "-low"), (24, "-middle"), (36, "-high"), (56, "-tall")]
"""Classes for the style sheet, each with the columns or rows from which on the screen has it."""


def size_classes(width: int, height: int) -> dict[str, bool]:
    """Return the classes of sizes, and which of them a screen of that size has."""
    found: dict[str, bool] = {}
    for size, classes in ((width, WIDTHS), (height, HEIGHTS)):
        own = max(least for least, _ in classes if least <= size)
        found |= {name: least == own for least, name in classes}
    return found


class Mode(StrEnum):
    """The modes, in the order of the header."""

    BUILD = "build"
    TEST = "test"
    RUN = "run"

    @property
    def label(self) -> str:
        """The name in the header."""
        return self.value.capitalize()


class Layout(StrEnum):
    """Which panes are shown at once. The style sheet decides how large they are."""

    TINY = "tiny"
    """Below 60×16: the pane in front. Nothing can be started; runs are still paused, stopped and closed."""
    LIST = "list"
    """The list of runs with the essentials of the run under its cursor, or the pane in front."""
    LEFT = "left"
    """The left column has one pane: the list of runs, unless another of its panes is in front."""
    SPLIT = "split"
    """All panes: list, wallets and configuration left, metrics right, what happened below."""

    @property
    def is_split(self) -> bool:
        """Several panes are on the screen."""
        return self in (Layout.LEFT, Layout.SPLIT)


def layout_for(width: int, height: int) -> Layout:
    """Return the layout for a terminal of that many columns and rows."""
    if width < WIDTHS[1][0] or height < HEIGHTS[1][0]:
        return Layout.TINY
    if width < WIDTHS[2][0]:
        return Layout.LIST
    return Layout.SPLIT if height >= HEIGHTS[3][0] else Layout.LEFT
