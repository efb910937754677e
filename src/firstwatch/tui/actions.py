"""Operator actions, one class each: its key, its entry in the palette and the help, its rule and its effect.

``refusal`` says why an action is not possible now, from the snapshot and the selection alone; the same
sentence is shown when its key is pressed anyway.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from firstwatch.manager.views import EngineWhere, ManagerSnapshot, RunView, WalletView
from firstwatch.trading.runs import Exposure, RunState
from firstwatch.tui.controllers.engine import EngineController
from firstwatch.tui.controllers.launch import LaunchController
from firstwatch.tui.controllers.runs import RunController
from firstwatch.tui.controllers.wallets import WalletController
from firstwatch.tui.launch_form.assessment import NextStep, Readiness
from firstwatch.tui.panes.pane import PaneId


class Severity(StrEnum):
    """What an action may do."""

    VIEW = "view"
    """Changes what is shown, nothing else."""
    TRADE = "trade"
    """Changes what runs do."""
    DANGER = "danger"
    """May move money at once or leave a position unmanaged; asks first."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides whether an action is possible: the snapshot, and the operator's selection."""

    snapshot: ManagerSnapshot
    run: RunView | None
    wallet: WalletView | None
    next_step: NextStep
    is_form_filled: bool = False
    """No field of the launch form is wrong."""


class AppControls(Protocol):
    """The side of the app that actions use: its controllers, and what it does with the screen itself."""

    launch: LaunchController
    runs: RunController
    wallets: WalletController
    engine: EngineController

    def press_pane(self, pane_id: PaneId) -> None: ...

    def step_tab(self, by: int) -> None: ...

    def next_window(self) -> None: ...

    def next_theme(self) -> None: ...

    def show_help(self) -> None: ...


class Action(ABC):
    """One operator action."""

    id: ClassVar[str]
    title: ClassVar[str]
    """As in the palette: ``namespace: Verb``."""
    short: ClassVar[str]
    """As in the key line."""
    help: ClassVar[str]
    key: ClassVar[str] = ""
    """Default key; empty: palette only."""
    severity: ClassVar[Severity] = Severity.VIEW

    def refusal(self, situation: Situation) -> str:
        """Return why the action is not possible now; empty: it is possible."""
        del situation
        return ""

    @abstractmethod
    def perform(self, app: AppControls, situation: Situation) -> None:
        """Perform the action, or open the dialog that asks first."""


def _needs_engine(situation: Situation) -> str:
    engine = situation.snapshot.engine
    return "" if engine.takes_commands else f"No engine accepts commands: {engine.sentence or engine.where}"


def _needs_active_run(situation: Situation) -> str:
    run = situation.run
    if run is None:
        return "Choose a run first (3, Active)"
    if run.state.is_final:
        return f"{run.title} is over ({run.state})"
    return _needs_engine(situation)


class StartRunAction(Action):
    id, title, short, key = "run.start", "run: Start", "Start", "g"
    help = "Start the run of the Configuration pane, after its checks."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        step = situation.next_step
        may_ask_reason = step.needs_reason
        return "" if step.readiness is Readiness.READY or may_ask_reason else step.sentence

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.launch.ask_start()


class StopRunAction(Action):
    id, title, short, key = "run.stop", "run: Stop", "Stop", "s"
    help = "Stop the chosen run; asks what to do with its position."
    severity = Severity.DANGER

    def refusal(self, situation: Situation) -> str:
        if situation.run is not None and situation.run.state is RunState.NEW:
            return "It has not started; discard it instead (d)"
        return _needs_active_run(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.runs.ask_stop(situation.run)


class PauseRunAction(Action):
    id, title, short, key = "run.pause", "run: Pause entries", "Pause", "p"
    help = "Pause the chosen run's new entries; exits and protection continue."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        if situation.run is not None and situation.run.paused:
            return "Its entries are paused already"
        return _needs_active_run(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.runs.pause(situation.run)


class ResumeRunAction(Action):
    id, title, short, key = "run.resume", "run: Resume entries", "Resume", "r"
    help = "Allow the chosen run to enter again."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        if situation.run is not None and not situation.run.paused and situation.run.state.is_active:
            return "Its entries are not paused"
        return _needs_active_run(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.runs.resume(situation.run)


class ClosePositionAction(Action):
    id, title, short, key = "run.close", "run: Close position", "Close", "x"
    help = "Close the chosen run's position at market; the run continues with entries paused."
    severity = Severity.DANGER

    def refusal(self, situation: Situation) -> str:
        if situation.run is not None and situation.run.exposure is Exposure.FLAT:
            return "It holds no position"
        return _needs_active_run(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.runs.ask_close(situation.run)


class DiscardRunAction(Action):
    id, title, short, key = "run.discard", "run: Discard", "Discard", "d"
    help = "Discard a run that has not started."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        if situation.run is not None and situation.run.state is not RunState.NEW:
            return "Only a run that has not started can be discarded"
        return _needs_active_run(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.runs.ask_discard(situation.run)


class StartAgainAction(Action):
    id, title, short, key = "run.again", "run: Start again with changes", "Again", "a"
    help = "Copy the chosen run's settings into the Configuration pane, as its child."

    def refusal(self, situation: Situation) -> str:
        return "" if situation.run is not None else "Choose a run first (3, Active or History)"

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.launch.copy_settings(situation.run)


class CheckLaunchAction(Action):
    id, title, short, key = "launch.check", "launch: Check again", "Check", "c"
    help = "Ask the engine to run the launch checks again."

    def refusal(self, situation: Situation) -> str:
        return _needs_engine(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.launch.check()


class MakeBaselineAction(Action):
    id, title, short, key = "baseline.make", "baseline: Make", "Baseline", "b"
    help = "Backtest the form's version with the form's settings; the run is compared with the result."

    def refusal(self, situation: Situation) -> str:
        making = situation.snapshot.making
        if making is not None and making.is_running:
            return f"The baseline of {making.algorithm} is being made; cancel it with B"
        return "" if situation.is_form_filled else situation.next_step.sentence

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.launch.ask_baseline()


class CancelBaselineAction(Action):
    id, title, short, key = "baseline.cancel", "baseline: Cancel", "Cancel baseline", "B"
    help = "Cancel the baseline that is being made; nothing of it is saved."

    def refusal(self, situation: Situation) -> str:
        making = situation.snapshot.making
        return "" if making is not None and making.is_running else "No baseline is being made"

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.launch.cancel_baseline()


class CreateWalletAction(Action):
    id, title, short, key = "wallet.create", "wallet: Create", "New wallet", "w"
    help = "Create a run wallet; a live wallet gets an account and a key of its own."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        if not situation.snapshot.is_ready:
            return "The store is not read yet"
        return "" if situation.snapshot.venues else "No venue is configured"

    def perform(self, app: AppControls, situation: Situation) -> None:
        app.wallets.ask_create(situation.snapshot.venues)


class _WalletAction(Action):
    """An action on the chosen wallet."""

    severity = Severity.TRADE
    needs_key: ClassVar[bool] = True
    """Only for wallets with keys."""
    needs_idle: ClassVar[bool] = False
    """Only for wallets that no run uses."""

    def refusal(self, situation: Situation) -> str:
        wallet = situation.wallet
        if wallet is None:
            return "Choose a wallet first (1)"
        if self.needs_idle and wallet.active_run_id is not None:
            return f"A run uses {wallet.name}; stop it first"
        if self.needs_key and not wallet.is_live:
            return f"{wallet.name} is a paper wallet: it has play money and no key"
        return ""


class ImportKeyAction(Action):
    id, title, short, key = "wallet.import", "wallet: Import key", "Import", "i"
    help = "Import an account's own key, or an API wallet's; the venue says which of the two it is."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        if not situation.snapshot.is_ready:
            return "The store is not read yet"
        if not situation.snapshot.live_venues:
            return 'No venue of the settings takes keys; add one with kind = "hyperliquid"'
        return ""

    def perform(self, app: AppControls, situation: Situation) -> None:
        app.wallets.ask_import(situation.snapshot.live_venues)


class FundWalletAction(_WalletAction):
    id, title, short, key = "wallet.fund", "wallet: Fund", "Fund", "f"
    help = "Put play money into the chosen wallet, or show where to send real money and watch it arrive."
    needs_key = False

    def refusal(self, situation: Situation) -> str:
        refusal = super().refusal(situation)
        if refusal or situation.wallet is None or situation.wallet.is_live:
            return refusal
        return _needs_engine(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_funds(situation.wallet)


class ApproveWalletAction(_WalletAction):
    id, title, short, key = "wallet.approve", "wallet: Approve", "Approve", "v"
    help = "Give the next approval that the chosen wallet lacks: an API wallet, the builder's fee."

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_approval(situation.wallet)


class WithdrawMoneyAction(_WalletAction):
    id, title, short, key = "wallet.withdraw", "wallet: Withdraw", "Withdraw", "o"
    help = "Withdraw money of the chosen wallet from its venue."
    severity = Severity.DANGER
    needs_idle = True

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_withdrawal(situation.wallet)


class TransferMoneyAction(_WalletAction):
    id, title, short, key = "wallet.transfer", "wallet: Transfer", "Transfer", "m"
    help = "Send money of the chosen wallet to another of your wallets at the same venue."
    severity = Severity.DANGER
    needs_idle = True

    def refusal(self, situation: Situation) -> str:
        refusal = super().refusal(situation)
        if refusal or situation.wallet is None:
            return refusal
        if not _targets(situation):
            return f"There is no other wallet at {situation.wallet.venue} to send to"
        return ""

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_transfer(situation.wallet, _targets(situation))


def _targets(situation: Situation) -> tuple[str, ...]:
    mine = situation.wallet
    others = (wallet for wallet in situation.snapshot.wallets if mine is not None and wallet != mine)
    return tuple(wallet.name for wallet in others if mine is not None and wallet.venue == mine.venue)


class ArchiveWalletAction(_WalletAction):
    id, title, short = "wallet.archive", "wallet: Archive", "Archive"
    help = "Remove the chosen wallet from the lists; refused while it holds money or is in use."
    needs_key = False
    needs_idle = True

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.wallet is not None:
            app.wallets.ask_archive(situation.wallet)


class UnlockVaultAction(Action):
    id, title, short = "engine.unlock", "engine: Unlock vault", "Unlock"
    help = "Give the engine the vault's passphrase; the engine keeps it until it ends."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        return _needs_engine(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.engine.ask_passphrase()


class StopEngineAction(Action):
    id, title, short = "engine.stop", "engine: Stop", "Stop engine"
    help = "Ask an engine in another process to stop; runs stay active and this screen takes over."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        if situation.snapshot.engine.where is EngineWhere.EMBEDDED:
            return "The engine runs in this screen; quit to stop it"
        return _needs_engine(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.engine.stop()


class StartEngineAction(Action):
    id, title, short = "engine.start", "engine: Start", "Start engine"
    help = "Run the engine in this screen after it was stopped or has failed; its runs are recovered."
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        engine = situation.snapshot.engine
        return "" if engine.where is EngineWhere.NONE else f"{engine.sentence or engine.where}"

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.engine.start()


class ShowPaneAction(Action):
    """Goes to a pane; a second time, the pane takes the whole screen."""

    pane: ClassVar[PaneId]

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.press_pane(self.pane)


class ShowWalletsAction(ShowPaneAction):
    id, title, short, key = "view.wallets", "view: Wallets", "Wallets", "1"
    pane = PaneId.WALLETS
    help = "Go to the wallets; twice: on the whole screen."


class ShowConfigurationAction(ShowPaneAction):
    id, title, short, key = "view.configuration", "view: Configuration", "Configure", "2"
    pane = PaneId.CONFIGURATION
    help = "Go to the launch settings; twice: on the whole screen."


class ShowInfoAction(ShowPaneAction):
    id, title, short, key = "view.info", "view: Info", "Info", "3"
    pane = PaneId.INFO
    help = "Go to the runs, positions, orders, trades and the journal; twice: on the whole screen."


class ShowMetricsAction(ShowPaneAction):
    id, title, short, key = "view.metrics", "view: Metrics", "Metrics", "4"
    pane = PaneId.METRICS
    help = "Go to the watch, figures and charts of the chosen run; twice: on the whole screen."


class NextTabAction(Action):
    id, title, short, key = "view.next_tab", "view: Next tab", "Tab", "right_square_bracket"
    help = "Go to the next tab of Info or Metrics."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.step_tab(1)


class PreviousTabAction(Action):
    id, title, short, key = "view.previous_tab", "view: Previous tab", "Tab back", "left_square_bracket"
    help = "Go to the previous tab of Info or Metrics."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.step_tab(-1)


class NextWindowAction(Action):
    id, title, short, key = "view.window", "view: Window of the watch", "Window", "W"
    help = "Show the watch of 24 hours, 7 days or all days."

    def refusal(self, situation: Situation) -> str:
        run = situation.run
        if run is None:
            return "Choose a run first (3, Active or History)"
        is_first_day = run.watch is not None and run.watch.report.day == 1
        return "The first 24 hours are not over" if is_first_day else ""

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.next_window()


class NextThemeAction(Action):
    id, title, short, key = "view.theme", "view: Next theme", "Theme", "t"
    help = "Switch to the next colour theme."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.next_theme()


class HelpAction(Action):
    id, title, short, key = "app.help", "app: Help", "Help", "question_mark"
    help = "Show all keys and what they do."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.show_help()


class QuitAction(Action):
    id, title, short, key = "app.quit", "app: Quit", "Quit", "q"
    help = "Leave the screen; asks what to do with active runs."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.engine.ask_quit()


ACTIONS: tuple[Action, ...] = (
    StartRunAction(),
    StopRunAction(),
    PauseRunAction(),
    ResumeRunAction(),
    ClosePositionAction(),
    StartAgainAction(),
    DiscardRunAction(),
    CheckLaunchAction(),
    MakeBaselineAction(),
    CancelBaselineAction(),
    CreateWalletAction(),
    ImportKeyAction(),
    FundWalletAction(),
    ApproveWalletAction(),
    TransferMoneyAction(),
    WithdrawMoneyAction(),
    ShowWalletsAction(),
    ShowConfigurationAction(),
    ShowInfoAction(),
    ShowMetricsAction(),
    NextTabAction(),
    PreviousTabAction(),
    NextWindowAction(),
    NextThemeAction(),
    ArchiveWalletAction(),
    UnlockVaultAction(),
    StopEngineAction(),
    StartEngineAction(),
    HelpAction(),
    QuitAction(),
)

ACTION_BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}
