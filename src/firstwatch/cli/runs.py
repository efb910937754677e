"""``firstwatch run``: start, stop, pause, resume, cancel, list, show and follow runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, say, say_json, say_table, say_to_stderr, shown
from firstwatch.cli.secrets import PassphraseFd
from firstwatch.trading.errors import DamagedRowError, FirstwatchError, RefusedError, WrongUseError
from firstwatch.trading.launch import OnDiverged
from firstwatch.trading.numbers import MOST_BARS
from firstwatch.trading.runs import Exposure, RunState, StopMode
from firstwatch.trading.text import clean, quoted

if TYPE_CHECKING:
    from threading import Event

    from firstwatch.manager.manager import RunManager
    from firstwatch.manager.why import Explanation
    from firstwatch.settings import Settings
    from firstwatch.store.runs import Run
    from firstwatch.trading.commands import Command
    from firstwatch.trading.launch import LaunchSettings

app = typer.Typer(help="Start, stop and show runs.", no_args_is_help=True)

_Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]
_File = typer.Option(metavar="FILE")


@app.command()
def start(
    algorithm: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="Without a version: the newest.")
    ],
    wallet: Annotated[str, typer.Option(metavar="W")],
    symbol: Annotated[str, typer.Option(metavar="S", help="Such as BTC/USDC:USDC.")],
    capital: Annotated[str, typer.Option(metavar="C", help="In quote.")],
    leverage: Annotated[str, typer.Option(metavar="L")] = "1",
    trades_limit: Annotated[int | None, typer.Option(metavar="N", min=1, max=MOST_BARS)] = None,
    assume_position_now: Annotated[bool, typer.Option("--assume-position-now")] = False,
    close_position_on_exit: Annotated[
        bool, typer.Option("--close-position-on-exit/--no-close-position-on-exit")
    ] = True,
    session: Annotated[Path | None, _File] = None,
    reset: Annotated[Path | None, _File] = None,
    guards: Annotated[Path | None, _File] = None,
    on_diverged: Annotated[
        OnDiverged, typer.Option(help="What follows when the first watch says DIVERGED, besides the alarm.")
    ] = OnDiverged.NOTHING,
    accept_warnings: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Your reason to start despite soft checks that fail."),
    ] = None,
    without_stop: Annotated[
        str | None, typer.Option(metavar="REASON", help="Why you start without a stop and exit yourself.")
    ] = None,
    skip_protection_proof: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Why the venue need not prove first that it keeps a stop."),
    ] = None,
    confirm: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The run's name, NAME@VERSION: a main network requires it."),
    ] = None,
    parent: Annotated[
        str | None, typer.Option(metavar="RUN", help="The run that this one continues.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Run the engine in this process until the run has ended.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start a background engine if none runs.")] = False,
    passphrase_fd: PassphraseFd = None,
    as_json: JsonFlag = False,
) -> None:
    """Start a run on the engine of this data folder, and print its id."""
    from firstwatch.cli.folder import open_folder, open_manager
    from firstwatch.cli.launch_options import LaunchOptions
    from firstwatch.cli.secrets import passphrase_for_engine, unlock_and_forget
    from firstwatch.cli.waiting import performed, stopped_by_signals
    from firstwatch.manager.views import EngineWhere
    from firstwatch.store.wallets import get_wallet
    from firstwatch.trading.commands import StartRun
    from firstwatch.trading.ids import new_run_id
    from firstwatch.venues.registry import is_paper
    from firstwatch.wallets.custody import vault_of

    if wait and detach:
        raise WrongUseError("--wait and --detach exclude each other: choose who holds the engine.")
    options = LaunchOptions(
        algorithm=algorithm,
        wallet=wallet,
        symbol=symbol,
        capital=capital,
        leverage=leverage,
        trades_limit=trades_limit,
        assume_position_now=assume_position_now,
        close_position_on_exit=close_position_on_exit,
        session=session,
        reset=reset,
        guards=guards,
        on_diverged=on_diverged,
        accepted_warnings=accept_warnings,
        without_stop_reason=without_stop,
        skip_protection_proof=skip_protection_proof,
        parent=parent,
    )
    with open_folder() as (configured, store), store.read() as reading:
        settings = options.settings(reading)
        found = get_wallet(reading, wallet)
        is_live = not is_paper(found.kind)
    settings = settings.model_copy(
        update={"confirmed_name": _confirmed(configured, found.venue, settings, confirm)}
    )
    run_id = new_run_id()
    needs_key = (wait or detach) and is_live
    passphrase = passphrase_for_engine(vault_of(configured), passphrase_fd) if needs_key else None
    with stopped_by_signals() as stop, open_manager() as manager:
        if wait:
            manager.start_embedded_engine()
        elif detach and manager.snapshot().engine.where is EngineWhere.NONE:
            manager.start_background_engine()
        if passphrase is not None:
            unlock_and_forget(configured.home, passphrase)
        engine = manager.snapshot().engine
        if not engine.takes_commands:
            raise RefusedError(
                f"{engine.sentence}. Start one with `firstwatch engine`, or add --detach (a background "
                "engine) or --wait (this command holds it)."
            )
        outcome = performed(manager, StartRun(run_id=run_id, settings=settings), stop)
        if not as_json:
            say(run_id)
        if not wait:
            if as_json:
                say_json({"run": run_id, "sentence": outcome.sentence})
            return
        state = _wait_for_end(manager, run_id, stop)
    if as_json:
        say_json({"run": run_id, "state": state.value})
    elif state.is_active:
        say_to_stderr(f"run {run_id} is {state}; the next engine continues it")
    if state is RunState.FAILED:
        raise typer.Exit(1)


def _confirmed(
    configured: "Settings", venue: str, settings: "LaunchSettings", typed: str | None
) -> str | None:
    """Return the typed name of the run; on a main network ask for it at a terminal."""
    known = configured.venues.get(venue)
    is_mainnet = known is not None and known.is_mainnet
    if typed is not None or not is_mainnet or not sys.stdin.isatty():
        return typed
    money = f"{settings.capital:,f} of real money from {settings.wallet}"
    return str(typer.prompt(clean(f"{money}. Type the run's name to start it ({settings.name})"), err=True))


def _wait_for_end(manager: "RunManager", run_id: str, stop: "Event") -> RunState:
    from firstwatch.cli.waiting import until

    def state() -> RunState:
        row = manager.snapshot().run(run_id)
        return RunState.NEW if row is None else row.state

    until(lambda: state().is_final, stop)
    return state()


@app.command()
def stop(
    run: _Run,
    mode: Annotated[
        StopMode,
        typer.Option(
            help="leave: position and protection stay; close: the position is closed;"
            " leave_unprotected: the position stays, its protection is cancelled."
        ),
    ] = StopMode.LEAVE,
    confirm: Annotated[
        str | None, typer.Option(help="The run's name: leaving a position unprotected requires it.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop a run; by default its position and its protection stay at the venue."""
    from firstwatch.trading.commands import StopRun

    def check(known: "Run") -> None:
        if mode is StopMode.LEAVE_UNPROTECTED and known.facts.exposure is not Exposure.FLAT:
            _check_name(known.settings.name, confirm)

    _ask(run, lambda run_id: StopRun(run_id=run_id, mode=mode), Output(as_json), check=check)


def _check_name(name: str, typed: str | None) -> None:
    """Check that the run's name was typed; ask for it at a terminal."""
    if typed is None and sys.stdin.isatty():
        question = f"The position will be without protection. Type the run's name to continue ({name})"
        typed = str(typer.prompt(clean(question), err=True))
    if typed != name:
        raise RefusedError(
            f"The position would be without protection: confirm with the run's name, --confirm {quote(name)};"
            " or stop with --mode leave or close."
        )


@app.command()
def pause(run: _Run, as_json: JsonFlag = False) -> None:
    """Pause entries; exits and protection continue."""
    from firstwatch.trading.commands import PauseEntries

    _ask(run, lambda run_id: PauseEntries(run_id=run_id), Output(as_json))


@app.command()
def resume(run: _Run, as_json: JsonFlag = False) -> None:
    """Resume entries."""
    from firstwatch.trading.commands import ResumeEntries

    _ask(run, lambda run_id: ResumeEntries(run_id=run_id), Output(as_json))


@app.command()
def cancel(run: _Run, as_json: JsonFlag = False) -> None:
    """Cancel a run that has not sent an order yet."""
    from firstwatch.trading.commands import CancelRun

    _ask(run, lambda run_id: CancelRun(run_id=run_id), Output(as_json))


@app.command()
def close(run: _Run, as_json: JsonFlag = False) -> None:
    """Close the run's position at market; the run continues with entries paused."""
    from firstwatch.trading.commands import ClosePosition

    _ask(run, lambda run_id: ClosePosition(run_id=run_id), Output(as_json))


def _ask(
    run: str,
    make: Callable[[str], "Command"],
    output: Output,
    *,
    check: Callable[["Run"], None] | None = None,
) -> None:
    """Submit a command about a run and print its outcome; ``check`` may refuse it before."""
    from firstwatch.cli.folder import open_folder, open_manager
    from firstwatch.cli.waiting import performed, stopped_by_signals
    from firstwatch.store.runs import full_run_id, get_run

    with open_folder() as (_, store), store.read() as reading:
        known = get_run(reading, full_run_id(reading, run))
    if known.state.is_final:
        raise RefusedError(f"Run {known.id} has ended already: it is {known.state}.")
    if check is not None:
        check(known)
    with stopped_by_signals() as stop, open_manager() as manager:
        outcome = performed(manager, make(known.id), stop)
    document = {"run": known.id, "outcome": outcome.outcome.value, "sentence": outcome.sentence}
    output.result(document, outcome.sentence)


@app.command("list")
def list_(as_json: JsonFlag = False) -> None:
    """List the runs, newest first."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.run_json import damaged_summary, run_summary
    from firstwatch.store.runs import DamagedRun, list_runs

    damaged: list[DamagedRun] = []
    with open_folder() as (_, store), store.read() as reading:
        documents = [run_summary(reading, run) for run in list_runs(reading, damaged=damaged)]
    documents += [damaged_summary(run) for run in damaged]
    if as_json:
        say_json(documents)
    elif documents:
        columns = ("run", "algorithm", "wallet", "symbol", "capital", "state", "exposure", "created_at")
        say_table(
            [column.upper() for column in columns], ([d[column] for column in columns] for d in documents)
        )
        for run in damaged:
            say(run.sentence)
    else:
        say("No runs yet. Start one with: firstwatch run start NAME --wallet W --symbol S --capital C.")


@app.command()
def show(run: _Run, as_json: JsonFlag = False) -> None:
    """Show one run: state, position, orders, trades and metrics."""
    from firstwatch.cli.backtest import say_metrics
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.run_json import run_document, run_summary
    from firstwatch.manager.why import explain
    from firstwatch.store.runs import full_run_id, get_run

    with open_folder() as (_, store), store.read() as reading:
        known = get_run(reading, full_run_id(reading, run))
        document = run_document(reading, known)
        summary = run_summary(reading, known)
        try:
            why, problem = explain(reading, known), ""
        except DamagedRowError as error:
            why, problem = None, str(error)
    if as_json:
        say_json(document)
        return
    say_table(
        ("FACT", "VALUE"), ((name, value) for name, value in summary.items() if value not in (None, ""))
    )
    position = document["position"]
    if position is not None and position["side"] is not None:
        amount, entry = shown(position["amount"]), shown(position["entry_price"])
        legs = (_level(name, position[name], position[f"{name}_wanted"]) for name in ("stop", "target"))
        held = f"{position['side']} {amount} at {entry}"
        say(f"\nposition: {', '.join([held, *legs])}")
    say("")
    if why is None:
        say(problem)
    elif known.state is not RunState.NEW:
        _say_why(why)
    if document["trades"]:
        say("")
        columns = ("side", "entry_time", "entry_price", "exit_time", "exit_price", "amount", "pnl", "reason")
        say_table(
            [column.upper() for column in columns],
            ([trade[column] for column in columns] for trade in document["trades"]),
        )
    say("")
    say_metrics(document)


def _level(name: str, rests_at: object, wanted: object) -> str:
    """Return the level of a leg at the venue, and the wanted level if it differs."""
    rests = f"{name} {'none' if rests_at is None else shown(rests_at)}"
    return rests if wanted in (None, rests_at) else f"{rests} (wanted {shown(wanted)})"


@app.command("explain")
def explain_(
    run: _Run,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="T", help="As of then, by the venue's time, such as 2026-01-02T03:04; else now."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show why a run decided last, and what would have to be true next."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.run_json import why_json
    from firstwatch.manager.why import explain
    from firstwatch.store.runs import full_run_id, get_run
    from firstwatch.trading.clock import parse_iso

    try:
        at_ms = None if at is None else parse_iso(at)
    except ValueError as error:
        raise WrongUseError(
            f"--at {quoted(str(at))} is not a time; write one like 2026-01-02T03:04."
        ) from error
    with open_folder() as (_, store), store.read() as reading:
        known = get_run(reading, full_run_id(reading, run))
        found = explain(reading, known, at_ms)
    if as_json:
        say_json({"run": known.id, **why_json(found, at_ms)})
    else:
        _say_why(found)


def _say_why(found: "Explanation") -> None:
    """Print the last decision, its conditions, what was not carried out since, and what comes next."""
    from firstwatch.manager.why import dropped_sentence, next_sentences
    from firstwatch.trading.clock import iso
    from firstwatch.trading.why import condition_sentence

    decision, outlook = found.decision, found.outlook
    if decision is None:
        say("last     nothing was decided up to then")
    else:
        say(f"last     {iso(decision.time_ms)}  {decision.sentence}")
        for each in decision.conditions:
            say(f"         {each.group}: {condition_sentence(each)}")
    if found.dropped is not None:
        say(f"dropped  {dropped_sentence(found.dropped)}")
    if outlook is None:
        say("next     nothing is known: the run does not go on, or its bars are not kept")
        return
    for sentence in next_sentences(outlook) or ("no condition: only what waits, or a stop of the run",):
        say(f"next     {sentence}")
    for sentence in outlook.waits:
        say(f"waits    {sentence}")


@app.command()
def follow(run: _Run, as_json: JsonFlag = False) -> None:
    """Print the run's journal as it is written, until the run has ended."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.waiting import stopped_by_signals
    from firstwatch.manager.journal_text import event_text
    from firstwatch.store.changes import ChangeSignal
    from firstwatch.store.journal import events_after
    from firstwatch.store.runs import full_run_id, state_of
    from firstwatch.trading.clock import iso

    with stopped_by_signals() as stop, open_folder() as (_, store), ChangeSignal(store) as changes:
        with store.read() as reading:
            run_id = full_run_id(reading, run)
        last = 0
        while not stop.is_set():
            with store.read() as reading:
                entries = events_after(reading, run_id, last, is_lenient=True)
                state = state_of(reading, run_id)
            for entry in entries:
                last = entry.sequence
                if as_json:
                    say_json(
                        {
                            "sequence": entry.sequence,
                            "time": iso(entry.local_time_ms),
                            "venue_time": None if entry.venue_time_ms is None else iso(entry.venue_time_ms),
                            "author": entry.author.who,
                            **entry.event.model_dump(mode="json"),
                            "approved_by": entry.author.approved_by,
                        }
                    )
                else:
                    say(f"{iso(entry.local_time_ms)}  {event_text(entry.event)}")
            if state.is_final:
                return
            changes.wait(0.5)
    raise FirstwatchError(f"Stopped following; run {run_id} continues.")
