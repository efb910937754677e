"""Volatile figures: one row per run, written for all runs of a host once a second."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import select

from firstwatch.store.database import Session
from firstwatch.store.tables import LiveStatusRow, table_of, upsert

_STATUS = table_of(LiveStatusRow)
_UPSERT = upsert(_STATUS)


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What a run sees now. None: not known."""

    run_id: str
    updated_at_ms: int
    mark: float | None = None
    unrealised_pnl: Decimal | None = None
    equity: Decimal | None = None
    last_bar_ms: int | None = None
    """Open time of the last closed bar."""
    venue_time_ms: int | None = None
    streams: Mapping[str, int] = field(default_factory=dict)
    """Local time of the last useful work, per stream."""


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


def live_statuses(session: Session) -> dict[str, LiveStatus]:
    """Return the figures of all runs that ever had some, by run id."""
    return {
        row.run_id: LiveStatus(
            run_id=row.run_id,
            updated_at_ms=row.updated_at_ms,
            mark=row.mark,
            unrealised_pnl=row.unrealised_pnl,
            equity=row.equity,
            last_bar_ms=row.last_bar_ms,
            venue_time_ms=row.venue_time_ms,
            streams=json.loads(row.streams_json),
        )
        for row in session.execute(select(_STATUS))
    }
