"""What is written of an active run that nobody works on: an alarm, and that its health is not known."""

from firstwatch.store import alarms, journal, runs
from firstwatch.store.database import Session
from firstwatch.trading.events import AlarmCleared, AlarmRaised
from firstwatch.trading.runs import Author

LOCKED = "vault"
"""Topic of the alarm of a run that waits for the passphrase."""
STANDS_STILL = "engine"
"""Topic of the alarm of a run that cannot be worked on for another reason."""


def mark_unattended(session: Session, run_id: str, topic: str, why: str, *, now_ms: int) -> None:
    """Write that nobody works on a run now, once. Its core writes all facts anew when it begins."""
    if runs.sentence_of(session, run_id) == why and topic in unattended_topics(session, run_id):
        return
    runs.set_unknown(session, run_id, why)
    alarm = AlarmRaised(topic=topic, sentence=f"the engine cannot work on this run: {why}")
    journal.append_events(
        session, run_id, [alarm], author=Author.SYSTEM, venue_time_ms=None, local_time_ms=now_ms
    )


def unattended_topics(session: Session, run_id: str) -> list[str]:
    """Return the topics of what ``mark_unattended`` has raised and what still stands."""
    ours = [alarm.topic for alarm in alarms.active_alarms(session, run_id)]
    return [topic for topic in ours if topic in (LOCKED, STANDS_STILL)]


def clear_unattended(session: Session, run_id: str, *, now_ms: int) -> None:
    """Clear what ``mark_unattended`` has raised."""
    journal.append_events(
        session,
        run_id,
        [AlarmCleared(topic=topic) for topic in unattended_topics(session, run_id)],
        author=Author.SYSTEM,
        venue_time_ms=None,
        local_time_ms=now_ms,
    )
