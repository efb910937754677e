"""The tabs of a pane."""

from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget


class TabStrip(Widget):
    """The names of a pane's tabs on one line; a click or ``[`` and ``]`` choose."""

    class Chosen(Message):
        """The operator has chosen another tab."""

        def __init__(self, strip: "TabStrip", tab: str) -> None:
            super().__init__()
            self.strip = strip
            self.tab = tab

        @property
        def control(self) -> "TabStrip":
            return self.strip

    def __init__(self, tabs: Sequence[str]) -> None:
        super().__init__()
        self._tabs = tuple(tabs)
        self._chosen = self._tabs[0]

    @property
    def tabs(self) -> tuple[str, ...]:
        """The tabs that are shown."""
        return self._tabs

    @property
    def chosen(self) -> str:
        """The tab that is chosen."""
        return self._chosen

    def set_tabs(self, tabs: Sequence[str]) -> None:
        """Show these tabs; the chosen one stays where it is among them, otherwise the first is chosen."""
        if tuple(tabs) == self._tabs:
            return
        self._tabs = tuple(tabs)
        self.refresh()
        if self._chosen not in self._tabs:
            self.choose(self._tabs[0])

    def choose(self, tab: str) -> None:
        """Go to that tab."""
        if tab != self._chosen and tab in self._tabs:
            self._chosen = tab
            self.refresh()
            self.post_message(self.Chosen(self, tab))

    def step(self, by: int) -> None:
        """Go ``by`` tabs on, around the end."""
        self.choose(self._tabs[(self._tabs.index(self._chosen) + by) % len(self._tabs)])

    def render(self) -> Text:
        colours = self.app.theme_variables
        line = Text(no_wrap=True)
        for tab in self._tabs:
            chosen = f"bold {colours['background']} on {colours['primary']}"
            line.append(" ")
            line.append(tab, chosen if tab == self._chosen else colours["secondary"])
        return line

    def on_click(self, event: events.Click) -> None:
        start = 0
        for tab in self._tabs:
            end = start + len(tab) + 1
            if start <= event.x < end:
                self.choose(tab)
            start = end
