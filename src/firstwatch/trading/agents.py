"""Agents: programs that read what an operator sees and, where that is allowed, act for one.

An *act* is what an agent wants done. Some acts take two steps: the first answers a plan and a token, the
second brings the token back. Where the operator confirms, the second step writes an *ask*, which the operator
answers. The engine checks scope, limits, token and answer again when it picks the command up
(``engine.agent_check``).
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from firstwatch.trading.account import MoneyKind
from firstwatch.trading.commands import Command
from firstwatch.trading.numbers import BoundedDecimal
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import RunState
from firstwatch.trading.text import counted

PLAN_MS = 120_000
"""How long a token of a plan is valid."""
ASK_MS = 60_000
"""An ask that has not been answered for so long is a no."""
DAY_MS = 86_400_000
MINUTE_MS = 60_000
MOST_PLANS = 20
"""Plans of one caller that may be open at a time."""
MOST_CODES = 3
"""Wrong codes after which an ask is a no."""
STDIO = "stdio"
"""Name of the caller that started the server itself."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class Scope(StrEnum):
    """What an agent may do; each scope includes the ones before it."""

    READ = "read"
    CONTROL = "control"
    """Pause and resume entries, stop a run, test a version."""
    TRADE = "trade"
    """Start a run, and close a position."""

    def includes(self, other: "Scope") -> bool:
        """Return whether this scope allows all that ``other`` does."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


class Confirm(StrEnum):
    """Who confirms an act of two steps."""

    OPERATOR = "operator"
    """A person, on the screen or at a terminal."""
    TOKEN = "token"
    """The agent itself, by bringing the token of the plan back."""


class ActTool(StrEnum):
    """The tools that act."""

    PAUSE = "pause_entries"
    RESUME = "resume_entries"
    STOP = "stop_run"
    START = "start_run"
    BACKTEST = "run_backtest"

    @property
    def scope(self) -> Scope:
        """The least scope that may use it; a stop that closes needs ``TRADE``."""
        return Scope.TRADE if self is ActTool.START else Scope.CONTROL

    @property
    def takes_two_steps(self) -> bool:
        return self in (ActTool.RESUME, ActTool.STOP, ActTool.START)

    @property
    def only_reduces(self) -> bool:
        """It can only reduce exposure, so no cap holds for it."""
        return self in (ActTool.PAUSE, ActTool.STOP)


class AskState(StrEnum):
    """State of an ask."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"


class ActStatus(StrEnum):
    """What has become of an act."""

    DONE = "done"
    REFUSED = "refused"
    WAITING = "waiting"
    EXPIRED = "expired"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Caller(_Frozen):
    """Who calls, and what it may do."""

    name: str
    scope: Scope
    max_capital: BoundedDecimal = Field(default=Decimal(0), ge=0)
    """Most capital of a run that it starts, in quote."""
    access_token_id: int | None = None
    """None: the caller started the server itself."""


class AgentLimits(_Frozen):
    """Limits of all agents of a data folder. None: there is no such limit."""

    is_on: bool = True
    """False: every act is refused, also those that reduce exposure."""
    notional_per_day: BoundedDecimal | None = Field(default=None, ge=0)
    """Most capital times leverage, in quote, of runs started or resumed in 24 hours."""
    writes_per_minute: int | None = Field(default=None, ge=0, le=10_000)
    runs: tuple[str, ...] | None = None
    """Ids of the runs that agents may act on."""
    wallets: tuple[str, ...] | None = None
    """Names of the wallets that agents may act on."""


class RunFacts(_Frozen):
    """What a token is bound to: the facts of a run that change what an act would do.

    Marks, PnL and other live figures are not among them.
    """

    state: RunState
    paused: bool
    side: Side | None
    amount: BoundedDecimal
    stop: BoundedDecimal | None
    """Level that rests at the venue."""
    target: BoundedDecimal | None
    sequence: int
    """The last journal entry that changed the run."""


BOUND_KINDS = frozenset(
    {
        "transitioned",
        "entry_decided",
        "exit_decided",
        "fill_booked",
        "trade_closed",
        "protection_moved",
        "entries_paused",
        "entries_resumed",
        "adopted",
    }
)
"""Kinds of journal entries that change a run."""


def what_changed(then: RunFacts, now: RunFacts) -> str:
    """Return what is different in a run, as a clause; empty: nothing that a token is bound to."""
    if then.state is not now.state:
        return f"the run is {now.state} now, not {then.state}"
    if (then.side, then.amount) != (now.side, now.amount):
        return f"its position is {_position(now)} now, not {_position(then)}"
    if (then.stop, then.target) != (now.stop, now.target):
        return f"its protection at the venue is {_levels(now)} now, not {_levels(then)}"
    if then.paused is not now.paused:
        return f"its entries are {'paused' if now.paused else 'on'} now"
    if then.sequence != now.sequence:
        return f"something has happened to it (journal entry {now.sequence})"
    return ""


def _position(facts: RunFacts) -> str:
    return "flat" if facts.side is None else f"{facts.side} {facts.amount:f}"


def _levels(facts: RunFacts) -> str:
    stop = "no stop" if facts.stop is None else f"a stop at {facts.stop:f}"
    return stop if facts.target is None else f"{stop} and a target at {facts.target:f}"


@dataclass(frozen=True, slots=True)
class Act:
    """What an agent wants done, as it was planned or, in one step, requested."""

    id: int
    caller: Caller
    tool: ActTool
    arguments_json: str
    """The arguments as they came, in one order, without the token."""
    command: Command | None
    """What the engine is to do; None: the act is no command."""
    run_id: str | None
    name: str
    """The run's name, ``RSI reversion@1``."""
    wallet: str | None
    money: MoneyKind
    closes: bool
    """It closes a position."""
    notional: Decimal
    """Capital times leverage, in quote, that it puts at risk."""
    bound: RunFacts | None
    plan: tuple[str, ...]
    created_at_ms: int
    expires_at_ms: int
    command_id: int | None
    job_id: int | None
    """The job that a test became."""

    @property
    def needed_scope(self) -> Scope:
        return Scope.TRADE if self.closes else self.tool.scope


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the operator: may this act be done?"""

    id: int
    act_id: int
    created_at_ms: int
    expires_at_ms: int
    state: AskState
    sentence: str
    """Why it was refused."""
    approved_by: str
    """Where it was answered: ``screen`` or ``terminal``."""
    code_hash: str | None
    wrong_codes: int


@dataclass(frozen=True, slots=True)
class Used:
    """What agents have used of their limits."""

    writes: int
    """Acts in the last minute that do not only reduce exposure."""
    notional: Decimal
    """Notional in the last 24 hours."""


def over_limit(act: Act, limits: AgentLimits, used: Used) -> str:
    """Return the limit that the act would exceed, as a sentence; empty: none."""
    if not limits.is_on:
        return (
            "agents are switched off here, for stops too; an operator can stop the run with the key x on the"
            " screen, or `firstwatch run stop`, and switch agents on with `firstwatch agent on`"
        )
    if limits.runs is not None and act.run_id is not None and act.run_id not in limits.runs:
        return f"the operator does not let agents act on run {act.run_id} (`firstwatch agent limits`)"
    if limits.wallets is not None and act.wallet is not None and act.wallet not in limits.wallets:
        return f"the operator does not let agents act on the wallet {act.wallet} (`firstwatch agent limits`)"
    if act.tool.only_reduces:
        return ""
    most = limits.writes_per_minute
    if most is not None and used.writes >= most:
        return f"agents may write {counted(most, 'time')} a minute, and have; wait a minute"
    most_notional = limits.notional_per_day
    if most_notional is not None and act.notional and used.notional + act.notional > most_notional:
        return (
            f"agents may put {most_notional:,f} at risk in 24 hours; {used.notional:,f} is used, and this"
            f" would add {act.notional:,f}"
        )
    return ""


def is_name(text: str) -> bool:
    """Return whether an access token may be called so."""
    return _NAME.fullmatch(text) is not None


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """Return what is stored of a token: 256 random bits need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()
