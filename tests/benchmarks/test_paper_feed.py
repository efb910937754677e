"""How fast the paper venue replays bars in which nothing happens: at least 5,000 a second in memory."""

from firstwatch.market.feeds import ReplayFeed
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.venue import PaperVenue, Step
from firstwatch.venues.protocol import PhaseEnded
from tests.candles import generated_candles

BARS = 5_000


def test_quiet_bars(benchmark):
    candles = generated_candles(1, BARS, Timeframe.M1)

    def replay():
        venue = PaperVenue("paper", ReplayFeed(candles), DEFAULT_MARKET, clock=ManualClock(), drive="manual")

        def deliver(event):
            if isinstance(event, PhaseEnded):
                subscription.acknowledge(event.token)

        subscription = venue.subscribe("account", DEFAULT_MARKET.symbol, Timeframe.M1, deliver)
        while venue.step() is not Step.ENDED:
            pass
        assert venue.tape.bar_ms == candles.time_ms[-1]

    benchmark.pedantic(replay, rounds=5, warmup_rounds=1)
    assert benchmark.stats["median"] <= BARS / 5_000
