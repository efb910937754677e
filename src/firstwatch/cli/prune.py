"""``firstwatch prune``: make room in the store."""

from typing import Annotated

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json
from firstwatch.trading.text import counted

_DAY_MS = 86_400_000


def prune(
    older_than: Annotated[
        int,
        typer.Option("--older-than", metavar="DAYS", min=0, max=36_500, help="Ended at least so long ago."),
    ] = 30,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be packed and removed.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Pack the journals of ended runs, and remove their bars, finished commands and closed paper orders.

    A run that is active, exposed or has an alarm is not changed; orders, fills, trades and equity of all runs
    stay. If no engine runs on the data folder, the file also gets smaller.
    """
    from firstwatch.cli.folder import open_folder
    from firstwatch.engine.lock import EngineHeldError, EngineLock
    from firstwatch.store.pruning import prune as prune_store
    from firstwatch.trading.clock import SystemClock
    from firstwatch.trading.errors import StoreError

    with open_folder() as (settings, store):
        before_ms = SystemClock().now_ms() - older_than * _DAY_MS
        done = prune_store(store, before_ms=before_ms, is_dry=dry_run)
        given_back, problem = None, ""
        if not dry_run:
            try:
                with EngineLock(settings.home):
                    given_back = store.compact()
            except (EngineHeldError, StoreError) as error:
                problem = str(error)
    if as_json:
        say_json(
            {
                "dry_run": dry_run,
                "runs": done.runs,
                "journal_rows": done.journal_rows,
                "paper_orders": done.paper_orders,
                "commands": done.commands,
                "bytes_freed": done.bytes_freed,
                "file_bytes_given_back": given_back,
            }
        )
        return
    say(
        f"{'would free' if dry_run else 'freed'} about {done.bytes_freed / 1e6:.1f} MB: "
        f"{counted(done.journal_rows, 'journal row')} of {counted(done.runs, 'run')} packed; "
        f"{counted(done.paper_orders, 'closed paper order')} and "
        f"{counted(done.commands, 'finished command')} removed"
    )
    if given_back is not None:
        say(f"the file of the store is {given_back / 1e6:.1f} MB smaller")
    elif problem:
        say(f"the file keeps its size, and new data fills its free space first: {problem}")
