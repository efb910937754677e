"""The Textual app: it shows snapshots and turns keys into actions."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import rich
from rich.console import RenderableType
from rich.segment import Segments
from textual._compositor import ChopsUpdate
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen

from firstwatch.manager.manager import RunManager
from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView, EngineWhere, RunView
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.ids import new_run_id
from firstwatch.tui import first_run, formats
from firstwatch.tui.actions import (
    ACTION_BY_ID,
    ACTIONS,
    Action,
    RunAction,
    Severity,
    ShowPaneAction,
    Situation,
)
from firstwatch.tui.ask_text import ask_key
from firstwatch.tui.away_text import away_parts, away_title, farewell
from firstwatch.tui.colour_filter import with_muted, without_colours
from firstwatch.tui.controllers.themes import ThemeController
from firstwatch.tui.driver import ScreenDriver
from firstwatch.tui.key_table import place_of
from firstwatch.tui.keymap import acts_in, is_of_mode, make_keymap
from firstwatch.tui.layout import Layout, Mode
from firstwatch.tui.leftovers import FullCollections, forget_removed
from firstwatch.tui.messages import (
    AlarmActed,
    AlgorithmsChosen,
    AskAnswered,
    AskShown,
    BesideChosen,
    CheckChosen,
    CommandsSent,
    DraftChanged,
    DraftWanted,
    FieldChanged,
    FieldStepped,
    JobCancelled,
    JobResumed,
    LaunchLeft,
    ModeChosen,
    PlaceChosen,
    PreviewArrived,
    RunChosen,
    RunOpened,
    SnapshotArrived,
    StartSent,
    TestOpened,
    TestsShown,
    TextEdited,
    TextShown,
    TextWanted,
    WalletChosen,
)
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.painting import NarrowUpdate
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.screens.mode import ModeScreen
from firstwatch.tui.screens.run import RunScreen
from firstwatch.tui.state import READ_ONLY, StateApp
from firstwatch.tui.themes import FALLBACK_VARIABLES
from firstwatch.tui.widgets.status_lines import KeyHint

if TYPE_CHECKING:
    from firstwatch.tui.controllers.alarms import AlarmController
    from firstwatch.tui.controllers.algorithms import AlgorithmController
    from firstwatch.tui.controllers.asks import AskController
    from firstwatch.tui.controllers.engine import EngineController
    from firstwatch.tui.controllers.exports import ExportController
    from firstwatch.tui.controllers.jobs import JobController
    from firstwatch.tui.controllers.launch import LaunchController
    from firstwatch.tui.controllers.lists import ListController
    from firstwatch.tui.controllers.runs import RunController
    from firstwatch.tui.controllers.tests import TestController
    from firstwatch.tui.controllers.texts import TextController
    from firstwatch.tui.controllers.wallets import WalletController
    from firstwatch.tui.modals.alarms import AlarmChoice

_SWITCH_S = 0.0005
"""How long another thread keeps the interpreter while a key waits: a tenth of Python's own interval."""
_BEATS_PER_FORGETTING = 15
"""So many seconds widgets that were removed may be kept."""

_COMMON_ACTIONS = (
    "run.new",
    "list.filter",
    "list.sort",
    "view.alarms",
    "view.wallets",
    "view.configuration",
    "view.info",
    "view.metrics",
    "view.journal",
    "view.draft",
    "view.tests",
    "view.result",
    "view.algorithms",
    "view.editor",
    "view.preview",
    "view.mode",
    "app.commands",
    "app.help",
    "app.quit",
)


class FirstwatchApp(StateApp):
    """The screen. It starts no engine, talks to no venue and never waits for the store."""

    CSS_PATH: ClassVar = [
        "app.tcss",
        "screens/run.tcss",
        "panes/watch.tcss",
        "panes/launcher.tcss",
        "panes/wallets.tcss",
        "modals/dialog.tcss",
    ]
    TITLE = "firstwatch"
    ENABLE_COMMAND_PALETTE = True
    DEFAULT_MODE = Mode.RUN.value

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "interrupt", show=False, priority=True)]

    def __init__(
        self,
        manager: RunManager,
        settings: Settings,
        *,
        clock: Clock | None = None,
        make_run_id: Callable[[], str] = new_run_id,
        chosen: str | None = None,
        driver_class: type[Driver] | None = None,
        is_read_only: bool = False,
    ) -> None:
        self._keys = make_keymap(settings.keymap)
        self._make_run_id = make_run_id
        super().__init__(
            manager,
            settings,
            clock or SystemClock(),
            driver_class,
            key_of=self._keys.named,
            is_read_only=is_read_only,
        )
        self.add_mode(Mode.RUN, lambda: RunScreen(self.key_hints))
        self.add_mode(Mode.TEST, self._make_test_screen)
        self.add_mode(Mode.BUILD, self._make_build_screen)
        self._themes = ThemeController(self, settings)
        self._problems = [*self._themes.begin(), *self._keys.problems]
        # Set here, so that the style sheets are read only once (see ``refresh_css``).
        self.stylesheet.set_variables(self.get_css_variables())
        self._launched = chosen
        """The run to choose when it appears."""
        self._next_snapshot: ManagerSnapshot | None = None
        """The newest that arrived while a key was handled."""
        self._unsubscribe: Callable[[], None] | None = None
        self.is_terminal_lost = False
        self._loaded = {Mode.RUN}
        """The modes whose modules are loaded."""
        self._collections = FullCollections()
        self._resting = ExitStack()
        self._is_resting = False
        """Nothing is styled, arranged or painted, because the terminal is not read."""
        self._unstyled: set[DOMNode] = set()
        """What is styled when the terminal reads again, with all that is in it."""
        self._has_said_away = False
        self._rings = settings.alerts.bell
        self._rung: frozenset[tuple[str, int]] | None = None
        """The alarms and asks of the last snapshot, with when each began; None: there was no snapshot yet."""

    # --- controllers: each is made, with its dialogs, when it is first needed: after the first paint ----

    @cached_property
    def alarms(self) -> "AlarmController":
        from firstwatch.tui.controllers.alarms import AlarmController

        return AlarmController(self)

    @cached_property
    def asks(self) -> "AskController":
        from firstwatch.tui.controllers.asks import AskController

        return AskController(self)

    @cached_property
    def engine(self) -> "EngineController":
        from firstwatch.tui.controllers.engine import EngineController

        return EngineController(self, self.runs)

    @cached_property
    def exports(self) -> "ExportController":
        from firstwatch.tui.controllers.exports import ExportController

        return ExportController(self)

    @cached_property
    def jobs(self) -> "JobController":
        from firstwatch.tui.controllers.jobs import JobController

        return JobController(self)

    @cached_property
    def launch(self) -> "LaunchController":
        from firstwatch.tui.controllers.launch import LaunchController

        return LaunchController(self, self._make_run_id, self.wallets)

    @cached_property
    def lists(self) -> "ListController":
        from firstwatch.tui.controllers.lists import ListController

        return ListController(self)

    @cached_property
    def runs(self) -> "RunController":
        from firstwatch.tui.controllers.runs import RunController

        return RunController(self)

    @cached_property
    def tests(self) -> "TestController":
        from firstwatch.tui.controllers.tests import TestController

        return TestController(self, self.launch)

    @cached_property
    def algorithms(self) -> "AlgorithmController":
        from firstwatch.tui.controllers.algorithms import AlgorithmController

        return AlgorithmController(self)

    @cached_property
    def texts(self) -> "TextController":
        from firstwatch.tui.controllers.texts import TextController

        return TextController(self, self.launch, self.algorithms)

    @cached_property
    def wallets(self) -> "WalletController":
        from firstwatch.tui.controllers.wallets import WalletController

        return WalletController(self)

    # --- life ------------------------------------------------------------------------------------

    def _make_test_screen(self) -> Screen[None]:
        from firstwatch.tui.screens.test import TestScreen

        return TestScreen(self.key_hints)

    def _make_build_screen(self) -> Screen[None]:
        from firstwatch.tui.screens.build import BuildScreen

        return BuildScreen(self.key_hints)

    def refresh_css(self, animate: bool = True) -> None:
        # At its start Textual parses all style sheets again, and once more for the first screen, for a theme
        # that was set in ``__init__`` already.
        if self.screen_stack and self.screen.is_mounted:
            super().refresh_css(animate)
        elif self.screen_stack:
            self.stylesheet.update(self)

    def on_mount(self) -> None:
        for key in filter(None, dict.fromkeys(self._keys.keys.values())):
            self.bind(key, f"press('{key}')", show=False)
        for problem in self._problems:
            self.notify(problem, title="Left out", severity="warning", timeout=10)
        self.set_interval(1.0, self._tick)
        self._unsubscribe = self.manager.subscribe(self._receive)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Start what would delay the first paint."""
        self._collections.begin()
        self.manager.start(is_visit=not self.is_read_only)

    def on_unmount(self) -> None:
        # The key that ends the screen is never done.
        self.manager.hurry(False)
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self.build.is_open:
            self.texts.close()
        if self.bench.is_open:
            self.tests.close()

    def on_terminal_lost(self) -> None:
        """The terminal is gone: end the screen; ``run_screen`` continues without it."""
        self.is_terminal_lost = True
        self.exit()

    def on_terminate(self) -> None:
        """A signal asks this process to end."""
        self.exit()

    def _fatal_error(self) -> None:
        """Leave with a report of where it failed, without values: one may be a secret that was just typed."""
        from rich.traceback import Traceback

        report = Traceback(show_locals=False, width=None, suppress=[rich])
        self._exit_renderables.append(Segments(self.console.render(report, self.console.options)))
        self._close_messages_no_wait()

    # --- the snapshot ----------------------------------------------------------------------------

    def _receive(self, snapshot: ManagerSnapshot) -> None:
        # On the manager's thread: one message, nothing else.
        self.post_message(SnapshotArrived(snapshot))

    def key_begins(self) -> None:
        self.manager.hurry(True)

    def key_ends(self) -> None:
        self.manager.hurry(False)
        self._collections.typed()
        snapshot, self._next_snapshot = self._next_snapshot, None
        if snapshot is not None and self.is_running:
            self._take(snapshot)

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        if not self.is_running:
            # The screens are being removed: there is nothing to show it any more.
            return
        if self.is_handling_key:
            self._next_snapshot = message.snapshot
        else:
            self._take(message.snapshot)

    def _take(self, snapshot: ManagerSnapshot) -> None:
        before = self.live
        is_moved = snapshot.engine.where is not before.engine.where
        if snapshot.is_ready and (is_moved or not before.is_ready):
            self._collections.leave_out_present()
        if self._launched is not None and snapshot.run(self._launched) is not None:
            self.choose_run(self._launched)
            self._launched = None
        elif self.selected_run is None and snapshot.runs:
            self.choose_run(snapshot.runs[0].run_id)
        if self.selected_wallet is None and snapshot.wallets:
            self.selected_wallet = snapshot.wallets[0].name
        self.take_snapshot(snapshot)
        self._say_away(snapshot)
        self._ring(snapshot)
        self.runs.close_stale()
        self.asks.close_stale()
        self.announce_outcomes()
        self.launch.announce_baseline(before)
        self.jobs.announce(before)
        self.launch.check_if_needed(before)
        self.engine.leave_when_stopped()
        if self.bench.is_open:
            self.tests.follow()
        self.call_after_refresh(self._collect_in_pause)

    def _collect_in_pause(self) -> None:
        if self.live.engine.where is not EngineWhere.EMBEDDED:
            self._collections.use_pause()

    def _say_away(self, snapshot: ManagerSnapshot) -> None:
        """Show once what happened before this screen was opened; it also stays in *What happened*."""
        if snapshot.away is not None and not self._has_said_away:
            self._has_said_away = True
            if parts := away_parts(snapshot.away):
                self.notify(", ".join(parts), title=away_title(snapshot.away), timeout=10)

    def _ring(self, snapshot: ManagerSnapshot) -> None:
        """Ring the terminal's bell once when alarms or asks have begun since the last snapshot, if wanted."""
        alarms = ((alarm.id, alarm.since_ms) for alarm in snapshot.calling)
        asks = ((ask_key(ask), ask.created_ms) for ask in snapshot.asks)
        before, self._rung = self._rung, frozenset((*alarms, *asks))
        if self._rings and before is not None and self._rung - before:
            self.bell()

    def _tick(self) -> None:
        if not self.is_running:
            # The timer ends a moment after the screens do.
            return
        is_stalled = isinstance(self._driver, ScreenDriver) and self._driver.is_stalled
        self.manager.rest(is_stalled)
        if is_stalled:
            self._rest()
            return
        if self._is_resting:
            self.on_terminal_read()
        self.beat += 1
        if self.beat % _BEATS_PER_FORGETTING == 0:
            forget_removed(self)
        self._collect_in_pause()
        self.asks.close_stale()
        self.run_worker(self._themes.look_for_changes(), group="themes")

    def _rest(self) -> None:
        """Style, arrange and paint nothing while the terminal is not read; keys act all the same."""
        if not self._is_resting:
            self._is_resting = True
            self._resting.enter_context(self.batch_update())

    def on_terminal_read(self) -> None:
        """Paint the whole screen: the terminal reads again."""
        self._is_resting = False
        self._resting.close()
        unstyled, self._unstyled = self._unstyled, set()
        for node in unstyled:
            if node.is_attached:
                self.update_styles(node, animate=False)
        self.refresh(layout=True)

    def update_styles(self, node: DOMNode, animate: bool = True) -> None:
        # While the terminal is not read, nothing is seen of styles, and no key depends on them.
        if self._is_resting:
            self._unstyled.add(node)
        else:
            super().update_styles(node, animate=animate)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return FALLBACK_VARIABLES

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        narrow = NarrowUpdate.of(renderable) if isinstance(renderable, ChopsUpdate) else renderable
        super()._display(screen, narrow)

    def get_line_filters(self) -> Sequence[LineFilter]:
        colours = self.theme_variables
        if self.no_color or self.console.color_system is None:
            return (without_colours(colours["foreground"], colours["background"]),)
        muted = colours["text-muted"]
        filters = super().get_line_filters()
        # Textual's own themes have "auto 60%", which is not a colour.
        return (with_muted(muted), *filters) if muted.startswith("#") else filters

    # --- what panes and controllers report -------------------------------------------------------

    def on_run_chosen(self, message: RunChosen) -> None:
        self.choose_run(message.run_id)

    def on_run_opened(self, message: RunOpened) -> None:
        self.choose_run(message.run_id)
        self.run_screen.open_run()

    def on_beside_chosen(self, message: BesideChosen) -> None:
        self.beside_run = message.run_id
        self.manager.select_beside(message.run_id)

    def on_wallet_chosen(self, message: WalletChosen) -> None:
        self.selected_wallet = message.wallet

    def on_field_changed(self, message: FieldChanged) -> None:
        self.launch.set_field(message.field, message.value)

    def on_field_stepped(self, message: FieldStepped) -> None:
        self.launch.step_field(message.field, message.by)

    def on_start_sent(self, message: StartSent) -> None:
        self._launched = message.run_id
        self.is_launching = False
        self.run_screen.show_watch()

    def on_launch_opened(self) -> None:
        self.open_launcher()

    def on_launch_left(self, message: LaunchLeft) -> None:
        self.is_launching = False
        if message.goes_back:
            self.run_screen.action_restore()
            self.show_pane(PaneId.INFO)

    def on_check_chosen(self, message: CheckChosen) -> None:
        self.launch.cure(message.name)

    def on_job_cancelled(self, message: JobCancelled) -> None:
        self.jobs.cancel(message.job)

    def on_job_resumed(self, message: JobResumed) -> None:
        self.jobs.resume(message.job)

    def on_mode_chosen(self, message: ModeChosen) -> None:
        self.go_to_mode(Mode(message.mode))

    def on_draft_changed(self, message: DraftChanged) -> None:
        self.tests.take_draft(message.draft)

    def on_draft_wanted(self, _message: DraftWanted) -> None:
        self.tests.ask_draft()

    def on_draft_shown(self) -> None:
        self.mode_screen.is_maximised = False
        self.show_pane(PaneId.DRAFT)

    def on_tests_shown(self, message: TestsShown) -> None:
        self.tests.show(message.keys)

    def on_test_opened(self, _message: TestOpened) -> None:
        self.show_pane(PaneId.RESULT)

    def on_text_edited(self, message: TextEdited) -> None:
        self.texts.take_typed(message)

    def on_text_left(self) -> None:
        self.texts.keep()

    def on_text_wanted(self, message: TextWanted) -> None:
        self.texts.open_named(message.name)

    def on_text_shown(self, message: TextShown) -> None:
        self.texts.open_text(message.text)
        self.show_pane(PaneId.EDITOR)

    def on_place_chosen(self, message: PlaceChosen) -> None:
        self.texts.place(message.line, message.column)

    def on_algorithms_chosen(self, message: AlgorithmsChosen) -> None:
        self.algorithms.choose(message.key, message.marked)

    def on_preview_arrived(self, message: PreviewArrived) -> None:
        self.texts.take_picture(message.preview)

    def on_commands_sent(self, _message: CommandsSent) -> None:
        self.lists.unmark()

    # --- actions ---------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "interrupt" and self.is_writing:
            # In a text ctrl+c copies.
            return self.is_covered
        return super().check_action(action, parameters)

    def action_interrupt(self) -> None:
        """Leave the dialog in front, else quit."""
        self.action_perform("app.quit")

    def action_press(self, key: str) -> None:
        """Perform the action of a key in the pane in front, or say where the key has one."""
        if self.is_covered:
            return
        action = self._keys.action_in(self.mode_screen.front, key)
        if action is not None:
            self.action_perform(action.id)
        if action is not None or self.is_editing:
            return
        mode = self.mode_screen.MODE
        for other in self._keys.actions_of(key):
            if not is_of_mode(other, mode):
                continue
            pane_key = self.key_of(other.panes[0].action_id if other.panes else "view.alarms")
            self.notify(f"Go to {place_of(other)} first ({pane_key})", title=other.short, severity="warning")

    def action_perform(self, action_id: str) -> None:
        """Perform an action on the content of the pane in front, or say why it is not possible now."""
        action = ACTION_BY_ID[action_id]
        if self.is_editing and action_id != "app.quit" and not action.acts_in_edit:
            return
        if self.is_covered:
            # ctrl+c leaves the dialog first.
            if action_id == "app.quit" and isinstance(self.screen, Dialog):
                self.screen.action_close()
            return
        if (typed := self.typed_text()) is not None:
            # It is about what is seen, although that may not have been looked at yet.
            self.texts.take_typed(typed)
        self._perform(action, self.situation)

    def _perform(self, action: Action, situation: Situation) -> None:
        refusal = self._refusal(action, situation)
        if refusal:
            self.notify(refusal, title=action.short, severity="warning")
            return
        if self.frozen_ms is not None and action.severity is not Severity.VIEW:
            self.notify("The screen is frozen: this is about what is true now, not about what it shows")
        action.perform(self, situation)

    def _refusal(self, action: Action, situation: Situation) -> str:
        if self.is_read_only and action.severity is not Severity.VIEW:
            return READ_ONLY
        if self.mode_screen.layout_now is Layout.TINY and not action.fits_any_size:
            return "The terminal is too small to start anything: 60x16 at least"
        return action.refusal(situation)

    def key_hints(self, pane: Pane) -> tuple[KeyHint, ...]:
        """Return the keys that do something now with that pane in front, its own first."""
        # Under a dialog the focused field is the dialog's, which names its own keys.
        is_editing = self.is_editing and not self.is_covered
        hints = [] if is_editing else list(pane.hints())
        if self.frozen_ms is not None:
            hints.insert(0, KeyHint(self._keys.shown("view.freeze"), "Go on"))
        situation = self.situation
        # The action of the pane's own number comes before those of the other panes.
        own_number = (pane.ID.action_id,) if self.mode_screen.can_maximise else ()
        for action_id in dict.fromkeys((*pane.ACTIONS, *own_number, *_COMMON_ACTIONS)):
            action = ACTION_BY_ID[action_id]
            has_key = self._keys.keys[action_id] and acts_in(action, pane.ID)
            if is_editing and (not action.acts_in_edit or len(self._keys.keys[action_id]) == 1):
                continue
            if has_key and not self._refusal(action, situation):
                hints.append(KeyHint(self._keys.shown(action_id), self._short_of(action, pane, situation)))
        return (*hints, *pane.EDIT_HINTS) if is_editing else tuple(hints)

    def _short_of(self, action: Action, pane: Pane, situation: Situation) -> str:
        """Return an action's text in the key line: on how many runs it acts, what a pane number does."""
        if isinstance(action, RunAction) and len(situation.runs) > 1:
            return f"{action.short} {len(action.possible(situation))}"
        screen = self.mode_screen
        if isinstance(action, ShowPaneAction) and action.pane is pane.ID and screen.can_maximise:
            return "Restore" if screen.is_maximised else "Maximise"
        return action.short

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Fill the palette from the mode's actions; one of another pane goes there first."""
        del screen
        for action in ACTIONS:
            if is_of_mode(action, self.mode_screen.MODE) and not self._refusal(
                action, self._situation_in(self._pane_for(action))
            ):
                yield SystemCommand(action.title, action.help, partial(self._perform_later, action.id))

    def _perform_later(self, action_id: str) -> None:
        # The palette is still closing when it calls this.
        self.call_later(self._perform_there, action_id)

    def _perform_there(self, action_id: str) -> None:
        action = ACTION_BY_ID[action_id]
        if self.is_writing and not action.acts_in_edit:
            self.mode_screen.stop_writing()
        pane = self._pane_for(action)
        if pane.ID is not self.mode_screen.front:
            self.show_pane(pane.ID)
        self.action_perform(action_id)

    def _pane_for(self, action: Action) -> Pane:
        """Return the pane in front, or the one in which the action's key acts."""
        front = self.mode_screen.front
        is_here = acts_in(action, front) or not action.panes
        return self.mode_screen.pane(front if is_here else action.panes[0])

    @property
    def situation(self) -> Situation:
        """The newest snapshot and the operator's selection, by which actions are possible or not."""
        return self._situation_in(self.mode_screen.pane(self.mode_screen.front))

    def run_ids(self) -> tuple[str, ...]:
        pane = self.mode_screen.pane(self.mode_screen.front)
        return pane.run_ids() if pane.is_mounted else ()

    def _situation_in(self, pane: Pane) -> Situation:
        live = self.live
        runs = (live.run(run_id) for run_id in (pane.run_ids() if pane.is_mounted else ()))
        return Situation(
            live,
            tuple(run for run in runs if run is not None),
            live.wallet(self.selected_wallet),
            self.next_step,
            self.key_of,
            self.assessment.settings is not None,
            has_list=self.lists.table is not None,
            seen=pane.seen if pane.is_mounted else "",
            has_chart=self.mode_screen.chart is not None,
            is_launching=self.is_launching,
            alarm=pane.alarm() if pane.is_mounted else None,
            mode=pane.ID.mode,
            bench=self.bench,
            build=self.build,
        )

    @property
    def mode_screen(self) -> ModeScreen:
        """The screen of the mode, below all dialogs."""
        screen = self.screen_stack[0]
        assert isinstance(screen, ModeScreen)
        return screen

    @property
    def run_screen(self) -> RunScreen:
        """The screen of Run mode, shown or not."""
        screen = self.get_screen_stack(Mode.RUN)[0]
        assert isinstance(screen, RunScreen)
        return screen

    def go_to_mode(self, mode: Mode) -> None:
        """Show the screen of a mode, once its modules are loaded."""
        if mode is self.mode_screen.MODE:
            return
        if mode not in self._loaded:
            self.in_background(self._load(mode, then=lambda: self.go_to_mode(mode)))
            return
        self.mode = mode
        self.switch_mode(mode)
        if mode is Mode.TEST:
            (self.tests.open_again if self.bench.is_open else self.tests.open)()
        elif mode is Mode.BUILD:
            (self.texts.open_again if self.build.is_open else self.texts.open)()

    def choose_mode(self) -> None:
        """Ask for the mode, in one line."""
        from firstwatch.tui.modals.mode import ModeLine

        # While the operator chooses. Most of what Build mode needs is Test mode's, too.
        self.in_background(self._load(Mode.TEST))
        self.push_screen(ModeLine(self.mode), self._mode_chosen)

    async def _load(self, mode: Mode, then: Callable[[], None] | None = None) -> None:
        """Load the modules of a mode on a thread, then go on, unless a dialog has come meanwhile."""
        if mode not in self._loaded:
            self.busy = f"opening {mode.label} mode…"
            try:
                await asyncio.to_thread(import_mode, mode)
            finally:
                self.busy = ""
            self._loaded.add(mode)
            self._collections.leave_out_present()
        if then is not None and self.is_covered:
            self.notify(f"A dialog was open: {mode.label} mode was not opened", severity="warning")
        elif then is not None:
            then()

    def _mode_chosen(self, mode: str | None) -> None:
        if mode is not None:
            self.go_to_mode(Mode(mode))

    def show_pane(self, pane_id: PaneId) -> None:
        """Bring a pane to the front and give it the focus."""
        self.go_to_mode(pane_id.mode)
        self.mode_screen.show_pane(pane_id)

    def press_pane(self, pane_id: PaneId) -> None:
        """Go to a pane, or maximise it."""
        self.mode_screen.press_pane(pane_id)

    def open_launcher(self) -> None:
        """Prepare a new run, on the whole screen; the draft is as it was left."""
        self.go_to_mode(Mode.RUN)
        self.is_launching = True
        self.run_screen.maximise_pane(PaneId.CONFIGURATION)

    def test_again(self, run: RunView) -> None:
        """Open a run's version in Test mode."""

        def go() -> None:
            # Its own draft is opened, not the newest one.
            self.bench = replace(self.bench, is_open=True)
            self.go_to_mode(Mode.TEST)
            self.tests.test_again(run)

        self.in_background(self._load(Mode.TEST, then=go))

    def test_version(self, label: str) -> None:
        def go() -> None:
            self.bench = replace(self.bench, is_open=True)
            self.go_to_mode(Mode.TEST)
            self.tests.test_version(label)

        self.in_background(self._load(Mode.TEST, then=go))

    def typed_text(self) -> TextEdited | None:
        screen = self.screen_stack[0] if self._screen_stack else None
        return screen.typed() if isinstance(screen, ModeScreen) else None

    async def keep_drafts(self) -> None:
        if self.build.is_open:
            await self.texts.keep_now()
        if self.bench.is_open:
            await self.tests.save_now()

    def write_text(self) -> None:
        """Begin to write in the text of Build mode."""
        from firstwatch.tui.screens.build import BuildScreen

        if isinstance(screen := self.mode_screen, BuildScreen):
            screen.write()

    async def run_in_terminal(self, command: Sequence[str]) -> int:
        if not isinstance(driver := self._driver, ScreenDriver):
            return await super().run_in_terminal(command)
        driver.lend()
        self._rest()
        process = None
        try:
            process = await asyncio.create_subprocess_exec(*command)
            return await process.wait()
        except OSError as error:
            raise WrongUseError(f"{command[0]} cannot be started: {error.strerror or error}.") from error
        finally:
            if process is not None and process.returncode is None:
                process.terminate()
            driver.take_back()
            self.on_terminal_read()

    def point_at_test(self, key: str, beside: str) -> None:
        screen = self.screen_stack[0]
        if isinstance(screen, ModeScreen) and screen.MODE is Mode.TEST:
            self.mode_screen.point_at(key, beside)

    def step_tab(self, by: int) -> None:
        """Go ``by`` tabs on in the pane in front."""
        self.mode_screen.step_tab(by)

    def next_window(self) -> None:
        """Show the next window of the watch."""
        self.run_screen.next_window()

    def toggle_scope(self) -> None:
        """Show what happened to the chosen run only, or to all."""
        self.run_screen.journal.toggle_scope()

    def toggle_order_changes(self) -> None:
        """Show or hide technical details in *What happened* and replaced orders among the orders."""
        self.shows_order_changes = not self.shows_order_changes

    def show_history(self) -> None:
        """Go to the runs that have ended, or back to the active ones."""
        self.run_screen.show_history()

    def zoom_chart(self, by: int) -> None:
        """Zoom the chart in by ``by`` steps."""
        if (chart := self.mode_screen.chart) is not None:
            chart.zoom(by)

    def pan_chart(self, by: int) -> None:
        """Pan the chart ``by`` steps later."""
        if (chart := self.mode_screen.chart) is not None:
            chart.pan(by)

    def toggle_freeze(self) -> None:
        """Freeze the screen, or let it go on."""
        self.freeze(self.frozen_ms is None)

    def choose_theme(self) -> None:
        """Ask for a theme."""
        self._themes.choose()

    def show_alarms(self) -> None:
        """List the questions of agents, and the alarms."""
        from firstwatch.tui.modals.alarms import AlarmsDialog

        self.push_screen(AlarmsDialog(self._keys), self._act_on_alarm)

    def _act_on_alarm(self, choice: "AlarmChoice | None") -> None:
        if choice is None:
            return
        if choice.action_id:
            self._act_on(choice.alarm, choice.action_id)
        elif choice.alarm.run_id is not None:
            self.choose_run(choice.alarm.run_id)
            self.show_pane(PaneId.METRICS)

    def on_alarm_acted(self, message: AlarmActed) -> None:
        self._act_on(message.alarm, message.action_id)

    def on_ask_shown(self, message: AskShown) -> None:
        self.asks.make_code(message.ask)

    def on_ask_answered(self, message: AskAnswered) -> None:
        self._perform(ACTION_BY_ID[message.action_id], replace(self.situation, ask=message.ask))

    def _act_on(self, alarm: AlarmView, action_id: str) -> None:
        """Perform an action on an alarm, or on the run that it is about."""
        run = self.live.run(alarm.run_id)
        runs = () if run is None else (run,)
        self._perform(ACTION_BY_ID[action_id], replace(self.situation, runs=runs, alarm=alarm))

    def show_first_run(self) -> None:
        """Show the way to a small live run, and how far the operator has come."""
        from firstwatch.tui.modals.confirm import MessageDialog

        self.push_screen(MessageDialog("Your first run", first_run.lines(self.live, self.key_of)))

    def show_notices(self) -> None:
        """Show past notices, the newest first."""
        from firstwatch.tui.modals.confirm import MessageDialog

        lines = [
            f"{formats.clock_time(each.time_ms)}  {': '.join(filter(None, (each.title, each.message)))}"
            for each in reversed(self.notices)
        ]
        self.push_screen(MessageDialog("Notices", lines or ["Nothing has been said yet."]))

    def show_commands(self) -> None:
        """Open the palette."""
        self.action_command_palette()

    def show_help(self) -> None:
        """Open the help."""
        from firstwatch.tui.modals.help import HelpDialog

        self.push_screen(HelpDialog(self._keys, self.mode_screen.front))


@dataclass(frozen=True, slots=True)
class ScreenEnd:
    """How the screen ended."""

    exit_code: int
    farewell: str
    """A line for the shell: where the runs are, and how to come back; empty: the terminal is gone."""


def run_screen(
    settings: Settings, *, chosen: str | None = None, is_read_only: bool = False, is_demo: bool = False
) -> ScreenEnd:
    """Run the screen on this terminal, and the engine in this process unless another one holds it.

    ``chosen``: the run to choose when it appears; none: the newest.
    ``is_read_only``: only look; the engine is left to another process.
    ``is_demo``: the head of the screen says so, and the process ends with the terminal.
    Otherwise, when the terminal goes away, it goes on headless as long as something needs its engine.

    Raises:
        WrongUseError: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise WrongUseError(
            "The screen needs a terminal; use `firstwatch engine` without one, or `firstwatch status`."
        )
    sys.setswitchinterval(_SWITCH_S)
    manager = RunManager(settings, hosts_engine=not is_read_only)
    manager.log_to_file()
    app = FirstwatchApp(
        manager, settings, chosen=chosen, driver_class=ScreenDriver, is_read_only=is_read_only
    )
    app.title = "demo" if is_demo else app.title
    said = ""
    try:
        app.run()
        if app.is_terminal_lost:
            _leave_terminal()
            if is_demo:
                return ScreenEnd(0, "")
            manager.serve_headless()
        elif app.live.is_ready:
            said = farewell(app.live, manager.engine(), settings)
    finally:
        manager.close()
    return ScreenEnd(app.return_code or 0, said)


def import_mode(mode: Mode) -> None:
    """Load what only Test or Build mode needs; it takes most of a second."""
    controllers = {Mode.TEST: "tests", Mode.BUILD: "texts"}
    import_module(f"firstwatch.manager.{mode}_service")
    import_module(f"firstwatch.tui.screens.{mode}")
    import_module(f"firstwatch.tui.controllers.{controllers[mode]}")


def _leave_terminal() -> None:
    """Detach this process from the terminal that is gone."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with open(os.devnull, "r+b", buffering=0) as nowhere:
        for descriptor in (0, 1, 2):
            os.dup2(nowhere.fileno(), descriptor)
