"""Budgets of the backtest: ``pytest tests/benchmarks`` (outside of the test paths).

From candle arrays in memory to trades, equity and metrics, indicators computed anew; the median of
five rounds after one to warm up. The whole process is measured as an operator starts it.
"""

import compileall
import json
import os
import statistics
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

import firstwatch
from firstwatch.backtest.simulate import simulate
from firstwatch.market.files import write_candles
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles

COSTS = Costs(Decimal("4.5"), Decimal("4.5"), Decimal(2))
# A child's peak begins with what its parent has: this parent is small.
_PEAK = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
    " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def test_a_year_of_minutes(benchmark):
    candles = generated_candles(1, 525_600, Timeframe.M1)
    spec = AlgorithmSpec.from_toml(sample_toml().replace('"1h"', '"1m"'))

    def backtest():
        return simulate(spec, candles, market=DEFAULT_MARKET, costs=COSTS)

    result = benchmark.pedantic(backtest, rounds=5, warmup_rounds=1)
    assert result.metrics.total_trades > 1000
    assert benchmark.stats.stats.median <= 0.45


def test_the_whole_process_on_58623_hours(tmp_path: Path):
    candles = tmp_path / "candles.csv.gz"
    write_candles(candles, generated_candles(2, 58_623))
    algorithm = tmp_path / "sample.toml"
    algorithm.write_text(sample_toml(), encoding="utf-8")
    compileall.compile_dir(str(Path(firstwatch.__file__).parent), quiet=2)
    program = Path(sys.executable).with_name("firstwatch")
    command = [program, "backtest", algorithm, "--candles", candles, "--json"]
    environment = os.environ | {"FIRSTWATCH_HOME": str(tmp_path / "home")}

    def seconds() -> float:
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        spent = time.perf_counter() - begin
        assert json.loads(done.stdout)["bars"] > 58_000
        return spent

    seconds()
    median = statistics.median(seconds() for _ in range(5))
    measured = subprocess.run(
        [sys.executable, "-c", _PEAK, *command], capture_output=True, text=True, check=True, env=environment
    )
    megabytes = int(measured.stdout) / 1024
    assert median <= 0.7, f"{median:.2f} s"
    assert megabytes <= 130, f"{megabytes:.0f} MB"


@pytest.mark.parametrize("side", ["long", "both"])
def test_a_busy_algorithm(benchmark, side):
    """In the market most of the time, trailing at nearly every bar: the slow path."""
    candles = generated_candles(1, 100_000, Timeframe.M1)
    text = sample_toml().replace('"1h"', '"1m"').replace('direction = "long"', f'direction = "{side}"')
    if side == "both":
        text = text.replace("[exit.long]", '[entry.short]\nrequired = ["rsi(14) > 70"]\n\n[exit.long]')
    spec = AlgorithmSpec.from_toml(text)
    result = benchmark.pedantic(
        lambda: simulate(spec, candles, market=DEFAULT_MARKET, costs=COSTS), rounds=5, warmup_rounds=1
    )
    assert result.metrics.exposure > 0.4
