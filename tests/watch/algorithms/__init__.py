"""The algorithms by which the first watch is proved."""

from pathlib import Path

from firstwatch.strategy.specification import AlgorithmSpec

FOLDER = Path(__file__).parent


def algorithm(name: str) -> AlgorithmSpec:
    """Return one by the name of its file."""
    return AlgorithmSpec.from_toml((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
