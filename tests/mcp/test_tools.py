"""The list of tools: what a client is shown, and what it is promised."""

import hashlib
import json

import pytest
from jsonschema.validators import validator_for

from firstwatch.mcp.arguments import WrongArgumentsError, read_arguments
from firstwatch.mcp.server import INSTRUCTIONS
from firstwatch.mcp.tools import TOOLS, listed, visible
from firstwatch.trading.agents import Scope

READ = (
    "list_runs", "get_run", "get_first_watch", "get_backtest_results", "get_account_overview",
    "list_algorithms", "get_algorithm", "get_journal", "get_market",
)  # fmt: skip
CONTROL = ("pause_entries", "resume_entries", "stop_run", "run_backtest")
TRADE = ("start_run",)
HINTS = {
    # read-only, destructive, idempotent, reaches the venue
    **dict.fromkeys(READ, (True, False, True, False)),
    "pause_entries": (False, False, True, False),
    "resume_entries": (False, False, True, False),
    "stop_run": (False, True, False, True),
    "run_backtest": (False, False, False, True),
    "start_run": (False, True, False, True),
}
DESCRIPTIONS = "d60523e4f4bf89b9f5a384b4d267ea336d59311662431a9bdc442bdbb624d88c"
"""Hash of all constant words that a model reads: who changes them changes this, knowingly."""


def plain(tools, *, with_output):
    found = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    return [each if with_output else {k: v for k, v in each.items() if k != "outputSchema"} for each in found]


@pytest.mark.parametrize(
    ("scope", "names"),
    [(Scope.READ, READ), (Scope.CONTROL, READ + CONTROL), (Scope.TRADE, READ + CONTROL + TRADE)],
)
def test_a_scope_sees_its_own_tools_and_those_below(scope, names):
    assert sorted(visible(scope)) == sorted(names)
    assert [tool.name for tool in listed(scope)] == list(visible(scope))


def test_the_list_is_short():
    assert len(TOOLS) <= 14
    tools = listed(Scope.TRADE)
    assert len(json.dumps(plain(tools, with_output=False)).encode()) <= 12_000
    assert len(json.dumps(plain(tools, with_output=True)).encode()) <= 40_000


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_hints_of_a_tool_say_what_it_does(tool):
    hints = tool.annotations
    found = (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
    assert found == HINTS[tool.name]


def test_the_words_that_a_model_reads_are_constant():
    words = [INSTRUCTIONS, *(plain(listed(scope), with_output=False) for scope in Scope)]
    assert hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest() == DESCRIPTIONS


@pytest.mark.parametrize("tool", listed(Scope.TRADE), ids=lambda tool: tool.name)
def test_every_schema_is_one_of_an_object_that_takes_nothing_else(tool):
    for schema in (tool.input_schema, tool.output_schema):
        validator_for(schema).check_schema(schema)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize("scope", [Scope.CONTROL, Scope.TRADE])
def test_only_who_may_trade_is_shown_how_to_close(scope):
    (stop,) = (tool for tool in listed(scope) if tool.name == "stop_run")
    assert ("close" in json.dumps(plain([stop], with_output=True))) is (scope is Scope.TRADE)


GARBAGE = [
    None,
    True,
    0,
    -1,
    1.5,
    1e400,
    2**70,
    "",
    "x" * 10_000,
    "\x00",
    "<b>",
    "ab\n",
    [],
    {},
    [["ab"]],
    "é",
]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_garbage_as_an_argument_is_refused_in_a_sentence_of_ours(tool):
    refused = 0
    for name in [*tool.asked.model_json_schema()["properties"], "unknown", "\x1b[31m<b>"]:
        for value in GARBAGE:
            try:
                read_arguments(tool.name, tool.asked, {name: value})
            except WrongArgumentsError as error:
                refused += 1
                sentence = str(error)
                assert sentence.isprintable()
                assert len(sentence) < 1_200
                for word in ("pydantic", "Input", "validation", "x" * 50, "<b>"):
                    assert word not in sentence
    assert refused


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        ("get_run", {}, "get_run needs runId: 1 to 16 characters"),
        ("get_run", {"runId": "ab; stop"}, "runId of get_run should be 1 to 16 characters"),
        ("get_run", {"runId": "ab", "x": 1}, "get_run has no argument 'x'; it takes runId."),
        ("get_account_overview", {"x": 1}, "get_account_overview has no argument 'x'; it takes none."),
        ("list_runs", {"limit": "5"}, "limit of list_runs should be a whole number from 1 to 50."),
        ("list_runs", {"limit": 51}, "limit of list_runs should be a whole number from 1 to 50."),
        ("run_backtest", {"from": "yesterday"}, "from of run_backtest should be an ISO 8601 date"),
    ],
)
def test_a_wrong_argument_is_named_with_what_it_should_be(tool, given, said):
    (known,) = (each for each in TOOLS if each.name == tool)
    with pytest.raises(WrongArgumentsError) as caught:
        read_arguments(tool, known.asked, given)
    assert said in str(caught.value).replace('"', "'")
