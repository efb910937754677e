"""Configuration: every launch setting and what is wrong with it, the checks, and the next step."""

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.suggester import SuggestFromList
from textual.widgets import DataTable, Input

from firstwatch.manager.views import ManagerSnapshot
from firstwatch.trading.launch import CheckResult
from firstwatch.tui import formats
from firstwatch.tui.launch_form.assessment import Assessment, Readiness, problem_with
from firstwatch.tui.launch_form.draft import FIELD_BY_ID, FIELDS, FormField, LaunchDraft
from firstwatch.tui.messages import FieldChanged, FieldStepped
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.confirm import MessageDialog
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, Tone

_COLUMNS = (
    Column("setting", 22),
    Column("value", 18, grows=True),
    Column("", 34, rank=1),
)
_BAR_CELLS = 20
_CHECKS = (
    Column("check", 16),
    Column("", 4),
    Column("found", 26, grows=True),
)


class FieldTable(KeyedTable):
    """The form's lines; left, right and space change a choice in place."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step_value(-1)", "Previous value", show=False, id="form.previous"),
        Binding("right", "step_value(1)", "Next value", show=False, id="form.next"),
        Binding("space", "step_value(1)", "Next value", show=False, id="form.turn"),
    ]

    def action_step_value(self, by: int) -> None:
        if self.cursor_key is not None:
            self.app.post_message(FieldStepped(self.cursor_key, by))


class ConfigurationPane(Pane):
    """The launch form."""

    ID = PaneId.CONFIGURATION
    TITLE = "Configuration"
    ACTIONS = ("run.start", "launch.check", "baseline.make", "baseline.cancel")
    HINTS = (KeyHint("enter", "change"),)

    def __init__(self) -> None:
        super().__init__()
        self._edited: FormField | None = None

    def compose(self) -> ComposeResult:
        yield Paragraph(id="next-step")
        making = Paragraph(id="making")
        making.display = False
        yield making
        yield FieldTable(_COLUMNS, id="fields")
        yield Paragraph(id="field-note")
        editor = Input(id="editor", compact=True)
        editor.display = False
        yield editor
        yield Listing(_CHECKS, empty="", id="checks", show_header=False)

    def show(self, snapshot: ManagerSnapshot) -> None:
        app = app_of(self)
        draft, assessment, step = app.draft, app.assessment, app.next_step
        fields = [field for field in FIELDS if field.shown(draft)]
        self.query_one(FieldTable).set_lines([_line(field, draft, assessment) for field in fields])
        banner = self.query_one("#next-step", Paragraph)
        banner.set_text(f"NEXT: {step.sentence}")
        for readiness in Readiness:
            banner.set_class(step.readiness is readiness, readiness.value)
        self._show_making(snapshot)
        self._show_checks(snapshot)
        self._show_note()
        missing = len(assessment.errors)
        notes = [f"{missing} to fill in"] if missing else []
        notes += [f"again, child of {formats.short_id(draft.parent_run_id)}"] if draft.parent_run_id else []
        self.set_subtitle("; ".join(notes))

    def _show_making(self, snapshot: ManagerSnapshot) -> None:
        making = snapshot.making
        line = self.query_one("#making", Paragraph)
        line.show_if(making is not None and making.is_running)
        if making is not None and making.is_running:
            full = round(making.share * _BAR_CELLS)
            done = f"{'█' * full}{'·' * (_BAR_CELLS - full)} {making.share:.0%}"
            line.set_text(f"BASELINE {done} {making.algorithm}: {making.sentence}")

    def _show_note(self) -> None:
        if self._edited is not None:
            # The line is about what is being typed.
            return
        key = self.query_one(FieldTable).cursor_key
        line = self.query_one("#field-note", Paragraph)
        if key is None:
            line.set_text("")
            return
        field = FIELD_BY_ID[key]
        error = app_of(self).assessment.errors.get(key)
        line.set_text(f"{field.label}: {error or field.hint or field.label}")
        line.set_class(error is not None and bool(app_of(self).draft.value(key)), "error")

    def _show_checks(self, snapshot: ManagerSnapshot) -> None:
        app = app_of(self)
        check = snapshot.command(app.check_id)
        listing = self.query_one("#checks", Listing)
        if check is None or check.preview is None:
            listing.set_lines(
                [], empty=check.sentence if check else "The engine checks a launch when it is filled in."
            )
            return
        age = app.now_ms() - (check.result_ms or check.created_ms)
        fresh = "checked" if app.is_check_current else "outdated"
        head = Line("age", (Cell(f"{fresh}", "dim"), Cell(""), Cell(f"{formats.age(age)} ago", "dim")))
        lines = [_check_line(result) for result in sorted(check.preview.checks, key=_urgency)]
        if check.preview.assume_position:
            cells = (Cell("at the start"), Cell(""), Cell(check.preview.assume_position))
            lines.append(Line("assume", cells))
        listing.set_lines([head, *lines])

    # --- changing a value ------------------------------------------------------------------------

    def edit(self, field_id: str) -> None:
        """Start editing a field: a list for a choice, a line for a text."""
        field, app = FIELD_BY_ID[field_id], app_of(self)
        options = field.choices(app.draft, app.snapshot)
        if field.is_choice:
            if options:
                dialog = ChoiceDialog(field.label, options, app.draft.value(field.id))
                self.app.push_screen(dialog, lambda value: self._chosen(field.id, value))
            return
        self._edited = field
        editor = self.query_one("#editor", Input)
        editor.suggester = SuggestFromList(options) if options else None
        editor.value = app.draft.value(field.id)
        editor.border_title = field.label
        editor.display = True
        editor.focus()

    def _chosen(self, field_id: str, value: str | None) -> None:
        if value is not None:
            self.app.post_message(FieldChanged(field_id, value))

    @on(Input.Changed, "#editor")
    def _judge(self, event: Input.Changed) -> None:
        if self._edited is None:
            return
        app = app_of(self)
        error = problem_with(app.draft, app.snapshot, self._edited.id, event.value)
        line = self.query_one("#field-note", Paragraph)
        line.set_text(f"{self._edited.label}: {error or self._edited.hint}")
        line.set_class(bool(error), "error")

    @on(Input.Submitted, "#editor")
    def _submitted(self, event: Input.Submitted) -> None:
        if self._edited is not None:
            self.app.post_message(FieldChanged(self._edited.id, event.value.strip()))
        self.leave_field()

    def on_key(self, event: events.Key) -> None:
        if self._edited is not None and event.key == "escape":
            event.stop()
            self.leave_field()

    @on(events.DescendantBlur)
    def _blurred(self, event: events.DescendantBlur) -> None:
        if self._edited is not None and event.widget.id == "editor" and not app_of(self).is_covered:
            self.leave_field(focus=False)

    def leave_field(self, *, focus: bool = True) -> None:
        """End editing."""
        self._edited = None
        self.query_one("#editor", Input).display = False
        if focus:
            self.query_one(FieldTable).focus()
        self._show_note()

    @on(DataTable.RowSelected, "#fields")
    def _enter(self, event: DataTable.RowSelected) -> None:
        if event.row_key.value is not None:
            self.edit(event.row_key.value)

    @on(KeyedTable.CursorMoved, "#fields")
    def _moved(self) -> None:
        self._show_note()

    @on(DataTable.RowSelected, "#checks-table")
    def _show_check(self, event: DataTable.RowSelected) -> None:
        check = app_of(self).snapshot.command(app_of(self).check_id)
        results = () if check is None or check.preview is None else check.preview.checks
        for result in results:
            if result.name == event.row_key.value:
                kind = "hard: refuses the start" if result.is_hard else "soft: needs a written reason"
                self.app.push_screen(
                    MessageDialog(f"Check: {result.name}", [kind, "", result.found, "", result.remedy])
                )


def _line(field: FormField, draft: LaunchDraft, assessment: Assessment) -> Line:
    value, error = draft.value(field.id), assessment.errors.get(field.id)
    note = Cell(error, "error") if error else Cell(field.hint, "dim")
    # An empty required field is a step ahead, not a mistake of the operator.
    tone: Tone = ("error" if value else "warning") if error else "accent" if value else "dim"
    missing = "choose…" if field.is_choice else "write…"
    return Line(field.id, (Cell(field.label), Cell(value or (missing if error else "-"), tone), note))


def _urgency(check: CheckResult) -> int:
    if check.passed:
        return 2
    return 0 if check.is_hard else 1


def _check_line(check: CheckResult) -> Line:
    word, tone = _verdict(check)
    found = check.found if check.passed or not check.remedy else f"{check.found}; {check.remedy}"
    return Line(check.name, (Cell(check.name), Cell(word, tone), Cell(found, "" if check.passed else tone)))


def _verdict(check: CheckResult) -> tuple[str, Tone]:
    if check.passed:
        return "ok", "gain"
    return ("HARD", "error") if check.is_hard else ("soft", "warning")
