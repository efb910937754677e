"""Commands about runs. A dialog asks before what cannot be undone, and before acting on several at once.

Nothing is sent to a run that is no longer in the state that the dialog showed.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from firstwatch.manager.views import RunView
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.commands import (
    CancelRun,
    ClosePosition,
    Command,
    PauseEntries,
    ResumeEntries,
    StopRun,
)
from firstwatch.trading.runs import Exposure, StopMode
from firstwatch.tui.layout import Layout, layout_for
from firstwatch.tui.messages import CommandsSent
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.stop import StopRunDialog
from firstwatch.tui.run_text import left_behind, run_lines
from firstwatch.tui.state import StateApp

Answer = TypeVar("Answer")
MakeCommand = Callable[[str], Command]
"""Makes the command for a run's id."""


class RunController:
    """Sends commands about runs."""

    def __init__(self, app: StateApp) -> None:
        self._app = app
        self._asked: tuple[Dialog[Any], Sequence[RunView]] | None = None
        """The dialog that is open, and the runs as it shows them."""

    def pause(self, runs: Sequence[RunView]) -> None:
        """Pause the runs' new entries; ask first if it may not be clear which runs are meant."""
        self._ask_if_unclear(runs, "Pause entries", "Pause", _pause)

    def resume(self, runs: Sequence[RunView]) -> None:
        """Allow the runs to enter again; ask first if it may not be clear which runs are meant."""
        self._ask_if_unclear(runs, "Resume entries", "Resume", _resume)

    def stop(self, run: RunView, mode: StopMode) -> None:
        """Stop without a question."""
        self._app.submit(StopRun(run_id=run.run_id, mode=mode), about=run)

    def ask_stop(self, runs: Sequence[RunView]) -> None:
        """Ask for the stop mode; the runs are those that were chosen when the dialog opened."""
        self._ask(StopRunDialog(runs, self._lines(runs)), runs, self._take_mode)

    def _take_mode(self, runs: Sequence[RunView], mode: StopMode) -> None:
        send = partial(self._send, make=lambda run_id: StopRun(run_id=run_id, mode=mode))
        is_bare = mode is StopMode.LEAVE_UNPROTECTED and any(
            run.exposure is not Exposure.FLAT for run in runs
        )
        if is_bare and len(runs) == 1:
            [run] = runs
            lines = [*self._lines(runs), left_behind(run, mode), "", f"Type the run's name: {run.title}"]
            self._ask(typed("Cancel protection", lines, run.title), runs, lambda still, _: send(still))
        elif is_bare:
            lines = [*self._lines(runs), "", "What they hold is left WITHOUT any protection."]
            lines.append(f"Type the number of runs: {len(runs)}")
            dialog = typed("Cancel protection", lines, str(len(runs)))
            self._ask(dialog, runs, lambda still, _: send(still))
        else:
            self._send_counted("Stop runs", runs, send)

    def ask_close(self, runs: Sequence[RunView]) -> None:
        """Ask whether to close the runs' positions at market."""
        title = "Close position" if len(runs) == 1 else "Close positions"
        dialog = ConfirmDialog(title, self._lines(runs), "Close at market", is_dangerous=True)
        send = partial(self._send, make=_close)
        self._ask(dialog, runs, lambda still, _: self._send_counted(title, still, send))

    def ask_discard(self, runs: Sequence[RunView]) -> None:
        """Ask whether to cancel runs that have not started."""
        dialog = ConfirmDialog("Discard", self._lines(runs), "Discard", is_dangerous=True)
        self._ask(dialog, runs, lambda still, _: self._send(still, make=_discard))

    def say_left_out(self, reasons: Sequence[tuple[RunView, str]]) -> None:
        """Say which of the marked runs are left out, and why."""
        lines = [
            f"{self._app.live.short_id(run.run_id)} on {run.wallet}: {reason}" for run, reason in reasons
        ]
        self._app.notify("\n".join(lines), title="Left out", severity="warning")

    def _lines(self, runs: Sequence[RunView]) -> list[str]:
        return run_lines(runs, self._app.live)

    # --- asking ----------------------------------------------------------------------------------

    def close_stale(self) -> None:
        """Close the open dialog if none of its runs is in the state that it shows any more."""
        if self._asked is None:
            return
        dialog, runs = self._asked
        if self._app.screen is dialog and not self._unchanged(runs):
            self._asked = None
            dialog.dismiss(None)
            self._say_changed(runs)

    def _ask(
        self,
        dialog: Dialog[Answer],
        runs: Sequence[RunView],
        act: Callable[[Sequence[RunView], Answer], None],
    ) -> None:
        def answered(answer: Answer | None) -> None:
            if self._asked is not None and self._asked[0] is dialog:
                self._asked = None
            if not answer:
                return
            still = self._unchanged(runs)
            self._say_changed([run for run in runs if run not in still])
            if still:
                act(still, answer)

        self._asked = dialog, runs
        self._app.push_screen(dialog, answered)

    def _ask_if_unclear(self, runs: Sequence[RunView], title: str, verb: str, make: MakeCommand) -> None:
        is_one = len(runs) == 1
        # Another run than the one that is shown may be marked.
        is_shown = is_one and runs[0].run_id == self._app.selected_run
        if is_shown and layout_for(*self._app.size) is not Layout.TINY:
            self._send(runs, make=make)
            return
        dialog = ConfirmDialog(title if is_one else f"{title} of {len(runs)} runs", self._lines(runs), verb)
        self._ask(dialog, runs, lambda still, _: self._send(still, make=make))

    def _send_counted(
        self, title: str, runs: Sequence[RunView], send: Callable[[Sequence[RunView]], None]
    ) -> None:
        """Send; of several runs with real money, have their number typed first."""
        real = [run for run in runs if run.money is MoneyKind.LIVE]
        if len(real) < 2:
            send(runs)
            return
        lines = [*self._lines(real), "", f"Real money. Type the number of these runs: {len(real)}"]
        self._ask(typed(title, lines, str(len(real))), runs, lambda still, _: send(still))

    # --- sending ---------------------------------------------------------------------------------

    def _send(self, runs: Sequence[RunView], *, make: MakeCommand) -> None:
        for run in runs:
            self._app.submit(make(run.run_id), about=run)
        self._app.post_message(CommandsSent())

    def _unchanged(self, runs: Sequence[RunView]) -> list[RunView]:
        """Return the runs that are still in the state that the dialog showed."""
        now = {run.run_id: run.state for run in self._app.live.runs}
        return [run for run in runs if now.get(run.run_id) is run.state]

    def _say_changed(self, runs: Sequence[RunView]) -> None:
        now = {run.run_id: run.state.value for run in self._app.live.runs}
        for run in runs:
            is_now = now.get(run.run_id, "gone")
            sentence = f"{run.title} was {run.state} when you asked and is {is_now} now; nothing was sent"
            self._app.notify(sentence, severity="warning")


def typed(title: str, lines: Sequence[str], wanted: str) -> PromptDialog:
    """Return a dialog that goes on when ``wanted`` has been typed."""
    return PromptDialog(
        title, lines, check=lambda value: "" if value == wanted else f"not {wanted}", is_dangerous=True
    )


def _pause(run_id: str) -> Command:
    return PauseEntries(run_id=run_id)


def _resume(run_id: str) -> Command:
    return ResumeEntries(run_id=run_id)


def _close(run_id: str) -> Command:
    return ClosePosition(run_id=run_id)


def _discard(run_id: str) -> Command:
    return CancelRun(run_id=run_id)
