"""The Textual app: one snapshot, one selection, one draft; panes and dialogs look at it."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Input, TextArea

from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import EngineWhere, ManagerSnapshot, RunRow, WalletView, empty_snapshot
from firstwatch.settings import Settings
from firstwatch.trading import commands as orders
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.commands import CommandOutcome
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.ids import new_run_id
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.runs import Exposure, StopMode
from firstwatch.tui.commands import COMMAND_BY_ID, COMMANDS, Command, Severity, Situation
from firstwatch.tui.driver import ScreenDriver
from firstwatch.tui.keymap import make_keymap
from firstwatch.tui.launch_form import (
    Assessment,
    LaunchDraft,
    NextStep,
    assess,
    chosen_algorithm,
    draft_of,
    next_step,
)
from firstwatch.tui.modals.confirm import Confirm
from firstwatch.tui.modals.entry import AskText, check_wallet, wallet_from
from firstwatch.tui.modals.help import HelpDialog
from firstwatch.tui.modals.quit import Leaving, QuitDialog
from firstwatch.tui.modals.stop import StopRunDialog, held, left_behind
from firstwatch.tui.screens.run import Layout, RunScreen
from firstwatch.tui.themes import DEFAULT_THEME, Themes, load_themes, theme_folder
from firstwatch.tui.widgets.bars import KeyHint

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHECK_DELAY_S = 0.4
"""How long a draft must stand still before the engine is asked to check it."""

_PANE_KEYS: dict[int, tuple[str, ...]] = {
    1: ("wallet.create", "wallet.fund"),
    2: ("run.start", "launch.check"),
    3: ("run.stop", "run.pause", "run.resume", "run.close", "run.discard", "run.again", "view.next_tab"),
    4: ("view.next_tab", "run.stop"),
}
_COMMON_KEYS = ("view.wallets", "view.configuration", "view.info", "view.metrics", "app.help", "app.quit")


class SnapshotArrived(Message):
    """The manager has read the store again."""

    def __init__(self, snapshot: ManagerSnapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


class FirstwatchApp(App[None]):
    """The screen. It starts no engine, talks to no venue and never waits for the store."""

    CSS_PATH = "app.tcss"
    TITLE = "firstwatch"
    ENABLE_COMMAND_PALETTE = True

    snapshot: reactive[ManagerSnapshot] = reactive(partial(empty_snapshot, 0), always_update=True)
    selected_run: reactive[str | None] = reactive(None)
    selected_wallet: reactive[str | None] = reactive(None)
    draft: reactive[LaunchDraft] = reactive(LaunchDraft)
    beat: reactive[int] = reactive(0)
    """Counts the screen's own seconds: ages grow whether anything changes or not."""
    busy: reactive[str] = reactive("")
    """What is under way and takes a while."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "command('app.quit')", show=False, priority=True)
    ]

    def __init__(
        self,
        manager: RunManager,
        settings: Settings,
        *,
        clock: Clock | None = None,
        make_run_id: Callable[[], str] = new_run_id,
        themes: Themes | None = None,
        driver_class: type[Driver] | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._keys = make_keymap(settings.keymap)
        super().__init__(driver_class=driver_class)
        self._manager = manager
        self._settings = settings
        self._make_run_id = make_run_id
        self._themes = themes or load_themes(theme_folder())
        self._unsubscribe: Callable[[], None] | None = None
        self._awaited: set[int] = set()
        self._is_stopping_all = False
        self.check_id: int | None = None
        self._checked: LaunchSettings | None = None
        self._check_timer: Any = None
        self._launched: str | None = None
        self.title_note = str(settings.home)
        self.is_terminal_lost = False

    # --- life ------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        return RunScreen()

    def on_mount(self) -> None:
        for theme in self._themes.usable:
            self.register_theme(theme)
        problems = [*self._themes.problems, *self._keys.problems]
        names = [theme.name for theme in self._themes.usable]
        if self._settings.theme in names:
            self.theme = self._settings.theme
        else:
            problems.append(f"there is no theme {self._settings.theme!r}")
            self.theme = DEFAULT_THEME if DEFAULT_THEME in names else "textual-dark"
        for command in COMMANDS:
            if key := self._keys.keys[command.id]:
                self._bindings.bind(key, f"command('{command.id}')", command.short, show=False)
        for problem in problems:
            self.notify(problem, title="Left out", severity="warning", timeout=10)
        self.set_interval(1.0, self._tick)
        self._unsubscribe = self._manager.subscribe(self._receive)
        # After the first paint: the manager's imports would hold it up.
        self.call_after_refresh(self._manager.start)

    def on_unmount(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def on_terminal_lost(self) -> None:
        """The terminal is gone: end the screen; whoever runs us goes on without it."""
        self.is_terminal_lost = True
        self.exit()

    def on_terminate(self) -> None:
        """Somebody asked this process to end."""
        self.exit()

    # --- the snapshot ----------------------------------------------------------------------------

    def _receive(self, snapshot: ManagerSnapshot) -> None:
        # On the manager's thread: one message, nothing else.
        self.post_message(SnapshotArrived(snapshot))

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        snapshot = message.snapshot
        had_engine = self.snapshot.engine.takes_commands
        if self._launched is not None and snapshot.run(self._launched) is not None:
            self.choose_run(self._launched)
            self._launched = None
        elif self.selected_run is None and snapshot.runs:
            self.choose_run(snapshot.runs[0].run_id)
        if self.selected_wallet is None and snapshot.wallets:
            self.selected_wallet = snapshot.wallets[0].name
        self.snapshot = snapshot
        self._announce()
        if (snapshot.engine.takes_commands and not had_engine) or (
            self.next_step.sentence and self._wants_check()
        ):
            self._check_soon()
        if self._is_stopping_all and snapshot.is_ready and not snapshot.active:
            self.exit()

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
                markup=False,
            )

    def _tick(self) -> None:
        self.beat += 1

    def now_ms(self) -> int:
        """Return the time, from the injected clock."""
        return self._clock.now_ms()

    # --- what is chosen --------------------------------------------------------------------------

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

    @property
    def assessment(self) -> Assessment:
        return assess(self.draft, self.snapshot)

    @property
    def is_check_current(self) -> bool:
        """Whether the last checks were made for just this draft."""
        settings = self.assessment.settings
        return settings is not None and _judged(settings) == self._checked

    @property
    def next_step(self) -> NextStep:
        check = self.snapshot.command(self.check_id)
        return next_step(self.draft, self.assessment, self.snapshot, check, is_current=self.is_check_current)

    @property
    def situation(self) -> Situation:
        snapshot = self.snapshot
        return Situation(
            snapshot, snapshot.run(self.selected_run), snapshot.wallet(self.selected_wallet), self.next_step
        )

    def choose_run(self, run_id: str) -> None:
        """Select a run by its id."""
        self.selected_run = run_id
        self._manager.select(run_id)

    def set_draft(self, field: str, value: str) -> None:
        """Change one field of the launch draft."""
        draft = self.draft.with_value(field, value)
        algorithm = chosen_algorithm(draft, self.snapshot)
        if field == "algorithm" and algorithm is not None:
            known = (algorithm.symbol,) if algorithm.symbol else self.snapshot.symbols
            if algorithm.symbol or (not draft.symbol and len(known) == 1):
                draft = draft.with_value("symbol", known[0])
        self.draft = draft
        self._check_soon()

    def judge(self, field: str, value: str) -> str:
        """Return what would be wrong with a value that is being typed."""
        errors = assess(self.draft.with_value(field, value.strip()), self.snapshot).errors
        return errors.get(field, "")

    # --- commands --------------------------------------------------------------------------------

    def action_command(self, command_id: str) -> None:
        """Perform a command, or say why it is not possible now."""
        command = COMMAND_BY_ID[command_id]
        if self.is_editing and command_id != "app.quit":
            return
        if self.is_covered:
            return
        refusal = self._refusal(command)
        if refusal:
            self.notify(refusal, title=command.title, severity="warning", markup=False)
            return
        command.perform(self, self.situation)

    def _refusal(self, command: Command) -> str:
        if command.severity is not Severity.VIEW and self.run_screen.size_class is Layout.TINY:
            return "The terminal is too small for trading keys: 60x16 at least"
        return command.refusal(self.situation)

    def key_hints(self, pane: int) -> Sequence[KeyHint]:
        """Return the keys that do something now, the pane's own first."""
        if self.is_editing:
            return (KeyHint("enter", "take it"), KeyHint("esc", "leave it as it was"))
        hints: list[KeyHint] = []
        if pane == 2:
            hints.append(KeyHint("enter", "change"))
        for command_id in (*_PANE_KEYS[pane], *_COMMON_KEYS):
            command = COMMAND_BY_ID[command_id]
            if self._keys.keys[command_id] and not self._refusal(command):
                hints.append(KeyHint(self._keys.shown(command_id), command.short))
        return hints

    def get_system_commands(self, screen: Screen[Any]) -> "Iterable[SystemCommand]":
        """Fill the palette from the commands."""
        del screen
        for command in COMMANDS:
            if not self._refusal(command):
                yield SystemCommand(command.title, command.help, partial(self._perform_later, command.id))

    def _perform_later(self, command_id: str) -> None:
        # The palette is still closing when it calls.
        self.call_later(self.action_command, command_id)

    def submit(self, command: orders.Command, *, about: RunRow | None = None) -> None:
        """Send a command to the engine; ``about`` is the run as the operator saw it."""
        self._in_background(self._submit(command, about))

    async def _submit(self, command: orders.Command, about: RunRow | None) -> int:
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
            self.notify(str(error), severity="error", markup=False)

    # --- panes -----------------------------------------------------------------------------------

    def show_pane(self, number: int) -> None:
        self.run_screen.show_pane(number)

    def step_tab(self, by: int) -> None:
        self.run_screen.step_tab(by)

    def next_theme(self) -> None:
        """Take the next theme of the theme folder."""
        names = [theme.name for theme in self._themes.usable]
        if names:
            place = names.index(self.theme) + 1 if self.theme in names else 0
            self.theme = names[place % len(names)]

    def show_help(self) -> None:
        self.push_screen(HelpDialog(self._keys))

    # --- launching -------------------------------------------------------------------------------

    def _wants_check(self) -> bool:
        settings = self.assessment.settings
        return (
            settings is not None
            and self.snapshot.engine.takes_commands
            and _judged(settings) != self._checked
            and self._check_timer is None
        )

    def _check_soon(self) -> None:
        if self._check_timer is not None:
            self._check_timer.stop()
        self._check_timer = self.set_timer(_CHECK_DELAY_S, self._check_if_wanted)

    def _check_if_wanted(self) -> None:
        self._check_timer = None
        if self._wants_check():
            self.check_launch()

    def check_launch(self) -> None:
        """Ask the engine what a start of the draft would do."""
        settings = self.assessment.settings
        if settings is None:
            self.notify(
                self.next_step.sentence, title="launch: Check again", severity="warning", markup=False
            )
            return
        self._checked = _judged(settings)
        self._in_background(self._check(settings))

    async def _check(self, settings: LaunchSettings) -> None:
        self.check_id = await asyncio.to_thread(
            self._manager.submit,
            orders.PreviewLaunch(settings=settings),
            snapshot_sequence=self.snapshot.sequence,
        )

    def ask_start(self) -> None:
        """Ask for what lacks, show what will happen, then start."""
        if self.next_step.needs_reason:
            check = self.snapshot.command(self.check_id)
            warnings = () if check is None or check.preview is None else check.preview.warnings
            dialog = AskText(
                "Start in spite of warnings",
                [
                    *(f"{each.name}: {each.found}. {each.remedy}" for each in warnings),
                    "",
                    "Why (for the journal):",
                ],
                check=lambda value: "" if value else "write a reason",
            )
            self.push_screen(dialog, self._accept_warnings)
        else:
            self._confirm_start()

    def _accept_warnings(self, reason: str | None) -> None:
        if reason:
            self.set_draft("accepted_warnings", reason)
            self._confirm_start()

    def _confirm_start(self) -> None:
        settings = self.assessment.settings
        check = self.snapshot.command(self.check_id)
        if settings is None or check is None or check.preview is None:
            return
        lines = [
            f"{settings.algorithm}@{settings.version} on {settings.symbol}",
            f"wallet {settings.wallet}, capital {settings.capital:,f}, leverage {settings.leverage:f}",
        ]
        if check.preview.assume_position:
            lines.append(check.preview.assume_position)
        if settings.parent_run_id:
            lines.append(f"started again from run {settings.parent_run_id}")
        lines.append("The engine checks once more before it starts.")
        self.push_screen(Confirm("Start run", lines, "start"), partial(self._start, settings))

    def _start(self, settings: LaunchSettings, is_sure: bool | None) -> None:
        if is_sure:
            run_id = self._make_run_id()
            self._launched = run_id
            self.submit(orders.StartRun(run_id=run_id, settings=settings))
            if self.draft.parent_run_id:
                self.draft = self.draft.with_value("parent_run_id", "")
            self.show_pane(3)

    def start_again(self, run: RunRow) -> None:
        """Copy a run's settings into the form."""
        details = self.snapshot.selected
        if details is None or details.run_id != run.run_id:
            self.notify("The run's settings are still being read", severity="warning")
            return
        self.draft = draft_of(details.settings, parent_run_id=run.run_id)
        self._check_soon()
        self.show_pane(2)

    # --- acting on a run -------------------------------------------------------------------------

    def ask_stop(self, run: RunRow) -> None:
        """Ask for the stop mode; the run is the one that was chosen when the dialog opened."""
        self.push_screen(StopRunDialog(run), partial(self._stop, run))

    def _stop(self, run: RunRow, mode: StopMode | None) -> None:
        if mode is None or not self._is_still(run):
            return
        if mode is StopMode.LEAVE_UNPROTECTED and run.exposure is not Exposure.FLAT:
            dialog = AskText(
                "Cancel protection",
                [left_behind(run, mode), "", f"Type the run's name to go on: {run.title}"],
                check=lambda value: "" if value == run.title else f"not {run.title}",
                is_dangerous=True,
            )
            self.push_screen(dialog, partial(self._stop_unprotected, run))
            return
        self.submit(orders.StopRun(run_id=run.run_id, mode=mode), about=run)

    def _stop_unprotected(self, run: RunRow, name: str | None) -> None:
        if name is not None and self._is_still(run):
            self.submit(orders.StopRun(run_id=run.run_id, mode=StopMode.LEAVE_UNPROTECTED), about=run)

    def ask_about(self, run: RunRow, title: str, verb: str, command: orders.Command) -> None:
        """Ask before a command about one run."""
        lines = [
            f"{run.title} on {run.symbol}, wallet {run.wallet}",
            f"run {run.run_id}, {run.state}, {held(run)}",
        ]
        dialog = Confirm(title, lines, verb, is_dangerous=True)
        self.push_screen(dialog, partial(self._sure_about, run, command))

    def _sure_about(self, run: RunRow, command: orders.Command, is_sure: bool | None) -> None:
        if is_sure and self._is_still(run):
            self.submit(command, about=run)

    def _is_still(self, run: RunRow) -> bool:
        """Check that the run is what the dialog showed."""
        now = self.snapshot.run(run.run_id)
        if now is not None and now.state is run.state:
            return True
        found = "gone" if now is None else now.state.value
        self.notify(
            f"{run.title} was {run.state} when you asked and is {found} now; nothing was sent",
            severity="warning",
            markup=False,
        )
        return False

    # --- wallets ---------------------------------------------------------------------------------

    def ask_wallet(self, venues: Sequence[str]) -> None:
        taken = [wallet.name for wallet in self.snapshot.wallets]
        lines = [f"Name, or name and venue. Venues: {', '.join(venues)} (default {venues[0]})"]
        dialog = AskText("Create wallet", lines, check=lambda value: check_wallet(value, venues, taken))
        self.push_screen(dialog, partial(self._create_wallet, tuple(venues)))

    def _create_wallet(self, venues: tuple[str, ...], value: str | None) -> None:
        if value:
            wallet = wallet_from(value, venues)
            self._in_background(asyncio.to_thread(self._manager.create_wallet, wallet.name, wallet.venue))
            self.selected_wallet = wallet.name

    def ask_funds(self, wallet: WalletView) -> None:
        lines = [f"Play money for {wallet.name} at {wallet.venue}:"]
        dialog = AskText("Fund wallet", lines, check=_amount_problem)
        self.push_screen(dialog, partial(self._fund, wallet))

    def _fund(self, wallet: WalletView, value: str | None) -> None:
        if value:
            self.submit(orders.FundWallet(wallet=wallet.name, amount=Decimal(value.replace(",", ""))))

    def ask_passphrase(self) -> None:
        lines = ["The passphrase of the vault. It goes to the engine, which keeps it in memory only."]
        dialog = AskText("Unlock vault", lines, check=_passphrase_problem, is_secret=True)
        self.push_screen(dialog, self._unlock)

    def _unlock(self, passphrase: str | None) -> None:
        if passphrase:
            self._in_background(self._unlock_vault(passphrase))

    async def _unlock_vault(self, passphrase: str) -> None:
        sentence = await asyncio.to_thread(self._manager.unlock_vault, passphrase)
        self.notify(sentence, markup=False)

    # --- leaving ---------------------------------------------------------------------------------

    def ask_quit(self) -> None:
        """Leave, or ask what becomes of what this process looks after."""
        exposed = any(wallet.exposure is not Exposure.FLAT for wallet in self.snapshot.wallets)
        is_host = self.snapshot.engine.where is EngineWhere.EMBEDDED
        if is_host and (self.snapshot.active or exposed):
            self.push_screen(QuitDialog(self.snapshot.active), self._leave)
        else:
            self.exit()

    def _leave(self, leaving: Leaving | None) -> None:
        if leaving is Leaving.TO_BACKGROUND:
            self.busy = "handing over to a background engine…"
            self._in_background(self._hand_over())
        elif leaving is Leaving.STOP_RUNS:
            self.busy = "stopping all runs…"
            self._is_stopping_all = True
            for run in self.snapshot.active:
                self.submit(orders.StopRun(run_id=run.run_id, mode=StopMode.LEAVE), about=run)

    async def _hand_over(self) -> None:
        try:
            await asyncio.to_thread(self._manager.hand_over_to_background)
        finally:
            self.busy = ""
        self.exit()


def run_screen(settings: Settings) -> int:
    """Run the screen on this terminal, and the engine in this process unless another one holds it.

    When the terminal goes away the process goes on headless as long as something needs its engine.
    Returns the exit code.

    Raises:
        WrongUseError: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise WrongUseError(
            "The screen needs a terminal; use `firstwatch engine` without one, or `firstwatch status`."
        )
    # A reader that goes away must not end the engine in this process.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    manager = RunManager(settings)
    app = FirstwatchApp(manager, settings, driver_class=ScreenDriver)
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
    """Let nothing of this process touch the terminal that is gone."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with open(os.devnull, "r+b", buffering=0) as nowhere:
        for descriptor in (0, 1, 2):
            os.dup2(nowhere.fileno(), descriptor)


def _judged(settings: LaunchSettings) -> LaunchSettings:
    """Return what the checks judge: everything but the reason that answers them."""
    return settings.model_copy(update={"accepted_warnings": None})


def _passphrase_problem(value: str) -> str:
    return "" if value else "write it, or leave"


def _amount_problem(value: str) -> str:
    try:
        amount = Decimal(value.replace(",", ""))
    except InvalidOperation:
        return f"{value!r} is no amount"
    return "" if amount.is_finite() and amount > 0 else "must be above 0"
