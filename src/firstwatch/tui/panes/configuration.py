"""Run Configuration: every launch setting, what is wrong with it, the checks, and the next step."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.suggester import SuggestFromList
from textual.widgets import DataTable, Input

from firstwatch.manager.views import ManagerSnapshot
from firstwatch.trading.launch import CheckResult
from firstwatch.tui import formats
from firstwatch.tui.launch_form.assessment import Readiness
from firstwatch.tui.launch_form.draft import FIELD_BY_ID, FIELDS, FormField
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.confirm import MessageDialog
from firstwatch.tui.panes.pane import Pane, desk_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, Tone

_COLUMNS = (
    Column("setting", 22),
    Column("value", 18, grows=True),
    Column("", 34, rank=1),
)
_CHECKS = (
    Column("check", 16),
    Column("", 4),
    Column("found", 26, grows=True),
)


class FieldTable(KeyedTable):
    """The form's lines; left, right and space change a choice in place."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "Previous value", show=False, id="form.previous"),
        Binding("right", "turn(1)", "Next value", show=False, id="form.next"),
        Binding("space", "turn(1)", "Next value", show=False, id="form.turn"),
    ]

    def action_turn(self, by: int) -> None:
        pane = self.query_ancestor(ConfigurationPane)
        if self.cursor_key is not None:
            pane.turn(FIELD_BY_ID[self.cursor_key], by)


class ConfigurationPane(Pane):
    """The launch form."""

    TITLE = "Configuration"
    NUMBER = 2

    def __init__(self) -> None:
        super().__init__()
        self._edited: FormField | None = None

    def compose(self) -> ComposeResult:
        yield Paragraph(id="next-step")
        yield FieldTable(_COLUMNS, id="fields")
        yield Paragraph(id="field-note")
        editor = Input(id="editor", compact=True)
        editor.display = False
        yield editor
        yield Listing(_CHECKS, empty="", id="checks", show_header=False)

    def show(self, snapshot: ManagerSnapshot) -> None:
        desk = desk_of(self)
        draft, errors = desk.draft, desk.assessment.errors
        fields = [field for field in FIELDS if field.shown(draft)]
        self.query_one(FieldTable).set_lines([self._line(field) for field in fields])
        step = desk.next_step
        banner = self.query_one("#next-step", Paragraph)
        banner.set_text(f"NEXT: {step.sentence}")
        for readiness in Readiness:
            banner.set_class(step.readiness is readiness, readiness.value)
        self._show_checks(snapshot)
        self._show_word()
        notes = [f"{len(errors)} to fill in"] if errors else []
        notes += [f"again, child of {formats.short_id(draft.parent_run_id)}"] if draft.parent_run_id else []
        self.set_subtitle("; ".join(notes))

    def _line(self, field: FormField) -> Line:
        desk = desk_of(self)
        value, error = desk.draft.value(field.id), desk.assessment.errors.get(field.id)
        is_choice = field.options is not None and not field.is_free
        note = Cell(error, "error") if error else Cell(field.hint, "dim")
        # An empty required field is a step ahead, not a mistake of the operator.
        tone: Tone = ("error" if value else "warning") if error else "accent" if value else "dim"
        wanted = "choose" if is_choice else "write"
        shown = value or (f"{wanted}…" if error else "-")
        return Line(field.id, (Cell(field.label), Cell(shown, tone), note))

    def _show_word(self) -> None:
        if self._edited is not None:
            # What is being typed has the word.
            return
        key = self.query_one(FieldTable).cursor_key
        line = self.query_one("#field-note", Paragraph)
        if key is None:
            line.set_text("")
            return
        field = FIELD_BY_ID[key]
        error = desk_of(self).assessment.errors.get(key)
        line.set_text(f"{field.label}: {error or field.hint or field.label}")
        line.set_class(error is not None and bool(desk_of(self).draft.value(key)), "error")

    def _show_checks(self, snapshot: ManagerSnapshot) -> None:
        desk = desk_of(self)
        check = snapshot.command(desk.check_id)
        listing = self.query_one("#checks", Listing)
        if check is None or check.preview is None:
            listing.set_lines(
                [], empty=check.sentence if check else "The engine checks a launch that is filled in."
            )
            return
        age = desk.now_ms() - (check.result_ms or check.created_ms)
        fresh = "checked" if desk.is_check_current else "outdated"
        head = Line("age", (Cell(f"{fresh}", "dim"), Cell(""), Cell(f"{formats.age(age)} ago", "dim")))
        lines = [_check_line(result) for result in sorted(check.preview.checks, key=_urgency)]
        if check.preview.assume_position:
            cells = (Cell("at the start"), Cell(""), Cell(check.preview.assume_position))
            lines.append(Line("assume", cells))
        listing.set_lines([head, *lines])

    # --- changing a value ------------------------------------------------------------------------

    def turn(self, field: FormField, by: int) -> None:
        """Take the next or previous value of a choice."""
        options = self._options(field)
        if not options:
            return
        value = desk_of(self).draft.value(field.id)
        place = options.index(value) + by if value in options else 0
        desk_of(self).set_draft(field.id, options[place % len(options)])

    def edit(self, field_id: str) -> None:
        """Begin to change a field: a list for a choice, a line for a text."""
        field, desk = FIELD_BY_ID[field_id], desk_of(self)
        options = self._options(field)
        if field.options is not None and not field.is_free:
            if options:
                dialog = ChoiceDialog(field.label, options, desk.draft.value(field.id))
                self.app.push_screen(dialog, lambda value: self._chosen(field.id, value))
            return
        self._edited = field
        editor = self.query_one("#editor", Input)
        editor.suggester = SuggestFromList(options) if options else None
        editor.value = desk.draft.value(field.id)
        editor.border_title = field.label
        editor.display = True
        editor.focus()

    def _options(self, field: FormField) -> Sequence[str]:
        desk = desk_of(self)
        return () if field.options is None else field.options(desk.draft, desk.snapshot)

    def _chosen(self, field_id: str, value: str | None) -> None:
        if value is not None:
            desk_of(self).set_draft(field_id, value)

    @on(Input.Changed, "#editor")
    def _judge(self, event: Input.Changed) -> None:
        if self._edited is None:
            return
        error = desk_of(self).judge(self._edited.id, event.value)
        line = self.query_one("#field-note", Paragraph)
        line.set_text(f"{self._edited.label}: {error or self._edited.hint}")
        line.set_class(bool(error), "error")

    @on(Input.Submitted, "#editor")
    def _submitted(self, event: Input.Submitted) -> None:
        if self._edited is not None:
            desk_of(self).set_draft(self._edited.id, event.value.strip())
        self.leave_field()

    def on_key(self, event: events.Key) -> None:
        if self._edited is not None and event.key == "escape":
            event.stop()
            self.leave_field()

    @on(events.DescendantBlur)
    def _blurred(self, event: events.DescendantBlur) -> None:
        if self._edited is not None and event.widget.id == "editor" and not desk_of(self).is_covered:
            self.leave_field(focus=False)

    def leave_field(self, *, focus: bool = True) -> None:
        """End EDIT."""
        self._edited = None
        self.query_one("#editor", Input).display = False
        if focus:
            self.query_one(FieldTable).focus()
        self._show_word()

    @on(DataTable.RowSelected, "#fields")
    def _enter(self, event: DataTable.RowSelected) -> None:
        if event.row_key.value is not None:
            self.edit(event.row_key.value)

    @on(KeyedTable.CursorMoved, "#fields")
    def _moved(self) -> None:
        self._show_word()

    @on(DataTable.RowSelected, "#checks-table")
    def _tell_check(self, event: DataTable.RowSelected) -> None:
        check = desk_of(self).snapshot.command(desk_of(self).check_id)
        results = () if check is None or check.preview is None else check.preview.checks
        for result in results:
            if result.name == event.row_key.value:
                kind = "hard: refuses the start" if result.is_hard else "soft: wants a written reason"
                self.app.push_screen(
                    MessageDialog(f"Check: {result.name}", [kind, "", result.found, "", result.remedy])
                )


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
