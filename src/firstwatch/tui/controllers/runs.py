"""Commands about a run. A dialog asks before what cannot be undone; nothing is sent if the run changed."""

from functools import partial

from firstwatch.manager.views import RunView
from firstwatch.trading.commands import (
    CancelRun,
    ClosePosition,
    Command,
    PauseEntries,
    ResumeEntries,
    StopRun,
)
from firstwatch.trading.runs import Exposure, StopMode
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.stop import StopRunDialog
from firstwatch.tui.run_text import exposure_text, left_behind
from firstwatch.tui.state import StateApp


class RunController:
    """Sends commands about runs."""

    def __init__(self, app: StateApp) -> None:
        self._app = app

    def pause(self, run: RunView) -> None:
        """Pause the run's new entries."""
        self._app.submit(PauseEntries(run_id=run.run_id), about=run)

    def resume(self, run: RunView) -> None:
        """Allow the run to enter again."""
        self._app.submit(ResumeEntries(run_id=run.run_id), about=run)

    def stop(self, run: RunView, mode: StopMode) -> None:
        """Stop without a question."""
        self._app.submit(StopRun(run_id=run.run_id, mode=mode), about=run)

    def ask_stop(self, run: RunView) -> None:
        """Ask for the stop mode; the run is the one that was chosen when the dialog opened."""
        self._app.push_screen(StopRunDialog(run), partial(self._stop, run))

    def _stop(self, run: RunView, mode: StopMode | None) -> None:
        if mode is None or not self._is_unchanged(run):
            return
        if mode is StopMode.LEAVE_UNPROTECTED and run.exposure is not Exposure.FLAT:
            dialog = PromptDialog(
                "Cancel protection",
                [left_behind(run, mode), "", f"Type the run's name to continue: {run.title}"],
                check=lambda value: "" if value == run.title else f"not {run.title}",
                is_dangerous=True,
            )
            self._app.push_screen(dialog, partial(self._stop_unprotected, run))
            return
        self.stop(run, mode)

    def _stop_unprotected(self, run: RunView, name: str | None) -> None:
        if name is not None and self._is_unchanged(run):
            self.stop(run, StopMode.LEAVE_UNPROTECTED)

    def ask_close(self, run: RunView) -> None:
        """Ask whether to close the run's position at market."""
        self._ask(run, "Close position", "Close at market", ClosePosition(run_id=run.run_id))

    def ask_discard(self, run: RunView) -> None:
        """Ask whether to give up a run that has not begun."""
        self._ask(run, "Discard run", "Discard", CancelRun(run_id=run.run_id))

    def _ask(self, run: RunView, title: str, verb: str, command: Command) -> None:
        lines = [
            f"{run.title} on {run.symbol}, wallet {run.wallet}",
            f"run {run.run_id}, {run.state}, {exposure_text(run)}",
        ]
        dialog = ConfirmDialog(title, lines, verb, is_dangerous=True)
        self._app.push_screen(dialog, partial(self._send_if_sure, run, command))

    def _send_if_sure(self, run: RunView, command: Command, is_sure: bool | None) -> None:
        if is_sure and self._is_unchanged(run):
            self._app.submit(command, about=run)

    def _is_unchanged(self, run: RunView) -> bool:
        """Return whether the run is still in the state that the dialog showed; if not, show a message."""
        now = self._app.snapshot.run(run.run_id)
        if now is not None and now.state is run.state:
            return True
        found = "gone" if now is None else now.state.value
        self._app.notify(
            f"{run.title} was {run.state} when you asked and is {found} now; nothing was sent",
            severity="warning",
        )
        return False
