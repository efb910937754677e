"""The choice of a mode, in one line."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from firstwatch.tui.layout import Mode
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine, StatusLine


class ModeLine(Dialog[str]):
    """Returns the chosen mode. Its keys are the first letters of the modes; nothing else acts meanwhile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(mode.label[0].lower(), f"take('{mode}')", mode.label, show=False, id=f"mode.{mode}")
        for mode in Mode
    ]

    def __init__(self, now: Mode) -> None:
        super().__init__()
        self._now = now

    def compose(self) -> ComposeResult:
        yield KeyLine(self.hints)
        yield StatusLine()

    def hints(self) -> Sequence[KeyHint]:
        modes = (
            KeyHint(mode.label[0].lower(), f"{mode.label} (now)" if mode is self._now else mode.label)
            for mode in Mode
        )
        return (*modes, KeyHint("esc", "stay"), KeyHint("", ""))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # There is no text to scroll.
        del parameters
        return action not in ("turn_page", "scroll_body")

    def on_resize(self) -> None:
        self.query_one(KeyLine).renew()

    def action_take(self, mode: str) -> None:
        self.dismiss(mode)
