"""The watch of a run through real ccxt: as its backtest, but for what others did at the venue."""

import json
from collections import Counter
from contextlib import closing
from decimal import Decimal

import pytest

from firstwatch.market.files import write_candles
from firstwatch.store.database import Store
from firstwatch.store.files import STORE_FILE
from firstwatch.store.watch import reports_of
from tests.candles import generated_candles
from tests.live.rig import ACCOUNT, Desk, until
from tests.live.test_decisions import HISTORY, SAMPLE, SEED, is_protected
from tests.watch.schema import wrong_in

BARS = 90
CLOSED, LIQUIDATED = 8, 30
"""From which bar on the next position is closed by hand, and liquidated."""
CAPITAL = 4_000
LAUNCH = ("--capital", CAPITAL, "--leverage", 2)
MARKET = """
symbol = "BTC/USDC:USDC"
amount_step = 0.00001
tick = 0.1
price_figures = 5
taker_fee_bps = 4.5
maker_fee_bps = 1.5
maintenance_rate = 0.0125
maximum_leverage = 40
"""


@pytest.mark.live
def test_a_run_at_the_venue_and_its_backtest_differ_by_what_others_did(tmp_path):
    candles = generated_candles(SEED, HISTORY + BARS + 40)
    desk = Desk(
        tmp_path / "home",
        candles.bars(),
        candles.timeframe,
        history=HISTORY,
        toml=SAMPLE,
        funding_rate=1e-5,
        has_watch=True,
    )
    save_baseline(desk, candles.part(0, HISTORY))
    engine = desk.engine()
    did: list[str] = []
    try:
        desk.wait_held(engine)
        run_id = desk.hand_over("sample", *LAUNCH)
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
        days = until(lambda: whole_reports(desk, run_id), "the watch of all days")
        text = desk.do("report", run_id)
    finally:
        engine.kill()
        engine.wait()
        desk.close()
    assert did == ["closed", "liquidated"]
    assert [day["day"] for day in days] == [1, 2, 3, 4]
    for day in days:
        assert wrong_in(day) == []
        assert day["mode"] == "testnet"
        assert day["locked"] is not None
    causes = Counter(each["cause"] for day in days for each in day["mismatches"])
    # The position that was closed by hand, and the stop of the run.
    assert causes == {"operator": 2, "liquidation": 1}
    for day in days:
        of_day = {each["cause"] for each in day["mismatches"]}
        parity = next(check for check in day["checks"] if check["name"] == "signal_parity")
        is_liquidated = "liquidation" in of_day
        assert parity["verdict"] == ("WATCH" if is_liquidated else "CONSISTENT")
        # A cause to look at is named before those that were chosen.
        named = {"liquidation"} if is_liquidated else of_day
        assert all(cause in parity["sentence"] for cause in named)
        assert abs(Decimal(day["identity"]["residual"])) <= Decimal(CAPITAL) / 1_000_000
    # Trades have closed by then: the wallet has gained what the ledger has, whoever acted in it.
    assert abs(Decimal(days[-1]["identity"]["venue_residual"])) <= Decimal(CAPITAL) / 1_000_000
    compared = [check["n"] for day in days for check in day["checks"] if check["name"] == "signal_parity"]
    assert sum(compared) > 5
    assert sum(cell["trades"] for day in days for cell in day["hours_strip"] if cell["trades"]) > 3
    assert "operator" in text


def save_baseline(desk: Desk, candles) -> None:
    """Save the backtest of the launch on the bars before it."""
    file, market = desk.home / "BTCUSDC.csv", desk.home / "market.toml"
    write_candles(file, candles)
    market.write_text(MARKET, encoding="utf-8")
    options = ("--candles", file, "--market", market, "--slippage-bps", 0, "--save", *LAUNCH)
    desk.do("backtest", desk.home / "algorithm.toml", *options)


def whole_reports(desk: Desk, run_id: str) -> list[dict] | None:
    """Return what ``report`` prints of each day once all have their fans and the end is seen; else None."""
    with closing(Store(desk.home / STORE_FILE, read_only=True)) as store, store.read() as session:
        days = reports_of(session, run_id)
    if not days or days[-1].next_look_at is not None or any(day.fan is None for day in days):
        return None
    return [json.loads(desk.do("report", run_id, "--day", day.day, "--json")) for day in days]


def disturb(desk: Desk, run_id: str, act) -> None:
    """Do something at the venue that pauses the run, and resume its entries as soon as it has."""
    act()
    until(lambda: desk.rows("select 1 from run where paused") or None, "the pause")
    desk.do("run", "resume", run_id)
    until(lambda: desk.rows("select 1 from run where not paused") or None, "the end of the pause")
