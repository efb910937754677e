"""Resources and prompts: the same answers as the tools', by an address or as the beginning of a talk.

A prompt is made of constant words and figures; no text that others wrote is in it.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import mcp_types as types

from firstwatch.mcp import answers, arguments, reading, results
from firstwatch.mcp.arguments import WrongArgumentsError
from firstwatch.mcp.backend import Backend, run_of
from firstwatch.mcp.cleaning import sentence_of, without_texts
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import counted

JSON_TYPE = "application/json"
_MOST_LISTED = 50
_ADDRESS = re.compile(r"run://([0-9a-fA-F]{1,16})(/report)?|backtest://([1-9][0-9]{0,14})")

TEMPLATES = (
    types.ResourceTemplate(
        uri_template="run://{id}", name="run", description="One run, as get_run answers.", mime_type=JSON_TYPE
    ),
    types.ResourceTemplate(
        uri_template="run://{id}/report",
        name="report",
        description="The newest report of a run's first watch, as get_first_watch answers.",
        mime_type=JSON_TYPE,
    ),
    types.ResourceTemplate(
        uri_template="backtest://{id}",
        name="backtest",
        description="A stored backtest, as get_backtest_results answers.",
        mime_type=JSON_TYPE,
    ),
)

_RUN = types.PromptArgument(name="runId", description="Id of a run.", required=True)
_TRADE = types.PromptArgument(name="trade", description="Number of a trade of it, from 1.", required=True)
PROMPTS = (
    types.Prompt(
        name="review_first_24_hours",
        title="Review my first 24 hours",
        description="Does the run behave as its backtest promised?",
        arguments=[_RUN],
    ),
    types.Prompt(
        name="why_did_this_trade_happen",
        title="Why did this trade happen",
        description="The decisions, fills and figures of one trade.",
        arguments=[_RUN, _TRADE],
    ),
    types.Prompt(
        name="prepare_next_version",
        title="Prepare the next version",
        description="What the run and its first watch say about the algorithm's settings.",
        arguments=[_RUN],
    ),
)

_REVIEW = (
    "Review the first 24 hours of this run. Say whether it behaves as its backtest promised, check by check,"
    " which figures carry that, what is not known yet, and what to look at next. Propose no act that the"
    " figures do not call for. The figures, as JSON:"
)
_WHY = (
    "Explain why this trade happened: what was decided at entry and exit and by which conditions, how it was"
    " filled, and what it cost against the prices expected. The figures, as JSON:"
)
_NEXT = (
    "Prepare the next version of this run's algorithm: say which of its settings the figures speak against,"
    " propose at most three changes with the reason for each, and how run_backtest could test them. Change"
    " nothing yourself. The figures, as JSON:"
)


def resources(backend: Backend) -> list[types.Resource]:
    """Return the active runs and their reports as resources, the newest runs first."""
    active = backend.manager.snapshot().active[:_MOST_LISTED]
    return [
        types.Resource(uri=f"run://{run.run_id}{part}", name=f"{name} {run.run_id}", mime_type=JSON_TYPE)
        for run in active
        for part, name in (("", "run"), ("/report", "report of run"))
    ]


def read_resource(backend: Backend, uri: str) -> results.Envelope[Any]:
    """Return what is at an address.

    Raises:
        WrongUseError: there is nothing.
    """
    found = _ADDRESS.fullmatch(uri)
    if found is None:
        raise WrongUseError(
            "There is no such resource; there are run://ID, run://ID/report and backtest://ID."
        )
    run_id, report, backtest_id = found.groups()
    if backtest_id is not None:
        asked = arguments.GetBacktestResults(backtestId=int(backtest_id))
        return reading.get_backtest_results(backend, asked)
    if report is not None:
        return reading.get_first_watch(backend, arguments.GetFirstWatch(runId=run_id))
    return reading.get_run(backend, arguments.OfRun(runId=run_id))


def prompt(backend: Backend, name: str, given: Mapping[str, str]) -> str:
    """Return the text of a prompt.

    Raises:
        WrongArgumentsError: there is no such prompt, or its arguments are wrong.
    """
    known = {each.name: each for each in PROMPTS}.get(name)
    if known is None:
        raise WrongArgumentsError("There is no such prompt; prompts/list has those that there are.")
    wanted = [argument.name for argument in known.arguments or ()]
    if set(given) != set(wanted):
        raise WrongArgumentsError(f"{name} takes {' and '.join(wanted)}, and nothing else.")
    asked = arguments.read_arguments(name, arguments.OfRun, {"runId": given["runId"]})
    assert isinstance(asked, arguments.OfRun)
    words, facts = _MAKERS[name](backend, asked.runId, given)
    return f"{words}\n\n{json.dumps(without_texts(facts), indent=1)}"


def _review(backend: Backend, run_id: str, _given: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    watch = arguments.GetFirstWatch(runId=run_id, day=1)
    return _REVIEW, {
        "run": _plain(reading.get_run(backend, arguments.OfRun(runId=run_id))),
        "first_watch": _plain(reading.get_first_watch(backend, watch)),
        "metrics": _plain(reading.get_backtest_results(backend, arguments.GetBacktestResults(runId=run_id))),
    }


def _why(backend: Backend, run_id: str, given: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    text = given["trade"]
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text, re.ASCII):
        raise WrongArgumentsError("trade should be a whole number from 1.")
    _, run = run_of(backend, run_id)
    number = int(text)
    story = backend.manager.trade_story(run.run_id, number)
    if story is None:
        known = len(backend.manager.reads.details(run.run_id).trades)
        raise WrongUseError(f"The run has no trade {number}; it has {counted(known, 'trade')}.")
    trade = story.trade
    return _WHY, {
        "mode": run.money.value,
        "run": run.run_id,
        "trade": answers.trade_row(trade, number).model_dump(mode="json"),
        "expected_entry_price": _number(trade.expected_entry_price),
        "expected_exit_price": _number(trade.expected_exit_price),
        "best_at": answers.moment(story.best_ms),
        "worst_at": answers.moment(story.worst_ms),
        "decided_at_entry": sentence_of(story.why.entry),
        "decided_at_exit": sentence_of(story.why.exit),
        "fills": [answers.fill_row(fill).model_dump(mode="json") for fill in story.fills],
        "events": [
            {"seq": event.sequence, "kind": event.kind, "venue_at": answers.moment(event.venue_time_ms)}
            for event in story.events
        ],
    }


def _next(backend: Backend, run_id: str, _given: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    _, run = run_of(backend, run_id)
    details = backend.manager.reads.details(run.run_id)
    version = reading.version_data(backend.manager.reads.version(run.algorithm, run.version))
    return _NEXT, {
        "mode": run.money.value,
        "algorithm": version.model_dump(mode="json"),
        "signs": [
            {
                "sign": sign.name.value,
                "present": sign.is_present,
                "live": sign.live,
                "backtest": sign.test,
            }
            for sign in details.all_signs
        ],
        "first_watch": _plain(reading.get_first_watch(backend, arguments.GetFirstWatch(runId=run.run_id))),
        "metrics": _plain(
            reading.get_backtest_results(backend, arguments.GetBacktestResults(runId=run.run_id))
        ),
        "results_by_group": [
            {
                "group": part.group,
                "name": part.name,
                "trades": part.trades,
                "won": part.won,
                "pnl_quote": _number(part.pnl),
            }
            for part in details.parts
        ],
    }


_MAKERS: dict[str, Callable[[Backend, str, Mapping[str, str]], tuple[str, dict[str, Any]]]] = {
    "review_first_24_hours": _review,
    "why_did_this_trade_happen": _why,
    "prepare_next_version": _next,
}


def _plain(answer: results.Envelope[Any]) -> Any:
    return answer.model_dump(mode="json")


def _number(value: Any) -> float | None:
    return None if value is None else answers.number(value)
