"""Pictures of a study and of a year: a slice per parameter, a map for two, returns by month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.color import Color
from rich.text import Text

from firstwatch.tui.widgets.plot import Grid, Scale, value_axis

_AXIS = 10
_SHADES = "·░▒▓█"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_YEAR, _WHOLE = 5, 8
"""Columns of the year, and of its return."""
_LEAST_CELL, _MOST_CELL = 6, 8
"""Columns of a month."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What a study has found along one parameter; at least one point."""

    name: str
    points: Sequence[tuple[float, float, float]]
    """Value, the best and the median of the objective there; rising."""
    best: float | None
    """The winner's value."""


@dataclass(frozen=True, slots=True)
class StudyMap:
    """The best of a study over two parameters. None: nothing was tried there."""

    x: str
    y: str
    columns: Sequence[float]
    """The lowest value of each column."""
    rows: Sequence[float]
    best: Sequence[Sequence[float | None]]
    """By row."""


def draw_slice(found: Slice, width: int, height: int, colours: Mapping[str, str]) -> Text:
    """Return the picture: best and median at each value, and the winner's value as a line."""
    grid = Grid(width, height)
    grid.write(0, 0, f"{found.name}: ● best, ━ median, │ winner", "dim")
    room = max(2, width - _AXIS)
    x, best, median = (np.array(each, dtype=np.float64) for each in zip(*found.points, strict=True))
    low, high = float(min(best.min(), median.min())), float(max(best.max(), median.max()))
    scale = Scale.around(low, high, top=1, rows=max(1, height - 2))
    span = float(x[-1] - x[0]) or 1.0
    if found.best is not None:
        place = min(max(round((found.best - float(x[0])) / span * (room - 1)), 0), room - 1)
        for row in range(1, height - 1):
            grid.put(row, place, "│", colours["secondary"])
    columns = ((x - x[0]) / span * (room - 1)).round().astype(int).tolist()
    for column, value in zip(columns, median.tolist(), strict=True):
        grid.put(scale.place(value), column, "━", colours["text-muted"])
    for column, value in zip(columns, best.tolist(), strict=True):
        grid.put(scale.place(value), column, "●", colours["primary"])
    value_axis(grid, scale, room, lambda value: f"{value:.2f}")
    _ends(grid, height - 1, room, float(x[0]), float(x[-1]))
    return grid.text()


def draw_map(found: StudyMap, width: int, height: int, colours: Mapping[str, str]) -> Text:
    """Return a map of two parameters: the fuller a cell, the better its best trial; ``✶``: the best."""
    grid = Grid(width, height)
    grid.write(0, 0, f"across {found.x}", "dim")
    grid.write(1, 0, f"upwards {found.y}: the fuller the better, ✶ the best", "dim")
    known = [value for row in found.best for value in row if value is not None]
    if not known:
        return grid.text()
    low, high = min(known), max(known)
    wide = max(2, (width - _AXIS) // len(found.columns))
    tall = max(1, (height - 3) // len(found.rows))
    for number, row in enumerate(found.best):
        top = 2 + (len(found.rows) - 1 - number) * tall
        for column, value in enumerate(row):
            if value is None:
                continue
            level = round((value - low) / ((high - low) or 1.0) * (len(_SHADES) - 1))
            for line in range(top, top + tall):
                grid.write(line, column * wide, _SHADES[level] * (wide - 1), colours["primary"])
            if value == high:
                grid.put(top + tall // 2, column * wide + (wide - 1) // 2, "✶", f"bold {colours['accent']}")
        grid.write(top, len(found.columns) * wide, f" {found.rows[number]:g}", "dim")
    _ends(grid, 2 + len(found.rows) * tall, len(found.columns) * wide, found.columns[0], found.columns[-1])
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


def _ends(grid: Grid, row: int, room: int, low: float, high: float) -> None:
    """Label the ends of an axis below."""
    first, last = f"{low:g}", f"{high:g}"
    grid.write(row, 0, first, "dim")
    grid.write(row, max(len(first) + 1, room - len(last)), last, "dim")
