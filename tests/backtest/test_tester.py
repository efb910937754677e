"""Many tests on the same candles: as ``simulate`` one by one, whatever is compiled, kept or shared."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.backtest import compiling, tester
from firstwatch.backtest.compiling import COMPILING_BARS, LOADING_BARS, NOT_INSTALLED, Compiler
from firstwatch.backtest.prepared import PreparedCandles
from firstwatch.backtest.replay import Replay
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import simulate, simulate_prepared
from firstwatch.market.funding import NO_FUNDING
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy import compiled
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.trading.market import DEFAULT_MARKET
from tests.backtest.specifications import (
    COSTS,
    MARKETS,
    launches,
    random_candles,
    random_funding,
    specifications,
)
from tests.candles import generated_candles

SAMPLE = AlgorithmSpec.from_toml(sample_toml())
DAY_MS = 86_400_000
SAMPLE_LAUNCH = BacktestSettings()


def same(one, other):
    assert list(one.records) == list(other.records)
    assert np.array_equal(one.equity, other.equity)
    assert np.array_equal(one.time_ms, other.time_ms)
    assert one.metrics == other.metrics
    assert one.notes == other.notes
    assert (one.bars, one.missing_bars) == (other.bars, other.missing_bars)


def on(candles, **chosen):
    return tester.Tester(candles, market=DEFAULT_MARKET, costs=COSTS[1], **chosen)


def test_compiled_and_interpreted_backtests_are_equal(tmp_path):
    pytest.importorskip("numba")
    loop = compiled.load_loop(tmp_path)
    seen = Counter()

    @settings(
        max_examples=300,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(data=st.data(), spec=specifications(), seed=st.integers(0, 10_000))
    def equal(data, spec, seed):
        launch = data.draw(launches(spec.direction))
        chosen = {"market": data.draw(st.sampled_from(MARKETS)), "costs": data.draw(st.sampled_from(COSTS))}
        candles = random_candles(seed, 300, data.draw(st.sampled_from([0.004, 0.012, 0.03])))
        funding = random_funding(seed, candles) if data.draw(st.booleans()) else NO_FUNDING
        interpreted = simulate(spec, candles, settings=launch, funding=funding, **chosen)
        prepared = PreparedCandles(candles, SessionCalendar(launch.session), funding)
        fast = simulate_prepared(spec, prepared, settings=launch, loop=loop, **chosen)
        same(interpreted, fast)
        seen["examples"] += 1
        seen["trading"] += bool(interpreted.records)
        seen["with funding"] += any(record.funding for record in interpreted.records)
        for record in interpreted.records:
            seen[record.reason] += 1
        for note in interpreted.notes:
            seen[note.code] += 1

    equal()
    assert seen["examples"] >= 300
    assert seen["trading"] >= 0.6 * seen["examples"], seen
    assert seen["with funding"] >= 50
    assert len(seen) >= 15, seen


def test_tests_of_parts_are_those_of_simulate_and_evaluate_signals_once(monkeypatch):
    candles = generated_candles(3, 3_000)
    shared = on(candles)
    evaluated = []
    made = Replay.__init__

    def count(self, bars, signals):
        evaluated.append(signals)
        made(self, bars, signals)

    monkeypatch.setattr(Replay, "__init__", count)
    begin_ms = int(candles.time_ms[0])
    results = [
        shared.run(SAMPLE, start_ms=begin_ms + k * 20 * DAY_MS, end_ms=begin_ms + (k + 1) * 20 * DAY_MS)
        for k in range(6)
    ]
    assert len(evaluated) == 1
    for k, result in enumerate(results):
        same(
            result,
            simulate(
                SAMPLE, candles, market=DEFAULT_MARKET, costs=COSTS[1],
                start_ms=begin_ms + k * 20 * DAY_MS, end_ms=begin_ms + (k + 1) * 20 * DAY_MS,
            ),
        )  # fmt: skip
    assert sum(len(result.records) for result in results) > 20


def test_trials_that_differ_are_those_of_simulate():
    candles = generated_candles(4, 3_000)
    shared = on(candles)
    found = set()
    for text in (
        sample_toml(),
        sample_toml().replace("< 30", "< 35"),
        sample_toml().replace("rsi(14) < 30", "rsi(9) < 30"),
        sample_toml().replace("rsi(14) < 30", "rsi(9)@4h < 40"),
        sample_toml().replace("rsi(14) < 30", "sma(4, source=rsi(9)) < 40"),
        sample_toml().replace("fraction = 0.05", "atr = 2\nperiod = 14"),
        sample_toml().replace("fraction = 0.05", "atr = 2\nperiod = 20"),
        sample_toml().replace("fraction = 0.10", "fraction = 0.02"),
        sample_toml(),
    ):
        spec = AlgorithmSpec.from_toml(text)
        result = shared.run(spec)
        same(result, simulate(spec, candles, market=DEFAULT_MARKET, costs=COSTS[1]))
        found.add(result.metrics.net_pnl)
    assert len(found) == 8


def test_a_test_that_cannot_be_done_is_refused_as_by_simulate():
    candles = generated_candles(4, 300)
    shared = on(candles)
    other = AlgorithmSpec.from_toml(sample_toml().replace('"1h"', '"4h"'))
    with pytest.raises(WrongUseError, match="give candles of 4h"):
        shared.run(other)
    after_ms = int(candles.time_ms[-1]) + DAY_MS
    with pytest.raises(WrongUseError, match="no bar from"):
        shared.run(SAMPLE, start_ms=after_ms)
    with pytest.raises(WrongUseError, match="no bar"):
        shared.run(SAMPLE, end_ms=int(candles.time_ms[0]))


# --- when it is compiled --------------------------------------------------------------------------


@pytest.fixture
def loads(monkeypatch, tmp_path):
    """What was loaded and whether it was compiled before; nothing is compiled really."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiling, "is_installed", lambda: True)
    monkeypatch.setattr(compiling, "compiled_name", lambda: "name")
    loaded = []

    def load(folder):
        loaded.append(compiled.is_compiled(folder))
        (folder / "core").mkdir(exist_ok=True)
        (folder / "core" / "loop.nbc").touch()
        return loaded.append

    monkeypatch.setattr(compiling, "load_loop", load)
    return loaded


def test_few_bars_are_interpreted(loads):
    compiler = Compiler()
    assert compiler.loop(LOADING_BARS - 1) is None
    assert loads == []


def test_it_is_compiled_once_for_as_many_bars_as_are_interpreted_meanwhile(loads):
    compiler = Compiler()
    assert compiler.loop(525_600, tests=10) is None
    assert compiler.loop(525_600, tests=COMPILING_BARS // 525_600 + 1) is not None
    assert loads == [False]


def test_what_is_compiled_is_loaded_for_fewer_bars_once(loads):
    Compiler().loop(COMPILING_BARS)
    compiler = Compiler()
    assert compiler.loop(LOADING_BARS - 1) is None
    assert compiler.loop(1) is not None
    assert compiler.loop(1) is not None
    assert loads == [False, True]


def test_small_tests_add_up(loads):
    Compiler().loop(COMPILING_BARS)
    compiler = Compiler()
    used = [compiler.loop(100_000) is not None for _ in range(20)]
    assert used == [False] * 9 + [True] * 11


def test_without_numba_everything_works_and_it_says_so_once(monkeypatch, caplog):
    monkeypatch.setattr(compiling, "is_installed", lambda: False)
    monkeypatch.setattr(compiling, "LOADING_BARS", 1_000)
    compiler = Compiler()
    monkeypatch.setattr(tester, "COMPILER", compiler)
    candles = generated_candles(4, 800)
    shared = on(candles, tests=1)
    first = shared.run(SAMPLE)
    assert caplog.messages == []
    for _ in range(3):
        same(shared.run(SAMPLE), first)
    assert caplog.messages == [NOT_INSTALLED]
    assert compiler.slower_because == NOT_INSTALLED


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("of the compiler")])
def test_where_it_cannot_be_compiled_it_is_interpreted(loads, monkeypatch, caplog, error):
    def fail(_):
        raise error

    monkeypatch.setattr(compiling, "load_loop", fail)
    compiler = Compiler()
    assert [compiler.loop(COMPILING_BARS) for _ in range(2)] == [None, None]
    (message,) = caplog.messages
    assert error.args[-1] in message
    assert "ten times as long" in message


@pytest.mark.parametrize("is_there", [False, True])
def test_a_job_that_is_cancelled_while_it_is_compiled_ends(loads, monkeypatch, caplog, is_there):
    if is_there:
        Compiler().loop(COMPILING_BARS)

    def cancelled(_):
        raise FirstwatchError("The job was cancelled.")

    load = compiling.load_loop
    monkeypatch.setattr(compiling, "load_loop", cancelled)
    compiler = Compiler()
    with pytest.raises(FirstwatchError):
        compiler.loop(COMPILING_BARS)
    monkeypatch.setattr(compiling, "load_loop", load)
    assert compiler.loop(COMPILING_BARS) is not None
    assert caplog.messages == []


def test_a_folder_of_another_user_is_not_used(loads, monkeypatch, caplog, tmp_path):
    (tmp_path / "firstwatch").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "firstwatch" / "core-name").symlink_to(tmp_path / "elsewhere")
    assert Compiler().loop(COMPILING_BARS) is None
    assert "is not a folder of this user" in caplog.text
    assert loads == []


def test_the_folder_is_for_its_owner_only(loads, tmp_path):
    Compiler().loop(COMPILING_BARS)
    folder = tmp_path / "firstwatch" / "core-name"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    Compiler().loop(COMPILING_BARS)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_damaged_machine_code_is_compiled_anew(tmp_path, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    candles = generated_candles(4, 800)
    prepared = PreparedCandles(candles, SessionCalendar(SAMPLE_LAUNCH.session), NO_FUNDING)
    chosen = {"market": DEFAULT_MARKET, "costs": COSTS[1], "settings": SAMPLE_LAUNCH}
    wanted = simulate_prepared(SAMPLE, prepared, **chosen)
    for damage in (b"", b"damaged"):
        loop = Compiler().loop(COMPILING_BARS)
        same(wanted, simulate_prepared(SAMPLE, prepared, loop=loop, **chosen))
        files = [path for path in tmp_path.glob("firstwatch/core-*/*/*") if path.suffix in {".nbi", ".nbc"}]
        assert len(files) == 2
        for path in files:
            path.write_bytes(damage)
    same(wanted, simulate_prepared(SAMPLE, prepared, loop=Compiler().loop(COMPILING_BARS), **chosen))
