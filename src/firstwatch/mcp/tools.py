"""The tools: their names, scopes, constant descriptions, arguments and answers.

A description never holds what others wrote, and what it says does not depend on the data folder.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import mcp_types as types
from pydantic import BaseModel

from firstwatch.mcp import acting, arguments, reading, results
from firstwatch.mcp.backend import Backend
from firstwatch.mcp.schemas import input_schema, output_schema
from firstwatch.trading.agents import ActTool, Caller, Scope

Answer = results.Envelope[Any]
Run = Callable[[Backend, Caller, Any], Awaitable[Answer]]

_READS = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_TWO_STEPS = (
    "First call without token: nothing is done; it answers a plan in words and a token, valid 120 s. Show the"
    " plan to the user. Then the same call with the token does it, once. status waiting: the operator is"
    " asked; make the same call again. "
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool."""

    name: str
    scope: Scope
    description: str
    annotations: types.ToolAnnotations
    asked: type[arguments.Arguments]
    answer: type[BaseModel]
    run: Run
    is_guarded: bool = True
    """The same call is refused when it is made again and again; not where it only reduces exposure."""

    def arguments_of(self, scope: Scope) -> type[arguments.Arguments]:
        """Return the arguments that a caller of that scope has: without ``TRADE`` none closes a position."""
        if self.asked is arguments.StopRun and not scope.includes(Scope.TRADE):
            return arguments.StopAndLeave
        return self.asked


def visible(scope: Scope) -> dict[str, Tool]:
    """Return the tools of a scope by name, in the order of the list."""
    return {tool.name: tool for tool in TOOLS if scope.includes(tool.scope)}


@cache
def listed(scope: Scope) -> tuple[types.Tool, ...]:
    """Return the list of tools that a caller of that scope is shown."""
    return tuple(
        types.Tool(
            name=tool.name,
            description=tool.description,
            input_schema=input_schema(tool.arguments_of(scope)),
            output_schema=output_schema(tool.answer),
            annotations=tool.annotations,
        )
        for tool in visible(scope).values()
    )


def _reading(
    name: str,
    description: str,
    asked: type[arguments.Arguments],
    data: Any,
    read: Callable[[Backend, Any], Answer],
) -> Tool:
    async def run(backend: Backend, _caller: Caller, given: Any) -> Answer:
        return await backend.read(partial(read, backend, given))

    return Tool(name, Scope.READ, description, _READS, asked, results.Envelope[data], run)


def _acting(
    tool: ActTool,
    description: str,
    asked: type[arguments.Arguments],
    data: Any,
    run: Run,
    *,
    destructive: bool,
    idempotent: bool,
    reaches_venue: bool,
) -> Tool:
    hints = types.ToolAnnotations(
        read_only_hint=False,
        destructive_hint=destructive,
        idempotent_hint=idempotent,
        open_world_hint=reaches_venue,
    )
    return Tool(
        tool.value,
        tool.scope,
        description,
        hints,
        asked,
        results.Envelope[data],
        run,
        is_guarded=not tool.only_reduces,
    )


TOOLS: tuple[Tool, ...] = (
    _reading(
        "list_runs",
        "Runs of trading algorithms, active ones first, with status, PnL and exposure. Filter by algoId (the"
        " name of an algorithm) or status.",
        arguments.ListRuns,
        results.Page[results.RunRow],
        reading.list_runs,
    ),
    _reading(
        "get_run",
        "One run: state, position, protection at the venue, its last trades and fills, and why it did what it"
        " did last.",
        arguments.OfRun,
        results.RunData,
        reading.get_run,
    ),
    _reading(
        "get_first_watch",
        "The first watch of a run: does it behave as its backtest promised? Verdicts of seven checks with"
        " their figures. data is null where there is no report yet.",
        arguments.GetFirstWatch,
        results.WatchData | None,
        reading.get_first_watch,
    ),
    _reading(
        "get_backtest_results",
        "Metrics of a run (beside its baseline's), of a stored backtest, or of a job of run_backtest: give"
        " exactly one of runId, backtestId, job.",
        arguments.GetBacktestResults,
        results.TestData,
        reading.get_backtest_results,
    ),
    _reading(
        "get_account_overview",
        "Wallets with their money, open positions, running algorithms, alarms, and whether the engine runs.",
        arguments.NoArguments,
        results.AccountData,
        reading.get_account_overview,
    ),
    _reading(
        "list_algorithms",
        "Stored versions of algorithms; only one with a baseline can be started with start_run.",
        arguments.ListPage,
        results.Page[results.AlgorithmRow],
        reading.list_algorithms,
    ),
    _reading(
        "get_algorithm",
        "One version of an algorithm: conditions, stop, target, sizing, and its backtests.",
        arguments.GetAlgorithm,
        results.AlgorithmData,
        reading.get_algorithm,
    ),
    _reading(
        "get_journal",
        "What happened in a run, oldest first: without after the newest entries, with after those that"
        " follow.",
        arguments.GetJournal,
        results.JournalPage,
        reading.get_journal,
    ),
    _reading(
        "get_market",
        "Markets in which runs trade or have traded: last price, tick, smallest order, largest leverage.",
        arguments.GetMarket,
        results.Page[results.MarketRow],
        reading.get_market,
    ),
    _acting(
        ActTool.PAUSE,
        "Stop a run from entering new positions, at once. An open position and its protection stay as they"
        " are. No confirmation is needed: it only reduces exposure.",
        arguments.OfRun,
        results.OutcomeData,
        acting.pause_entries,
        destructive=False,
        idempotent=True,
        reaches_venue=False,
    ),
    _acting(
        ActTool.RESUME,
        f"Let a paused run enter positions again. {_TWO_STEPS}",
        arguments.ResumeEntries,
        results.PlanData | results.OutcomeData,
        acting.resume_entries,
        destructive=False,
        idempotent=True,
        reaches_venue=False,
    ),
    _acting(
        ActTool.STOP,
        f"End a run for good. Its position stays open, protected as it is. {_TWO_STEPS}"
        "Without runId: the one active run; if there are several, they are listed to choose from.",
        arguments.StopRun,
        results.PlanData | results.OutcomeData | results.ChoiceData | results.NoneData,
        acting.stop_run,
        destructive=True,
        idempotent=False,
        reaches_venue=True,
    ),
    _acting(
        ActTool.BACKTEST,
        "Test a version on past candles, in a process of its own. Answers a job at once;"
        " get_backtest_results has its progress and metrics. It makes no baseline.",
        arguments.RunBacktest,
        results.JobOutcomeData,
        acting.run_backtest,
        destructive=False,
        idempotent=False,
        reaches_venue=True,
    ),
    _acting(
        ActTool.START,
        f"Start a run of a version that has a baseline, with capital under the caller's cap. {_TWO_STEPS}",
        arguments.StartRun,
        results.PlanData | results.OutcomeData,
        acting.start_run,
        destructive=True,
        idempotent=False,
        reaches_venue=True,
    ),
)
