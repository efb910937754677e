"""``firstwatch export``: a run's trades, orders, fills, equity or journal for other programs."""

from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Annotated

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, say_file
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.exports import Format, What
from firstwatch.trading.text import counted

_IN_MEMORY_BYTES = 16_000_000


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")],
    what: Annotated[What, typer.Option(help="The table.")] = What.TRADES,
    form: Annotated[Format, typer.Option("--format", help="Parquet needs --out and the extra arrow.")] = (
        Format.CSV
    ),
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write this file; without it to standard output.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Export a table of a run, all of it; --json without --out is --format json."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.manager.export_files import whole_file, write_export
    from firstwatch.store.runs import get_run

    if out is None and as_json:
        form = Format.JSON
    if out is None and form is Format.PARQUET:
        raise WrongUseError("Parquet is written to a file: add --out FILE.")
    with open_folder() as (_, store):
        if out is not None:
            with store.read() as reading, whole_file(out) as file:
                known = get_run(reading, run)
                rows = write_export(reading, known, what, form, file)
            document = {"run": known.id, "what": what, "format": form, "rows": rows, "file": str(out)}
            Output(as_json).result(
                document, f"{out} has the {what} of run {known.id}: {counted(rows, 'row')}."
            )
            return
        # A slow reader must not keep the store's view open, which lets its log grow.
        with SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
            with store.read() as reading:
                write_export(reading, get_run(reading, run), what, form, file)
            file.seek(0)
            say_file(file)
