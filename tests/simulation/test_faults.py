"""Lost requests, lost answers and a venue that cannot be read change no trade and send nothing twice."""

from decimal import Decimal

import pytest

from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.trading.events import AlarmRaised
from firstwatch.trading.market import Market
from firstwatch.trading.runs import RunState
from tests.candles import generated_candles
from tests.engine.test_parity import REVERSION, WITH_COSTS, spec_of
from tests.simulation.driver import Simulation
from tests.simulation.faults import FaultyVenue


@pytest.mark.parametrize(("seed", "share"), [(1, 0.1), (2, 0.2), (3, 0.2), (4, 0.4), (5, 0.4), (6, 0.6)])
def test_a_run_at_an_unreliable_venue_makes_the_trades_of_the_backtest(seed: int, share: float) -> None:
    spec = spec_of(REVERSION.format(timeframe="1h"))
    candles = generated_candles(seed, 500)
    chosen = BacktestSettings(leverage=Decimal(5))
    expected = simulate(
        spec,
        candles,
        market=Market(),
        costs=WITH_COSTS,
        settings=chosen,
        start_ms=int(candles.time_ms[100]),
    )
    faulty: list[FaultyVenue] = []

    def wrap(venue: object) -> FaultyVenue:
        faulty.append(FaultyVenue(venue, seed, 0.0))
        return faulty[0]

    run = Simulation(spec, candles, first=100, market=Market(), costs=WITH_COSTS, settings=chosen, wrap=wrap)
    run.start()
    faulty[0].share = share
    outcome = run.run()
    assert outcome.state is RunState.DONE
    assert len(expected.trades) > 5
    assert outcome.trades == list(expected.trades)
    assert max(faulty[0].sent.values()) == 1
    assert faulty[0].faults["lost before"] > 10
    assert faulty[0].faults["lost after"] > 10
    topics = {event.topic for event in outcome.events(AlarmRaised)}
    assert topics <= {"unprotected", "venue", "closing", "stop", "target", "liquidated", "order in doubt"}
