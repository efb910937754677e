"""From the launch draft to a run: the engine's checks, the question, the start."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from textual.timer import Timer

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView, RunView
from firstwatch.trading.commands import PreviewLaunch, StartRun
from firstwatch.trading.launch import CheckResult, LaunchPreview, LaunchSettings
from firstwatch.tui import formats
from firstwatch.tui.controllers.wallets import WalletController
from firstwatch.tui.launch_form.draft import FIELD_BY_ID, YES, LaunchDraft, chosen_algorithm, draft_of
from firstwatch.tui.launch_form.outcome import by_reason, names_of, outcome
from firstwatch.tui.launch_form.remedies import REMEDIES, Cure
from firstwatch.tui.launch_form.toml_form import launch_toml, read_launch_toml
from firstwatch.tui.messages import LaunchOpened, StartSent
from firstwatch.tui.modals.confirm import ConfirmDialog, MessageDialog
from firstwatch.tui.modals.differences import DifferencesDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.toml import TomlDialog
from firstwatch.tui.money_text import money_word
from firstwatch.tui.state import LaunchCheck, StateApp, judged

_CHECK_DELAY_S = 0.4
"""How long a draft must stay unchanged before the engine is asked to check it."""


class LaunchController:
    """Changes the launch draft, has it checked, and starts the run."""

    def __init__(self, app: StateApp, make_run_id: Callable[[], str], wallets: WalletController) -> None:
        self._app = app
        self._make_run_id = make_run_id
        self._wallets = wallets
        self._check_timer: Timer | None = None
        self._remembered = LaunchDraft()
        """The settings that were filled in from an earlier run, to know whether they were changed since."""

    # --- the draft -------------------------------------------------------------------------------

    def set_field(self, field: str, value: str) -> None:
        """Change one field of the draft."""
        snapshot = self._app.live
        draft = self._app.draft.with_value(field, value)
        algorithm = chosen_algorithm(draft, snapshot)
        if field == "algorithm" and algorithm is not None:
            known = (algorithm.symbol,) if algorithm.symbol else snapshot.symbols
            if algorithm.symbol or (not draft.symbol and len(known) == 1):
                draft = draft.with_value("symbol", known[0])
        self._app.draft = draft
        self.check_soon()
        if field == "algorithm" and algorithm is not None and self._is_untouched(draft):
            self._app.in_background(self._remember(draft, algorithm.name))

    def _is_untouched(self, draft: LaunchDraft) -> bool:
        return _settings_only(draft) in (LaunchDraft(), self._remembered)

    async def _remember(self, draft: LaunchDraft, algorithm: str) -> None:
        """Fill in the settings of the algorithm's last run, unless the operator has gone on since."""
        settings = await asyncio.to_thread(self._app.manager.last_launch, algorithm)
        if settings is None or self._app.draft != draft:
            return
        known = self._app.live.wallet(settings.wallet)
        is_free = known is not None and known.active_run_id is None
        # A reason answers the warnings of its own start only.
        self._app.draft = replace(
            draft_of(settings, parent_run_id=None),
            algorithm=draft.algorithm,
            wallet=draft.wallet or (settings.wallet if is_free else ""),
            symbol=draft.symbol or settings.symbol,
            accepted_warnings="",
        )
        self._remembered = _settings_only(self._app.draft)
        self._app.notify(f"Filled in as in the last run of {algorithm}", title="New run")
        self.check_soon()

    def step_field(self, field: str, by: int) -> None:
        """Go ``by`` options on in a choice, around the end; from a text that is no option to the first."""
        options = FIELD_BY_ID[field].choices(self._app.draft, self._app.live)
        if options:
            value = self._app.draft.value(field)
            place = options.index(value) + by if value in options else 0
            self.set_field(field, options[place % len(options)])

    def copy_settings(self, run: RunView) -> None:
        """Copy a run's settings into the draft."""
        details = self._app.live.selected
        if details is None or details.run_id != run.run_id:
            self._app.notify("The run's settings are still being read", severity="warning")
            return
        # A reason answers the warnings of its own start only.
        draft = draft_of(details.settings, parent_run_id=run.run_id)
        self._app.draft = draft.with_value("accepted_warnings", "")
        self.check_soon()
        self._app.post_message(LaunchOpened())

    def open_version(self, label: str, symbol: str) -> None:
        """Open the launcher with a version and a market chosen; the rest as in the algorithm's last run."""
        draft = LaunchDraft(algorithm=label, symbol=symbol)
        self._app.draft = draft
        self.check_soon()
        self._app.post_message(LaunchOpened())
        self._app.in_background(self._remember(draft, label.rpartition("@")[0]))

    def adopt(self, alarm: AlarmView) -> None:
        """Open the launcher for a run that takes over the position of a wallet without a run."""
        run, wallet = self._app.live.run(alarm.run_id), self._app.live.wallet(alarm.wallet)
        draft = LaunchDraft(wallet=alarm.wallet or "", assume_position_now=YES)
        if run is not None and not run.is_damaged:
            # As the run that has left it.
            draft = replace(
                draft,
                algorithm=f"{run.algorithm}@{run.version}",
                symbol=run.symbol,
                capital=f"{run.capital:f}",
                leverage=f"{run.leverage:f}",
                parent_run_id=run.run_id,
            )
        elif wallet is not None and wallet.held:
            draft = replace(draft, symbol=wallet.held[0].symbol)
        self._app.draft = draft
        self.check_soon()
        self._app.post_message(LaunchOpened())

    def show_toml(self) -> None:
        """Show the launch as TOML; saving it there replaces the draft."""
        settings = self._app.assessment.settings
        if settings is not None:
            dialog = TomlDialog(f"Launch of {settings.name}", launch_toml(settings), read_launch_toml)
            self._app.push_screen(dialog, self._take_toml)

    def _take_toml(self, text: str | None) -> None:
        if text is None:
            return
        before = self._app.draft
        self._app.draft = replace(
            draft_of(read_launch_toml(text), parent_run_id=before.parent_run_id or None),
            accepted_warnings=before.accepted_warnings,
        )
        self.check_soon()

    def show_differences(self, run: RunView) -> None:
        """Show which of a run's settings differ from its baseline's."""
        details = self._app.live.selected
        if details is None or details.run_id != run.run_id:
            self._app.notify("The run's settings are still being read", severity="warning")
            return
        name = f"{formats.short_id(run.run_id)} {run.title}"
        self._app.push_screen(DifferencesDialog(name, details.differences))

    # --- the checks ------------------------------------------------------------------------------

    def check_soon(self) -> None:
        """Check the draft when it has stayed unchanged for a moment."""
        if self._check_timer is not None:
            self._check_timer.stop()
        self._check_timer = self._app.set_timer(_CHECK_DELAY_S, self._check_now)

    def check_if_needed(self, before: ManagerSnapshot) -> None:
        """Check the draft soon if it has no check and none is under way, or if what it needs has changed.

        That is an engine that has come up, and the money and the approvals of its wallet.
        """
        now = self._app.live
        is_engine_new = now.engine.takes_commands and not before.engine.takes_commands
        name = self._app.draft.wallet
        is_wallet_new = before.is_ready and _standing(before, name) != _standing(now, name)
        if is_wallet_new and self._app.check is not None:
            self._app.check = None
        if is_engine_new or (self._check_timer is None and self._needs_check()):
            self.check_soon()

    def _check_now(self) -> None:
        self._check_timer = None
        if self._needs_check():
            self.check()

    def _needs_check(self) -> bool:
        app = self._app
        is_complete = app.assessment.settings is not None
        may_ask = app.is_launching and not app.is_read_only and app.live.engine.takes_commands
        return is_complete and may_ask and not app.is_check_current

    def check(self) -> None:
        """Ask the engine for a preview of the launch."""
        settings = self._app.assessment.settings
        if settings is None:
            self._app.notify(self._app.next_step.sentence, title="Check", severity="warning")
            return
        check = LaunchCheck(judged(settings))
        self._app.check = check
        self._app.in_background(self._send_check(settings, check))

    async def _send_check(self, settings: LaunchSettings, check: LaunchCheck) -> None:
        number = await asyncio.to_thread(
            self._app.manager.submit,
            PreviewLaunch(settings=settings),
            snapshot_sequence=self._app.live.sequence,
        )
        if self._app.check is check:
            self._app.check = LaunchCheck(check.settings, number)

    def cure(self, name: str) -> None:
        """Apply the form's remedy for a check that did not pass; without one show the whole check."""
        settings, preview = self._app.assessment.settings, self._preview
        check = (
            None if preview is None else next((each for each in preview.checks if each.name == name), None)
        )
        if check is None:
            return
        remedy = None if check.passed else REMEDIES.get(name)
        wallet = None if settings is None else self._app.live.wallet(settings.wallet)
        if remedy is not None and remedy.cure is Cure.MAKE_BASELINE:
            self.ask_baseline()
        elif remedy is not None and wallet is not None and remedy.cure is Cure.APPROVE:
            self._wallets.ask_approval(wallet, then=self.check)
        elif remedy is not None and wallet is not None and remedy.cure is Cure.FUND:
            self._wallets.ask_funds(wallet)
        else:
            self._app.push_screen(MessageDialog(f"Check: {check.name}", _check_lines(check)))

    @property
    def _preview(self) -> LaunchPreview | None:
        """The result of the draft's last check."""
        check = self._app.live.command(self._app.check_id)
        return None if check is None else check.preview

    # --- its baseline ----------------------------------------------------------------------------

    def ask_baseline(self) -> None:
        """Ask for the candles, then have the draft's baseline made."""
        settings = self._app.assessment.settings
        if settings is not None:
            self._app.in_background(self._ask_candles(settings, "this form"))

    def ask_test(self, run: RunView) -> None:
        """Ask for the candles, then have a baseline with the run's settings made."""
        details = self._app.live.selected
        if details is None or details.run_id != run.run_id:
            self._app.notify("The run's settings are still being read", severity="warning")
            return
        self._app.in_background(self._ask_candles(details.settings, f"run {run.run_id}"))

    async def _ask_candles(self, settings: LaunchSettings, whose: str) -> None:
        sources = await asyncio.to_thread(self._app.manager.baselines.sources)
        dialog = PromptDialog(
            "Make a baseline",
            [
                f"{settings.name} on {settings.symbol}, with the settings of {whose}.",
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
        making = self._app.live.making
        if not before.is_ready or making is None or not making.state.is_over:
            return
        known = before.making
        if known is None or not known.state.is_over or known.job_id != making.job_id:
            self._app.notify(
                making.sentence, title="Baseline", severity="error" if making.error else "information"
            )
            if self._app.assessment.settings is not None and self._app.live.engine.takes_commands:
                self.check()

    # --- the start -------------------------------------------------------------------------------

    def ask_start(self) -> None:
        """Ask for a reason if warnings need one, show what will happen, then start."""
        preview = self._preview
        if self._app.next_step.needs_reason and preview is not None:
            dialog = PromptDialog(
                "Start despite warnings",
                [
                    *(
                        f"{names_of(checks)}: {checks[0].found}; {checks[0].remedy}"
                        for checks in by_reason(preview.warnings)
                    ),
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
        settings, preview = self._app.assessment.settings, self._preview
        if settings is None or preview is None:
            return
        lines = self._summary(settings, preview)
        if not preview.is_mainnet:
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

    def _summary(self, settings: LaunchSettings, preview: LaunchPreview) -> list[str]:
        """Return lines that describe the run about to start."""
        wallet = self._app.live.wallet(settings.wallet)
        place = "" if wallet is None else f" at {wallet.venue} ({money_word(wallet.money)})"
        lines = [
            f"{settings.name} on {settings.symbol}",
            f"wallet {settings.wallet}{place}, capital {settings.capital:,f}, leverage {settings.leverage:f}",
            *(f"{fact.label}: {fact.text}" for fact in outcome(preview, settings)),
        ]
        if settings.parent_run_id:
            lines.append(f"started again from run {settings.parent_run_id}")
        return [*lines, "The engine checks once more before it starts."]

    def _start_if_sure(self, settings: LaunchSettings, is_sure: bool | None) -> None:
        if is_sure:
            self._start(settings)

    def _start_if_named(self, settings: LaunchSettings, name: str | None) -> None:
        if name is not None:
            self._start(settings.model_copy(update={"confirmed_name": name}))

    def _start(self, settings: LaunchSettings) -> None:
        run_id = self._make_run_id()
        self._app.submit(StartRun(run_id=run_id, settings=settings))
        # Both belong to this start alone.
        self._app.draft = replace(self._app.draft, parent_run_id="", accepted_warnings="")
        self._app.post_message(StartSent(run_id))


def _settings_only(draft: LaunchDraft) -> LaunchDraft:
    """Return the draft without algorithm, wallet and symbol."""
    return replace(draft, algorithm="", wallet="", symbol="")


def _standing(snapshot: ManagerSnapshot, name: str) -> object:
    """Return the wallet's values that the checks of a launch depend on."""
    wallet = snapshot.wallet(name)
    missing = None if wallet is None or wallet.key is None else wallet.key.missing
    return None if wallet is None else (wallet.free, missing, wallet.active_run_id)


def _check_lines(check: CheckResult) -> list[str]:
    kind = "hard: refuses the start" if check.is_hard else "soft: needs a written reason"
    return [kind, "", check.found, *(["", check.remedy] if check.remedy else [])]
