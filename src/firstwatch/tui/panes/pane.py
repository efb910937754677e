"""How a widget reaches the app's state, typed."""

from typing import TYPE_CHECKING, cast

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from firstwatch.manager.views import ManagerSnapshot
from firstwatch.trading.text import clean

if TYPE_CHECKING:
    from firstwatch.tui.app import FirstwatchApp


def desk_of(widget: Widget) -> "FirstwatchApp":
    """Return the app that the widget stands in."""
    return cast("FirstwatchApp", widget.app)


class Pane(Vertical):
    """One of the four panes. It holds no state but cursor and tab; everything else comes from the app."""

    TITLE = ""
    NUMBER = 0

    def __init__(self) -> None:
        super().__init__(id=f"pane-{self.NUMBER}", classes="pane")
        self._subtitle = ""
        self.border_title = f"{self.NUMBER} {self.TITLE}"

    def on_mount(self) -> None:
        desk = desk_of(self)
        for name in ("snapshot", "selected_run", "selected_wallet", "draft"):
            self.watch(desk, name, lambda _value: self._look(), init=False)
        self.app.call_later(self._look)

    def show(self, snapshot: ManagerSnapshot) -> None:
        """Show the snapshot and the app's selection; a pane of fixed text has nothing to do."""

    def focus_pane(self) -> None:
        """Put the focus where a key makes sense."""
        for widget in self.query("*"):
            if widget.focusable and widget.display:
                widget.focus()
                return

    def set_subtitle(self, subtitle: str) -> None:
        """Write into the lower border; setting it repaints the whole pane, so only when it changed."""
        if self._subtitle != subtitle:
            self._subtitle = subtitle
            self.border_subtitle = Content(clean(subtitle))

    def step_tab(self, by: int) -> None:
        """Go ``by`` tabs on, in a pane that has tabs."""

    def _look(self) -> None:
        # A screen below a dialog still repaints: what is covered waits until it is seen again.
        if self.is_mounted and not desk_of(self).is_covered:
            self.show(desk_of(self).snapshot)

    def look_again(self) -> None:
        """Show what changed while the pane was covered."""
        self._look()
