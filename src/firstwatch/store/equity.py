"""Equity of runs: one row per close of an active run, one packed curve of a finished run."""

from collections.abc import Iterable
from math import isfinite

import numpy as np
from sqlalchemy import bindparam, delete, func, select

from firstwatch.store.curves import EquityCurve, pack_curve, unpack_curve
from firstwatch.store.database import Session
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import row
from firstwatch.store.tables import EquityCurveTable, EquityTable, table_of, upsert

_EQUITY = table_of(EquityTable)
_CURVE = table_of(EquityCurveTable)

_ADD = Prepared(upsert(_EQUITY))
_POINTS = (
    select(_EQUITY.c.time_ms, _EQUITY.c.equity)
    .where(_EQUITY.c.run_id == bindparam("run"), _EQUITY.c.time_ms > bindparam("after"))
    .order_by(_EQUITY.c.time_ms)
)
_HOUR_MS = 3_600_000
# With max(), SQLite takes the group's other columns from the row that has the maximum.
_HOURLY = (
    select(_EQUITY.c.run_id, func.max(_EQUITY.c.time_ms), _EQUITY.c.equity)
    .where(_EQUITY.c.run_id.in_(bindparam("runs", expanding=True)), _EQUITY.c.time_ms > bindparam("after"))
    .group_by(_EQUITY.c.run_id, _EQUITY.c.time_ms / _HOUR_MS)
)
_PACKED = select(_CURVE.c.curve).where(_CURVE.c.run_id == bindparam("run"))
_BEGINNING = -(2**63)
_POINT = np.dtype([("time_ms", np.int64), ("equity", np.float64)])


def add_equity(session: Session, run_id: str, points: Iterable[tuple[int, float]]) -> None:
    """Save (bar open time in ms, equity in quote) pairs; an existing time is replaced."""
    for time_ms, equity in points:
        _ADD.execute(session, {"run_id": run_id, "time_ms": time_ms, "equity": equity})


def equity_of(session: Session, run_id: str, *, after_ms: int | None = None) -> EquityCurve:
    """Return the run's curve, oldest first; with ``after_ms`` only the points after that time.

    Raises:
        DamagedRowError: the curve cannot be read.
    """
    with row(f"the equity of run {run_id}"):
        curve = _curve(session, run_id, after_ms)
        if not np.isfinite(curve.equity).all():
            raise ValueError("not all of it are finite numbers")
        return curve


def hourly_equity(session: Session, run_ids: Iterable[str], *, after_ms: int) -> list[tuple[str, int, float]]:
    """Return run, time and equity of the last point of each hour after that time; active runs only.

    Values that are not finite are left out.
    """
    rows = session.execute(_HOURLY, {"runs": list(run_ids), "after": after_ms}).all()
    return [
        (run_id, time_ms, equity)
        for run_id, time_ms, equity in rows
        if isinstance(equity, float) and isfinite(equity)
    ]


def _curve(session: Session, run_id: str, after_ms: int | None) -> EquityCurve:
    rows = session.execute(_POINTS, {"run": run_id, "after": _BEGINNING if after_ms is None else after_ms})
    # Not all rows at once: they are ten times as large as their numbers.
    found = np.fromiter(map(tuple, rows), dtype=_POINT)
    times, values = found["time_ms"].copy(), found["equity"].copy()
    packed = session.execute(_PACKED, {"run": run_id}).scalar()
    if packed is None:
        return EquityCurve(times, values)
    early = unpack_curve(packed)
    # A point written after the packing replaces the packed one of its time.
    kept = ~np.isin(early.time_ms, times)
    if after_ms is not None:
        kept &= early.time_ms > after_ms
    times = np.concatenate([early.time_ms[kept], times])
    values = np.concatenate([early.equity[kept], values])
    order = np.argsort(times, kind="stable")
    return EquityCurve(times[order], values[order])


def pack_equity(session: Session, run_id: str) -> None:
    """Replace the rows of a finished run by one packed curve. Idempotent."""
    curve = equity_of(session, run_id)
    if len(curve):
        session.execute(upsert(_CURVE), {"run_id": run_id, "curve": pack_curve(curve)})
        session.execute(delete(_EQUITY).where(_EQUITY.c.run_id == run_id))
