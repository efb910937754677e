"""Texts about questions of agents that several lines and dialogs show."""

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AskView


def ask_key(ask: AskView) -> str:
    """Return the key of an ask's row."""
    return f"ask-{ask.ask_id}"


def waiting(snapshot: ManagerSnapshot, now_ms: int) -> list[AskView]:
    """Return the asks whose time has not run out since the snapshot, the oldest first."""
    return [ask for ask in snapshot.asks if ask.expires_ms > now_ms]


def time_left(ask: AskView, now_ms: int) -> str:
    """Return how long an ask still waits: ``43 s``."""
    return f"{max(0, -(-(ask.expires_ms - now_ms) // 1000))} s"


def gone(ask: AskView) -> str:
    """Return the sentence that an ask cannot be answered any more."""
    return f"The agent's question {ask.ask_id} does not wait any more; nothing was sent"


def asks_what(ask: AskView) -> str:
    """Return who asks, and for what."""
    return f"agent {ask.agent} asks: {ask.act}"
