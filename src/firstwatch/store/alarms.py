"""Alarms of runs: one row per run and topic, with the number of times it was raised.

The journal records when an alarm was raised and cleared. These rows give the active ones without reading it.

An acknowledgement holds for an alarm as the operator saw it. It no longer holds once the alarm gets worse, or
ends and comes back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, case, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from firstwatch.store.database import Session
from firstwatch.store.tables import AlarmAcknowledgementTable, AlarmTable, table_of, upsert
from firstwatch.trading.events import AlarmCleared, AlarmRaised, RunEvent

_ALARM = table_of(AlarmTable)
_ACKNOWLEDGEMENT = table_of(AlarmAcknowledgementTable)


@dataclass(frozen=True, slots=True)
class ActiveAlarm:
    """An alarm that was raised and not cleared since."""

    run_id: str
    topic: str
    sentence: str
    """Text of the latest raise."""
    since_ms: int
    """Local time at which it became active."""
    raised: int
    """How often the run has raised it."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An operator has seen an alarm."""

    alarm_id: str
    seen: str
    """State of the alarm then; if it has changed since, the acknowledgement no longer holds."""
    at_ms: int
    is_left: bool
    """The operator leaves the position as it is."""


_NEW = insert(_ALARM)
_IS_OVER = _ALARM.c.cleared_at_ms.is_not(None)
_RAISE = _NEW.on_conflict_do_update(
    index_elements=["run_id", "topic"],
    set_={
        "sentence": _NEW.excluded.sentence,
        "raised": _ALARM.c.raised + 1,
        "since_ms": case((_IS_OVER, _NEW.excluded.since_ms), else_=_ALARM.c.since_ms),
        "cleared_at_ms": None,
    },
)
_CLEAR = (
    update(_ALARM)
    .where(
        _ALARM.c.run_id == bindparam("run"),
        _ALARM.c.topic == bindparam("of"),
        _ALARM.c.cleared_at_ms.is_(None),
    )
    .values(cleared_at_ms=bindparam("at_ms"))
)
_ACTIVE = select(_ALARM).where(_ALARM.c.cleared_at_ms.is_(None)).order_by(_ALARM.c.since_ms, _ALARM.c.run_id)
_ACKNOWLEDGE = upsert(_ACKNOWLEDGEMENT)
_ALL_ACKNOWLEDGED = select(_ACKNOWLEDGEMENT)
_OF_RUN = _ACTIVE.where(_ALARM.c.run_id == bindparam("run"))


def note_alarms(session: Session, run_id: str, events: Sequence[RunEvent], now_ms: int) -> None:
    """Apply the alarms in journal entries, in the transaction that appends the entries."""
    for event in events:
        if isinstance(event, AlarmRaised):
            values = {
                "run_id": run_id,
                "topic": event.topic,
                "sentence": event.sentence,
                "raised": 1,
                "since_ms": now_ms,
                "cleared_at_ms": None,
            }
            session.execute(_RAISE, values)
        elif isinstance(event, AlarmCleared):
            session.execute(_CLEAR, {"run": run_id, "of": event.topic, "at_ms": now_ms})


def active_alarms(session: Session, run_id: str | None = None) -> list[ActiveAlarm]:
    """Return the active alarms of one run, or of all, oldest first."""
    statement = _ACTIVE if run_id is None else _OF_RUN
    return [_view(row) for row in session.execute(statement, {} if run_id is None else {"run": run_id})]


def acknowledge(session: Session, seen: Acknowledgement, active: Collection[str]) -> None:
    """Save an acknowledgement; remove those of alarms whose ids are not in ``active``."""
    session.execute(delete(_ACKNOWLEDGEMENT).where(_ACKNOWLEDGEMENT.c.alarm_id.not_in(active)))
    values = {"alarm_id": seen.alarm_id, "seen": seen.seen, "at_ms": seen.at_ms, "is_left": seen.is_left}
    session.execute(_ACKNOWLEDGE, values)


def acknowledgements(session: Session) -> dict[str, Acknowledgement]:
    """Return all acknowledgements by alarm id, including those that no longer hold."""
    return {
        found.alarm_id: Acknowledgement(found.alarm_id, found.seen, found.at_ms, found.is_left)
        for found in session.execute(_ALL_ACKNOWLEDGED)
    }


def _view(row: Row[Any]) -> ActiveAlarm:
    return ActiveAlarm(row.run_id, row.topic, row.sentence, row.since_ms, row.raised)
