"""The candle cache: the same candles, made anew when anything is different or damaged."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.market import cache as cache_module
from firstwatch.market.cache import CandleCache
from firstwatch.market.files import CandleFile, read_candles, write_candles
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles


@pytest.fixture
def source(tmp_path: Path) -> Path:
    candles = generated_candles(1, 300)
    path = tmp_path / "candles.csv"
    write_candles(path, candles)
    rows = path.read_text().splitlines()
    del rows[100:103]
    path.write_text("\n".join(rows))
    return path


def same(one: CandleFile, other: CandleFile) -> bool:
    return (
        one.candles.bars() == other.candles.bars()
        and (one.holes, one.timeframe) == (other.holes, other.timeframe)
        and one.candles.close.flags.c_contiguous
    )


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    seen: list[Path] = []

    def counted(path: Path, timeframe: Timeframe | None = None) -> CandleFile:
        seen.append(path)
        return read_candles(path, timeframe)

    monkeypatch.setattr(cache_module, "read_candles", counted)
    return seen


def test_the_second_read_does_not_parse(tmp_path: Path, source: Path, parses: list[Path]) -> None:
    cache = CandleCache(tmp_path / "data" / "candles")
    first, second = cache.read(source), cache.read(source)
    assert same(first, second)
    assert len(second.holes) == 1
    assert parses == [source]
    assert [path.suffix for path in (tmp_path / "data" / "candles").iterdir()] == [".npy"]


def test_a_changed_source_is_read_anew(tmp_path: Path, source: Path, parses: list[Path]) -> None:
    cache = CandleCache(tmp_path / "candles")
    cache.read(source)
    write_candles(source, generated_candles(2, 300))
    os.utime(source, ns=(1, 1))
    assert same(cache.read(source), read_candles(source))
    os.utime(source, ns=(2, 2))
    cache.read(source)
    assert len(parses) == 3
    assert len(list((tmp_path / "candles").iterdir())) == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_cache_is_made_anew(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("cache")
    path = folder / "candles.csv"
    write_candles(path, generated_candles(1, 30))
    cache = CandleCache(folder / "kept")
    whole = cache.read(path)
    kept = next((folder / "kept").iterdir())
    content = bytearray(kept.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    kept.write_bytes(content)
    assert same(cache.read(path), whole)
    assert kept.read_bytes() != content


def test_the_wanted_timeframe_holds_for_kept_candles_too(tmp_path: Path, source: Path) -> None:
    cache = CandleCache(tmp_path / "candles")
    assert cache.read(source, Timeframe.H1).timeframe is Timeframe.H1
    with pytest.raises(WrongUseError, match="holds 1h candles, but 1m candles are needed"):
        cache.read(source, Timeframe.M1)


def test_a_cache_that_cannot_be_written_is_logged_and_harmless(
    tmp_path: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "candles").write_text("a file where the folder should be")
    found = CandleCache(tmp_path / "candles").read(source)
    assert np.array_equal(found.candles.close, read_candles(source).candles.close)
    assert "are not kept" in caplog.text


def test_a_missing_source_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="cannot read"):
        CandleCache(tmp_path / "candles").read(tmp_path / "nothing.csv")
