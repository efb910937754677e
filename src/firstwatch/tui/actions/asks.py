"""The operator's answers to agents: their keys act on the row of a question only."""

from firstwatch.tui.actions.action import Action, AppControls, Severity, Situation
from firstwatch.tui.ask_text import gone


class _AskAction(Action):
    """An answer to the question under the cursor."""

    is_for_asks = True
    severity = Severity.TRADE
    is_for_any_size = True

    def refusal(self, situation: Situation) -> str:
        ask = situation.ask
        if ask is None:
            return f"Put the cursor on a question of an agent first ({situation.key_of('view.alarms')})"
        if all(each.ask_id != ask.ask_id for each in situation.snapshot.asks):
            return gone(ask)
        return ""


class ApproveAskAction(_AskAction):
    id, title, short, key = "ask.approve", "ask: Yes", "Yes", "y"
    help = "Say yes to an agent; for real money, the run's name is typed."

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.ask is not None:
            app.asks.approve(situation.ask)


class RefuseAskAction(_AskAction):
    id, title, short, key = "ask.refuse", "ask: No", "No", "n"
    help = "Say no to an agent."

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.ask is not None:
            app.asks.refuse(situation.ask)
