"""Files that an operator hands to a command."""

from pathlib import Path

from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import WrongUseError


def read_text(path: Path) -> str:
    """Return the file's text.

    Raises:
        WrongUseError: it is not there, cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise WrongUseError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise WrongUseError(f"{path} is no text: byte {error.start} is not UTF-8.") from error


def read_algorithm(path: Path) -> AlgorithmSpec:
    """Return the algorithm of a TOML file.

    Raises:
        WrongUseError: the file cannot be read or is no valid algorithm; all mistakes are named.
    """
    return AlgorithmSpec.from_toml(read_text(path), where=str(path))
