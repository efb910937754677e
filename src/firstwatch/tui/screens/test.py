"""The screen of Test mode."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from firstwatch.tui.layout import Layout, Mode
from firstwatch.tui.panes.draft import DraftPane
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.panes.result import ResultPane
from firstwatch.tui.panes.tests import TestsPane
from firstwatch.tui.screens.mode import ModeScreen
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.status_lines import KeyHint

if TYPE_CHECKING:
    from firstwatch.tui.widgets.chart import Chart


class TestScreen(ModeScreen):
    """Test mode: the draft and the list of tests at the left, the result of the chosen test at the right."""

    __test__ = False

    MODE = Mode.TEST
    HOME = PaneId.DRAFT
    STATES = ("snapshot", "bench")
    CSS_PATH: ClassVar = ["test.tcss"]

    def __init__(self, hints: Callable[[Pane], Sequence[KeyHint]]) -> None:
        """``hints`` returns the keys that do something now while that pane is in front."""
        self.draft, self.tests, self.result = DraftPane(), TestsPane(), ResultPane()
        self._left = Vertical(id="test-left", classes="column")
        self._right = Vertical(id="test-right", classes="column")
        super().__init__(hints, (self.draft, self.tests, self.result))

    def body(self) -> Iterator[Widget]:
        with Horizontal(id="test-grid"):
            with self._left:
                yield self.draft
                yield self.tests
            with self._right:
                yield self.result

    @property
    def chart(self) -> "Chart | None":
        return self.result.chart if self.result.is_mounted and self.result.display else None

    def point_at(self, key: str, beside: str) -> None:
        self.tests.point_at(key, beside)

    def _arrange(self) -> None:
        layout = self.layout_now
        is_split = layout.is_split and not self.is_maximised
        self.set_class(layout is Layout.TINY, "-tiny")
        self.set_class(self.is_maximised, "-maximised")
        has_both = is_split and layout is Layout.SPLIT
        self.result.display = is_split or self.front is PaneId.RESULT
        self.draft.display = (
            has_both or self.front is PaneId.DRAFT or (is_split and self.front is PaneId.RESULT)
        )
        self.tests.display = has_both or self.front is PaneId.TESTS
        self._left.display = self.draft.display or self.tests.display
        self._right.display = self.result.display
        for pane in self._panes.values():
            pane.set_class(pane.ID is self.front, "-front")
            pane.set_class(not has_both, "-alone")
        self._keys.most_rows = 2 if layout is Layout.TINY else 1
        app_of(self).is_at_wallets = False
