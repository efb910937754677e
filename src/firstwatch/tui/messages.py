"""Messages to the app: what happened, in the past tense.

They are posted to the app itself. If they went through the widgets in between, a key that the operator
pressed later would be handled first.
"""

from textual.message import Message

from firstwatch.manager.views import ManagerSnapshot


class SnapshotArrived(Message):
    """The manager has read the store again."""

    def __init__(self, snapshot: ManagerSnapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


class RunChosen(Message):
    """The operator has moved to a run."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id


class WalletChosen(Message):
    """The operator has moved to a wallet; None: the wallet under the cursor has gone."""

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


class SettingsCopied(Message):
    """The settings of an earlier run have been copied into the launch form."""
