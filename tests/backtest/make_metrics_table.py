"""Writes ``metrics_table.json``: what empyrical-reloaded says of three equity curves at periods = 365.

Needs ``pip install empyrical-reloaded``, then ``python -m tests.backtest.make_metrics_table``.
"""

import json
from pathlib import Path

import empyrical
import pandas as pd

from tests.backtest.curves import CAPITAL, CURVES

TABLE = Path(__file__).with_name("metrics_table.json")


def figures(time_ms, equity):
    """Return the figures of one curve: ratios of daily returns, drawdown and return of all bars."""
    marks = pd.Series(equity, index=pd.to_datetime(time_ms, unit="ms"))
    daily = marks.resample("1D").last().ffill()
    returns = pd.concat([pd.Series([CAPITAL]), daily]).pct_change().iloc[1:]
    bars = pd.Series([CAPITAL, *equity]).pct_change().iloc[1:]
    year = {"period": "daily", "annualization": 365}
    return {
        "sharpe": float(empyrical.sharpe_ratio(returns, risk_free=0, **year)),
        "sortino": float(empyrical.sortino_ratio(returns, required_return=0, **year)),
        "calmar": float(empyrical.calmar_ratio(returns, **year)),
        "max_drawdown": -float(empyrical.max_drawdown(bars)),
        "total_return": float(empyrical.cum_returns_final(bars)),
        "days": len(returns),
    }


if __name__ == "__main__":
    table = {name: figures(*curve()) for name, curve in CURVES.items()}
    TABLE.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
