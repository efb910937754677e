"""The Textual app: it shows snapshots and turns keys into actions."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

import rich
from rich.segment import Segments
from rich.traceback import Traceback
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.screen import Screen

from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import ManagerSnapshot
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.ids import new_run_id
from firstwatch.tui.actions import ACTION_BY_ID, ACTIONS, Action, Severity, ShowPaneAction, Situation
from firstwatch.tui.controllers.engine import EngineController
from firstwatch.tui.controllers.launch import LaunchController
from firstwatch.tui.controllers.runs import RunController
from firstwatch.tui.controllers.wallets import WalletController
from firstwatch.tui.driver import ScreenDriver
from firstwatch.tui.keymap import make_keymap
from firstwatch.tui.messages import (
    FieldChanged,
    FieldStepped,
    RunChosen,
    SnapshotArrived,
    StartSent,
    WalletChosen,
)
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.modals.help import HelpDialog
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.screens.run import Layout, RunScreen
from firstwatch.tui.state import StateApp
from firstwatch.tui.themes import DEFAULT_THEME, Themes, load_themes, theme_folder
from firstwatch.tui.widgets.status_lines import KeyHint

_COMMON_ACTIONS = ("view.wallets", "view.configuration", "view.info", "view.metrics", "app.help", "app.quit")


class FirstwatchApp(StateApp):
    """The screen. It starts no engine, talks to no venue and never waits for the store."""

    CSS_PATH = "app.tcss"
    TITLE = "firstwatch"
    ENABLE_COMMAND_PALETTE = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "perform('app.quit')", show=False, priority=True)
    ]

    def __init__(
        self,
        manager: RunManager,
        settings: Settings,
        *,
        clock: Clock | None = None,
        make_run_id: Callable[[], str] = new_run_id,
        themes: Themes | None = None,
        chosen: str | None = None,
        driver_class: type[Driver] | None = None,
    ) -> None:
        self._keys = make_keymap(settings.keymap)
        super().__init__(manager, settings, clock or SystemClock(), driver_class)
        self.launch = LaunchController(self, make_run_id)
        self.runs = RunController(self)
        self.wallets = WalletController(self)
        self.engine = EngineController(self, self.runs)
        self._theme_name = settings.theme
        self._launched = chosen
        """The run to choose when it appears."""
        self._themes = themes or load_themes(theme_folder())
        self._unsubscribe: Callable[[], None] | None = None
        self.is_terminal_lost = False

    # --- life ------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        return RunScreen(self.key_hints)

    def on_mount(self) -> None:
        for theme in self._themes.usable:
            self.register_theme(theme)
        problems = [*self._themes.problems, *self._keys.problems]
        names = [theme.name for theme in self._themes.usable]
        if self._theme_name in names:
            self.theme = self._theme_name
        else:
            problems.append(f"there is no theme {self._theme_name!r}")
            self.theme = DEFAULT_THEME if DEFAULT_THEME in names else "textual-dark"
        for action in ACTIONS:
            if key := self._keys.keys[action.id]:
                self.bind(key, f"perform('{action.id}')", description=action.short, show=False)
        for problem in problems:
            self.notify(problem, title="Left out", severity="warning", timeout=10)
        self.set_interval(1.0, self._tick)
        self._unsubscribe = self.manager.subscribe(self._receive)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Start what would delay the first paint."""
        if not gc.isenabled():
            # The program starts with it off (see ``cli``); the objects made so far stay until the end.
            gc.freeze()
            gc.enable()
        self.manager.start()

    def on_unmount(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def on_terminal_lost(self) -> None:
        """The terminal is gone: end the screen; ``run_screen`` continues without it."""
        self.is_terminal_lost = True
        self.exit()

    def on_terminate(self) -> None:
        """A signal asks this process to end."""
        self.exit()

    def _fatal_error(self) -> None:
        """Leave with a report of where it failed, without values: one may be a secret that was just typed."""
        report = Traceback(show_locals=False, width=None, suppress=[rich])
        self._exit_renderables.append(Segments(self.console.render(report, self.console.options)))
        self._close_messages_no_wait()

    # --- the snapshot ----------------------------------------------------------------------------

    def _receive(self, snapshot: ManagerSnapshot) -> None:
        # On the manager's thread: one message, nothing else.
        self.post_message(SnapshotArrived(snapshot))

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        snapshot = message.snapshot
        before = self.snapshot
        had_engine = before.engine.takes_commands
        if self._launched is not None and snapshot.run(self._launched) is not None:
            self.choose_run(self._launched)
            self._launched = None
        elif self.selected_run is None and snapshot.runs:
            self.choose_run(snapshot.runs[0].run_id)
        if self.selected_wallet is None and snapshot.wallets:
            self.selected_wallet = snapshot.wallets[0].name
        self.snapshot = snapshot
        self.announce_outcomes()
        self.launch.announce_baseline(before)
        self.launch.check_if_needed(is_engine_new=snapshot.engine.takes_commands and not had_engine)
        self.engine.leave_when_stopped()

    def _tick(self) -> None:
        self.beat += 1

    # --- what panes and controllers report -------------------------------------------------------

    def on_run_chosen(self, message: RunChosen) -> None:
        self.choose_run(message.run_id)

    def on_wallet_chosen(self, message: WalletChosen) -> None:
        self.selected_wallet = message.wallet

    def on_field_changed(self, message: FieldChanged) -> None:
        self.launch.set_field(message.field, message.value)

    def on_field_stepped(self, message: FieldStepped) -> None:
        self.launch.step_field(message.field, message.by)

    def on_start_sent(self, message: StartSent) -> None:
        self._launched = message.run_id
        self.run_screen.show_watch()

    def on_settings_copied(self) -> None:
        self.show_pane(PaneId.CONFIGURATION)

    # --- actions ---------------------------------------------------------------------------------

    def action_perform(self, action_id: str) -> None:
        """Perform an action, or say why it is not possible now."""
        action = ACTION_BY_ID[action_id]
        if self.is_editing and action_id != "app.quit":
            return
        if self.is_covered:
            # ctrl+c leaves the dialog first.
            if action_id == "app.quit" and isinstance(self.screen, Dialog):
                self.screen.action_close()
            return
        situation = self.situation
        refusal = self._refusal(action, situation)
        if refusal:
            self.notify(refusal, title=action.title, severity="warning")
            return
        action.perform(self, situation)

    def _refusal(self, action: Action, situation: Situation) -> str:
        if action.severity is not Severity.VIEW and self.run_screen.size_class is Layout.TINY:
            return "The terminal is too small for trading keys: 60x16 at least"
        return action.refusal(situation)

    def key_hints(self, pane: Pane) -> tuple[KeyHint, ...]:
        """Return the keys that do something now with that pane in front, its own first."""
        # Under a dialog the focused field is the dialog's, which names its own keys.
        if self.is_editing and not self.is_covered:
            return (KeyHint("enter", "accept"), KeyHint("esc", "cancel"))
        hints = list(pane.hints())
        situation = self.situation
        for action_id in (*pane.ACTIONS, *_COMMON_ACTIONS):
            action = ACTION_BY_ID[action_id]
            if self._keys.keys[action_id] and not self._refusal(action, situation):
                short = self._short_of(action, pane)
                hints.append(KeyHint(self._keys.shown(action_id), short))
        return tuple(hints)

    def _short_of(self, action: Action, pane: Pane) -> str:
        """Return what the key line says of an action: of the pane in front what its number does now."""
        screen = self.run_screen
        if isinstance(action, ShowPaneAction) and action.pane is pane.ID and screen.can_maximise:
            return "Restore" if screen.is_maximised else "Maximise"
        return action.short

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Fill the palette from the actions."""
        del screen
        situation = self.situation
        for action in ACTIONS:
            if not self._refusal(action, situation):
                yield SystemCommand(action.title, action.help, partial(self._perform_later, action.id))

    def _perform_later(self, action_id: str) -> None:
        # The palette is still closing when it calls this.
        self.call_later(self.action_perform, action_id)

    @property
    def situation(self) -> Situation:
        """The snapshot and the operator's selection, by which actions are possible or not."""
        snapshot = self.snapshot
        return Situation(
            snapshot,
            snapshot.run(self.selected_run),
            snapshot.wallet(self.selected_wallet),
            self.next_step,
            self.assessment.settings is not None,
        )

    @property
    def run_screen(self) -> RunScreen:
        """The screen below all dialogs."""
        screen = self.screen_stack[0]
        assert isinstance(screen, RunScreen)
        return screen

    def show_pane(self, pane_id: PaneId) -> None:
        """Bring a pane to the front and give it the focus."""
        self.run_screen.show_pane(pane_id)

    def press_pane(self, pane_id: PaneId) -> None:
        """Go to a pane, or let it have the whole screen."""
        self.run_screen.press_pane(pane_id)

    def step_tab(self, by: int) -> None:
        """Go ``by`` tabs on in the pane in front."""
        self.run_screen.step_tab(by)

    def next_window(self) -> None:
        """Show the next window of the watch."""
        self.run_screen.next_window()

    def next_theme(self) -> None:
        """Switch to the next theme of the theme folder."""
        names = [theme.name for theme in self._themes.usable]
        if names:
            place = names.index(self.theme) + 1 if self.theme in names else 0
            self.theme = names[place % len(names)]

    def show_help(self) -> None:
        """Open the help."""
        self.push_screen(HelpDialog(self._keys))


def run_screen(settings: Settings, *, chosen: str | None = None) -> int:
    """Run the screen on this terminal, and the engine in this process unless another one holds it.

    ``chosen``: the run to choose when it appears; none: the newest.
    When the terminal goes away the process goes on headless as long as something needs its engine.
    Returns the exit code.

    Raises:
        WrongUseError: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise WrongUseError(
            "The screen needs a terminal; use `firstwatch engine` without one, or `firstwatch status`."
        )
    manager = RunManager(settings)
    manager.log_to_file()
    app = FirstwatchApp(manager, settings, chosen=chosen, driver_class=ScreenDriver)
    try:
        app.run()
        if app.is_terminal_lost:
            _leave_terminal()
            ended = threading.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: ended.set())
            manager.serve_headless(ended)
    finally:
        manager.close()
    return app.return_code or 0


def _leave_terminal() -> None:
    """Detach this process from the terminal that is gone."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with open(os.devnull, "r+b", buffering=0) as nowhere:
        for descriptor in (0, 1, 2):
            os.dup2(nowhere.fileno(), descriptor)
