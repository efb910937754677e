"""kill -9 at random moments: ``python -m tests.simulation.kill9 --times 200 [--seed 1]``.

A run on the paper venue is begun, and the process that holds the engine is killed again and again, while
another one stands by. Each time the point that the process had passed last is noted. In the end the run
must have the result of one that nobody disturbed; then the next run begins, until all kills are spent.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from firstwatch.store.database import Store, open_store
from tests.engine.host import rig
from tests.engine.host.processes import EngineProcess
from tests.simulation.probed_engine import NOTE_BYTES, STANDING_BY, read_note

_BARS = 1240
_LONGEST_LIFE_S = 0.25


@dataclass
class Report:
    """How often a process was killed, where it was, and how many runs came to the undisturbed result."""

    kills: int = 0
    runs: int = 0
    phases: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        phases = "\n".join(f"{count:6d}  after {phase}" for phase, count in self.phases.most_common())
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
    engines: list[EngineProcess] = []
    try:
        holder = _begin(folder, engines)
        holder.wait_holding()
        rig.start_run(store, rig.RUN)
        while report.kills < times and not _is_over(store):
            standby = _begin(folder, engines)
            _wait_standing_by(folder, len(engines) - 1)
            holder.kill_after(chance.uniform(0, _LONGEST_LIFE_S))
            report.kills += 1
            report.phases[read_note(_note_of(folder, len(engines) - 2))] += 1
            holder = standby
            holder.wait_holding()
        rig.ended(store, rig.RUN)
        found = rig.result_of(store, rig.RUN)
        for name, value in expected.items():
            assert found[name] == value, f"{name} differs from the undisturbed run, in {folder}"
        report.runs += 1
    finally:
        for engine in engines:
            engine.kill()
        store.close()


def _begin(folder: Path, engines: list[EngineProcess]) -> EngineProcess:
    note = _note_of(folder, len(engines))
    note.write_bytes(bytes(NOTE_BYTES).replace(b"\0", b" "))
    engines.append(EngineProcess(folder, "tests.simulation.probed_engine", str(note)))
    return engines[-1]


def _note_of(folder: Path, number: int) -> Path:
    return folder / f"note{number}"


def _wait_standing_by(folder: Path, number: int) -> None:
    note = _note_of(folder, number)
    rig.until(lambda: read_note(note) == STANDING_BY or None, "the next engine to stand by")


def _is_over(store: Store) -> bool:
    return rig.run_of(store, rig.RUN).state.is_final


def main() -> int:
    """Kill as often as the command line says; print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="firstwatch-kill9-"))
    print(kill_again_and_again(folder, arguments.times, arguments.seed))
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
