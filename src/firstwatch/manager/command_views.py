"""Commands and their outcomes as views."""

from firstwatch.manager.views import CommandView
from firstwatch.store import commands
from firstwatch.store.database import Session
from firstwatch.trading.commands import PreviewLaunch
from firstwatch.trading.launch import LaunchPreview


class CommandReader:
    """Reads commands; one that is done is read once. Used by one thread."""

    def __init__(self) -> None:
        self._done: dict[int, CommandView] = {}

    def read(self, session: Session, number: int) -> CommandView:
        """Read a command and its outcome."""
        known = self._done.get(number)
        if known is not None:
            return known
        stored = commands.get_command(session, number)
        view = command_view(stored)
        if stored.is_finished:
            self._done[number] = view
        return view


def command_view(stored: commands.StoredCommand) -> CommandView:
    """Return a stored command as the screen and the command line show it."""
    is_preview = isinstance(stored.command, PreviewLaunch) and stored.result_json is not None
    return CommandView(
        command_id=stored.id,
        kind=stored.command.kind,
        run_id=stored.run_id,
        created_ms=stored.created_at_ms,
        outcome=stored.outcome,
        sentence=stored.sentence,
        preview=LaunchPreview.model_validate_json(stored.result_json or "") if is_preview else None,
        result_ms=stored.finished_at_ms,
    )
