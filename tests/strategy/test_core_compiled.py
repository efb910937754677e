"""The compiled core makes the trades of the interpreted one, and is compiled anew when a callee changes."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import firstwatch
from firstwatch.backtest.replay import Output
from firstwatch.strategy import compiled, core, core_loop
from firstwatch.strategy.core_loop import DOWN, NEVER, NOT_PAUSED, NOTE_FIELDS, PAUSED
from firstwatch.strategy.core_state import NOTE_KINDS
from tests.strategy.core_runs import random_flags, random_settings

pytest.importorskip("numba")

BARS = 400
HOUR_MS = 3_600_000
PACKAGE = Path(firstwatch.__file__).parent


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """The compiled loop, compiled for this module."""
    return compiled.load_loop(tmp_path_factory.mktemp("core"))


def play(run, seed, convert):
    """One pass by ``run`` over random bars, flags, fundings and missed entries; all that it leaves behind."""
    random = np.random.default_rng(seed)
    settings = random_settings(seed)
    bars, flags = random_flags(seed, BARS)
    state = core.new_state(settings)
    output = Output.of_bars(BARS, np.zeros((NOTE_KINDS, NOTE_FIELDS)), has_levels=True)
    funding_bars = np.sort(random.choice(BARS, 60, replace=False))
    busy = flags[:, 2] == 1
    busy[funding_bars] = True
    other = flags[:, 3] == 1
    other[funding_bars] = True
    entry = np.flatnonzero((flags[:, 0] == 1) | (flags[:, 1] == 1))
    times = np.arange(BARS, dtype=np.int64) * HOUR_MS
    volumes = random.exponential(20.0, BARS)
    first = 0
    for end, pause in ((150, NOT_PAUSED), (180, PAUSED), (200, DOWN), (BARS, NOT_PAUSED)):
        run(
            state,
            settings,
            tuple(convert(column) for column in (times, *bars.T, volumes)),
            tuple(convert(column.astype(np.int8)) for column in flags.T[:4]),
            (convert(np.full(BARS, 1.5)), convert(np.full(BARS, 2.5))),
            (convert(flags[:, 4].astype(np.int8)), convert(np.zeros(BARS, np.int8))),
            (convert(busy), convert(other)),
            (
                convert(np.append(funding_bars, NEVER)),
                convert(np.append(random.random(60) < 0.5, True).astype(np.int8)),
                convert(np.append(random.normal(0, 0.01, 60), 0.0)),
            ),
            convert(np.append(entry, NEVER)),
            convert(random.random(BARS) < 0.05),
            first,
            end,
            pause,
            0,
            int(np.searchsorted(entry, first)),
            int(np.searchsorted(funding_bars, first)),
            tuple(rows.data for rows in output) if run is core_loop.play_bars else tuple(output),
        )
        first = end
    counts = output.counts.tolist()
    rows = (output.trades, output.entries, output.stretches, output.missed, output.levels)
    return state, [array[:count].tolist() for array, count in zip(rows, counts, strict=True)], output.notes


def test_compiled_and_interpreted_passes_are_equal(loop):
    seen = np.zeros(5, dtype=int)
    notes = np.zeros(NOTE_KINDS)
    for seed in range(60):
        state, rows, noted = play(core_loop.play_bars, seed, lambda column: column.tolist())
        other, other_rows, other_noted = play(loop, seed, compiled.read_only)
        assert state == other
        assert rows == other_rows
        assert np.array_equal(noted, other_noted)
        seen += [len(each) for each in rows]
        notes += noted[:, 0]
    assert (seen > 40).all(), seen
    assert (notes > 0).sum() >= 2, notes


def test_other_columns_than_those_it_was_compiled_for_are_refused_and_not_compiled(loop):
    with pytest.raises(TypeError):
        play(loop, 1, lambda column: column.astype(np.float32))


def test_columns_of_any_layout_are_read(loop):
    """Views into the buffer of another process, or every other number of one."""

    def odd(column):
        spaced = np.repeat(column, 2)[::2]
        buffer = bytearray(spaced.nbytes + 1)
        unaligned = np.frombuffer(buffer, dtype=column.dtype, count=len(column), offset=1)
        unaligned[:] = spaced
        assert column.dtype.itemsize == 1 or not unaligned.flags.aligned
        return compiled.read_only(unaligned)

    assert play(loop, 4, odd)[0] == play(loop, 4, compiled.read_only)[0]


def test_every_module_that_is_compiled_or_read_by_one_counts_for_the_name():
    """A constant or a callee in a file that the name does not hold would be served stale."""
    counted = {f"firstwatch.strategy.{path.stem}" for path in (PACKAGE / "strategy").glob(compiled.SOURCES)}
    for module in compiled.MODULES:
        tree = ast.parse(Path(module.__file__).read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        read = {name for name in imported if name.startswith("firstwatch")}
        assert read
        assert read | {module.__name__} <= counted


def test_the_name_changes_with_every_source_of_the_core(tmp_path):
    for path in (PACKAGE / "strategy").glob("*.py"):
        shutil.copy(path, tmp_path)
    found = {compiled.sources_sha256(tmp_path)}
    assert found == {compiled.sources_sha256(PACKAGE / "strategy")}
    sources = [*tmp_path.glob(compiled.SOURCES), tmp_path / "compiled.py"]
    assert len(sources) >= 7
    for path in sources:
        path.write_text(path.read_text() + "\n# changed\n")
        found.add(compiled.sources_sha256(tmp_path))
    assert len(found) == len(sources) + 1


def test_the_name_changes_with_what_was_imported_and_with_what_compiles_it(monkeypatch):
    names = {compiled.compiled_name()}
    for library in ("numba", "llvmlite", "numpy"):
        with monkeypatch.context() as patch:
            versions = {"numba": "1", "llvmlite": "1", "numpy": "1"} | {library: "2"}
            patch.setattr("importlib.metadata.version", versions.__getitem__)
            names.add(compiled.compiled_name())
    monkeypatch.setattr(compiled, "_SOURCES_SHA256", "of other sources")
    names.add(compiled.compiled_name())
    assert len(names) == 5


_FEES = """
from pathlib import Path
from tests.strategy.test_core_compiled import compiled, core_loop, play, sys

folder = Path(sys.argv[1]) / compiled.compiled_name()
folder.mkdir(exist_ok=True)
was_there = compiled.is_compiled(folder)
loop = compiled.load_loop(folder)
fees = 0.0
for seed in range(10):
    _, rows, _ = play(core_loop.play_bars, seed, lambda column: column.tolist())
    _, other, _ = play(loop, seed, compiled.read_only)
    assert rows == other
    fees += sum(trade[7] for trade in rows[0])
print(was_there, fees)
"""


@pytest.mark.slow
def test_a_changed_callee_gives_its_new_result(tmp_path):
    """The fee's formula lies in another file than the loop, and two calls below it."""
    package = tmp_path / "src" / "firstwatch"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))

    path = f"{package.parent}:{Path(__file__).parents[2]}"

    def fees():
        done = subprocess.run(
            [sys.executable, "-c", _FEES, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert done.returncode == 0, done.stderr
        was_there, total = done.stdout.split()
        return was_there == "True", float(total)

    first, before = fees()
    again, same = fees()
    source = package / "strategy" / "core_prices.py"
    text = source.read_text()
    changed = text.replace("return price * amount * rate\n", "return 2.0 * price * amount * rate\n")
    assert changed != text
    source.write_text(changed)
    fresh, after = fees()
    assert (first, again, fresh) == (False, True, False)
    assert before == same > 0
    assert after > before
