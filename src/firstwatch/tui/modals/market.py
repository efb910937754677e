"""The market of a test or a chart: its fields in a dialog, and the lists of markets and candles."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.test_views import TestSetup
from firstwatch.tui.draft_form.fields import SETUP, FieldRow, market_rows
from firstwatch.tui.launch_form import parse
from firstwatch.tui.launch_form.draft import Entry
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.state import StateApp, app_of
from firstwatch.tui.widgets.field_form import FieldForm, field_line, heading
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine, StatusLine
from firstwatch.tui.widgets.table import Line, Tone

_ROWS = 10


async def search(app: StateApp, row: FieldRow, take: Callable[[str | None], None]) -> None:
    """List what is known for a field; something else can be typed."""
    if row.label == "Candles":
        found = await asyncio.to_thread(app.manager.tests.sources)
        notes = {"venue": "the venue's own candles, and those recorded earlier"}
    else:
        markets = {each.symbol for each in app.snapshot.markets}
        found, notes = tuple(dict.fromkeys((*app.snapshot.symbols, *sorted(markets)))), {}
    options = [Choice(each, each, notes.get(each, "")) for each in found]
    dialog = ChoiceDialog(row.label, options, row.text, searches=True, takes_typed=True)
    app.push_screen(dialog, take)


class MarketDialog(Dialog[TestSetup]):
    """Returns the settings with another market, other candles or another period."""

    TITLE_TEXT = "Market of the chart and of the draft's tests"
    AUTO_FOCUS = "FieldTable"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "accept", "Use it", show=False, id="market.use")]

    def __init__(self, setup: TestSetup) -> None:
        super().__init__()
        self._setup = setup
        self._rows: dict[str, FieldRow] = {}
        self._form = FieldForm(self, id="market")
        self._form.styles.height = _ROWS

    def body(self) -> Sequence[Widget]:
        return [self._form]

    def hints(self) -> Sequence[KeyHint]:
        if self._form.written is not None:
            return (
                KeyHint("tab", "save, write the next"),
                KeyHint("enter", "save"),
                KeyHint("esc", "cancel"),
            )
        return (
            KeyHint("enter", "change"),
            KeyHint("← →", "next value"),
            KeyHint("y", "use it"),
            KeyHint("q esc", "cancel"),
        )

    def on_mount(self) -> None:
        self._renew()
        self._form.go_to(f"{SETUP}symbol")

    def on_descendant_focus(self) -> None:
        self._renew_lines()

    def _renew_lines(self) -> None:
        self.query_one(KeyLine).renew()
        self.query_one(StatusLine).renew()

    def _renew(self) -> None:
        self._rows = {each.key: each for each in market_rows(self._setup, app_of(self).manager.tests.venues)}
        self._form.set_lines(list(self._lines()))
        self._renew_lines()

    def _lines(self) -> Iterator[Line]:
        yield heading("Market")
        for row in self._rows.values():
            wrong = parse.problem(row.read, row.text)
            tone: Tone = "error" if wrong else "" if row.text in row.words or row.text else "dim"
            yield field_line(row.key, row.label, row.shown, tone)

    def _take(self, key: str, text: str | None) -> None:
        if text is not None:
            self._setup = replace(self._setup, **{key.removeprefix(SETUP): text})
            self._renew()
            self.pointed(key)

    # --- ``FieldHost`` -------------------------------------------------------------------------------

    def text_of(self, key: str) -> str | None:
        row = self._rows[key]
        return row.text if row.entry is Entry.TEXT else None

    def typed(self, key: str, text: str) -> None:
        self._say(key, parse.problem(self._rows[key].read, text) if text else "")

    def save(self, key: str, text: str, step: int) -> bool:
        if problem := parse.problem(self._rows[key].read, text):
            self._say(key, problem)
            return False
        self._take(key, text)
        keys = list(self._rows)
        place = min(max(keys.index(key) + (step or 1), 0), len(keys) - 1)
        self._form.go_to(keys[place], opens=bool(step) and keys[place] != key)
        return True

    def press(self, key: str) -> None:
        row, app = self._rows[key], app_of(self)
        if row.entry is Entry.SEARCH:
            app.in_background(search(app, row, partial(self._take, key)))
        else:
            options = [Choice(value, text) for value, text in row.words.items()]
            app.push_screen(ChoiceDialog(row.label, options, row.text), partial(self._take, key))

    def turn(self, key: str, by: int) -> None:
        row = self._rows[key]
        if row.text in row.words:
            values = list(row.words)
            self._take(key, values[(values.index(row.text) + by) % len(values)])

    def pointed(self, key: str) -> None:
        self._say(key, parse.problem(self._rows[key].read, self._rows[key].text))

    def _say(self, key: str, problem: str) -> None:
        self._form.say(key, problem or f"{self._rows[key].meaning}.", is_problem=bool(problem))

    def action_accept(self) -> None:
        """Return the settings, unless something is wrong with them."""
        for row in self._rows.values():
            if parse.problem(row.read, row.text):
                self._form.go_to(row.key)
                return
        self.dismiss(self._setup)
