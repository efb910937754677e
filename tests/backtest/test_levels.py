"""The levels that each bar met: those at which trades ended, there while a position was, compiled or not."""

from itertools import pairwise

import numpy as np
import pytest

from firstwatch.backtest.prepared import PreparedCandles
from firstwatch.backtest.replay import Played
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import simulate_prepared
from firstwatch.market.funding import NO_FUNDING
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.compiled import load_loop
from firstwatch.strategy.core import new_state
from firstwatch.strategy.core_settings import Costs, build_settings
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


@pytest.mark.parametrize("assume", [False, True])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_levels_are_the_same_wherever_a_pass_is_cut(assume, is_compiled, tmp_path_factory):
    settings, spec = BacktestSettings(), AlgorithmSpec.from_toml(ACTIVE_TOML)
    loop = load_loop(tmp_path_factory.mktemp("loop")) if is_compiled else None
    candles = generated_candles(3, 1_500)
    replay = PreparedCandles(candles, SessionCalendar(settings.session), NO_FUNDING).replay(spec)
    core = build_settings(
        spec,
        market=DEFAULT_MARKET,
        costs=Costs(0.0, 0.0, slippage_bps=0.0),
        capital=settings.capital,
        leverage=settings.leverage,
        trades_limit=None,
    )
    signals = replay.signals
    is_entry = (signals.entry_long == 1) | (signals.entry_short == 1)
    first = int(np.flatnonzero(signals.ready & is_entry)[0]) + 1
    found = []
    # Bars of one, so that positions end on the first bar of a pass, and all in one.
    for cuts in ([first, len(candles)], range(first, len(candles) + 1)):
        state, made = new_state(core), Played(has_levels=True)
        if assume:
            replay.assume_position(state, core, first - 1)
        for begin, end in pairwise(cuts):
            replay.play(state, core, begin, end, made, loop=loop)
        found.append(made.levels)
    assert np.array_equal(*found)
    assert (found[0][:, 1] == 0.0).any()
    assert found[0][0, 0] == first or not assume


def test_levels_change_nothing_and_are_the_same_compiled(tmp_path_factory):
    loop = load_loop(tmp_path_factory.mktemp("loop"))
    for seed in range(4):
        _, plain = played(seed, ACTIVE_TOML)
        _, compiled = played(seed, ACTIVE_TOML, loop)
        assert list(plain.records) == list(compiled.records)
        for one, other in zip(plain.levels, compiled.levels, strict=True):
            assert np.array_equal(one, other, equal_nan=True)
