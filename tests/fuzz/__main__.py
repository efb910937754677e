"""``python -m tests.fuzz --inputs 1000``: each bad input in a process of its own, made by a fork.

Ends with 1 when one of them ends in a traceback, succeeds although it is wrong, takes more than 2 s of the
processor or 300 MB, or leaves something half written. ``--first N`` repeats from the N-th input on.
"""

import argparse
import math
import os
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.inputs import Input, draw, prepare

_CPU_S = 2.0
_MEMORY_MB = 300
_HANGS_S = 120
_ESCAPED = 99
# The count of wrong passphrases is meant to be kept.
_MAY_COME = (
    "commands.log", "engine.lock", "firstwatch.db-wal", "firstwatch.db-shm", "wrong-tries",
    # Of a baseline that failed too.
    "baselines", ".lock", "jobs", "short.turn",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    code: int
    out: str
    err: str
    cpu_s: float
    memory_mb: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--any-time", action="store_true", help="for a machine that does other things too")
    asked = parser.parse_args()
    # A signed venue, the screen's and the core's modules are imported once, before the forks.
    import firstwatch.backtest.simulate
    import firstwatch.cli
    import firstwatch.manager.details
    import firstwatch.manager.lists
    import firstwatch.store.inspection
    import firstwatch.tui.themes
    import firstwatch.wallets.custody  # noqa: F401

    failures: list[str] = []
    families: Counter[str] = Counter()
    slowest, largest = 0.0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        model.mkdir()
        prepare(model)
        for seed in range(asked.first, asked.first + asked.inputs):
            folder = Path(scratch) / "input"
            shutil.copytree(model, folder)
            given = draw(seed, folder)
            before = _state(folder / "home", given)
            outcome = _tried(given, folder)
            families[given.family] += 1
            slowest, largest = max(slowest, outcome.cpu_s), max(largest, outcome.memory_mb)
            problems = _problems(given, outcome, math.inf if asked.any_time else _CPU_S)
            if _state(folder / "home", given) != before and (given.is_wrong or outcome.code):
                problems.append("something was written")
            if problems:
                words = ascii(given.words)[:300]
                failures.append(
                    f"{seed} {given.family} {words}: {'; '.join(problems)}\n    {outcome.err[-600:]}"
                )
                print(failures[-1], flush=True)  # noqa: T201
            shutil.rmtree(folder)
    print(  # noqa: T201
        f"{asked.inputs} inputs of {len(families)} families ({dict(families)}): {len(failures)} failures; "
        f"at most {slowest:.2f} s of the processor and {largest:.0f} MB"
    )
    return 1 if failures else 0


def _problems(given: Input, outcome: Outcome, longest_s: float) -> list[str]:
    said = outcome.out + outcome.err
    problems = []
    if outcome.code == _ESCAPED or "Traceback" in said:
        problems.append("a traceback")
    if "Unexpected" in said and not given.touches_store:
        problems.append("an error that nobody has foreseen")
    if outcome.code < 0:
        problems.append(f"ended by signal {-outcome.code}")
    if outcome.code not in {0, 1, 2, 3, _ESCAPED} and outcome.code >= 0:
        problems.append(f"exit code {outcome.code}")
    if given.is_wrong and outcome.code == 0:
        problems.append("accepted")
    if outcome.code and not said.strip() and not (given.closed or given.is_full):
        problems.append("no sentence")
    if outcome.cpu_s > longest_s:
        problems.append(f"{outcome.cpu_s:.1f} s of the processor")
    if outcome.memory_mb > _MEMORY_MB:
        problems.append(f"{outcome.memory_mb:.0f} MB")
    # A chart or a help text has its own form; sentences are printable, line by line.
    if not all(line.isprintable() for line in said.splitlines()):
        problems.append("control characters")
    return problems


def _tried(given: Input, folder: Path) -> Outcome:
    out, err = folder / "out", folder / "err"
    child = os.fork()
    if child == 0:
        _become(given, folder, out, err)
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    texts = (
        path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in (out, err)
    )
    return Outcome(code, *texts, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _become(given: Input, folder: Path, out: Path, err: Path) -> None:
    """Be the process that gets the input; never returns."""
    code = _ESCAPED
    try:
        signal.alarm(_HANGS_S)
        _surround(given, folder, out, err)
        if given.call is not None:
            given.call(folder / "home")
            code = 0
        else:
            from firstwatch import cli

            sys.argv = ["firstwatch", *given.words]
            cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        with (folder / "err").open("a") as file:
            file.write(traceback.format_exc())
    finally:
        os._exit(code)


def _surround(given: Input, folder: Path, out: Path, err: Path) -> None:
    for variable in [each for each in os.environ if each.startswith("FIRSTWATCH_")]:
        del os.environ[variable]
    os.environ["FIRSTWATCH_HOME"] = str(folder / "home")
    os.environ.update(given.environment)
    os.chdir(folder)
    for descriptor, path in enumerate((Path(os.devnull), Path("/dev/full") if given.is_full else out, err)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    if given.secret is not None:
        reading, writing = os.pipe()
        os.write(writing, given.secret)
        os.close(writing)
        os.dup2(reading, 9)
    streams = ("stdin", "stdout", "stderr")
    for descriptor, name in enumerate(streams):
        mode = "r" if descriptor == 0 else "w"
        # A closed stream is None, as the interpreter starts with one.
        stream = None if descriptor in given.closed else open(descriptor, mode, encoding="utf-8")  # noqa: SIM115
        setattr(sys, name, stream)
    for descriptor in given.closed:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _state(home: Path, given: Input) -> object:
    """Return what may not change when an input is refused: names of files, and rows or bytes of the store."""
    names = sorted(
        path.name for path in home.rglob("*") if path.name not in _MAY_COME and ".log" not in path.name
    )
    path = home / "firstwatch.db"
    if given.touches_store:
        return names, path.read_bytes() if path.exists() else None
    with closing(sqlite3.connect(path)) as connection:
        # A job that has failed is a row as well.
        return names, [line for line in connection.iterdump() if not line.startswith('INSERT INTO "job"')]


if __name__ == "__main__":
    sys.exit(main())
