"""Test Setup: the draft that is tested, tab by tab, and what stands before its launch."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Static

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.test_views import Blocker, DraftView, Standing
from firstwatch.trading.text import clean
from firstwatch.tui.draft_form.blockers import blockers
from firstwatch.tui.draft_form.changes import changed, problem_at, problem_with
from firstwatch.tui.draft_form.fields import FieldRow, Tab, rows
from firstwatch.tui.launch_form import parse
from firstwatch.tui.launch_form.draft import Entry
from firstwatch.tui.messages import DraftChanged, DraftWanted
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.modals.market import search
from firstwatch.tui.modals.parts import ChainDialog
from firstwatch.tui.panes.pane import PaneId, TabbedPane
from firstwatch.tui.state import KeyOf, app_of
from firstwatch.tui.widgets.field_form import FieldForm, field_line, heading
from firstwatch.tui.widgets.lazy_pages import page_id
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine
from firstwatch.tui.widgets.table import Line, Tone

_SIGNS: dict[Standing, tuple[str, str]] = {
    Standing.BLOCKS: ("✘", "error"),
    Standing.WARNS: ("!", "warning"),
    Standing.OK: ("✔", "success"),
}


class DraftPage(Container):
    """The fields of one tab."""

    def __init__(self, tab: Tab) -> None:
        super().__init__(id=page_id(tab))
        self._tab = tab
        self._form = FieldForm(self, id=f"{tab.lower()}-fields")
        self._rows: dict[str, FieldRow] = {}

    def compose(self) -> ComposeResult:
        yield self._form

    @property
    def form(self) -> FieldForm:
        """The fields."""
        return self._form

    def show(self, draft: DraftView) -> None:
        """Show the draft."""
        self._rows = {each.key: each for each in rows(draft, self._tab, app_of(self).manager.tests.venues)}
        self._form.set_lines(list(_lines(draft, list(self._rows.values()))))
        key = self._form.cursor_key
        if self._form.written is None and key is not None:
            self.pointed(key)

    def begin(self) -> None:
        """Focus the fields."""
        self._form.table.focus()
        if self._form.cursor_key is None and self._rows:
            self._form.go_to(next(iter(self._rows)))

    @property
    def _draft(self) -> DraftView:
        draft = app_of(self).bench.draft
        assert draft is not None
        return draft

    # --- ``FieldHost`` -------------------------------------------------------------------------------

    def text_of(self, key: str) -> str | None:
        row = self._rows.get(key)
        is_written = row is not None and row.entry is Entry.TEXT and not app_of(self).is_read_only
        return row.text if row is not None and is_written else None

    def typed(self, key: str, text: str) -> None:
        if key in self._rows:
            self._say(self._rows[key], problem_with(self._draft, self._rows[key], text))

    def save(self, key: str, text: str, step: int) -> bool:
        row = self._rows.get(key)
        if row is None:
            return True
        problem = "" if row.is_condition else parse.problem(row.read, text)
        if problem:
            self._say(row, problem)
            return False
        self._take(row, text, step)
        return True

    def press(self, key: str) -> None:
        row, app = self._rows.get(key), app_of(self)
        if row is None:
            return
        if row.key == "algorithm":
            self.app.post_message(DraftWanted())
        elif app.is_read_only:
            app.refuse()
        elif row.entry is Entry.LIST:
            self.app.push_screen(ChainDialog(row.text), partial(self._chosen, row))
        elif row.entry is Entry.SEARCH:
            app.in_background(search(app, row, partial(self._chosen, row)))
        elif row.entry is Entry.CHOICE:
            options = [Choice(value, text) for value, text in row.words.items()]
            self.app.push_screen(ChoiceDialog(row.label, options, row.text), partial(self._chosen, row))

    def turn(self, key: str, by: int) -> None:
        row, app = self._rows.get(key), app_of(self)
        if row is None or row.entry is not Entry.CHOICE or row.text not in row.words:
            return
        if app.is_read_only:
            app.refuse()
            return
        values = list(row.words)
        self._post(row, values[(values.index(row.text) + by) % len(values)])

    def pointed(self, key: str) -> None:
        row = self._rows.get(key)
        if row is not None and app_of(self).bench.draft is not None:
            self._say(row, problem_at(self._draft, row))

    def _say(self, row: FieldRow, problem: str) -> None:
        self._form.say(row.key, problem or f"{row.meaning}.", is_problem=bool(problem))

    def _chosen(self, row: FieldRow, value: str | None) -> None:
        if value is not None:
            self._post(row, value)

    def _post(self, row: FieldRow, text: str) -> None:
        try:
            draft = changed(self._draft, row, text)
        except ValueError as error:
            self._say(row, str(error))
            return
        self.app.post_message(DraftChanged(draft))
        self.show(draft)

    def _take(self, row: FieldRow, text: str, step: int) -> None:
        """Report a text; Tab goes on to the next field that is written."""
        if text != row.text:
            self._post(row, text)
        keys = list(self._rows)
        place = keys.index(row.key) if row.key in keys else 0
        following = keys[min(max(place + (step or 1), 0), len(keys) - 1)] if keys else row.key
        self._form.go_to(following, opens=bool(step) and following != row.key)


class BlockerBox(Static):
    """What stands before a launch, as many lines as there is room for."""

    _lines: tuple[Blocker, ...] = ()

    def show(self, found: tuple[Blocker, ...]) -> None:
        """Show these."""
        if found != self._lines:
            self._lines = found
            self.update(self._text())

    def on_resize(self) -> None:
        self.update(self._text())

    def _text(self) -> Text:
        app, text = app_of(self), Text()
        muted = app.theme_variables["text-muted"]
        for number, each in enumerate(self._lines):
            sign, colour = _SIGNS[each.standing]
            text.append("\n" if number else "")
            text.append(f"{sign} ", f"bold {app.theme_variables[colour]}")
            text.append(
                clean(each.text),
                muted if each.standing is Standing.OK else "",
            )
            if each.action:
                text.append(f": {app.key_of(each.action)}", f"bold {app.theme_variables['primary']}")
        return text


class DraftPane(TabbedPane):
    """The draft and the settings of its test; below, always in sight, what stands before a launch."""

    ID = PaneId.DRAFT
    TITLE = "Test Setup"
    ACTIONS = (
        "test.backtest",
        "view.result",
        "test.validate",
        "test.optimise",
        "test.usefulness",
        "test.save",
        "test.launch",
        "test.discard",
        "view.next_tab",
    )
    PAGES: ClassVar = {tab.value: partial(DraftPage, tab) for tab in Tab}
    HINTS = (KeyHint("enter", "change"),)
    EDIT_HINTS = (KeyHint("tab", "save, write the next"), KeyHint("enter", "save"), KeyHint("esc", "cancel"))

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield Paragraph(classes="empty", id="no-draft")
        yield BlockerBox(id="blockers")

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(app_of(self), "bench", self._on_state, init=False)

    @property
    def _page(self) -> DraftPage:
        return self.query_one(f"#{page_id(self.tab)}", DraftPage)

    def run_ids(self) -> tuple[str, ...]:
        return ()

    def show(self, snapshot: ManagerSnapshot) -> None:
        app = app_of(self)
        draft, empty = app.bench.draft, self.query_one("#no-draft", Paragraph)
        empty.show_if(draft is None)
        was_shown, self._page.display = self._page.display, draft is not None
        box = self.query_one(BlockerBox)
        box.display = draft is not None
        if draft is None:
            empty.set_text(_no_algorithm(app.key_of) if app.bench.is_open else "Reading the store…")
            return
        self.set_note(draft.name, draft.setup.symbol)
        self.set_subtitle(f"{len(draft.problems)} wrong" if draft.problems else "")
        self._page.show(draft)
        found = blockers(draft, app.bench.tests, snapshot)
        box.border_title = "before a launch"
        box.show(found)
        if (not was_shown or self._page.form.cursor_key is None) and self.has_class("-front"):
            # The fields have come since the pane got the focus.
            self.focus_pane()

    def focus_pane(self) -> None:
        self.call_after_refresh(self._page.begin)

    def tab_shown(self, *, had_focus: bool) -> None:
        self.renew()
        if had_focus:
            self.focus_pane()
        self.screen.query_one(KeyLine).renew()


def _no_algorithm(key_of: KeyOf) -> str:
    mode = key_of("view.mode")
    return f"No algorithm is stored yet: {mode}, then b, begins one; or firstwatch algorithm add FILE"


def _lines(draft: DraftView, found: list[FieldRow]) -> Iterator[Line]:
    section = None
    for row in found:
        if row.section != section:
            section = row.section
            yield heading(section)
        tone: Tone = "error" if problem_at(draft, row) else "" if row.text in row.words or row.text else "dim"
        mark = " *" if {row.key, row.key.partition(".")[0]} & set(draft.changes) else ""
        yield field_line(row.key, f"{row.label}{mark}", row.shown, tone)
