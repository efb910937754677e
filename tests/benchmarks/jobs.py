"""What engine and screen feel of jobs: ``python -m tests.benchmarks.jobs``.

A run trades on bars that come at a steady pace, in an engine of its own process; a screen in another process
shows it. Beside them an optimisation over a year of minutes goes on: on the workers that the settings give,
and on as many as there are processors. Printed is how long orders took after their bar, and how late the
screen's event loop calls what is due every two milliseconds; at the 99th percentile both may be 5 ms worse
than in the quiet times between. They take turns, since machines have slow and fast minutes.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firstwatch.backtest.inputs import BacktestRequest
from firstwatch.engine.jobs.looking import cancel_job, job_now
from firstwatch.engine.jobs.process import submit_job
from firstwatch.engine.jobs.studies import OptimisationRequest
from firstwatch.market.files import write_candles
from firstwatch.settings import Settings, load_settings
from firstwatch.store.database import Store, open_store
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles
from tests.engine.host import rig
from tests.pty.stalled import (
    BUSY_TOML,
    SPARE_BARS,
    WARM_UP_BARS,
    Span,
    engine_elsewhere,
    lateness_ms,
    now_ms,
    orders_sent,
    times_in,
)

MOST_WORSE_MS = 5.0
_BARS_A_SECOND = 16
"""Some ten orders a second: the 99th percentile of fewer would be a matter of one or two."""
_SPEED = 3_600 * _BARS_A_SECOND
_TICK_S = 0.002
_TURNS = 4
_MINUTES = 365 * 24 * 60
_MOST_TRIALS = 10_000
_TESTED_TOML = """
name = "Tested"
direction = "long"
timeframe = "1m"
[entry.long]
required = ["rsi(14) < 30", "close > ema(50)"]
[exit.long]
required = ["rsi(14) > 70"]
[stop_loss]
fraction = 0.02
[sizing]
equity = 0.5
"""
_PARAMETERS = (
    "entry.long.required[0].rsi.period=5..60:1",
    "entry.long.required[1].ema.period=20..400:1",
    "stop_loss.fraction=0.005..0.05",
)


def main() -> int:
    """Measure, print, and return 1 where it is more than allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--screen", help="be the screen of that data folder")
    chosen = parser.parse_args()
    if chosen.screen is not None:
        asyncio.run(_be_screen(Path(chosen.screen)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        worse = measure(Path(folder) / "home", chosen.seconds)
    return int(any(each > MOST_WORSE_MS for each in worse.values()))


def measure(home: Path, seconds: float) -> dict[str, float]:
    """Return by how many milliseconds each 99th percentile is worse, by what was measured beside what."""
    settings = _make_folder(home, seconds)
    store = open_store(home)
    counts = {"settings' workers": None, "all processors": os.cpu_count() or 1}
    spans: dict[str, list[Span]] = {"quiet": [], **{name: [] for name in counts}}
    turn_s = seconds / _TURNS
    with engine_elsewhere(home):
        rig.start_run(store, rig.RUN)
        with _screen(home) as screen:
            for _ in range(_TURNS):
                spans["quiet"].append(_span(turn_s))
                for name, count in counts.items():
                    with _optimising(settings, store, count) as trials:
                        spans[name].append(_span(turn_s))
                        sys.stdout.write(f"{name}: {trials():.1f} trials a second\n")
            ticks = screen()
        assert rig.run_of(store, rig.RUN).state.is_active, "the candles ended too early"
        sent = orders_sent(store)
    store.close()
    late_ms = lateness_ms(sent, _SPEED)
    found: dict[str, tuple[float, float]] = {}
    for name, each in spans.items():
        times = times_in(sent, late_ms, *each)
        seen = [late for at_ms, late in ticks if any(s.begun_ms <= at_ms < s.ended_ms for s in each)]
        found[name] = times.late_ms, statistics.quantiles(seen, n=100)[-1]
        sys.stdout.write(f"{name:18} {times}\n{'':18} {len(seen)} ticks of the screen\n")
    quiet = found.pop("quiet")
    sys.stdout.write(
        f"99 %: quiet, bar to acknowledgement {quiet[0]:.1f} ms, tick of the screen {quiet[1]:.2f} ms late\n"
    )
    worse = {}
    for name, (order_ms, tick_ms) in found.items():
        worse[f"orders, {name}"] = order_ms - quiet[0]
        worse[f"screen, {name}"] = tick_ms - quiet[1]
    sys.stdout.write("; ".join(f"{name} {each:+.2f} ms" for name, each in worse.items()) + "\n")
    return worse


def _make_folder(home: Path, seconds: float) -> Settings:
    bars = WARM_UP_BARS + SPARE_BARS + round(8 * seconds * _BARS_A_SECOND)
    rig.make_folder(home, bars=bars, toml=BUSY_TOML, speed=_SPEED)
    write_candles(home / "minutes_BTCUSDC_1m.csv", generated_candles(5, _MINUTES, timeframe=Timeframe.M1))
    return load_settings(home=home)


@contextmanager
def _optimising(settings: Settings, store: Store, workers: int | None) -> Iterator["Trials"]:
    """Let an optimisation go on while the block lasts, from its first trials on; gives their pace."""
    spec = AlgorithmSpec.from_toml(_TESTED_TOML)
    test = BacktestRequest(
        algorithm="tested",
        spec_json=spec.canonical_json(),
        candles=str(settings.home / "minutes_BTCUSDC_1m.csv"),
    )
    request = OptimisationRequest(test=test, parameters=_PARAMETERS, trials=_MOST_TRIALS, workers=workers)
    number = submit_job(settings, store, JobKind.OPTIMISATION, "tested", request, clock=SystemClock())

    def has_begun() -> bool | None:
        job = job_now(store, settings.home, number)
        assert not job.state.is_over, job.sentence
        return _trials(store, number) > 0 or None

    rig.until(has_begun, "the first trials")
    try:
        yield Trials(store, number)
        assert job_now(store, settings.home, number).state is JobState.RUNNING, "it has ended too early"
    finally:
        cancel_job(store, settings.home, number)
        rig.until(lambda: job_now(store, settings.home, number).state.is_over or None, "its end")


class Trials:
    """Counts trials from now on."""

    def __init__(self, store: Store, number: int) -> None:
        self._store = store
        self._number = number
        self._begun = _trials(store, number), time.monotonic()

    def __call__(self) -> float:
        """Return how many there were a second."""
        count, since_s = self._begun
        return (_trials(self._store, self._number) - count) / (time.monotonic() - since_s)


def _trials(store: Store, number: int) -> int:
    with store.read() as session:
        found = session.exec_driver_sql(
            "SELECT count(*) FROM trial JOIN study ON study.id = trial.study_id WHERE study.name = ?",
            (f"job {number}",),
        )
        return int(found.scalar_one())


def _span(seconds: float) -> Span:
    begun_ms = now_ms()
    time.sleep(seconds)
    return Span(begun_ms, now_ms(), 0.0)


# --- the screen -------------------------------------------------------------------------------------


@contextmanager
def _screen(home: Path) -> "Iterator[Screen]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.jobs", "--screen", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "shown\n", "the screen has ended"
        yield Screen(process)
    finally:
        process.kill()
        process.wait()


class Screen:
    """A screen in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self) -> list[tuple[int, float]]:
        """End it, and return when each tick was due (epoch ms) and how late it was (ms)."""
        out, _ = self._process.communicate()
        return [(at_ms, late_ms) for at_ms, late_ms in json.loads(out)]


async def _be_screen(home: Path) -> None:
    """Show the run, until standard input ends."""
    from tests.ui.stage import stage

    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    ticks: list[tuple[int, float]] = []
    # As an operator has it, not with the pace of the tests.
    async with stage(home, size=(200, 60), clock=SystemClock(), settings=load_settings(home=home)) as on:
        await on.until(lambda: "RUNNING" in on.text(), "the run", looks=4_000)
        sys.stdout.write("shown\n")
        sys.stdout.flush()
        while not ended.is_set():
            due_s = time.perf_counter() + _TICK_S
            await asyncio.sleep(_TICK_S)
            ticks.append((now_ms(), max(0.0, (time.perf_counter() - due_s) * 1000)))
    sys.stdout.write(json.dumps(ticks))


if __name__ == "__main__":
    sys.exit(main())
