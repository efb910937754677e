"""The screen of Build mode."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from firstwatch.tui.layout import Layout, Mode
from firstwatch.tui.messages import TextEdited
from firstwatch.tui.panes.algorithms import AlgorithmsPane
from firstwatch.tui.panes.editor import EditorPane
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.panes.preview import PreviewPane
from firstwatch.tui.screens.mode import ModeScreen
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.status_lines import KeyHint

if TYPE_CHECKING:
    from firstwatch.tui.widgets.chart import Chart


class BuildScreen(ModeScreen):
    """Build mode: the algorithms and the editor at the left, the chart of the text at the right."""

    MODE = Mode.BUILD
    HOME = PaneId.EDITOR
    STATES = ("snapshot", "build")
    CSS_PATH: ClassVar = ["build.tcss"]

    def __init__(self, hints: Callable[[Pane], Sequence[KeyHint]]) -> None:
        """``hints`` returns the keys that do something now while that pane is in front."""
        self.algorithms, self.editor, self.preview = AlgorithmsPane(), EditorPane(), PreviewPane()
        self._left = Vertical(id="build-left", classes="column")
        self._right = Vertical(id="build-right", classes="column")
        super().__init__(hints, (self.algorithms, self.editor, self.preview))

    def body(self) -> Iterator[Widget]:
        with Horizontal(id="build-grid"):
            with self._left:
                yield self.algorithms
                yield self.editor
            with self._right:
                yield self.preview

    @property
    def chart(self) -> "Chart | None":
        return self.preview.chart if self.preview.is_mounted and self.preview.display else None

    def typed(self) -> TextEdited | None:
        return self.editor.typed() if self.editor.is_mounted else None

    def stop_writing(self) -> None:
        self.editor.editor.leave()

    def write(self) -> None:
        """Begin to write in the text."""
        self.show_pane(PaneId.EDITOR)
        self.editor.write()

    def _arrange(self) -> None:
        layout = self.layout_now
        is_split = layout.is_split and not self.is_maximised
        self.set_class(layout is Layout.TINY, "-tiny")
        self.set_class(self.is_maximised, "-maximised")
        has_all = is_split and layout is Layout.SPLIT
        self.preview.display = is_split or self.front is PaneId.PREVIEW
        self.algorithms.display = has_all or self.front is PaneId.ALGORITHMS
        self.editor.display = (
            has_all or self.front is PaneId.EDITOR or (is_split and self.front is PaneId.PREVIEW)
        )
        self._left.display = self.algorithms.display or self.editor.display
        self._right.display = self.preview.display
        for pane in self._panes.values():
            pane.set_place(is_front=pane.ID is self.front, is_alone=not has_all)
        self._keys.most_rows = 2 if layout is Layout.TINY else 1
        app_of(self).is_at_wallets = False
