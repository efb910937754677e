"""The shadow of a run through real ccxt: one with it, but for what somebody else did at the venue."""

from collections import Counter

import pytest

from firstwatch.store import runs
from firstwatch.store.database import Store
from firstwatch.store.files import STORE_FILE
from firstwatch.strategy.core_settings import Costs
from firstwatch.trading.watch import MismatchCause
from firstwatch.watch.follow import follow
from firstwatch.watch.identity import is_alarm
from tests.candles import generated_candles
from tests.live.rig import ACCOUNT, Desk, until
from tests.live.test_decisions import HISTORY, SAMPLE, SEED, is_protected

BARS = 90
CLOSED, LIQUIDATED = 8, 30
"""From which bar on the next position is closed by hand, and liquidated."""


@pytest.mark.live
def test_a_run_at_the_venue_and_its_shadow_differ_by_what_others_did(tmp_path):
    candles = generated_candles(SEED, HISTORY + BARS + 40)
    desk = Desk(
        tmp_path / "home", candles.bars(), candles.timeframe, history=HISTORY, toml=SAMPLE, funding_rate=1e-5
    )
    engine = desk.engine()
    did: list[str] = []
    try:
        desk.wait_held(engine)
        run_id = desk.hand_over("sample", "--capital", 4_000, "--leverage", 2)
        for played in range(BARS):
            desk.play_bar()
            until(lambda: is_protected(desk) or None, f"the stop before bar {desk.next_bar}")
            if not desk.server.account(ACCOUNT).positions:
                continue
            if played >= CLOSED and not did:
                disturb(desk, run_id, lambda: desk.server.by_hand(ACCOUNT).close("BTC"))
                did.append("closed")
            elif played >= LIQUIDATED and len(did) == 1:
                disturb(desk, run_id, lambda: desk.server.by_hand(ACCOUNT).liquidate("BTC"))
                did.append("liquidated")
        desk.do("run", "stop", run_id, "--mode", "leave")
        until(lambda: desk.rows("select 1 from run where state = 'STOPPED'") or None, "the stop")
    finally:
        engine.kill()
        engine.wait()
        desk.close()
    assert did == ["closed", "liquidated"]
    store = Store(desk.home / STORE_FILE, read_only=True)
    with store.read() as session:
        (run,) = runs.list_runs(session)
        follower = follow(session, run.id, None, Costs.of_market(run.market))
        found = follower.advance(follower.read(session)).mismatches
    store.close()
    causes = Counter(mismatch.cause for mismatch in found)
    assert set(causes) == {MismatchCause.OPERATOR, MismatchCause.LIQUIDATION}, found
    assert causes[MismatchCause.LIQUIDATION] == 1
    # The position that was closed by hand, and the stop of the run.
    assert causes[MismatchCause.OPERATOR] == 2
    assert follower.decisions > 5
    assert follower.state.trades > 3
    assert not is_alarm(follower.state.identity.residual, run.settings.capital)


def disturb(desk: Desk, run_id: str, act) -> None:
    """Do something at the venue that pauses the run, and resume its entries as soon as it has."""
    act()
    until(lambda: desk.rows("select 1 from run where paused") or None, "the pause")
    desk.do("run", "resume", run_id)
    until(lambda: desk.rows("select 1 from run where not paused") or None, "the end of the pause")
