"""Metrics of a baseline over as much time as a run has lived: quantiles over its stretches of that length."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.baseline import settings_of
from firstwatch.manager.run_views import Expected
from firstwatch.store.backtests import Backtest, equity_of_backtest, trades_of_backtest
from firstwatch.store.database import Session
from firstwatch.store.rows import row
from firstwatch.strategy.specification import AlgorithmSpec, SizingKind
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.trade import Trade

FEWEST_STRETCHES = 20
"""Fewest stretches, end to end or overlapping, that give a band."""
_MOST_STRETCHES = 300
_MOST_POINTS = 500_000
_GRAIN = 128
"""Lengths are rounded down to a multiple of a 128th of themselves, so that results are reused."""
_KEPT = 8


@dataclass(frozen=True, eq=False)
class TradeArrays:
    """The baseline's trades as arrays, oldest first: float64, money in quote."""

    exit_ms: NDArray[np.int64]
    pnl: NDArray[np.float64]
    value: NDArray[np.float64]
    """Notional at the entry."""
    fees: NDArray[np.float64]
    funding: NDArray[np.float64]
    bars: NDArray[np.float64]

    @classmethod
    def of(cls, trades: Sequence[Trade]) -> "TradeArrays":
        """Return these trades as arrays."""

        def column(values: Sequence[Decimal | int]) -> NDArray[np.float64]:
            return np.array(values, dtype=np.float64)

        return cls(
            np.array([trade.exit_time_ms for trade in trades], dtype=np.int64),
            column([trade.pnl for trade in trades]),
            column([trade.entry_price * trade.amount for trade in trades]),
            column([trade.fees for trade in trades]),
            column([trade.funding for trade in trades]),
            column([trade.bars_held for trade in trades]),
        )


@dataclass(frozen=True, eq=False)
class BaselineData:
    """A baseline's trades and equity, read once."""

    trades: TradeArrays
    time_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    capital: float


class BaselineReader:
    """The baselines that were read last, and their results for some lengths of time. Used by one thread."""

    def __init__(self) -> None:
        self._tested: dict[int, BaselineData] = {}
        self._expected: dict[tuple[int, int, bool], dict[str, Expected]] = {}

    def read(self, session: Session, found: Backtest) -> BaselineData:
        """Return a baseline's trades and equity.

        Raises:
            DamagedRowError: they cannot be read.
        """
        if found.id not in self._tested:
            with row(f"backtest {found.id}"):
                curve = equity_of_backtest(session, found.id)
                trades = TradeArrays.of(trades_of_backtest(session, found.id))
                capital = float(settings_of(found.settings_json).capital)
            _make_room(self._tested)
            self._tested[found.id] = BaselineData(trades, curve.time_ms, curve.equity, capital)
        return self._tested[found.id]

    def expected(
        self, found: Backtest, tested: BaselineData, bars: int, *, is_fixed: bool
    ) -> dict[str, Expected]:
        """Return ``expected_in`` for about that many bars."""
        step = max(1, bars // _GRAIN)
        key = found.id, bars // step * step, is_fixed
        if key not in self._expected:
            _make_room(self._expected)
            self._expected[key] = expected_in(tested, key[1], is_fixed=is_fixed)
        return self._expected[key]


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= _KEPT:
        kept.pop(next(iter(kept)))


def may_scale(spec: AlgorithmSpec, found: Backtest, launch: LaunchSettings) -> bool:
    """Return whether the baseline's PnL as a share of its equity compares with the run's."""
    tested = settings_of(found.settings_json)
    is_share = spec.sizing.kind is not SizingKind.FIXED
    return tested.leverage == launch.leverage and (is_share or tested.capital == launch.capital)


def expected_in(tested: BaselineData, bars: int, *, is_fixed: bool) -> dict[str, Expected]:
    """Return the baseline's metrics over ``bars`` closes, by name; empty: too few stretches.

    Results are shares of the equity at the begin of a stretch; ``is_fixed``: of the baseline's capital,
    because its trades have one size however large its equity is.
    """
    count = len(tested.equity)
    if bars < 1 or count < 2 * bars:
        return {}
    most = min(_MOST_STRETCHES, max(1, _MOST_POINTS // (bars + 1)), count - bars)
    starts = np.unique(np.linspace(0, count - bars - 1, most).astype(np.int64))
    if len(starts) < FEWEST_STRETCHES:
        return {}
    stretches = np.lib.stride_tricks.sliding_window_view(tested.equity, bars + 1)[starts]
    begun = stretches[:, 0]
    if begun.min() <= 0:
        return {}
    base = np.full(len(starts), tested.capital) if is_fixed else begun
    peaks = np.maximum.accumulate(stretches, axis=1)
    exits = tested.trades.exit_ms
    first, last = (exits.searchsorted(tested.time_ms[edge], side="right") for edge in (starts, starts + bars))
    won = np.append(0.0, np.cumsum(tested.trades.pnl))
    return {
        "total_return": _band((stretches[:, -1] - begun) / base),
        "max_drawdown": _band(((peaks - stretches) / peaks).max(axis=1)),
        "net_pnl": _band((won[last] - won[first]) / base),
        "total_trades": _band((last - first).astype(np.float64)),
    }


def _band(values: NDArray[np.float64]) -> Expected:
    low, median, high = np.quantile(values, (0.05, 0.5, 0.95)).tolist()
    return Expected(median, low, high)
