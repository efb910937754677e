"""The base of the panes: an id, a title, and a repaint at each snapshot."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from firstwatch.manager.views import ManagerSnapshot, RunView
from firstwatch.trading.text import clean
from firstwatch.tui import run_text
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.lazy_pages import LazyPages
from firstwatch.tui.widgets.status_lines import KeyHint
from firstwatch.tui.widgets.tab_strip import TabStrip


class PaneId(Enum):
    """The panes. The value is the number in the pane's title and the default key that goes to it."""

    WALLETS = 1
    CONFIGURATION = 2
    INFO = 3
    METRICS = 4


class Pane(Vertical):
    """One of the four panes. It holds no state but cursor and tab; everything else comes from the app."""

    ID: ClassVar[PaneId]
    TITLE: ClassVar[str]
    ACTIONS: ClassVar[tuple[str, ...]]
    """Ids of the actions that the key line names while the pane is in front, the most useful first."""
    HINTS: ClassVar[tuple[KeyHint, ...]] = ()
    """Keys of the pane itself that the key line names before the actions."""

    def __init__(self) -> None:
        super().__init__(id=f"{self.ID.name.lower()}-pane", classes="pane")
        self._subtitle = ""
        self._note = ""
        self.border_title = f"{self.ID.value} {self.TITLE}"

    def on_mount(self) -> None:
        for name in ("snapshot", "selected_run", "selected_wallet", "draft"):
            self.watch(app_of(self), name, self._on_state, init=False)
        self.app.call_later(self.renew)

    def _on_state(self, _value: object) -> None:
        self.renew()

    def renew(self) -> None:
        """Show the newest state. A pane below a dialog would still repaint: it waits until it is seen."""
        app = app_of(self)
        if self.is_mounted and not app.is_covered:
            self.show(app.snapshot)

    def show(self, snapshot: ManagerSnapshot) -> None:
        """Show the snapshot and the app's selection; a pane of fixed text has nothing to do."""

    def focus_pane(self) -> None:
        """Put the focus where a key makes sense."""
        for widget in self.query("*"):
            if widget.focusable and widget.display:
                widget.focus()
                return

    def hints(self) -> tuple[KeyHint, ...]:
        """Return the keys of the pane itself that do something now."""
        return self.HINTS

    def set_note(self, note: str) -> None:
        """Write behind the title; as ``set_subtitle``, only when it changed."""
        if self._note != note:
            self._note = note
            title = f"{self.ID.value} {self.TITLE}"
            self.border_title = Content(clean(f"{title} · {note}" if note else title))

    def set_subtitle(self, subtitle: str) -> None:
        """Write into the lower border; setting it repaints the whole pane, so only when it changed."""
        if self._subtitle != subtitle:
            self._subtitle = subtitle
            self.border_subtitle = Content(clean(subtitle))


class TabbedPane(Pane):
    """A pane about the chosen run, with tabs. A tab's page is made when it is first shown."""

    PAGES: ClassVar[Mapping[str, Callable[[], Widget]]]
    """A function for each tab that makes its page; the page has ``page_id`` of the tab's name as its id."""

    def compose(self) -> ComposeResult:
        yield TabStrip(tuple(self.PAGES))
        yield LazyPages(self.PAGES)

    @property
    def tab(self) -> str:
        """The tab that is shown."""
        return self.query_one(LazyPages).shown

    def go_to(self, tab: str) -> None:
        """Show that tab."""
        self.query_one(TabStrip).choose(tab)

    def step_tab(self, by: int) -> None:
        """Go ``by`` tabs on, around the end."""
        self.query_one(TabStrip).step(by)

    @on(TabStrip.Chosen)
    async def _switch(self, event: TabStrip.Chosen) -> None:
        had_focus = self.has_focus_within
        await self.query_one(LazyPages).show_page(event.tab)
        self.tab_shown(had_focus=had_focus)

    @abstractmethod
    def tab_shown(self, *, had_focus: bool) -> None:
        """Fill the tab that has just been shown; ``had_focus``: the focus was in the tab before."""

    def set_heading(self, run: RunView | None) -> None:
        """Name the chosen run in the lower border."""
        self.set_subtitle("" if run is None else run_text.heading(run))
