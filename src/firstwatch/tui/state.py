"""The state that all panes and dialogs show, and the way to the manager."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from textual import work
from textual.app import App
from textual.driver import Driver
from textual.notifications import SeverityLevel
from textual.reactive import var
from textual.widget import Widget
from textual.widgets import Input, TextArea

from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import ManagerSnapshot, RunView, empty_snapshot
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock
from firstwatch.trading.commands import Command, CommandOutcome
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.text import clean, clean_lines
from firstwatch.tui.launch_form.assessment import Assessment, NextStep, assess, next_step
from firstwatch.tui.launch_form.draft import LaunchDraft


@dataclass(frozen=True, slots=True)
class LaunchCheck:
    """The last launch check that was sent to the engine: for which settings, and the command's number."""

    settings: LaunchSettings
    """Without the reason for warnings, which the checks do not judge."""
    number: int | None = None
    """None: the command is not written yet."""


class StateApp(App[None]):
    """One snapshot, one selection, one draft."""

    # Nothing here repaints the screen: panes watch these and repaint what changed in them.
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
        self.manager = manager
        self.title_note = str(settings.home)
        self.check: LaunchCheck | None = None
        self._sent_commands: set[int] = set()

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a toast. Its text is cleaned and shown without markup, because some of it may be foreign."""
        super().notify(
            clean_lines(message), title=clean(title), severity=severity, timeout=timeout, markup=markup
        )

    def now_ms(self) -> int:
        """Return the time of the injected clock."""
        return self._clock.now_ms()

    @property
    def is_covered(self) -> bool:
        """Whether a dialog is in front of the panes."""
        return len(self.screen_stack) > 1

    @property
    def is_editing(self) -> bool:
        """Whether keys are text now."""
        return isinstance(self.focused, Input | TextArea)

    def choose_run(self, run_id: str) -> None:
        """Select a run by its id."""
        self.selected_run = run_id
        self.manager.select(run_id)

    # --- the launch ------------------------------------------------------------------------------

    @property
    def assessment(self) -> Assessment:
        """What is wrong with the draft, and its settings if nothing is."""
        return assess(self.draft, self.snapshot)

    @property
    def check_id(self) -> int | None:
        """The command number of the last launch check."""
        return None if self.check is None else self.check.number

    @property
    def is_check_current(self) -> bool:
        """Whether the last check was made for exactly this draft."""
        settings = self.assessment.settings
        return settings is not None and self.check is not None and judged(settings) == self.check.settings

    @property
    def next_step(self) -> NextStep:
        """What the operator has to do next to start the draft."""
        check = self.snapshot.command(self.check_id)
        return next_step(self.draft, self.assessment, self.snapshot, check, is_current=self.is_check_current)

    # --- commands --------------------------------------------------------------------------------

    def submit(self, command: Command, *, about: RunView | None = None) -> None:
        """Send a command to the engine; ``about`` is the run as the operator saw it."""
        self.in_background(self._submit(command, about))

    async def _submit(self, command: Command, about: RunView | None) -> None:
        number = await asyncio.to_thread(
            self.manager.submit,
            command,
            expected_state=None if about is None else about.state,
            snapshot_sequence=self.snapshot.sequence,
        )
        self._sent_commands.add(number)

    @work(exit_on_error=False)
    async def in_background(self, act: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine; an expected error becomes a toast."""
        try:
            await act
        except FirstwatchError as error:
            self.notify(str(error), severity="error")

    def announce_outcomes(self) -> None:
        """Show the outcome of each command that was sent from here and has ended."""
        for command in self.snapshot.commands:
            if command.command_id not in self._sent_commands or command.outcome in (
                CommandOutcome.PENDING,
                CommandOutcome.ACCEPTED,
            ):
                continue
            self._sent_commands.discard(command.command_id)
            name = command.kind.replace("_", " ")
            is_done = command.outcome is CommandOutcome.DONE
            self.notify(
                command.sentence or f"{name}: {command.outcome}",
                title=name if is_done else f"{name} {command.outcome}",
                severity="information" if is_done else "error",
            )


def judged(settings: LaunchSettings) -> LaunchSettings:
    """Return what the checks judge: everything but the reason for warnings."""
    return settings.model_copy(update={"accepted_warnings": None})


def app_of(widget: Widget) -> StateApp:
    """Return the widget's app, typed. Widgets read its state; to change it they post it a message."""
    app = widget.app
    assert isinstance(app, StateApp)
    return app
