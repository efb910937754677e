"""Backtests: the baselines that runs are compared with."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, insert, select

from firstwatch.store.curves import EquityCurve, pack_curve, pack_trades, unpack_curve, unpack_trades
from firstwatch.store.database import Session
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import BacktestTable, table_of
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade

_BACKTEST = table_of(BacktestTable)


@dataclass(frozen=True, slots=True)
class Backtest:
    """One backtest of a version. Costs and settings are the caller's JSON; times are bar opens."""

    id: int
    version_id: int
    symbol: str
    timeframe: Timeframe
    costs_json: str
    settings_json: str
    start_ms: int
    end_ms: int
    bars: int
    metrics_json: str
    created_at_ms: int
    market_json: str
    """The market that it assumed; ``{}``: saved by a version that did not keep it."""
    candles: str
    """Fingerprint of its candles; empty: they were not kept."""
    core_version: int
    """``CORE_VERSION`` of the decision core that made it; 0: not kept."""

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by the names that ``firstwatch backtest --json`` prints.

        Raises:
            DamagedRowError: they cannot be read.
        """
        with row(f"the metrics of backtest {self.id}"):
            return dict(json.loads(self.metrics_json))


_VIEW = select(
    *(_BACKTEST.c[name] for name in Backtest.__dataclass_fields__),
).order_by(_BACKTEST.c.id.desc())
_OF_VERSION = _VIEW.where(_BACKTEST.c.version_id == bindparam("version"))


def add_backtest(
    session: Session,
    *,
    version_id: int,
    symbol: str,
    timeframe: Timeframe,
    costs_json: str,
    settings_json: str,
    start_ms: int,
    end_ms: int,
    bars: int,
    metrics_json: str,
    trades: Sequence[Trade],
    equity: EquityCurve,
    now_ms: int,
    market_json: str = "{}",
    candles: str = "",
    core_version: int = 0,
) -> Backtest:
    """Save a finished backtest."""
    added = session.execute(
        insert(_BACKTEST)
        .values(
            version_id=version_id,
            symbol=symbol,
            timeframe=timeframe.value,
            costs_json=costs_json,
            settings_json=settings_json,
            start_ms=start_ms,
            end_ms=end_ms,
            bars=bars,
            metrics_json=metrics_json,
            trades=pack_trades(trades),
            equity=pack_curve(equity),
            created_at_ms=now_ms,
            market_json=market_json,
            candles=candles,
            core_version=core_version,
        )
        .returning(_BACKTEST.c.id)
    )
    return get_backtest(session, added.scalar_one())


def get_backtest(session: Session, backtest_id: int) -> Backtest:
    """Return one backtest.

    Raises:
        DamagedRowError: it cannot be read.
    """
    return _view(session.execute(_VIEW.where(_BACKTEST.c.id == backtest_id)).one())


def find_backtest(session: Session, backtest_id: int) -> Backtest | None:
    """Return one backtest; None: there is none of that number.

    Raises:
        DamagedRowError: it cannot be read.
    """
    found = session.execute(_VIEW.where(_BACKTEST.c.id == backtest_id)).one_or_none()
    return None if found is None else _view(found)


def latest_backtest(session: Session, version_id: int, symbol: str) -> Backtest | None:
    """Return the newest backtest of the version on the symbol: a run's baseline; None: there is none.

    Raises:
        DamagedRowError: it cannot be read.
    """
    statement = _VIEW.where(_BACKTEST.c.version_id == version_id, _BACKTEST.c.symbol == symbol).limit(1)
    found = session.execute(statement).one_or_none()
    return None if found is None else _view(found)


def list_backtests(session: Session, version_id: int) -> list[Backtest]:
    """Return a version's backtests, newest first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    return [_view(found) for found in session.execute(_OF_VERSION, {"version": version_id}).all()]


def trades_of_backtest(session: Session, backtest_id: int) -> list[Trade]:
    """Return the trades of a backtest, oldest first."""
    packed = session.execute(select(_BACKTEST.c.trades).where(_BACKTEST.c.id == backtest_id)).scalar_one()
    return unpack_trades(packed)


def equity_of_backtest(session: Session, backtest_id: int) -> EquityCurve:
    """Return the marked equity of a backtest at every bar."""
    packed = session.execute(select(_BACKTEST.c.equity).where(_BACKTEST.c.id == backtest_id)).scalar_one()
    return unpack_curve(packed)


def _view(found: Row[Any]) -> Backtest:
    with row(f"backtest {found.id}"):
        values = dict(sound(found, _BACKTEST)._mapping)
        values["timeframe"] = Timeframe(values["timeframe"])
        return Backtest(**values)
