"""Whether an agent's act may be done, from the store as it is now.

The manager looks when it plans and when it submits; the engine looks again in the transaction in which it
picks the command up, so that no second server, and no defect of a server, gets around scope, limits, token or
answer.
"""

from firstwatch.settings import AgentSettings
from firstwatch.store import agents, journal, positions, runs
from firstwatch.store.commands import StoredCommand
from firstwatch.store.database import Session
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.agents import (
    BOUND_KINDS,
    Act,
    AskState,
    Confirm,
    RunFacts,
    over_limit,
    what_changed,
)
from firstwatch.trading.commands import PreviewLaunch, StartRun
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.runs import Author

_NEWLY = "ask for a new plan"


def confirm_of(settings: AgentSettings, money: MoneyKind) -> Confirm:
    """Return who confirms an act with that kind of money; a test network counts as live."""
    return settings.confirm_paper if money is MoneyKind.PAPER else settings.confirm_live


def facts_of(session: Session, run_id: str) -> RunFacts | None:
    """Return the facts of a run that a token is bound to; None: there is no such run.

    Raises:
        DamagedRowError: they cannot be read.
    """
    run = runs.find_run(session, run_id)
    if run is None:
        return None
    position = positions.position_of(session, run_id)
    newest = next(journal.newest_of_kinds(session, run_id, BOUND_KINDS), None)
    return RunFacts(
        state=run.state,
        paused=run.facts.paused,
        side=None if position is None else position.side,
        amount=0 if position is None else position.amount,
        stop=None if position is None else position.stop,
        target=None if position is None else position.target,
        sequence=0 if newest is None else newest.sequence,
    )


def act_problem(session: Session, act: Act, *, now_ms: int) -> str:
    """Return why an act may not be done now, apart from the operator's answer; empty: it may."""
    caller = act.caller
    if caller.access_token_id is not None:
        token = agents.access_token_by_id(session, caller.access_token_id)
        if token is None or not token.is_valid(now_ms):
            return f"the access token {caller.name} is revoked or has expired"
        caller = token.caller
    if not caller.scope.includes(act.needed_scope):
        return f"this needs the scope {act.needed_scope}, and {caller.name} has {caller.scope}"
    used = agents.used_of_limits(session, but=act.id, now_ms=now_ms)
    limit = over_limit(act, agents.agent_limits(session), used)
    if limit:
        return limit
    if isinstance(act.command, StartRun) and act.command.settings.capital > caller.max_capital:
        capital = act.command.settings.capital
        return (
            f"{caller.name} may start a run with {caller.max_capital:,f} of capital at most, not"
            f" {capital:,f}; the operator sets that with --max-capital"
        )
    if act.bound is not None and act.run_id is not None:
        now = facts_of(session, act.run_id)
        changed = "the run is not there any more" if now is None else what_changed(act.bound, now)
        if changed:
            return f"since the plan, {changed}; {_NEWLY}"
    return ""


def command_problem(session: Session, stored: StoredCommand, settings: AgentSettings, *, now_ms: int) -> str:
    """Return why an agent's command may not be performed; empty: it may, or it is no agent's."""
    if not stored.author.is_agent or isinstance(stored.command, PreviewLaunch):
        return ""
    try:
        act = None if stored.act_id is None else agents.act_by_id(session, stored.act_id)
        if act is None or act.command_id != stored.id or not _is_as_planned(stored, act):
            return "an agent's command that no plan led to is not performed"
        if act.tool.takes_two_steps and confirm_of(settings, act.money) is Confirm.OPERATOR:
            ask = agents.ask_of_act(session, act.id, now_ms=now_ms)
            is_approved = ask is not None and ask.state is AskState.APPROVED
            if not is_approved or stored.author is not Author.AGENT_APPROVED:
                return "the operator has not said yes to it"
        return act_problem(session, act, now_ms=now_ms)
    except (DamagedRowError, WrongUseError) as error:
        return str(error)


def _is_as_planned(stored: StoredCommand, act: Act) -> bool:
    """Return whether a command is the act's; the operator may have typed the run's name to it."""
    command = stored.command
    if isinstance(command, StartRun):
        settings = command.settings.model_copy(update={"confirmed_name": None})
        command = command.model_copy(update={"settings": settings})
    return command == act.command
