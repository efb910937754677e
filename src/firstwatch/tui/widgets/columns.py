"""Texts in columns, each wrapped within its own."""

from collections.abc import Sequence

from rich.table import Table

from firstwatch.trading.text import clean


def three_columns(rows: Sequence[tuple[str, str, str]]) -> Table:
    """Return a table of the rows, the first one as its bold head."""
    table = Table.grid(padding=(0, 2), expand=True)
    for ratio in (2, 3, 3):
        table.add_column(ratio=ratio, overflow="fold")
    head, *others = rows
    table.add_row(*head, style="bold")
    for row in others:
        table.add_row(*map(clean, row))
    return table
