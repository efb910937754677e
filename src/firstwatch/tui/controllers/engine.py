"""The engine and the vault as an operator handles them, and leaving the screen."""

import asyncio

from firstwatch.manager.views import EngineWhere
from firstwatch.trading.commands import StopEngine
from firstwatch.trading.runs import Exposure, StopMode
from firstwatch.tui.controllers.runs import RunController
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.quit import QuitChoice, QuitDialog
from firstwatch.tui.state import StateApp


class EngineController:
    """Starts, stops, unlocks and hands over the engine, and ends the screen."""

    def __init__(self, app: StateApp, runs: RunController) -> None:
        self._app = app
        self._runs = runs
        self._is_stopping_all = False

    # --- the engine ------------------------------------------------------------------------------

    def start(self) -> None:
        """Hold the engine in this process."""
        self._app.busy = "starting the engine…"
        self._app.in_background(self._start())

    async def _start(self) -> None:
        try:
            await asyncio.to_thread(self._app.manager.start_embedded_engine)
        finally:
            self._app.busy = ""

    def stop(self) -> None:
        """Ask the engine of another process to end; runs stay active."""
        self._app.submit(StopEngine())

    # --- the vault -------------------------------------------------------------------------------

    def ask_passphrase(self) -> None:
        """Ask for the vault's passphrase and give it to the engine."""
        lines = ["The passphrase of the vault. It goes to the engine, which keeps it in memory only."]
        dialog = PromptDialog("Unlock vault", lines, check=_passphrase_problem, is_secret=True)
        self._app.push_screen(dialog, self._unlock)

    def _unlock(self, passphrase: str | None) -> None:
        if passphrase:
            self._app.in_background(self._unlock_vault(passphrase))

    async def _unlock_vault(self, passphrase: str) -> None:
        sentence = await asyncio.to_thread(self._app.manager.unlock_vault, passphrase)
        self._app.notify(sentence)

    # --- leaving ---------------------------------------------------------------------------------

    def ask_quit(self) -> None:
        """Leave; if this process holds the engine of active runs or open positions, ask first."""
        snapshot = self._app.live
        exposed = any(wallet.exposure is not Exposure.FLAT for wallet in snapshot.wallets)
        is_host = snapshot.engine.where is EngineWhere.EMBEDDED
        if is_host and (snapshot.active or exposed):
            self._app.push_screen(QuitDialog(snapshot), self._leave)
        else:
            self._app.exit()

    def _leave(self, choice: QuitChoice | None) -> None:
        if choice is QuitChoice.TO_BACKGROUND:
            self._app.busy = "handing over to a background engine…"
            self._app.in_background(self._hand_over())
        elif choice is QuitChoice.STOP_RUNS:
            self._app.busy = "stopping all runs…"
            self._is_stopping_all = True
            for run in self._app.live.active:
                self._runs.stop(run, StopMode.LEAVE)

    async def _hand_over(self) -> None:
        try:
            await asyncio.to_thread(self._app.manager.hand_over_to_background)
        finally:
            self._app.busy = ""
        self._app.exit()

    def leave_when_stopped(self) -> None:
        """End the screen when the operator chose to stop all runs and none is active any more."""
        if self._is_stopping_all and self._app.live.is_ready and not self._app.live.active:
            self._app.exit()


def _passphrase_problem(value: str) -> str:
    return "" if value else "write the passphrase, or cancel"
