"""Answers of an operator to agents."""

import asyncio

from firstwatch.manager.views import AskView
from firstwatch.trading.errors import FirstwatchError
from firstwatch.tui.ask_text import asks_what, gone, waiting
from firstwatch.tui.controllers.runs import typed
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.money_text import money_word
from firstwatch.tui.state import StateApp

_BY = "screen"


class AskController:
    """Sends the answers, and makes the codes with which asks can be answered at a terminal."""

    def __init__(self, app: StateApp) -> None:
        self._app = app
        self._coded: set[int] = set()
        """The asks for which a code was made, or is being made."""
        self._asked: tuple[PromptDialog, AskView] | None = None
        """The dialog in which a name is typed, and the ask that it is about."""

    def make_code(self, ask: AskView) -> None:
        """Make the code of an ask that needs one, when it is shown for the first time."""
        if ask.name_to_type and not self._app.is_read_only and ask.ask_id not in self._coded:
            self._coded.add(ask.ask_id)
            self._app.in_background(self._make_code(ask.ask_id))

    async def _make_code(self, ask_id: int) -> None:
        try:
            code = await asyncio.to_thread(self._app.manager.agents.new_code, ask_id)
        except FirstwatchError:
            self._coded.discard(ask_id)
            raise
        self._app.ask_codes = {**self._app.ask_codes, ask_id: code}

    def approve(self, ask: AskView) -> None:
        """Say yes; for real money, ask for the run's name first."""
        name = ask.name_to_type
        if not name:
            self._app.in_background(self._approve(ask, ""))
            return
        lines = [asks_what(ask), f"wallet {ask.wallet} ({money_word(ask.money)})", ""]
        dialog = typed("Yes to an agent", [*lines, f"Real money. Type the run's name: {name}"], name)

        def answered(typed_name: str | None) -> None:
            self._asked = None
            if typed_name:
                self._app.in_background(self._approve(ask, typed_name))

        self._asked = dialog, ask
        self._app.push_screen(dialog, answered)

    async def _approve(self, ask: AskView, typed_name: str) -> None:
        agents = self._app.manager.agents
        number = await asyncio.to_thread(agents.approve, ask.ask_id, typed_name=typed_name, by=_BY)
        self._app.follow(number)
        self._app.notify(f"You said yes: {ask.act}")

    def refuse(self, ask: AskView) -> None:
        """Say no."""
        self._app.in_background(self._refuse(ask))

    async def _refuse(self, ask: AskView) -> None:
        await asyncio.to_thread(self._app.manager.agents.refuse, ask.ask_id, by=_BY)
        self._app.notify(f"You said no: {ask.act}")

    def close_stale(self) -> None:
        """Close the dialog in which a name is typed if its ask does not wait any more."""
        if self._asked is None:
            return
        dialog, ask = self._asked
        still = {each.ask_id for each in waiting(self._app.live, self._app.now_ms())}
        if self._app.screen is dialog and ask.ask_id not in still:
            dialog.dismiss(None)
            self._app.notify(gone(ask), severity="warning")
