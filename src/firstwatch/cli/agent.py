"""``firstwatch agent``: what agents may do, what they have done, and the operator's answers to their asks."""

import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, say, say_json, say_table
from firstwatch.trading.commands import CommandOutcome
from firstwatch.trading.errors import RefusedError, WrongUseError
from firstwatch.trading.text import clean, quoted

if TYPE_CHECKING:
    from firstwatch.manager.agent_service import AgentService
    from firstwatch.manager.views import AskView
    from firstwatch.settings import Settings
    from firstwatch.store.commands import StoredCommand
    from firstwatch.store.database import Session, Store
    from firstwatch.trading.agents import Act, AgentLimits

app = typer.Typer(
    help="Programs that act for you: their limits, their acts, their asks.", no_args_is_help=True
)

_MOST_ACTS = 10_000
_ANSWER_S = 20.0
_Ask = Annotated[int, typer.Argument(metavar="ASK", min=1, max=2**53, help="Its number: `agent asks`.")]


# --- limits --------------------------------------------------------------------------------------


@app.command("limits")
def limits_(
    notional_per_day: Annotated[
        str | None,
        typer.Option(
            metavar="X|none", help="Most capital times leverage, in quote, put at risk in 24 hours."
        ),
    ] = None,
    writes_per_minute: Annotated[
        str | None,
        typer.Option(metavar="N|none", help="Most acts a minute that do not only reduce exposure."),
    ] = None,
    runs: Annotated[
        str | None, typer.Option(metavar="ID,ID|all", help="The only runs that agents may act on.")
    ] = None,
    wallets: Annotated[
        str | None, typer.Option(metavar="NAME,NAME|all", help="The only wallets that agents may act on.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the limits of all agents; with options change those. The engine checks them at each act."""
    from firstwatch.cli.backtest_options import decimal
    from firstwatch.store.runs import full_run_id
    from firstwatch.store.wallets import get_wallet

    def number(text: str, option: str) -> Decimal | None:
        return None if text == "none" else decimal(text, option)

    def change(session: "Session") -> dict[str, object]:
        changed: dict[str, object] = {}
        if notional_per_day is not None:
            changed["notional_per_day"] = number(notional_per_day, "--notional-per-day")
        if writes_per_minute is not None:
            changed["writes_per_minute"] = number(writes_per_minute, "--writes-per-minute")
        if runs is not None:
            changed["runs"] = _listed(runs, "--runs", lambda text: full_run_id(session, text))
        if wallets is not None:
            changed["wallets"] = _listed(wallets, "--wallets", lambda text: get_wallet(session, text).name)
        return changed

    given = (notional_per_day, writes_per_minute, runs, wallets)
    _say_limits(None if given == (None,) * len(given) else change, as_json)


@app.command("on")
def on(as_json: JsonFlag = False) -> None:
    """Let agents act again, within their scope and the limits."""
    _say_limits(lambda _: {"is_on": True}, as_json)


@app.command("off")
def off(as_json: JsonFlag = False) -> None:
    """Refuse every act of every agent from now on, stops too; they can still read."""
    _say_limits(lambda _: {"is_on": False}, as_json)


def _say_limits(change: "Callable[[Session], dict[str, object]] | None", as_json: bool) -> None:
    """Change the limits, if something is to be changed, and print them."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.store import agents
    from firstwatch.trading.agents import AgentLimits
    from firstwatch.trading.clock import SystemClock
    from firstwatch.trading.validation import validation_sentences

    with open_folder() as (_, store):
        if change is not None:
            with store.write() as session:
                known = agents.agent_limits(session).model_dump()
                try:
                    limits = AgentLimits.model_validate(known | change(session))
                except ValidationError as error:
                    raise WrongUseError("\n".join(validation_sentences(AgentLimits, error))) from error
                agents.save_agent_limits(session, limits)
        with store.read() as session:
            limits = agents.agent_limits(session)
            used = agents.used_of_limits(session, but=0, now_ms=SystemClock().now_ms())
    if as_json:
        say_json({**_limits_document(limits), "used_notional": used.notional, "used_writes": used.writes})
        return
    most, writes = limits.notional_per_day, limits.writes_per_minute
    say(
        "agents may act"
        if limits.is_on
        else "agents are switched off: no act of theirs is done, stops neither (`firstwatch agent on`)"
    )
    say_table(
        ("LIMIT", "VALUE", "USED"),
        (
            ("notional per day", "none" if most is None else most, used.notional),
            ("writes per minute", "none" if writes is None else writes, used.writes),
            ("runs", "all" if limits.runs is None else ", ".join(limits.runs), None),
            ("wallets", "all" if limits.wallets is None else ", ".join(limits.wallets), None),
        ),
    )


def _limits_document(limits: "AgentLimits") -> dict[str, Any]:
    return {
        "on": limits.is_on,
        "notional_per_day": limits.notional_per_day,
        "writes_per_minute": limits.writes_per_minute,
        "runs": limits.runs,
        "wallets": limits.wallets,
    }


def _listed(text: str, option: str, read: Callable[[str], str]) -> tuple[str, ...] | None:
    """Return the entries of a list with commas; None: all."""
    if text == "all":
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise WrongUseError(f"{option} wants a list with commas, or all, not {quoted(text)}.")
    return tuple(dict.fromkeys(map(read, words)))


# --- acts ----------------------------------------------------------------------------------------


@app.command("log")
def log(
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=_MOST_ACTS, help="Most acts.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Print what agents wanted done and what became of it, the newest first."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.engine.jobs.looking import write_ends
    from firstwatch.store import agents
    from firstwatch.trading.clock import SystemClock

    with open_folder() as (settings, store):
        write_ends(store, settings.home, clock=SystemClock())
        with store.read() as session:
            now_ms = SystemClock().now_ms()
            documents = [_act_document(session, act, now_ms) for act in agents.list_acts(session, limit)]
    if as_json:
        say_json(documents)
    elif documents:
        columns = ("at", "agent", "tool", "run", "sentence", "approved_by")
        say_table(
            [column.upper() for column in columns],
            ([each[column] for column in columns] for each in documents),
        )
    else:
        say("No agent has wanted anything done yet.")


def _act_document(session: "Session", act: "Act", now_ms: int) -> dict[str, Any]:
    from firstwatch.store import agents
    from firstwatch.trading.agents import AskState
    from firstwatch.trading.clock import iso

    ask = agents.ask_of_act(session, act.id, now_ms=now_ms)
    status, outcome = _outcome(session, act, now_ms)
    steps = [] if not act.plan else ["planned"]
    if ask is not None:
        steps.append(f"asked the operator ({ask.id})")
        where = f" at the {ask.approved_by}" if ask.approved_by else ""
        match ask.state:
            case AskState.APPROVED:
                steps.append(f"approved{where}")
            case AskState.REFUSED:
                steps.append(f"refused{where}: {ask.sentence}")
            case AskState.EXPIRED:
                steps.append("no answer, which is a no")
            case AskState.WAITING:
                steps.append("waits for the answer")
    steps += [outcome] if outcome else []
    return {
        "act": act.id,
        "at": iso(act.created_at_ms),
        "agent": act.caller.name,
        "tool": act.tool.value,
        "run": act.run_id,
        "name": act.name,
        "wallet": act.wallet,
        "mode": act.money.value,
        "plan": act.plan,
        "ask": None if ask is None else ask.id,
        "job": act.job_id,
        "status": status,
        "sentence": clean(" → ".join(steps)),
        "approved_by": "operator" if ask is not None and ask.state is AskState.APPROVED else None,
    }


def _outcome(session: "Session", act: "Act", now_ms: int) -> tuple[str, str]:
    """Return the status of an act, and what became of it beside the operator's answer."""
    from firstwatch.store import agents, commands, jobs
    from firstwatch.trading.agents import AskState

    if act.job_id is not None:
        job = jobs.get_job(session, act.job_id)
        return job.state.value, f"job {job.id}: {job.state}{f', {job.sentence}' if job.sentence else ''}"
    if act.command_id is not None:
        try:
            stored: StoredCommand | None = commands.get_command(session, act.command_id)
        except WrongUseError:
            stored = None
        if stored is None or stored.act_id != act.id:
            return "done", "sent to the engine; how it ended is no longer kept"
        if not stored.is_finished:
            return "waiting", "the engine has not answered yet"
        status = stored.outcome.value.lower()
        return status, f"{status}: {stored.sentence}"
    ask = agents.ask_of_act(session, act.id, now_ms=now_ms)
    if ask is not None:
        return ("waiting" if ask.state is AskState.WAITING else ask.state.value), ""
    if now_ms < act.expires_at_ms:
        return "planned", "not confirmed yet"
    return "expired", "never confirmed"


# --- asks ----------------------------------------------------------------------------------------


@app.command("asks")
def asks(as_json: JsonFlag = False) -> None:
    """List the asks of agents that wait for your answer, the oldest first."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.trading.clock import iso

    with open_folder() as (settings, store), store.read() as session:
        found = _service(settings, store).waiting_asks(session)
    if as_json:
        say_json([_ask_document(ask) for ask in found])
        return
    for ask in found:
        say(f"{ask.ask_id}: {ask.agent} wants to {ask.act}; no answer until {iso(ask.expires_ms)} is a no")
        for sentence in ask.plan:
            say(f"  {sentence}")
    if not found:
        say("No agent asks for anything.")


@app.command("approve")
def approve(ask: _Ask, as_json: JsonFlag = False) -> None:
    """Show the plan of an agent and say yes to it, at a terminal; real money needs the screen's code too."""
    from firstwatch.cli.folder import open_manager
    from firstwatch.cli.waiting import answered, stopped_by_signals

    if not sys.stdin.isatty():
        raise RefusedError("An agent is answered yes by a person only: at a terminal, or on the screen (!).")
    with open_manager() as manager:
        view = manager.agents.waiting_ask(ask)
        question = "\n".join(map(clean, [f"{view.agent} wants to {view.act}:", *view.plan, "Yes?"]))
        if not typer.confirm(question, err=True):
            raise RefusedError(f"Nothing was answered; to say no: firstwatch agent refuse {ask}")
        typed_name = code = ""
        if view.name_to_type:
            typed_name = typer.prompt(
                clean(f"This is real money. The run's name ({view.name_to_type})"), err=True
            )
            code = typer.prompt("The six digits that the screen shows (!)", err=True)
        number = manager.agents.approve(ask, typed_name=typed_name, code=code, by="terminal")
        with stopped_by_signals() as stop:
            found = answered(manager, number, stop, deadline_s=time.monotonic() + _ANSWER_S)
    is_open = found.outcome in (CommandOutcome.PENDING, CommandOutcome.ACCEPTED)
    outcome = "waiting" if is_open else found.outcome.value.lower()
    sentence = "approved; the engine has not answered yet" if is_open else f"{outcome}: {found.sentence}"
    Output(as_json).result({"ask": ask, "outcome": outcome, "sentence": sentence}, sentence)
    if found.outcome is not CommandOutcome.DONE:
        raise typer.Exit(1 if is_open else RefusedError.exit_code)


@app.command("refuse")
def refuse(ask: _Ask, as_json: JsonFlag = False) -> None:
    """Say no to an agent."""
    from firstwatch.cli.folder import open_folder

    with open_folder() as (settings, store):
        _service(settings, store).refuse(ask, by="terminal")
    Output(as_json).result({"ask": ask, "outcome": "refused"}, f"ask {ask} is refused")


def _service(settings: "Settings", store: "Store") -> "AgentService":
    """Return what answers asks without an engine."""
    from firstwatch.manager.agent_service import AgentService
    from firstwatch.manager.views import EngineView, EngineWhere
    from firstwatch.trading.clock import SystemClock

    return AgentService(settings, SystemClock(), lambda: store, lambda: EngineView(EngineWhere.NONE))


def _ask_document(ask: "AskView") -> dict[str, Any]:
    from firstwatch.trading.clock import iso

    return {
        "ask": ask.ask_id,
        "agent": ask.agent,
        "act": ask.act,
        "run": ask.run_id,
        "wallet": ask.wallet,
        "mode": ask.money.value,
        "plan": ask.plan,
        "created_at": iso(ask.created_ms),
        "expires_at": iso(ask.expires_ms),
        "name_to_type": ask.name_to_type or None,
    }
