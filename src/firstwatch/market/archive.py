"""The archive: recorded or imported candles in the data folder, never changed once stored.

One ``packed`` file for each source, symbol, timeframe and month (UTC):
``archive/SOURCE/SYMBOL/TIMEFRAME/2025-01.candles``. A stored bar never changes. One offered again with
different numbers is reported and ignored.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.files import CandleFile, holes_of
from firstwatch.market.packed import SUFFIX, History, locked, pack, unpack, write_whole
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import END_MS, iso
from firstwatch.trading.errors import StoreError, WrongUseError
from firstwatch.trading.text import quoted
from firstwatch.trading.timeframe import Timeframe

ARCHIVE_FOLDER = "archive"
REFERENCE = "archive:"
"""Prefix of a series' name in place of a candle file: ``archive:BTC/USDC:USDC@1h``."""

_SHOWN = 5
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_MONTH = re.compile(r"\d{4}-\d{2}" + re.escape(SUFFIX))
_LONGEST_SYMBOL = 80


class Series(NamedTuple):
    """Candles of one market from one source: a venue of the settings, or a name for imported files."""

    source: str
    symbol: str
    timeframe: Timeframe

    def __str__(self) -> str:
        return f"{REFERENCE}{self.source}:{self.symbol}@{self.timeframe}"


class Difference(NamedTuple):
    """A stored bar, and the different one that was offered for the same time."""

    kept: Bar
    offered: Bar

    def __str__(self) -> str:
        changes = (
            f"{name} {ours:g}, offered {theirs:g}"
            for name, ours, theirs in zip(Bar._fields[1:], self.kept[1:], self.offered[1:], strict=True)
            if ours != theirs
        )
        return f"{iso(self.kept.time_ms)}: the archive keeps {'; '.join(changes)}"


@dataclass(frozen=True, slots=True)
class Extension:
    """Result of an import: new bars, known ones, and ones that differ from the stored."""

    added: int = 0
    known: int = 0
    differing: int = 0
    differences: tuple[Difference, ...] = ()
    """The first few."""


def series_of(source: str, symbol: str, timeframe: Timeframe) -> Series:
    """Return the series of that name.

    Raises:
        WrongUseError: the source or the symbol cannot be a name.
    """
    if not _SOURCE.fullmatch(source):
        raise WrongUseError(
            f"{quoted(source)} is not the name of a source; use up to 40 small letters, digits, dashes and"
            " underscores"
        )
    if not (0 < len(symbol) <= _LONGEST_SYMBOL and symbol.isprintable() and "@" not in symbol):
        raise WrongUseError(f"{quoted(symbol)} is not a symbol; write one like BTC/USDC:USDC")
    return Series(source, symbol, timeframe)


def extend(home: Path, series: Series, candles: CandleArrays) -> Extension:
    """Add the candles that the archive does not hold yet, month by month; each month is whole or as it was.

    Raises:
        WrongUseError: the candles are of another timeframe.
        StoreError: a file of the archive is damaged, or the folder cannot be written.
    """
    if candles.timeframe is not series.timeframe:
        raise WrongUseError(f"{series} takes no candles of {candles.timeframe}")
    total = Extension()
    if not len(candles):
        return total
    folder = _folder(home, series)
    try:
        with locked(folder):
            for month, part in _months(candles):
                path = folder / f"{month}{SUFFIX}"
                held = _load(path, series) if path.exists() else None
                merged, found = _merged(held, part)
                if found.added:
                    write_whole(path, pack(History(merged)))
                total = Extension(
                    total.added + found.added,
                    total.known + found.known,
                    total.differing + found.differing,
                    (*total.differences, *found.differences)[:_SHOWN],
                )
    except OSError as error:
        raise StoreError(f"The archive {folder} cannot be written: {error.strerror}.") from error
    return total


def read_series(home: Path, series: Series) -> CandleFile:
    """Return all candles of a series, with their holes.

    Raises:
        WrongUseError: the archive has no such series.
        StoreError: a file of it is damaged.
    """
    folder = _folder(home, series)
    months = sorted(path for path in folder.glob(f"*{SUFFIX}") if _MONTH.fullmatch(path.name))
    if not months:
        known = ", ".join(map(str, list_series(home))) or "nothing"
        raise WrongUseError(f"the archive has no {series}; it has {known}")
    candles = CandleArrays.joined([_load(path, series) for path in months])
    rows = np.arange(1, len(candles) + 1, dtype=np.int64)
    return CandleFile(folder, candles, tuple(holes_of(candles, rows, is_row=True)))


def list_series(home: Path) -> list[Series]:
    """Return the series that the archive holds, by source, symbol and timeframe."""
    found = {
        Series(path.parts[-4], unquote(path.parts[-3]), Timeframe(path.parts[-2]))
        for path in (home / ARCHIVE_FOLDER).glob(f"*/*/*/*{SUFFIX}")
        if _MONTH.fullmatch(path.name)
        and path.parts[-2] in set(Timeframe)
        and _SOURCE.fullmatch(path.parts[-4])
    }
    return sorted(found, key=lambda series: (series.source, series.symbol, series.timeframe.ms))


def find_series(home: Path, reference: str) -> Series:
    """Return the series that ``archive:[SOURCE:]SYMBOL@TIMEFRAME`` names.

    Raises:
        WrongUseError: there is none, or several sources have it.
    """
    name = reference.removeprefix(REFERENCE)
    symbol, at, timeframe = name.rpartition("@")
    if not at or timeframe not in set(Timeframe):
        raise WrongUseError(
            f"{quoted(reference)} names no series of the archive: write {REFERENCE}SYMBOL@TIMEFRAME, such as"
            f" {REFERENCE}BTC/USDC:USDC@1h; `firstwatch candles list` shows them"
        )
    held = list_series(home)
    found = [
        series
        for series in held
        if series.timeframe == timeframe and symbol in (series.symbol, f"{series.source}:{series.symbol}")
    ]
    if len(found) > 1:
        raise WrongUseError(f"several sources have {name}: write {' or '.join(map(str, found))}")
    if not found:
        raise WrongUseError(
            f"the archive has no {name}; it has {', '.join(map(str, held)) or 'nothing'}: record or import it"
            " with `firstwatch candles`"
        )
    return found[0]


def _folder(home: Path, series: Series) -> Path:
    return home / ARCHIVE_FOLDER / series.source / quote(series.symbol, safe="") / series.timeframe.value


def _months(candles: CandleArrays) -> Iterator[tuple[str, CandleArrays]]:
    """Yield the candles of each month, oldest first."""
    months = candles.time_ms.astype("datetime64[ms]").astype("datetime64[M]")
    starts = np.flatnonzero(np.diff(months.astype(np.int64), prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(candles)], strict=True):
        yield str(months[start]), candles.part(int(start), int(stop))


def _load(path: Path, series: Series) -> CandleArrays:
    try:
        candles = unpack(path.read_bytes())[1].candles
        if candles.timeframe is not series.timeframe or not len(candles):
            raise ValueError("it holds other candles than its name says")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"The file {path} of the archive cannot be read: {why}. Move it away; what it held can be"
            " recorded or imported anew."
        ) from error
    return candles


def _merged(held: CandleArrays | None, offered: CandleArrays) -> tuple[CandleArrays, Extension]:
    """Return both merged, a held bar taking precedence, and what was new."""
    if held is None:
        return offered, Extension(added=len(offered))
    mine, theirs = _rows(held), _rows(offered)
    is_known = np.isin(offered.time_ms, held.time_ms)
    places = np.searchsorted(held.time_ms, offered.time_ms[is_known])
    differs = (mine[places] != theirs[is_known]).any(axis=1)
    changed = np.flatnonzero(is_known)[differs]
    found = Extension(
        int((~is_known).sum()),
        int(is_known.sum() - differs.sum()),
        len(changed),
        tuple(
            Difference(held.bar(int(place)), offered.bar(int(index)))
            for place, index in zip(places[differs][:_SHOWN], changed[:_SHOWN], strict=True)
        ),
    )
    if not found.added:
        return held, found
    times = np.concatenate([held.time_ms, offered.time_ms[~is_known]])
    order = np.argsort(times)
    columns = np.concatenate([mine, theirs[~is_known]])[order].T.copy()
    return (
        CandleArrays(
            times[order], columns[0], columns[1], columns[2], columns[3], columns[4], held.timeframe
        ),
        found,
    )


def _rows(candles: CandleArrays) -> NDArray[np.float64]:
    """Return the numbers of each bar, shape (bars, 5)."""
    return np.stack((candles.open, candles.high, candles.low, candles.close, candles.volume), axis=1)


def sound_candles(bars: list[Bar], timeframe: Timeframe) -> CandleArrays:
    """Return bars of a venue as candles for the archive.

    Raises:
        ValueError: one of them cannot be a candle, or they are out of order; the sentence names it.
    """
    before = -1
    for bar in bars:
        if not (bar.is_sound and before < bar.time_ms < END_MS and bar.time_ms % timeframe.ms == 0):
            raise ValueError(f"the bar of {iso(bar.time_ms)} is not a candle of {timeframe} that can follow")
        before = bar.time_ms
    return CandleArrays.from_bars(bars, timeframe)
