"""Where the chosen run has won and lost, compared with another run if one is marked."""

from functools import partial
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.tui.lists import performance
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.drawn import Drawn
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.overlay import PnlCurve, draw_overlay
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.table import KeyedTable

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import RunDetails

_HOW = "Mark another run in Run Info (3, space): it is laid over this one."
_NO_CURVE = "There is no picture before both runs have two closes."


class PerformancePage(Vertical):
    """The trades of one run by side, exit, hour and day; with a second run its PnL and trades beside them."""

    def compose(self) -> ComposeResult:
        yield Drawn(id="overlay")
        yield Listing(performance.COLUMNS, empty=performance.EMPTY, id="parts")
        yield Listing(performance.TWO_COLUMNS, empty=performance.EMPTY, id="two-parts")
        yield Paragraph(_HOW, id="overlay-note")

    def on_mount(self) -> None:
        self.query_one("#overlay").display = False
        self.query_one("#two-parts").display = False

    @property
    def table(self) -> KeyedTable:
        """The table that is shown."""
        return next(listing.table for listing in self.query(Listing) if listing.display)

    def show(self, run: RunView | None, details: "RunDetails | None") -> None:
        """Show the run and the one compared with it; None: no run is chosen, or it is not read yet."""
        snapshot, over = app_of(self).snapshot, None
        if (
            run is not None
            and snapshot.beside is not None
            and snapshot.beside.run_id == app_of(self).beside_run
        ):
            over = snapshot.beside
        one, two = self.query_one("#parts", Listing), self.query_one("#two-parts", Listing)
        shown, hidden = (one, two) if over is None else (two, one)
        shown.display = True
        # Move the focus first: hiding a focused table would move it to any other pane.
        if hidden.has_focus_within:
            self.screen.set_focus(shown.table)
        hidden.display = False
        picture, note = self.query_one("#overlay", Drawn), self.query_one("#overlay-note", Paragraph)
        if run is None or details is None:
            one.set_lines([], is_ready=run is None, empty=app_of(self).no_run)
            two.set_lines([], is_ready=run is None)
            picture.display = False
        elif over is None:
            one.set_made((details.parts,), lambda: performance.lines(details))
            picture.display = False
        else:
            two.set_made((details.parts, over.parts), lambda: performance.two_lines(details, over))
            first, second = _curve(details, snapshot), _curve(over, snapshot)
            picture.display = first is not None and second is not None
            if first is not None and second is not None:
                picture.show((first.version, second.version), partial(draw_overlay, first, second))
        note.set_text(_HOW if over is None else _NO_CURVE)
        note.show_if(not picture.display)


def _curve(details: "RunDetails", snapshot: ManagerSnapshot) -> PnlCurve | None:
    """Return a run's PnL; None: there are not two points, or no capital to compare it with."""
    capital, run = float(details.settings.capital), snapshot.run(details.run_id)
    if len(details.equity) < 2 or capital <= 0 or run is None:
        return None
    label = f"{snapshot.short_id(run.run_id)} {run.title} on {run.wallet}"
    return PnlCurve(label, details.equity_time_ms, details.equity / capital - 1)
