"""The essentials of the chosen run in a few lines, below the list on a small terminal."""

from typing import TYPE_CHECKING

from rich.text import Text
from textual.content import Content
from textual.widget import Widget

from firstwatch.manager.views import RunView
from firstwatch.trading.text import clean, counted
from firstwatch.tui import formats, watch_text
from firstwatch.tui.money_text import run_place
from firstwatch.tui.panes.why import labelled, why_lines
from firstwatch.tui.state import app_of

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import RunDetails

_STORY_LINES = 2


class RunBox(Widget):
    """State, equity and trades of the chosen run, why it did what it did last and what would have to be true
    next, its watch, and what happened to it.
    """

    _shown: tuple[str, Text] | None = None

    def on_mount(self) -> None:
        for name in ("snapshot", "selected_run"):
            self.watch(app_of(self), name, self._renew, init=False)

    def on_show(self) -> None:
        self._renew()

    def _renew(self) -> None:
        if not self.display:
            return
        shown = self._title(), self._text()
        if shown != self._shown:
            self._shown = shown
            self.border_title = Content(shown[0])
            self.refresh()

    def render(self) -> Text:
        return self._text()

    @property
    def _run(self) -> RunView | None:
        app = app_of(self)
        return app.snapshot.run(app.selected_run)

    def _title(self) -> str:
        run = self._run
        if run is None:
            return "no run is chosen"
        return clean(f"{app_of(self).snapshot.short_id(run.run_id)} · {run.title} · {run_place(run)}")

    def _text(self) -> Text:
        run, snapshot = self._run, app_of(self).snapshot
        colours = self.app.theme_variables
        if run is None:
            return Text("Choose a run in the list above." if snapshot.runs else "")
        details = snapshot.selected
        details = details if details is not None and details.run_id == run.run_id else None
        state, last, following = why_lines(snapshot, run.run_id)
        watch, tone = watch_text.list_cell(run)
        day = Text.assemble(("24 h  ", colours["secondary"]), (watch, colours.get(tone, "")))
        lines = [Text(clean(state)), day.append(_trades(details))]
        for each in (last, following):
            lines += labelled(each, self.size.width, colours["secondary"])
        story = [line for line in details.story if not line.is_detail] if details else []
        lines += [
            Text(clean(f"{formats.short_moment(line.venue_ms)}  {line.sentence}"))
            for line in story[: -_STORY_LINES - 1 : -1]
        ]
        return Text("\n").join(lines)


def _trades(details: "RunDetails | None") -> str:
    if details is None:
        return ""
    won = sum(trade.pnl > 0 for trade in details.trades)
    return f" · {counted(len(details.trades), 'trade')}, {won} won"
