"""Primitives of charts: a grid of characters, scales, curves of dots, axes. Pure, without a widget."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.text import Span, Text

from firstwatch.tui import formats

_DAY_MS = 86_400_000
_BLANK = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_TICK_ROWS = 4
_LABEL_GAP = 4


@dataclass(frozen=True, slots=True)
class View:
    """The visible part of a curve: halved ``scale`` times (below 0: doubled), ending ``back`` points ago."""

    scale: int = 0
    back: int = 0

    def part(self, total: int, usual: int) -> slice:
        """Return the visible points; ``usual``: how many without zoom."""
        count = min(max(round(usual * 2.0**-self.scale), min(_FEWEST, total)), total)
        end = total - min(max(self.back, 0), total - count)
        return slice(end - count, end)

    def zoomed(self, by: int, total: int, usual: int) -> "View":
        """Return the view zoomed in by ``by`` steps (below zero: out), unless that shows the same."""
        new = View(self.scale + by, self.back)
        return self if _size(new.part(total, usual)) == _size(self.part(total, usual)) else new

    def panned(self, by: int, total: int, usual: int) -> "View":
        """Return the view moved later by ``by`` quarters of its width (below zero: earlier)."""
        seen = self.part(total, usual)
        back = total - seen.stop - by * max(1, _size(seen) // 4)
        return View(self.scale, min(max(back, 0), total - _size(seen)))


_FEWEST = 8
"""Fewest points of a view."""


def _size(part: slice) -> int:
    return int(part.stop) - int(part.start)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to rows of a part of a grid."""

    low: float
    high: float
    top: int
    rows: int

    @classmethod
    def around(cls, low: float, high: float, *, top: int, rows: int) -> "Scale":
        """Return a scale over that range; an empty range is widened."""
        if high - low <= abs(high) * 1e-12:
            margin = abs(high) * 1e-4 or 1.0
            low, high = low - margin, high + margin
        return cls(low, high, top, rows)

    def place(self, value: float, parts: int = 1) -> int:
        """Return the row, or part of a row, of a value, counted from the grid's top; clipped to the ends."""
        size = self.rows * parts
        share = (self.high - value) / (self.high - self.low)
        return self.top * parts + min(max(int(share * size), 0), size - 1)

    def ticks(self) -> list[float]:
        """Return round values, far enough apart for labels."""
        most = max(1, self.rows // _TICK_ROWS)
        raw = (self.high - self.low) / most
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw * 0.999)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step) + 1)]


class Grid:
    """Rows of characters with styles."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._signs = [[" "] * columns for _ in range(rows)]
        self._styles = [[""] * columns for _ in range(rows)]

    def put(self, row: int, column: int, sign: str, style: str) -> None:
        """Write one character; outside the grid nothing happens."""
        if 0 <= row < self.rows and 0 <= column < self.columns:
            self._signs[row][column] = sign
            self._styles[row][column] = style

    def write(self, row: int, column: int, text: str, style: str = "") -> None:
        """Write a text from that column on."""
        for place, sign in enumerate(text, start=column):
            self.put(row, place, sign, style)

    def light(self, rows: range, columns: range, colour: str) -> None:
        """Give these cells a background, but those that have one."""
        for row in rows:
            for column in columns:
                if (
                    0 <= row < self.rows
                    and 0 <= column < self.columns
                    and " on " not in self._styles[row][column]
                ):
                    self._styles[row][column] = f"{self._styles[row][column]} on {colour}".strip()

    def is_free(self, row: int, column: int) -> bool:
        """Return whether nothing was written there, in one of the columns."""
        return 0 <= column < self.columns and self._signs[row][column] == " "

    def text(self) -> Text:
        """Return the picture."""
        spans, at = [], 0
        for styles in self._styles:
            for style, cells in groupby(styles):
                end = at + sum(1 for _ in cells)
                if style:
                    spans.append(Span(at, end, style))
                at = end
            at += 1
        return Text("\n".join(map("".join, self._signs)), no_wrap=True, spans=spans)


def draw_curve(
    grid: Grid, places: NDArray[np.int64], values: NDArray[np.float64], scale: Scale, style: str
) -> None:
    """Draw a curve in dots; ``places``: the column of dots of each value, two a column, not falling.

    Each column of dots goes from the lowest to the highest of its values, and up to the one before.
    """
    cells: dict[tuple[int, int], int] = {}
    before: tuple[int, int] | None = None
    for place, low, high in _columns(places, values):
        first, last = scale.place(high, 4), scale.place(low, 4)
        reached = first, last
        if before is not None:
            # Without this a steep curve would have gaps.
            first, last = min(first, before[1] + 1), max(last, before[0] - 1)
        for dot in range(first, last + 1):
            key = dot // 4, place // 2
            cells[key] = cells.get(key, 0) | _DOTS[place % 2][dot % 4]
        before = reached
    for (row, column), dots in cells.items():
        grid.put(row, column, chr(_BLANK + dots), style)


def _columns(places: NDArray[np.int64], values: NDArray[np.float64]) -> Iterator[tuple[int, float, float]]:
    """Yield each column with its lowest and highest value; values some columns apart are joined by a line."""
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    lows, highs = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    ends = np.append(starts[1:], len(values)) - 1
    for number, start in enumerate(starts.tolist()):
        place = int(places[start])
        if number:
            last_place, last = int(places[start - 1]), float(values[ends[number - 1]])
            for between in range(last_place + 1, place):
                value = last + (float(values[start]) - last) * (between - last_place) / (place - last_place)
                yield between, value, value
        yield place, float(lows[number]), float(highs[number])


def value_axis(grid: Grid, scale: Scale, left: int, write: Callable[[float], str]) -> None:
    """Label round values at the right, from the column ``left`` on."""
    for tick in scale.ticks():
        grid.write(scale.place(tick), left, f" {write(tick)}", "dim")


def time_axis(grid: Grid, row: int, times_ms: Sequence[int], columns: int) -> None:
    """Label times below; ``times_ms``: times of evenly spread columns, oldest first."""
    if not times_ms:
        return
    write = _time_format(times_ms[-1] - times_ms[0])
    free = 0
    for column in range(columns):
        label = write(times_ms[column * len(times_ms) // columns])
        if column >= free and column + len(label) <= columns:
            grid.write(row, column, label, "dim")
            free = column + len(label) + _LABEL_GAP


def _time_format(span_ms: int) -> Callable[[int], str]:
    if span_ms > 120 * _DAY_MS:
        return lambda time_ms: formats.moment(time_ms)[:7]
    if span_ms > 8 * _DAY_MS:
        return lambda time_ms: formats.moment(time_ms)[5:10]
    return formats.short_moment
