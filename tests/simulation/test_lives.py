"""A crash at every named point, in every kind of moment: the run goes on as if nothing had been."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstwatch.store import fills, orders, runs, trades
from firstwatch.store.bars import bars_of
from firstwatch.store.database import Store
from firstwatch.store.equity import equity_of
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.runs import RunState
from tests.candles import generated_candles
from tests.simulation.faults import POINTS
from tests.simulation.lives import RUN_ID, Deaths, Died, Life, make_store

_BARS = 1_160
_FIRST = 1_020

TOML = """
name = "Busy"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["rsi(5) < 40"]
[entry.short]
required = ["rsi(5) > 60"]
[exit.long]
required = ["rsi(5) > 55"]
[exit.short]
required = ["rsi(5) < 45"]
[stop_loss]
fraction = 0.01
trailing = true
[take_profit]
fraction = 0.015
[sizing]
equity = 0.5
[order]
kind = "{kind}"
"""


def launch(wallet: str) -> LaunchSettings:
    return LaunchSettings(
        algorithm="Busy",
        version=1,
        wallet=wallet,
        symbol="BTC/USDC:USDC",
        capital=Decimal(10_000),
        leverage=Decimal(3),
    )


def result_of(store: Store) -> dict[str, Any]:
    """Return everything of the run that must not depend on how often its process died."""
    with store.read() as session:
        curve = equity_of(session, RUN_ID)
        return {
            "state": runs.get_run(session, RUN_ID).state,
            "trades": trades.trades_of(session, RUN_ID),
            "fills": [
                (kept.fill.time_ms, kept.fill.side, kept.fill.amount, kept.fill.price, kept.fill.fee)
                for kept in fills.fills_of(session, RUN_ID)
            ],
            "equity": list(zip(curve.time_ms.tolist(), curve.equity.tolist(), strict=True)),
            "bars": [each.bar for each in bars_of(session, RUN_ID)],
            "open orders": orders.open_orders_of(session, RUN_ID),
        }


_KEYS = {"market": "", "limit": "offset_bps = 5\ntimeout_bars = 1\n", "twap": "bars = 3\n"}


@pytest.mark.parametrize("kind", list(_KEYS))
def test_a_run_that_dies_everywhere_comes_to_the_undisturbed_result(tmp_path: Path, kind: str) -> None:
    spec = AlgorithmSpec.from_toml(TOML.format(kind=kind) + _KEYS[kind])
    candles = generated_candles(4, _BARS)
    calm = make_store(tmp_path / "calm", spec, launch)
    Life(calm, candles, _FIRST, None).live()
    expected = result_of(calm)
    assert expected["state"] is RunState.DONE
    assert len(expected["trades"]) >= 8
    if kind == "twap":
        assert len(expected["fills"]) > 2 * len(expected["trades"])

    store = make_store(tmp_path / "killed", spec, launch)
    deaths = Deaths(times=3)
    while True:
        try:
            Life(store, candles, _FIRST, deaths).live()
        except Died:
            continue
        break
    assert result_of(store) == expected
    hit = {point for point, _, _ in deaths.counts}
    assert hit == set(POINTS), set(POINTS) - hit
    assert deaths.total > 120
    assert np.unique([key for key, *_ in expected["equity"]]).size == len(expected["equity"])
