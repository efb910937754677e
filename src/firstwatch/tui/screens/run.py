"""The screen of Run mode: head, four panes, keys, status."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from firstwatch.tui.panes.configuration import ConfigurationPane
from firstwatch.tui.panes.info import InfoPane
from firstwatch.tui.panes.journal import JournalPanel
from firstwatch.tui.panes.metrics import WATCH, MetricsPane
from firstwatch.tui.panes.pane import Pane, PaneId, TabbedPane
from firstwatch.tui.panes.wallets import WalletsPane
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.status_lines import HeadLine, KeyHint, KeyLine, StatusLine


class Layout(StrEnum):
    """How much of the screen fits."""

    TINY = "tiny"
    """Below 60×16: trading keys are inert."""
    SMALL = "small"
    """Below 80×24: one pane and a notice."""
    ONE = "one"
    """One pane at a time."""
    FOUR = "four"
    """Two by two."""
    WIDE = "wide"
    """Two by two, and the journal below."""


def layout_for(width: int, height: int) -> Layout:
    """Return the layout for a terminal of that many columns and rows."""
    if width < 60 or height < 16:
        return Layout.TINY
    if width < 80 or height < 24:
        return Layout.SMALL
    if width >= 200 and height >= 60:
        return Layout.WIDE
    return Layout.FOUR if width >= 120 and height >= 40 else Layout.ONE


class RunScreen(Screen[None]):
    """Run mode. It knows which pane is in front; everything else is the app's."""

    AUTO_FOCUS = None

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "restore", "All panes", show=False, id="view.restore")
    ]

    def __init__(self, hints: Callable[[Pane], Sequence[KeyHint]]) -> None:
        """``hints`` returns the keys that do something now while that pane is in front."""
        super().__init__()
        self.front = PaneId.INFO
        self.is_maximised = False
        """The pane in front has the whole screen."""
        self.size_class = Layout.ONE
        self._notice = Static("", id="notice", markup=False)
        self._columns: tuple[tuple[Vertical, tuple[Pane, ...]], ...] = (
            (Vertical(classes="column"), (WalletsPane(), InfoPane())),
            (Vertical(classes="column"), (ConfigurationPane(), MetricsPane())),
        )
        self._panes = {pane.ID: pane for _, panes in self._columns for pane in panes}
        self._hints = hints

    def compose(self) -> ComposeResult:
        self.size_class = layout_for(*self.app.size)
        # Arranged before anything is mounted: a later change would be styled again.
        self._arrange()
        yield HeadLine()
        yield self._notice
        with Horizontal(id="grid"):
            for column, panes in self._columns:
                with column:
                    yield from panes
        yield JournalPanel()
        yield KeyLine(lambda: self._hints(self.pane(self.front)))
        yield StatusLine()

    def on_mount(self) -> None:
        for name in ("snapshot", "selected_run", "draft"):
            self.watch(app_of(self), name, self._renew_keys, init=False)
        self.watch(app_of(self), "beat", self._renew_head, init=False)
        self.call_after_refresh(self.show_pane, self.front)

    def _renew_keys(self) -> None:
        self.query_one(KeyLine).renew()

    def _renew_head(self) -> None:
        self.query_one(HeadLine).refresh()

    def on_resize(self, event: events.Resize) -> None:
        self.size_class = layout_for(event.size.width, event.size.height)
        self._arrange()

    def on_screen_resume(self) -> None:
        for pane in self._panes.values():
            pane.renew()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        pane = next((node for node in event.widget.ancestors if isinstance(node, Pane)), None)
        if pane is not None and self.front is not pane.ID:
            self.front = pane.ID
            self._arrange()
        self.query_one(StatusLine).refresh()
        self.query_one(KeyLine).refresh()

    def show_pane(self, pane_id: PaneId) -> None:
        """Bring a pane to the front and give it the focus."""
        self.front = pane_id
        self._arrange()
        self.pane(pane_id).focus_pane()
        self._renew_keys()

    def press_pane(self, pane_id: PaneId) -> None:
        """Go to a pane; the one that is there already takes the whole screen, or gives it back."""
        is_there = self.front is pane_id and self.pane(pane_id).has_focus_within
        self.is_maximised = is_there and self.can_maximise and not self.is_maximised
        self.show_pane(pane_id)

    @property
    def can_maximise(self) -> bool:
        """There is more than one pane on the screen."""
        return self.size_class in (Layout.FOUR, Layout.WIDE)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        return action != "restore" or self.is_maximised

    def action_restore(self) -> None:
        self.is_maximised = False
        self._arrange()
        self._renew_keys()

    def show_watch(self) -> None:
        """Show the watch of the chosen run."""
        self.query_one(MetricsPane).go_to(WATCH)
        self.show_pane(PaneId.METRICS)

    def next_window(self) -> None:
        """Show the watch, or its next window if it is shown already."""
        self.query_one(MetricsPane).next_window()
        self.show_pane(PaneId.METRICS)

    def pane(self, pane_id: PaneId) -> Pane:
        """Return the pane of that id."""
        return self._panes[pane_id]

    def step_tab(self, by: int) -> None:
        """Go ``by`` tabs on in the pane in front; without tabs there, in Info."""
        pane = self.pane(self.front)
        (pane if isinstance(pane, TabbedPane) else self.query_one(InfoPane)).step_tab(by)

    def _arrange(self) -> None:
        for size in Layout:
            self.set_class(size is self.size_class, f"-{size.value}")
        is_four = self.can_maximise and not self.is_maximised
        self.set_class(self.is_maximised, "-maximised")
        for column, panes in self._columns:
            for pane in panes:
                pane.display = is_four or self.front is pane.ID
                pane.set_class(self.front is pane.ID, "-front")
            column.display = any(pane.display for pane in panes)
        self._notice.display = self.size_class in (Layout.TINY, Layout.SMALL)
        self._notice.update(
            "Below 60x16 trading keys do nothing: make the terminal larger."
            if self.size_class is Layout.TINY
            else "Small terminal: one pane; 80x24 shows everything."
        )
