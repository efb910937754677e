"""The market of candles that no venue and no market file describes, taken from the candles themselves.

Every assumption is reported, and prices that are too coarse to show a tick are refused.
"""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.files import read_candles
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.specification import AlgorithmSpec, Level, LevelKind
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.market import Market
from firstwatch.trading.notes import Note, NoteCode

UNKNOWN_SYMBOL = "UNKNOWN/USDC:USDC"
"""Symbol for a file whose name contains none."""

_QUOTES = "USDC|USDT|USDE|FDUSD|BUSD|USD"
_SYMBOL = re.compile(rf"(?<![A-Z0-9])([A-Z0-9]{{1,15}}?)[-_]?({_QUOTES})(?![A-Z0-9])")
_STEP_VALUE = 0.01
"""About what one amount step is worth, in quote."""
_MOST_DECIMALS = 12
_NEEDED_BY = 0.99
_FLOAT64_NOISE = 1e-11
_FLOAT32_NOISE = 6e-8
_FIGURES = 9
"""Significant figures where the prices have no common decimal."""
_COARSEST = Decimal("0.001")
"""Largest tick against the price."""
_ASSUMED = {
    "symbol": "symbol",
    "tick": "tick",
    "amount_step": "amount step",
    "minimum_cost": "minimum order",
    "maintenance_rate": "maintenance rate",
    "maximum_leverage": "maximum leverage",
    "taker_fee_bps": "taker fee in bps",
    "maker_fee_bps": "maker fee in bps",
}


def market_of_file(path: Path, given: Market | None) -> Market:
    """Return the market of a candle file; what ``given`` sets is kept.

    The file is read once while it stays the same.

    Raises:
        WrongUseError: the file cannot be read, or its prices are too coarse.
    """
    if given is not None and {"symbol", "tick", "amount_step"} <= given.model_fields_set:
        return given
    try:
        facts = path.stat()
    except OSError as error:
        raise WrongUseError(f"cannot read {path}: {error.strerror}; give a CSV file") from error
    return _filled(_read(path, facts.st_mtime_ns, facts.st_size), given)


def market_of_candles(
    path: Path, candles: CandleArrays, given: Market | None, spec: AlgorithmSpec
) -> tuple[Market, tuple[Note, ...]]:
    """Return the market to test ``spec`` on, and a note on its assumptions; what ``given`` sets is kept.

    Raises:
        WrongUseError: an assumed tick is more than 0.1 % of the price, or than a tenth of the smallest
            distance of a stop or a target.
    """
    missing = assumed_of(given)
    if not missing:
        return given or Market(), ()
    assumed = _assume(path, candles, checks="tick" in missing)
    if spec.symbol is not None:
        assumed = assumed.model_copy(update={"symbol": spec.symbol})
    market = _filled(assumed, given)
    if "tick" in missing and (problem := coarse_tick(market.tick, spec, candles)):
        raise WrongUseError(f"{path}: {problem}; give --market FILE")
    sentence = f"{assumption(market, missing)}; --market FILE says otherwise"
    return market, (Note(NoteCode.ASSUMED_MARKET, sentence),)


def assumed_of(given: Market | None) -> tuple[str, ...]:
    """Return the fields of a market that no market file sets."""
    said = frozenset[str]() if given is None else given.model_fields_set
    return tuple(name for name in _ASSUMED if name not in said)


def assumption(market: Market, fields: Sequence[str]) -> str:
    """Return a sentence that names the assumed figures of a market."""
    listed = ", ".join(f"{_ASSUMED[name]} {_shown(getattr(market, name))}" for name in fields)
    return f"no market file says it, so this is assumed: {listed}"


def coarse_tick(tick: Decimal, spec: AlgorithmSpec, candles: CandleArrays) -> str:
    """Return why a tick is too coarse for the algorithm's levels on these candles; empty: it is not."""
    distances = [_distance(level, candles) for level in (spec.stop_loss, spec.take_profit) if level]
    smallest = min(distances, default=math.inf)
    if float(tick) <= smallest / 10 * (1 + _FLOAT64_NOISE):
        return ""
    return (
        f"the prices go in steps of {tick}, and a stop or target lies {smallest:.6g} away: a tick of more"
        " than a tenth of it decides the result"
    )


def symbol_of(path: Path) -> str:
    """Return the symbol that a file's name holds (``binance_BTCUSDT_perp_1h.csv``), or ``UNKNOWN_SYMBOL``."""
    found = _SYMBOL.search(path.name.upper())
    return UNKNOWN_SYMBOL if found is None else f"{found[1]}/{found[2]}:{found[2]}"


def tick_of(candles: CandleArrays) -> Decimal:
    """Return the largest power of ten, at most 0.1, of which 99 % of the prices are multiples.

    Binary noise of float64 or float32 is ignored. Prices without a common decimal (they were computed) get
    nine significant figures.
    """
    prices = np.concatenate([candles.open, candles.high, candles.low, candles.close])
    for noise in (_FLOAT64_NOISE, _FLOAT32_NOISE):
        for decimals in range(1, _MOST_DECIMALS + 1):
            if 10.0**-decimals < 4 * noise * _middle(prices):
                break  # any number is near a whole count of so small a step
            off = np.abs(prices - np.round(prices, decimals))
            if np.mean((off <= noise * prices) & (prices >= 10.0**-decimals / 2)) >= _NEEDED_BY:
                return Decimal(1).scaleb(-decimals)
    whole = int(np.floor(np.log10(_middle(prices))))
    return Decimal(1).scaleb(min(whole + 1 - _FIGURES, -1))


@lru_cache(maxsize=32)
def _read(path: Path, _mtime_ns: int, _size: int) -> Market:
    return _assume(path, read_candles(path).candles, checks=True)


def _assume(path: Path, candles: CandleArrays, *, checks: bool) -> Market:
    tick, price = tick_of(candles), _middle(candles.close)
    if checks and tick > _COARSEST * Decimal(repr(price)):
        share = float(tick) / price
        raise WrongUseError(
            f"{path}: the prices go in steps of {tick}, {share:.2g} of the price: too coarse to be the tick "
            "of a market; give --market FILE (a venue: the key market)"
        )
    step = Decimal(1).scaleb(round(float(np.log10(_STEP_VALUE / price))))
    return Market(symbol=symbol_of(path), tick=tick, amount_step=step)


def _filled(assumed: Market, given: Market | None) -> Market:
    if given is None:
        return assumed
    return assumed.model_copy(update={name: getattr(given, name) for name in given.model_fields_set})


def _distance(level: Level, candles: CandleArrays) -> float:
    if level.kind is LevelKind.FRACTION:
        return level.value * float(candles.close.min())
    if level.kind is LevelKind.AMOUNT:
        return level.value
    return level.value * _middle(candles.high - candles.low)


def _middle(values: NDArray[np.float64]) -> float:
    return float(np.median(values))


def _shown(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
