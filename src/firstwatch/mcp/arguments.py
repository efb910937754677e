"""Arguments of the tools: exact, bounded, and nothing else than what is named."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from firstwatch.trading.clock import parse_iso
from firstwatch.trading.runs import RunState
from firstwatch.trading.text import quoted, without_markup

MOST_ROWS = 50
"""Rows of one page."""
_MOST_PROBLEMS = 8
"""Wrong arguments that an error names."""
_WORDS = {
    "algoId": "the name of an algorithm, as list_algorithms has it",
    "version": "a whole number from 1, as list_algorithms has it",
    "runId": "1 to 16 characters of 0-9 and a-f, the beginning of a run's id, as list_runs has it",
    "backtestId": "a whole number from 1, as get_algorithm has it",
    "job": "a whole number from 1, as run_backtest has answered it",
    "status": "ACTIVE, ENDED or a state such as RUNNING",
    "symbol": "a symbol like BTC/USDC:USDC",
    "wallet": "the name of a wallet, as get_account_overview has it",
    "capital": "a number above 0, in quote",
    "leverage": "a number from 1 to 1000",
    "token": "the token of a plan, from a call without a token",
    "close": "true or false",
    "from": "an ISO 8601 date or time, like 2026-01-31",
    "to": "an ISO 8601 date or time, like 2026-01-31",
    "after": "a whole number from 0, the seq of a journal entry",
    "day": "a whole number from 1",
    "cursor": "a whole number from 0, the next_cursor of the page before",
    "limit": f"a whole number from 1 to {MOST_ROWS}",
}
"""What each argument should be."""


class WrongArgumentsError(Exception):
    """The arguments of a call are wrong; the text says which and what is right."""


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _time(value: str) -> str:
    parse_iso(value)
    return value


RunId = Annotated[
    str,
    Field(pattern=r"^[0-9a-fA-F]{1,16}$", description="Id of a run, or a beginning of it that no other has."),
]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Symbol = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._/:-]{3,40}$", description="Like BTC/USDC:USDC."),
]
Wallet = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
Version = Annotated[int, Field(ge=1, lt=2**31)]
Token = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{20,100}$",
        description="Leave it out for a plan. To do what the plan says, repeat the call with its token.",
    ),
]
Moment = Annotated[
    str, Field(min_length=8, max_length=35, description="ISO 8601, UTC."), AfterValidator(_time)
]
Cursor = Annotated[int, Field(ge=0, lt=2**31, description="next_cursor of the page before.")]
Limit = Annotated[int, Field(ge=1, le=MOST_ROWS)]
Number = Annotated[int, Field(ge=1, lt=2**53)]

Status = Annotated[
    Literal["ACTIVE", "ENDED", "NEW", "RUNNING", "STOPPING", "STOPPED", "DONE", "FAILED", "CANCELLED"],
    BeforeValidator(_upper),
]
"""A state of runs, or all that are active or have ended."""


class Arguments(BaseModel):
    """Arguments of one tool."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class NoArguments(Arguments):
    """There are none."""


class ListRuns(Arguments):
    algoId: Name | None = None
    status: Status | None = None
    cursor: Cursor = 0
    limit: Limit = 20


class OfRun(Arguments):
    runId: RunId


class GetFirstWatch(Arguments):
    runId: RunId
    day: Annotated[int, Field(ge=1, le=100_000, description="Without it the newest.")] | None = None


class GetBacktestResults(Arguments):
    runId: RunId | None = None
    backtestId: Number | None = None
    job: Number | None = None


class ListPage(Arguments):
    cursor: Cursor = 0
    limit: Limit = 20


class GetAlgorithm(Arguments):
    algoId: Name
    version: Annotated[Version, Field(description="Without it the newest.")] | None = None


class GetJournal(Arguments):
    runId: RunId
    after: (
        Annotated[
            int, Field(ge=0, lt=2**53, description="A seq: entries after it. Without it the newest ones.")
        ]
        | None
    ) = None
    limit: Limit = 20


class GetMarket(Arguments):
    symbol: Symbol | None = None
    cursor: Cursor = 0
    limit: Limit = 20


class ResumeEntries(Arguments):
    runId: RunId
    token: Token | None = None


class StopAndLeave(Arguments):
    """What a caller may say that may not close a position."""

    runId: RunId | None = None
    token: Token | None = None


class StopRun(StopAndLeave):
    close: Annotated[bool, Field(description="Close the position at market; without it, it stays.")] = False


class RunBacktest(Arguments):
    algoId: Name
    version: Version
    symbol: Symbol
    from_: Annotated[Moment, Field(alias="from")]
    to: Moment


class StartRun(Arguments):
    algoId: Name
    version: Version
    wallet: Wallet
    symbol: Symbol
    capital: Annotated[float, Field(gt=0, le=1e12, description="In quote.")]
    leverage: Annotated[float, Field(ge=1, le=1_000)] = 1
    token: Token | None = None


def read_arguments(tool: str, model: type[Arguments], given: Mapping[str, Any] | None) -> Arguments:
    """Return the arguments of a call.

    Raises:
        WrongArgumentsError: they are wrong.
    """
    try:
        return model.model_validate(dict(given or {}))
    except ValidationError as error:
        raise WrongArgumentsError(_sentence(tool, model, error)) from None


def canonical(tool: str, given: Mapping[str, Any] | None) -> str:
    """Return a text that is equal for identical calls."""
    return json.dumps([tool, given or {}], sort_keys=True, default=str)


def states_of(status: str) -> frozenset[RunState]:
    """Return the states that a status of ``list_runs`` stands for."""
    if status == "ACTIVE":
        return frozenset(state for state in RunState if state.is_active)
    if status == "ENDED":
        return frozenset(state for state in RunState if state.is_final)
    return frozenset({RunState(status)})


def _sentence(tool: str, model: type[Arguments], error: ValidationError) -> str:
    """Return what is wrong, and what the arguments should be, without a wrong value."""
    known = [field.alias or name for name, field in model.model_fields.items()]
    takes = f"it takes {', '.join(known)}" if known else "it takes none"
    found: list[str] = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if name not in known:
            found.append(f"{tool} has no argument {quoted(without_markup(name, 40))}; {takes}")
        elif problem["type"] == "missing":
            found.append(f"{tool} needs {name}: {_WORDS[name]}")
        else:
            found.append(f"{name} of {tool} should be {_WORDS[name]}")
    return f"{'. '.join(dict.fromkeys(found[:_MOST_PROBLEMS]))}."
