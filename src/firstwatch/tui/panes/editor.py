"""Editor: the text of the algorithm, and what is wrong with it."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import TextArea

from firstwatch.manager.build_views import TextView
from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.tui.build import name_of, problem_text, standing_text
from firstwatch.tui.formats import READING
from firstwatch.tui.messages import PlaceChosen, TextEdited, TextLeft
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.state import KeyOf, app_of
from firstwatch.tui.widgets.choice_list import ChoiceList
from firstwatch.tui.widgets.editor import Editor
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine, StatusLine


class EmptyEditor(Paragraph, can_focus=True):
    """What is said in place of a text."""


class EditorPane(Pane):
    """The text. What is typed is looked at after it is painted, so that a key never waits for that."""

    ID = PaneId.EDITOR
    TITLE = "Editor"
    ACTIONS = (
        "build.write",
        "view.preview",
        "build.test",
        "build.run",
        "build.save",
        "build.new",
        "build.differences",
        "build.market",
        "build.outside",
        "build.discard",
        "chart.nearer",
        "chart.farther",
    )
    EDIT_HINTS = (
        KeyHint("alt+u", "undo"),
        KeyHint("alt+r", "redo"),
        KeyHint("alt+c", "complete"),
        KeyHint("ctrl+s", "save"),
        KeyHint("esc", "stop writing"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._choices = ChoiceList()
        self.editor = Editor(self._choices, id="editor")
        self._opened = 0
        """Which of the texts from outside the editor has."""
        self._is_waiting = False
        """The text will be looked at once it is painted."""
        self._wants_focus = False
        """It was given the focus while there was no text."""

    def compose(self) -> ComposeResult:
        with Container(id="editor-box"):
            yield self.editor
            yield self._choices
        yield Paragraph(id="mistake")
        yield EmptyEditor(classes="empty", id="no-text")

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(app_of(self), "build", self._on_state, init=False)

    def run_ids(self) -> tuple[str, ...]:
        return ()

    def show(self, snapshot: ManagerSnapshot) -> None:
        del snapshot
        app = app_of(self)
        build = app.build
        text, empty = build.text, self.query_one("#no-text", EmptyEditor)
        # The focus may be on its way: a text that is there by then has it in place of what is hidden.
        had_focus = empty.has_focus or self._wants_focus
        empty.show_if(text is None)
        self.query_one("#editor-box").display = text is not None
        self.query_one("#mistake", Paragraph).show_if(text is not None)
        if text is None:
            self.set_note()
            self.set_subtitle("")
            empty.set_text(no_text(app.key_of) if build.is_open else READING)
            return
        if build.opened != self._opened:
            self.editor.take(text.text, goes_on=build.goes_on and bool(self._opened))
            self._opened = build.opened
        self.set_note(name_of(text))
        self.set_subtitle(standing_text(text))
        self.editor.mark(text.problems)
        self._say(text)
        if had_focus:
            self.focus_pane()
        self._wants_focus = False

    def _say(self, text: TextView) -> None:
        """Say the mistake on the cursor's line, else the first one."""
        line, column = self.editor.cursor_location
        here = [each for each in text.problems if each.line == line]
        near = min(here, key=lambda each: abs(each.column - column), default=None)
        problem = near or next(iter(text.problems), None)
        said = self.query_one("#mistake", Paragraph)
        said.set_class(problem is not None, "-wrong")
        more = f" (+{len(text.problems) - 1})" if len(text.problems) > 1 else ""
        since = f"changed since {text.base}" if text.base else "not saved yet"
        fine = since if text.is_changed else f"{text.base} as it is stored"
        said.set_text(f"✘ {problem_text(problem)}{more}" if problem is not None else f"✔ {fine}")

    def focus_pane(self) -> None:
        has_text = app_of(self).build.text is not None
        self._wants_focus = not has_text
        (self.editor if has_text else self.query_one("#no-text", EmptyEditor)).focus()

    def write(self) -> None:
        """Begin to write."""
        self.editor.focus()
        self.editor.write()

    # --- what is typed -------------------------------------------------------------------------------

    def typed(self) -> TextEdited | None:
        """Look at the text as it stands now; None: it is known already, or another one is being opened."""
        build = app_of(self).build
        text = self.editor.text
        if build.text is None or build.opened != self._opened or text == build.text.text:
            return None
        return TextEdited(text, *self.editor.cursor_location, build.opened)

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        if not self._is_waiting:
            self._is_waiting = True
            self.call_after_refresh(self._look)

    def _look(self) -> None:
        self._is_waiting = False
        if (found := self.typed()) is not None:
            self.app.post_message(found)
            self.editor.suggest()

    @on(TextArea.SelectionChanged)
    def _moved(self, event: TextArea.SelectionChanged) -> None:
        event.stop()
        text = app_of(self).build.text
        if text is None or self._is_waiting or text.text != self.editor.text:
            # Its mistakes and the cursor are looked at together.
            return
        self.editor.close_choices()
        self._say(text)
        self.app.post_message(PlaceChosen(*self.editor.cursor_location))

    @on(ChoiceList.Pressed)
    def _take_choice(self, event: ChoiceList.Pressed) -> None:
        event.stop()
        self.editor.take_choice()

    @on(Editor.WritingChanged)
    def _writing_changed(self, event: Editor.WritingChanged) -> None:
        event.stop()
        self.screen.query_one(StatusLine).renew()
        self.screen.query_one(KeyLine).renew()
        if not self.editor.is_writing:
            if (found := self.typed()) is not None:
                self.app.post_message(found)
            self.app.post_message(TextLeft())

    @on(Editor.Refused)
    def _refused(self, event: Editor.Refused) -> None:
        event.stop()
        self.app.notify(event.sentence, severity="warning")


def no_text(key_of: KeyOf) -> str:
    """Return what to do while there is no algorithm."""
    return (
        "There is no algorithm yet.\n\n"
        f"{key_of('build.new')} begins one from a template: each has an idea and numbers to change.\n"
        f"{key_of('build.import')} opens a TOML file."
    )
