"""Messages to the app: what happened, in the past tense.

They are posted to the app itself. If they went through the widgets in between, a key that the operator
pressed later would be handled first.
"""

from typing import TYPE_CHECKING

from textual.message import Message

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView, AskView, JobView

if TYPE_CHECKING:
    # Not at run time: importing them would delay the first paint.
    from firstwatch.manager.build_views import PreviewView, TextView
    from firstwatch.manager.test_views import DraftView


class SnapshotArrived(Message):
    """The manager has read the store again."""

    def __init__(self, snapshot: ManagerSnapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


class RunChosen(Message):
    """The operator has moved the cursor to a run."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id


class RunOpened(Message):
    """The operator has opened a run of a list."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id


class BesideChosen(Message):
    """The operator has marked the one run to compare the chosen one with; None: none, or several."""

    def __init__(self, run_id: str | None) -> None:
        super().__init__()
        self.run_id = run_id


class WalletChosen(Message):
    """The operator has moved the cursor to a wallet; None: the wallet under the cursor has gone."""

    def __init__(self, wallet: str | None) -> None:
        super().__init__()
        self.wallet = wallet


class FieldChanged(Message):
    """The operator has written or chosen a value in the launch form."""

    def __init__(self, field: str, value: str) -> None:
        super().__init__()
        self.field = field
        self.value = value


class FieldStepped(Message):
    """The operator has gone ``by`` options on in a choice of the launch form."""

    def __init__(self, field: str, by: int) -> None:
        super().__init__()
        self.field = field
        self.by = by


class StartSent(Message):
    """The command that starts a run has been sent."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id


class AlarmActed(Message):
    """The operator acts on an alarm by an action that needs no other dialog."""

    def __init__(self, action_id: str, alarm: AlarmView) -> None:
        super().__init__()
        self.action_id = action_id
        self.alarm = alarm


class AskShown(Message):
    """A question of an agent is shown whole."""

    def __init__(self, ask: AskView) -> None:
        super().__init__()
        self.ask = ask


class AskAnswered(Message):
    """The operator answers a question of an agent by an action."""

    def __init__(self, action_id: str, ask: AskView) -> None:
        super().__init__()
        self.action_id = action_id
        self.ask = ask


class _JobMessage(Message):
    """About a job."""

    def __init__(self, job: JobView) -> None:
        super().__init__()
        self.job = job


class JobCancelled(_JobMessage):
    """The operator ends a job."""


class JobResumed(_JobMessage):
    """The operator goes on with a job."""


class CommandsSent(Message):
    """Commands about the chosen runs have been sent."""


class LaunchOpened(Message):
    """The launch form has been filled in, to be looked at and started."""


class LaunchLeft(Message):
    """The operator has left the launcher; ``goes_back``: for the list of runs, otherwise for another pane."""

    def __init__(self, *, goes_back: bool) -> None:
        super().__init__()
        self.goes_back = goes_back


class CheckChosen(Message):
    """The operator has chosen a check of the launch, to act on it or to read it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class ModeChosen(Message):
    """The operator has chosen a mode by its name in the head."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode


class DraftChanged(Message):
    """The operator has changed the draft, or the settings of its test."""

    def __init__(self, draft: "DraftView") -> None:
        super().__init__()
        self.draft = draft


class DraftWanted(Message):
    """The operator wants to open another version or draft."""


class DraftShown(Message):
    """Another draft has been opened, to be looked at."""


class TestsShown(Message):
    """The operator has moved the cursor to a test, or marked some: these are shown."""

    __test__ = False

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__()
        self.keys = keys


class TestOpened(Message):
    """The operator has opened a test of the list."""

    __test__ = False


class TextEdited(Message):
    """The operator has written in the text, whose number is ``Build.opened``; the cursor is at that place."""

    def __init__(self, text: str, line: int, column: int, opened: int) -> None:
        super().__init__()
        self.text = text
        self.line = line
        self.column = column
        self.opened = opened


class TextLeft(Message):
    """The operator has stopped writing."""


class PlaceChosen(Message):
    """The operator has moved the cursor of the text to that line and column."""

    def __init__(self, line: int, column: int) -> None:
        super().__init__()
        self.line = line
        self.column = column


class AlgorithmsChosen(Message):
    """The operator has moved the cursor of the algorithms (empty: to nothing), or marked rows."""

    def __init__(self, key: str, marked: tuple[str, ...]) -> None:
        super().__init__()
        self.key = key
        self.marked = marked


class TextWanted(Message):
    """The operator wants to open a version or a draft in the editor."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class PreviewArrived(Message):
    """A picture of a text has been computed."""

    def __init__(self, preview: "PreviewView") -> None:
        super().__init__()
        self.preview = preview


class TextShown(Message):
    """A text has been opened, to be looked at."""

    def __init__(self, text: "TextView") -> None:
        super().__init__()
        self.text = text
