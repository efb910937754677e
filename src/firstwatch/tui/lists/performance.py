"""Where one run has won and lost."""

from decimal import Decimal
from typing import TYPE_CHECKING

from firstwatch.tui.lists import cells
from firstwatch.tui.widgets.table import Cell, Column, Line

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import PartView, RunDetails

COLUMNS = (
    Column("by", 5),
    Column("", 17),
    Column("trades", 6, is_number=True),
    Column("won", 5, is_number=True),
    Column("PnL", 9, is_number=True),
    Column("% of value", 10, rank=1, is_number=True),
    Column("share of what was won or lost", 30, rank=2, grows=True),
)
TWO_COLUMNS = (
    Column("by", 5),
    Column("", 15),
    Column("1 trades", 8, rank=2, is_number=True),
    Column("1 PnL", 9, is_number=True),
    Column("1 %", 7, rank=1, is_number=True),
    Column("2 trades", 8, rank=2, is_number=True),
    Column("2 PnL", 9, is_number=True),
    Column("2 %", 7, rank=1, is_number=True),
)
"""Columns for two runs; per cent are of the notional of the trades."""
EMPTY = "No trade is closed yet: nothing to break down."
_BAR = 24
_GROUPS = ("side", "exit", "hour", "day")


def lines(details: "RunDetails") -> list[Line]:
    """Return a line for each part: sides, reasons of exits, hours and days of exits, UTC."""
    largest: dict[str, Decimal] = {}
    for part in details.parts:
        largest[part.group] = max(largest.get(part.group, Decimal(0)), abs(part.pnl))
    found: list[Line] = []
    group = ""
    for part in details.parts:
        scale = largest[part.group]
        bar = "" if not scale else "█" * round(_BAR * abs(float(part.pnl / scale)))
        found.append(_line(part, bar, is_first=part.group != group))
        group = part.group
    return found


def two_lines(first: "RunDetails", second: "RunDetails") -> list[Line]:
    """Return a line for each part that at least one of two runs has, as ``lines`` does."""
    parts = [{(part.group, part.name): part for part in details.parts} for details in (first, second)]
    found: list[Line] = []
    for group in _GROUPS:
        names = sorted(
            {name for each in parts for kind, name in each if kind == group}, reverse=group == "day"
        )
        for name in names:
            cells_of = [cell for each in parts for cell in _figures(each.get((group, name)))]
            label = Cell(group if name == names[0] else "", "dim")
            found.append(Line(f"{group} {name}", (label, Cell(_name(group, name)), *cells_of)))
    return found


def _figures(part: "PartView | None") -> tuple[Cell, Cell, Cell]:
    """Return trades, PnL and per cent of one run; without a trade there is nothing to say."""
    if part is None:
        return (cells.NOTHING,) * 3
    return Cell(str(part.trades)), cells.pnl(part.pnl), cells.share(_share(part))


def _share(part: "PartView") -> float | None:
    return float(part.pnl / part.value) if part.value else None


def _name(group: str, name: str) -> str:
    return f"{name}:00–{name}:59" if group == "hour" else name


def _line(part: "PartView", bar: str, *, is_first: bool) -> Line:
    pnl = cells.pnl(part.pnl)
    return Line(
        f"{part.group} {part.name}",
        (
            Cell(part.group if is_first else "", "dim"),
            Cell(_name(part.group, part.name)),
            Cell(str(part.trades)),
            Cell(str(part.won), "dim"),
            pnl,
            cells.share(_share(part)),
            Cell(f"{pnl.text[0]}{bar}" if bar else "", pnl.tone),
        ),
    )
