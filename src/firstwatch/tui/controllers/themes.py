"""The themes: read, chosen, remembered, and read again when one of their files changes."""

import asyncio
from pathlib import Path

from textual.theme import Theme

from firstwatch.settings import Settings
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import quoted
from firstwatch.trading.toml_file import read_text
from firstwatch.tui.state import StateApp
from firstwatch.tui.themes import DEFAULT_THEME, Themes, load_themes, theme_files, theme_folder

_LAST_RESORT = "textual-dark"
_REMEMBERED = "theme"
"""The file of the data folder with the name of the theme that was chosen last."""


_Stamp = tuple[tuple[Path, int], ...]
"""The files and when each was written."""


class ThemeController:
    """Reads shipped themes and the operator's own: those in ``themes`` beside the settings file."""

    def __init__(self, app: StateApp, settings: Settings) -> None:
        self._app = app
        own = settings.home if settings.config is None else settings.config.expanduser().parent
        self._folders = (theme_folder(), own / "themes")
        self._is_set = "theme" in settings.model_fields_set
        self._set = settings.theme
        self._file = settings.home / _REMEMBERED
        self._stamp: _Stamp = ()
        self._is_looking = False
        self._usable: dict[str, Theme] = {}

    def begin(self) -> list[str]:
        """Take the theme that is set, else the one chosen last; return a sentence for each mistake."""
        self._stamp = self._stamp_now()
        problems = self._take(self._load())
        wanted = self._set if self._is_set else self._remembered()
        if wanted not in self._usable:
            problems.append(f"there is no theme {quoted(wanted)}")
            wanted = DEFAULT_THEME if DEFAULT_THEME in self._usable else _LAST_RESORT
        self._app.theme = wanted
        return problems

    def choose(self) -> None:
        """Ask for a theme, and remember it."""
        if self._usable:
            from firstwatch.tui.modals.theme import ThemeDialog

            self._app.push_screen(ThemeDialog(list(self._usable), self._app.theme), self._chosen)

    async def look_for_changes(self) -> None:
        """Read the files again if one was written, came or went, and show the theme as it is now."""
        if self._is_looking:
            return
        self._is_looking = True
        try:
            stamp = await asyncio.to_thread(self._stamp_now)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            found = await asyncio.to_thread(self._load)
        finally:
            self._is_looking = False
        name = self._app.theme
        before = self._usable.get(name)
        for problem in self._take(found):
            self._app.notify(problem, title="Left out", severity="warning", timeout=10)
        if name in self._usable and self._usable[name] != before:
            # The same name is no change to Textual.
            self._app.theme = _LAST_RESORT
            self._app.theme = name

    def _load(self) -> Themes:
        return load_themes(*self._folders, colour_system=self._app.console.color_system)

    def _take(self, found: Themes) -> list[str]:
        self._usable = {theme.name: theme for theme in found.usable}
        for theme in found.usable:
            self._app.register_theme(theme)
        return list(found.problems)

    def _stamp_now(self) -> _Stamp:
        try:
            return tuple((path, path.stat().st_mtime_ns) for path in theme_files(self._folders))
        except OSError:
            # One went away in between: the next look has it right.
            return self._stamp

    def _remembered(self) -> str:
        try:
            return read_text(self._file).strip() if self._file.exists() else DEFAULT_THEME
        except WrongUseError:
            return DEFAULT_THEME

    def _chosen(self, name: str | None) -> None:
        if name is None or self._app.is_read_only:
            return
        if self._is_set:
            self._app.notify(f"The next start has the theme of the settings again: {self._set}")
            return
        self._app.run_worker(self._remember(name), group="themes")

    async def _remember(self, name: str) -> None:
        try:
            await asyncio.to_thread(self._file.write_text, f"{name}\n", encoding="utf-8")
        except OSError as error:
            self._app.notify(f"{self._file} cannot be written: {error.strerror}", severity="warning")
