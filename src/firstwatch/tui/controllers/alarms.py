"""Actions of an operator on alarms."""

import asyncio

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView
from firstwatch.trading.commands import CloseWallet
from firstwatch.tui import formats
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.money_text import wallet_place
from firstwatch.tui.run_text import held_text
from firstwatch.tui.state import StateApp


class AlarmController:
    """Acknowledges alarms, and closes positions without a run."""

    def __init__(self, app: StateApp) -> None:
        self._app = app

    def acknowledge(self, alarm: AlarmView, *, is_left: bool = False) -> None:
        """Note that an alarm was seen as it is; ``is_left``: and its position is left as it is."""
        self._app.in_background(self._acknowledge(alarm, is_left))

    async def _acknowledge(self, alarm: AlarmView, is_left: bool) -> None:
        await asyncio.to_thread(self._app.manager.acknowledge, alarm, is_left=is_left)
        said = "The position is left as it is" if is_left else "Acknowledged"
        self._app.notify(f"{said}: the alarm stays listed, and calls again when it gets worse")

    def ask_close(self, alarm: AlarmView) -> None:
        """Ask whether to close at market what the alarm's wallet holds without a run."""
        name = alarm.wallet
        if name is None:
            return
        lines = [*_held_lines(alarm, self._app.live), "Its stop and its target go once it is flat."]
        dialog = ConfirmDialog("Close position", lines, "Close at market", is_dangerous=True)

        def answered(is_sure: bool | None) -> None:
            if not is_sure:
                return
            if any(each.id == alarm.id for each in self._app.live.alarms):
                self._app.submit(CloseWallet(wallet=name, confirmed_name=name))
            else:
                self._app.notify(f"{name} has no position without a run any more; nothing was sent")

        self._app.push_screen(dialog, answered)


def _held_lines(alarm: AlarmView, live: ManagerSnapshot) -> list[str]:
    """Return whose position is closed, with what money, in which market, and how much, as far as known."""
    wallet, run = live.wallet(alarm.wallet), live.run(alarm.run_id)
    place = alarm.wallet or "" if wallet is None else f"{wallet_place(wallet)} at {wallet.venue}"
    if wallet is not None and wallet.held:
        held = [f"{each.side} {formats.amount(each.amount)} {each.symbol}" for each in wallet.held]
    else:
        held = [] if run is None or run.is_damaged else [f"{held_text(run)} {run.symbol}"]
    return [f"wallet {place}", *(held or ["whatever the venue shows"])]
