"""The settings of a run: the three lines shown while the launcher is folded, and all settings below."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.launch_words import guards_words, reset_words, session_words
from firstwatch.trading.symbols import quote_of
from firstwatch.tui import formats
from firstwatch.tui.launch_form.draft import FIELDS, draft_of

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import RunDetails

_LABEL = 22


def folded(
    snapshot: ManagerSnapshot, run_id: str | None, next_step: str, key_of: Callable[[str], str]
) -> str:
    """Return the lines for the run under the cursor; without one, how to start: ``next_step``."""
    new = f"{key_of('run.new')} new run"
    if snapshot.run(run_id) is None:
        return f"No run is chosen.\n{next_step}\n{new}" if snapshot.is_ready else formats.READING
    details, keys = snapshot.selected, f"{new} · {key_of('run.again')} again with changes"
    if details is None or details.run_id != run_id:
        return f"…\n…\n{keys}"
    count = len(details.differences or ())
    differs = f" · {key_of('run.differences')} differs from baseline: {count}" if count else ""
    short = f"{_money(details, snapshot)}\n{_rules(details.settings)}\n{keys}{differs}"
    return f"{short}\n\n{_all(details.settings)}"


def _all(settings: LaunchSettings) -> str:
    """Return each setting on a line, for a pane with enough room."""
    draft = draft_of(settings, parent_run_id=None)
    shown = (field for field in FIELDS if field.shown(draft))
    return "\n".join(
        f"{field.label:<{_LABEL}}{field.worded(draft.value(field.id)) or field.default}" for field in shown
    )


def _money(details: "RunDetails", snapshot: ManagerSnapshot) -> str:
    settings = details.settings
    has_position = details.position is not None and details.position.side is not None
    entries = len(details.trades) + has_position
    limit = "" if settings.trades_limit is None else f" of {settings.trades_limit}"
    algorithm = snapshot.algorithm(settings.algorithm, settings.version)
    stop = "?" if algorithm is None else algorithm.stop or "none"
    return (
        f"{formats.amount(settings.capital)} {quote_of(settings.symbol)} ×{formats.amount(settings.leverage)}"
        f" · trades {entries}{limit} · stop {stop} · session {session_words(settings.session)}"
    )


def _rules(settings: LaunchSettings) -> str:
    exits = "exits close" if settings.close_position_on_exit else "exits only raise an alarm"
    return f"{exits} · after a trade: {reset_words(settings.reset)} · guards: {guards_words(settings.guards)}"
