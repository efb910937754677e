"""The editor of an algorithm's text: coloured, with its mistakes underlined, and completed while it is typed.

While it is only read, single keys act as in any pane, and its cursor moves all the same.
"""

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.reactive import Reactive
from textual.strip import Strip
from textual.theme import Theme
from textual.widgets import TextArea
from textual.widgets.text_area import TextAreaTheme

from firstwatch.manager.algorithm_text import TokenKind, complete, tokens_of
from firstwatch.manager.build_views import Completion, TextProblem
from firstwatch.trading.toml_file import LONGEST_BYTES
from firstwatch.tui.widgets.choice_list import ChoiceList

_COLOURS: dict[TokenKind, tuple[str, str]] = {
    TokenKind.TABLE: ("primary", "bold"),
    TokenKind.KEY: ("secondary", ""),
    TokenKind.NUMBER: ("accent", ""),
    TokenKind.BOOLEAN: ("accent", ""),
    TokenKind.COMMENT: ("text-muted", "italic"),
    TokenKind.FUNCTION: ("primary", ""),
    TokenKind.PRICE: ("primary", ""),
    TokenKind.OPERATOR: ("text-muted", ""),
    TokenKind.TIMEFRAME: ("secondary", ""),
}
"""The theme's colour of each kind of token, and how it is written; others are as the text."""
_OPENS_AT = 2
"""Letters of a word from which on it is completed by itself."""
_KEPT_LINES = 500
_LEFT_OUT = {"f6", "f7"}
"""Keys of Textual's editor that do something else here."""


class Editor(TextArea, inherit_bindings=False):
    """The text. ``choices`` is the list of completions, which is shown over it."""

    # Keys that terminals and multiplexers leave alone. The letter that comes with alt is not typed.
    BINDINGS: ClassVar[list[BindingType]] = [
        *(each for each in TextArea.BINDINGS if isinstance(each, Binding) and each.key not in _LEFT_OUT),
        Binding("alt+u", "undo", "Undo", show=False, id="editor.undo"),
        Binding("alt+r", "redo", "Redo", show=False, id="editor.redo"),
        Binding("alt+c", "complete", "Complete", show=False, id="editor.complete"),
        Binding("enter", "app.perform('build.write')", "Write", show=False, id="editor.write"),
        Binding("ctrl+s", "app.perform('build.save')", "Save", show=False, id="editor.save"),
    ]

    # Its size never changes where the editor is: by default each key on the longest line arranges the screen.
    virtual_size = Reactive(Size(0, 0))

    class WritingChanged(Message):
        """Writing has begun or ended."""

    class Refused(Message):
        """Something was not taken; the sentence says why."""

        def __init__(self, sentence: str) -> None:
            super().__init__()
            self.sentence = sentence

    def __init__(self, choices: ChoiceList, *, id: str) -> None:
        super().__init__(
            id=id,
            soft_wrap=False,
            tab_behavior="indent",
            read_only=True,
            show_line_numbers=True,
            compact=True,
        )
        self.indent_width = 2
        self.cursor_blink = False
        self._choices = choices
        self._problems: dict[int, list[TextProblem]] = {}
        self._styles: dict[str, Style] = {}
        self._drawn: LRUCache[object, Strip] = LRUCache(_KEPT_LINES)
        """Lines as they were drawn, by all that they depend on: Textual forgets all of them with each key."""
        self._is_asked = False
        """The list was asked for by its key."""

    # --- what it shows -------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._take_colours)
        self._take_colours(self.app.current_theme)

    def _take_colours(self, _theme: Theme) -> None:
        colours = self.app.theme_variables
        self._styles = {
            # Only colours that Rich can read: "auto 60%" is Textual's own.
            kind: Style.parse(f"{how} {'dim' if colours[name].startswith('auto') else colours[name]}")
            for kind, (name, how) in _COLOURS.items()
        }
        self._styles["problem"] = Style.parse(f"underline {colours['error']}")
        self._drawn.clear()
        # Over the parts of the line with a colour of their own.
        panel = Style(bgcolor=colours["panel"])
        self.register_theme(TextAreaTheme("firstwatch", cursor_line_style=panel))
        self.theme = "firstwatch"
        self.notify_style_update()
        self.refresh()

    def mark(self, problems: Sequence[TextProblem]) -> None:
        """Underline these mistakes."""
        found: dict[int, list[TextProblem]] = {}
        for each in problems:
            found.setdefault(each.line, []).append(each)
        if found != self._problems:
            self._problems = found
            # Forgets the lines as they were drawn.
            self.notify_style_update()
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        for token in tokens_of(line.plain):
            if (style := self._styles.get(token.kind)) is not None:
                line.stylize(style, token.start, token.end)
        for each in self._problems.get(line_index, ()):
            # One behind the end of the line is shown on its last sign.
            line.stylize(self._styles["problem"], min(each.column, max(0, len(line) - 1)), each.end_column)
        return line

    def watch_virtual_size(self, size: Size) -> None:
        """Bring the scrollbars up to date; only one that comes or goes arranges the screen anew."""
        self._scroll_update(size)

    def render_line(self, y: int) -> Strip:
        line = y + round(self.scroll_offset.y)
        if line >= self.document.line_count:
            return super().render_line(y)
        first, last = sorted(self.selection)
        bracket, cursor_line = self.matching_bracket_location, self.selection.end[0]
        made_of = (
            line,
            self.document.get_line(line),
            tuple(self._problems.get(line, ())),
            self.selection if first[0] <= line <= last[0] else None,
            bracket if bracket is not None and line in (bracket[0], cursor_line) else None,
            self.has_focus and line == cursor_line and self.get_component_rich_style("text-area--cursor"),
            (self.size, self.scroll_offset.x, self.virtual_size.width, self.gutter_width, self.visual_style),
        )
        drawn = self._drawn.get(made_of)
        if drawn is None:
            drawn = super().render_line(y)
            self._drawn[made_of] = drawn
        return drawn

    # --- writing -------------------------------------------------------------------------------------

    @property
    def is_writing(self) -> bool:
        """Keys are text."""
        return not self.read_only

    def write(self) -> None:
        """Begin to write."""
        if self.read_only:
            self.read_only = False
            self.post_message(self.WritingChanged())

    def leave(self) -> None:
        """Stop writing."""
        self._choices.close()
        if not self.read_only:
            self.read_only = True
            self.history.checkpoint()
            self.post_message(self.WritingChanged())

    def on_focus(self) -> None:
        # A line is drawn with the cursor, or without it.
        self.notify_style_update()

    def on_blur(self) -> None:
        self.notify_style_update()
        # Not when the program ends, when the whole terminal loses the focus, or below a dialog.
        if (
            self.app.is_running
            and self.app.app_focus
            and self.app.screen is self.screen
            and self.screen.focused is not self
        ):
            self.leave()

    async def _on_key(self, event: events.Key) -> None:
        if self.read_only:
            return
        key = event.key
        if key.startswith("alt+"):
            event.prevent_default()
        elif self._choices.is_open and self._act_on_choices(key):
            event.stop()
            event.prevent_default()
        elif key == "escape":
            event.stop()
            event.prevent_default()
            self.leave()
        elif (event.is_printable or key in ("enter", "tab")) and not self._has_room(1):
            event.stop()
            event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        if not self.read_only and not self._has_room(len(event.text)):
            event.stop()
            event.prevent_default()

    def _has_room(self, more: int) -> bool:
        if len(self.text) - len(self.selected_text) + more <= LONGEST_BYTES:
            return True
        self.post_message(
            self.Refused(f"An algorithm has at most {LONGEST_BYTES:,} characters: nothing was added")
        )
        return False

    def take(self, text: str, *, goes_on: bool) -> None:
        """Show another text; ``goes_on``: it can be undone."""
        self.close_choices()
        if text == self.text:
            return
        if goes_on:
            before, (line, column) = list(self.document.lines), self.cursor_location
            self.replace(text, (0, 0), self.document.end)
            line = _place_in(self.document.lines, before, line)
            self.move_cursor((line, min(column, len(self.document.get_line(line)))))
            self.history.checkpoint()
        else:
            self.load_text(text)
            self.move_cursor((0, 0))

    def action_paste(self) -> None:
        """Paste what was copied here."""
        if not self.read_only and self._has_room(len(self.app.clipboard)):
            super().action_paste()

    def action_undo(self) -> None:
        if not self.read_only:
            super().action_undo()

    def action_redo(self) -> None:
        if not self.read_only:
            super().action_redo()

    def action_copy(self) -> None:
        """Copy the selection; without one, the line of the cursor."""
        self.app.copy_to_clipboard(self.selected_text or self.document.get_line(self.cursor_location[0]))

    # --- completion ----------------------------------------------------------------------------------

    def action_complete(self) -> None:
        """List how the text at the cursor can go on."""
        if self.is_writing:
            self._is_asked = True
            self.suggest()

    def suggest(self) -> None:
        """Show or renew the list for the text at the cursor."""
        found = self._found()
        line, column = self.cursor_location
        typed = self.document.get_line(line)[found.column : column]
        is_wanted = self._is_asked or len(typed) >= _OPENS_AT
        is_done = len(found.choices) == 1 and found.choices[0].insert == typed
        if not self.is_writing or not found.choices or not is_wanted or is_done:
            self.close_choices()
            return
        # The list lies in the same box, which the editor fills.
        at = self.cursor_screen_offset - self.region.offset - (column - found.column, 0)
        self._choices.open(found.choices, at, self.size)

    def close_choices(self) -> None:
        """Close the list."""
        self._is_asked = False
        self._choices.close()

    def _found(self) -> Completion:
        return complete(self.text, *self.cursor_location)

    def _act_on_choices(self, key: str) -> bool:
        """Handle a key of the open list; False: it is none."""
        if key in ("up", "down"):
            self._choices.step(1 if key == "down" else -1)
        elif key == "escape":
            self.close_choices()
        elif key == "enter":
            return self.take_choice()
        else:
            return False
        return True

    def take_choice(self) -> bool:
        """Write the highlighted choice; False: it stands there already."""
        chosen, found = self._choices.chosen, self._found()
        self.close_choices()
        # The text may have gone on since the list was made.
        choice = next(
            (each for each in found.choices if chosen is not None and each.label == chosen.label), None
        )
        line, column = self.cursor_location
        typed = self.document.get_line(line)[found.column : column]
        if choice is None or choice.insert == typed:
            return False
        self.replace(choice.insert, (line, found.column), (line, column), maintain_selection_offset=False)
        return True


def _place_in(lines: Sequence[str], before: Sequence[str], number: int) -> int:
    """Return where a line of a text is after another one took its place; the number if it is not there.

    Saving takes comments and blanks away, and what comes next is often one more change in the same line.
    """
    old, new = ([_bare(line) for line in text] for text in (before, lines))
    places = [place for place, line in enumerate(new) if line == old[number]]
    earlier = old[:number].count(old[number])
    return places[earlier] if earlier < len(places) else min(number, len(lines) - 1)


def _bare(line: str) -> str:
    """Return a line without comment and blanks."""
    return "".join(line.partition("#")[0].split())
