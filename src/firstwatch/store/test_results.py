"""What tests have found: backtests of stored versions, drafts and files, each with all of its inputs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, select

from firstwatch.store.curves import EquityCurve, pack_curve, pack_trades, unpack_curve, unpack_trades
from firstwatch.store.database import Session
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import TestResultTable, table_of
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade

_RESULT = table_of(TestResultTable)


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A test's result, without trades and equity. Costs, settings and market are the caller's JSON."""

    id: int
    job_id: int | None
    """The job that found it; None: a command did so by itself."""
    title: str
    """What was tested, for an operator."""
    version_id: int | None
    """The stored version that it is; None: a draft or a file."""
    spec_json: str
    """The algorithm's canonical JSON."""
    symbol: str
    timeframe: Timeframe
    request_json: str
    """What was asked for (``backtest.inputs.BacktestRequest``)."""
    market_json: str
    costs_json: str
    settings_json: str
    start_ms: int
    """Open time of the first bar that was decided."""
    end_ms: int
    """Close time of the last one."""
    bars: int
    metrics_json: str
    details_json: str
    candles: str
    """Fingerprint of its candles."""
    core_version: int
    created_at_ms: int

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by the names that ``firstwatch backtest --json`` prints.

        Raises:
            DamagedRowError: they cannot be read.
        """
        with row(f"the metrics of test result {self.id}"):
            return dict(json.loads(self.metrics_json))

    @property
    def details(self) -> dict[str, Any]:
        """What else was found: ``notes`` and ``review`` (as ``firstwatch backtest --json`` prints them),
        ``missing_bars``.

        Raises:
            DamagedRowError: they cannot be read.
        """
        with row(f"the details of test result {self.id}"):
            return dict(json.loads(self.details_json))


_VIEW = select(*(_RESULT.c[name] for name in StoredResult.__dataclass_fields__))


def add_result(
    session: Session,
    *,
    job_id: int | None,
    title: str,
    version_id: int | None,
    spec_json: str,
    symbol: str,
    timeframe: Timeframe,
    request_json: str,
    market_json: str,
    costs_json: str,
    settings_json: str,
    start_ms: int,
    end_ms: int,
    bars: int,
    metrics_json: str,
    details_json: str,
    trades: Sequence[Trade],
    equity: EquityCurve,
    candles: str,
    core_version: int,
    now_ms: int,
) -> int:
    """Save a result and return its number."""
    number: int = session.execute(
        insert(_RESULT)
        .values(
            job_id=job_id,
            title=title,
            version_id=version_id,
            spec_json=spec_json,
            symbol=symbol,
            timeframe=timeframe.value,
            request_json=request_json,
            market_json=market_json,
            costs_json=costs_json,
            settings_json=settings_json,
            start_ms=start_ms,
            end_ms=end_ms,
            bars=bars,
            metrics_json=metrics_json,
            details_json=details_json,
            trades=pack_trades(trades),
            equity=pack_curve(equity),
            candles=candles,
            core_version=core_version,
            created_at_ms=now_ms,
        )
        .returning(_RESULT.c.id)
    ).scalar_one()
    return number


def find_result(session: Session, number: int) -> StoredResult | None:
    """Return a result; None: there is none of that number.

    Raises:
        DamagedRowError: it cannot be read.
    """
    found = session.execute(_VIEW.where(_RESULT.c.id == number)).one_or_none()
    return None if found is None else _view(found)


def result_of_job(session: Session, job_id: int) -> StoredResult | None:
    """Return the newest result that a job has saved; None: it has saved none.

    Raises:
        DamagedRowError: it cannot be read.
    """
    statement = _VIEW.where(_RESULT.c.job_id == job_id).order_by(_RESULT.c.id.desc()).limit(1)
    found = session.execute(statement).one_or_none()
    return None if found is None else _view(found)


def list_results(session: Session, *, limit: int) -> list[StoredResult]:
    """Return the newest results, the newest first; those that cannot be read are left out."""
    statement = _VIEW.order_by(_RESULT.c.id.desc()).limit(limit)
    return list(readable(session.execute(statement), "id", _view, None).values())


def newest_by_version(session: Session) -> dict[int, StoredResult]:
    """Return the newest result of each stored version; one that cannot be read is left out."""
    newest = (
        select(func.max(_RESULT.c.id)).where(_RESULT.c.version_id.is_not(None)).group_by(_RESULT.c.version_id)
    )
    return readable(session.execute(_VIEW.where(_RESULT.c.id.in_(newest))), "version_id", _view, None)


def trades_of_result(session: Session, number: int) -> list[Trade]:
    """Return the trades of a result, oldest first.

    Raises:
        DamagedRowError: they cannot be read.
    """
    with row(f"the trades of test result {number}"):
        packed = session.execute(select(_RESULT.c.trades).where(_RESULT.c.id == number)).scalar_one()
        return unpack_trades(packed)


def equity_of_result(session: Session, number: int) -> EquityCurve:
    """Return the marked equity of a result at every bar.

    Raises:
        DamagedRowError: it cannot be read.
    """
    with row(f"the equity of test result {number}"):
        packed = session.execute(select(_RESULT.c.equity).where(_RESULT.c.id == number)).scalar_one()
        return unpack_curve(packed)


def _view(found: Row[Any]) -> StoredResult:
    with row(f"test result {found.id}"):
        values = dict(sound(found, _RESULT)._mapping)
        values["timeframe"] = Timeframe(values["timeframe"])
        return StoredResult(**values)
