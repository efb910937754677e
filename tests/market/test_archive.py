"""The archive: the same whatever the order of imports, never changed, whole after a kill."""

import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.market.archive import (
    ARCHIVE_FOLDER,
    Extension,
    Series,
    extend,
    find_series,
    list_series,
    read_series,
    series_of,
    sound_candles,
)
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import StoreError, WrongUseError
from firstwatch.trading.timeframe import Timeframe
from tests.backtest.specifications import random_candles

SERIES = series_of("hyperliquid", "BTC/USDC:USDC", Timeframe.H1)
CANDLES = random_candles(7, 2_200, 0.01)
"""Three months with holes."""


def files(home):
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*.candles")
    }  # fmt: skip


def bent(candles, place):
    close = candles.close.copy()
    close[place] = candles.low[place] if candles.close[place] != candles.low[place] else candles.high[place]
    return replace(candles, close=close)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_order_of_overlapping_imports_gives_the_same_archive(tmp_path_factory, data):
    cuts = data.draw(st.lists(st.integers(0, len(CANDLES)), min_size=2, max_size=6))
    parts = [CANDLES.part(min(pair), max(pair)) for pair in pairwise(cuts)]
    homes = []
    for order in (parts, data.draw(st.permutations(parts)), [*parts, *parts]):
        homes.append(tmp_path_factory.mktemp("home"))
        for part in order:
            assert extend(homes[-1], SERIES, part).differing == 0
    kept = [files(home) for home in homes]
    assert kept[0] == kept[1] == kept[2]
    covered = sorted({bar.time_ms for part in parts for bar in part.bars()})
    if covered:
        found = read_series(homes[0], SERIES).candles
        assert found.bars() == [bar for bar in CANDLES.bars() if bar.time_ms in set(covered)]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_what_is_archived_is_never_changed(tmp_path_factory, data):
    home = tmp_path_factory.mktemp("home")
    cut = data.draw(st.integers(1, 300))
    extend(home, SERIES, CANDLES.part(0, cut))
    place = data.draw(st.integers(0, cut + 20))
    offered = bent(CANDLES.part(0, cut + 50), place)
    found = extend(home, SERIES, offered)
    is_kept = place < cut
    assert found.added == 50
    assert found.differing == int(is_kept)
    kept = read_series(home, SERIES).candles.bars()
    assert kept[:cut] == CANDLES.bars()[:cut]
    if is_kept:
        assert found.differences[0].kept == CANDLES.bar(place)
        assert found.differences[0].offered == offered.bar(place)
        assert "the archive keeps close" in str(found.differences[0])


def test_nothing_new_writes_nothing(tmp_path):
    extend(tmp_path, SERIES, CANDLES)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.candles")}
    assert extend(tmp_path, SERIES, CANDLES) == Extension(known=len(CANDLES))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.candles")} == before


def test_a_file_is_of_one_month_and_private(tmp_path):
    extend(tmp_path, SERIES, CANDLES)
    folder = tmp_path / ARCHIVE_FOLDER / "hyperliquid" / "BTC%2FUSDC%3AUSDC" / "1h"
    names = sorted(path.name for path in folder.iterdir() if path.name != ".lock")
    assert names == [f"2024-0{month}.candles" for month in (1, 2, 3, 4)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_each_hole_is_reported(tmp_path):
    extend(tmp_path, SERIES, CANDLES.part(0, 40))
    extend(tmp_path, SERIES, CANDLES.part(700, 800))
    holes = read_series(tmp_path, SERIES).holes
    missing = sum(hole.bars for hole in holes)
    span = (CANDLES.time_ms[799] - CANDLES.time_ms[0]) // 3_600_000 + 1
    assert missing == span - 140
    assert str(holes[-1 if holes[-1].bars > 300 else 0]).startswith("row ")


def test_a_series_is_found_by_its_reference(tmp_path):
    one, two = CANDLES.part(0, 10), CANDLES.part(0, 20)
    extend(tmp_path, SERIES, one)
    assert find_series(tmp_path, "archive:BTC/USDC:USDC@1h") == SERIES
    assert find_series(tmp_path, str(SERIES)) == SERIES
    imported = series_of("files", "BTC/USDC:USDC", Timeframe.H1)
    extend(tmp_path, imported, two)
    extend(tmp_path, series_of("files", "BTCUSDT", Timeframe.H1), two)
    with pytest.raises(WrongUseError, match="several sources have BTC/USDC:USDC@1h: write archive:files:BTC"):
        find_series(tmp_path, "archive:BTC/USDC:USDC@1h")
    assert find_series(tmp_path, "archive:files:BTC/USDC:USDC@1h") == imported
    assert find_series(tmp_path, "archive:BTCUSDT@1h").symbol == "BTCUSDT"
    assert len(list_series(tmp_path)) == 3
    assert len(read_series(tmp_path, imported).candles) == 20


@pytest.mark.parametrize("name", ["archive:", "archive:BTC", "archive:BTC@2m", "archive:BTC@", "archive:@1h"])
def test_a_reference_that_names_nothing_is_a_sentence(tmp_path, name):
    with pytest.raises(WrongUseError, match="archive"):
        find_series(tmp_path, name)


@pytest.mark.parametrize(("source", "symbol"), [
    ("../x", "BTC"), ("", "BTC"), ("a/b", "BTC"), ("A", "BTC"), ("a", ""), ("a", "B@C"), ("a", "x" * 81),
    ("a", "\x1b[2J"),
])  # fmt: skip
def test_a_name_cannot_leave_the_folder(source, symbol):
    with pytest.raises(WrongUseError):
        series_of(source, symbol, Timeframe.M1)


def test_a_symbol_of_dots_stays_in_the_archive(tmp_path):
    series = series_of("a", "../../x", Timeframe.H1)
    extend(tmp_path / "home", series, CANDLES.part(0, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert list_series(tmp_path / "home") == [series]


def test_a_damaged_month_is_a_sentence_and_is_left_as_it_is(tmp_path):
    extend(tmp_path, SERIES, CANDLES.part(0, 50))
    (path,) = tmp_path.rglob("*.candles")
    path.write_bytes(path.read_bytes()[:-5])
    before = path.read_bytes()
    for act in (lambda: read_series(tmp_path, SERIES), lambda: extend(tmp_path, SERIES, CANDLES.part(0, 60))):
        with pytest.raises(StoreError, match="Move it away"):
            act()
    assert path.read_bytes() == before


def test_candles_of_another_timeframe_are_refused(tmp_path):
    with pytest.raises(WrongUseError, match="no candles of 1h"):
        extend(tmp_path, Series("a", "BTC", Timeframe.M1), CANDLES)


@pytest.mark.parametrize("bar", [
    Bar(1, 1, 1, 1, 1, 1), Bar(3_600_000, 1, 1, 1, 1, -1), Bar(3_600_000, 1, float("nan"), 1, 1, 1),
    Bar(3_600_000, 0, 1, 0, 1, 1), Bar(0, 1, 1, 1, 1, 1),
])  # fmt: skip
def test_what_a_venue_says_must_be_candles(bar):
    first = Bar(0, 1, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="is not a candle of 1h"):
        sound_candles([first, bar], Timeframe.H1)
    assert sound_candles([first], Timeframe.H1).bars() == [first]


KILLED = """
import os, signal, sys
from pathlib import Path
from firstwatch.market import archive, packed
from tests.market.test_archive import CANDLES, SERIES
synced = os.fsync
left = [2]
def stop(descriptor):
    left[0] -= 1
    if left[0]:
        synced(descriptor)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = stop
archive.extend(Path(sys.argv[1]), SERIES, CANDLES)
"""


def test_a_kill_half_way_leaves_whole_months_and_the_next_import_completes_them(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    months = read_series(tmp_path, SERIES).candles
    assert 0 < len(months) < len(CANDLES)
    assert months.bars() == CANDLES.bars()[: len(months)]
    found = extend(tmp_path, SERIES, CANDLES)
    assert (found.added, found.known) == (len(CANDLES) - len(months), len(months))
    assert read_series(tmp_path, SERIES).candles.bars() == CANDLES.bars()
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if "draft" in name]


def test_the_candles_are_of_three_months_with_holes():
    assert len(CANDLES) > 2_000
    assert (np.diff(CANDLES.time_ms) > 3_600_000).any()
    assert isinstance(CANDLES, CandleArrays)
