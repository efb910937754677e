"""Files that an operator gives to a command."""

from pathlib import Path

from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.toml_file import read_text


def read_algorithm(path: Path) -> AlgorithmSpec:
    """Return the algorithm of a TOML file.

    Raises:
        WrongUseError: the file cannot be read or is not a valid algorithm; the text names all mistakes.
    """
    return AlgorithmSpec.from_toml(read_text(path), where=str(path))
