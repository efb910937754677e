"""Files that an operator gives to a command."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import Market
from firstwatch.trading.toml_file import read_text

if TYPE_CHECKING:
    from firstwatch.market.files import CandleFile


def read_algorithm(path: Path) -> AlgorithmSpec:
    """Return the algorithm of a TOML file.

    Raises:
        WrongUseError: the file cannot be read or is not a valid algorithm; the text names all mistakes.
    """
    return AlgorithmSpec.from_toml(read_text(path), where=str(path))


@dataclass(frozen=True, slots=True)
class GivenAlgorithm:
    """An algorithm of a file or of the store."""

    name: str
    """What the operator calls it: the file, or ``name@version``."""
    spec: AlgorithmSpec
    version_id: int | None
    """None: it is of a file."""


def read_algorithm_or_version(given: Path) -> GivenAlgorithm:
    """Return the algorithm of a TOML file, or where there is no such file the stored ``NAME[@VERSION]``.

    Raises:
        WrongUseError: it is neither, or the file is not a valid algorithm.
    """
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.names import split_version
    from firstwatch.store.algorithms import get_version

    if given.suffix == ".toml" or given.exists():
        return GivenAlgorithm(str(given), read_algorithm(given), None)
    with open_folder() as (_, store), store.read() as session:
        version = get_version(session, *split_version(str(given)))
    return GivenAlgorithm(version.label, AlgorithmSpec.from_json(version.spec_json), version.id)


@dataclass(frozen=True, slots=True)
class GivenCandles:
    """Candles of a file or of the archive, and the market file that was given with them."""

    file: "CandleFile"
    market: Market | None
    """Known facts of the market: for a series of the archive at least its symbol."""


def read_given_candles(source: Path, market: Path | None) -> GivenCandles:
    """Return the candles that ``--candles`` names, and the market of ``--market``.

    ``source``: a file, or ``archive:[SOURCE:]SYMBOL@TIMEFRAME`` of the data folder.

    Raises:
        WrongUseError: one of them cannot be read or is not there.
        StoreError: a file of the archive is damaged.
    """
    from firstwatch.market.archive import REFERENCE, find_series, read_series
    from firstwatch.market.files import read_candles
    from firstwatch.market.launch_files import read_market
    from firstwatch.settings import load_settings

    given = None if market is None else read_market(market)
    if not str(source).startswith(REFERENCE):
        return GivenCandles(read_candles(source), given)
    home = load_settings().home
    series = find_series(home, str(source))
    named = {"symbol": series.symbol}
    known = Market(**named) if given is None else given
    if "symbol" not in known.model_fields_set:
        known = known.model_copy(update=named)
    return GivenCandles(read_series(home, series), known)
