"""A run beside the run of which it is the next version, and beside its baseline."""

from typing import TYPE_CHECKING

from firstwatch.manager.views import RunView
from firstwatch.tui import figures, watch_text
from firstwatch.tui.launch_form.draft import FIELDS, draft_of
from firstwatch.tui.lists import cells
from firstwatch.tui.widgets.table import Cell, Column, Line

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import ParentView, RunDetails

COLUMNS = (
    Column("", 20),
    Column("this run", 14, is_number=True),
    Column("parent", 14, is_number=True),
    Column("baseline, same time", 19, is_number=True),
    Column("", 10, rank=1, grows=True),
)
EMPTY = "…"
_MONEY_OF_ITS_OWN = frozenset({"net_pnl", "expectancy", "average_trade", "fees", "funding", "slippage"})
"""Figures in quote: two runs with other capitals differ in them anyhow."""


def lines(run: RunView, details: "RunDetails", parent: "ParentView | None") -> list[Line]:
    """Return what differs in the settings of a run and its parent, then the figures of all three."""
    found = [Line("run", (Cell("run", "dim"), Cell(run.run_id[:8]), _parent_id(parent), Cell(""), Cell("")))]
    if parent is not None:
        mine, its = (draft_of(each, parent_run_id=None) for each in (details.settings, parent.settings))
        for field in FIELDS:
            here, there = mine.value(field.id), its.value(field.id)
            if field.id != "accepted_warnings" and here != there:
                texts = [field.worded(value) or field.default for value in (here, there)]
                name_cell = Cell(field.label, "dim")
                found.append(Line(f"setting {field.id}", (name_cell, *map(Cell, texts), Cell(""), Cell(""))))
    by_name = {each.name: each for each in details.metrics}
    for name, (label, write) in figures.FIGURES.items():
        figure = by_name.get(name)
        if figure is None:
            continue
        values = (figure.live, None if parent is None else parent.metrics.get(name), figure.baseline)
        written = [watch_text.NONE if value is None else write(value) for value in values]
        is_money = name in figures.WON_OR_LOST
        shown = [Cell(text, cells.money_tone(text) if is_money else "") for text in written]
        about = "in quote, of its own capital" if name in _MONEY_OF_ITS_OWN and parent is not None else ""
        found.append(Line(name, (Cell(label), *shown, Cell(about, "dim"))))
    return found


def _parent_id(parent: "ParentView | None") -> Cell:
    return Cell("it has none", "dim") if parent is None else Cell(parent.parent_id[:8])
