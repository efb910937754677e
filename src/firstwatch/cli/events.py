"""``firstwatch events``: what happens to all runs, a line for each event of their journals."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import check_reader, say, say_json, say_to_stderr
from firstwatch.trading.errors import RefusedError

if TYPE_CHECKING:
    from firstwatch.settings import Settings
    from firstwatch.store.database import Session
    from firstwatch.store.journal import JournalEntry

_ROWS = 500
"""Rows of the journal that are read at a time."""
_LOOK_S = 0.5


def events(
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with each event as it is written, until it is stopped.")
    ] = False,
    since: Annotated[
        int, typer.Option(metavar="SEQ", min=0, max=2**53, help="Only the events after this number.")
    ] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Print the journal events of all runs in the order in which they were written; --json: one per line.

    Events are numbered from 1 without a gap, and a number is never given twice. Those of an ended run are no
    longer among them after `prune` has packed its journal: the gap in the numbers is said on standard error.
    """
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.waiting import stopped_by_signals
    from firstwatch.store import journal
    from firstwatch.store.changes import ChangeSignal

    with stopped_by_signals() as stop, open_folder() as (settings, store), ChangeSignal(store) as changes:
        about = _Runs(settings)
        with store.read() as session:
            newest = journal.last_number(session)
        if since > newest:
            raise RefusedError(
                f"The newest event is number {newest}, so {since} is of another store, or of a later state of"
                " this one, before a copy was put back. Begin again without --since."
            )
        last = since
        while not stop.is_set():
            with store.read() as session:
                found = journal.numbered_after(session, last, limit=_ROWS)
                documents = [_document(number, entry, about.of(session, entry)) for number, entry in found]
            for document in documents:
                if document["seq"] > last + 1:
                    _say_gap(last + 1, document["seq"] - 1)
                last = document["seq"]
                if as_json:
                    say_json(document)
                else:
                    say(_line(document))
            if documents:
                continue
            if not follow:
                return
            check_reader()
            changes.wait(_LOOK_S)


class _Runs:
    """Wallet and kind of money by run; they never change."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, session: "Session", entry: "JournalEntry") -> tuple[str, str]:
        from firstwatch.store.runs import wallet_of

        if entry.run_id not in self._known:
            wallet = wallet_of(session, entry.run_id)
            money = self._settings.money_of(wallet.venue, wallet.kind)
            self._known[entry.run_id] = wallet.name, money.value
        return self._known[entry.run_id]


def _document(number: int, entry: "JournalEntry", about: tuple[str, str]) -> dict[str, Any]:
    from firstwatch.manager.journal_text import event_text
    from firstwatch.trading.clock import iso
    from firstwatch.trading.text import clean

    wallet, mode = about
    return {
        "seq": number,
        "at": iso(entry.local_time_ms),
        "venue_at": None if entry.venue_time_ms is None else iso(entry.venue_time_ms),
        "run": entry.run_id,
        "wallet": wallet,
        "mode": mode,
        "kind": entry.event.kind,
        "author": entry.author.who,
        "approved_by": entry.author.approved_by,
        "sentence": clean(event_text(entry.event)),
        "data": entry.event.model_dump(mode="json", exclude={"kind"}),
    }


def _line(document: dict[str, Any]) -> str:
    return "  ".join(str(document[name]) for name in ("seq", "at", "mode", "wallet", "run", "sentence"))


def _say_gap(first: int, last: int) -> None:
    which = f"event {first} is" if first == last else f"events {first} to {last} are"
    say_to_stderr(
        f"{which} packed with the journals of ended runs (`firstwatch prune`);"
        " `firstwatch export RUN --what journal` has them"
    )
