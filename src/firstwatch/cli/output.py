"""How the command line speaks: JSON for programs, short tables for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer

from firstwatch.trading.errors import FirstwatchError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def say(text: str) -> None:
    """Print a line for a person."""
    typer.echo(text)


def say_json(document: Any) -> None:
    """Print one JSON document. Money becomes a number: the double nearest to what the store holds."""
    # ``dumps`` is one call of the compiled encoder; ``dump`` would stream through the slow one.
    sys.stdout.write(json.dumps(document, default=_plain, allow_nan=False) + "\n")
    sys.stdout.flush()


def say_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns; an absent value is shown as ``-``."""
    cells = [list(headings)] + [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


def say_error(error: FirstwatchError) -> None:
    """Print the error's sentence where errors go."""
    typer.echo(f"firstwatch: {error}", err=True)
