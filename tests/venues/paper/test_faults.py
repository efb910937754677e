"""Faults of the paper venue: what they do, that a replay repeats them, that a live venue cannot have them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.events import DecisionDropped, EntryDecided
from firstwatch.trading.market import Market
from firstwatch.venues.paper.faults import PaperFaults
from firstwatch.venues.protocol import Capabilities
from tests.candles import generated_candles
from tests.engine.test_parity import REVERSION, WITH_COSTS
from tests.simulation.driver import Outcome, Simulation

HOUR_MS = 3_600_000
SPEC = AlgorithmSpec.from_toml(
    REVERSION.format(timeframe="1h").split("[order]")[0] + '[reset]\nmode = "cooldown_only"\n'
)


def played(faults: PaperFaults, *, checks_restore: bool = False) -> Outcome:
    run = Simulation(
        SPEC,
        generated_candles(2, 700),
        first=200,
        market=Market(),
        costs=WITH_COSTS,
        settings=BacktestSettings(),
        faults=faults,
        checks_restore=checks_restore,
    )
    run.start()
    return run.run()


def test_a_refused_entry_is_journalled_with_the_venue_s_sentence() -> None:
    faults = PaperFaults(refuse_share=0.2, seed=5)
    outcome = played(faults, checks_restore=True)
    decided = [event.bar_time_ms for event in outcome.events(EntryDecided)]
    dropped = outcome.events(DecisionDropped)
    assert dropped
    assert [event.bar_time_ms for event in dropped] == [at for at in decided if faults.refuses(at)]
    assert {event.cause for event in dropped} == {
        "refused by the venue: other, refuse_share of this paper venue: entries of this bar are refused"
    }
    assert len(outcome.trades) > len(dropped)
    assert played(faults).trades == outcome.trades


def test_a_suppressed_decision_leaves_no_trace() -> None:
    faults = PaperFaults(suppress_share=0.5, seed=5)
    outcome, usual = played(faults, checks_restore=True), played(PaperFaults())
    decided = {event.bar_time_ms for event in outcome.events(EntryDecided)}
    expected = {event.bar_time_ms for event in usual.events(EntryDecided)}
    lost = {at for at in expected if faults.suppresses(at)}
    assert lost
    assert not {at for at in decided if faults.suppresses(at)}
    # Until the first lost decision the two runs are one.
    first = min(lost)
    assert {at for at in decided if at < first} == {at for at in expected if at < first}
    assert not outcome.events(DecisionDropped)
    assert Counter(type(event) for event in outcome.journal)[EntryDecided] == len(decided)
    assert outcome.trades
    assert played(faults).trades == outcome.trades


@given(st.integers(0, 2**31), st.integers(0, 2**40))
def test_no_share_draws_nothing_and_a_whole_one_everything(seed: int, at_ms: int) -> None:
    assert not PaperFaults(seed=seed).refuses(at_ms)
    assert not PaperFaults(seed=seed).suppresses(at_ms)
    assert PaperFaults(1.0, 1.0, seed).refuses(at_ms)
    assert PaperFaults(1.0, 1.0, seed).suppresses(at_ms)


def test_shares_are_drawn_as_often_as_they_say_and_apart_from_each_other() -> None:
    faults = PaperFaults(0.1, 0.5, 3)
    drawn = Counter((faults.refuses(at), faults.suppresses(at)) for at in range(0, 4_000 * HOUR_MS, HOUR_MS))
    assert 0.08 < (drawn[True, True] + drawn[True, False]) / 4_000 < 0.12
    assert 0.46 < (drawn[True, True] + drawn[False, True]) / 4_000 < 0.54
    assert 0.03 < drawn[True, True] / 4_000 < 0.07


def test_a_live_venue_cannot_lose_decisions() -> None:
    with pytest.raises(ValueError, match="only a paper venue"):
        Capabilities(is_paper=False, modifies_orders=True, has_phases=False, suppresses=lambda _: True)
