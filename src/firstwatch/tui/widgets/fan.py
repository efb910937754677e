"""The fan: quantiles of the equity of the baseline's days, and the live curve on them.

Quantiles are shades (5 to 95 %, and 25 to 75 %) in half rows, the median and the live curve are dots, two a
column and four a row.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rich.text import Text

from firstwatch.tui.widgets.hour_strip import gutter

if TYPE_CHECKING:
    # Not at run time: the screen starts without the models of reports.
    from firstwatch.trading.watch import Fan

T = TypeVar("T")
_MINUTES = 1_440
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BLANK = 0x2800
_OUTER, _INNER = 1, 2
_SMALLEST_RANGE = 1e-4


@dataclass(frozen=True, slots=True)
class _Curve:
    """One line of a fan from its begin, where every curve is at 1."""

    minutes: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, minute: float) -> float | None:
        """Return the value at that minute; None: after its end."""
        place = bisect_right(self.minutes, minute)
        if place == len(self.minutes):
            return self.values[-1] if minute == self.minutes[-1] else None
        first, last = self.minutes[place - 1], self.minutes[place]
        share = (minute - first) / (last - first)
        return self.values[place - 1] + share * (self.values[place] - self.values[place - 1])


@dataclass(frozen=True, slots=True)
class _Curves:
    p5: _Curve
    p25: _Curve
    p50: _Curve
    p75: _Curve
    p95: _Curve
    live: _Curve


def draw_fans(
    fans: "Sequence[Fan | None]",
    *,
    tone: str,
    width: int,
    height: int,
    colours: Mapping[str, str],
) -> Text:
    """Return the fans of some days side by side, each from its own begin; None: that day has none.

    ``tone``: the theme's name of the live curve's colour.
    """
    left = gutter(width)
    room = width - left
    days = [None if fan is None else _curves(fan) for fan in fans]
    values = [value for fan in fans if fan is not None for value in _extremes(fan)]
    low, high = min(values), max(values)
    if high - low < _SMALLEST_RANGE:
        low, high = low - _SMALLEST_RANGE / 2, high + _SMALLEST_RANGE / 2
    shades = _shades(days, room, height, low, high)
    median, _ = _dots([day.p50 if day else None for day in days], room, height, low, high, gap=2)
    live, end = _dots([day.live if day else None for day in days], room, height, low, high)
    grounds = [colours[name] for name in ("surface", "band", "band-inner")]
    picture = Text(no_wrap=True)
    labels = _labels(low, high, height)
    for row in range(height):
        picture.append(labels.get(row, "").rjust(left - 1)[: left - 1] + " ", "dim")
        for column in range(room):
            upper, lower = shades[2 * row][column], shades[2 * row + 1][column]
            ground = grounds[max(upper, lower)]
            if (row, column) == end:
                picture.append("●", f"bold {colours[tone]} on {ground}")
            elif dots := live[row][column]:
                picture.append(chr(_BLANK + dots), f"bold {colours[tone]} on {ground}")
            elif dots := median[row][column]:
                picture.append(chr(_BLANK + dots), f"{colours['primary']} on {ground}")
            elif upper == lower:
                picture.append(" ", f"on {ground}")
            else:
                picture.append("▀", f"{grounds[upper]} on {grounds[lower]}")
        if row < height - 1:
            picture.append("\n")
    return picture


def _curves(fan: "Fan") -> _Curves:
    minutes = (0.0, *fan.minutes)

    def curve(values: tuple[float, ...]) -> _Curve:
        return _Curve(minutes[: len(values) + 1], (1.0, *values[: len(fan.minutes)]))

    known = [
        (minute, value) for minute, value in zip(fan.minutes, fan.live, strict=False) if value is not None
    ]
    return _Curves(
        curve(fan.p5),
        curve(fan.p25),
        curve(fan.p50),
        curve(fan.p75),
        curve(fan.p95),
        live=_Curve((0.0, *(minute for minute, _ in known)), (1.0, *(value for _, value in known))),
    )


def _extremes(fan: "Fan") -> tuple[float, ...]:
    live = tuple(value for value in fan.live if value is not None)
    return (1.0, *fan.p5, *fan.p95, *live)


def _shades(
    days: Sequence[_Curves | None], columns: int, rows: int, low: float, high: float
) -> list[list[int]]:
    """Return the shade of each half row and column."""
    shades = [[0] * columns for _ in range(2 * rows)]
    for column in range(columns):
        day, minute = _place(days, (column + 0.5) / columns)
        if day is None:
            continue
        bounds = [curve.at(minute) for curve in (day.p5, day.p25, day.p75, day.p95)]
        if None in bounds:
            continue
        p5, p25, p75, p95 = (bound or 0.0 for bound in bounds)
        for half in range(2 * rows):
            value = high - (half + 0.5) / (2 * rows) * (high - low)
            if p5 <= value <= p95:
                shades[half][column] = _INNER if p25 <= value <= p75 else _OUTER
    return shades


def _dots(
    curves: Sequence[_Curve | None],
    columns: int,
    rows: int,
    low: float,
    high: float,
    *,
    gap: int = 1,
) -> tuple[list[list[int]], tuple[int, int] | None]:
    """Return the dots of each cell, and the cell of the last one. ``gap``: only each such column of dots."""
    cells = [[0] * columns for _ in range(rows)]
    end: tuple[int, int] | None = None
    before: tuple[_Curve, int] | None = None
    for place in range(0, 2 * columns, gap):
        curve, minute = _place(curves, (place + 0.5) / (2 * columns))
        value = None if curve is None else curve.at(minute)
        if curve is None or value is None:
            before = None
            continue
        height = round((high - value) / (high - low) * (4 * rows - 1))
        first = height
        if gap == 1 and before is not None and before[0] is curve:
            # A steep line has no holes.
            first = before[1] + (1 if before[1] < height else -1 if before[1] > height else 0)
        # The live curve is two dots thick.
        for dot in range(min(first, height), min(max(first, height) + (2 if gap == 1 else 1), 4 * rows)):
            cells[dot // 4][place // 2] |= _DOTS[place % 2][dot % 4]
        before = curve, height
        end = height // 4, place // 2
    return cells, end


def _place(days: Sequence[T], share: float) -> tuple[T, float]:
    """Return the day at that share of the width, and the minute of it."""
    number = min(int(share * len(days)), len(days) - 1)
    return days[number], (share * len(days) - number) * _MINUTES


def _labels(low: float, high: float, rows: int) -> dict[int, str]:
    """Return the labels of the axis by row: the ends, and the start of the day where it has room."""
    labels = {0: _percent(high), rows - 1: _percent(low)}
    start = round((high - 1) / (high - low) * (rows - 1))
    if 1 < start < rows - 2 or (start not in labels and rows > 2):
        labels[start] = _percent(1.0)
    return labels


def _percent(value: float) -> str:
    change = (value - 1) * 100
    return f"{change:+.1f}%" if abs(change) < 10 else f"{change:+.0f}%"
