"""What a run decides where the venue publishes candles late, before a kill -9 and after it."""

from contextlib import closing

import pytest

from firstwatch.store.bars import bars_of
from firstwatch.store.database import Store
from firstwatch.store.files import STORE_FILE
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.events import DecisionDropped, HoleFound, LateBar
from tests.candles import generated_candles
from tests.live.rig import Desk, until
from tests.live.test_decisions import SAMPLE, Shadow, said

HISTORY = 1_100
SEED = 5
BARS = 32
LATE = frozenset({3, 24})
"""Bars that are published a moment after the close, before their successor's."""
PASSED_OVER = frozenset({6, 12, 20})
"""Bars that are published only after their successor was decided."""
KILLED_AT = frozenset({15})


@pytest.mark.live
def test_a_run_decides_on_the_bars_that_it_has_counted_and_so_does_a_restart(tmp_path):
    candles = generated_candles(SEED, HISTORY + BARS + 40)
    desk = Desk(
        tmp_path / "home", candles.bars(), candles.timeframe, history=HISTORY, toml=SAMPLE, funding_rate=0.0
    )
    engine = desk.engine()
    passed_over = []
    try:
        desk.wait_held(engine)
        run_id = desk.hand_over("sample", "--capital", 4_000, "--leverage", 2)
        for number in range(BARS):
            begins_ms, faults = desk.bars[desk.next_bar].time_ms, desk.server.faults
            if number in KILLED_AT:
                engine.kill()
                engine.wait()
                engine = desk.engine()
                desk.wait_held(engine)
                until(
                    lambda: desk.rows("select 1 from run_event where kind like '%recovered%'") or None, "it"
                )
            if number in PASSED_OVER | LATE:
                faults.withhold_candle("BTC", begins_ms)
            last_ms = desk.bars[desk.next_bar - 1].time_ms
            desk.play_bar()
            if number in LATE:
                faults.withhold_candle("BTC", begins_ms, 1.5)
            elif number in PASSED_OVER:
                passed_over.append(begins_ms)
                desk.server.step_to(desk.bars[desk.next_bar].time_ms)
                desk.next_bar += 1
                last_ms = desk.bars[desk.next_bar - 1].time_ms
                desk.play_bar()
                faults.publish_candles()
        desk.do("run", "stop", run_id, "--mode", "leave")
        until(lambda: desk.rows("select 1 from run where state = 'STOPPED'") or None, "the stop")
    finally:
        engine.kill()
        engine.wait()
        desk.close()
    counted = CandleArrays.from_bars(
        [bar for bar in candles.bars() if bar.time_ms not in passed_over], candles.timeframe
    )
    shadow = Shadow(desk.home, counted)
    shadow.live_through(last_ms)
    assert not [event for event in shadow.journal if isinstance(event, DecisionDropped)]
    holes = [(event.first_ms, event.last_ms) for event in shadow.journal if isinstance(event, HoleFound)]
    assert holes == [(time_ms, time_ms) for time_ms in passed_over]
    assert [event.bar_time_ms for event in shadow.journal if isinstance(event, LateBar)] == passed_over
    assert len(shadow.decisions) >= 3
    assert said(shadow.journal) == shadow.decisions
    with closing(Store(desk.home / STORE_FILE, read_only=True)) as store, store.read() as session:
        stored = [each.bar for each in bars_of(session, run_id)]
    # The first one is the bar before the launch.
    assert stored[0].time_ms == candles.time_ms[HISTORY - 1]
    assert stored == [bar for bar in counted.bars() if stored[0].time_ms <= bar.time_ms <= last_ms]
    assert len(stored) > BARS
