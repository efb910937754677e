"""Build mode's text: it is opened, kept while it is written, pictured, saved as a version, tested and run."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from textual.timer import Timer

from firstwatch.manager.algorithm_text import edited, place_at
from firstwatch.manager.build_service import ChangedMeanwhileError, note_problem
from firstwatch.manager.build_views import PreviewView, TextView
from firstwatch.manager.test_views import DraftChangedError, TestSetup
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.text import clean_document
from firstwatch.tui.build import Build, name_of
from firstwatch.tui.controllers.algorithms import AlgorithmController
from firstwatch.tui.controllers.drafts import ask_replace
from firstwatch.tui.controllers.launch import LaunchController
from firstwatch.tui.external_editor import edit_outside
from firstwatch.tui.messages import PreviewArrived, TextEdited
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.modals.market import MarketDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.state import StateApp

_log = logging.getLogger(__name__)

_PAUSE_S = 1.0
"""How long nothing is typed before the draft is kept. An engine's orders wait for what others write."""
_MOST_LOST_S = 3.0
"""How long a draft goes on being typed until it is kept all the same."""
_AGAIN_S = 5.0
"""How long it is waited after a draft could not be kept."""
_LATE_S = 0.5
"""How long a picture may take before it is said that another one is shown."""
_LOOK, _SAVE = "look", "save"

Answer = TypeVar("Answer")
Then = Callable[[TextView], None]
"""What is done with the version once the text is saved."""


class TextController:
    """Changes the text in the editor, and asks the manager for what takes time."""

    def __init__(self, app: StateApp, launch: LaunchController, algorithms: AlgorithmController) -> None:
        self._app = app
        self._launch = launch
        self._algorithms = algorithms
        self._unkept: dict[str, TextView] = {}
        """Texts as they were written last, as far as they are not kept yet, by the names of their drafts."""
        self._unkept_since_s = 0.0
        self._kept: dict[str, str] = {}
        """Texts as they were kept last, by the names of their drafts."""
        self._writing = asyncio.Lock()
        """Of what changes stored drafts: one at a time."""
        self._opening = 0
        """Counts what is wanted in the editor: only the newest is shown."""
        self._is_outside = False
        """Another program has the text."""
        self._timer: Timer | None = None
        self._late: Timer | None = None
        self._cursor = (0, 0)
        self._asked: tuple[str, TestSetup, str] | None = None
        """The text, the market and the condition of which a picture was asked for last."""
        self._has_listened = False

    @property
    def _build(self) -> Build:
        return self._app.build

    @property
    def _manager(self) -> Any:
        return self._app.manager

    # --- opening ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Read the drafts and algorithms, when the mode is first shown."""
        self._app.in_background(self._open())

    async def _open(self) -> None:
        if not self._has_listened:
            self._has_listened = True
            self._manager.preview.listen(lambda found: self._app.post_message(PreviewArrived(found)))
        try:
            await self._app.keep_drafts()
            found = await asyncio.to_thread(self._manager.build.open_newest)
            if self._build.text is None and found is not None:
                self.show(found)
        finally:
            self._app.build = replace(self._build, is_open=True)
        await self._algorithms.read()

    def open_named(self, name: str) -> None:
        """Open a version, or a draft."""
        self._app.in_background(self._open_with(lambda: self._manager.build.open(name)))

    def open_text(self, text: TextView) -> None:
        """Open a text that has been read already."""
        self._app.in_background(self._open_with(lambda: text))

    async def _open_with(self, read: Callable[[], TextView | None]) -> None:
        self._opening += 1
        number = self._opening
        await self.keep_now()
        found = await asyncio.to_thread(read)
        # Keys that are text already must not get into another one.
        if number == self._opening and not self._app.is_writing:
            self.show(found)
        await self._algorithms.read()

    def open_again(self) -> None:
        """Read the text again, when the mode is shown again: it may have been changed in Test mode."""
        self._app.in_background(self._open_again())

    async def _open_again(self) -> None:
        await self._app.keep_drafts()
        before = self._build.text
        if before is None:
            await self._open()
            return
        try:
            found = await asyncio.to_thread(self._manager.build.open, before.draft)
        except WrongUseError:
            # Its draft was saved or discarded; of a new algorithm there is nothing else.
            found = await asyncio.to_thread(self._manager.build.open, before.base) if before.base else before
        if self._build.text is before and found != before:
            self.show(found, goes_on=True)
        await self._algorithms.read()

    def show(self, text: TextView | None, *, goes_on: bool = False) -> None:
        """Put another text into the editor; ``goes_on``: it can be undone."""
        self._look()
        if not goes_on:
            self._cursor, self._asked = (0, 0), None
        if text is not None:
            self._kept.pop(text.draft, None)
            if (clean := clean_document(text.text)) != text.text:
                text = edited(text, clean)
        self._app.build = self._build.with_text(text, goes_on=goes_on)
        self._picture()

    def _look(self) -> None:
        """Take in what was typed and is not looked at yet."""
        if (typed := self._app.typed_text()) is not None:
            self.take_typed(typed)

    # --- what is written -------------------------------------------------------------------------

    def take_typed(self, typed: TextEdited) -> None:
        """Take in what was typed, unless another text is open by now."""
        text = self._build.text
        if text is not None and typed.opened == self._build.opened:
            self.take(edited(text, typed.text), typed.line, typed.column)

    def take(self, text: TextView, line: int, column: int) -> None:
        """Take in a text as it was written."""
        self._cursor = (line, column)
        self._app.build = replace(self._build, text=text)
        self._picture()
        if not self._app.is_read_only:
            now_s = time.monotonic()
            if not self._unkept:
                self._unkept_since_s = now_s
            self._unkept[text.draft] = text
            # A timer of no length is an error of Textual.
            self._keep_in(max(0.01, min(_PAUSE_S, self._unkept_since_s + _MOST_LOST_S - now_s)))

    def _keep_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._app.set_timer(seconds, self.keep)

    def place(self, line: int, column: int) -> None:
        """Take in where the cursor is."""
        self._cursor = (line, column)
        self._picture()

    def keep(self) -> None:
        """Keep the drafts now."""
        if self._unkept:
            self._app.in_background(self.keep_now())

    async def keep_now(self) -> None:
        """Keep the drafts until nothing has been written since; what cannot be kept is tried again."""
        async with self._writing:
            await self._keep_all()
        kept = self._build.text
        if kept is not None and kept.is_changed and not self._build.lists(kept.draft):
            await self._algorithms.read()

    async def _keep_all(self) -> None:
        while self._unkept:
            draft, text = next(iter(self._unkept.items()))
            try:
                kept = await asyncio.to_thread(self._manager.build.keep, self._known(text))
            except DraftChangedError as error:
                del self._unkept[draft]
                ask_replace(self._app, error, partial(self._replace, text))
                continue
            except FirstwatchError:
                # What is typed meanwhile begins anew: not every key tries it, and says that it failed.
                self._unkept_since_s = time.monotonic()
                self._keep_in(_AGAIN_S)
                raise
            self._kept[draft] = kept.kept
            if self._unkept.get(draft) is text:
                del self._unkept[draft]

    def _known(self, text: TextView) -> TextView:
        """Return a text with what was kept of it last."""
        return replace(text, kept=self._kept.get(text.draft, text.kept))

    async def _replace(self, text: TextView) -> None:
        stored = await asyncio.to_thread(self._manager.build.open, text.draft)
        self._kept[text.draft] = stored.kept
        self._unkept.setdefault(text.draft, text)
        await self.keep_now()

    def close(self) -> None:
        """Keep what is not kept yet, before the program ends."""
        self._look()
        for text in self._unkept.values():
            try:
                self._manager.build.keep(self._known(text))
            except FirstwatchError as error:
                _log.error("the newest text of %s could not be kept: %s", text.draft, error)

    # --- the picture -----------------------------------------------------------------------------

    def _picture(self) -> None:
        """Ask for a picture, if the text, its market or the condition at the cursor has changed."""
        text = self._build.text
        if text is None or text.problems:
            return
        asked = (text.text, text.setup, place_at(text.text, *self._cursor))
        if asked != self._asked:
            self._asked = asked
            if self._build.problem:
                self._app.build = replace(self._build, problem="")
            self._manager.preview.request(text, *self._cursor)
            if self._late is not None:
                self._late.stop()
            self._late = self._app.set_timer(_LATE_S, self._say_late)

    def _say_late(self) -> None:
        preview, asked = self._build.preview, self._asked
        if preview is not None and asked is not None and preview.text != asked[0]:
            self._app.build = replace(self._build, is_late=True)

    def take_picture(self, preview: PreviewView) -> None:
        """Show a picture, or say why there is none; that of a text that is not open any more is dropped."""
        text, asked = self._build.text, self._asked
        is_first = self._build.preview is None
        if text is None or asked is None or (is_first and preview.text != asked[0]):
            return
        if preview.symbol and asked[1].symbol and preview.symbol != asked[1].symbol:
            # Asked for before another market was chosen.
            return
        is_newest = preview.text == asked[0]
        if not preview.problem:
            self._app.build = replace(
                self._build, preview=preview, problem="", is_late=self._build.is_late and not is_newest
            )
        elif is_newest:
            self._app.build = replace(self._build, problem=preview.problem, is_late=False)

    def ask_market(self) -> None:
        """Ask for the market of the chart and of the draft's tests."""
        text = self._build.text
        if text is not None:
            self._ask(MarketDialog(text.setup), self._take_market)

    def _take_market(self, text: TextView, setup: TestSetup) -> None:
        if setup != text.setup:
            self._app.build = replace(self._build, preview=None, problem="")
            self.take(replace(text, setup=setup), *self._cursor)

    def _ask(self, dialog: Dialog[Answer], then: Callable[[TextView, Answer], object]) -> None:
        """Ask about the text that is open; the answer acts on no other one."""
        asked = self._build.text

        def answered(answer: Answer | None) -> None:
            text = self._build.text
            if answer is None or asked is None or text is None:
                return
            if text.draft == asked.draft:
                then(text, answer)
            else:
                self._app.notify(f"{name_of(text)} is open by now: nothing was done", severity="warning")

        self._app.push_screen(dialog, answered)

    # --- saving ----------------------------------------------------------------------------------

    def ask_save(self, then: Then | None = None, title: str = "Save as a version") -> None:
        """Ask for a note, and save the text as the next version; ``then``: what is done with it."""
        text = self._build.text
        if text is None:
            return
        newest = max(
            (each.version for each in self._app.live.algorithms if each.name == text.algorithm), default=0
        )
        lines = [
            f"It becomes version {newest + 1} of {text.algorithm}.",
            "",
            "What has changed, and why (may be empty):",
        ]
        dialog = PromptDialog(title, lines, check=note_problem)
        self._ask(dialog, lambda text, note: self._app.in_background(self._save(text, note, then)))

    async def _save(self, text: TextView, note: str, then: Then | None, over: str = "") -> None:
        async with self._writing:
            # Kept before: a disk that is full at the version has the draft.
            self._unkept.setdefault(text.draft, text)
            await self._keep_all()
            try:
                saved = await asyncio.to_thread(self._manager.build.save, self._known(text), note, over=over)
            except ChangedMeanwhileError as error:
                self._ask_over(text, note, then, error)
                return
            self._take_saved(text, saved)
        self._app.notify(f"Saved as {saved.base}", title="Save")
        await self._algorithms.read()
        if then is not None:
            then(saved)

    def _take_saved(self, text: TextView, saved: TextView) -> None:
        """Show a version in place of the text that became it; what was written since goes on from it."""
        self._look()
        self._kept.pop(text.draft, None)
        since, written = self._unkept.pop(text.draft, None), self._build.text
        is_open = written is not None and written.draft == text.draft
        if since is not None:
            saved = edited(replace(saved, setup=since.setup), since.text)
        if is_open:
            self.show(saved, goes_on=True)
        if since is not None:
            self._unkept[saved.draft] = saved
            self._keep_in(_PAUSE_S)

    def _ask_over(self, text: TextView, note: str, then: Then | None, error: ChangedMeanwhileError) -> None:
        choices = [
            Choice(_LOOK, "Look at the differences", f"between {error.newest} and this text"),
            Choice(_SAVE, "Save all the same", f"as the version after {error.newest}; it stays, too"),
        ]
        dialog = ChoiceDialog(f"{error.newest} is newer", choices, _LOOK)

        def go_on(choice: str | None) -> None:
            if choice == _SAVE:
                now = self._build.text
                newest = now if now is not None and now.draft == text.draft else text
                self._app.in_background(self._save(newest, note, then, over=error.newest))
            elif choice == _LOOK:
                self._algorithms.show_differences(
                    error.newest, text.draft, then=lambda: self._ask_over(text, note, then, error)
                )

        self._app.push_screen(dialog, go_on)

    def _saved_first(self, then: Then, title: str) -> None:
        """Do something with the version of the text; one that is changed is saved first."""
        text = self._build.text
        if text is not None and text.is_changed:
            self.ask_save(then, title)
        elif text is not None:
            self._app.in_background(self._kept_first(text, then))

    async def _kept_first(self, text: TextView, then: Then) -> None:
        """Do something with a version, once the market of its tests is kept."""
        await self.keep_now()
        then(text)

    def backtest(self) -> None:
        """Backtest the version of the text in Test mode."""
        self._saved_first(lambda version: self._app.test_version(version.base), "Save and backtest")

    def prepare_run(self) -> None:
        """Open the launcher with the version of the text chosen."""
        self._saved_first(
            lambda version: self._launch.open_version(version.base, version.setup.symbol),
            "Save and prepare a run",
        )

    def ask_discard(self) -> None:
        """Ask whether what was written is discarded."""
        text = self._build.text
        if text is not None:
            stays = (
                f"{text.base} stays as it is stored."
                if text.base
                else "Nothing of it was saved as a version."
            )
            dialog = ConfirmDialog("Discard the draft", [text.draft, stays], "Discard", is_dangerous=True)
            self._ask(dialog, lambda text, _yes: self._app.in_background(self._discard(text)))

    async def _discard(self, text: TextView) -> None:
        async with self._writing:
            self._unkept.pop(text.draft, None)
            left = await asyncio.to_thread(self._manager.build.discard, self._known(text))
        if left is None:
            self.show(await asyncio.to_thread(self._manager.build.open_newest))
        else:
            self.show(left, goes_on=True)
        await self._algorithms.read()

    # --- another program -------------------------------------------------------------------------

    def edit_outside(self) -> None:
        """Edit the text in another program, which has the terminal meanwhile."""
        text = self._build.text
        if text is not None and not self._is_outside:
            self._is_outside = True
            self._app.in_background(self._edit_outside(text))

    async def _edit_outside(self, text: TextView) -> None:
        try:
            await self.keep_now()
            left = await edit_outside(text.text, self._app.run_in_terminal)
        finally:
            self._is_outside = False
        if left.text != text.text:
            new = edited(text, left.text)
            self.show(new, goes_on=True)
            self.take(new, *self._cursor)
        if left.problem:
            self._app.notify(left.problem, severity="warning")
