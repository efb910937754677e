"""A live run through real ccxt makes the trades of its backtest (hyperliquid: must be shown)."""

from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.manager.details import SHOWN_BARS
from firstwatch.manager.manager import RunManager
from firstwatch.market.files import read_candles
from firstwatch.settings import load_settings
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import iso
from firstwatch.trading.market import Market
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles, shared_data
from tests.live.rig import ACCOUNT, SYMBOL, Desk

HISTORY = 1_100
TRADES = 6

SWING = """
name = "swing"
direction = "both"
timeframe = "{timeframe}"
[entry.long]
required = ["rsi(5) < 40"]
[entry.short]
required = ["rsi(5) > 60"]
[exit.long]
required = ["rsi(5) > 55"]
[exit.short]
required = ["rsi(5) < 45"]
[sizing]
fixed = 500
"""
SLICES = """
[order]
kind = "twap"
bars = 3
"""
MARKET = Market(
    symbol=SYMBOL,
    amount_step=Decimal("0.00001"),
    tick=Decimal("0.1"),
    price_figures=5,
    taker_fee_bps=Decimal("4.5"),
    maker_fee_bps=Decimal("1.5"),
    maintenance_rate=Decimal("0.0125"),
    maximum_leverage=40,
)


def candles_of(kind: str) -> CandleArrays:
    if kind == "generated":
        return generated_candles(11, 1_600)
    return read_candles(shared_data("hyperliquid_BTCUSDC_perp_1m"), Timeframe.M1).candles


def chart_of(home: Path) -> list[tuple[int, float]]:
    """Return the points of the price chart of the one run, as the screen gets them."""
    manager = RunManager(load_settings(home=home), hosts_engine=False)
    manager.open()
    try:
        (run,) = manager.snapshot().runs
        manager.select(run.run_id)
        details = manager.snapshot().selected
        return list(zip(details.candles.time_ms.tolist(), details.candles.close.tolist(), strict=True))
    finally:
        manager.close()


@pytest.mark.live
@pytest.mark.parametrize(("kind", "order"), [("generated", ""), ("real", ""), ("generated", SLICES)])
def test_signal_trades_are_those_of_the_backtest(tmp_path, kind, order):
    candles = candles_of(kind)
    toml = SWING.format(timeframe=candles.timeframe.value) + order
    desk = Desk(tmp_path / "home", candles.bars(), candles.timeframe, history=HISTORY, toml=toml)
    try:
        desk.launch("swing", "--capital", 5_000, "--leverage", 2, "--trades-limit", TRADES)
        first_ms = desk.bars[HISTORY].time_ms
        while not desk.has_ended:
            desk.play_bar()
        shown = desk.shown()
        entries = desk.rows("select count(*) from run_order where purpose = 'entry'")[0][0]
        charted = chart_of(desk.home)
        account, audit = desk.server.account(ACCOUNT), desk.server.audit()
    finally:
        desk.close()
    promised = simulate(
        AlgorithmSpec.from_toml(toml),
        candles,
        market=MARKET,
        costs=Costs(Decimal("4.5"), Decimal("1.5"), Decimal(0)),
        settings=BacktestSettings(capital=Decimal(5_000), leverage=Decimal(2), trades_limit=TRADES),
        start_ms=first_ms,
    )
    assert shown["state"] == "DONE"
    assert entries > TRADES if order else entries == TRADES
    assert len(shown["trades"]) == len(promised.trades) == TRADES
    for made, expected in zip(shown["trades"], promised.trades, strict=True):
        assert (made["side"], made["reason"]) == (expected.side, "signal")
        assert Decimal(str(made["amount"])) == expected.amount
        for word in ("entry", "exit"):
            time_ms = getattr(expected, f"{word}_time_ms")
            assert made[f"{word}_time"][:16] == iso(time_ms)[:16]
            price = float(getattr(expected, f"{word}_price"))
            # The book stands on the tick around the path: so far beside it, and no farther.
            assert abs(made[f"{word}_price"] - price) < float(MARKET.tick_at(price))
    taken_in = [bar for bar in desk.bars[HISTORY - 1 :] if bar.time_ms <= charted[-1][0]]
    assert charted == [(bar.time_ms, bar.close) for bar in taken_in[-SHOWN_BARS:]]
    assert len(charted) > TRADES
    assert account.positions == {}
    assert audit.reused_cloids == []
    assert audit.orders_without_cloid == 0
    assert audit.implicit_actions == []
    assert audit.builders == {}
    made = sum(trade["pnl"] for trade in shown["trades"])
    assert made == pytest.approx(float(account.equity - account.deposits), abs=1e-6)
