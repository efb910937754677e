"""Operator actions, one class each: its key, its entry in the palette and the help, its rule and its effect.

``action`` is what they have in common; ``runs``, ``alarms``, ``asks``, ``launch``, ``wallets``, ``tests``,
``lists``, ``views`` and ``engine`` are what they act on. ``refusal`` says why an action is not possible now,
from the snapshot and the selection alone; the same sentence is shown when its key is pressed anyway.

A key belongs to the panes that show what it acts on, or to all of its mode. Wherever it is pressed in a
mode it means the same.
Those of ``asks`` belong to no pane: they act in the list of alarms, on a question that is shown whole.

To add an action: a class in the module of what it acts on, and a line in ``ACTIONS``.
"""

from firstwatch.tui.actions.action import Action, Severity, Situation
from firstwatch.tui.actions.alarms import AcknowledgeAlarmAction, AdoptPositionAction, LeavePositionAction
from firstwatch.tui.actions.asks import ApproveAskAction, RefuseAskAction
from firstwatch.tui.actions.engine import (
    HelpAction,
    QuitAction,
    StartEngineAction,
    StopEngineAction,
    UnlockVaultAction,
)
from firstwatch.tui.actions.launch import (
    CancelBaselineAction,
    CheckLaunchAction,
    MakeBaselineAction,
    NewRunAction,
    ShowTomlAction,
    StartRunAction,
)
from firstwatch.tui.actions.lists import CopyAction, FilterAction, MarkAction, SortAction
from firstwatch.tui.actions.runs import (
    ClosePositionAction,
    DiscardRunAction,
    ExportRunAction,
    PauseRunAction,
    ResumeRunAction,
    RunAction,
    ShowDifferencesAction,
    StartAgainAction,
    StopRunAction,
    TestAgainAction,
)
from firstwatch.tui.actions.tests import (
    BacktestAction,
    CancelTestAction,
    DiscardDraftAction,
    LaunchVersionAction,
    OptimiseAction,
    ResumeTestAction,
    SaveVersionAction,
    TakeWinnerAction,
    UsefulnessAction,
    ValidateAction,
)
from firstwatch.tui.actions.views import (
    ChartEarlierAction,
    ChartFartherAction,
    ChartLaterAction,
    ChartNearerAction,
    CommandsAction,
    FreezeAction,
    ModeAction,
    NextTabAction,
    NextWindowAction,
    OrderChangesAction,
    PreviousTabAction,
    ScopeAction,
    ShowAlarmsAction,
    ShowConfigurationAction,
    ShowDraftAction,
    ShowHistoryAction,
    ShowInfoAction,
    ShowJobsAction,
    ShowJournalAction,
    ShowMetricsAction,
    ShowNoticesAction,
    ShowPaneAction,
    ShowResultAction,
    ShowTestsAction,
    ShowWalletsAction,
    ThemeAction,
)
from firstwatch.tui.actions.wallets import (
    ApproveWalletAction,
    ArchiveWalletAction,
    CreateWalletAction,
    FundWalletAction,
    ImportKeyAction,
    TransferMoneyAction,
    WithdrawMoneyAction,
)

__all__ = ["ACTIONS", "ACTION_BY_ID", "Action", "RunAction", "Severity", "ShowPaneAction", "Situation"]

ACTIONS: tuple[Action, ...] = (
    NewRunAction(),
    StopRunAction(),
    PauseRunAction(),
    ResumeRunAction(),
    ClosePositionAction(),
    StartAgainAction(),
    ShowDifferencesAction(),
    ExportRunAction(),
    AdoptPositionAction(),
    LeavePositionAction(),
    AcknowledgeAlarmAction(),
    ApproveAskAction(),
    RefuseAskAction(),
    DiscardRunAction(),
    TestAgainAction(),
    StartRunAction(),
    CheckLaunchAction(),
    ShowTomlAction(),
    MakeBaselineAction(),
    CancelBaselineAction(),
    CreateWalletAction(),
    ImportKeyAction(),
    FundWalletAction(),
    ApproveWalletAction(),
    TransferMoneyAction(),
    WithdrawMoneyAction(),
    ArchiveWalletAction(),
    BacktestAction(),
    ValidateAction(),
    OptimiseAction(),
    UsefulnessAction(),
    SaveVersionAction(),
    DiscardDraftAction(),
    LaunchVersionAction(),
    CancelTestAction(),
    ResumeTestAction(),
    TakeWinnerAction(),
    FilterAction(),
    SortAction(),
    MarkAction(),
    CopyAction(),
    ShowWalletsAction(),
    ShowConfigurationAction(),
    ShowInfoAction(),
    ShowMetricsAction(),
    ShowJournalAction(),
    ShowDraftAction(),
    ShowTestsAction(),
    ShowResultAction(),
    ModeAction(),
    ScopeAction(),
    OrderChangesAction(),
    ShowHistoryAction(),
    NextTabAction(),
    PreviousTabAction(),
    NextWindowAction(),
    ChartNearerAction(),
    ChartFartherAction(),
    ChartEarlierAction(),
    ChartLaterAction(),
    ShowAlarmsAction(),
    ShowJobsAction(),
    ShowNoticesAction(),
    FreezeAction(),
    ThemeAction(),
    UnlockVaultAction(),
    StopEngineAction(),
    StartEngineAction(),
    CommandsAction(),
    HelpAction(),
    QuitAction(),
)
"""In the order of the help."""

ACTION_BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}
