"""From the launch draft to a run: checks by the engine, the question, the start."""

import asyncio
from collections.abc import Callable
from functools import partial

from textual.driver import Driver
from textual.timer import Timer

from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import RunRow
from firstwatch.settings import Settings
from firstwatch.trading import commands
from firstwatch.trading.clock import Clock
from firstwatch.trading.launch import LaunchSettings
from firstwatch.tui.launch_form.assessment import Assessment, NextStep, assess, next_step
from firstwatch.tui.launch_form.draft import chosen_algorithm, draft_of
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.state import StateApp

_CHECK_DELAY_S = 0.4
"""How long a draft must stand still before the engine is asked to check it."""


class LaunchingApp(StateApp):
    """What the Configuration pane and its keys need."""

    def __init__(
        self,
        manager: RunManager,
        settings: Settings,
        clock: Clock,
        driver_class: type[Driver] | None,
        make_run_id: Callable[[], str],
    ) -> None:
        super().__init__(manager, settings, clock, driver_class)
        self._make_run_id = make_run_id
        self.check_id: int | None = None
        self._checked: LaunchSettings | None = None
        self._check_timer: Timer | None = None
        self._launched: str | None = None

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
            self.notify(self.next_step.sentence, title="launch: Check again", severity="warning")
            return
        self._checked = _judged(settings)
        self._in_background(self._check(settings))

    async def _check(self, settings: LaunchSettings) -> None:
        self.check_id = await asyncio.to_thread(
            self._manager.submit,
            commands.PreviewLaunch(settings=settings),
            snapshot_sequence=self.snapshot.sequence,
        )

    def ask_start(self) -> None:
        """Ask for what lacks, show what will happen, then start."""
        if self.next_step.needs_reason:
            check = self.snapshot.command(self.check_id)
            warnings = () if check is None or check.preview is None else check.preview.warnings
            dialog = PromptDialog(
                "Start in spite of warnings",
                [
                    *(f"{each.name}: {each.found}; {each.remedy}" for each in warnings),
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
            f"{settings.name} on {settings.symbol}",
            f"wallet {settings.wallet}, capital {settings.capital:,f}, leverage {settings.leverage:f}",
        ]
        if check.preview.assume_position:
            lines.append(check.preview.assume_position)
        if settings.parent_run_id:
            lines.append(f"started again from run {settings.parent_run_id}")
        lines.append("The engine checks once more before it starts.")
        if not check.preview.is_mainnet:
            self.push_screen(ConfirmDialog("Start run", lines, "start"), partial(self._start, settings))
            return
        dialog = PromptDialog(
            "Start run with real money",
            [*lines, "", f"Real money. Type the run's name to start it: {settings.name}"],
            check=lambda value: "" if value == settings.name else f"not {settings.name}",
            is_dangerous=True,
        )
        self.push_screen(dialog, partial(self._start_confirmed, settings))

    def _start_confirmed(self, settings: LaunchSettings, name: str | None) -> None:
        if name is not None:
            self._start(settings.model_copy(update={"confirmed_name": name}), True)

    def _start(self, settings: LaunchSettings, is_sure: bool | None) -> None:
        if is_sure:
            run_id = self._make_run_id()
            self._launched = run_id
            self.submit(commands.StartRun(run_id=run_id, settings=settings))
            if self.draft.parent_run_id:
                self.draft = self.draft.with_value("parent_run_id", "")
            self.show_pane(3)

    def start_again(self, run: RunRow) -> None:
        """Copy a run's settings into the form."""
        details = self.snapshot.selected
        if details is None or details.run_id != run.run_id:
            self.notify("The run's settings are still being read", severity="warning")
            return
        # A reason answers the warnings of its own start only.
        draft = draft_of(details.settings, parent_run_id=run.run_id)
        self.draft = draft.with_value("accepted_warnings", "")
        self._check_soon()
        self.show_pane(2)


def _judged(settings: LaunchSettings) -> LaunchSettings:
    """Return what the checks judge: everything but the reason that answers them."""
    return settings.model_copy(update={"accepted_warnings": None})
