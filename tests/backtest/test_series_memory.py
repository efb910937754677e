"""Series that are computed once: in memory by use, as files for all processes, never wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from firstwatch.backtest import series_memory
from firstwatch.backtest.cache_folder import cache_folder
from firstwatch.backtest.series_memory import SeriesFiles, SharedSeries
from firstwatch.strategy import evaluation
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.evaluation import ArrayEvaluator, SeriesArrays, evaluate_arrays
from firstwatch.strategy.indicators import lookback
from firstwatch.strategy.language import parse_condition
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles

MIB = 2**20
BARS = 140_000
"""A little more than one MiB of a series."""


def call_of(text):
    return parse_condition(f"{text} > 0", Timeframe.M1).left.call


@pytest.fixture(scope="module")
def candles():
    return generated_candles(1, BARS, Timeframe.M1)


@pytest.fixture
def files(tmp_path):
    return SeriesFiles(tmp_path / "series")


def shared(candles, files, **chosen):
    return SharedSeries(candles, files=lambda: files, written_bytes_a_s=np.inf, **chosen)


def counted(array):
    """A computation of ``array`` that counts its calls."""
    calls = []

    def compute():
        calls.append(1)
        return (array,)

    return compute, calls


def test_a_series_is_computed_once_by_all_processes(candles, files):
    array = np.random.default_rng(1).normal(size=BARS)
    compute, calls = counted(array)
    call = call_of("rsi(14)")
    for _ in range(2):
        memory = shared(candles, files)
        for _ in range(3):
            (found,) = memory.outputs(Timeframe.M1, call, compute)
            assert np.array_equal(found, array)
    assert len(calls) == 1


def test_all_outputs_of_a_function_are_in_its_file(candles, files):
    arrays = tuple(np.random.default_rng(seed).normal(size=BARS) for seed in range(3))
    call = call_of("bbands(20, 2, 2).upperband")
    shared(candles, files).outputs(Timeframe.M1, call, lambda: arrays)
    found = shared(candles, files).outputs(Timeframe.M1, call, lambda: pytest.fail("computed again"))
    assert all(np.array_equal(one, other) for one, other in zip(found, arrays, strict=True))
    with pytest.raises(ValueError, match="read-only"):
        found[0][0] = 1.0


@pytest.mark.parametrize(
    "other",
    ["rsi(15)", "ema(14)", "rsi(14, source=open)", "rsi(14, source=hl2)", "rsi(14, source=sma(3))"],
)
def test_another_function_parameter_or_input_is_another_file(candles, files, other):
    compute, calls = counted(np.zeros(BARS))
    shared(candles, files).outputs(Timeframe.M1, call_of("rsi(14)"), compute)
    shared(candles, files).outputs(Timeframe.M1, call_of(other), compute)
    assert len(calls) == 2


def test_another_history_is_another_file_and_only_the_columns_read_count(candles, files):
    compute, calls = counted(np.zeros(BARS))

    def altered(**columns):
        names = ("time_ms", "open", "high", "low", "close", "volume")
        chosen = {name: getattr(candles, name) for name in names} | columns
        return CandleArrays(**chosen, timeframe=Timeframe.M1)

    def ask(history, text="rsi(14)", timeframe=Timeframe.M1):
        shared(history, files).outputs(timeframe, call_of(text), compute)
        return len(calls)

    close, volume = candles.close.copy(), candles.volume.copy()
    close[BARS // 2] += 0.01
    volume[7] += 1
    assert ask(candles) == 1
    assert ask(altered(close=close)) == 2
    assert ask(altered(volume=volume)) == 2, "an RSI reads no volume"
    assert ask(candles, "mfi(14)") == 3
    assert ask(altered(volume=volume), "mfi(14)") == 4
    assert ask(candles, "rsi(14, source=hl2)") == 5
    assert ask(altered(high=candles.high + 1), "rsi(14, source=hl2)") == 6
    assert ask(candles, "session_vwap().upperband") == 7
    assert ask(altered(time_ms=candles.time_ms + Timeframe.H1.ms), "session_vwap().upperband") == 8
    assert ask(altered(time_ms=candles.time_ms + Timeframe.H1.ms)) == 8, "an RSI reads no time"


def test_another_version_of_the_functions_is_another_file(candles, files, monkeypatch):
    compute, calls = counted(np.zeros(BARS))
    shared(candles, files).outputs(Timeframe.M1, call_of("rsi(14)"), compute)
    monkeypatch.setattr(series_memory, "_VERSION", "another")
    shared(candles, files).outputs(Timeframe.M1, call_of("rsi(14)"), compute)
    assert len(calls) == 2


@pytest.mark.parametrize(
    "text",
    [
        "sma(3, source=-(close - open) / hl2)@1h",
        "ema(9, source=rsi(14, source=ohlc4))",
        "session_vwap().upperband",
        "mavp(2, 30, periods=ht_dcperiod())@15m",
    ],
)
def test_whatever_makes_a_series_is_in_the_name_of_its_file(text):
    ran = set()
    arrays = SeriesArrays(generated_candles(2, 4_000, Timeframe.M1))
    operand = parse_condition(f"{text} > 0", Timeframe.M1).left
    lookback.cache_clear()
    sys.setprofile(lambda frame, event, _: ran.add(frame.f_code.co_filename) if event == "call" else None)
    try:
        arrays.seen(operand)
    finally:
        sys.setprofile(None)
    folder = Path(evaluation.__file__).parent
    assert {Path(each) for each in ran if Path(each).parent == folder} <= {
        Path(module.__file__) for module in series_memory.SOURCES
    }
    assert evaluation.__file__ in ran


def test_a_higher_timeframe_has_files_of_its_own(files):
    candles = generated_candles(1, 3 * BARS, Timeframe.M1)
    compute, calls = counted(np.zeros(BARS))
    for timeframe in (Timeframe.M1, Timeframe.M3, Timeframe.M1, Timeframe.M3):
        shared(candles, files).outputs(timeframe, call_of("rsi(14)"), compute)
    assert len(calls) == 2


def test_what_is_computed_faster_than_written_has_no_file(candles, files, tmp_path):
    SharedSeries(candles, files=lambda: files, written_bytes_a_s=0).outputs(
        Timeframe.M1, call_of("rsi(14)"), lambda: (np.zeros(BARS),)
    )
    assert list(tmp_path.glob("series/*.npy")) == []


def test_a_small_series_has_no_file(tmp_path, files):
    few = generated_candles(1, 10_000, Timeframe.M1)
    shared(few, files).outputs(Timeframe.M1, call_of("rsi(14)"), lambda: (np.zeros(10_000),))
    assert list(tmp_path.glob("series/*.npy")) == []


def test_signals_are_those_of_an_evaluation_without_memory(candles, files):
    """Also with mapped inputs, which cannot be written."""
    text = sample_toml().replace('"1h"', '"1m"')
    specs = [
        AlgorithmSpec.from_toml(text.replace("rsi(14) < 30", condition))
        for condition in (
            "rsi(9) < 40",
            "sma(3, source=rsi(9)) < 40",
            "mfi(14)@15m < 40",
            "ht_trendmode() > 0",
        )
    ]
    for _ in range(2):
        arrays = SeriesArrays(candles, memory=shared(candles, files, most_bytes=3 * MIB))
        for spec in specs:
            found = ArrayEvaluator(spec, candles, arrays=arrays).signals()
            wanted = evaluate_arrays(spec, candles)
            for name in ("entry_long", "exit_long", "ready"):
                assert np.array_equal(getattr(found, name), getattr(wanted, name))
            assert (found.entry_long == 1).any()


def test_memory_keeps_the_last_used_series(candles):
    calls = []

    def compute():
        calls.append(1)
        return (np.zeros(MIB // 8),)

    memory = SharedSeries(candles, most_bytes=2 * MIB)
    one, two, three = (call_of(f"rsi({period})") for period in (5, 6, 7))
    for call in (one, two, one, three, one):
        memory.outputs(Timeframe.M1, call, compute)
    assert len(calls) == 3, "the first was used last, so it was kept"
    memory.outputs(Timeframe.M1, two, compute)
    assert len(calls) == 4


# --- files ----------------------------------------------------------------------------------------


def names_in(folder):
    return {path.stem for path in Path(folder).glob("*.npy")}


def make_older(folder, name, seconds):
    path = Path(folder) / f"{name}.npy"
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))


def test_the_least_recently_used_files_go(tmp_path):
    files = SeriesFiles(tmp_path, most_bytes=6 * MIB)
    array = np.zeros((1, MIB // 8))
    for age, name in enumerate("edcba"):
        files.write(name, array)
        make_older(tmp_path, name, 100 - age)
    assert names_in(tmp_path) == set("abcde")
    assert files.read("e") is not None
    files.write("f", array)
    files.write("g", array)
    assert names_in(tmp_path) == set("abefg")
    assert sum(path.stat().st_size for path in tmp_path.glob("*.npy")) <= 6 * MIB


def test_what_is_too_much_is_swept_at_the_start(tmp_path):
    files = SeriesFiles(tmp_path)
    for age, name in enumerate("abcd"):
        files.write(name, np.zeros((1, MIB // 8)))
        make_older(tmp_path, name, 100 - age)
    (tmp_path / "lost.draft").write_bytes(b"of a process that was killed")
    SeriesFiles(tmp_path, most_bytes=2 * MIB + 4_096)
    assert names_in(tmp_path) == set("cd")
    assert not (tmp_path / "lost.draft").exists()


def test_a_file_that_would_take_a_quarter_of_the_room_is_not_written(tmp_path):
    files = SeriesFiles(tmp_path, most_bytes=3 * MIB)
    files.write("large", np.zeros((1, MIB // 8)))
    assert names_in(tmp_path) == set()


@pytest.mark.parametrize("damage", ["empty", "cut", "head", "other"])
def test_a_damaged_file_is_computed_and_written_anew(candles, files, tmp_path, damage):
    array = np.random.default_rng(1).normal(size=BARS)
    compute, calls = counted(array)
    call = call_of("rsi(14)")
    shared(candles, files).outputs(Timeframe.M1, call, compute)
    (path,) = tmp_path.glob("series/*.npy")
    data = path.read_bytes()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "head":
        path.write_bytes(b"\0" * 64 + data[64:])
    else:
        with path.open("wb") as file:
            np.save(file, np.zeros((2, 5)))
    for _ in range(2):
        (found,) = shared(candles, files).outputs(Timeframe.M1, call, compute)
        assert np.array_equal(found, array)
    assert len(calls) == 2


def test_a_full_disk_changes_nothing(candles, files, tmp_path, monkeypatch):
    array = np.random.default_rng(1).normal(size=BARS)
    compute, calls = counted(array)

    def full(file, *_, **__):
        file.write(b"half of")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    for _ in range(2):
        (found,) = shared(candles, files).outputs(Timeframe.M1, call_of("rsi(14)"), compute)
        assert np.array_equal(found, array)
    assert len(calls) == 2
    assert [path.name for path in (tmp_path / "series").iterdir()] == [".lock"]


def test_a_mapped_series_outlives_its_file(candles, files, tmp_path):
    array = np.random.default_rng(1).normal(size=BARS)
    call = call_of("rsi(14)")
    shared(candles, files).outputs(Timeframe.M1, call, lambda: (array,))
    (found,) = shared(candles, files).outputs(Timeframe.M1, call, lambda: pytest.fail("computed again"))
    for path in tmp_path.glob("series/*.npy"):
        path.unlink()
    assert np.array_equal(found, array)


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from firstwatch.backtest.series_memory import SeriesFiles
files = SeriesFiles(Path(sys.argv[1]), most_bytes=8 * 2**20)
for number in range(40):
    name = f"{number % 13}"
    files.write(name, np.full((1, 2**17), float(name)))
    for other in range(13):
        found = files.read(str(other))
        assert found is None or (found == other).all()
"""


def test_processes_that_write_at_once_stay_in_the_room_and_never_read_a_part(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for writer in writers:
        _, error = writer.communicate(timeout=120)
        assert writer.returncode == 0, error
    sizes = [path.stat().st_size for path in tmp_path.glob("*.npy")]
    assert 4 * MIB < sum(sizes) <= 8 * MIB


def test_the_folder_of_a_cache_is_for_its_owner_only(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder("series")
    assert folder == tmp_path / "firstwatch" / "series"
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="not a folder of this user"):
        cache_folder("series")


def test_without_a_cache_series_are_computed(monkeypatch):
    def refuse(_):
        raise PermissionError("no")

    monkeypatch.setattr(series_memory, "cache_folder", refuse)
    series_memory.series_files.cache_clear()
    try:
        assert series_memory.series_files() is None
    finally:
        series_memory.series_files.cache_clear()
