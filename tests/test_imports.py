"""The shape of the source: which module may import which."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import firstwatch

PACKAGE = Path(firstwatch.__file__).parent


def modules_in(package: Path) -> dict[str, Path]:
    """Return each module of a package by its dotted name."""
    found = {}
    for path in package.rglob("*.py"):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Yield the known modules that a module names in imports: at its top, in functions, or for types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            # ``from package import module`` names the module, and the package only if it has the name itself.
            named = [
                f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in known else node.module
                for alias in node.names
            ]
        else:
            continue
        yield from (each for each in named if each in known and each != name)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected parts of two modules or more (Tarjan's algorithm)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for target in graph[name]:
            if target not in order:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], order[target])
        if lowest[name] == order[name]:
            place = stack.index(name)
            part = stack[place:]
            del stack[place:]
            if len(part) > 1:
                found.append(sorted(part))

    for name in graph:
        if name not in order:
            visit(name)
    return found


def graph_of(package: Path) -> dict[str, set[str]]:
    known = modules_in(package)
    return {name: set(imports_of(name, path, known)) for name, path in known.items()}


def test_no_modules_import_one_another_in_a_circle():
    assert circles(graph_of(PACKAGE)) == []


@pytest.mark.parametrize(
    "back",
    [
        "import house.b",
        "from house import b",
        "from house.b import name",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.b import name",
        "def late():\n    from house.b import name",
    ],
)
def test_a_circle_is_found_wherever_the_import_is_written(tmp_path, back):
    house = tmp_path / "house"
    house.mkdir()
    (house / "__init__.py").write_text("")
    (house / "a.py").write_text(back)
    (house / "b.py").write_text("from house.c import name")
    (house / "c.py").write_text("from house import a")
    (house / "d.py").write_text("from house import a, b, c")
    assert circles(graph_of(house)) == [["house.a", "house.b", "house.c"]]


_ALL = """
import sys
from importlib import import_module
from tests.test_imports import PACKAGE, modules_in

rooms = ("engine", "watch", "backtest", "manager", "tui", "venues", "wallets", "store", "market", "strategy")
imported = [name for name in modules_in(PACKAGE) if name.split(".")[1:2] and name.split(".")[1] in rooms]
for name in imported:
    if "migrations" not in name and not name.endswith("__main__"):
        import_module(name)
assert len(imported) > 200
print([name for name in ("numba", "llvmlite", "optuna", "dask", "pandas", "scipy") if name in sys.modules])
"""


def test_neither_the_engine_nor_the_screen_imports_a_compiler_or_an_optimiser():
    """With every module of theirs imported: where one is needed, a process of a job imports it."""
    pytest.importorskip("numba")
    done = subprocess.run([sys.executable, "-c", _ALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


_LONG = """
import sys
import numpy as np
from firstwatch.backtest import compiling
from firstwatch.backtest.simulate import simulate
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.market import DEFAULT_MARKET
from tests.backtest.specifications import COSTS
from tests.candles import generated_candles

compiling.LOADING_BARS = compiling.COMPILING_BARS = 1
spec = AlgorithmSpec.from_toml(sample_toml())
result = simulate(spec, generated_candles(1, 3_000), market=DEFAULT_MARKET, costs=COSTS[0])
print(len(result.records) > 10, "numba" in sys.modules)
"""


def test_one_backtest_is_interpreted_however_long_it_is():
    done = subprocess.run([sys.executable, "-c", _LONG], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
