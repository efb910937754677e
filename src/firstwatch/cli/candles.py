"""``firstwatch candles``: the archive of candles, recorded from venues or imported from files."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json, say_table, say_to_stderr
from firstwatch.trading.errors import StoreError, VenueError, WrongUseError
from firstwatch.trading.text import counted
from firstwatch.trading.timeframe import Timeframe

if TYPE_CHECKING:
    from firstwatch.market.archive import Extension, Series
    from firstwatch.market.files import CandleFile, Hole
    from firstwatch.venues.protocol import Venue

_LONGEST_PAUSE_S = 900.0
_SHORTEST_PAUSE_S = 20.0
_MOST_BARS = 5_000
"""Most candles per request, as Hyperliquid limits them; a paper market has no limit."""
_OVERLAP_BARS = 20
"""Known bars that are read again, to report those that the venue has changed since."""

app = typer.Typer(
    help="Keep candles: record them from a venue, import files, list them.", no_args_is_help=True
)


@app.command()
def record(
    venue: Annotated[str, typer.Option(metavar="NAME", help="A venue of the settings.")],
    symbol: Annotated[str, typer.Option(metavar="S", help="Such as BTC/USDC:USDC.")],
    timeframe: Annotated[Timeframe, typer.Option(help="Size of the bars.")] = Timeframe.M1,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until a signal.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Add the closed candles that the venue has to the archive; what is there is never changed."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.waiting import stopped_by_signals
    from firstwatch.engine.venue_registry import reading_venue
    from firstwatch.market.archive import series_of
    from firstwatch.trading.clock import SystemClock

    series = series_of(venue, symbol, timeframe)
    with open_folder() as (settings, _):
        home = settings.home
        with stopped_by_signals() as stop, reading_venue(settings, venue, SystemClock()) as source:
            most = min(source.capabilities.most_candles, _MOST_BARS)
            found = _recorded(home, series, source, most)
            shown = _say_extension(home, series, found, as_json=as_json)
            while follow and not stop.wait(_pause_s(timeframe)):
                try:
                    found = _recorded(home, series, source, min(most, _missing_bars(home, series, source)))
                except VenueError as error:
                    say_to_stderr(f"{error} It is asked again.")
                    continue
                if found.added or found.differing:
                    shown = _say_extension(home, series, found, as_json=as_json, seen=shown)


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    symbol: Annotated[
        str | None, typer.Option(metavar="S", help="Without it, the one in the file's name.")
    ] = None,
    source: Annotated[str, typer.Option(metavar="NAME", help="Where they are from.")] = "files",
    as_json: JsonFlag = False,
) -> None:
    """Add the candles of files to the archive; what is there is never changed."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.market.archive import extend, series_of
    from firstwatch.market.assumed import UNKNOWN_SYMBOL, symbol_of
    from firstwatch.market.files import read_candles

    read = []
    for path in files:
        named = symbol or symbol_of(path)
        if named == UNKNOWN_SYMBOL:
            raise WrongUseError(f"The name of {path} holds no symbol; give it with --symbol BTC/USDC:USDC.")
        candles = read_candles(path)
        read.append((series_of(source, named, candles.timeframe), candles))
    with open_folder() as (settings, _):
        home = settings.home
        documents = []
        for series, file in read:
            found = extend(home, series, file.candles)
            if as_json:
                documents.append(_extension_document(home, series, found))
            else:
                _say_extension(home, series, found, as_json=False)
    if as_json:
        say_json(documents)


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """List what the archive holds: span, bars, holes."""
    from firstwatch.market.archive import list_series, read_series
    from firstwatch.settings import load_settings

    home = load_settings().home
    documents, damaged = [], []
    for series in list_series(home):
        try:
            documents.append(_document(series, read_series(home, series)))
        except StoreError as error:
            damaged.append(str(error))
    if as_json:
        say_json(documents)
    elif documents:
        names = ("series", "from", "to", "bars", "missing")
        say_table(
            [name.upper() for name in names],
            (
                [f"archive:{d['source']}:{d['symbol']}@{d['timeframe']}", *(d[n] for n in names[1:])]
                for d in documents
            ),
        )
    elif not damaged:
        say("The archive is empty. Fill it: firstwatch candles record, or firstwatch candles import FILE.")
    for sentence in damaged:
        say_to_stderr(sentence)
    if damaged:
        raise typer.Exit(1)


def _recorded(home: Path, series: "Series", source: "Venue", limit: int) -> "Extension":
    """Add the last ``limit`` closed candles of the venue to the archive."""
    from firstwatch.market.archive import extend, sound_candles

    if series.symbol not in source.markets():
        raise WrongUseError(f"{source.name} has no market {series.symbol}.")
    # A bar that ends now may not be final: a paper venue's clock may stand still there.
    bars = source.candles(series.symbol, series.timeframe, end_ms=source.now_ms() - 1, limit=limit)
    if not bars:
        raise VenueError(f"{source.name} has no closed candles of {series.symbol} at {series.timeframe} yet.")
    try:
        candles = sound_candles(bars, series.timeframe)
    except ValueError as error:
        raise VenueError(f"{source.name} gives no candles that can be kept: {error}.") from error
    return extend(home, series, candles)


def _missing_bars(home: Path, series: "Series", source: "Venue") -> int:
    from firstwatch.market.archive import read_series

    last_ms = int(read_series(home, series).candles.time_ms[-1])
    return max(0, source.now_ms() - last_ms) // series.timeframe.ms + _OVERLAP_BARS


def _pause_s(timeframe: Timeframe) -> float:
    return min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, timeframe.ms / 1000))


def _say_extension(
    home: Path, series: "Series", found: "Extension", *, as_json: bool, seen: frozenset[int] = frozenset()
) -> frozenset[int]:
    """Print how many candles were added, and each hole not ``seen`` before; return where holes begin (ms)."""
    from firstwatch.market.archive import read_series

    file = read_series(home, series)
    for difference in found.differences:
        say_to_stderr(f"{series}: {difference}")
    if found.differing > len(found.differences):
        say_to_stderr(f"{series}: and {found.differing - len(found.differences):,} more that differ")
    if as_json:
        say_json(_extension_document(home, series, found))
    else:
        for hole in file.holes:
            if hole.first_ms not in seen:
                say_to_stderr(f"{series}: {hole.bars} missing, {hole.span}")
        say(f"{series}: {found.added} added, {found.known} known, {found.differing} differ; {_held(file)}")
    return frozenset(hole.first_ms for hole in file.holes)


def _extension_document(home: Path, series: "Series", found: "Extension") -> dict[str, Any]:
    from firstwatch.market.archive import read_series

    counts = {"added": found.added, "known": found.known, "differing": found.differing}
    return _document(series, read_series(home, series)) | counts


def _held(file: "CandleFile") -> str:
    from firstwatch.trading.clock import iso

    times = file.candles.time_ms
    span = f"{iso(int(times[0]))} to {iso(int(times[-1]))}"
    return f"{counted(len(times), 'bar')} from {span}, {_missing(file.holes)} missing"


def _missing(holes: "Iterable[Hole]") -> int:
    return sum(hole.bars for hole in holes)


def _document(series: "Series", file: "CandleFile") -> dict[str, Any]:
    from firstwatch.trading.clock import iso

    times = file.candles.time_ms
    return {
        "source": series.source,
        "symbol": series.symbol,
        "timeframe": series.timeframe.value,
        "from": iso(int(times[0])),
        "to": iso(int(times[-1])),
        "bars": len(times),
        "missing": _missing(file.holes),
        "holes": [
            {"from": iso(hole.first_ms), "to": iso(hole.last_ms), "bars": hole.bars} for hole in file.holes
        ],
    }
