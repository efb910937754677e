"""A dialog with fields and work behind it that takes a while: asking a venue, opening the vault.

It shows what is under way, keeps what was typed if the work fails, and allows another try. Leaving it does
not cancel the work; a notification shows the outcome then.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Generic, Literal, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import AwaitMount, Widget
from textual.widgets import Input, Label

from firstwatch.trading.errors import FirstwatchError
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine, StatusLine

_log = logging.getLogger(__name__)

Values = Mapping[str, str]
Result = TypeVar("Result")
Outcome = TypeVar("Outcome")


def _accept(values: Values) -> str:
    del values
    return ""


@dataclass(frozen=True, slots=True)
class Field:
    """One line to write. ``check`` returns what is wrong with it, given all values; empty: nothing."""

    name: str
    label: str
    value: str = ""
    is_secret: bool = False
    """The text is hidden and taken exactly as typed."""
    check: Callable[[Values], str] = _accept


@dataclass(frozen=True, slots=True)
class FormSpec(Generic[Result]):
    """The content of a form and the work behind it; making it may take a request to a venue."""

    lines: Sequence[str]
    verb: str
    """Label of Enter in the last field; without fields, of ``y``."""
    work: Callable[[Values], Awaitable[Result]]
    fields: Sequence[Field] = field(default=())


class FormDialog(Dialog[Result]):
    """Shows the form that ``load`` describes, does its work, and returns the result."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "work", "Do it", show=False, id="form.yes"),
        Binding("enter", "load_again", "Ask again", show=False, id="form.again"),
        Binding("down", "step(1)", "Next field", show=False, id="form.next"),
        Binding("up", "step(-1)", "Previous field", show=False, id="form.previous"),
    ]

    def __init__(
        self,
        title: str,
        load: Callable[[], Awaitable[FormSpec[Result]]],
        *,
        late_message: Callable[[Result], str] = str,
        is_dangerous: bool = False,
    ) -> None:
        """``load`` describes the form; ``late_message`` is the text of the result if the dialog was left."""
        super().__init__()
        self.TITLE_TEXT = title
        self.IS_DANGEROUS = is_dangerous
        self._load = load
        self._late_message = late_message
        self._spec: FormSpec[Result] | None = None
        self._is_busy = False

    def body(self) -> Sequence[Widget]:
        return [Vertical(id="form"), Paragraph(classes="problem"), Paragraph(classes="doing")]

    def hints(self) -> Sequence[KeyHint]:
        spec = self._spec
        if self._is_busy:
            return (KeyHint("esc", "do not wait"), KeyHint("", ""))
        if spec is None:
            return (KeyHint("enter", "try again"), KeyHint("q esc", "cancel"))
        if not spec.fields:
            return (KeyHint("y", spec.verb), KeyHint("q esc", "cancel"))
        entries = list(self.query(Input))
        if entries and self.focused is entries[-1]:
            return (KeyHint("↑", "back"), KeyHint("enter", spec.verb), KeyHint("esc", "cancel"))
        return (KeyHint("↑ ↓", "move"), KeyHint("enter", "next"), KeyHint("esc", "cancel"))

    def on_mount(self) -> None:
        self.action_load_again()

    def on_descendant_focus(self) -> None:
        self._renew_lines()

    def on_descendant_blur(self) -> None:
        self._renew_lines()

    def _renew_lines(self) -> None:
        """Name the keys and the input mode of the field that has the focus now."""
        self.query_one(KeyLine).renew()
        self.query_one(StatusLine).renew()

    # --- loading -------------------------------------------------------------------------------------

    def action_load_again(self) -> None:
        """Load the form, unless it is there or being loaded."""
        if self._spec is None and not self._is_busy:
            self._do("asking…", self._load, self._show)

    def _show(self, spec: FormSpec[Result]) -> None:
        self._spec = spec
        mounted = self.query_one("#form", Vertical).mount(
            *(text(line) for line in spec.lines), *(_FieldRow(each) for each in spec.fields)
        )
        self.call_later(self._focus_first, mounted)

    async def _focus_first(self, mounted: AwaitMount) -> None:
        # A row has its field only once it is mounted itself.
        await mounted
        for entry in self.query(Input):
            if not entry.value:
                entry.focus()
                return

    # --- writing -------------------------------------------------------------------------------------

    @property
    def _values(self) -> Values:
        fields = () if self._spec is None else self._spec.fields
        typed = {each.name: self.query_one(f"#field-{each.name}", Input).value for each in fields}
        return {
            each.name: typed[each.name] if each.is_secret else typed[each.name].strip() for each in fields
        }

    @on(Input.Changed)
    def _judge(self, event: Input.Changed) -> None:
        if event.value.strip():
            self._say_problem(self._field_of(event.input).check(self._values))
        else:
            self._say_problem("")

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        entries = list(self.query(Input))
        problem = self._field_of(event.input).check(self._values)
        if problem:
            self._say_problem(problem)
        elif event.input is entries[-1]:
            self.action_work()
        else:
            entries[entries.index(event.input) + 1].focus()

    def action_step(self, by: int) -> None:
        """Go ``by`` fields on, never around the end: that would lead from a secret to a readable field."""
        entries = list(self.query(Input))
        if isinstance(self.focused, Input):
            place = entries.index(self.focused) + by
            entries[min(max(place, 0), len(entries) - 1)].focus()

    def _field_of(self, entry: Input) -> Field:
        assert self._spec is not None
        return next(each for each in self._spec.fields if entry.id == f"field-{each.name}")

    # --- working -------------------------------------------------------------------------------------

    def action_work(self) -> None:
        """Begin the work, if every field is right."""
        spec = self._spec
        if spec is None or self._is_busy:
            return
        values = self._values
        for each in spec.fields:
            if problem := each.check(values):
                self._say_problem(problem)
                self.query_one(f"#field-{each.name}", Input).focus()
                return
        self._do(
            "working; this takes a moment…", partial(spec.work, values), self.dismiss, self._late_message
        )

    def _do(
        self,
        doing: str,
        act: Callable[[], Awaitable[Outcome]],
        done: Callable[[Outcome], object],
        late_message: Callable[[Outcome], str] | None = None,
    ) -> None:
        self._is_busy = True
        self._say_problem("")
        self.query_one(".doing", Paragraph).set_text(doing)
        focused = self.focused
        self.query_one("#form").disabled = True
        self._renew_lines()
        # The app's worker and not the dialog's: leaving the dialog must not cut work off in the middle.
        carry_out = self._carry_out(act, done, late_message, focused)
        self.app.run_worker(carry_out, exit_on_error=False)

    async def _carry_out(
        self,
        act: Callable[[], Awaitable[Outcome]],
        done: Callable[[Outcome], object],
        late_message: Callable[[Outcome], str] | None,
        focused: Widget | None,
    ) -> None:
        app, problem = self.app, ""
        try:
            outcome = await act()
        except FirstwatchError as error:
            problem = str(error)
        except Exception as error:
            # Where it happened, not its message: that may hold a secret.
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error("%s: %s\n%s", self.TITLE_TEXT, type(error).__name__, where)
            problem = "The program failed here; its log says where. Try again."
        if self.is_attached:
            self._rest(problem, focused)
            if not problem:
                done(outcome)
        elif late_message is not None:
            severity: Literal["error", "information"] = "error" if problem else "information"
            said = problem or late_message(outcome)
            app.notify(said, title=self.TITLE_TEXT, severity=severity)

    def _rest(self, problem: str, focused: Widget | None) -> None:
        """Take keys again."""
        self._is_busy = False
        self.query_one(".doing", Paragraph).set_text("")
        self.query_one("#form").disabled = False
        self._say_problem(problem)
        if problem and focused is not None:
            focused.focus()
        self._renew_lines()

    def _say_problem(self, problem: str) -> None:
        self.query_one(".problem", Paragraph).set_text(problem)


class _FieldRow(Horizontal):
    """A label and its input."""

    def __init__(self, each: Field) -> None:
        super().__init__(classes="field-row")
        self._field = each

    def compose(self) -> ComposeResult:
        yield Label(self._field.label, markup=False)
        yield Input(
            self._field.value,
            id=f"field-{self._field.name}",
            password=self._field.is_secret,
            select_on_focus=False,
            compact=True,
        )
