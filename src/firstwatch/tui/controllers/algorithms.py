"""The algorithms of Build mode: begun, renamed, archived, compared, read from files and written to them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from firstwatch.manager.build_service import note_problem
from firstwatch.manager.build_views import AlgorithmEntry, TextView, VersionEntry
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.text import counted
from firstwatch.tui.build import Build, algorithm_name_problem
from firstwatch.tui.messages import TextShown, TextWanted
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog, MessageDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.state import StateApp

_KIND_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


class AlgorithmController:
    """Changes the list of algorithms. A text that is opened is put into the editor by a message."""

    def __init__(self, app: StateApp) -> None:
        self._app = app

    @property
    def _build(self) -> Build:
        return self._app.build

    @property
    def _service(self) -> Any:
        return self._app.manager.build

    async def read(self) -> None:
        """Read the algorithms again."""
        found = await asyncio.to_thread(self._service.algorithms)
        if found != self._build.algorithms:
            self._app.build = replace(self._build, algorithms=found)

    def refresh(self) -> None:
        """Read the algorithms again, in the background."""
        self._app.in_background(self.read())

    async def _change(self, act: Callable[[], object], said: str) -> None:
        await asyncio.to_thread(act)
        await self.read()
        self._app.notify(said)

    def choose(self, key: str, marked: tuple[str, ...]) -> None:
        """Take in which row is under the cursor, and which are marked."""
        self._app.build = replace(self._build, chosen=key, marked=marked)

    def toggle_archived(self) -> None:
        """Show archived algorithms too, or hide them."""
        self._app.build = replace(self._build, shows_archived=not self._build.shows_archived)

    # --- beginning -------------------------------------------------------------------------------

    def ask_new(self) -> None:
        """Ask for a template and a name, and begin an algorithm with them."""
        self._app.in_background(self._ask_new())

    async def _ask_new(self) -> None:
        found = await asyncio.to_thread(self._service.templates)
        choices = [Choice(each.name, each.title, each.idea) for each in found]
        dialog = ChoiceDialog("New from a template", choices, "", searches=True)
        self._app.push_screen(dialog, self._ask_name)

    def _ask_name(self, template: str | None) -> None:
        if template is not None:
            lines = ["The name of the algorithm:"]
            dialog = PromptDialog(f"New from {template}", lines, check=algorithm_name_problem, value=template)
            self._app.push_screen(dialog, partial(self._begin, template))

    def _begin(self, template: str, name: str | None) -> None:
        if name is not None:
            self._app.in_background(self._show(lambda: self._service.begin(template, name)))

    def ask_import(self) -> None:
        """Ask for a file, and open its algorithm."""
        lines = ["A TOML file with an algorithm; it becomes a version:"]
        dialog = PromptDialog("Import a file", lines, check=_path_problem)
        self._app.push_screen(dialog, self._import)

    def _import(self, path: str | None) -> None:
        if path is not None:
            self._app.in_background(self._show(lambda: self._service.import_file(Path(path).expanduser())))

    async def _show(self, read: Callable[[], TextView]) -> None:
        text = await asyncio.to_thread(read)
        self._app.post_message(TextShown(text))
        await self.read()

    # --- the algorithm under the cursor ----------------------------------------------------------

    def ask_note(self, version: VersionEntry) -> None:
        """Ask for the note of a version."""
        dialog = PromptDialog(f"Note of {version.label}", [], check=note_problem, value=version.note)
        self._app.push_screen(dialog, partial(self._set_note, version))

    def _set_note(self, version: VersionEntry, note: str | None) -> None:
        if note is not None and note != version.note:
            self._do(
                lambda: self._service.set_note(version.label, note), f"{version.label}: {note or 'no note'}"
            )

    def ask_rename(self, entry: AlgorithmEntry) -> None:
        """Ask for another name of an algorithm."""
        lines = [
            f"{counted(len(entry.versions), 'version')} of {entry.name} will have the new name.",
            "Runs and results stay; the old name leads to it.",
        ]
        dialog = PromptDialog(f"Rename {entry.name}", lines, check=algorithm_name_problem, value=entry.name)
        self._app.push_screen(dialog, partial(self._rename, entry))

    def _rename(self, entry: AlgorithmEntry, name: str | None) -> None:
        if name is not None and name != entry.name:
            self._app.in_background(self._rename_now(entry, name))

    async def _rename_now(self, entry: AlgorithmEntry, name: str) -> None:
        # A text that is kept later would not be the one that the renaming has written.
        await self._app.keep_drafts()
        await self._change(lambda: self._service.rename(entry.name, name), f"{entry.name} is now {name}")
        text = self._build.text
        if text is not None and text.base.rpartition("@")[0] == entry.name:
            # Its text has the old name.
            self._app.post_message(TextWanted(f"{name}@{text.base.rpartition('@')[2]}"))

    def ask_archive(self, entry: AlgorithmEntry) -> None:
        """Ask whether an algorithm is archived; one that is, is brought back without a question."""
        if entry.is_archived:
            self._archive(entry, True)
            return
        lines = [
            f"{entry.name} with {counted(len(entry.versions), 'version')} is not offered any more.",
            "Nothing is deleted, and its runs go on.",
        ]
        dialog = ConfirmDialog(f"Archive {entry.name}", lines, "Archive", is_dangerous=True)
        self._app.push_screen(dialog, partial(self._archive, entry))

    def _archive(self, entry: AlgorithmEntry, is_sure: bool | None) -> None:
        if is_sure:
            archived = not entry.is_archived
            said = f"{entry.name} is {'archived' if archived else 'offered again'}"
            self._do(lambda: self._service.archive(entry.name, archived=archived), said)

    def ask_export(self, version: VersionEntry) -> None:
        """Ask for a file, and write a version to it."""
        name = "".join(sign if sign.isalnum() else "-" for sign in version.label.casefold())
        dialog = PromptDialog(
            f"Export {version.label}", ["The file to write:"], check=_path_problem, value=f"{name}.toml"
        )
        self._app.push_screen(dialog, partial(self._export, version))

    def _export(self, version: VersionEntry, path: str | None) -> None:
        if path is not None:
            target = Path(path).expanduser()
            said = f"{target.absolute()} has {version.label}"
            self._do(lambda: self._service.export_file(version.label, target), said)

    def _do(self, act: Callable[[], object], said: str) -> None:
        self._app.in_background(self._change(act, said))

    # --- differences -----------------------------------------------------------------------------

    def show_differences(self, before: str, after: str, *, then: Callable[[], None] | None = None) -> None:
        """Show what differs between two versions, or drafts; ``then``: what is done after it was read."""
        self._app.in_background(self._show_differences(before, after, then))

    async def _show_differences(self, before: str, after: str, then: Callable[[], None] | None) -> None:
        try:
            await self._app.keep_drafts()
            changes = await asyncio.to_thread(self._service.differences, before, after)
        except FirstwatchError:
            if then is not None:
                then()
            raise
        lines = [f"{_KIND_SIGNS[each.kind]} {each.sentence}" for each in changes]

        def read(_nothing: None) -> None:
            if then is not None:
                then()

        dialog = MessageDialog(f"From {before} to {after}", lines or ["They mean the same."])
        self._app.push_screen(dialog, read)


def _path_problem(path: str) -> str:
    return "" if path else "write the path of a file"
