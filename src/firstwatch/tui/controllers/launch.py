"""From the launch draft to a run: the engine's checks, the question, the start."""

import asyncio
from collections.abc import Callable
from functools import partial

from textual.timer import Timer

from firstwatch.manager.views import ManagerSnapshot, RunView
from firstwatch.trading.commands import PreviewLaunch, StartRun
from firstwatch.trading.launch import LaunchSettings
from firstwatch.tui.launch_form.draft import FIELD_BY_ID, chosen_algorithm, draft_of
from firstwatch.tui.messages import SettingsCopied, StartSent
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.state import LaunchCheck, StateApp, judged

_CHECK_DELAY_S = 0.4
"""How long a draft must stay unchanged before the engine is asked to check it."""


class LaunchController:
    """Changes the launch draft, has it checked, and starts the run."""

    def __init__(self, app: StateApp, make_run_id: Callable[[], str]) -> None:
        self._app = app
        self._make_run_id = make_run_id
        self._check_timer: Timer | None = None

    # --- the draft -------------------------------------------------------------------------------

    def set_field(self, field: str, value: str) -> None:
        """Change one field of the draft."""
        snapshot = self._app.snapshot
        draft = self._app.draft.with_value(field, value)
        algorithm = chosen_algorithm(draft, snapshot)
        if field == "algorithm" and algorithm is not None:
            known = (algorithm.symbol,) if algorithm.symbol else snapshot.symbols
            if algorithm.symbol or (not draft.symbol and len(known) == 1):
                draft = draft.with_value("symbol", known[0])
        self._app.draft = draft
        self.check_soon()

    def step_field(self, field: str, by: int) -> None:
        """Go ``by`` options on in a choice, around the end; from a text that is no option to the first."""
        options = FIELD_BY_ID[field].choices(self._app.draft, self._app.snapshot)
        if options:
            value = self._app.draft.value(field)
            place = options.index(value) + by if value in options else 0
            self.set_field(field, options[place % len(options)])

    def copy_settings(self, run: RunView) -> None:
        """Copy a run's settings into the draft."""
        details = self._app.snapshot.selected
        if details is None or details.run_id != run.run_id:
            self._app.notify("The run's settings are still being read", severity="warning")
            return
        # A reason answers the warnings of its own start only.
        draft = draft_of(details.settings, parent_run_id=run.run_id)
        self._app.draft = draft.with_value("accepted_warnings", "")
        self.check_soon()
        self._app.post_message(SettingsCopied())

    # --- the checks ------------------------------------------------------------------------------

    def check_soon(self) -> None:
        """Check the draft when it has stayed unchanged for a moment."""
        if self._check_timer is not None:
            self._check_timer.stop()
        self._check_timer = self._app.set_timer(_CHECK_DELAY_S, self._check_now)

    def check_if_needed(self, *, is_engine_new: bool) -> None:
        """Check the draft soon if an engine has just come up, or if it has no check and none is under way."""
        if is_engine_new or (self._check_timer is None and self._needs_check()):
            self.check_soon()

    def _check_now(self) -> None:
        self._check_timer = None
        if self._needs_check():
            self.check()

    def _needs_check(self) -> bool:
        app = self._app
        is_complete = app.assessment.settings is not None
        return is_complete and app.snapshot.engine.takes_commands and not app.is_check_current

    def check(self) -> None:
        """Ask the engine what a start of the draft would do."""
        settings = self._app.assessment.settings
        if settings is None:
            self._app.notify(self._app.next_step.sentence, title="launch: Check again", severity="warning")
            return
        check = LaunchCheck(judged(settings))
        self._app.check = check
        self._app.in_background(self._send_check(settings, check))

    async def _send_check(self, settings: LaunchSettings, check: LaunchCheck) -> None:
        number = await asyncio.to_thread(
            self._app.manager.submit,
            PreviewLaunch(settings=settings),
            snapshot_sequence=self._app.snapshot.sequence,
        )
        if self._app.check is check:
            self._app.check = LaunchCheck(check.settings, number)

    # --- its baseline ----------------------------------------------------------------------------

    def ask_baseline(self) -> None:
        """Ask for the candles, then have the draft's baseline made."""
        settings = self._app.assessment.settings
        if settings is not None:
            self._app.in_background(self._ask_candles(settings))

    async def _ask_candles(self, settings: LaunchSettings) -> None:
        sources = await asyncio.to_thread(self._app.manager.baselines.sources)
        dialog = PromptDialog(
            "Make a baseline",
            [
                f"{settings.name} on {settings.symbol}, with the settings of this form.",
                "It is made in the background and saved when it is done.",
                "",
                "Candles: the venue's own, a series of the archive, or a file:",
                *(f"  {source}" for source in sources),
            ],
            check=lambda value: "" if value else "write where the candles are from",
            value=sources[0],
        )
        self._app.push_screen(dialog, partial(self._make_baseline, settings))

    def _make_baseline(self, settings: LaunchSettings, candles: str | None) -> None:
        if candles:
            self._app.in_background(asyncio.to_thread(self._app.manager.baselines.make, settings, candles))

    def cancel_baseline(self) -> None:
        """Cancel the baseline that is being made."""
        self._app.in_background(asyncio.to_thread(self._app.manager.baselines.cancel))

    def announce_baseline(self, before: ManagerSnapshot) -> None:
        """Show the result of a baseline that was made since, and check the draft against it."""
        making = self._app.snapshot.making
        if not before.is_ready or making is None or making.is_running:
            return
        if before.making is None or before.making.is_running or before.making.started_ms != making.started_ms:
            self._app.notify(
                making.sentence, title="baseline", severity="error" if making.has_failed else "information"
            )
            if self._app.assessment.settings is not None and self._app.snapshot.engine.takes_commands:
                self.check()

    # --- the start -------------------------------------------------------------------------------

    def ask_start(self) -> None:
        """Ask for a reason if warnings need one, show what will happen, then start."""
        if self._app.next_step.needs_reason:
            check = self._app.snapshot.command(self._app.check_id)
            warnings = () if check is None or check.preview is None else check.preview.warnings
            dialog = PromptDialog(
                "Start despite warnings",
                [
                    *(f"{each.name}: {each.found}; {each.remedy}" for each in warnings),
                    "",
                    "Why (for the journal):",
                ],
                check=lambda value: "" if value else "write a reason",
            )
            self._app.push_screen(dialog, self._accept_warnings)
        else:
            self._confirm_start()

    def _accept_warnings(self, reason: str | None) -> None:
        if reason:
            self.set_field("accepted_warnings", reason)
            self._confirm_start()

    def _confirm_start(self) -> None:
        settings = self._app.assessment.settings
        check = self._app.snapshot.command(self._app.check_id)
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
            dialog = ConfirmDialog("Start run", lines, "start")
            self._app.push_screen(dialog, partial(self._start_if_sure, settings))
            return
        prompt = PromptDialog(
            "Start run with real money",
            [*lines, "", f"Real money. Type the run's name to start it: {settings.name}"],
            check=lambda value: "" if value == settings.name else f"not {settings.name}",
            is_dangerous=True,
        )
        self._app.push_screen(prompt, partial(self._start_if_named, settings))

    def _start_if_sure(self, settings: LaunchSettings, is_sure: bool | None) -> None:
        if is_sure:
            self._start(settings)

    def _start_if_named(self, settings: LaunchSettings, name: str | None) -> None:
        if name is not None:
            self._start(settings.model_copy(update={"confirmed_name": name}))

    def _start(self, settings: LaunchSettings) -> None:
        run_id = self._make_run_id()
        self._app.submit(StartRun(run_id=run_id, settings=settings))
        if self._app.draft.parent_run_id:
            self._app.draft = self._app.draft.with_value("parent_run_id", "")
        self._app.post_message(StartSent(run_id))
