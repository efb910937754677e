"""Pages of which one is shown; each is made when it is first shown."""

from collections.abc import Callable, Mapping

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import ContentSwitcher


def page_id(name: str) -> str:
    """Return the id that the page of that name has."""
    return name.replace(" ", "-")


class LazyPages(ContentSwitcher):
    """Pages by name; a page's id is the ``page_id`` of its name. The first page is always there."""

    def __init__(self, pages: Mapping[str, Callable[[], Widget]]) -> None:
        self._pages = pages
        self._first = next(iter(pages))
        super().__init__(initial=page_id(self._first))

    def compose(self) -> ComposeResult:
        yield self._pages[self._first]()

    @property
    def shown(self) -> str:
        """The name of the page that is shown."""
        return next((name for name in self._pages if page_id(name) == self.current), self._first)

    async def show_page(self, name: str) -> None:
        """Show that page."""
        if not self.query_children(f"#{page_id(name)}"):
            page = self._pages[name]()
            page.display = False
            await self.mount(page)
        self.current = page_id(name)
        # With the next frame: the pages' own requests come after it, so it would show the old page.
        self.screen.refresh(repaint=False, layout=True)
