"""Actions on runs: the marked ones, or the one under the cursor."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from firstwatch.manager.views import RunView
from firstwatch.trading.runs import Exposure, RunState
from firstwatch.tui.actions.action import (
    Action,
    AppControls,
    Severity,
    Situation,
    needs_engine,
    no_run,
)
from firstwatch.tui.panes.pane import PaneId


class RunAction(Action):
    """An action on one or several runs. It acts on those of them on which it is possible."""

    panes: ClassVar[tuple[PaneId, ...]] = (PaneId.INFO, PaneId.METRICS, PaneId.JOURNAL)
    is_for_any_size = True

    def why_not(self, run: RunView) -> str:
        """Return why it is not possible on that run; empty: it is."""
        return f"{run.title} is over ({run.state})" if run.state.is_final else ""

    def refusal(self, situation: Situation) -> str:
        if not situation.runs:
            return no_run(situation)
        reasons = [self.why_not(run) for run in situation.runs]
        if not all(reasons):
            return needs_engine(situation)
        return (
            reasons[0] if len(reasons) == 1 else f"Not possible on any of {len(reasons)} runs: {reasons[0]}"
        )

    def possible(self, situation: Situation) -> list[RunView]:
        """Return the runs on which it is possible."""
        return [run for run in situation.runs if not self.why_not(run)]

    def perform(self, app: AppControls, situation: Situation) -> None:
        left_out = [run for run in situation.runs if self.why_not(run)]
        if left_out:
            app.runs.say_left_out([(run, self.why_not(run)) for run in left_out])
        self.act(app, self.possible(situation))

    @abstractmethod
    def act(self, app: AppControls, runs: Sequence[RunView]) -> None:
        """Act on these runs, or ask first."""


class StopRunAction(RunAction):
    id, title, short, key = "run.stop", "run: Stop", "Stop", "s"
    help = "Stop the run; asks what to do with its position."
    severity = Severity.DANGER

    def why_not(self, run: RunView) -> str:
        if run.state is RunState.NEW:
            return f"{run.title} has not started; discard it instead"
        return super().why_not(run)

    def act(self, app: AppControls, runs: Sequence[RunView]) -> None:
        app.runs.ask_stop(runs)


class PauseRunAction(RunAction):
    id, title, short, key = "run.pause", "run: Pause entries", "Pause", "p"
    help = "Pause the run's new entries; exits and protection continue."
    severity = Severity.TRADE

    def why_not(self, run: RunView) -> str:
        return super().why_not(run) or ("Its entries are paused already" if run.paused else "")

    def act(self, app: AppControls, runs: Sequence[RunView]) -> None:
        app.runs.pause(runs)


class ResumeRunAction(RunAction):
    id, title, short, key = "run.resume", "run: Resume entries", "Resume", "r"
    help = "Allow the run to enter again."
    severity = Severity.TRADE
    is_for_any_size = False

    def why_not(self, run: RunView) -> str:
        return super().why_not(run) or ("" if run.paused else "Its entries are not paused")

    def act(self, app: AppControls, runs: Sequence[RunView]) -> None:
        app.runs.resume(runs)


class ClosePositionAction(RunAction):
    """Closes the position of the runs or, on the alarm of a position without a run, that position."""

    id, title, short, key = "run.close", "run: Close position", "Close", "x"
    help = (
        "Close the run's position at market; the run continues with entries paused. On an alarm of a position"
        " without a run: close that."
    )
    panes = (PaneId.WALLETS, *RunAction.panes)
    severity = Severity.DANGER

    def refusal(self, situation: Situation) -> str:
        return needs_engine(situation) if situation.unmanaged else super().refusal(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.unmanaged is not None:
            app.alarms.ask_close(situation.unmanaged)
        else:
            super().perform(app, situation)

    def why_not(self, run: RunView) -> str:
        return super().why_not(run) or ("It holds no position" if run.exposure is Exposure.FLAT else "")

    def act(self, app: AppControls, runs: Sequence[RunView]) -> None:
        app.runs.ask_close(runs)


class DiscardRunAction(RunAction):
    id, title, short, key = "run.discard", "run: Discard", "Discard", "d"
    help = "Discard a run that has not started."
    severity = Severity.TRADE

    def why_not(self, run: RunView) -> str:
        is_new = run.state is RunState.NEW
        return super().why_not(run) or ("" if is_new else "Only a run that has not started can be discarded")

    def act(self, app: AppControls, runs: Sequence[RunView]) -> None:
        app.runs.ask_discard(runs)


class _OneRunAction(Action):
    """An action on one run, ended or not."""

    panes: ClassVar[tuple[PaneId, ...]] = RunAction.panes

    def refusal(self, situation: Situation) -> str:
        if len(situation.runs) > 1:
            return f"One run at a time: {len(situation.runs)} are marked"
        return "" if situation.run is not None else no_run(situation)


class StartAgainAction(_OneRunAction):
    id, title, short, key = "run.again", "run: Start again with changes", "Again", "a"
    help = "Prepare a run with the run's settings, as its child."
    is_for_any_size = False
    panes = (*RunAction.panes, PaneId.CONFIGURATION)

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.launch.copy_settings(situation.run)


class ShowDifferencesAction(_OneRunAction):
    id, title, short, key = "run.differences", "run: Differences from the baseline", "Differences", "D"
    help = "Show what of the run's settings and fees differs from its baseline's and matters."
    panes = StartAgainAction.panes

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.launch.show_differences(situation.run)


class ExportRunAction(_OneRunAction):
    id, title, short, key = "run.export", "run: Export", "Export", "E"
    help = "Export the run's trades, orders, fills, equity or journal as CSV, JSON or Parquet."

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.exports.ask(situation.run, situation.seen)


class TestAgainAction(_OneRunAction):
    id, title, short, key = "run.test", "run: Test again", "Test", "b"
    help = "Open the run's version in Test mode on the recent period, and test it there beside its baseline."
    severity = Severity.TRADE
    is_for_any_size = False

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.run is not None:
            app.test_again(situation.run)
