"""What is assumed of a market that no file describes."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from firstwatch.market.assumed import market_of_candles, market_of_file, symbol_of, tick_of
from firstwatch.market.files import write_candles
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.market import Market
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles

SPEC = """
name = "any"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["close > sma(3)"]
[stop_loss]
{stop}
[sizing]
equity = 0.5
"""


def scaled(over: float, decimals: int | None, dtype: type = np.float64) -> CandleArrays:
    """Return candles of about 60,000 / over, rounded, or as they were computed."""
    made = generated_candles(3, 400)
    columns = [column / over for column in (made.open, made.high, made.low, made.close)]
    if decimals is not None:
        columns = [np.round(column, decimals) for column in columns]
    columns = [column.astype(dtype).astype(np.float64) for column in columns]
    return CandleArrays(made.time_ms, *columns, made.volume, Timeframe.H1)


def spec_of(stop: str = "fraction = 0.05", symbol: str = "") -> AlgorithmSpec:
    return AlgorithmSpec.from_toml(symbol + SPEC.format(stop=stop))


def assumed(candles: CandleArrays, *, name: str = "candles.csv", given: Market | None = None, **spec: str):
    return market_of_candles(Path(name), candles, given, spec_of(**spec))


@pytest.mark.parametrize(
    ("over", "decimals", "dtype", "tick", "step"),
    [
        (1, 2, np.float64, "0.01", "1E-7"),
        (1, 0, np.float64, "0.1", "1E-7"),
        (500_000, 6, np.float64, "0.000001", "0.1"),
        (500_000, 6, np.float32, "0.000001", "0.1"),
        (6e9, 10, np.float64, "1E-10", "1E+3"),
        (7, None, np.float64, "0.00001", "0.000001"),
    ],
)
def test_tick_and_step_follow_from_the_prices(over, decimals, dtype, tick, step):
    market, _ = assumed(scaled(over, decimals, dtype))
    assert (market.tick, market.amount_step) == (Decimal(tick), Decimal(step))
    assert (market.minimum_cost, market.maintenance_rate, market.maximum_leverage) == (
        10, Decimal("0.0125"), 50,
    )  # fmt: skip


def test_noise_of_floats_and_a_hundredth_of_odd_prices_are_no_decimals():
    candles = scaled(500_000, 6)
    candles.close[::2] += 1e-17
    candles.open[:15] += 4e-8
    assert tick_of(candles) == Decimal("0.000001")
    candles.open[:30] += 4e-8
    assert tick_of(candles) < Decimal("0.000001")


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("binance_BTCUSDT_perp_1h.csv.gz", "BTC/USDT:USDT"),
        ("hyperliquid_BTCUSDC_perp_1m.csv", "BTC/USDC:USDC"),
        ("DOGE_USDT_USDT-1h-futures.csv", "DOGE/USDT:USDT"),
        ("1000pepe-usdt.csv", "1000PEPE/USDT:USDT"),
        ("ETHUSD.csv", "ETH/USD:USD"),
        ("candles.csv", "UNKNOWN/USDC:USDC"),
        ("2024_1h.csv", "UNKNOWN/USDC:USDC"),
    ],
)
def test_the_symbol_is_looked_for_in_the_files_name(name, symbol):
    assert symbol_of(Path("/data/BTCUSDC") / name) == symbol


def test_what_is_assumed_is_said_and_only_that():
    _, (note,) = assumed(scaled(500_000, 6))
    assert note.code is NoteCode.ASSUMED_MARKET
    for part in (
        "UNKNOWN/USDC:USDC",
        "tick 0.000001",
        "amount step 0.1",
        "order 10",
        "0.0125",
        "leverage 50",
    ):
        assert part in note.sentence
    given = Market(symbol="DOGE/USDC:USDC", tick=Decimal("0.001"))
    market, (note,) = assumed(scaled(500_000, 6), given=given)
    assert (market.symbol, market.tick, market.amount_step) == (given.symbol, given.tick, Decimal("0.1"))
    assert "tick" not in note.sentence
    assert "DOGE" not in note.sentence
    whole = Market.model_validate(Market().model_dump())
    assert assumed(scaled(1, 2), given=whole) == (whole, ())


def test_an_algorithms_own_symbol_stands_over_the_files_name():
    market, _ = assumed(scaled(1, 2), symbol='symbol = "ETH/USDC:USDC"\n')
    assert market.symbol == "ETH/USDC:USDC"


def test_prices_too_coarse_to_say_a_tick_are_refused(tmp_path):
    with pytest.raises(WrongUseError, match=r"steps of 0\.01, .* of the price.*--market"):
        assumed(scaled(500_000, 2))
    write_candles(tmp_path / "x.csv", scaled(500_000, 2))
    with pytest.raises(WrongUseError, match="too coarse"):
        market_of_file(tmp_path / "x.csv", None)
    given = Market(tick=Decimal("0.000001"))
    assert assumed(scaled(500_000, 2), given=given)[0].tick == given.tick


@pytest.mark.parametrize("stop", ["fraction = 0.000001", "amount = 0.09", "atr = 0.0001\nperiod = 3"])
def test_a_level_nearer_than_ten_ticks_is_refused(stop):
    with pytest.raises(WrongUseError, match=r"more than a tenth"):
        assumed(scaled(1, 2), stop=stop)
    assumed(scaled(1, 2), stop="amount = 0.1")
