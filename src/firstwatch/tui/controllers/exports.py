"""Exports of a run: asks what and in which form, and says where the file is."""

import asyncio
from functools import partial

from firstwatch.manager.views import RunView
from firstwatch.trading.exports import Format, What
from firstwatch.trading.text import counted
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.state import StateApp

_SEEN = {
    "Trades": What.TRADES,
    "Orders": What.ORDERS,
    "Details": What.JOURNAL,
    "What happened": What.JOURNAL,
    "Equity": What.EQUITY,
}
"""The table to export by the title of the tab or pane in front; anywhere else: the trades."""
_NOTES = {
    What.TRADES: "entries and exits with PnL, fees and funding",
    What.ORDERS: "each order with its state, filled amount and price",
    What.FILLS: "each execution with its fee and the mids around it",
    What.EQUITY: "a point for each bar",
    What.JOURNAL: "all that happened to the run",
}
_FORMS = {
    Format.CSV: "for spreadsheets",
    Format.JSON: "for programs",
    Format.PARQUET: "for data frames; needs the extra arrow",
}


class ExportController:
    """Writes tables of runs into the data folder."""

    def __init__(self, app: StateApp) -> None:
        self._app = app

    def ask(self, run: RunView, seen: str) -> None:
        """Ask which table to export; ``seen``: title of the tab or pane in front, whose table comes first."""
        choices = [Choice(what, what.capitalize(), note) for what, note in _NOTES.items()]
        title = f"Export of {self._app.live.short_id(run.run_id)} {run.title}"
        dialog = ChoiceDialog(title, choices, _SEEN.get(seen, What.TRADES))
        self._app.push_screen(dialog, partial(self._ask_form, run))

    def _ask_form(self, run: RunView, what: str | None) -> None:
        if what is None:
            return
        choices = [Choice(form, form, note) for form, note in _FORMS.items()]
        dialog = ChoiceDialog(f"Export the {what} as", choices, Format.CSV)

        def write(form: str | None) -> None:
            if form is not None:
                self._app.in_background(self._write(run, What(what), Format(form)))

        self._app.push_screen(dialog, write)

    async def _write(self, run: RunView, what: What, form: Format) -> None:
        path, rows = await asyncio.to_thread(self._app.manager.export, run.run_id, what, form)
        self._app.notify(f"{path} has the {what}: {counted(rows, 'row')}", title="Exported")
