"""The state that all panes and dialogs show, and the way to the manager."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from textual import events, work
from textual.driver import Driver
from textual.notifications import Notification, Notify, SeverityLevel
from textual.reactive import var
from textual.widget import Widget
from textual.widgets import Input

from firstwatch.manager.manager import RunManager
from firstwatch.manager.snapshot import ManagerSnapshot, empty_snapshot
from firstwatch.manager.views import RunView
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock
from firstwatch.trading.commands import Command, CommandOutcome
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.text import clean, clean_document, clean_lines
from firstwatch.tui import formats
from firstwatch.tui.bench import Bench
from firstwatch.tui.build import Build
from firstwatch.tui.key_order import KeysInOrder
from firstwatch.tui.launch_form.assessment import Assessment, NextStep, assess, next_step
from firstwatch.tui.launch_form.draft import LaunchDraft
from firstwatch.tui.layout import Mode
from firstwatch.tui.messages import TextEdited

READ_ONLY = "This screen only looks (--read-only): nothing is changed from it"
KeyOf = Callable[[str], str]
"""The key of an action, for a sentence."""

_LEAST_TOAST_S = 0.05
_MOST_NOTICES = 100
_LONGEST_PASTE = 20_000
_LONGEST_TEXT = 1_000_000
"""More than an editor takes."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that the screen has shown."""

    time_ms: int
    title: str
    message: str
    severity: SeverityLevel


@dataclass(frozen=True, slots=True)
class LaunchCheck:
    """The last launch check that was sent to the engine: for which settings, and the command's number."""

    settings: LaunchSettings
    """Without the reason for accepted warnings, which the checks do not use."""
    number: int | None = None
    """None: the command is not written yet."""


class ToastNotice(Notification):
    """What a toast shows. Its timer never gets a time below zero, with which Textual's runs for ever.

    A toast that is shown again as a dialog closes may end in that very moment.
    """

    @property
    def time_left(self) -> float:
        return max(super().time_left, _LEAST_TOAST_S)

    @property
    def has_expired(self) -> bool:
        return super().time_left <= 0


class StateApp(KeysInOrder):
    """One snapshot, one selection, one draft."""

    # Nothing here repaints the screen: panes watch these and repaint what changed in them.
    snapshot: var[ManagerSnapshot] = var(partial(empty_snapshot, 0), always_update=True, init=False)
    """The snapshot shown: the newest, or the one at which the operator froze the screen."""
    frozen_ms: var[int | None] = var(None, init=False)
    """Since when the screen is frozen; None: it is not."""
    selected_run: var[str | None] = var(None, init=False)
    beside_run: var[str | None] = var(None, init=False)
    """The run that is compared with the selected one: the only other one that is marked."""
    selected_wallet: var[str | None] = var(None, init=False)
    is_at_wallets: var[bool] = var(False, init=False)
    """The wallets are in front: keys act on the chosen wallet, not on the chosen run."""
    draft: var[LaunchDraft] = var(LaunchDraft, init=False)
    is_launching: var[bool] = var(False, init=False)
    """A new run is being prepared: the launcher is open."""
    beat: var[int] = var(0, init=False)
    """Counts the screen's own seconds, so that ages grow even if nothing changes."""
    shows_order_changes: var[bool] = var(False, init=False)
    """Steps of orders, and replaced orders, are shown too."""
    notices: var[tuple[Notice, ...]] = var((), init=False)
    """The newest notices, oldest first: they can be read again."""
    ask_codes: var[Mapping[int, str]] = var(dict, init=False)
    """Codes with which asks of agents can be answered at a terminal, by the ask's number."""
    mode: var[Mode] = var(Mode.RUN, init=False)
    """The mode that is shown."""
    bench: var[Bench] = var(Bench, init=False)
    """What Test mode shows."""
    build: var[Build] = var(Build, init=False)
    """What Build mode shows."""
    busy: var[str] = var("", init=False)
    """The slow work under way, as text; empty: none."""

    def __init__(
        self,
        manager: RunManager,
        settings: Settings,
        clock: Clock,
        driver_class: type[Driver] | None,
        *,
        key_of: Callable[[str], str],
        is_read_only: bool = False,
    ) -> None:
        """``is_read_only``: only actions that change the view are possible."""
        self.key_of = key_of
        """Returns the key of an action for a sentence; for one without a key, that of the palette."""
        self._clock = clock
        super().__init__(driver_class=driver_class)
        self.manager = manager
        self.title_note = str(settings.home)
        self.check: LaunchCheck | None = None
        self._sent_commands: set[int] = set()
        self.is_read_only = is_read_only
        self._newest: ManagerSnapshot | None = None
        """The newest snapshot while the screen is frozen."""

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a notice: a toast, or on a dialog a line below it.

        Its text is cleaned and shown without markup, because some of it may be foreign.
        """
        message, title = clean_lines(message), clean(title)
        shown_s = self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        self.post_message(Notify(ToastNotice(message, title, severity, shown_s, markup=markup)))
        notice = Notice(self.now_ms(), title, message, severity)
        self.notices = (*self.notices, notice)[-_MOST_NOTICES:]

    async def _deliver(self, event: events.Key | events.Paste) -> None:
        if isinstance(event, events.Paste):
            has_lines = _is_read_only(self.focused) is not None
            event.text = clean_document(event.text[:_LONGEST_TEXT]) if has_lines else pasted(event.text)
        await super()._deliver(event)

    @property
    def no_run(self) -> str:
        """The sentence shown in place of a run's data while no run is chosen."""
        return f"Choose a run in Run Info ({self.key_of('view.info')})."

    def now_ms(self) -> int:
        """Return the time of the injected clock."""
        return self._clock.now_ms()

    def elapsed_s(self) -> float:
        """Return seconds on a clock that never jumps."""
        return self._clock.elapsed_s()

    @property
    def is_covered(self) -> bool:
        """Whether a dialog is in front of the panes."""
        return len(self.screen_stack) > 1

    @property
    def is_editing(self) -> bool:
        """Whether keys are text now."""
        return self.is_writing or isinstance(self.focused if self._screen_stack else None, Input)

    @property
    def is_writing(self) -> bool:
        """Whether keys are written into the text of several lines that has the focus."""
        focused = self.focused if self._screen_stack else None
        return _is_read_only(focused) is False

    def choose_run(self, run_id: str) -> None:
        """Select a run by its id."""
        self.selected_run = run_id
        self.manager.select(run_id)

    def point_at_test(self, key: str, beside: str) -> None:
        """Put the cursor of the tests on one; ``beside``: and mark another one, to stand beside it."""

    def test_version(self, label: str) -> None:
        """Open a stored version in Test mode, and backtest it there."""

    def typed_text(self) -> TextEdited | None:
        """Return what was typed in the text of Build mode and is not known yet; None: nothing."""

    async def keep_drafts(self) -> None:
        """Keep what was changed in Build and Test mode, before drafts are read."""

    async def run_in_terminal(self, command: Sequence[str]) -> int:
        """Give the terminal to a program until it ends, and return its exit code.

        Raises:
            WrongUseError: it cannot be started, or there is no terminal to give.
        """
        raise WrongUseError(f"There is no terminal for {command[0]}.")

    # --- what is shown, and what is true -----------------------------------------------------------

    @property
    def live(self) -> ManagerSnapshot:
        """The newest snapshot, by which actions are judged, frozen or not."""
        return self.snapshot if self._newest is None else self._newest

    def take_snapshot(self, snapshot: ManagerSnapshot) -> None:
        """Show a new snapshot; on a frozen screen only the details of a run that was chosen since."""
        if self.frozen_ms is None:
            self.snapshot = snapshot
            return
        self._newest = snapshot
        shown, new = self.snapshot.selected, snapshot.selected
        if new is not None and (shown is None or shown.run_id != new.run_id):
            self.snapshot = replace(self.snapshot, selected=new)
        shown, new = self.snapshot.beside, snapshot.beside
        if new is not None and (shown is None or shown.run_id != new.run_id):
            self.snapshot = replace(self.snapshot, beside=new)

    def refuse(self) -> None:
        """Say that this screen only looks."""
        self.notify(READ_ONLY, severity="warning")

    def freeze(self, is_frozen: bool) -> None:
        """Freeze the screen, or go on with the newest snapshot."""
        if is_frozen:
            self._newest, self.frozen_ms = self.snapshot, self.now_ms()
            return
        newest, self._newest, self.frozen_ms = self.live, None, None
        self.snapshot = newest

    def run_ids(self) -> tuple[str, ...]:
        """Return the runs on which keys act now."""
        return () if self.selected_run is None else (self.selected_run,)

    @property
    def badges(self) -> tuple[str, ...]:
        """Unusual states of this screen, for its head."""
        found = ["READ ONLY"] if self.is_read_only else []
        if self.frozen_ms is not None:
            found.append(f"FROZEN {formats.age(self.now_ms() - self.frozen_ms)}")
        return tuple(found)

    # --- the launch ------------------------------------------------------------------------------

    @property
    def assessment(self) -> Assessment:
        """The mistakes in the draft, and its settings if there are none."""
        return assess(self.draft, self.live)

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
        check = self.live.command(self.check_id)
        return next_step(
            self.draft,
            self.assessment,
            self.live,
            check,
            is_current=self.is_check_current,
            key_of=self.key_of,
        )

    # --- commands --------------------------------------------------------------------------------

    def submit(self, command: Command, *, about: RunView | None = None) -> None:
        """Send a command to the engine; ``about`` is the run as the operator saw it."""
        if self.is_read_only:
            self.refuse()
            return
        self.in_background(self._submit(command, about))

    async def _submit(self, command: Command, about: RunView | None) -> None:
        number = await asyncio.to_thread(
            self.manager.submit,
            command,
            expected_state=None if about is None else about.state,
            snapshot_sequence=self.live.sequence,
        )
        self._sent_commands.add(number)

    def follow(self, number: int) -> None:
        """Show the outcome of a command that was not sent by ``submit``."""
        self.manager.follow(number)
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
        done: dict[str, list[str]] = {}
        for command in self.live.commands:
            if command.command_id not in self._sent_commands or command.outcome in (
                CommandOutcome.PENDING,
                CommandOutcome.ACCEPTED,
            ):
                continue
            self._sent_commands.discard(command.command_id)
            name = command.kind.replace("_", " ")
            sentence = command.sentence or f"{name}: {command.outcome}"
            if command.outcome is CommandOutcome.DONE:
                done.setdefault(name, []).append(sentence)
            else:
                self.notify(sentence, title=f"{name} {command.outcome}", severity="error")
        for name, sentences in done.items():
            self.notify("\n".join(dict.fromkeys(sentences)), title=name)


def _is_read_only(widget: Widget | None) -> bool | None:
    """Return whether a text of several lines is only read; None: the widget is no such text."""
    # Not by Textual's class, whose import would delay the first paint: no other widget can be read-only.
    return getattr(widget, "read_only", None)


def pasted(text: str) -> str:
    """Return a pasted text for a field: its lines cleaned, without leading empty ones."""
    return "\n".join(map(clean, text[:_LONGEST_PASTE].splitlines())).lstrip("\n")


def judged(settings: LaunchSettings) -> LaunchSettings:
    """Return the settings that the checks use: all but the reason for accepted warnings."""
    return settings.model_copy(update={"accepted_warnings": None})


def app_of(widget: Widget) -> StateApp:
    """Return the widget's app, typed. Widgets read its state; to change it they post it a message."""
    app = widget.app
    assert isinstance(app, StateApp)
    return app
