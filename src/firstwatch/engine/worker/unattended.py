"""Marks an active run that has no worker: an alarm, and health unknown."""

from firstwatch.store import alarms, journal, runs
from firstwatch.store.database import Session
from firstwatch.trading.events import AlarmCleared, AlarmRaised

LOCKED = "vault"
"""Topic of the alarm of a run that waits for the passphrase."""
STANDS_STILL = "engine"
"""Topic of the alarm of a run that has no worker for another reason."""


def mark_unattended(session: Session, run_id: str, topic: str, why: str, *, now_ms: int) -> None:
    """Record, once, that a run has no worker. Its core records all facts again when it starts."""
    if runs.sentence_of(session, run_id) == why and topic in unattended_topics(session, run_id):
        return
    runs.set_unknown(session, run_id, why)
    alarm = AlarmRaised(topic=topic, sentence=f"the engine cannot work on this run: {why}")
    journal.append_system_events(session, run_id, [alarm], now_ms=now_ms)


def unattended_topics(session: Session, run_id: str) -> list[str]:
    """Return the topics of the active alarms that ``mark_unattended`` has raised."""
    ours = [alarm.topic for alarm in alarms.active_alarms(session, run_id)]
    return [topic for topic in ours if topic in (LOCKED, STANDS_STILL)]


def clear_unattended(session: Session, run_id: str, *, now_ms: int) -> None:
    """Clear the alarms of ``mark_unattended``."""
    cleared = [AlarmCleared(topic=topic) for topic in unattended_topics(session, run_id)]
    journal.append_system_events(session, run_id, cleared, now_ms=now_ms)
