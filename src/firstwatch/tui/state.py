"""The state that all panes and dialogs look at, and the way to the manager."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from textual import work
from textual.app import App
from textual.driver import Driver
from textual.notifications import SeverityLevel
from textual.reactive import var
from textual.widgets import Input, TextArea

from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import ManagerSnapshot, RunRow, empty_snapshot
from firstwatch.settings import Settings
from firstwatch.trading import commands
from firstwatch.trading.clock import Clock
from firstwatch.trading.commands import CommandOutcome
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.text import clean, clean_lines
from firstwatch.tui.launch_form.draft import LaunchDraft
from firstwatch.tui.screens.run import RunScreen


class StateApp(App[None]):
    """One snapshot, one selection, one draft."""

    # Nothing here repaints the screen: panes look and repaint what changed in them.
    snapshot: var[ManagerSnapshot] = var(partial(empty_snapshot, 0), always_update=True)
    selected_run: var[str | None] = var(None)
    selected_wallet: var[str | None] = var(None)
    draft: var[LaunchDraft] = var(LaunchDraft)
    beat: var[int] = var(0)
    """Counts the screen's own seconds: ages grow whether anything changes or not."""
    busy: var[str] = var("")
    """What is under way and takes a while."""

    def __init__(
        self, manager: RunManager, settings: Settings, clock: Clock, driver_class: type[Driver] | None
    ) -> None:
        self._clock = clock
        super().__init__(driver_class=driver_class)
        self._manager = manager
        self._settings = settings
        self._awaited: set[int] = set()
        self.title_note = str(settings.home)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a toast; its text is taken as it is, because some of it may be foreign."""
        super().notify(
            clean_lines(message), title=clean(title), severity=severity, timeout=timeout, markup=markup
        )

    def now_ms(self) -> int:
        """Return the time, from the injected clock."""
        return self._clock.now_ms()

    @property
    def run_screen(self) -> RunScreen:
        screen = self.screen_stack[0]
        assert isinstance(screen, RunScreen)
        return screen

    @property
    def is_covered(self) -> bool:
        """Whether a dialog stands over the panes."""
        return len(self.screen_stack) > 1

    @property
    def is_editing(self) -> bool:
        """Whether keys are text now."""
        return isinstance(self.focused, Input | TextArea)

    def choose_run(self, run_id: str) -> None:
        """Select a run by its id."""
        self.selected_run = run_id
        self._manager.select(run_id)

    def show_pane(self, number: int) -> None:
        self.run_screen.show_pane(number)

    def step_tab(self, by: int) -> None:
        self.run_screen.step_tab(by)

    def submit(self, command: commands.Command, *, about: RunRow | None = None) -> None:
        """Send a command to the engine; ``about`` is the run as the operator saw it."""
        self._in_background(self._submit(command, about))

    async def _submit(self, command: commands.Command, about: RunRow | None) -> int:
        number = await asyncio.to_thread(
            self._manager.submit,
            command,
            expected_state=None if about is None else about.state,
            snapshot_sequence=self.snapshot.sequence,
        )
        self._awaited.add(number)
        return number

    @work(exit_on_error=False)
    async def _in_background(self, act: Coroutine[Any, Any, Any]) -> None:
        try:
            await act
        except FirstwatchError as error:
            self.notify(str(error), severity="error")

    def _announce(self) -> None:
        """Say what became of commands that were sent from here."""
        for command in self.snapshot.commands:
            if command.command_id not in self._awaited or command.outcome in (
                CommandOutcome.PENDING,
                CommandOutcome.ACCEPTED,
            ):
                continue
            self._awaited.discard(command.command_id)
            name = command.kind.replace("_", " ")
            is_done = command.outcome is CommandOutcome.DONE
            self.notify(
                command.sentence or f"{name}: {command.outcome}",
                title=name if is_done else f"{name} {command.outcome}",
                severity="information" if is_done else "error",
            )
