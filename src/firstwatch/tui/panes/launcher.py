"""The launcher: the fields of a new run, what would happen, the checks, and the next step."""

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.visual import VisualType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import CommandView, JobView
from firstwatch.trading.launch import CheckResult, LaunchPreview
from firstwatch.trading.text import clean
from firstwatch.tui import formats
from firstwatch.tui.launch_form import parse
from firstwatch.tui.launch_form.assessment import Assessment, Readiness, assess, problem_with
from firstwatch.tui.launch_form.draft import FIELD_BY_ID, FIELDS, Entry, FormField, LaunchDraft
from firstwatch.tui.launch_form.outcome import by_reason, difference_rows, names_of, outcome
from firstwatch.tui.launch_form.remedies import REMEDIES, Cure
from firstwatch.tui.messages import CheckChosen, FieldChanged, FieldStepped
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.parts import ChainDialog, WindowsDialog
from firstwatch.tui.panes.launch_choices import choices_of
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.columns import three_columns
from firstwatch.tui.widgets.field_form import FieldForm, field_line, heading
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.table import Line, Tone

_BAR_CELLS = 20
_LABEL = 12


class NextBar(Paragraph):
    """The next step; a click performs it."""


class CheckList(OptionList):
    """The preview of a launch, and the checks, each unabridged; Enter acts on a check."""

    _texts: list[tuple[str, str]] | None = None

    def show(self, entries: list[tuple[str, str, VisualType]]) -> None:
        """Show entries of id (empty: only to read), text to compare by, and what is drawn."""
        texts = [(name, text) for name, text, _ in entries]
        if texts == self._texts:
            return
        self._texts = texts
        chosen = self.highlighted_option.id if self.highlighted_option is not None else None
        self.set_options(Option(drawn, id=name or None, disabled=not name) for name, _, drawn in entries)
        names = [name for name, _ in texts]
        first = next((place for place, name in enumerate(names) if name), None)
        self.highlighted = names.index(chosen) if chosen in names else first

    def point_at(self, name: str) -> None:
        """Put the highlight on a check, and the focus here."""
        names = [option.id for option in self.options]
        if name in names:
            self.highlighted = names.index(name)
        self.focus()


class Launcher(Container):
    """The fields at the left, what would happen at the right; on a narrow screen one below the other."""

    _begun: tuple[LaunchDraft, str] | None = None
    """The draft when it was opened, and the field under the cursor since."""

    def compose(self) -> ComposeResult:
        with Vertical(id="launch-fields"):
            yield FieldForm(self, id="fields")
        with Vertical(id="launch-outcome"):
            yield NextBar(id="next-step")
            yield Paragraph(id="making")
            yield Paragraph(id="check-age")
            yield CheckList(id="checks", markup=False, compact=True)

    @property
    def form(self) -> FieldForm:
        """The fields."""
        return self.query_one(FieldForm)

    def begin(self) -> None:
        """Show the draft, with the cursor on the field that the next step is about."""
        app = app_of(self)
        if not self.is_mounted:
            self.call_after_refresh(self.begin)
            return
        self.show(app.snapshot)
        key = app.next_step.field or self.form.cursor_key or FIELDS[0].id
        self._begun = app.draft, key
        self.form.go_to(key)

    def show(self, snapshot: ManagerSnapshot) -> None:
        """Show the draft and what is known of it."""
        app = app_of(self)
        step = app.next_step
        self._show_fields(app.draft, app.assessment)
        bar = self.query_one(NextBar)
        bar.set_text(f"NEXT  {step.sentence}")
        for readiness in Readiness:
            bar.set_class(step.readiness is readiness, readiness.value)
        self._show_making(snapshot.making)
        self._show_checks(snapshot.command(app.check_id))
        if step.field and self._begun == (app.draft, self.form.cursor_key):
            # What was missing at first, such as a version just saved, has been read since.
            self.form.table.point_at(step.field)
            self._begun = app.draft, step.field
        if self.form.written is None and self.form.cursor_key is not None:
            self.pointed(self.form.cursor_key)

    def _show_fields(self, draft: LaunchDraft, assessment: Assessment) -> None:
        self.form.set_lines(list(_lines(draft, assessment)))

    def _show_making(self, making: JobView | None) -> None:
        bar = self.query_one("#making", Paragraph)
        is_open = making is not None and not making.state.is_over
        bar.show_if(is_open)
        if making is not None and is_open:
            full = round(making.progress * _BAR_CELLS)
            done = f"{'█' * full}{'·' * (_BAR_CELLS - full)} {making.progress:.0%}"
            bar.set_text(f"BASELINE {done} {making.title}: {making.sentence}")

    def _show_checks(self, check: CommandView | None) -> None:
        app, age = app_of(self), self.query_one("#check-age", Paragraph)
        preview = None if check is None else check.preview
        if check is None or preview is None:
            said = check.sentence if check is not None else ""
            age.set_text(said or "The engine checks the launch once every field is filled in.")
            self.query_one(CheckList).show([])
            return
        since = formats.age(app.now_ms() - (check.result_ms or check.created_ms))
        age.set_text(f"checked {since} ago · c again" if app.is_check_current else "changed since; checking…")
        self.query_one(CheckList).show(list(self._entries(preview)))

    def _entries(self, preview: LaunchPreview) -> Iterator[tuple[str, str, VisualType]]:
        settings, colours = app_of(self).assessment.settings, self.app.theme_variables
        failed = sorted((check for check in preview.checks if not check.passed), key=_urgency)
        for checks in by_reason(failed):
            yield _check_entry(checks, colours)
        if settings is not None and app_of(self).is_check_current:
            facts = [(fact.label, fact.text) for fact in outcome(preview, settings)]
            yield "", f"{facts}", _facts(facts)
        rows = difference_rows(preview.differences)
        if rows:
            yield "", f"{rows}", three_columns(rows)
        for check in preview.checks:
            # The position's result is shown already, as what happens at the start.
            if check.passed and check.found != preview.assume_position:
                yield _check_entry((check,), colours)

    # --- the fields (``FieldHost``) --------------------------------------------------------------

    def text_of(self, key: str) -> str | None:
        return app_of(self).draft.value(key) if FIELD_BY_ID[key].entry is Entry.TEXT else None

    def typed(self, key: str, text: str) -> None:
        app = app_of(self)
        self._say(FIELD_BY_ID[key], problem_with(app.draft, app.snapshot, key, text) if text else "")

    def save(self, key: str, text: str, step: int) -> bool:
        field = FIELD_BY_ID[key]
        problem = parse.problem(field.read, text) if text else ""
        if problem:
            self._say(field, problem)
            return False
        self._take(key, text, step)
        return True

    def press(self, key: str) -> None:
        app, field = app_of(self), FIELD_BY_ID[key]
        value = app.draft.value(key)
        if field.entry is Entry.LIST:
            dialog = WindowsDialog(value) if key == "session_windows" else ChainDialog(value)
            self.app.push_screen(dialog, lambda text: self._chosen(key, text))
            return
        check = app.snapshot.command(app.check_id)
        options = choices_of(field, app.draft, app.snapshot, None if check is None else check.preview)
        searches = field.entry is Entry.SEARCH
        choice = ChoiceDialog(
            field.label, options, value, searches=searches, takes_typed=searches and key == "symbol"
        )
        self.app.push_screen(choice, lambda chosen: self._chosen(key, chosen))

    def turn(self, key: str, by: int) -> None:
        if FIELD_BY_ID[key].entry in (Entry.CHOICE, Entry.SEARCH):
            self.app.post_message(FieldStepped(key, by))

    def pointed(self, key: str) -> None:
        field, app = FIELD_BY_ID[key], app_of(self)
        error = app.assessment.errors.get(key, "")
        self._say(field, error if app.draft.value(key) else "")

    def _say(self, field: FormField, problem: str) -> None:
        self.form.say(field.id, problem or field.note, is_problem=bool(problem))

    def _chosen(self, key: str, value: str | None) -> None:
        if value is not None:
            self._take(key, value, 0)

    def _take(self, key: str, value: str, step: int) -> None:
        """Report a value, and go on to the next field as if the draft had it already."""
        self.app.post_message(FieldChanged(key, value))
        draft = app_of(self).draft.with_value(key, value)
        assessment = assess(draft, app_of(self).snapshot)
        self._show_fields(draft, assessment)
        shown = [field.id for field in FIELDS if field.shown(draft)]
        place = shown.index(key) + (step or 1)
        following = shown[min(max(place, 0), len(shown) - 1)]
        # Enter goes on writing where something is still missing, Tab always.
        opens = following != key and (bool(step) or following in assessment.errors)
        self.form.go_to(following, opens=opens)

    # --- what comes next -------------------------------------------------------------------------

    @on(OptionList.OptionSelected)
    def _check_chosen(self, event: OptionList.OptionSelected) -> None:
        name = event.option_id
        if name is None:
            return
        check = app_of(self).snapshot.command(app_of(self).check_id)
        results = () if check is None or check.preview is None else check.preview.checks
        remedy = next((REMEDIES.get(name) for each in results if each.name == name and not each.passed), None)
        if remedy is not None and remedy.cure is Cure.CHANGE:
            self.edit(remedy.field)
        else:
            self.app.post_message(CheckChosen(name))

    async def on_click(self, event: events.Click) -> None:
        if isinstance(event.widget, NextBar):
            await self.take_next_step()

    async def take_next_step(self) -> None:
        """Do what the next step says, or go to where it is done."""
        step = app_of(self).next_step
        if step.field:
            self.edit(step.field)
        elif step.readiness is Readiness.READY or step.needs_reason:
            await self.run_action("app.perform('run.start')")
        elif step.check:
            self.query_one(CheckList).point_at(step.check)

    def edit(self, key: str) -> None:
        """Go to a field and open it; one that is not shown now is reached by the choice that shows it."""
        field = FIELD_BY_ID[key]
        if not field.shown(app_of(self).draft):
            key = _OPENED_BY.get(key, FIELDS[0].id)
            field = FIELD_BY_ID[key]
        self.form.go_to(key, opens=True)
        if field.entry is not Entry.TEXT:
            self.press(key)


_OPENED_BY = {"session_windows": "session_policy", "without_stop_reason": "close_position_on_exit"}


def _lines(draft: LaunchDraft, assessment: Assessment) -> Iterator[Line]:
    section = None
    for field in FIELDS:
        if not field.shown(draft):
            continue
        if field.section is not section:
            section = field.section
            yield heading(section)
        yield _line(field, draft.value(field.id), assessment.errors.get(field.id))


def _line(field: FormField, value: str, error: str | None) -> Line:
    # An empty required field is still to be filled in, not a mistake of the operator.
    tone: Tone = ("error" if value else "warning") if error else "" if value else "dim"
    missing = "write…" if field.entry is Entry.TEXT else "choose…"
    shown = field.worded(value) or (missing if error else field.default or missing)
    return field_line(field.id, field.label, shown, tone)


def _urgency(check: CheckResult) -> int:
    return 0 if check.is_hard else 1


def _check_entry(checks: Sequence[CheckResult], colours: Mapping[str, str]) -> tuple[str, str, VisualType]:
    """Return a whole check: its verdict, what was found, what to do, and what Enter does.

    Several checks: they failed for the same reason.
    """
    check = checks[0]
    word, colour = _verdict(check)
    remedy = None if check.passed else REMEDIES.get(check.name)
    lines = [Text.assemble((names_of(checks), "bold"), f"  {clean(check.found)}")]
    if not check.passed and check.remedy:
        lines.append(Text(f"→ {clean(check.remedy)}"))
    if remedy is not None:
        lines.append(Text(f"Enter: {remedy.hint}", f"bold {colours['primary']}"))
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=4)
    table.add_column(ratio=1, overflow="fold")
    table.add_row(Text(word, f"bold {colours[colour]}"), lines[0])
    for line in lines[1:]:
        table.add_row("", line)
    return check.name, "\n".join((word, *(line.plain for line in lines))), table


def _verdict(check: CheckResult) -> tuple[str, str]:
    if check.passed:
        return "ok", "success"
    return ("HARD", "error") if check.is_hard else ("soft", "warning")


def _facts(rows: list[tuple[str, str]]) -> Table:
    """Return labels and figures in two columns."""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(width=_LABEL, style="bold")
    table.add_column(ratio=1, overflow="fold")
    for label, text in rows:
        table.add_row(label, clean(text))
    return table
