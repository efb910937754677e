"""Pages of which one is shown; each is made when it is first turned to."""

from collections.abc import Callable, Mapping

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import ContentSwitcher


class LazyPages(ContentSwitcher):
    """The pages by their names; a page carries its name as its id. The first is there from the start."""

    def __init__(self, pages: Mapping[str, Callable[[], Widget]]) -> None:
        self._pages = pages
        self._first = next(iter(pages))
        super().__init__(initial=self._first)

    def compose(self) -> ComposeResult:
        yield self._pages[self._first]()

    @property
    def shown(self) -> str:
        """The name of the page that is shown."""
        return self.current or self._first

    async def show_page(self, name: str) -> None:
        """Show that page."""
        if not self.query_children(f"#{name}"):
            page = self._pages[name]()
            page.display = False
            await self.mount(page)
        self.current = name
