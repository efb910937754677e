"""Acting on runs, and leaving: each asks first, and looks again before it sends."""

import asyncio
from functools import partial

from firstwatch.manager.views import EngineWhere, RunRow
from firstwatch.trading import commands
from firstwatch.trading.runs import Exposure, StopMode
from firstwatch.tui.keyed import KeyedApp
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.quit import QuitChoice, QuitDialog
from firstwatch.tui.modals.stop import StopRunDialog, held, left_behind


class ActingApp(KeyedApp):
    """What the keys on runs need, and leaving."""

    _is_stopping_all = False

    # --- acting on a run -------------------------------------------------------------------------

    def ask_stop(self, run: RunRow) -> None:
        """Ask for the stop mode; the run is the one that was chosen when the dialog opened."""
        self.push_screen(StopRunDialog(run), partial(self._stop, run))

    def _stop(self, run: RunRow, mode: StopMode | None) -> None:
        if mode is None or not self._is_still(run):
            return
        if mode is StopMode.LEAVE_UNPROTECTED and run.exposure is not Exposure.FLAT:
            dialog = PromptDialog(
                "Cancel protection",
                [left_behind(run, mode), "", f"Type the run's name to go on: {run.title}"],
                check=lambda value: "" if value == run.title else f"not {run.title}",
                is_dangerous=True,
            )
            self.push_screen(dialog, partial(self._stop_unprotected, run))
            return
        self.submit(commands.StopRun(run_id=run.run_id, mode=mode), about=run)

    def _stop_unprotected(self, run: RunRow, name: str | None) -> None:
        if name is not None and self._is_still(run):
            self.submit(commands.StopRun(run_id=run.run_id, mode=StopMode.LEAVE_UNPROTECTED), about=run)

    def ask_about(self, run: RunRow, title: str, verb: str, command: commands.Command) -> None:
        """Ask before a command about one run."""
        lines = [
            f"{run.title} on {run.symbol}, wallet {run.wallet}",
            f"run {run.run_id}, {run.state}, {held(run)}",
        ]
        dialog = ConfirmDialog(title, lines, verb, is_dangerous=True)
        self.push_screen(dialog, partial(self._sure_about, run, command))

    def _sure_about(self, run: RunRow, command: commands.Command, is_sure: bool | None) -> None:
        if is_sure and self._is_still(run):
            self.submit(command, about=run)

    def _is_still(self, run: RunRow) -> bool:
        """Check that the run is what the dialog showed."""
        now = self.snapshot.run(run.run_id)
        if now is not None and now.state is run.state:
            return True
        found = "gone" if now is None else now.state.value
        self.notify(
            f"{run.title} was {run.state} when you asked and is {found} now; nothing was sent",
            severity="warning",
        )
        return False

    # --- the vault -------------------------------------------------------------------------------

    def ask_passphrase(self) -> None:
        lines = ["The passphrase of the vault. It goes to the engine, which keeps it in memory only."]
        dialog = PromptDialog("Unlock vault", lines, check=_passphrase_problem, is_secret=True)
        self.push_screen(dialog, self._unlock)

    def _unlock(self, passphrase: str | None) -> None:
        if passphrase:
            self._in_background(self._unlock_vault(passphrase))

    async def _unlock_vault(self, passphrase: str) -> None:
        sentence = await asyncio.to_thread(self._manager.unlock_vault, passphrase)
        self.notify(sentence)

    # --- the engine ------------------------------------------------------------------------------

    def start_engine(self) -> None:
        """Hold the engine in this process."""
        self.busy = "starting the engine…"
        self._in_background(self._start_engine())

    async def _start_engine(self) -> None:
        try:
            await asyncio.to_thread(self._manager.start_embedded_engine)
        finally:
            self.busy = ""

    # --- leaving ---------------------------------------------------------------------------------

    def ask_quit(self) -> None:
        """Leave, or ask what becomes of what this process looks after."""
        exposed = any(wallet.exposure is not Exposure.FLAT for wallet in self.snapshot.wallets)
        is_host = self.snapshot.engine.where is EngineWhere.EMBEDDED
        if is_host and (self.snapshot.active or exposed):
            self.push_screen(QuitDialog(self.snapshot.active), self._leave)
        else:
            self.exit()

    def _leave(self, choice: QuitChoice | None) -> None:
        if choice is QuitChoice.TO_BACKGROUND:
            self.busy = "handing over to a background engine…"
            self._in_background(self._hand_over())
        elif choice is QuitChoice.STOP_RUNS:
            self.busy = "stopping all runs…"
            self._is_stopping_all = True
            for run in self.snapshot.active:
                self.submit(commands.StopRun(run_id=run.run_id, mode=StopMode.LEAVE), about=run)

    async def _hand_over(self) -> None:
        try:
            await asyncio.to_thread(self._manager.hand_over_to_background)
        finally:
            self.busy = ""
        self.exit()


def _passphrase_problem(value: str) -> str:
    return "" if value else "write it, or leave"
