"""Agents: their access tokens, limits, acts, and the asks that the operator answers."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, update

from firstwatch.store.database import Session
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import (
    AgentActTable,
    AgentAskTable,
    AgentLimitsTable,
    AgentTokenTable,
    CommandTable,
    table_of,
    upsert,
)
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.agents import (
    DAY_MS,
    MINUTE_MS,
    Act,
    ActTool,
    AgentLimits,
    Ask,
    AskState,
    Caller,
    RunFacts,
    Scope,
    Used,
    hash_of,
)
from firstwatch.trading.commands import Command, CommandOutcome, command_adapter
from firstwatch.trading.errors import IllegalTransitionError, WrongUseError
from firstwatch.trading.text import quoted

_TOKEN = table_of(AgentTokenTable)
_LIMITS = table_of(AgentLimitsTable)
_ACT = table_of(AgentActTable)
_ASK = table_of(AgentAskTable)
_COMMAND = table_of(CommandTable)
_ONLY = 1
_COUNTED = (CommandOutcome.ACCEPTED, CommandOutcome.DONE)
"""Outcomes of commands that count against the limits."""
_CAPPED = [tool.value for tool in ActTool if not tool.only_reduces]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token with which an agent's program may use the server over HTTP."""

    id: int
    name: str
    scope: Scope
    max_capital: Decimal
    created_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None

    def is_valid(self, now_ms: int) -> bool:
        """Return whether it is neither revoked nor expired."""
        return self.revoked_at_ms is None and now_ms < self.expires_at_ms

    @property
    def caller(self) -> Caller:
        return Caller(name=self.name, scope=self.scope, max_capital=self.max_capital, access_token_id=self.id)


# --- access tokens -------------------------------------------------------------------------------


def add_access_token(
    session: Session,
    name: str,
    token: str,
    *,
    scope: Scope,
    max_capital: Decimal,
    now_ms: int,
    expires_at_ms: int,
) -> AccessToken:
    """Save the hash of an access token.

    Raises:
        WrongUseError: another token has that name, revoked or not.
    """
    if session.execute(select(_TOKEN.c.id).where(_TOKEN.c.name == name)).scalar() is not None:
        raise WrongUseError(f"There is a token {quoted(name)} already; choose another name.")
    values = {
        "name": name,
        "token_hash": hash_of(token),
        "scope": scope.value,
        "max_capital": max_capital,
        "created_at_ms": now_ms,
        "expires_at_ms": expires_at_ms,
    }
    number = session.execute(insert(_TOKEN).returning(_TOKEN.c.id), values).scalar_one()
    return AccessToken(number, name, scope, max_capital, now_ms, expires_at_ms, None)


def find_access_token(session: Session, token: str) -> AccessToken | None:
    """Return the access token, valid or not; None: there is none."""
    found = session.execute(select(_TOKEN).where(_TOKEN.c.token_hash == hash_of(token))).one_or_none()
    return None if found is None else _access_token(found)


def access_token_by_id(session: Session, number: int) -> AccessToken | None:
    """Return the access token of that number; None: there is none."""
    found = session.execute(select(_TOKEN).where(_TOKEN.c.id == number)).one_or_none()
    return None if found is None else _access_token(found)


def list_access_tokens(session: Session) -> list[AccessToken]:
    """Return all access tokens, the oldest first."""
    return [_access_token(found) for found in session.execute(select(_TOKEN).order_by(_TOKEN.c.id))]


def revoke_access_token(session: Session, name: str, *, now_ms: int) -> None:
    """Revoke an access token for ever. Idempotent.

    Raises:
        WrongUseError: there is no such token.
    """
    known = session.execute(select(_TOKEN.c.id).where(_TOKEN.c.name == name)).scalar()
    if known is None:
        raise WrongUseError(f"There is no token {quoted(name)}; `firstwatch mcp token list` shows them.")
    session.execute(
        update(_TOKEN)
        .where(_TOKEN.c.id == known, _TOKEN.c.revoked_at_ms.is_(None))
        .values(revoked_at_ms=now_ms)
    )


def _access_token(found: Row[Any]) -> AccessToken:
    with row(f"the access token {found.name}"):
        sound(found, _TOKEN)
        return AccessToken(
            found.id,
            found.name,
            Scope(found.scope),
            found.max_capital,
            found.created_at_ms,
            found.expires_at_ms,
            found.revoked_at_ms,
        )


# --- limits --------------------------------------------------------------------------------------


def agent_limits(session: Session) -> AgentLimits:
    """Return the limits of all agents.

    Raises:
        DamagedRowError: they cannot be read.
    """
    found = session.execute(select(_LIMITS.c.limits_json).where(_LIMITS.c.id == _ONLY)).scalar()
    if found is None:
        return AgentLimits()
    with row("the limits of agents"):
        return AgentLimits.model_validate_json(found)


def save_agent_limits(session: Session, limits: AgentLimits) -> None:
    """Replace the limits of all agents."""
    session.execute(upsert(_LIMITS), {"id": _ONLY, "limits_json": limits.model_dump_json()})


def used_of_limits(session: Session, *, but: int, now_ms: int) -> Used:
    """Return what agents have used of their limits: by commands that the engine picked up, and by tests.

    ``but``: the number of an act that is not counted.
    """
    joined = _ACT.join(_COMMAND, _COMMAND.c.act_id == _ACT.c.id)
    counted = _COMMAND.c.outcome.in_([outcome.value for outcome in _COUNTED])
    by_command = session.execute(
        select(func.count())
        .select_from(joined)
        .where(counted, _COMMAND.c.accepted_at_ms > now_ms - MINUTE_MS, _ACT.c.tool.in_(_CAPPED))
    ).scalar_one()
    by_test = session.execute(
        select(func.count())
        .select_from(_ACT)
        .where(
            _ACT.c.tool == ActTool.BACKTEST.value,
            _ACT.c.created_at_ms > now_ms - MINUTE_MS,
            _ACT.c.id != but,
        )
    ).scalar_one()
    # Money is stored as text, so it is summed here.
    at_risk = session.execute(
        select(_ACT.c.notional)
        .select_from(joined)
        .where(counted, _COMMAND.c.accepted_at_ms > now_ms - DAY_MS, _ACT.c.tool.in_(_CAPPED))
    ).scalars()
    return Used(writes=by_command + by_test, notional=sum(at_risk, Decimal(0)))


# --- acts ----------------------------------------------------------------------------------------


def add_act(
    session: Session,
    caller: Caller,
    tool: ActTool,
    *,
    arguments_json: str,
    command: Command | None,
    run_id: str | None,
    name: str,
    wallet: str | None,
    money: MoneyKind,
    closes: bool,
    notional: Decimal,
    bound: RunFacts | None,
    plan: tuple[str, ...],
    token: str | None,
    now_ms: int,
    expires_at_ms: int,
    job_id: int | None = None,
) -> Act:
    """Save an act. ``token``: what the second step brings back; None: it takes one step."""
    values = {
        "token_hash": None if token is None else hash_of(token),
        "caller_json": caller.model_dump_json(),
        "tool": tool.value,
        "arguments_json": arguments_json,
        "command_json": None if command is None else command.model_dump_json(),
        "run_id": run_id,
        "name": name,
        "wallet": wallet,
        "money": money.value,
        "closes": closes,
        "notional": notional,
        "bound_json": None if bound is None else bound.model_dump_json(),
        "plan_json": json.dumps(plan),
        "created_at_ms": now_ms,
        "expires_at_ms": expires_at_ms,
        "job_id": job_id,
    }
    number = session.execute(insert(_ACT).returning(_ACT.c.id), values).scalar_one()
    return act_by_id(session, number)


def act_by_id(session: Session, number: int) -> Act:
    """Return an act.

    Raises:
        WrongUseError: there is none of that number.
        DamagedRowError: it cannot be read.
    """
    found = session.execute(select(_ACT).where(_ACT.c.id == number)).one_or_none()
    if found is None:
        raise WrongUseError(f"There is no act {number} of an agent.")
    return _act(found)


def find_act(session: Session, token: str) -> Act | None:
    """Return the act whose plan gave that token; None: none did."""
    found = session.execute(select(_ACT).where(_ACT.c.token_hash == hash_of(token))).one_or_none()
    return None if found is None else _act(found)


def set_command_of_act(session: Session, number: int, command_id: int) -> None:
    """Note the command that an act became.

    Raises:
        IllegalTransitionError: it has become one already.
    """
    free = update(_ACT).where(_ACT.c.id == number, _ACT.c.command_id.is_(None))
    if session.execute(free.values(command_id=command_id)).rowcount != 1:
        raise IllegalTransitionError(f"act {number} of an agent has become a command already")


def open_plans(session: Session, caller: Caller, *, now_ms: int) -> int:
    """Return how many plans of a caller can still be confirmed."""
    is_open = (_ACT.c.token_hash.is_not(None), _ACT.c.command_id.is_(None), _ACT.c.expires_at_ms > now_ms)
    mine = _ACT.c.caller_json == caller.model_dump_json()
    return int(session.execute(select(func.count()).select_from(_ACT).where(*is_open, mine)).scalar_one())


def drop_stale_plans(session: Session, *, before_ms: int) -> None:
    """Remove the plans that ran out before then and were not confirmed."""
    session.execute(
        delete(_ACT).where(
            _ACT.c.token_hash.is_not(None),
            _ACT.c.command_id.is_(None),
            _ACT.c.expires_at_ms < before_ms,
            _ACT.c.id.not_in(select(_ASK.c.act_id)),
        )
    )


def list_acts(session: Session, limit: int) -> list[Act]:
    """Return the newest acts, the newest first.

    Raises:
        DamagedRowError: one of them cannot be read.
    """
    return [_act(found) for found in session.execute(select(_ACT).order_by(_ACT.c.id.desc()).limit(limit))]


def _act(found: Row[Any]) -> Act:
    with row(f"act {found.id} of an agent"):
        sound(found, _ACT)
        return Act(
            id=found.id,
            caller=Caller.model_validate_json(found.caller_json),
            tool=ActTool(found.tool),
            arguments_json=found.arguments_json,
            command=None
            if found.command_json is None
            else command_adapter().validate_json(found.command_json),
            run_id=found.run_id,
            name=found.name,
            wallet=found.wallet,
            money=MoneyKind(found.money),
            closes=found.closes,
            notional=found.notional,
            bound=None if found.bound_json is None else RunFacts.model_validate_json(found.bound_json),
            plan=tuple(json.loads(found.plan_json)),
            created_at_ms=found.created_at_ms,
            expires_at_ms=found.expires_at_ms,
            command_id=found.command_id,
            job_id=found.job_id,
        )


# --- asks ----------------------------------------------------------------------------------------

_NEWEST_ASK = select(_ASK).where(_ASK.c.act_id == bindparam("act")).order_by(_ASK.c.id.desc()).limit(1)
# A literal, so that SQLite can use its index of waiting asks.
_IS_WAITING = _ASK.c.state == bindparam(None, AskState.WAITING.value, literal_execute=True)
_WAITING = select(_ASK).where(_IS_WAITING).order_by(_ASK.c.id)


def add_ask(session: Session, act_id: int, *, now_ms: int, expires_at_ms: int) -> Ask:
    """Save a question to the operator."""
    values = {
        "act_id": act_id,
        "created_at_ms": now_ms,
        "expires_at_ms": expires_at_ms,
        "state": AskState.WAITING.value,
        "sentence": "",
        "approved_by": "",
        "wrong_codes": 0,
    }
    number = session.execute(insert(_ASK).returning(_ASK.c.id), values).scalar_one()
    return Ask(number, act_id, now_ms, expires_at_ms, AskState.WAITING, "", "", None, 0)


def get_ask(session: Session, number: int, *, now_ms: int) -> Ask:
    """Return an ask; one whose time has run out without an answer is EXPIRED.

    Raises:
        WrongUseError: there is none of that number.
    """
    found = session.execute(select(_ASK).where(_ASK.c.id == number)).one_or_none()
    if found is None:
        raise WrongUseError(f"There is no question {number} of an agent.")
    return _ask(found, now_ms)


def ask_of_act(session: Session, act_id: int, *, now_ms: int) -> Ask | None:
    """Return the question about an act; None: the operator was not asked."""
    found = session.execute(_NEWEST_ASK, {"act": act_id}).one_or_none()
    return None if found is None else _ask(found, now_ms)


def waiting_asks(session: Session, *, now_ms: int) -> list[Ask]:
    """Return the questions that wait for an answer, the oldest first."""
    found = [_ask(each, now_ms) for each in session.execute(_WAITING)]
    return [ask for ask in found if ask.state is AskState.WAITING]


def answer_ask(
    session: Session, number: int, state: AskState, sentence: str, *, approved_by: str, now_ms: int
) -> None:
    """Write the answer to a question.

    Raises:
        IllegalTransitionError: it has an answer already, or its time has run out.
    """
    waits = (_ASK.c.state == AskState.WAITING.value, _ASK.c.expires_at_ms > now_ms)
    answered = update(_ASK).where(_ASK.c.id == number, *waits)
    values = {"state": state.value, "sentence": sentence, "approved_by": approved_by}
    if session.execute(answered.values(**values)).rowcount != 1:
        raise IllegalTransitionError(f"question {number} of an agent does not wait for an answer any more")


def set_code(session: Session, number: int, code_hash: str) -> None:
    """Save the hash of the code with which a question can be answered at a terminal."""
    session.execute(update(_ASK).where(_ASK.c.id == number).values(code_hash=code_hash))


def count_wrong_code(session: Session, number: int) -> int:
    """Count a wrong code, and return how many there were."""
    one_more = update(_ASK).where(_ASK.c.id == number).values(wrong_codes=_ASK.c.wrong_codes + 1)
    return int(session.execute(one_more.returning(_ASK.c.wrong_codes)).scalar_one())


def _ask(found: Row[Any], now_ms: int) -> Ask:
    with row(f"question {found.id} of an agent"):
        sound(found, _ASK)
        state = AskState(found.state)
        if state is AskState.WAITING and now_ms >= found.expires_at_ms:
            state = AskState.EXPIRED
        return Ask(
            id=found.id,
            act_id=found.act_id,
            created_at_ms=found.created_at_ms,
            expires_at_ms=found.expires_at_ms,
            state=state,
            sentence=found.sentence,
            approved_by=found.approved_by,
            code_hash=found.code_hash,
            wrong_codes=found.wrong_codes,
        )
