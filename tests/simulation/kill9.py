"""kill -9 at random moments: ``python -m tests.simulation.kill9 --times 1000 [--seed 1]``.

A run on the paper venue is begun, and the process that holds the engine is killed again and again, while
others stand by. Each time the point that the process had passed last is noted. In the end the run
must have the result of an undisturbed one; then the next run begins, until all kills are spent. One kill in
five is made on a loopback Hyperliquid instead, where the program's books must be the venue's in the end.
"""

import argparse
import multiprocessing
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from firstwatch.engine.lock import holder_of
from firstwatch.store.database import Store, open_store
from tests.engine.host import rig
from tests.live import kill9
from tests.live.rig import remove_folder
from tests.simulation import probed_engine
from tests.simulation.probed_engine import NOTE_PREFIX, read_note

_BARS = 1400
_KILLS_PER_RUN = 10
_LONGEST_LIFE_S = 0.25
# A machine that does much else takes its time for what is left of a run.
_TO_THE_END_S = 300.0
# Each engine is a fork of a process that has imported it: to import it again would take most of the time.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([probed_engine.__name__])


class ProbedEngine:
    """One engine process, which holds the engine of its folder as soon as it is free."""

    def __init__(self, folder: Path) -> None:
        self._process = _FORKS.Process(target=probed_engine.hold, args=(folder,), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def kill_after(self, seconds: float) -> None:
        """Let it live that long, then SIGKILL and reap."""
        self._process.join(seconds)
        self._process.kill()
        self._process.join()


@dataclass
class Report:
    """How often a process was killed, where it was, and how many runs came to the undisturbed result."""

    kills: int = 0
    runs: int = 0
    phases: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        phases = "\n".join(f"{count:6d}  {phase}" for phase, count in self.phases.most_common())
        return f"{self.kills} kills in {self.runs} runs, every result as undisturbed\n{phases}"


def kill_again_and_again(folder: Path, times: int, seed: int) -> Report:
    """Kill ``times`` times and return the report.

    Raises:
        AssertionError: a run went on to another result than the undisturbed one.
    """
    expected = rig.undisturbed(folder / "undisturbed", bars=_BARS)
    report = Report()
    chance = random.Random(seed)
    while report.kills < times:
        _kill_one_run(folder / f"run{report.runs}", times, chance, report, expected)
    return report


def _kill_one_run(
    folder: Path, times: int, chance: random.Random, report: Report, expected: dict[str, object]
) -> None:
    rig.make_folder(folder, bars=_BARS)
    store = open_store(folder)
    engines: dict[int, ProbedEngine] = {}
    try:
        # All of them are loaded before the run begins, so that it does not run on while one starts.
        for _ in range(min(_KILLS_PER_RUN, times - report.kills) + 1):
            engine = ProbedEngine(folder)
            engines[engine.pid] = engine
        for pid in engines:
            _wait_standing_by(folder, pid)
        _holder(folder, engines)
        rig.start_run(store, rig.RUN)
        while len(engines) > 1 and not _is_over(store):
            holder = _holder(folder, engines)
            holder.kill_after(chance.uniform(0, _LONGEST_LIFE_S))
            del engines[holder.pid]
            report.kills += 1
            report.phases[read_note(_note_of(folder, holder.pid))] += 1
        rig.ended(store, rig.RUN, _TO_THE_END_S)
        found = rig.result_of(store, rig.RUN)
        for name, value in expected.items():
            assert found[name] == value, f"{name} differs from the undisturbed run, in {folder}"
        report.runs += 1
    finally:
        for engine in engines.values():
            engine.kill_after(0)
        store.close()


def _wait_standing_by(folder: Path, pid: int) -> None:
    note = _note_of(folder, pid)
    rig.until(lambda: (note.exists() and read_note(note) != "") or None, "the next engine to stand by")


def _holder(folder: Path, engines: dict[int, ProbedEngine]) -> ProbedEngine:
    """Wait until one of the engines holds the lock and return it."""

    def look() -> ProbedEngine | None:
        holder = holder_of(folder)
        return None if holder is None or holder.pid is None else engines.get(holder.pid)

    return rig.until(look, "an engine to hold the lock")


def _note_of(folder: Path, pid: int) -> Path:
    return folder / f"{NOTE_PREFIX}{pid}"


def _is_over(store: Store) -> bool:
    return rig.run_of(store, rig.RUN).state.is_final


def main() -> int:
    """Kill as often as the command line says; print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="firstwatch-kill9-"))
    on_loopback = arguments.times // 5
    report = kill_again_and_again(folder, arguments.times - on_loopback, arguments.seed)
    sys.stdout.write(f"paper: {report}\n")
    runs = kill9.kill_again_and_again(folder, on_loopback, arguments.seed)
    sys.stdout.write(f"loopback: {on_loopback} kills in {runs} runs, all books as the venue's\n")
    remove_folder(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
