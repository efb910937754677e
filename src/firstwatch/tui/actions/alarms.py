"""Actions on alarms: their keys act on the row of an alarm only."""

from typing import ClassVar

from firstwatch.manager.views import AlarmView
from firstwatch.trading.alarms import AlarmAction
from firstwatch.tui.actions.action import Action, AppControls, Severity, Situation
from firstwatch.tui.panes.pane import PaneId


class _AlarmAction(Action):
    """An action on the alarm under the cursor."""

    panes = (PaneId.WALLETS, PaneId.JOURNAL)
    severity = Severity.TRADE
    wanted: ClassVar[AlarmAction]
    cannot: ClassVar[str]
    """Why it is not possible on an alarm of another kind."""

    def refusal(self, situation: Situation) -> str:
        alarm = situation.alarm
        if alarm is None:
            return f"Put the cursor on an alarm first ({situation.key_of('view.alarms')})"
        return "" if self.wanted in alarm.actions else self.why_not(alarm)

    def why_not(self, alarm: AlarmView) -> str:
        """Return why it is not possible on that alarm."""
        del alarm
        return self.cannot


class AdoptPositionAction(_AlarmAction):
    id, title, short, key = "alarm.adopt", "alarm: Adopt position", "Adopt", "A"
    help = "Prepare a run that takes over a position without a run: wallet and market are filled in."
    wanted = AlarmAction.ADOPT
    cannot = "Only a position without a run can be adopted"

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.alarm is not None:
            app.launch.adopt(situation.alarm)


class LeavePositionAction(_AlarmAction):
    id, title, short, key = "alarm.leave", "alarm: Leave position", "Leave", "L"
    help = "Leave a position without a run as it is, knowingly; its alarm stays listed."
    wanted = AlarmAction.LEAVE
    cannot = "Only a position without a run can be left"
    is_for_any_size = True

    def why_not(self, alarm: AlarmView) -> str:
        return "You have left it already" if alarm.is_left else self.cannot

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.alarm is not None:
            app.alarms.acknowledge(situation.alarm, is_left=True)


class AcknowledgeAlarmAction(_AlarmAction):
    id, title, short, key = "alarm.acknowledge", "alarm: Acknowledge", "Acknowledge", "K"
    help = "Note that the alarm was seen: it stays listed and calls again only when it gets worse."
    wanted = AlarmAction.ACKNOWLEDGE
    cannot = "It is acknowledged already"
    is_for_any_size = True

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.alarm is not None:
            app.alarms.acknowledge(situation.alarm)
