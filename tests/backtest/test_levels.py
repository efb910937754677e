"""The levels that each bar met: those at which trades ended, there while a position was, compiled or not."""

import numpy as np
import pytest

from firstwatch.backtest.prepared import PreparedCandles
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import simulate_prepared
from firstwatch.market.funding import NO_FUNDING
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.compiled import load_loop
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.runs import ExitReason
from tests.candles import generated_candles
from tests.engine.host.rig import ACTIVE_TOML

STOPS = (ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP)
ATR = ("fraction = 0.02", "atr = 1.5\nperiod = 14")
LIMIT = ("[sizing]", '[order]\nkind = "limit"\noffset_bps = 20.0\ntimeout_bars = 2\n[sizing]')


def played(seed, text, loop=None):
    settings = BacktestSettings()
    candles = generated_candles(seed, 1_500)
    prepared = PreparedCandles(candles, SessionCalendar(settings.session), NO_FUNDING)
    result = simulate_prepared(
        AlgorithmSpec.from_toml(text),
        prepared,
        market=DEFAULT_MARKET,
        costs=Costs(0.0, 0.0, slippage_bps=0.0),
        settings=settings,
        loop=loop,
        has_levels=True,
    )
    return candles.part(len(candles) - result.bars, len(candles)), result


@pytest.mark.parametrize("changes", [(), (ATR,), (LIMIT,), (("trailing = true", "trailing = false"),)])
def test_a_trade_ends_at_the_level_that_its_last_bar_met(changes):
    text = ACTIVE_TOML
    for old, new in changes:
        text = text.replace(old, new)
    at_level = 0
    seen = dict.fromkeys(ExitReason, 0)
    for seed in range(6):
        candles, result = played(seed, text)
        stop, target = result.levels
        assert len(stop) == len(target) == len(candles)
        is_held = np.zeros(len(candles), dtype=bool)
        for trade in result.records:
            first, last = candles.index_at(trade.entry_time_ms), candles.index_at(trade.exit_time_ms)
            is_held[first : last + 1] = True
            seen[trade.reason] += 1
            if first == last:
                continue  # its levels never stood at a close
            assert np.isfinite(stop[first : last + 1]).all()
            price = candles.open[last]
            worse = min if trade.side > 0 else max
            if trade.reason in STOPS:
                # At the open: the level was passed there, or at the close before (rule 11).
                assert trade.exit_price in (worse(stop[last], price), price)
                at_level += trade.exit_price == stop[last]
            elif trade.reason is ExitReason.TAKE_PROFIT:
                assert trade.exit_price == target[last]
            assert (trade.side * np.diff(stop[first : last + 1]) >= 0).all()
        assert not np.isfinite(stop[~is_held]).any()
        assert not np.isfinite(target[~is_held]).any()
    assert seen[ExitReason.TAKE_PROFIT]
    assert at_level > 10


def test_levels_change_nothing_and_are_the_same_compiled(tmp_path_factory):
    loop = load_loop(tmp_path_factory.mktemp("loop"))
    for seed in range(4):
        _, plain = played(seed, ACTIVE_TOML)
        _, compiled = played(seed, ACTIVE_TOML, loop)
        assert list(plain.records) == list(compiled.records)
        for one, other in zip(plain.levels, compiled.levels, strict=True):
            assert np.array_equal(one, other, equal_nan=True)
