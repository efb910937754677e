"""The screen of Run mode."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from firstwatch.tui.layout import Layout, Mode
from firstwatch.tui.panes.configuration import ConfigurationPane
from firstwatch.tui.panes.info import InfoPane
from firstwatch.tui.panes.journal import JournalPane
from firstwatch.tui.panes.metrics import WATCH, MetricsPane
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.panes.run_box import RunBox
from firstwatch.tui.panes.wallets import WalletsPane
from firstwatch.tui.screens.mode import ModeScreen
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.status_lines import KeyHint

if TYPE_CHECKING:
    from firstwatch.tui.widgets.chart import Chart


class RunScreen(ModeScreen):
    """Run mode. The list of runs is the master: the other panes show the run under its cursor."""

    MODE = Mode.RUN
    HOME = PaneId.INFO

    def __init__(self, hints: Callable[[Pane], Sequence[KeyHint]]) -> None:
        """``hints`` returns the keys that do something now while that pane is in front."""
        self._notice = Static(
            "Too small to start runs: 60x16 needed",
            id="notice",
            markup=False,
        )
        self._columns: tuple[tuple[Vertical, tuple[Pane, ...]], ...] = (
            (
                Vertical(id="left-column", classes="column"),
                (InfoPane(), WalletsPane(), ConfigurationPane()),
            ),
            (Vertical(id="right-column", classes="column"), (MetricsPane(),)),
        )
        self._grid = Horizontal(id="grid")
        self._box = RunBox()
        self.journal = JournalPane()
        super().__init__(hints, [*(pane for _, panes in self._columns for pane in panes), self.journal])

    def body(self) -> Iterator[Widget]:
        yield self._notice
        with self._grid:
            for column, panes in self._columns:
                with column:
                    yield from panes
        yield self._box
        yield self.journal

    def open_run(self) -> None:
        """Open the run under the cursor: its metrics or, if all panes are shown, its journal."""
        if self.layout_now.is_split:
            self.query_one(InfoPane).go_to("Details")
        else:
            self.show_pane(PaneId.METRICS)

    @property
    def can_maximise(self) -> bool:
        return super().can_maximise or (self.layout_now is Layout.LIST and self.front is PaneId.INFO)

    def show_watch(self) -> None:
        """Show the watch of the chosen run."""
        self.query_one(MetricsPane).go_to(WATCH)
        self.is_maximised = False
        self.show_pane(PaneId.METRICS)

    def next_window(self) -> None:
        """Show the watch, or its next window if it is shown already."""
        self.query_one(MetricsPane).next_window()
        self.show_pane(PaneId.METRICS)

    def show_history(self) -> None:
        """Go to the runs that have ended; from there back to the active ones."""
        info = self.query_one(InfoPane)
        is_there = self.front is PaneId.INFO and info.tab == "History"
        info.go_to("Active" if is_there else "History")
        self.show_pane(PaneId.INFO)

    @property
    def chart(self) -> "Chart | None":
        metrics = self.query_one(MetricsPane)
        return metrics.chart if metrics.is_mounted and metrics.display else None

    def _arrange(self) -> None:
        layout = self.layout_now
        is_split = layout.is_split and not self.is_maximised
        self.set_class(layout is Layout.TINY, "-tiny")
        self.set_class(self.is_maximised, "-maximised")
        for column, panes in self._columns:
            in_front = next((pane for pane in panes if pane.ID is self.front), None)
            # A column of one pane keeps its first one while the operator is elsewhere.
            alone = in_front or (panes[0] if is_split else None)
            has_all = is_split and layout is Layout.SPLIT
            for pane in panes:
                pane.display = has_all or pane is alone
                pane.set_place(is_front=pane is in_front, is_alone=not has_all)
            column.display = any(pane.display for pane in panes)
        is_journal = self.front is PaneId.JOURNAL
        self.journal.display = is_split or is_journal
        self.journal.set_place(is_front=is_journal, is_alone=not is_split)
        self._grid.display = is_split or not is_journal
        self._box.display = layout is Layout.LIST and self.front is PaneId.INFO and not self.is_maximised
        self._notice.display = layout is Layout.TINY
        self._keys.most_rows = 2 if layout is Layout.TINY else 1
        app_of(self).is_at_wallets = self.front is PaneId.WALLETS
