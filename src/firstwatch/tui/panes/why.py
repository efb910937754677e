"""Why the chosen run did what it did last, and what would have to be true next: below the list of runs."""

from typing import TYPE_CHECKING

from rich.text import Text
from textual.geometry import Region
from textual.widget import Widget

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.trading.runs import Exposure, Health, Protection
from firstwatch.trading.text import clean
from firstwatch.tui import formats
from firstwatch.tui.run_text import held_text

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import WhyView

LABEL = len("last  ")
"""Width of the labels of the second and the third line."""
_ROWS = 2
"""Most rows of each of these two."""


class WhyBox(Widget):
    """Three lines: the state of the run, its last decision, and what comes next.

    Its height does not depend on them: the state changes with the mark, and repaints this box alone.
    """

    DEFAULT_CSS = """
    WhyBox { height: 6; border-top: solid $border-blurred; border-title-color: $text-muted; padding: 0 1; }
    """

    _shown: tuple[str, str, str] = ("", "", "")

    def on_mount(self) -> None:
        self.border_title = "why"

    def show(self, snapshot: ManagerSnapshot, run_id: str | None) -> None:
        """Show the lines of a run as of a snapshot."""
        shown = why_lines(snapshot, run_id)
        if shown != self._shown:
            # The state changes with the mark, the others at closes.
            state = Region(0, 0, self.content_size.width, 1)
            is_state_only = shown[1:] == self._shown[1:]
            self._shown = shown
            self.refresh(*([state] if is_state_only else []))

    def render(self) -> Text:
        name_style = self.app.theme_variables["secondary"]
        state, *others = self._shown
        rows = [Text(row) for row in rows_of(state, self.content_size.width, 1)]
        for line in others:
            rows += labelled(line, self.content_size.width, name_style)
        return Text("\n").join(rows)


def labelled(line: str, width: int, name_style: str) -> list[Text]:
    """Return a line that begins with its name in rows of that width, the name before the first one."""
    name, rest = line[:LABEL], line[LABEL:]
    rows = rows_of(rest, width - LABEL, _ROWS)
    head = [Text.assemble((name, name_style), row) for row in rows[:1]]
    return [*head, *(Text(" " * LABEL + row) for row in rows[1:])]


def rows_of(line: str, width: int, most: int) -> list[str]:
    """Return a line in rows of that width, ``most`` at most; ``…``: the rest is cut."""
    return formats.fitted(clean(line), width, most).split("\n") if line else []


def why_lines(snapshot: ManagerSnapshot, run_id: str | None) -> tuple[str, str, str]:
    """Return the state of the chosen run, its last decision, and what would have to be true next."""
    run, details = snapshot.run(run_id), snapshot.selected
    if run is None:
        return "choose a run", "", ""
    if details is None or details.run_id != run.run_id:
        return state_line(run), "last  …", "next  …"
    why = details.why
    if why.problem:
        return state_line(run), f"last  {formats.UNKNOWN} {why.problem}", f"next  {formats.UNKNOWN}"
    return state_line(run), f"last  {_last(why)}", f"next  {_next(run, why)}"


def state_line(run: RunView) -> str:
    """Return what a run is and holds, the most serious word first."""
    words = [run.state.value]
    if run.state.is_active:
        if run.paused:
            words.insert(0, f"PAUSED: {run.pause_reason}" if run.pause_reason else "PAUSED")
        if run.health is not Health.OK:
            words.insert(0, run.health.value.upper())
        if run.protection is Protection.UNPROTECTED:
            words.insert(0, "NO STOP")
        words += [held_text(run, write=formats.short_amount), "no entries" if run.paused else "entries on"]
    elif run.exposure is not Exposure.FLAT:
        words.append(f"left at the venue: {held_text(run)}")
    equity = formats.money(run.equity)
    if run.pnl is not None and run.capital > 0:
        equity += f" ({float(run.pnl / run.capital) * 100:+.2f} %)"
    return " · ".join([*words, f"equity {equity}"])


def _last(why: "WhyView") -> str:
    if why.last_ms is None:
        return why.dropped or "nothing was decided yet"
    last = f"{formats.short_moment(why.last_ms)} {why.last}"
    return f"{last}. Then {why.dropped}" if why.dropped else last


def _next(run: RunView, why: "WhyView") -> str:
    if run.state.is_final:
        return f"nothing: the run has ended. {run.sentence}".rstrip()
    return " · ".join([*why.waits, *why.next]) or "not known before the next close"
