"""Packed candles: the same bits back, a name that follows from them, and a sentence for a damaged file."""

import os
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.market.funding import FundingSeries
from firstwatch.market.packed import (
    BASELINE_FOLDER,
    History,
    fingerprint,
    has_baseline_candles,
    keep_history,
    load_baseline_candles,
    pack,
    unpack,
)
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.errors import StoreError
from firstwatch.trading.timeframe import Timeframe
from tests.backtest.specifications import random_candles, random_funding
from tests.candles import generated_candles

CANDLES = generated_candles(3, 400)
RATES = FundingSeries(np.array([0, 3_600_000]), np.array([1e-4, -2e-5]))


def rows(history):
    candles, funding = history.candles, history.funding
    return candles.timeframe, candles.bars(), funding.time_ms.tolist(), funding.rate.tolist()


@given(st.integers(0, 50), st.integers(0, 300), st.sampled_from(list(Timeframe)), st.booleans())
def test_what_is_packed_comes_back_bit_for_bit(seed, bars, timeframe, has_rates):
    candles = random_candles(seed, bars + 1, 0.01, timeframe).part(0, bars)
    history = History(candles, random_funding(seed, candles) if has_rates and bars else RATES)
    name, back = unpack(pack(history))
    assert rows(back) == rows(history)
    assert name == fingerprint(history) == fingerprint(back)
    assert back.candles.close.flags.writeable


def test_any_other_number_is_another_fingerprint():
    names = {fingerprint(History(CANDLES)), fingerprint(History(CANDLES, RATES))}
    for column in ("time_ms", "open", "high", "low", "close", "volume"):
        columns = {name: getattr(CANDLES, name) for name in CandleArrays.__slots__}
        columns[column] = columns[column].copy()
        columns[column][7] += 1
        names.add(fingerprint(History(CandleArrays(**columns))))
    columns = {name: getattr(CANDLES, name) for name in CandleArrays.__slots__}
    names.add(fingerprint(History(CandleArrays(**columns | {"timeframe": Timeframe.M30}))))
    assert len(names) == 9


@given(st.data())
def test_damage_is_a_value_error(data):
    whole = pack(History(CANDLES.part(0, 40), RATES))
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    damaged = whole[:place] if cut else whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :]
    with pytest.raises(ValueError, match=r"it |its "):
        unpack(damaged)


def test_candles_are_kept_once_and_private(tmp_path):
    name = keep_history(tmp_path, History(CANDLES))
    path = tmp_path / BASELINE_FOLDER / f"{name}.candles"
    before = path.stat()
    assert keep_history(tmp_path, History(CANDLES)) == name
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert stat.S_IMODE(before.st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert rows(load_baseline_candles(tmp_path, name)) == rows(History(CANDLES))
    assert has_baseline_candles(tmp_path, name)


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_candles_that_are_lost_are_a_sentence(tmp_path, damage):
    name = keep_history(tmp_path, History(CANDLES))
    path = tmp_path / BASELINE_FOLDER / f"{name}.candles"
    if damage == "missing":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes(whole[:-3] if damage == "cut" else pack(History(CANDLES.part(0, 9))))
    with pytest.raises(StoreError, match="Make the baseline anew"):
        load_baseline_candles(tmp_path, name)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / BASELINE_FOLDER).write_text("a file is in the way")
    with pytest.raises(StoreError, match="Nothing was saved"):
        keep_history(tmp_path, History(CANDLES))


KILLED = """
import os, signal, sys
from pathlib import Path
from firstwatch.market import packed
from tests.candles import generated_candles
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
packed.keep_history(Path(sys.argv[1]), packed.History(generated_candles(3, 400)))
"""


def test_a_kill_half_way_leaves_nothing_that_counts(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not has_baseline_candles(tmp_path, fingerprint(History(CANDLES)))
    name = keep_history(tmp_path, History(CANDLES))
    assert sorted(os.listdir(tmp_path / BASELINE_FOLDER)) == [".lock", f"{name}.candles"]
