"""A strip of cells over time: the verdict, the trades and the lost minutes of each hour or day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

_GUTTER, _LEAST_GUTTER, _LARGEST_GUTTER = 8, 6, 12
_HOURS = 24
_LEVELS = " ▂▄▆█"
_CHANGE_WIDTH = 7


@dataclass(frozen=True, slots=True)
class StripCell:
    """One hour or day. ``tone``: the theme's name of the sign's colour."""

    sign: str
    tone: str
    trades: int | None
    """None: the hour or day has not begun."""
    lost: float
    """Share of it in which the run could not trade."""
    is_alarm: bool = False
    is_now: bool = False
    is_chosen: bool = False
    """The cursor is on it."""
    change: float | None = None
    """Change of the equity as a fraction; None: not known, or not to be shown."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the axis; ``place`` from 0 to 1."""

    place: float
    label: str


def gutter(width: int) -> int:
    """Return the width of the labels, the same for strip and fan, so that both have one axis.

    If possible, the rest is a multiple of 24 columns, so that all hours are equally wide.
    """
    rest = width - (width - _LEAST_GUTTER) // _HOURS * _HOURS
    return rest if rest <= _LARGEST_GUTTER else _GUTTER


def strip_rows(cells: Sequence[StripCell], width: int) -> int:
    """Return the rows of the strip, with one each for changes of equity and lost time if there are any."""
    return 3 + _has_changes(cells, width) + any(cell.lost for cell in cells)


def _has_changes(cells: Sequence[StripCell], width: int) -> bool:
    """Return whether changes are known and each cell is wide enough for its own."""
    is_wide = bool(cells) and (width - gutter(width)) // len(cells) >= _CHANGE_WIDTH
    return is_wide and any(cell.change is not None for cell in cells)


def cell_at(column: int, count: int, width: int) -> int | None:
    """Return the index of the cell at a column of a strip of ``count`` cells; None: no cell is there."""
    left = gutter(width)
    edges = _edges(count, width - left)
    return next((n for n in range(count) if edges[n] <= column - left < edges[n + 1]), None)


def _edges(count: int, room: int) -> list[int]:
    return [round(number * room / count) for number in range(count + 1)]


def draw_strip(
    cells: Sequence[StripCell],
    ticks: Sequence[Tick],
    unit: str,
    width: int,
    colours: Mapping[str, str],
) -> Text:
    """Return axis, signs, trades and, where there are some, changes of equity and lost time."""
    left = gutter(width)
    room = width - left
    dim = "dim"
    edges = _edges(len(cells), room)
    axis = [" "] * room
    for tick in ticks:
        start = min(round(tick.place * room), room - len(tick.label))
        axis[start : start + len(tick.label)] = tick.label
    signs, trades, changes, lost = Text(), Text(), Text(), Text()
    for cell, first, last in zip(cells, edges, edges[1:], strict=False):
        style = colours[cell.tone]
        if cell.is_chosen:
            style = f"bold {colours['background']} on {colours['accent']}"
        elif cell.is_alarm:
            style = f"bold {colours['background']} on {style}"
        elif cell.is_now:
            style = f"bold {style} on {colours['panel']}"
        signs.append(cell.sign.center(last - first)[: last - first], style)
        number = "" if cell.trades is None else str(cell.trades)
        below = style if cell.is_chosen else "" if cell.trades else dim
        trades.append(number.center(last - first)[: last - first], below)
        change = "" if cell.change is None else f"{cell.change * 100:+.2f}".replace("-0.00", "+0.00")
        tone = "foreground" if change in ("", "+0.00") else "gain" if change[0] == "+" else "loss"
        changes.append(change.center(last - first)[: last - first], colours[tone])
        level = _LEVELS[min(len(_LEVELS) - 1, -(-int(cell.lost * 100) * (len(_LEVELS) - 1) // 100))]
        lost.append(level * (last - first), colours["warning"])
    rows = [
        Text.assemble((unit.ljust(left), dim), ("".join(axis), dim)),
        Text.assemble(("worst".ljust(left), dim), signs),
        Text.assemble(("trades".ljust(left), dim), trades),
    ]
    if _has_changes(cells, width):
        rows.append(Text.assemble(("PnL %".ljust(left), dim), changes))
    if any(cell.lost for cell in cells):
        rows.append(Text.assemble(("lost".ljust(left), dim), lost))
    return Text("\n", no_wrap=True).join(rows)
