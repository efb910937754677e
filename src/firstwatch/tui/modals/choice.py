"""A dialog that lists options; a long list is searched by typing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.css.styles import RulesMap
from textual.geometry import Spacing
from textual.strip import Strip
from textual.style import Style
from textual.visual import Padding, RenderOptions, Visual
from textual.widget import Widget
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from firstwatch.trading.text import clean
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.widgets.status_lines import KeyHint


@dataclass(frozen=True, slots=True)
class Choice:
    """One option: its value, its name and a note."""

    value: str
    text: str
    note: str = ""

    def matches(self, words: Sequence[str]) -> bool:
        """Return whether name or note contain all of these words, which are in lower case."""
        mine = f"{self.text} {self.note}".casefold()
        return all(word in mine for word in words)


class ChoiceDialog(Dialog[str]):
    """Returns the value of the chosen option.

    ``searches``: typing narrows the list. ``takes_typed``: the typed text may itself be the value.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "step(1)", "Next", show=False, id="choice.next"),
        Binding("up", "step(-1)", "Before", show=False, id="choice.before"),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        chosen: str,
        *,
        searches: bool = False,
        takes_typed: bool = False,
    ) -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self._choices = tuple(choices)
        self._shown = self._choices
        self._chosen = chosen
        self._searches = searches
        self._takes_typed = takes_typed

    def body(self) -> Sequence[Widget]:
        options = OptionList(*map(_option, self._choices), markup=False)
        values = [choice.value for choice in self._choices]
        if self._choices:
            options.highlighted = values.index(self._chosen) if self._chosen in values else 0
        search = [Input(placeholder="type to search", select_on_focus=False)] if self._searches else []
        return [*search, options]

    def hints(self) -> Sequence[KeyHint]:
        leave = KeyHint("esc", "cancel") if self._searches else KeyHint("q esc", "cancel")
        return (KeyHint("↑ ↓", "move"), KeyHint("enter", "choose"), leave)

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        typed = event.value.strip()
        found = [choice for choice in self._choices if choice.matches(typed.casefold().split())]
        if typed and self._takes_typed and all(choice.value != typed for choice in found):
            found.append(Choice(typed, typed, "as typed; the venue is asked whether it has it"))
        self._shown = tuple(found)
        options = self.query_one(OptionList)
        options.set_options(map(_option, found))
        options.highlighted = 0 if found else None

    def action_step(self, by: int) -> None:
        """Move the highlight while the focus is in the search."""
        options = self.query_one(OptionList)
        if by > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    @on(Input.Submitted)
    def _take_highlighted(self) -> None:
        self.query_one(OptionList).action_select()

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._shown[event.option_index].value)


class _Indented(Visual):
    """A name, and below it a note whose lines are all indented."""

    def __init__(self, choice: Choice) -> None:
        name, note = Content(clean(choice.text)), Content.styled(clean(choice.note), "$text-muted")
        self._parts: tuple[Visual, ...] = (name, Padding(note, Spacing(left=2)))

    def render_strips(
        self, width: int, height: int | None, style: Style, options: RenderOptions
    ) -> list[Strip]:
        strips = [strip for part in self._parts for strip in part.render_strips(width, None, style, options)]
        return strips[:height]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        return max(part.get_optimal_width(rules, container_width) for part in self._parts)

    def get_height(self, rules: RulesMap, width: int) -> int:
        return sum(part.get_height(rules, width) for part in self._parts)


def _option(choice: Choice) -> Option:
    return Option(_Indented(choice) if choice.note else Content(clean(choice.text)))
