"""History files: candles and funding rates of every known format (``formats``).

A mistake is refused with its line; nothing is corrected. A hole is not a mistake (no trades, no bar), but
is reported with its line and length. In a file without lines they are rows, counted from 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.formats.columns import read_columns
from firstwatch.market.funding import FundingSeries, due_ms
from firstwatch.market.table import Columns, Mistakes
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.timeframe import Timeframe

_TIME_NAMES = ("open_time", "open time", "start_time", "starttime", "time", "timestamp", "date", "datetime")
_CANDLE_NAMES = {
    "time": _TIME_NAMES,
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume", "vol_ccy", "vol"),
}
"""Column names by role, preferred first: those of Binance, Bybit, OKX (``vol``: contracts) and freqtrade."""
_RATE_NAMES = ("rate", "funding_rate", "fundingrate", "last_funding_rate")
# Files of public data collections hold the rate in ``open``, and 0 in the other columns of a candle.
_FUNDING_NAMES = {"time": (*_TIME_NAMES, "calc_time"), "rate": (*_RATE_NAMES, "open")}
_REST_OF_A_CANDLE = ("high", "low", "close")
_MOST_RATE = 0.05
"""Largest credible rate, a fraction: the venues' own bounds are about 4 %."""
_MOST_RATE_A_YEAR = 5.0
_LEAST_RATES = 30
"""Fewest rates whose median shows whether they are fractions or per cent; a usual year sums to 0.11."""
_YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Hole:
    """A run of missing bars in a file: open times of the first and the last, and the count.

    ``line`` is the line of the first bar after the hole, or its row in a file without lines (``is_row``).
    """

    first_ms: int
    last_ms: int
    bars: int
    line: int
    is_row: bool = False

    def __str__(self) -> str:
        missing = "1 bar is" if self.bars == 1 else f"{self.bars} bars are"
        place = f"{'row' if self.is_row else 'line'} {self.line}"
        return f"{place}: {missing} missing before it, {self.span}"

    @property
    def span(self) -> str:
        """The times of the missing bars."""
        return iso(self.first_ms) + ("" if self.bars == 1 else f" to {iso(self.last_ms)}")


@dataclass(frozen=True, slots=True, eq=False)
class CandleFile:
    """The candles of a file and the holes in them, oldest first."""

    path: Path
    candles: CandleArrays
    holes: tuple[Hole, ...]

    @property
    def timeframe(self) -> Timeframe:
        """The size of the bars."""
        return self.candles.timeframe


def read_candles(path: Path, timeframe: Timeframe | None = None) -> CandleFile:
    """Read candles: columns date (or time, timestamp, open_time), open, high, low, close, volume.

    CSV or a JSON list of rows, plain, gzipped or zipped, as exchanges publish them and freqtrade keeps them;
    Parquet and Feather with the extra ``arrow``. Columns are found by name in any order, or by position when
    there is no header; more columns may follow. Times are open times: epoch seconds, ms or µs, or ISO 8601,
    UTC where no zone is given. ``timeframe`` None: the most common step between two bars.

    Raises:
        WrongUseError: the file cannot be read, a row is incomplete, a cell is not a number, times are
            repeated, out of order or off the timeframe, a price is not above zero, a volume is negative,
            or high and low do not enclose open and close. The first mistakes are listed by line.
    """
    path = Path(path)
    mistakes = Mistakes(str(path))
    columns = read_columns(path, _CANDLE_NAMES, mistakes)
    mistakes.raise_if_any()
    _check_order(columns, mistakes)
    _check_prices(columns, mistakes)
    mistakes.raise_if_any()
    steps = np.diff(columns.time_ms)
    actual = _timeframe(path, steps, timeframe)
    for row in np.flatnonzero(columns.time_ms % actual.ms):
        mistakes.add(
            int(columns.line[row]),
            f"column time: {iso(int(columns.time_ms[row]))} is not the open time of a {actual} bar",
        )
    mistakes.raise_if_any()
    values = columns.numbers
    candles = CandleArrays(
        columns.time_ms,
        values["open"],
        values["high"],
        values["low"],
        values["close"],
        values["volume"],
        actual,
    )
    is_row = mistakes.unit == "row"
    return CandleFile(path, candles, tuple(holes_of(candles, columns.line, is_row=is_row)))


def read_funding(path: Path) -> FundingSeries:
    """Read funding rates (fractions): columns date (or time, ...) and rate, funding_rate or open.

    Without a header: time, rate. Times as in ``read_candles``, except that a stamp of up to 2 s after a full
    minute means that minute. Gaps are allowed: fundings have no fixed step.

    Raises:
        WrongUseError: as ``read_candles`` for rows, numbers, repeated times and disorder; the file holds
            candles, or rates beyond those of any venue.
    """
    path = Path(path)
    mistakes = Mistakes(str(path))
    columns = read_columns(path, _FUNDING_NAMES, mistakes)
    mistakes.raise_if_any()
    if not columns.has_header and len(columns.cells) != len(_FUNDING_NAMES):
        raise WrongUseError(
            f"{path}, line 1: {len(columns.cells)} columns without a header, so that the rate's cannot be"
            " known; name the columns (time, rate) in a first line, or leave only those two"
        )
    _refuse_candles(path, columns)
    columns = replace(columns, time_ms=due_ms(columns.time_ms))
    _check_order(columns, mistakes)
    _check_rates(path, columns, mistakes)
    mistakes.raise_if_any()
    return FundingSeries(columns.time_ms, columns.numbers["rate"])


def require_timeframe(path: Path, actual: Timeframe, wanted: Timeframe | None) -> None:
    """Refuse candles of another timeframe than ``wanted``; None: any is accepted.

    Raises:
        WrongUseError: they differ.
    """
    if wanted is not None and wanted is not actual:
        raise WrongUseError(f"{path} holds {actual} candles, but {wanted} candles are needed here")


def write_candles(path: Path, candles: CandleArrays) -> None:
    """Write candles as a CSV file that ``read_candles`` reads back bit for bit."""
    rows = (f"{iso(bar.time_ms)},{','.join(map(repr, bar[1:]))}\n" for bar in candles.bars())
    _write(path, "date,open,high,low,close,volume\n", rows)


def write_funding(path: Path, funding: FundingSeries) -> None:
    """Write funding rates as a CSV file that ``read_funding`` reads back bit for bit."""
    pairs = zip(funding.time_ms.tolist(), funding.rate.tolist(), strict=True)
    _write(path, "date,rate\n", (f"{iso(time_ms)},{rate}\n" for time_ms, rate in pairs))


def _write(path: Path, header: str, rows: Iterable[str]) -> None:
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(header)
        file.writelines(rows)


def _timeframe(path: Path, steps: NDArray[np.int64], wanted: Timeframe | None) -> Timeframe:
    if not len(steps):
        if wanted is None:
            raise WrongUseError(
                f"{path} holds one candle; its timeframe cannot be seen: give it, or more candles"
            )
        return wanted
    lengths, counts = np.unique(steps, return_counts=True)
    common_ms = int(lengths[counts.argmax()])
    try:
        actual = Timeframe.of_ms(common_ms)
    except ValueError as error:
        raise WrongUseError(
            f"{path}: the most common step between two candles fits no timeframe: {error}"
        ) from error
    require_timeframe(path, actual, wanted)
    return actual


def _check_order(columns: Columns, mistakes: Mistakes) -> None:
    for row in np.flatnonzero(np.diff(columns.time_ms) <= 0):
        before, time_ms = columns.time_ms[row : row + 2].tolist()
        verb = "repeats" if before == time_ms else "is older than"
        mistakes.add(
            int(columns.line[row + 1]),
            f"column time: {iso(time_ms)} {verb} the time of {mistakes.unit} {columns.line[row]}",
        )


def _refuse_candles(path: Path, columns: Columns) -> None:
    """Refuse a candle file that is given for a funding file: its ``open`` is a price."""
    rest: dict[str, tuple[str, ...]] = {role: (role,) for role in _REST_OF_A_CANDLE if role in columns.cells}
    if not columns.has_header or not rest or not set(_RATE_NAMES).isdisjoint(columns.cells):
        return
    values = read_columns(path, {"time": _FUNDING_NAMES["time"]} | rest, Mistakes(str(path))).numbers
    if any(values[role].any() for role in rest):
        raise WrongUseError(
            f"{path} holds candles: beside open there are prices in {', '.join(rest)}; give a file of funding"
            " rates, with the columns time and rate"
        )


def _check_rates(path: Path, columns: Columns, mistakes: Mistakes) -> None:
    """Refuse rates that are not credible: single ones, or a median that looks like per cent."""
    rates = columns.numbers["rate"]
    for row in np.flatnonzero(np.abs(rates) > _MOST_RATE):
        mistakes.add(
            int(columns.line[row]),
            f"column rate: {rates[row]:g} is {_percent(rates[row])} of the position at once, and venues"
            f" take at most {_percent(_MOST_RATE)}; a rate is a fraction, 0.0001 for 0.01 %",
        )
    if mistakes.count or len(rates) < _LEAST_RATES:
        return
    median = float(np.median(np.abs(rates)))
    a_year = median * _YEAR_MS / float(np.median(np.diff(columns.time_ms)))
    if a_year > _MOST_RATE_A_YEAR:
        raise WrongUseError(
            f"{path}: half of the rates are {median:g} or more, {_percent(a_year)} a year; that looks like"
            " per cent, and a rate is a fraction, 0.0001 for 0.01 %: divide the rates by 100"
        )


def _percent(fraction: float) -> str:
    return f"{fraction * 100:,.0f} %"


def _check_prices(columns: Columns, mistakes: Mistakes) -> None:
    values = columns.numbers
    checks = [(role, values[role] <= 0, "is not above zero") for role in ("open", "high", "low", "close")]
    checks.append(("volume", values["volume"] < 0, "is negative"))
    checks.append(("high", values["high"] < values["low"], "is below low"))
    highest, lowest = np.maximum(values["open"], values["close"]), np.minimum(values["open"], values["close"])
    encloses = values["high"] >= values["low"]
    checks.append(("high", encloses & (values["high"] < highest), "is below open or close"))
    checks.append(("low", encloses & (values["low"] > lowest), "is above open or close"))
    for role, is_wrong, what in checks:
        for row in np.flatnonzero(is_wrong):
            mistakes.add(int(columns.line[row]), f"column {role}: {values[role][row]:g} {what}")


def holes_of(candles: CandleArrays, line: NDArray[np.int64], *, is_row: bool) -> Iterable[Hole]:
    """Yield the holes between the candles; ``line``: the line or row of each candle."""
    step_ms = candles.timeframe.ms
    for row in np.flatnonzero(np.diff(candles.time_ms) != step_ms):
        before, behind = candles.time_ms[row : row + 2].tolist()
        yield Hole(
            first_ms=before + step_ms,
            last_ms=behind - step_ms,
            bars=(behind - before) // step_ms - 1,
            line=int(line[row + 1]),
            is_row=is_row,
        )
