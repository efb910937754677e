"""Equity and drawdown on one axis of time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual_plotext.plot import Plot

from firstwatch.tui import formats
from firstwatch.tui.widgets.plot import Grid, Scale, View, time_axis, value_axis

_AXIS = 12
_UPPER = 0.62
"""Share of the rows for the equity; the drawdown has the rest."""


@dataclass(frozen=True, eq=False)
class EquityChart:
    """Equity at closes, in quote, and the capital that it began with; there are at least two points."""

    time_ms: NDArray[np.int64]
    equity: NDArray[np.float64]
    capital: float

    @property
    def drawdown(self) -> NDArray[np.float64]:
        """The fall from the peak so far as a fraction of it; the capital is the first peak."""
        peak = np.maximum.accumulate(np.maximum(self.equity, self.capital))
        return 1 - self.equity / peak


def draw_equity(chart: EquityChart, view: View, width: int, height: int, colours: Mapping[str, str]) -> Text:
    """Return the picture: equity with the capital as a line, the drawdown hanging below, one axis of time."""
    part = view.part(len(chart.time_ms), len(chart.time_ms))
    times, equity, drawdown = chart.time_ms[part], chart.equity[part], chart.drawdown[part]
    room = max(2, width - _AXIS)
    grid = Grid(width, height)
    rows = max(1, round((height - 3) * _UPPER))
    low, high = (float(edge) for edge in (equity.min(), equity.max()))
    upper = Scale.around(low, high, top=1, rows=rows)
    lower = Scale.around(0.0, max(float(drawdown.max()), 1e-4), top=rows + 2, rows=max(1, height - rows - 3))
    last = float(equity[-1])
    change = formats.change(last / chart.capital - 1 if chart.capital else None)
    grid.write(0, 0, f"equity {formats.money(last)} ({change} % of the capital)", "dim")
    grid.write(
        rows + 1,
        0,
        f"drawdown now {drawdown[-1] * 100:.2f} %, largest here {drawdown.max() * 100:.2f} %",
        "dim",
    )
    if low <= chart.capital <= high:
        for column in range(room):
            grid.put(upper.place(chart.capital), column, "┄", colours["secondary"])
    span = max(1, int(times[-1] - times[0]))
    places = (times - times[0]) * (2 * room - 1) // span
    _draw(grid, places, equity, upper, columns=room, style=f"bold {colours['foreground']}")
    _hang(grid, places // 2, drawdown, lower, colours["loss"])
    value_axis(grid, upper, room, _short_money)
    for value in (0.0, lower.high):
        grid.write(_hung(lower, value) // 2, room, f" {-value * 100:.2f} %".replace("-0.00", "0"), "dim")
    even = [int(times[0]) + span * column // room for column in range(room)]
    time_axis(grid, height - 1, even, room)
    return grid.text()


def _draw(
    grid: Grid,
    places: NDArray[np.int64],
    values: NDArray[np.float64],
    scale: Scale,
    *,
    columns: int,
    style: str,
) -> None:
    """Draw a curve with plotext, without its axes; ``places``: columns of dots, two a column."""
    plot = Plot()
    plot.theme("clear")
    plot.frame(False)
    # As its own widget does: plotsize alone is limited by the size of the terminal.
    plot.plotsize(columns, scale.rows)
    plot._set_size(columns, scale.rows)
    plot.xlim(0, 2 * columns - 1)
    plot.ylim(scale.low, scale.high)
    plot.xticks([])
    plot.yticks([])
    kept = _extremes(places, values)
    plot.plot(places[kept].tolist(), values[kept].tolist(), marker="braille")
    for row, line in enumerate(Text.from_ansi(plot.build()).plain.split("\n")[: scale.rows]):
        for column, sign in enumerate(line):
            if sign != " ":
                grid.put(scale.top + row, column, sign, style)


def _extremes(places: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices of the lowest and the highest value of each column of dots, in their order."""
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    parts = np.split(np.arange(len(values)), starts[1:])
    found = [index for part in parts for index in (part[values[part].argmin()], part[values[part].argmax()])]
    return np.unique(np.array(found, dtype=np.int64))


def _hang(
    grid: Grid, columns: NDArray[np.int64], drawdown: NDArray[np.float64], scale: Scale, style: str
) -> None:
    """Fill the largest drawdown of each column from the top, in half rows."""
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    deepest = np.maximum.reduceat(drawdown, starts).tolist()
    for place, start in enumerate(starts.tolist()):
        end = columns[starts[place + 1]] if place + 1 < len(starts) else columns[start] + 1
        if deepest[place] <= 0:
            continue
        half = _hung(scale, deepest[place])
        for column in range(int(columns[start]), int(end)):
            for row in range(scale.top, half // 2 + 1):
                grid.put(row, column, "▀" if row == half // 2 and half % 2 == 0 else "█", style)


def _hung(scale: Scale, drawdown: float) -> int:
    """Return the half row that a drawdown reaches, from the top."""
    size = 2 * scale.rows
    return 2 * scale.top + min(int(drawdown / scale.high * size), size - 1)


def _short_money(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.2f}"
