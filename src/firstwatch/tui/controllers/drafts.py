"""What Build and Test mode share about drafts."""

from collections.abc import Callable, Coroutine
from typing import Any

from firstwatch.manager.test_views import DraftChangedError
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.state import StateApp

_LEAVE, _REPLACE = "leave", "replace"


def ask_replace(
    app: StateApp, error: DraftChangedError, act: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Ask whether a draft that was changed elsewhere is replaced by what is shown, and do it by ``act``.

    The question comes unasked, while keys may be on their way: none that is a letter answers it.
    """
    choices = [
        Choice(_LEAVE, "Leave it", "what is shown here is not kept; open the draft again to see the other"),
        Choice(_REPLACE, "Replace it", "by what is shown here; the other is lost"),
    ]

    def answered(choice: str | None) -> None:
        if choice == _REPLACE:
            app.in_background(act())

    app.notify(str(error), severity="warning")
    app.push_screen(ChoiceDialog(f"{error.name} was changed elsewhere", choices, _LEAVE), answered)
