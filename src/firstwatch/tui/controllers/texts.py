"""Build mode's text: it is opened, kept while it is written, pictured, saved as a version, tested and run."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from textual.timer import Timer

from firstwatch.manager.algorithm_text import edited, place_at
from firstwatch.manager.build_service import LONGEST_NOTE, ChangedMeanwhileError
from firstwatch.manager.build_views import PreviewView, TextView
from firstwatch.manager.test_views import TestSetup
from firstwatch.trading.errors import FirstwatchError
from firstwatch.tui.build import Build
from firstwatch.tui.controllers.algorithms import AlgorithmController
from firstwatch.tui.controllers.launch import LaunchController
from firstwatch.tui.external_editor import edit_outside
from firstwatch.tui.messages import PreviewArrived
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.market import MarketDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.state import StateApp

_log = logging.getLogger(__name__)

_PAUSE_S = 0.3
"""How long nothing is typed before the draft is kept."""
_LATE_S = 0.5
"""How long a picture may take before it is said that another one is shown."""
_LOOK, _SAVE = "look", "save"

Then = Callable[[TextView], None]
"""What is done with the version once the text is saved."""


class TextController:
    """Changes the text in the editor, and asks the manager for what takes time."""

    def __init__(self, app: StateApp, launch: LaunchController, algorithms: AlgorithmController) -> None:
        self._app = app
        self._launch = launch
        self._algorithms = algorithms
        self._unsaved: TextView | None = None
        """The text as it was written last, if that is not kept yet."""
        self._keeping = False
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
        await self._keep_now()
        found = await asyncio.to_thread(read)
        self.show(found)
        await self._algorithms.read()

    def show(self, text: TextView | None, *, goes_on: bool = False) -> None:
        """Put another text into the editor; ``goes_on``: it can be undone."""
        if not goes_on:
            self._cursor, self._asked = (0, 0), None
        self._app.build = self._build.with_text(text, goes_on=goes_on)
        self._picture()

    # --- what is written -------------------------------------------------------------------------

    def take(self, text: TextView, line: int, column: int) -> None:
        """Take in a text as it was written."""
        self._cursor = (line, column)
        self._app.build = replace(self._build, text=text)
        self._picture()
        if not self._app.is_read_only:
            self._unsaved = text
            if self._timer is not None:
                self._timer.stop()
            self._timer = self._app.set_timer(_PAUSE_S, self.keep)

    def place(self, line: int, column: int) -> None:
        """Take in where the cursor is."""
        self._cursor = (line, column)
        self._picture()

    def keep(self) -> None:
        """Keep the draft now."""
        if self._unsaved is not None and not self._keeping:
            self._app.in_background(self._keep_now())

    async def _keep_now(self) -> None:
        """Keep the draft until nothing has been written since; what cannot be kept is kept in mind."""
        self._keeping = True
        try:
            while (text := self._unsaved) is not None:
                self._unsaved = None
                try:
                    await asyncio.to_thread(self._manager.build.keep, text)
                except FirstwatchError:
                    self._unsaved = self._unsaved or text
                    raise
        finally:
            self._keeping = False
        kept = self._build.text
        if kept is not None and kept.is_changed and not self._build.lists(kept.draft):
            await self._algorithms.read()

    def close(self) -> None:
        """Keep what is not kept yet, before the program ends."""
        if (text := self._unsaved) is not None:
            self._unsaved = None
            try:
                self._manager.build.keep(text)
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
            self._app.push_screen(MarketDialog(text.setup), self._take_market)

    def _take_market(self, setup: TestSetup | None) -> None:
        text = self._build.text
        if setup is not None and text is not None and setup != text.setup:
            self._app.build = replace(self._build, preview=None, problem="")
            self.take(replace(text, setup=setup), *self._cursor)

    # --- saving ----------------------------------------------------------------------------------

    def ask_save(self, then: Then | None = None, title: str = "Save as a version") -> None:
        """Ask for a note, and save the text as the next version; ``then``: what is done with it."""
        text = self._build.text
        if text is None:
            return
        lines = [
            f"It becomes the next version after {text.newest}."
            if text.newest
            else "It becomes the first version.",
            "",
            "What has changed, and why (may be empty):",
        ]
        dialog = PromptDialog(title, lines, check=_note_problem)
        self._app.push_screen(dialog, partial(self._save_with, then))

    def _save_with(self, then: Then | None, note: str | None) -> None:
        text = self._build.text
        if note is not None and text is not None:
            self._app.in_background(self._save(text, note, then))

    async def _save(self, text: TextView, note: str, then: Then | None, over: str = "") -> None:
        # Kept before: a disk that is full at the version has the draft.
        self._unsaved = text
        await self._keep_now()
        try:
            saved = await asyncio.to_thread(self._manager.build.save, text, note, over=over)
        except ChangedMeanwhileError as error:
            self._ask_over(text, note, then, error)
            return
        written = self._build.text
        has_gone_on = written is not None and written.text != text.text
        self.show(edited(saved, written.text) if written is not None and has_gone_on else saved, goes_on=True)
        self._app.notify(f"Saved as {saved.base}", title="Save")
        await self._algorithms.read()
        if then is not None:
            then(saved)

    def _ask_over(self, text: TextView, note: str, then: Then | None, error: ChangedMeanwhileError) -> None:
        choices = [
            Choice(_LOOK, "Look at the differences", f"between {error.newest} and this text"),
            Choice(_SAVE, "Save all the same", f"as the version after {error.newest}; it stays, too"),
        ]
        dialog = ChoiceDialog(f"{error.newest} was saved meanwhile", choices, _LOOK)

        def go_on(choice: str | None) -> None:
            if choice == _SAVE:
                self._app.in_background(self._save(text, note, then, over=error.newest))
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
        await self._keep_now()
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
            self._app.push_screen(dialog, self._discard)

    def _discard(self, is_sure: bool | None) -> None:
        text = self._build.text
        if is_sure and text is not None:
            self._unsaved = None
            self._app.in_background(self._discard_now(text))

    async def _discard_now(self, text: TextView) -> None:
        left = await asyncio.to_thread(self._manager.build.discard, text)
        if left is None:
            self.show(await asyncio.to_thread(self._manager.build.open_newest))
        else:
            self.show(left, goes_on=True)
        await self._algorithms.read()

    # --- another program -------------------------------------------------------------------------

    def edit_outside(self) -> None:
        """Edit the text in another program, which has the terminal meanwhile."""
        text = self._build.text
        if text is not None:
            self._app.in_background(self._edit_outside(text))

    async def _edit_outside(self, text: TextView) -> None:
        await self._keep_now()
        written = await edit_outside(text.text, self._app.run_in_terminal)
        if written != text.text:
            new = edited(text, written)
            self.show(new, goes_on=True)
            self.take(new, *self._cursor)


def _note_problem(note: str) -> str:
    return "" if len(note) <= LONGEST_NOTE else f"at most {LONGEST_NOTE} characters"
