"""The PnL of two runs in one picture: the first as a drawn line, the second as strokes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from firstwatch.tui import formats
from firstwatch.tui.widgets.plot import Grid, Scale, draw_curve, time_axis, value_axis

_AXIS = 10
_STROKE, _ZERO = "╌", "·"
_SAME_TIME = "same time"
_FROM_START = "own start"


@dataclass(frozen=True, eq=False)
class PnlCurve:
    """One run's PnL at closes as a fraction of its capital; there are at least two points."""

    label: str
    time_ms: NDArray[np.int64]
    share: NDArray[np.float64]

    @property
    def version(self) -> object:
        """Two curves of equal version are the same."""
        return self.label, int(self.time_ms[0]), len(self.time_ms), float(self.share[-1])


def draw_overlay(
    first: PnlCurve, second: PnlCurve, width: int, height: int, colours: Mapping[str, str]
) -> Text:
    """Return the picture: a legend, both curves on one scale, and one axis of time.

    The axis is venue time if the runs overlap enough (``share_time``), otherwise time since each run's start.
    """
    is_shared = share_time(first, second)
    begins = [int(curve.time_ms[0]) for curve in (first, second)]
    if is_shared:
        begins = [min(begins)] * 2
    times = [curve.time_ms - begin for curve, begin in zip((first, second), begins, strict=True)]
    span = max(1, *(int(each[-1]) for each in times))
    room = max(2, width - _AXIS)
    grid = Grid(width, height)
    low = min(0.0, *(float(curve.share.min()) for curve in (first, second)))
    high = max(0.0, *(float(curve.share.max()) for curve in (first, second)))
    scale = Scale.around(low, high, top=2, rows=max(1, height - 3))
    styles = f"bold {colours['foreground']}", colours["secondary"]
    for row, (curve, sign, style) in enumerate(zip((first, second), ("━", _STROKE), styles, strict=True)):
        grid.write(
            row, 0, f"{row + 1} {sign} {curve.label} {formats.change(float(curve.share[-1]))} %", style
        )
    grid.write(height - 1, room + 1, _SAME_TIME if is_shared else _FROM_START, "dim")
    for column in range(room):
        grid.put(scale.place(0.0), column, _ZERO, "dim")
    _strokes(grid, times[1] * (room - 1) // span, second.share, scale, styles[1])
    draw_curve(grid, times[0] * (2 * room - 1) // span, first.share, scale, styles[0])
    value_axis(grid, scale, room, lambda value: f"{formats.change(value)} %")
    if is_shared:
        time_axis(grid, height - 1, [begins[0] + span * column // room for column in range(room)], room)
    else:
        _ages(grid, height - 1, span, room)
    return grid.text()


def share_time(first: PnlCurve, second: PnlCurve) -> bool:
    """Return whether two runs overlap in time for at least half of the shorter one."""
    begin = max(int(first.time_ms[0]), int(second.time_ms[0]))
    end = min(int(first.time_ms[-1]), int(second.time_ms[-1]))
    shorter = min(int(curve.time_ms[-1]) - int(curve.time_ms[0]) for curve in (first, second))
    return 2 * (end - begin) >= shorter > 0


def _strokes(
    grid: Grid, places: NDArray[np.int64], values: NDArray[np.float64], scale: Scale, style: str
) -> None:
    """Draw a curve as a stroke in each of its columns, at the last value up to there."""
    columns = np.arange(int(places[0]), int(places[-1]) + 1)
    last = places.searchsorted(columns, side="right") - 1
    for column, value in zip(columns.tolist(), values[last].tolist(), strict=True):
        grid.put(scale.place(value), column, _STROKE, style)


def _ages(grid: Grid, row: int, span_ms: int, columns: int) -> None:
    """Label the time since the start."""
    for column in range(0, columns - 6, max(12, columns // 5)):
        grid.write(row, column, formats.age(span_ms * column // columns), "dim")
