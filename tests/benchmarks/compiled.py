"""The budgets of the compiled core: ``python -m tests.benchmarks.compiled``, on a quiet machine.

525,600 one-minute bars of the sample algorithm on one core; wall time, the median of several rounds. Each
line that needs a process of its own starts one, with compiled byte code. Beside them stand the interpreted
core and, with ``--peers PYTHON``, other backtesters that are installed for that interpreter (``peers``).

Exit code 1: a figure is above its budget.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from firstwatch.backtest.compiling import COMPILER, COMPILING_BARS
from firstwatch.backtest.notes import NoteKeeper
from firstwatch.backtest.prepared import PreparedCandles
from firstwatch.backtest.replay import Played
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import BacktestResult, simulate
from firstwatch.backtest.tester import Tester
from firstwatch.market.funding import NO_FUNDING
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core import new_state
from firstwatch.strategy.core_settings import Costs, build_settings
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles

BARS = 525_600
FOLDS = 12
TRIALS = 100
COSTS = Costs(Decimal("4.5"), Decimal("4.5"), Decimal(2))
_ROOT = Path(__file__).parents[2]
_CHILD = "from tests.benchmarks import compiled; compiled.first_call()"


@dataclass(frozen=True)
class Line:
    """One line of the table; ``budget_s`` None: for comparison only."""

    name: str
    seconds: float
    budget_s: float | None = None

    @property
    def is_kept(self) -> bool:
        return self.budget_s is None or self.seconds <= self.budget_s

    def __str__(self) -> str:
        budget = "" if self.budget_s is None else f"{self.budget_s * 1e3:10,.0f}"
        return f"{self.name:62}{self.seconds * 1e3:12,.1f}{budget:>10}{'' if self.is_kept else '  ABOVE'}"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def year() -> CandleArrays:
    return generated_candles(1, BARS, Timeframe.M1)


def sample(entry: str = "rsi(14) < 30", leave: str = "rsi(14) > 70") -> AlgorithmSpec:
    text = sample_toml().replace('"1h"', '"1m"')
    return AlgorithmSpec.from_toml(text.replace("rsi(14) < 30", entry).replace("rsi(14) > 70", leave))


def tester(candles: CandleArrays, tests: int) -> Tester:
    return Tester(candles, market=DEFAULT_MARKET, costs=COSTS, tests=tests)


def median_of(rounds: int, function: Callable[[], object]) -> float:
    spent = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        function()
        spent.append(time.perf_counter() - began_s)
    return statistics.median(spent)


def first_call() -> None:
    """Print the seconds of the first test in this process from numba's import on, and all since the start."""
    shared = tester(year(), tests=1_000)
    spec = sample()
    began_s = time.perf_counter()
    loop = COMPILER.loop(COMPILING_BARS)
    result = shared.run(spec)
    spent_s = time.perf_counter() - began_s
    assert loop is not None, COMPILER.slower_because
    say(json.dumps({"seconds": spent_s, "trades": len(result.records)}))


def in_a_later_process(environment: dict[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True, env=environment, cwd=_ROOT
    )
    return float(json.loads(done.stdout)["seconds"])


_shared: Tester | None = None


def trial(number: int) -> float:
    """Return the net PnL of one trial: two periods and two thresholds; a worker reads its candles once."""
    global _shared
    if _shared is None:
        _shared = tester(mapped_year(), tests=TRIALS // 2)
    random = np.random.default_rng(number)
    periods = random.integers(5, 30, 2)
    spec = sample(
        f"rsi({periods[0]}) < {random.integers(20, 40)}", f"rsi({periods[1]}) > {random.integers(60, 80)}"
    )
    return _shared.run(spec).metrics.net_pnl or 0.0


def mapped_year() -> CandleArrays:
    """Return the year from the file of the trials, mapped."""
    columns = np.load(os.environ["FIRSTWATCH_BENCHMARK_CANDLES"], mmap_mode="r")
    return CandleArrays(columns[0].view(np.int64), *columns[1:], Timeframe.M1)


def trials(candles: CandleArrays, folder: Path) -> float:
    path = folder / "year.npy"
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    np.save(path, np.stack([candles.time_ms.view(np.float64), *columns]))
    os.environ["FIRSTWATCH_BENCHMARK_CANDLES"] = str(path)
    began_s = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        found = list(workers.map(trial, range(TRIALS)))
    spent_s = time.perf_counter() - began_s
    assert len(set(found)) > TRIALS // 2
    return spent_s


def folds(shared: Tester, spec: AlgorithmSpec) -> list[BacktestResult]:
    """Return the tests of a year's twelve parts, one after the other."""
    edges = np.linspace(0, BARS, FOLDS + 1).astype(np.int64)
    times = np.append(shared.candles.time_ms, shared.candles.time_ms[-1] + 60_000)[edges].tolist()
    return [shared.run(spec, start_ms=start, end_ms=end) for start, end in pairwise(times)]


def lines(rounds: int, peers: str | None) -> Iterator[Line]:
    candles, spec = year(), sample()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytes")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        environment = dict(os.environ)
        cold_s = in_a_later_process(environment)
        warm_s = statistics.median(in_a_later_process(environment) for _ in range(5))
        yield Line("first call in a later process, from numba's import on", warm_s, 0.8)
        yield Line("  the same before the core was ever compiled", cold_s)

        loop = COMPILER.loop(COMPILING_BARS)
        assert loop is not None, COMPILER.slower_because
        core = build_settings(spec, market=DEFAULT_MARKET, costs=COSTS, capital=Decimal(10_000))
        prepared = PreparedCandles(candles, SessionCalendar(BacktestSettings().session), NO_FUNDING)
        replay = prepared.replay(spec)
        first = replay.signals.first_ready

        def play() -> None:
            state, played = new_state(core), Played()
            notes = NoteKeeper(core, DEFAULT_MARKET)
            replay.play(state, core, first, BARS, played, notes=notes, loop=loop)
            replay.finish(state, core, BARS, played)

        play()
        yield Line("loop, the conditions' arrays ready", median_of(rounds, play), 0.013)

        periods = iter(range(15, 10_000))

        def two_new(shared: Tester) -> Callable[[], object]:
            def run() -> None:
                period = next(periods)
                shared.run(sample(f"rsi({period}) < 30", f"ema({period}) > close"))

            return run

        shared = tester(candles, tests=1_000)
        shared.run(spec)
        name = "candles in memory to trades, equity, metrics; two new indicators"
        yield Line(name, median_of(rounds, two_new(shared)), 0.035)
        yield Line("  a new threshold only", median_of(rounds, threshold(shared)))
        yield Line("  a new stop only", median_of(rounds, stop(shared)))
        fresh_s = median_of(rounds, lambda: folds(tester(candles, tests=1_000), spec))
        yield Line("12 folds, candles in memory, nothing computed yet", fresh_s, 0.3)
        yield Line("  the same again", median_of(rounds, lambda: folds(shared, spec)))
        yield Line("100 trials by two processes, their start included", trials(candles, folder), 6.0)
        interpreted_s = median_of(5, lambda: simulate(spec, candles, market=DEFAULT_MARKET, costs=COSTS))
        yield Line("interpreted: candles in memory to trades, equity, metrics", interpreted_s)
        if peers is not None:
            yield from measured_peers(peers, candles, folder)


def threshold(shared: Tester) -> Callable[[], object]:
    numbers = iter(range(100_000))
    return lambda: shared.run(sample(f"rsi(14) < {30 + next(numbers) / 1_000}"))


def stop(shared: Tester) -> Callable[[], object]:
    numbers = iter(range(100_000))

    def run() -> None:
        text = sample_toml().replace('"1h"', '"1m"')
        text = text.replace("fraction = 0.05", f"fraction = {0.05 + next(numbers) / 1e5:.5f}")
        shared.run(AlgorithmSpec.from_toml(text))

    return run


def measured_peers(python: str, candles: CandleArrays, folder: Path) -> list[Line]:
    path = folder / "peers.npy"
    np.save(path, np.stack([candles.open, candles.high, candles.low, candles.close, candles.volume]))
    program = Path(__file__).with_name("peers.py")
    done = subprocess.run([python, program, path], capture_output=True, text=True, check=True)
    return [Line(name, seconds) for name, seconds in json.loads(done.stdout)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--peers", help="an interpreter for which vectorbt or backtesting.py is installed")
    chosen = parser.parse_args()
    say(f"{'':62}{'ms':>12}{'budget':>10}")
    is_kept = True
    for line in lines(chosen.rounds, chosen.peers):
        say(str(line))
        is_kept = is_kept and line.is_kept
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
