"""Volatile figures: one row per run, written for all runs of a host once a second."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, select

from firstwatch.store.database import Session
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import LiveStatusTable, RunTable, table_of, upsert
from firstwatch.trading.runs import ACTIVE_STATES

_RUN = table_of(RunTable)
_STATUS = table_of(LiveStatusTable)
_UPSERT = upsert(_STATUS)
_ALL = select(_STATUS)
_OF_ACTIVE = _ALL.join_from(_STATUS, _RUN, _RUN.c.id == _STATUS.c.run_id).where(
    _RUN.c.state.in_(sorted(ACTIVE_STATES))
)


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """A run's newest figures. ``mark`` and money are in quote; None: not known."""

    run_id: str
    updated_at_ms: int
    mark: float | None = None
    unrealised_pnl: Decimal | None = None
    equity: Decimal | None = None
    last_bar_ms: int | None = None
    """Open time of the last closed bar."""
    venue_time_ms: int | None = None
    streams: Mapping[str, int] = field(default_factory=dict)
    """Local time in ms of the last message, by stream."""


def upsert_live_status(session: Session, statuses: Iterable[LiveStatus]) -> None:
    """Replace the figures of some runs."""
    rows = [
        {
            "run_id": status.run_id,
            "mark": status.mark,
            "unrealised_pnl": status.unrealised_pnl,
            "equity": status.equity,
            "last_bar_ms": status.last_bar_ms,
            "venue_time_ms": status.venue_time_ms,
            "streams_json": json.dumps(dict(status.streams)),
            "updated_at_ms": status.updated_at_ms,
        }
        for status in statuses
    ]
    if rows:
        session.execute(_UPSERT, rows)


def status_of(session: Session, run_id: str) -> LiveStatus | None:
    """Return the run's figures; None: there are none.

    Raises:
        DamagedRowError: they cannot be read.
    """
    found = session.execute(select(_STATUS).where(_STATUS.c.run_id == run_id)).one_or_none()
    return None if found is None else _view(found)


def live_statuses(session: Session, *, damaged: dict[str, str] | None = None) -> dict[str, LiveStatus]:
    """Return the figures of all runs that have some, by run id; ``damaged`` as in ``readable``."""
    return readable(session.execute(_ALL).all(), "run_id", _view, damaged)


def active_statuses(session: Session, *, damaged: dict[str, str] | None = None) -> dict[str, LiveStatus]:
    """Return those of active runs; ``damaged`` as in ``readable``."""
    return readable(session.execute(_OF_ACTIVE).all(), "run_id", _view, damaged)


# The screen reads fifty of them four times a second, and they are written once a second at most.
@lru_cache(maxsize=256)
def _view(found: Row[Any]) -> LiveStatus:
    with row(f"the figures of run {found.run_id}"):
        sound(found, _STATUS)
        return LiveStatus(
            run_id=found.run_id,
            updated_at_ms=found.updated_at_ms,
            mark=found.mark,
            unrealised_pnl=found.unrealised_pnl,
            equity=found.equity,
            last_bar_ms=found.last_bar_ms,
            venue_time_ms=found.venue_time_ms,
            streams=json.loads(found.streams_json),
        )
