"""Actions of Test mode: on the draft, and on the tests."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.tui.actions.action import Action, AppControls, Severity, Situation
from firstwatch.tui.bench import first_mistake
from firstwatch.tui.layout import Mode
from firstwatch.tui.panes.pane import PaneId

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.test_views import TestView


class _DraftAction(Action):
    """An action on the draft."""

    mode = Mode.TEST
    severity = Severity.TRADE
    needs_valid = True
    needs_change = False

    def refusal(self, situation: Situation) -> str:
        draft = situation.bench.draft
        if draft is None:
            mode = situation.key_of("view.mode")
            return f"There is no algorithm yet: {mode}, then b, begins one; or firstwatch algorithm add FILE"
        if self.needs_valid and (mistake := first_mistake(draft)):
            return mistake
        return "Nothing has been changed" if self.needs_change and not draft.is_changed else ""


class _TestAction(_DraftAction):
    """An action that begins a test of the draft."""

    def refusal(self, situation: Situation) -> str:
        draft = situation.bench.draft
        lacks_market = draft is not None and draft.setup.lacks_market
        key = situation.key_of("view.draft")
        return super().refusal(situation) or (f"Choose a market first ({key})" if lacks_market else "")


class BacktestAction(_TestAction):
    id, title, short, key = "test.backtest", "test: Backtest", "Backtest", "b"
    help = "Backtest the draft with the settings of its setup."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.tests.backtest()


class ValidateAction(_TestAction):
    id, title, short, key = "test.validate", "test: Cross-validate", "Validate", "v"
    help = "Cross-validate the draft by rolling folds; the last fifth of the candles is kept back."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.tests.ask_validation()


class OptimiseAction(_TestAction):
    id, title, short, key = "test.optimise", "test: Optimise", "Optimise", "o"
    help = "Search for the best values of some of the draft's numbers; the last fifth is kept back."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.tests.ask_optimisation()


class UsefulnessAction(_TestAction):
    id, title, short, key = "test.usefulness", "test: Usefulness", "Usefulness", "u"
    help = "Find out how useful each condition of the draft is."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.tests.usefulness()


class SaveVersionAction(_DraftAction):
    id, title, short, key = "test.save", "test: Save as a version", "Save", "s"
    help = "Save the draft as the next version of its algorithm."
    needs_change = True

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.tests.ask_save()


class DiscardDraftAction(_DraftAction):
    id, title, short, key = "test.discard", "test: Discard the draft", "Discard", "d"
    help = "Discard what was changed, and go on with the version as it is stored."
    needs_valid = False
    needs_change = True

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.tests.ask_discard()


class LaunchVersionAction(_DraftAction):
    id, title, short, key = "test.launch", "test: Launch small", "Launch", "n"
    help = "Prepare a small run of the version: a quarter of the capital, with its parent's settings if any."
    severity = Severity.VIEW
    is_for_any_size = False

    def refusal(self, situation: Situation) -> str:
        draft = situation.bench.draft
        changed = draft is not None and draft.is_changed
        key = situation.key_of("test.save")
        return super().refusal(situation) or (f"Save it as a version first ({key})" if changed else "")

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.tests.launch()


class _JobAction(Action):
    """An action on the test that is shown."""

    mode = Mode.TEST
    panes = (PaneId.TESTS, PaneId.RESULT)
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        test = situation.bench.chosen
        if test is None:
            return f"Put the cursor on one test first ({situation.key_of('view.tests')})"
        return self.why_not(test)

    @abstractmethod
    def why_not(self, test: "TestView") -> str:
        """Return why it is not possible on that test; empty: it is."""


class CancelTestAction(_JobAction):
    id, title, short, key = "test.cancel", "test: Cancel", "Cancel", "x"
    help = "Cancel the test under the cursor; what it has found so far is kept."

    def why_not(self, test: "TestView") -> str:
        if test.is_being_cancelled:
            return "It is being cancelled"
        return "It is over" if test.job is None or test.state.is_over else ""

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.bench.chosen is not None:
            app.tests.cancel(situation.bench.chosen)


class ResumeTestAction(_JobAction):
    id, title, short, key = "test.resume", "test: Go on", "Go on", "r"
    help = "Go on with a test that has failed or was cancelled."

    def why_not(self, test: "TestView") -> str:
        can = test.job is not None and test.state in (JobState.FAILED, JobState.CANCELLED)
        return "" if can else "Only a test that has failed or was cancelled can go on"

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.bench.chosen is not None:
            app.tests.resume(situation.bench.chosen)


class TakeWinnerAction(_JobAction):
    id, title, short, key = "test.winner", "test: Take the winner", "Take winner", "w"
    help = "Make the winner of the study the draft, to be tested and saved."

    def why_not(self, test: "TestView") -> str:
        is_study = test.kind is JobKind.OPTIMISATION and test.has_result
        return "" if is_study else "Only an optimisation that is done has a winner"

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.bench.chosen is not None:
            app.tests.take_winner(situation.bench.chosen)
