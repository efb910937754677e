"""Budgets of the first watch's tables: one core, six months of one-minute bars; what a look costs.

``pytest tests/benchmarks/test_watch.py`` (outside of the test paths).
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from firstwatch.watch.joint import judge
from firstwatch.watch.windows import Looks
from tests.watch.days import GRID_MS, LOOKS, invented_days
from tests.watch.test_joint import tables_of

_MEASURED = """
import json, resource, time
from decimal import Decimal
from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.timeframe import Timeframe
from firstwatch.watch.recipe import Recipe, make_day_tables
from firstwatch.watch.windows import Baseline, Windows
from tests.candles import generated_candles
from tests.watch.algorithms import FOLDER

text = (FOLDER / "long_5m.toml").read_text().replace('"5m"', '"1m"')
text = text.replace("rsi(5) < 30", "%(entry)s").replace("rsi(5) > 60", "%(exit)s")
spec = AlgorithmSpec.from_toml(text)
candles = generated_candles(1, 182 * 1440, Timeframe.M1)
costs = Costs(Decimal("0.5"), Decimal("0.5"), Decimal(2))
recipe = Recipe(baseline="b", settings="{}", seed=1, begin_ms=10 * 3_600_000)
began = time.process_time()
windows = Windows(Baseline(spec, candles, DEFAULT_MARKET, costs, BacktestSettings()))
tables = make_day_tables(windows, recipe)
print(json.dumps({
    "seconds": time.process_time() - began,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "entries": float(tables.bands[1, 1, -1]),
    "windows": tables.windows,
    "packed": len(tables.pack()),
}))
"""


@pytest.mark.parametrize(
    ("entry", "exit_", "entries", "seconds"),
    [("rsi(10) < 30", "rsi(10) > 60", 28, 8), ("rsi(2) < 30", "rsi(2) > 70", 120, 25)],
    ids=["30 a day", "130 a day"],
)
def test_tables_of_six_months_of_minutes(entry, exit_, entries, seconds):
    program = _MEASURED % {"entry": entry, "exit": exit_}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["entries"] >= entries, found
    assert found["windows"] > 1_600, found
    assert found["seconds"] <= seconds, found
    assert found["megabytes"] <= 300, found
    assert found["packed"] <= 1_000_000, found


def test_a_look(benchmark):
    random = np.random.default_rng(1)
    tables = tables_of(invented_days(random, 182, starts=9))
    live: Looks = invented_days(random, 1, starts=1)
    assert live.drawdown.shape == (1, LOOKS) == (1, len(GRID_MS))
    judged = benchmark(judge, tables, live)
    assert judged.look == LOOKS - 1
    assert benchmark.stats.stats.median <= 0.005
