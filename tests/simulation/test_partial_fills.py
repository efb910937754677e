"""Partial fills and latency: a run's ledger and the venue's money agree to the last digit that matters."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.trading.market import Market
from firstwatch.trading.runs import RunState
from tests.backtest.specifications import random_candles
from tests.engine.test_parity import REVERSION, WITH_COSTS, spec_of
from tests.simulation.driver import ACCOUNT, Simulation


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("latency_ms", "volume_share"), [(0, 0.1), (1_500, 0.0), (2_000, 0.3)])
def test_what_a_run_has_booked_is_what_the_venue_has_paid(
    seed: int, latency_ms: int, volume_share: float
) -> None:
    candles = random_candles(seed, 300, 0.01)
    volume = np.random.default_rng(seed).uniform(20, 500, len(candles))
    chosen = BacktestSettings(leverage=Decimal(5))
    run = Simulation(
        spec_of(REVERSION.format(timeframe="1h")),
        replace(candles, volume=volume),
        first=30,
        market=Market(),
        costs=WITH_COSTS,
        settings=chosen,
        latency_ms=latency_ms,
        volume_share=volume_share,
    )
    before = run.paper.balance(ACCOUNT).total
    run.start()
    outcome = run.run()
    assert outcome.state is RunState.DONE
    assert len(outcome.trades) > 5
    assert run.paper.position(ACCOUNT, run.market.symbol).is_flat
    paid = run.paper.balance(ACCOUNT).total - before
    assert abs(paid - sum(trade.pnl for trade in outcome.trades)) < Decimal("1e-6")
    assert outcome.facts is not None
    assert outcome.facts.pause_reasons == ()
