"""A dialog with settings in fields, of which some are choices; ``y`` goes on with them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.tui.launch_form import parse
from firstwatch.tui.modals.dialog import Dialog, text
from firstwatch.tui.widgets.field_form import FieldForm, field_line, heading
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine, StatusLine
from firstwatch.tui.widgets.table import Line, Tone

_MOST_ROWS = 16

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Setting:
    """One field. With ``words`` it is a choice of these values, else a text."""

    id: str
    label: str
    section: str
    meaning: str
    value: str = ""
    read: Callable[[str], object] = str
    """Reads a text.

    Raises:
        ValueError: it cannot be read; the sentence says why.
    """
    words: Mapping[str, str] = field(default_factory=dict)
    empty: str = ""
    """Shown while the text is empty."""
    proposal: str = ""
    """The text that space writes into an empty field, and takes out again."""


class SettingsDialog(Dialog[Values]):
    """Returns the values of all settings. ``check``: what is wrong with them together; empty: nothing."""

    AUTO_FOCUS = "FieldTable"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "accept", "Go on", show=False, id="settings.go_on")]

    def __init__(
        self,
        title: str,
        lines: Sequence[str],
        settings: Sequence[Setting],
        verb: str,
        *,
        check: Callable[[Values], str],
    ) -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self._lines = tuple(lines)
        self._settings = {each.id: each for each in settings}
        self._values = {each.id: each.value for each in settings}
        self._verb = verb
        self._check = check
        self._form = FieldForm(self, id="settings")
        sections = len({each.section for each in settings})
        self._form.styles.height = min(len(settings) + sections + 3, _MOST_ROWS)

    def body(self) -> Sequence[Widget]:
        return [*(text(line) for line in self._lines), self._form, text("", "problem")]

    def hints(self) -> Sequence[KeyHint]:
        if self._form.written is not None:
            return (
                KeyHint("tab", "save, write the next"),
                KeyHint("enter", "save"),
                KeyHint("esc", "cancel"),
            )
        return (
            KeyHint("enter", "change"), KeyHint("space", "next value"), KeyHint("y", self._verb),
            KeyHint("q esc", "cancel"),
        )  # fmt: skip

    def on_mount(self) -> None:
        self._renew()
        self._form.go_to(next(iter(self._settings)))

    def on_descendant_focus(self) -> None:
        self._renew_lines()

    def _renew_lines(self) -> None:
        self.query_one(KeyLine).renew()
        self.query_one(StatusLine).renew()

    def _renew(self) -> None:
        self._form.set_lines(list(self._rows()))
        self._renew_lines()

    def _rows(self) -> Iterator[Line]:
        section = None
        for each in self._settings.values():
            if each.section != section:
                section = each.section
                yield heading(section)
            value = self._values[each.id]
            shown = each.words.get(value, value) or each.empty
            tone: Tone = "error" if self._problem(each, value) else "" if value or each.words else "dim"
            yield field_line(each.id, each.label, shown, tone)

    def _problem(self, each: Setting, value: str) -> str:
        return "" if each.words else parse.problem(each.read, value)

    # --- ``FieldHost`` -------------------------------------------------------------------------------

    def text_of(self, key: str) -> str | None:
        return None if self._settings[key].words else self._values[key] or self._settings[key].proposal

    def typed(self, key: str, text: str) -> None:
        self._say(key, self._problem(self._settings[key], text) if text else "")

    def save(self, key: str, text: str, step: int) -> bool:
        if problem := self._problem(self._settings[key], text):
            self._say(key, problem)
            return False
        self._values[key] = text
        self._renew()
        keys = list(self._settings)
        place = min(max(keys.index(key) + (step or 1), 0), len(keys) - 1)
        self._form.go_to(keys[place], opens=bool(step) and keys[place] != key)
        return True

    def press(self, key: str) -> None:
        self.turn(key, 1)

    def turn(self, key: str, by: int) -> None:
        each, values = self._settings[key], list(self._settings[key].words)
        if values:
            self._values[key] = values[(values.index(self._values[key]) + by) % len(values)]
        elif each.proposal:
            self._values[key] = "" if self._values[key] else each.proposal
        self._renew()
        self.pointed(key)

    def pointed(self, key: str) -> None:
        self._say(key, self._problem(self._settings[key], self._values[key]))

    def _say(self, key: str, problem: str) -> None:
        self._form.say(key, problem or f"{self._settings[key].meaning}.", is_problem=bool(problem))

    def action_accept(self) -> None:
        """Return the values, unless something is wrong with them."""
        for each in self._settings.values():
            if problem := self._problem(each, self._values[each.id]):
                self._form.go_to(each.id)
                self._say(each.id, problem)
                return
        if problem := self._check(self._values):
            key = self._form.cursor_key or next(iter(self._settings))
            self._say(key, problem)
            return
        self.dismiss(dict(self._values))
