"""The budgets of the screen, measured through a real pseudo-terminal: ``python -m tests.benchmarks.budgets``.

The screen is attached to an engine in another process; beside each figure stands that of a screen which holds
the engine itself, for which there is no budget. Fifty runs trade on the paper venue on bars of one minute,
four minutes of market a minute; their figures move four times a second, which is more often than an engine
writes them. It takes an hour of a quiet machine. ``--short`` takes ten minutes: less of everything and an
hour instead of a day. ``--only typing memory``: these parts.

Exit code 1: a figure of the attached screen is above its budget.
"""

import argparse
import math
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path

from firstwatch.engine.lock import holder_of
from firstwatch.store import algorithms, live, runs, wallets
from firstwatch.store.database import Store, open_store
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.runs import Author, RunState
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles
from tests.engine.host import rig
from tests.pty import stalled
from tests.pty.sight import Sight
from tests.pty.terminal import Terminal, cpu_seconds
from tests.ui import scenes

RUNS, ENDED = 50, 500
SIZE = (120, 40)
DAY_BARS = 1_440
PATIENCE_S = 120.0
_SPEED = 4
_FAST = {"FIRSTWATCH_VENUES__PAPER__SPEED": "max"}
"""The environment of a process whose market is as fast as its runs decide."""
_CHART_BARS = 120
"""Bars that each run has before it is looked at: more than a chart of that width shows."""
_WARM_UP_BARS, _SPARE_BARS = 1_100, 3_000
_MOVE_S = 0.25
_SETTLE_S = 5.0
_STARTS = 8
_SAMPLES = 24
_DOWN, _UP = b"\x1b[B", b"\x1b[A"
_NONE_ENDED = "No run has ended yet."
_SUBJECT = re.compile(r"NAV +(\S+ on \S+)")
_COUNT = re.compile(rf"\d+ of {ENDED}")
_CHART = re.compile(r"\d+ bars( ·|\s)")


@dataclass(frozen=True)
class Plan:
    """How long each part takes."""

    watch_s: float
    """Of each state whose bytes and processor time are counted."""
    stall_s: float
    keys: int
    bars: int
    """Of the simulated time over which memory is watched."""


LONG = Plan(watch_s=60, stall_s=60, keys=200, bars=DAY_BARS)
SHORT = Plan(watch_s=15, stall_s=10, keys=60, bars=60)


@dataclass(frozen=True)
class Budget:
    """One line of the table; figures in ``unit``."""

    what: str
    most: float
    unit: str
    attached: float
    embedded: float
    note: str = ""

    @property
    def is_kept(self) -> bool:
        return self.attached <= self.most


# --- the programs ------------------------------------------------------------------------------------


class Screen(Terminal):
    """The program on a terminal of which one sees what stands on it, and how much was written."""

    def __init__(self, home: Path, *, size: tuple[int, int] = SIZE, **environment: str) -> None:
        super().__init__(home, size=size, environment={"COLORTERM": "truecolor", **environment})
        self.sight = Sight(*size)
        self.written = 0

    def look(self, for_s: float) -> None:
        """Take what is written within that time at most; return when something was."""
        self.read(for_s)
        self.written += len(self.seen)
        self.sight.feed(self.seen)
        self.seen = b""

    def watch(self, for_s: float) -> None:
        """Read for so long."""
        end_s = time.monotonic() + for_s
        while (left_s := end_s - time.monotonic()) > 0:
            self.look(left_s)

    def until(self, is_so: Callable[[Sight], bool], what: str) -> None:
        """Read until it is so."""
        end_s = time.monotonic() + PATIENCE_S
        while not is_so(self.sight):
            assert time.monotonic() < end_s, "\n".join([f"it never came to: {what}", *self.sight.lines])
            assert self.process.poll() is None, f"the screen has ended: {what}"
            self.look(0.1)

    def press(self, keys: bytes, is_so: Callable[[Sight], bool], what: str) -> float:
        """Press keys and return after how many milliseconds their effect stood on the terminal."""
        self.look(0)
        begun_s = time.perf_counter()
        self.send(keys)
        self.until(is_so, what)
        return (time.perf_counter() - begun_s) * 1000


@contextmanager
def screen(
    home: Path, *, is_embedded: bool, size: tuple[int, int] = SIZE, **environment: str
) -> Iterator[Screen]:
    """A screen on a data folder that has come to its engine."""
    on = Screen(home, size=size, **environment)
    try:
        on.until(lambda sight: "engine ok" in sight, "the engine")
        assert (holder_of(home).pid == on.pid) is is_embedded
        yield on
    finally:
        on.end()


def engine(home: Path, **environment: str) -> AbstractContextManager[int]:
    """An engine in another process."""
    return stalled.engine_elsewhere(home, **environment)


@contextmanager
def moving(home: Path) -> Iterator[None]:
    """Move the figures of all runs, from another process."""
    process = get_context("spawn").Process(target=_move, args=(home,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _move(home: Path) -> None:
    store, number = open_store(home), 0
    while True:
        number += 1
        with store.write() as session:
            known = live.live_statuses(session).values()
            live.upsert_live_status(session, [_moved(each, number) for each in known])
        time.sleep(_MOVE_S)


def _moved(status: live.LiveStatus, number: int) -> live.LiveStatus:
    """Return figures that are others in each run and each time, and never far away."""
    by = round(math.sin(number + int(status.run_id, 16)) * 10, 2)
    return replace(
        status,
        mark=50_000 + by,
        unrealised_pnl=Decimal(repr(by)),
        equity=Decimal(5_000) + Decimal(repr(by)),
        updated_at_ms=time.time_ns() // 1_000_000,
    )


# --- the folders -------------------------------------------------------------------------------------


def fifty_runs(home: Path, plan: Plan) -> None:
    """Fill a data folder with runs that have traded for a while."""
    names = tuple(f"w{number}" for number in range(1, RUNS + 1))
    toml = rig.ACTIVE_TOML.replace('timeframe = "1h"', 'timeframe = "1m"')
    candles = generated_candles(7, _WARM_UP_BARS + _SPARE_BARS + 2 * plan.bars, Timeframe.M1)
    rig.make_folder(home, wallet_names=names, toml=toml, candles=candles, speed=_SPEED)
    store = open_store(home)
    with engine(home):
        for number, name in enumerate(names, start=1):
            answer = rig.start_run(store, run_id(number), rig.launch(name))
            assert answer.sentence.endswith("started"), answer.sentence
        begun_ms = rig.until(lambda: newest_bar_ms(store) or None, "the first bars", PATIENCE_S)
    with engine(home, **_FAST):
        rig.until(lambda: newest_bar_ms(store) >= begun_ms + _CHART_BARS * 60_000 or None, "bars", 900)
    store.close()


def run_id(number: int) -> str:
    """Return an id that looks like those of runs: no two begin alike."""
    return f"{number * 0x9E3779B97F4A7C15 % (1 << 64):016x}"


def newest_bar_ms(store: Store) -> int:
    """Return the open of the newest bar that every run has handled; 0: one has handled none."""
    with store.read() as session:
        known = [status.last_bar_ms or 0 for status in live.live_statuses(session).values()]
    return min(known) if len(known) == RUNS else 0


def long_history(home: Path) -> None:
    """Fill a data folder with runs that have ended."""
    scenes.first_steps(home)
    with scenes.written(home) as session:
        version = algorithms.get_version(session, "RSI reversion").id
        for number in range(1, ENDED + 1):
            name = f"w{number}"
            wallet = wallets.create_wallet(session, name, venue="paper", kind="paper", now_ms=number).id
            settings = LaunchSettings(
                algorithm="RSI reversion",
                version=1,
                wallet=name,
                symbol=scenes.SYMBOL,
                capital=Decimal(1_000),
            )
            scenes.begin(session, run_id(number), wallet, version, settings, scenes.NOW_MS + number)
            runs.transition(
                session, run_id(number), RunState.FAILED, "measured", author=Author.SYSTEM,
                local_time_ms=scenes.NOW_MS + number,
            )  # fmt: skip
            equity = Decimal(1_000) + Decimal(number * 7 % 501) - 250
            status = live.LiveStatus(
                run_id(number), scenes.NOW_MS, 97_000.0, Decimal(0), equity, scenes.NOW_MS
            )
            live.upsert_live_status(session, [status])


# --- the parts ---------------------------------------------------------------------------------------


def first_paint(folder: Path, plan: Plan) -> list[Budget]:
    """From the process to the panes, with byte code compiled."""
    del plan
    home = folder / "first"
    scenes.first_steps(home)

    def paint_s() -> float:
        on = Screen(home)
        try:
            return on.read_until("Run Wallets")
        finally:
            on.end()

    def paints_s() -> list[float]:
        # The first start compiles what the others read.
        return sorted([paint_s() for _ in range(_STARTS + 1)][1:])

    with engine(home):
        attached = paints_s()
    embedded = paints_s()
    note = f"{attached[0]:.2f} to {attached[-1]:.2f} s"
    middle = [statistics.median(each) for each in (attached, embedded)]
    return [Budget("first paint", 0.5, "s", *middle, note)]


@dataclass
class _Busy:
    """What was seen of a screen on fifty runs."""

    cpu_percent: float
    kib_s: float
    keys_ms: list[float]
    slow_kib_s: float
    stalled_percent: float


def typing(folder: Path, plan: Plan) -> list[Budget]:
    """Fifty runs whose figures move four times a second, with the chart of one open."""
    home = folder / "busy"
    fifty_runs(home, plan)
    with engine(home), moving(home):
        attached = _busy(home, plan, is_embedded=False)
    with moving(home):
        embedded = _busy(home, plan, is_embedded=True)
    both = attached, embedded
    note = ", ".join(f"{name} {value:.0f}" for name, value in _spread(attached.keys_ms).items())
    return [
        Budget("key to paint, 95 %", 40, "ms", *(_late(each.keys_ms) for each in both), note),
        Budget("processor of the screen", 10, "%", *(each.cpu_percent for each in both)),
        Budget("to the terminal", 25, "KiB/s", *(each.kib_s for each in both)),
        Budget("to the terminal, refresh_hz = 1", 6, "KiB/s", *(each.slow_kib_s for each in both)),
        Budget(
            "processor, terminal stalled", 3, "%", *(each.stalled_percent for each in both),
            "embedded: with its engine",
        ),
    ]  # fmt: skip


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "worst": max(values)}


def _busy(home: Path, plan: Plan, *, is_embedded: bool) -> _Busy:
    with screen(home, is_embedded=is_embedded) as on:
        _open_chart(on)
        cpu_percent, kib_s = _cost(on, plan.watch_s)
        keys_ms = _keys_ms(on, plan.keys)
        stalled_percent = _stalled_percent(on, plan.stall_s)
    with screen(home, is_embedded=is_embedded, FIRSTWATCH_REFRESH_HZ="1") as on:
        _open_chart(on)
        _, slow_kib_s = _cost(on, plan.watch_s)
    return _Busy(cpu_percent, kib_s, keys_ms, slow_kib_s, stalled_percent)


def _open_chart(on: Screen) -> None:
    on.until(lambda sight: f"{RUNS} active" in sight, "all runs")
    on.send(b"4]]")
    on.until(lambda sight: bool(_bars(sight)), "the chart")
    on.send(b"3")
    on.watch(_SETTLE_S)


def _cost(on: Screen, for_s: float) -> tuple[float, float]:
    """Return the processor time, in per cent of a core, and KiB/s of a screen that is left alone."""
    used_s, written = cpu_seconds(on.pid), on.written
    on.watch(for_s)
    return (cpu_seconds(on.pid) - used_s) / for_s * 100, (on.written - written) / 1024 / for_s


def _keys_ms(on: Screen, count: int) -> list[float]:
    """Return how long the cursor, the tabs and the chart took to follow keys that come at no fixed pace."""
    pace = random.Random(1)
    took_ms = []

    def press(key: bytes, is_so: Callable[[Sight], bool], what: str) -> None:
        took_ms.append(on.press(key, is_so, what))
        on.watch(pace.uniform(0.05, 0.3))

    for number in range(count // 2):
        # Ten runs down and up again: the status line names the run under the cursor.
        run, key = _chosen(on.sight), _DOWN if number % 20 < 10 else _UP
        press(key, lambda sight, run=run: _chosen(sight) not in ("", run), "another run")
    for _ in range(count // 8):
        press(b"]", lambda sight: _NONE_ENDED in sight, "the history")
        press(b"[", lambda sight: _NONE_ENDED not in sight, "the active runs")
    on.send(b"4")
    on.watch(_SETTLE_S)
    for _ in range(count // 8):
        for key in (b"+", b"-"):
            bars = _bars(on.sight)
            press(key, lambda sight, bars=bars: _bars(sight) not in ("", bars), "another part of the chart")
    on.send(b"3")
    on.watch(_SETTLE_S)
    return took_ms


def _chosen(sight: Sight) -> str:
    """Return the run that the status line names."""
    found = _SUBJECT.search(sight.lines[-1])
    return "" if found is None else found[1]


def _bars(sight: Sight) -> str:
    """Return the line above the candles."""
    return next((line[line.index("│") :] for line in sight.lines if _CHART.search(line)), "")


def _stalled_percent(on: Screen, for_s: float) -> float:
    """Return the processor time, in per cent of a core, while the terminal is full and is not read."""
    stalled.press_until_full(on)
    time.sleep(_SETTLE_S)
    used_s = cpu_seconds(on.pid)
    time.sleep(for_s)
    percent = (cpu_seconds(on.pid) - used_s) / for_s * 100
    assert on.is_full(), "somebody has read the terminal"
    on.watch(_SETTLE_S)
    return percent


def idle(folder: Path, plan: Plan) -> list[Budget]:
    """An engine, no active run, and clocks that go on."""
    home = folder / "idle"
    scenes.first_steps(home)

    def kib_s(*, is_embedded: bool) -> float:
        with screen(home, is_embedded=is_embedded) as on:
            on.watch(_SETTLE_S)
            return _cost(on, plan.watch_s)[1]

    with engine(home):
        attached = kib_s(is_embedded=False)
    return [Budget("to the terminal, idle", 0.3, "KiB/s", attached, kib_s(is_embedded=True))]


def memory(folder: Path, plan: Plan) -> list[Budget]:
    """Fifty runs on as many bars as a day has, as fast as they decide, and an operator who looks around."""
    home = folder / "busy"
    fifty_runs(home, plan)
    with engine(home, **_FAST):
        attached = _grown(home, plan, is_embedded=False)
    embedded = _grown(home, plan, is_embedded=True, **_FAST)
    span = f"{plan.bars / 60:.0f} h"
    return [
        Budget(f"memory after {span}", 250, "MiB", attached[-1], embedded[-1]),
        Budget("its growth over the second half", 2, "MiB", *map(_growth, (attached, embedded))),
    ]


def _growth(seen_mib: Sequence[float]) -> float:
    return seen_mib[-1] - seen_mib[len(seen_mib) // 2]


def _grown(home: Path, plan: Plan, *, is_embedded: bool, **environment: str) -> list[float]:
    """Return the resident memory of the screen, in MiB, at even steps of the simulated time."""
    store, seen = open_store(home, read_only=True), []
    begun_ms = newest_bar_ms(store)
    keys = (_DOWN, b"4", b"]", b"]", b"3", b"]", b"[", b"?", b"\x1b", _UP, b"4", b"[", b"[", b"3")
    with screen(home, is_embedded=is_embedded, **environment) as on:
        for step in range(_SAMPLES + 1):
            due_ms = begun_ms + plan.bars * 60_000 * step // _SAMPLES
            number = 0
            while newest_bar_ms(store) < due_ms or number < len(keys):
                on.send(keys[number % len(keys)])
                number += 1
                on.watch(0.25)
            seen.append(_resident_mib(on.pid))
    store.close()
    return seen


def _resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def lost(folder: Path, plan: Plan) -> list[Budget]:
    """A reader that stalls, and a terminal that is gone: the engine takes no longer for its orders."""
    found = []
    for what, is_hung_up in (("stalled reader", False), ("hang-up", True)):
        reports = [
            stalled.measure(
                folder / f"{what} {has_own_engine}",
                plan.stall_s,
                has_own_engine=has_own_engine,
                is_hung_up=is_hung_up,
            )
            for has_own_engine in (False, True)
        ]
        worse = [report.stalled.late_ms - report.read.late_ms for report in reports]
        note = f"{reports[0].read.late_ms:.0f} ms with a reader"
        found.append(Budget(f"{what}: bar to order, 99 %, worse by", 5, "ms", *worse, note))
        cpu = [report.stalled_cores * 100 for report in reports]
        found.append(Budget(f"{what}: processor", 3, "%", *cpu, "embedded: with its engine"))
    return found


def history(folder: Path, plan: Plan) -> list[Budget]:
    """Five hundred runs that have ended, filtered and sorted."""
    del plan
    home = folder / "history"
    long_history(home)
    with engine(home):
        attached = _listed_ms(home, is_embedded=False)
    embedded = _listed_ms(home, is_embedded=True)
    return [
        Budget(f"{what} {ENDED} runs of history, 95 %", 50, "ms", attached[what], embedded[what])
        for what in attached
    ]


def _listed_ms(home: Path, *, is_embedded: bool) -> dict[str, float]:
    with screen(home, is_embedded=is_embedded) as on:
        on.send(b"3h")
        on.until(lambda sight: f"{ENDED} ended" in sight, "the history")
        on.watch(_SETTLE_S)
        head = next(row for row, line in enumerate(on.sight.lines) if "PnL %" in line)
        column = on.sight.lines[head].index("PnL %")
        click = f"\x1b[<0;{column + 2};{head + 1}M\x1b[<0;{column + 2};{head + 1}m".encode()

        def changed() -> Callable[[Sight], bool]:
            before = on.sight.lines[head : head + 6]
            return lambda sight: sight.lines[head : head + 6] != before

        sorting, filtering = [], []
        for _ in range(10):
            sorting.append(on.press(click, changed(), "another order"))
            on.watch(0.4)
        on.send(b"/")
        on.until(lambda sight: bool(_count(sight)), "the filter")
        for key in b"77\x7f\x7f" * 5:
            # All rows, those with a 7, those with a 77, and back.
            count = _count(on.sight)
            filtering.append(
                on.press(bytes([key]), lambda sight, count=count: _count(sight) != count, "other rows")
            )
            on.watch(0.4)
        return {"sort": _late(sorting), "filter": _late(filtering)}


def _count(sight: Sight) -> str:
    """Return how many rows the filter leaves, as it stands beside it."""
    return next((found[0] for line in sight.lines if (found := _COUNT.search(line))), "")


def _late(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


# --- the table ---------------------------------------------------------------------------------------

PARTS = (first_paint, typing, idle, memory, lost, history)


def table(found: Sequence[Budget]) -> str:
    """Return the figures beside their budgets."""
    head = ("what", "at most", "attached", "", "embedded", "")
    rows = [head, *(_row(each) for each in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(budget: Budget) -> tuple[str, ...]:
    figures = (f"{value:.4g}" for value in (budget.attached, budget.embedded))
    attached, embedded = figures
    verdict = "ok" if budget.is_kept else "ABOVE"
    return budget.what, f"{budget.most:g} {budget.unit}", attached, verdict, embedded, budget.note


def main() -> int:
    """Measure, print the table, and say by the exit code whether all budgets are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="less of everything")
    parser.add_argument("--only", nargs="+", choices=[part.__name__ for part in PARTS], help="these parts")
    arguments = parser.parse_args()
    plan = SHORT if arguments.short else LONG
    scenes.unset_environment()
    found: list[Budget] = []
    for part in PARTS:
        if arguments.only and part.__name__ not in arguments.only:
            continue
        with tempfile.TemporaryDirectory(prefix="firstwatch-budgets-") as folder:
            measured = part(Path(folder), plan)
        sys.stdout.write(f"{part.__name__}: load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        # A part that fails later must not cost the figures of those before it.
        sys.stdout.write(f"{table(measured)}\n\n")
        sys.stdout.flush()
        found += measured
    sys.stdout.write(f"\n{table(found)}\n")
    return 0 if all(each.is_kept for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
