"""A chart of candles in half rows, with marks of trades, levels of a position, and what is true when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from firstwatch.trading.text import counted
from firstwatch.tui import formats
from firstwatch.tui.widgets.plot import Grid, Scale, View, draw_curve, time_axis, value_axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from firstwatch.manager.run_views import Candles, OperandView

_WICK, _BODY = 1, 2
_SIGNS = {
    (_WICK, _WICK): "│",
    (_BODY, _BODY): "┃",
    (_BODY, 0): "╹",
    (0, _BODY): "╻",
    (_WICK, 0): "╵",
    (0, _WICK): "╷",
    (_WICK, _BODY): "╽",
    (_BODY, _WICK): "╿",
}
_REACH = 0.25
"""How far beyond the candles a level may be, as a share of their range, to be drawn as a line."""
_WIDEST = 4
"""Columns of one candle at most."""
_PANE_ROWS, _MOST_PANES = 5, 2
_CANDLE_ROWS = 12
"""Rows that candles and axes have before there is an indicator below them."""
_LEAST_ROWS = 9
"""Rows that they have before it is shown below them what is true when."""
_CURVE_TONES = ("primary", "secondary", "accent")


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a fill: an entry (E) or an exit (X)."""

    time_ms: int
    price: float
    sign: str


@dataclass(frozen=True, slots=True)
class Level:
    """A price at which an order rests, or at which something would happen."""

    price: float
    label: str


@dataclass(frozen=True, eq=False)
class Track:
    """A price at each bar, as that of a stop; NaN: there is none."""

    label: str
    values: "NDArray[np.float64]"
    sign: str


@dataclass(frozen=True, eq=False)
class Truth:
    """Where something is true: a row below the candles, with a sign at each bar that has it.

    The signs are of the first of its parts that is true there. ``is_lit``: the candles there have a band.
    """

    label: str
    parts: "tuple[tuple[str, NDArray[np.bool_]], ...]"
    is_lit: bool = False


@dataclass(frozen=True, eq=False)
class CandleChart:
    """The data of a candle chart, with at least one candle. Operands are those of the newest candles."""

    candles: "Candles"
    marks: tuple[Mark, ...] = ()
    levels: tuple[Level, ...] = ()
    operands: "tuple[OperandView, ...]" = ()
    tracks: tuple[Track, ...] = ()
    """Of the same bars as the candles, as are the truths."""
    truths: tuple[Truth, ...] = ()
    legend: str = "E entry  X exit"
    """The meaning of the marks' signs."""
    first_bars: int = 0
    """So many bars are shown at first, if that is more than usual."""

    def usual(self, width: int) -> int:
        """Return how many bars are shown without zoom."""
        return max(usual_bars(width), self.first_bars)


@dataclass(frozen=True, eq=False)
class Reduced:
    """Candles that each join neighbouring bars: the first open, the extremes, the last close."""

    first: "NDArray[np.int64]"
    """The number of the first bar of each."""
    open: "NDArray[np.float64]"
    high: "NDArray[np.float64]"
    low: "NDArray[np.float64]"
    close: "NDArray[np.float64]"


def reduce_candles(candles: "Candles", columns: int) -> Reduced:
    """Join bars into at most ``columns`` candles; highs and lows are kept."""
    count = len(candles.time_ms)
    first = np.unique(np.arange(min(columns, count)) * count // min(columns, count))
    last = np.append(first[1:], count) - 1
    return Reduced(
        first,
        candles.open[first],
        np.maximum.reduceat(candles.high, first),
        np.minimum.reduceat(candles.low, first),
        candles.close[last],
    )


def usual_bars(width: int) -> int:
    """Return how many bars are shown by default: one candle in every second column."""
    return max(1, (width - _AXIS) // 2)


_AXIS = 12
"""Columns of the prices at the right."""


def draw_candles(chart: CandleChart, view: View, width: int, height: int, colours: Mapping[str, str]) -> Text:
    """Return the picture: a line of text, the candles with prices at the right, indicators and times below.

    A level too far away for a line is written at the upper or lower edge.
    """
    total = len(chart.candles.time_ms)
    seen = view.part(total, chart.usual(width))
    candles = chart.candles.part(seen)
    room = max(1, width - _AXIS)
    low, high = float(candles.low.min()), float(candles.high.max())
    near, above, below = _sorted_levels(chart.levels, low, high)
    prices = [*(level.price for level in near), *_near_track(chart.tracks, seen, low, high)]
    low, high = min([low, *prices]), max([high, *prices])
    grid = Grid(width, height)
    truths = chart.truths[: max(0, height - _LEAST_ROWS)]
    others = [operand for operand in chart.operands if not operand.is_price]
    others = others[: min(_MOST_PANES, max(0, height - _CANDLE_ROWS - len(truths)) // _PANE_ROWS)]
    bottom = height - 1 - _PANE_ROWS * len(others) - len(truths)
    top = 1 + bool(above)
    scale = Scale.around(low, high, top=top, rows=max(1, bottom - top - bool(below)))
    reduced = reduce_candles(candles, room)
    step = min(_WIDEST, room // len(reduced.first))
    columns = [place * step + step // 2 for place in range(len(reduced.first))]
    _draw_head(grid, chart, candles, len(candles.time_ms) // len(reduced.first))
    ends = np.append(reduced.first[1:], len(candles.time_ms)) - 1
    places = _Places(np.array(columns), seen.start + ends - total, step)
    for operand, tone in zip((each for each in chart.operands if each.is_price), _CURVE_TONES, strict=False):
        _draw_operand(grid, operand, places, scale, colours[tone])
    _draw_bodies(grid, reduced, columns, scale, colours)
    for track in chart.tracks:
        _draw_track(grid, track, places, scale, colours["secondary"])
    value_axis(grid, scale, room, formats.price)
    for level in near:
        _draw_line(grid, level, scale, room, colours)
    for row, found, sign in ((1, above, "↑"), (bottom - 1, below, "↓")):
        if found:
            words = " · ".join(f"{level.label} {formats.price(level.price)} {sign}" for level in found)
            grid.write(row, 0, words, colours["secondary"])
    last = float(candles.close[-1])
    grid.write(scale.place(last), room, f" {formats.price(last)}", f"bold {colours['foreground']}")
    style = f"bold {colours['background']} on {colours['foreground']}"
    for mark in chart.marks:
        bar = int(candles.time_ms.searchsorted(mark.time_ms, side="right")) - 1
        if bar >= 0:
            candle = int(reduced.first.searchsorted(bar, side="right")) - 1
            grid.put(scale.place(mark.price), columns[candle], mark.sign, style)
    for number, truth in enumerate(truths):
        signs = _true_columns(truth, reduced.first + seen.start, columns, seen.stop)
        _draw_truth(grid, truth, signs, bottom + number, colours)
        for column in signs if truth.is_lit else ():
            grid.light(range(top, bottom), places.cells(column), colours["band"])
    for number, operand in enumerate(others):
        _draw_pane(grid, operand, places, bottom + len(truths) + _PANE_ROWS * number, colours)
    time_axis(grid, height - 1, candles.time_ms[reduced.first].tolist(), step * len(reduced.first))
    return grid.text()


@dataclass(frozen=True, eq=False)
class _Places:
    """The column of each candle, and the last bar of each, counted from the newest."""

    columns: "NDArray[np.int64]"
    lasts: "NDArray[np.int64]"
    step: int
    """Columns of one candle."""

    def cells(self, column: int) -> range:
        """Return all columns of the candle that stands in that one."""
        first = column - self.step // 2
        return range(first, first + self.step)


def _draw_operand(grid: Grid, operand: "OperandView", places: _Places, scale: Scale, style: str) -> None:
    """Draw an operand's value at the last bar of each candle."""
    has_value = places.lasts >= -len(operand.values)
    values = np.full(len(places.lasts), np.nan)
    values[has_value] = operand.values[places.lasts[has_value]]
    inside = np.isfinite(values) & (values >= scale.low) & (values <= scale.high)
    if inside.any():
        draw_curve(grid, 2 * places.columns[inside], values[inside], scale, style)


def _draw_pane(
    grid: Grid, operand: "OperandView", places: _Places, top: int, colours: Mapping[str, str]
) -> None:
    """Draw an operand that is no price below the candles, with the constants it is compared with as lines."""
    first, last = int(places.lasts[0]), int(places.lasts[-1])
    seen = operand.values[max(0, len(operand.values) + first) : len(operand.values) + last + 1]
    finite = seen[np.isfinite(seen)]
    if not len(finite):
        grid.write(top, 0, operand.name, "dim")
        return
    grid.write(top, 0, f"{operand.name} {float(finite[-1]):,.4g}", "dim")
    room = grid.columns - _AXIS
    low, high = min([float(finite.min()), *operand.numbers]), max([float(finite.max()), *operand.numbers])
    scale = Scale.around(low, high, top=top + 1, rows=_PANE_ROWS - 1)
    for number in operand.numbers:
        row = scale.place(number)
        grid.write(row, 0, "┄" * room, colours["secondary"])
        grid.write(row, room, f" {number:,.4g}", "dim")
    _draw_operand(grid, operand, places, scale, f"bold {colours['foreground']}")


def _near_track(tracks: Sequence[Track], seen: slice, low: float, high: float) -> list[float]:
    """Return the ends of the tracks, as far as they are near enough to the candles to be drawn."""
    reach = (high - low) * _REACH
    values = [track.values[seen] for track in tracks]
    near = [each[(each >= low - reach) & (each <= high + reach)] for each in values]
    return [float(end) for each in near if len(each) for end in (each.min(), each.max())]


def _draw_track(grid: Grid, track: Track, places: _Places, scale: Scale, style: str) -> None:
    """Draw a track's value at the last bar of each candle, where nothing else stands."""
    values = track.values[places.lasts]
    for column, value in zip(places.columns.tolist(), values.tolist(), strict=True):
        if scale.low <= value <= scale.high:
            row = scale.place(value)
            for cell in places.cells(column):
                if grid.is_free(row, cell):
                    grid.put(row, cell, track.sign, style)


def _draw_truth(
    grid: Grid, truth: Truth, columns: "Mapping[int, str]", row: int, colours: Mapping[str, str]
) -> None:
    """Draw the row of a truth, with its label at the right."""
    for column, sign in columns.items():
        grid.put(row, column, sign, f"bold {colours['accent' if truth.is_lit else 'foreground']}")
    grid.write(row, grid.columns - _AXIS, f" {truth.label}", "dim")


def _true_columns(
    truth: Truth, starts: "NDArray[np.int64]", columns: Sequence[int], end: int
) -> dict[int, str]:
    """Return the sign of each candle that has a bar at which it is true, by its column."""
    found: dict[int, str] = {}
    for sign, holds in truth.parts:
        is_true = np.logical_or.reduceat(holds[:end], starts)
        for candle in np.flatnonzero(is_true).tolist():
            found.setdefault(columns[candle], sign)
    return found


def _sorted_levels(
    levels: Sequence[Level], low: float, high: float
) -> tuple[list[Level], list[Level], list[Level]]:
    """Return the levels that are near enough for a line, those above and those below."""
    reach = (high - low) * _REACH
    near = [level for level in levels if low - reach <= level.price <= high + reach]
    above = [level for level in levels if level.price > high + reach]
    below = [level for level in levels if level.price < low - reach]
    return near, above, below


def _draw_head(grid: Grid, chart: CandleChart, candles: "Candles", together: int) -> None:
    hidden = len(chart.candles.time_ms) - len(candles.time_ms)
    parts = [
        counted(len(candles.time_ms), "bar"),
        f"{together} a candle" if together > 1 else "",
        f"{hidden} more not in sight" if hidden else "",
        chart.legend if chart.marks else "",
        *(f"{track.sign} {track.label}" for track in chart.tracks),
        *(each.name for each in chart.operands if each.is_price),
    ]
    head = ""
    for part in filter(None, parts):
        # Parts without room are left out whole.
        longer = f"{head} · {part}" if head else part
        head = longer if len(longer) <= grid.columns else head
    grid.write(0, 0, head, "dim")


def _draw_bodies(
    grid: Grid, reduced: Reduced, columns: Sequence[int], scale: Scale, colours: Mapping[str, str]
) -> None:
    rising, falling = f"bold {colours['foreground']}", f"dim {colours['foreground']}"
    shapes = zip(
        columns,
        reduced.open.tolist(),
        reduced.high.tolist(),
        reduced.low.tolist(),
        reduced.close.tolist(),
        strict=True,
    )
    for column, opened, high, low, closed in shapes:
        style = rising if closed >= opened else falling
        first, last = scale.place(high, 2), scale.place(low, 2)
        body_first, body_last = scale.place(max(opened, closed), 2), scale.place(min(opened, closed), 2)
        for row in range(first // 2, last // 2 + 1):
            upper, lower = (
                _BODY if body_first <= half <= body_last else _WICK if first <= half <= last else 0
                for half in (2 * row, 2 * row + 1)
            )
            grid.put(row, column, _SIGNS[upper, lower], style)


def _draw_line(grid: Grid, level: Level, scale: Scale, room: int, colours: Mapping[str, str]) -> None:
    row, style = scale.place(level.price), colours["secondary"]
    for column in range(room):
        if grid.is_free(row, column):
            grid.put(row, column, "┄", style)
    grid.write(row, 0, level.label, style)
    grid.write(row, room, f" {formats.price(level.price)}".ljust(_AXIS), style)
