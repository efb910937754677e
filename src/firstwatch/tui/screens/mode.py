"""The base of the screens of modes: head, panes of which one is in front, keys, status."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget

from firstwatch.tui.layout import HEIGHTS, WIDTHS, Layout, Mode, layout_for, size_classes
from firstwatch.tui.painting import NarrowCompositor
from firstwatch.tui.panes.pane import Pane, PaneId, TabbedPane
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.status_lines import HeadLine, KeyHint, KeyLine, StatusLine

if TYPE_CHECKING:
    from firstwatch.tui.messages import TextEdited
    from firstwatch.tui.widgets.chart import Chart


class ModeScreen(Screen[None]):
    """The screen of one mode. It holds which pane is in front; the app holds everything else."""

    MODE: ClassVar[Mode]
    HOME: ClassVar[PaneId]
    """The pane that is in front at first, and to which Escape leads where only one pane fits."""
    STATES: ClassVar[tuple[str, ...]] = ("snapshot", "selected_run", "draft")
    """State of the app on which it depends what keys do."""

    AUTO_FOCUS = None

    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "restore", "Back", show=False, id="view.restore")
    ]

    def __init__(self, hints: Callable[[Pane], Sequence[KeyHint]], panes: Sequence[Pane]) -> None:
        """``hints`` returns the keys that do something now while that pane is in front."""
        super().__init__()
        self._compositor = NarrowCompositor()
        self.front = self.HOME
        self.is_maximised = False
        """The pane in front has the whole screen."""
        self.layout_now = Layout.LIST
        self._panes = {pane.ID: pane for pane in panes}
        self._keys = KeyLine(lambda: hints(self.pane(self.front)))
        self._was_seen = False
        self._fitted = Size(0, 0)
        """The terminal's size when the panes were arranged."""

    def compose(self) -> ComposeResult:
        # Arranged before anything is mounted: a later change would be styled again. The classes of the size
        # are those that Textual sets when it comes.
        self._fit(self.app.size)
        self.update_classes(size_classes(*self.app.size), update=False)
        yield HeadLine()
        yield from self.body()
        yield self._keys
        yield StatusLine()

    @abstractmethod
    def body(self) -> Iterator[Widget]:
        """Yield what stands between the head and the keys."""

    def on_mount(self) -> None:
        for name in self.STATES:
            self.watch(app_of(self), name, self._renew_keys, init=False)
        self.call_after_refresh(self.show_pane, self.front)

    def _renew_keys(self) -> None:
        self._keys.renew()

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        # Its widgets were styled when they were mounted, a moment ago.
        event.refresh_styles = self._was_seen
        self._was_seen = True
        # Below a dialog, or in another mode, a screen is not notified of another size of the terminal.
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

    @property
    def can_maximise(self) -> bool:
        """The screen shows something else beside the pane in front."""
        return self.layout_now.is_split

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        is_away = not self.layout_now.is_split and self.front is not self.HOME
        return action != "restore" or self.is_maximised or is_away

    def action_restore(self) -> None:
        """Restore a maximised pane; where only one pane fits, go back to the first one."""
        was_maximised, self.is_maximised = self.is_maximised, False
        if not was_maximised or not self.layout_now.is_split:
            self.front = self.HOME
        self.show_pane(self.front)

    @property
    def chart(self) -> "Chart | None":
        """The chart that is shown; None: there is none."""
        return None

    def pane(self, pane_id: PaneId) -> Pane:
        """Return the pane of that id."""
        return self._panes[pane_id]

    def point_at(self, key: str, beside: str) -> None:
        """Put the cursor of the master list on a row, and mark another one (empty: none)."""

    def typed(self) -> "TextEdited | None":
        """Return what was typed and is not known yet; None: nothing."""
        return None

    def stop_writing(self) -> None:
        """Let keys act again, where they are written into a text."""

    def step_tab(self, by: int) -> None:
        """Go ``by`` tabs on in the pane in front; without tabs there, in the first pane."""
        pane = self.pane(self.front)
        tabbed = pane if isinstance(pane, TabbedPane) else self.pane(self.HOME)
        if isinstance(tabbed, TabbedPane):
            tabbed.step_tab(by)

    # --- the arrangement -------------------------------------------------------------------------

    def _fit(self, size: Size) -> None:
        self._fitted = size
        self.layout_now = layout_for(size.width, size.height)
        self._arrange()

    @abstractmethod
    def _arrange(self) -> None:
        """Show the panes that have room, and mark the one in front."""
