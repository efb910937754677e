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
