"""The screen of Run mode: head, panes, keys, status."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Static

from firstwatch.tui.layout import HEIGHTS, WIDTHS, Layout, layout_for
from firstwatch.tui.panes.configuration import ConfigurationPane
from firstwatch.tui.panes.info import InfoPane
from firstwatch.tui.panes.journal import JournalPane
from firstwatch.tui.panes.metrics import WATCH, MetricsPane
from firstwatch.tui.panes.pane import Pane, PaneId, TabbedPane
from firstwatch.tui.panes.run_box import RunBox
from firstwatch.tui.panes.wallets import WalletsPane
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.status_lines import HeadLine, KeyHint, KeyLine, StatusLine

if TYPE_CHECKING:
    from firstwatch.tui.widgets.chart import Chart


class RunScreen(Screen[None]):
    """Run mode. It holds which pane is in front; the app holds everything else.

    The list of runs is the master: the other panes show the run under its cursor.
    """

    AUTO_FOCUS = None

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "restore", "Back", show=False, id="view.restore")
    ]

    def __init__(self, hints: Callable[[Pane], Sequence[KeyHint]]) -> None:
        """``hints`` returns the keys that do something now while that pane is in front."""
        super().__init__()
        self.front = PaneId.INFO
        self.is_maximised = False
        """The pane in front has the whole screen."""
        self.layout_now = Layout.LIST
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
        panes = [pane for _, panes in self._columns for pane in panes]
        self._panes = {pane.ID: pane for pane in (*panes, self.journal)}
        self._keys = KeyLine(lambda: hints(self.pane(self.front)))
        self._fitted = Size(0, 0)
        """The terminal's size when the panes were arranged."""

    def compose(self) -> ComposeResult:
        # Arranged before anything is mounted: a later change would be styled again.
        self._fit(self.app.size)
        yield HeadLine()
        yield self._notice
        with self._grid:
            for column, panes in self._columns:
                with column:
                    yield from panes
        yield self._box
        yield self.journal
        yield self._keys
        yield StatusLine()

    def on_mount(self) -> None:
        for name in ("snapshot", "selected_run", "draft"):
            self.watch(app_of(self), name, self._renew_keys, init=False)
        self.call_after_refresh(self.show_pane, self.front)

    def _renew_keys(self) -> None:
        self._keys.renew()

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size)

    def on_screen_resume(self) -> None:
        # Below a dialog a screen is not notified of another size of the terminal.
        size = self.app.size
        if size != self._fitted:
            self.post_message(events.Resize(size, size))
        for pane in self._panes.values():
            pane.renew()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        pane = next((node for node in event.widget.ancestors if isinstance(node, Pane)), None)
        if pane is not None and self.front is not pane.ID:
            self.front = pane.ID
            self._arrange()
        self.query_one(StatusLine).renew()
        self._keys.renew()

    def show_pane(self, pane_id: PaneId) -> None:
        """Bring a pane to the front and give it the focus."""
        self.front = pane_id
        self._arrange()
        self.pane(pane_id).focus_pane()
        self._renew_keys()

    def press_pane(self, pane_id: PaneId) -> None:
        """Go to a pane; a pane that is in front already is maximised, or restored."""
        is_there = self.front is pane_id and self.pane(pane_id).has_focus_within
        self.is_maximised = is_there and self.can_maximise and not self.is_maximised
        self.show_pane(pane_id)

    def maximise_pane(self, pane_id: PaneId) -> None:
        """Go to a pane and maximise it."""
        self.is_maximised = True
        self.show_pane(pane_id)

    def open_run(self) -> None:
        """Open the run under the cursor: its metrics or, if all panes are shown, its journal."""
        if self.layout_now.is_split:
            self.query_one(InfoPane).go_to("Details")
        else:
            self.show_pane(PaneId.METRICS)

    @property
    def can_maximise(self) -> bool:
        """The screen shows other panes than the one in front."""
        return self.layout_now.is_split or (self.layout_now is Layout.LIST and self.front is PaneId.INFO)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        is_away = not self.layout_now.is_split and self.front is not PaneId.INFO
        return action != "restore" or self.is_maximised or is_away

    def action_restore(self) -> None:
        """Restore a maximised pane; where only one pane fits, go back to the list of runs."""
        was_maximised, self.is_maximised = self.is_maximised, False
        if not was_maximised or not self.layout_now.is_split:
            self.front = PaneId.INFO
        self.show_pane(self.front)

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
        """The chart that is shown; None: there is none."""
        metrics = self.query_one(MetricsPane)
        return metrics.chart if metrics.is_mounted and metrics.display else None

    def pane(self, pane_id: PaneId) -> Pane:
        """Return the pane of that id."""
        return self._panes[pane_id]

    def step_tab(self, by: int) -> None:
        """Go ``by`` tabs on in the pane in front; without tabs there, in Info."""
        pane = self.pane(self.front)
        (pane if isinstance(pane, TabbedPane) else self.query_one(InfoPane)).step_tab(by)

    # --- the arrangement -------------------------------------------------------------------------

    def _fit(self, size: Size) -> None:
        self._fitted = size
        self.layout_now = layout_for(size.width, size.height)
        self._arrange()

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
