"""Pictures of a study and of a year: a slice per parameter, a map for two, returns by month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.text import Text

from firstwatch.tui.widgets.plot import Grid, Scale, value_axis

_AXIS = 10
_SHADES = " ░▒▓█"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_YEAR, _WHOLE = 5, 8
"""Columns of the year, and of its return."""
_LEAST_CELL, _MOST_CELL = 6, 8
"""Columns of a month."""

Points = Sequence[tuple[float, float]]
"""Values of a parameter with that of the objective."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The trials of a study by the value of one parameter; at least one."""

    name: str
    points: Points
    best: float | None
    """The winner's value."""


def draw_slice(found: Slice, width: int, height: int, colours: Mapping[str, str]) -> Text:
    """Return the picture: a point for each trial, the median of each column, the winner's value as a line."""
    best = found.best
    grid = Grid(width, height)
    grid.write(0, 0, f"{found.name}: • a trial, ━ the median, │ the winner", "dim")
    room = max(2, width - _AXIS)
    x, y = (np.array(values, dtype=np.float64) for values in zip(*found.points, strict=True))
    scale = Scale.around(float(y.min()), float(y.max()), top=1, rows=max(1, height - 2))
    low, high = float(x.min()), float(x.max())
    span = high - low or 1.0
    columns = np.minimum(((x - low) / span * (room - 1)).round().astype(int), room - 1)
    if best is not None:
        place = min(max(round((best - low) / span * (room - 1)), 0), room - 1)
        for row in range(1, height - 1):
            grid.put(row, place, "│", colours["secondary"])
    for column, value in zip(columns.tolist(), y.tolist(), strict=True):
        grid.put(scale.place(value), column, "•", colours["text-muted"])
    for column in np.unique(columns).tolist():
        grid.put(scale.place(float(np.median(y[columns == column]))), column, "━", colours["primary"])
    value_axis(grid, scale, room, lambda value: f"{value:.2f}")
    _ends(grid, height - 1, room, low, high)
    return grid.text()


def draw_map(
    names: tuple[str, str],
    points: Sequence[tuple[float, float, float]],
    width: int,
    height: int,
    colours: Mapping[str, str],
) -> Text:
    """Return a map of two parameters: the darker a place, the better its best trial; ``✶``: the best."""
    grid = Grid(width, height)
    grid.write(0, 0, f"across {names[0]}, upwards {names[1]}: the fuller the better, ✶ the best", "dim")
    x, y, z = (np.array(values, dtype=np.float64) for values in zip(*points, strict=True))
    room, rows = max(2, width - _AXIS), max(2, height - 2)
    across = _places(x, room)
    upwards = rows - 1 - _places(y, rows)
    low, high = float(z.min()), float(z.max())
    best: dict[tuple[int, int], float] = {}
    for column, row, value in zip(across.tolist(), upwards.tolist(), z.tolist(), strict=True):
        best[row, column] = max(best.get((row, column), low), value)
    for (row, column), value in best.items():
        level = 1 + round((value - low) / ((high - low) or 1.0) * (len(_SHADES) - 2))
        grid.put(row + 1, column, _SHADES[level], colours["primary"])
    top = int(z.argmax())
    grid.put(int(upwards[top]) + 1, int(across[top]), "✶", f"bold {colours['accent']}")
    for value, row in ((float(y.max()), 1), (float(y.min()), rows)):
        grid.write(row, room + 1, f"{value:g}", "dim")
    _ends(grid, height - 1, room, float(x.min()), float(x.max()))
    return grid.text()


def draw_months(
    months: Mapping[tuple[int, int], float], width: int, height: int, colours: Mapping[str, str]
) -> Text:
    """Return the returns by month in per cent, the stronger the colour the larger: a row for each year.

    On a narrow screen half a year has a row.
    """
    del height
    count = len(_MONTHS)
    per_row = count if width >= _YEAR + count * _LEAST_CELL + _WHOLE else count // 2
    step = min(_MOST_CELL, (width - _YEAR - _WHOLE) // per_row)
    largest = max((abs(value) for value in months.values()), default=0.0) or 1.0
    text = Text(no_wrap=True)
    for year in sorted({year for year, _ in months}):
        whole = 1.0
        for first in range(1, count + 1, per_row):
            row = range(first, first + per_row)
            if per_row < count and not any((year, month) in months for month in row):
                continue
            head = "".join(f"{_MONTHS[month - 1]:>{step}}" for month in row)
            text.append(f"{'':{_YEAR}}{head}{'year':>{_WHOLE}}\n", "dim")
            text.append(f"{year:<{_YEAR}}", "bold")
            for month in row:
                value = months.get((year, month))
                whole *= 1 + (value or 0.0)
                written = "·" if value is None else f"{value * 100:+.1f}"
                text.append(" ")
                style = "dim" if value is None else _shade(value, largest, colours)
                text.append(f"{written:>{step - 1}}", style)
            text.append(f"{(whole - 1) * 100:>+{_WHOLE}.1f}\n\n", "bold")
    return text


def _shade(value: float, largest: float, colours: Mapping[str, str]) -> str:
    """Return the style of a month: its colour as the ground, the stronger the larger; else of its text."""
    colour = colours["gain" if value >= 0 else "loss"]
    ground = _mixed(colour, colours["surface"], 0.15 + 0.6 * abs(value) / largest)
    return colour if ground is None else f"{colours['foreground']} on {ground}"


def _mixed(colour: str, ground: str, share: float) -> str | None:
    """Return ``share`` of a colour on a ground; None: one of them has no numbers."""
    found = [Color.parse(each).triplet for each in (colour, ground) if each.startswith("#")]
    if len(found) < 2 or any(each is None for each in found):
        return None
    mixed = [
        round(one * share + other * (1 - share))
        for one, other in zip(*(each for each in found if each is not None), strict=True)
    ]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _places(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    span = float(values.max() - values.min()) or 1.0
    return ((values - values.min()) / span * (count - 1)).round().astype(np.int64)


def _ends(grid: Grid, row: int, room: int, low: float, high: float) -> None:
    """Label the ends of an axis below."""
    first, last = f"{low:g}", f"{high:g}"
    grid.write(row, 0, first, "dim")
    grid.write(row, max(len(first) + 1, room - len(last)), last, "dim")
