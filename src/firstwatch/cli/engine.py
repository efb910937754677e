"""``firstwatch engine`` and ``firstwatch status``."""

import gc
import time
from typing import Annotated

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, say, say_json
from firstwatch.cli.secrets import PassphraseFd
from firstwatch.trading.errors import FirstwatchError, RefusedError
from firstwatch.trading.text import counted

_STOP_WITHIN_S = 25.0

app = typer.Typer(help="Run the engine without a screen, or stop it.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def engine(
    context: typer.Context,
    detach: Annotated[bool, typer.Option("--detach", help="In the background, with a log file.")] = False,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """Run the engine of this data folder, without a screen, until it is stopped."""
    if context.invoked_subcommand is not None:
        return
    from firstwatch.cli.folder import open_manager
    from firstwatch.cli.secrets import passphrase_for_engine, unlock_and_forget
    from firstwatch.cli.waiting import stopped_by_signals, until
    from firstwatch.settings import load_settings
    from firstwatch.wallets.custody import vault_of

    settings = load_settings()
    passphrase = passphrase_for_engine(vault_of(settings), passphrase_fd)
    with stopped_by_signals() as stop, open_manager(settings) as manager:
        if detach:
            found = manager.snapshot().engine
            if found.takes_commands:
                raise RefusedError(f"{found.sentence}.")
            say(f"engine in the background, pid {manager.start_background_engine()}")
            if passphrase is not None:
                unlock_and_forget(settings.home, passphrase)
            return
        if not manager.start_embedded_engine():
            raise RefusedError(f"{manager.snapshot().engine.sentence}.")
        if passphrase is not None:
            unlock_and_forget(settings.home, passphrase)
        # What was loaded lives until the end: a full collection, which stops all threads, leaves it out.
        gc.freeze()
        say("the engine runs; ctrl+c stops it, the runs stay active")
        until(lambda: not manager.is_host, stop)
        if manager.engine_failure:
            raise FirstwatchError(manager.engine_failure)


@app.command()
def stop(as_json: JsonFlag = False) -> None:
    """Ask the engine to stop; the runs stay active."""
    from firstwatch.cli.folder import open_manager
    from firstwatch.cli.waiting import performed, stopped_by_signals, until
    from firstwatch.manager.views import EngineWhere
    from firstwatch.trading.commands import StopEngine

    with stopped_by_signals() as interrupted, open_manager() as manager:
        found = manager.engine()
        if found.where is EngineWhere.NONE:
            raise RefusedError("No engine runs on this data folder; there is nothing to stop.")
        deadline_s = time.monotonic() + _STOP_WITHIN_S
        outcome = performed(manager, StopEngine(), interrupted, deadline_s=deadline_s)
        is_gone = until(
            lambda: manager.engine().where is EngineWhere.NONE, interrupted, deadline_s=deadline_s
        )
        seen = manager.engine()
    if not is_gone:
        raise FirstwatchError(
            f"The engine has accepted the command ({outcome.sentence}), but has not stopped yet: "
            f"{seen.sentence}. Check again with `firstwatch status`, or end the process: kill {found.pid}."
        )
    document = {"stopped_pid": found.pid, "sentence": outcome.sentence}
    Output(as_json).result(document, f"the engine has stopped, pid {found.pid}")


def status(as_json: JsonFlag = False) -> None:
    """Show the state of the engine and the runs; exit code 1 if there is a problem."""
    from firstwatch.cli.folder import open_manager
    from firstwatch.trading.runs import Exposure

    with open_manager() as manager:
        snapshot = manager.snapshot()
    active = snapshot.active
    exposed = [row for row in active if row.exposure is not Exposure.FLAT]
    document = {
        "engine": snapshot.engine.where.value,
        "pid": snapshot.engine.pid,
        "active_runs": len(active),
        "exposed_runs": len(exposed),
        "unprotected_runs": snapshot.unprotected,
        "alarms": len(snapshot.alarms),
        "problems": snapshot.problems,
    }
    if as_json:
        say_json(document)
    else:
        say(
            f"{snapshot.engine.sentence}; {counted(len(active), 'active run')}, {len(exposed)} exposed, "
            f"{snapshot.unprotected} unprotected"
        )
        for problem in snapshot.problems:
            say(f"PROBLEM: {problem}")
    if snapshot.problems:
        raise typer.Exit(1)
