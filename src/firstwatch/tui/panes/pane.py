"""The base of the panes: an id, a title, and a repaint at each snapshot."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView, RunView
from firstwatch.trading.text import clean
from firstwatch.tui.layout import Mode
from firstwatch.tui.money_text import money_word
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.lazy_pages import LazyPages
from firstwatch.tui.widgets.status_lines import KeyHint
from firstwatch.tui.widgets.tab_strip import TabStrip
from firstwatch.tui.widgets.table import KeyedTable


class PaneId(Enum):
    """The panes. The value is the mode, and the number of the pane: the default key that goes to it."""

    WALLETS = (Mode.RUN, 1)
    CONFIGURATION = (Mode.RUN, 2)
    INFO = (Mode.RUN, 3)
    METRICS = (Mode.RUN, 4)
    JOURNAL = (Mode.RUN, 5)
    DRAFT = (Mode.TEST, 1)
    TESTS = (Mode.TEST, 2)
    RESULT = (Mode.TEST, 3)
    ALGORITHMS = (Mode.BUILD, 1)
    EDITOR = (Mode.BUILD, 2)
    PREVIEW = (Mode.BUILD, 3)

    @property
    def mode(self) -> Mode:
        """The mode that has the pane."""
        return self.value[0]

    @property
    def action_id(self) -> str:
        """The action that goes to the pane."""
        return f"view.{self.name.lower()}"


_BESIDE_TITLE = 4
"""Columns of the upper border, without its corners, beside a title: a line and a space at each end."""


def _joined(parts: Sequence[str]) -> str:
    return " · ".join(parts)


class Pane(Vertical):
    """One of the panes. It holds no state but cursor and tab; everything else comes from the app."""

    ID: ClassVar[PaneId]
    TITLE: ClassVar[str]
    ACTIONS: ClassVar[tuple[str, ...]]
    """Ids of the actions that the key line names while the pane is in front, the most useful first."""
    HINTS: ClassVar[tuple[KeyHint, ...]] = ()
    """Keys of the pane itself that the key line names before the actions."""
    EDIT_HINTS: ClassVar[tuple[KeyHint, ...]] = (KeyHint("enter", "accept"), KeyHint("esc", "cancel"))
    """Keys that the key line names while a text of the pane is written, after those of actions."""

    def __init__(self) -> None:
        super().__init__(id=f"{self.ID.name.lower()}-pane", classes="pane")
        self._subtitle = ""
        self._note: tuple[str, ...] = ()
        self._heading = self.TITLE

    def on_mount(self) -> None:
        self._heading = f"{app_of(self).key_of(self.ID.action_id)} {self.TITLE}"
        self.border_title = self._heading
        for name in ("snapshot", "selected_run", "selected_wallet", "draft"):
            self.watch(app_of(self), name, self._on_state, init=False)
        self.app.call_later(self.renew)

    STYLED_BY_PLACE = ""
    """Selector of the widgets inside whose style depends on the pane's place, if there are any."""

    def set_place(self, *, is_front: bool, is_alone: bool) -> None:
        """Say whether the pane is in front, and whether it has its column for itself.

        By default every widget inside would be styled anew, although only the pane's own style depends on it.
        """
        before = self.classes
        self.update_classes({"-front": is_front, "-alone": is_alone}, update=False)
        if self.is_attached and self.classes != before:
            inside = self.query(self.STYLED_BY_PLACE) if self.STYLED_BY_PLACE else ()
            self.app.stylesheet.update_nodes([self, *inside])

    def _on_state(self, _value: object) -> None:
        self.renew()

    def renew(self) -> None:
        """Show the newest state. A pane below a dialog or of another mode waits until it is seen."""
        app = app_of(self)
        if self.is_mounted and self.screen is app.screen:
            self.show(app.snapshot)

    def show(self, snapshot: ManagerSnapshot) -> None:
        """Show the snapshot and the app's selection; a pane of fixed text has nothing to do."""

    def focus_pane(self) -> None:
        """Focus the widget that takes keys."""
        for widget in self.query("*"):
            if widget.focusable and widget.display:
                widget.focus()
                return

    def hints(self) -> tuple[KeyHint, ...]:
        """Return the keys of the pane itself that do something now."""
        return self.HINTS

    @property
    def seen(self) -> str:
        """The title of what is shown."""
        return self.TITLE

    def run_ids(self) -> tuple[str, ...]:
        """Return the runs on which keys act while the pane is in front."""
        return ()

    def alarm(self) -> AlarmView | None:
        """Return the alarm under the cursor."""
        return None

    def table(self, table_id: str) -> KeyedTable | None:
        """Return one of the pane's tables; None: it is not there yet."""
        return next(iter(self.query(f"#{table_id}").results(KeyedTable)), None)

    def set_note(self, *parts: str) -> None:
        """Write after the title. If it does not fit, whole parts are left out, the last ones first."""
        self._note = tuple(part for part in parts if part)
        self._write_title()

    def _write_title(self) -> None:
        parts = [self._heading, *self._note]
        while len(parts) > 2 and cell_len(clean(_joined(parts))) > self.size.width - _BESIDE_TITLE:
            parts.pop()
        title = Content(clean(_joined(parts)))
        if title != self._border_title:
            self._border_title = title
            self._repaint_edge(0)

    def on_resize(self) -> None:
        self._write_title()

    def set_subtitle(self, subtitle: str) -> None:
        """Write into the lower border."""
        if self._subtitle != subtitle:
            self._subtitle = subtitle
            self._border_subtitle = Content(clean(subtitle))
            self._repaint_edge(self.outer_size.height - 1)

    def _repaint_edge(self, row: int) -> None:
        """Repaint that row of the pane only; setting ``border_title`` would repaint the whole pane."""
        left, top = self.content_offset
        self.refresh(Region(-left, row - top, self.outer_size.width, 1))


class TabbedPane(Pane):
    """A pane about the chosen run, with tabs. A tab's page is made when it is first shown."""

    PAGES: ClassVar[Mapping[str, Callable[[], Widget]]]
    """A function for each tab that makes its page; the page has ``page_id`` of the tab's name as its id."""

    def compose(self) -> ComposeResult:
        yield TabStrip(tuple(self.PAGES))
        yield LazyPages(self.PAGES)

    def run_ids(self) -> tuple[str, ...]:
        chosen = app_of(self).selected_run
        return () if chosen is None else (chosen,)

    @property
    def tab(self) -> str:
        """The tab that is shown."""
        return self.query_one(LazyPages).shown

    @property
    def seen(self) -> str:
        return self.tab

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
        """Show the chosen run and its kind of money after the title."""
        if run is None:
            self.set_note()
            return
        name = app_of(self).snapshot.short_id(run.run_id)
        self.set_note(name, money_word(run.money), run.title, run.symbol)
