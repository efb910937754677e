"""How fast candles get from a file to arrays, and a seed to candles."""

import gzip
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from firstwatch.market.cache import CandleCache
from firstwatch.market.files import read_candles, write_candles
from firstwatch.market.synthetic import SyntheticMarket
from firstwatch.trading.timeframe import Timeframe
from tests.candles import START_MS, generated_candles

BARS = 58_623


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = tmp_path_factory.mktemp("candles") / "candles.csv"
    write_candles(plain, generated_candles(1, BARS))
    zipped = plain.with_suffix(".csv.gz")
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    return zipped


def median_s(benchmark: BenchmarkFixture) -> float:
    return float(benchmark.stats.stats.median)


def test_reading_a_gzipped_file(benchmark: BenchmarkFixture, source: Path) -> None:
    found = benchmark.pedantic(read_candles, (source,), rounds=5, warmup_rounds=1)
    assert len(found.candles) == BARS
    assert median_s(benchmark) <= 0.1


def test_reading_kept_candles(benchmark: BenchmarkFixture, source: Path, tmp_path: Path) -> None:
    cache = CandleCache(tmp_path)
    found = benchmark.pedantic(cache.read, (source,), rounds=5, warmup_rounds=1)
    assert len(found.candles) == BARS
    assert median_s(benchmark) <= 0.01


def test_inventing_a_year_of_minutes(benchmark: BenchmarkFixture) -> None:
    found = benchmark.pedantic(
        lambda: SyntheticMarket(1, Timeframe.M1).candles(START_MS, 525_600), rounds=3, warmup_rounds=1
    )
    assert len(found) == 525_600
    assert median_s(benchmark) <= 2
