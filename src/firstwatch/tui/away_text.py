"""Texts for opening and leaving the screen: what happened meanwhile, and where the runs are."""

import shlex

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AwayView, EngineView, EngineWhere
from firstwatch.settings import CONFIG_FILE, Settings
from firstwatch.trading.runs import Exposure
from firstwatch.trading.text import counted
from firstwatch.tui import formats

_SHORTEST_MS = 1_000
"""A shorter time without an engine is only the change from one to the next."""


def away_parts(away: AwayView) -> list[str]:
    """Return a clause for each kind of event; empty: nothing happened."""
    found = [f"{formats.age(away.without_engine_ms)} without an engine"] if _had_gap(away) else []
    counts = (
        (away.bars, "bar", "bars", " caught up"),
        (away.entries, "entry", "entries", " decided"),
        (away.exits, "exit", "exits", ""),
        (away.ended, "run", "runs", " ended"),
        (away.alarms, "alarm", "alarms", " raised"),
    )
    found += [f"{counted(count, one, many)}{done}" for count, one, many, done in counts if count]
    return found


def away_title(away: AwayView) -> str:
    """Return how long no screen was open."""
    return f"You were away {formats.age(away.until_ms - away.since_ms)}"


def farewell(snapshot: ManagerSnapshot, engine: EngineView, settings: Settings) -> str:
    """Return the line for the shell: where the runs are, and how to come back."""
    return f"{_where(snapshot, engine)}. Come back with: {_command(settings)}"


def _had_gap(away: AwayView) -> bool:
    return away.without_engine_ms >= _SHORTEST_MS


def _where(snapshot: ManagerSnapshot, engine: EngineView) -> str:
    count = len(snapshot.active)
    if not count:
        left = sum(wallet.exposure is not Exposure.FLAT for wallet in snapshot.wallets)
        held = f", and {counted(left, 'wallet holds', 'wallets hold')} a position" if left else ""
        return f"No run is active{held}"
    if engine.where is EngineWhere.ATTACHED:
        go_on = counted(count, "run goes on", "runs go on")
        return f"{go_on} in the background (engine pid {engine.pid})"
    if engine.where is EngineWhere.NOT_RESPONDING:
        active = counted(count, "run is active", "runs are active")
        return f"{active}, and the engine (pid {engine.pid}) is silent"
    wait = counted(count, "run waits", "runs wait")
    return f"{wait} for an engine; stops that rest at the venue stay there"


def _command(settings: Settings) -> str:
    """Return the command that opens the screen on the same data folder, in any shell."""
    own = type(settings).model_fields["home"].get_default(call_default_factory=True)
    places = {"FIRSTWATCH_HOME": settings.home} if settings.home != own else {}
    if settings.config not in (None, settings.home / CONFIG_FILE):
        places["FIRSTWATCH_CONFIG"] = settings.config
    return " ".join([*(f"{name}={shlex.quote(str(path))}" for name, path in places.items()), "firstwatch"])
