"""Actions of the launch form."""

from firstwatch.tui.actions.action import (
    Action,
    AppControls,
    Severity,
    Situation,
    baseline_refusal,
    needs_engine,
)
from firstwatch.tui.launch_form.assessment import Readiness
from firstwatch.tui.layout import Mode
from firstwatch.tui.panes.pane import PaneId


class NewRunAction(Action):
    id, title, short, key = "run.new", "run: New", "New run", "n"
    help = "Prepare a new run, with its checks and what would happen."
    mode = Mode.RUN
    is_for_any_size = False

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.open_launcher()


class _FormAction(Action):
    """An action in the launcher."""

    panes = (PaneId.CONFIGURATION,)
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        return "" if situation.is_launching else f"Open the launcher first ({situation.key_of('run.new')})"


class ShowTomlAction(_FormAction):
    id, title, short, key = "launch.toml", "launch: Show as TOML", "TOML", "T"
    help = "Show the launch as a TOML file."
    severity = Severity.VIEW

    def refusal(self, situation: Situation) -> str:
        filled = "" if situation.is_form_filled else situation.next_step.sentence
        return super().refusal(situation) or filled

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.launch.show_toml()


class StartRunAction(_FormAction):
    id, title, short, key = "run.start", "run: Start", "Start", "g"
    help = "Start the run that the launcher has prepared, after its checks."

    def refusal(self, situation: Situation) -> str:
        step = situation.next_step
        can_start = step.readiness is Readiness.READY or step.needs_reason
        return super().refusal(situation) or ("" if can_start else step.sentence)

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.launch.ask_start()


class CheckLaunchAction(_FormAction):
    id, title, short, key = "launch.check", "launch: Check again", "Check", "c"
    help = "Ask the engine to run the launch checks again."

    def refusal(self, situation: Situation) -> str:
        return super().refusal(situation) or needs_engine(situation)

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.launch.check()


class MakeBaselineAction(_FormAction):
    id, title, short, key = "baseline.make", "baseline: Make", "Test", "b"
    help = "Backtest the form's version with the form's settings; the run is compared with the result."

    def refusal(self, situation: Situation) -> str:
        filled = "" if situation.is_form_filled else situation.next_step.sentence
        return super().refusal(situation) or baseline_refusal(situation) or filled

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.launch.ask_baseline()


class CancelBaselineAction(_FormAction):
    id, title, short, key = "baseline.cancel", "baseline: Cancel", "Cancel baseline", "B"
    help = "Cancel the baseline that is being made; nothing of it is saved."

    def refusal(self, situation: Situation) -> str:
        making = situation.snapshot.making
        return "" if making is not None and not making.state.is_over else "No baseline is being made"

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.launch.cancel_baseline()
