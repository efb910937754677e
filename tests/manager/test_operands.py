"""The indicators of a run's algorithm at its newest bars."""

import numpy as np
import pytest
import talib

from firstwatch.manager import operands
from firstwatch.manager.operands import OperandReader
from firstwatch.store import bars
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe
from tests.ui import scenes

HOUR_MS = 3_600_000
SPEC = AlgorithmSpec.from_toml(
    """
name = "All sorts"
direction = "long"
timeframe = "1h"

[entry.long]
required = ["rsi(14) < 30", "ema(9) > ema(21)", "obv() > sma(5, source=obv())"]
optional = ["rsi(14) crosses above 25"]

[sizing]
equity = 0.5
""",
    where="test",
)


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    scenes.busy_day(home)
    return home


def add(session, first, count, close):
    last = None
    for number in range(first, first + count):
        at_ms = scenes.NOW_MS + number * HOUR_MS
        price = float(close[number])
        bar = Bar(at_ms, price, price + 1, price - 1, price, 2.0)
        last = bars.add_bar(session, scenes.DONE, bars.RunBar(bar), last)


def test_operands_are_computed_from_the_warm_up_on_and_grow_with_the_bars(home):
    rng = np.random.default_rng(5)
    close = 100 + np.cumsum(rng.normal(0, 1, 80))
    before = 100 + np.cumsum(rng.normal(0, 1, 50))
    reader = OperandReader(scenes.DONE, SPEC, 30)
    with scenes.written(home) as session:
        early = [
            Bar(scenes.NOW_MS + (number - 50) * HOUR_MS, price, price, price, price, 2.0)
            for number, price in enumerate(before.tolist())
        ]
        bars.save_warm_up(session, scenes.DONE, {Timeframe.H1: early})
        assert reader.read(session) == ()
        add(session, 0, 60, close)
        reader.read(session)
        add(session, 60, 20, close)
        found = {view.name: view for view in reader.read(session)}
        assert reader.read(session)[0] is found["rsi(14)"]
    whole = np.concatenate([before, close])
    assert found["rsi(14)"].values == pytest.approx(talib.RSI(whole, 14)[-30:])
    assert found["ema(9)"].values == pytest.approx(talib.EMA(whole, 9)[-30:])
    assert (found["rsi(14)"].numbers, found["rsi(14)"].is_price) == ((30.0, 25.0), False)
    assert (found["ema(21)"].numbers, found["ema(21)"].is_price) == ((), True)
    assert "obv()" in found


def test_behind_arithmetic_come_the_indicators_in_it(home):
    text = SPEC.to_toml().replace(
        '"rsi(14) < 30", ', '"close > ema(9) + 2 * atr(5)", "mom(3)@4h - rsi(4) > 7", '
    )
    close = 100 + np.cumsum(np.random.default_rng(5).normal(0, 1, 80))
    with scenes.written(home) as session:
        add(session, 0, 80, close)
        views = OperandReader(scenes.DONE, AlgorithmSpec.from_toml(text), 30).read(session)
    assert [(view.name, view.is_price, view.numbers) for view in views[:4]] == [
        ("ema(9) + 2 * atr(5)", True, ()),
        ("ema(9)", True, ()),
        ("atr(5)", False, ()),
        # What is of a higher timeframe is not shown.
        ("rsi(4)", False, ()),
    ]
    assert views[0].values == pytest.approx(views[1].values + 2 * views[2].values)


def test_of_a_long_run_the_newest_bars_are_enough_but_not_for_what_depends_on_the_first_one(
    home, monkeypatch
):
    monkeypatch.setattr(operands, "MOST_BARS", 200)
    close = 100 + 5 * np.sin(np.arange(320) / 9)
    with scenes.written(home) as session:
        add(session, 0, 320, close)
        found = {view.name: view for view in OperandReader(scenes.DONE, SPEC, 50).read(session)}
    assert "obv()" not in found
    assert found["rsi(14)"].values == pytest.approx(talib.RSI(close, 14)[-50:], abs=0.01)


def test_of_a_function_that_begins_with_a_day_so_many_bars_are_used_that_it_has_values(home, monkeypatch):
    monkeypatch.setattr(operands, "MOST_BARS", 30)
    text = SPEC.to_toml().replace('"obv() > sma(5, source=obv())"', '"close > pivots().r1"')
    spec = AlgorithmSpec.from_toml(text)
    with scenes.written(home) as session:
        add(session, 0, 150, 100 + 5 * np.sin(np.arange(150) / 9))
        found = {view.name: view for view in OperandReader(scenes.DONE, spec, 25).read(session)}
    assert np.isfinite(found["pivots().r1"].values).all()
    assert len(np.unique(found["pivots().r1"].values)) > 1
