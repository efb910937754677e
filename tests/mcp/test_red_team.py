"""A hundred poisoned texts in everything that a tool reads, and as everything that it is given.

However they are read, nothing is written that scope, token, operator and limits do not allow, and nothing of
them is left that a terminal, a page or a model would interpret. With any one guard switched off this fails.
"""

import re
import unicodedata
from decimal import Decimal

import pytest
from mcp.shared.exceptions import MCPError

from firstwatch.mcp import acting, server
from firstwatch.mcp.tools import TOOLS, visible
from firstwatch.store import agents, algorithms, journal, positions, wallet_status
from firstwatch.trading.agents import AgentLimits, Confirm, Scope
from firstwatch.trading.events import AlarmRaised, Noted
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author
from tests.mcp.poisons import poisons
from tests.mcp.served import caller, connected
from tests.mcp.test_acting import LIVE, PAPER, START, Stage, given_for
from tests.ui import scenes

ALL = 100
FEW = 12
"""Enough to see that a guard is missing."""
MARK = "zq7zq7zq7"
"""In every poisoned text, so that it is found wherever it goes."""
DATA = ("_text", "algorithm", "wallet", "symbol", "venue", "direction")
"""Ends of the names of fields that hold what others wrote."""
INTERPRETED = re.compile(r"<[/!|a-z]|`|\]\(|://|\x1b|\\u00[01][0-9a-f]", re.IGNORECASE)
FAKE_TOKEN = "7Qm2x9Zr0bJc3LkVt5hNw8yPd1sGfEaUoIiKq4XyZ01"


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setattr(acting, "WAIT_S", 0.0)
    monkeypatch.setattr(acting, "_PAUSE_S", 0.0)
    # A suite of thousands of calls in a minute is not what the guard against loops is for.
    monkeypatch.setattr(server.LoopGuard, "problem", lambda _guard, _call, _now_s: "")
    home = tmp_path / "home"
    with scenes.attached(home, scenes.ManualClock(scenes.NOW_MS)):
        made = Stage(home)
        yield made
        made.close()


def poison(stage, text):
    """Write a text wherever a venue, a file or another program could."""
    with stage.store.write() as session:
        version = algorithms.list_versions(session, "RSI reversion")[0]
        algorithms.add_version(session, f"{MARK} {text}", version.spec_json, "f" * 64, now_ms=scenes.NOW_MS)
        for run_id in (LIVE, PAPER):
            journal.append_events(
                session, run_id,
                [Noted(sentence=f"{MARK} {text}"), AlarmRaised(topic="venue", sentence=f"{MARK} {text}")],
                author=Author.SYSTEM, venue_time_ms=None, local_time_ms=scenes.NOW_MS,
            )  # fmt: skip
            symbol = f"{MARK} {text}"[:900]
            held = positions.RunPosition(run_id, symbol, Side.LONG, Decimal(1), scenes.NOW_MS)
            positions.set_position(session, held)
            values = {"text": symbol, "run": run_id}
            session.exec_driver_sql(
                "UPDATE run SET sentence = :text, pause_reason = :text, paused = 1 WHERE id = :run", values
            )
        wallet_status.set_problem(session, 1, f"{MARK} {text}")


def forget(stage):
    """Remove the algorithms that a text is the name of, and the plans, of which only some may be open."""
    with stage.store.write() as session:
        session.exec_driver_sql(
            "DELETE FROM algorithm_version WHERE algorithm_id IN"
            f" (SELECT id FROM algorithm WHERE name LIKE '{MARK}%')"
        )
        session.exec_driver_sql(f"DELETE FROM algorithm WHERE name LIKE '{MARK}%'")
        session.exec_driver_sql("DELETE FROM agent_act WHERE command_id IS NULL")


def check_answer(result):
    """Nothing in an answer is interpreted, and what others wrote stands where it is expected."""
    text = result.content[0].text
    assert not INTERPRETED.search(text), text
    assert not [sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs")], text
    if result.structured_content is not None:
        check_places(result.structured_content, "")


def check_places(value, name):
    if isinstance(value, dict):
        for key, each in value.items():
            check_places(each, key)
    elif isinstance(value, list):
        for each in value:
            check_places(each, name)
    elif isinstance(value, str) and MARK in value and not name.endswith(DATA):
        # A sentence of the program quotes it.
        assert MARK not in re.sub(r'"[^"]*"', "", value), (name, value)


async def attack(stage, texts):
    """Let every tool read each text and be given it, by callers of every scope.

    Raises:
        AssertionError: something was written, or could be interpreted, that must not be.
    """
    for scope, some in ((Scope.READ, texts[::10]), (Scope.CONTROL, texts[::10]), (Scope.TRADE, texts)):
        who = caller(scope, max_capital=50)
        async with connected(stage.manager, stage.settings, who) as client:
            for number, text in enumerate(some):
                poison(stage, text)
                await read_all(client, who)
                await give_all(client, who, text, number)
                forget(stage)
    assert not stage.commands()
    assert not stage.asks()
    await unasked(stage)
    await over_limits(stage)


def may(scope, needed):
    """Return whether a scope allows what needs another, by their order and not by the program's own rule."""
    order = [Scope.READ, Scope.CONTROL, Scope.TRADE]
    return order.index(scope) >= order.index(needed)


async def read_all(client, who):
    """Call every tool that reads, and ask for every plan."""
    for tool in TOOLS:
        if tool.name in ("pause_entries", "run_backtest"):
            continue
        for run_id in (LIVE, PAPER):
            given = given_for(tool.name, run_id)
            await check_call(client, who, tool, given)
            if "runId" not in given:
                break
    with_resource = await client.read_resource(f"run://{PAPER}")
    assert MARK in with_resource.contents[0].text
    assert not INTERPRETED.search(with_resource.contents[0].text.replace(f"run://{PAPER}", ""))


async def give_all(client, who, text, number):
    """Give every tool the text as each of its arguments, and as one that it does not have."""
    value = (text, {"text": text}, [text])[number % 3]
    for tool in visible(Scope.TRADE).values():
        fields = [field.alias or name for name, field in tool.asked.model_fields.items()]
        for name in (*fields, (text[:80], "approve", "confirmed_name")[number % 3]):
            # A token that looks like one gets further than a text.
            given = {**given_for(tool.name, PAPER), name: FAKE_TOKEN if name == "token" else value}
            await check_call(client, who, tool, given)


async def check_call(client, who, tool, given):
    """Call a tool: above the scope it must not be there, and else its answer must be clean."""
    try:
        answer = await client.call_tool(tool.name, given)
    except MCPError:
        answer = None
    assert (answer is not None) is may(who.scope, tool.scope), tool.name
    if answer is not None:
        check_answer(answer)


async def unasked(stage):
    """A plan about real money, confirmed by all but the operator: nothing is written but a question."""
    async with connected(stage.manager, stage.settings, caller(Scope.TRADE)) as client:
        plan = (await client.call_tool("stop_run", {"runId": LIVE, "close": True})).structured_content["data"]
        given = {"runId": LIVE, "close": True, "token": plan["token"]}
        for _ in range(3):
            outcome = (await client.call_tool("stop_run", given)).structured_content["data"]
            assert outcome["status"] == "waiting", outcome
        # One's own token, for what it was not given for.
        for run_id, close in ((PAPER, True), (LIVE, False)):
            other = await client.call_tool("stop_run", {**given, "runId": run_id, "close": close})
            assert other.is_error
    assert not stage.commands()
    assert len(stage.asks()) == 1


async def over_limits(stage):
    """Neither switched off nor above a cap is anything written."""
    with stage.store.write() as session:
        session.exec_driver_sql("UPDATE run SET paused = 0")
        agents.save_agent_limits(session, AgentLimits(is_on=False))
    async with connected(stage.manager, stage.settings, caller(Scope.TRADE, max_capital=1_000)) as client:
        for tool in ("pause_entries", "stop_run", "resume_entries"):
            assert (await client.call_tool(tool, {"runId": PAPER})).is_error, tool
        with stage.store.write() as session:
            agents.save_agent_limits(session, AgentLimits(notional_per_day=Decimal(1)))
        assert (await client.call_tool("resume_entries", {"runId": PAPER})).is_error
        assert (await client.call_tool("start_run", {**START, "capital": 2_000})).is_error
    with stage.store.write() as session:
        agents.save_agent_limits(session, AgentLimits())
    assert not stage.commands()


async def test_a_hundred_poisoned_texts(stage):
    texts = poisons(ALL)
    assert len(set(texts)) == ALL
    await attack(stage, texts)


def newest_act(session):
    return next(iter(agents.list_acts(session, 1)), None)


GUARDS = {
    "scope": [
        ("firstwatch.trading.agents.Scope.includes", lambda _scope, _other: True),
    ],
    "token": [
        ("firstwatch.store.agents.find_act", lambda session, _token: newest_act(session)),
        ("firstwatch.manager.agent_service._mismatch", lambda _act, _caller, _wanted: ""),
    ],
    "approval": [
        ("firstwatch.engine.agent_check.confirm_of", lambda _settings, _money: Confirm.TOKEN),
    ],
    "cleaning": [
        ("firstwatch.mcp.cleaning.without_markup", lambda text, _longest=0: text),
    ],
    "caps": [
        ("firstwatch.engine.agent_check.over_limit", lambda _act, _limits, _used: ""),
    ],
}
"""What is switched off, and what the suite must then say."""


@pytest.mark.parametrize("guard", GUARDS)
async def test_the_suite_fails_without(stage, guard, monkeypatch):
    for name, other in GUARDS[guard]:
        monkeypatch.setattr(name, other)
    with pytest.raises((AssertionError, ExceptionGroup)) as failed:
        await attack(stage, poisons(FEW))
    # The client's task groups wrap what is raised inside of them.
    assert all(isinstance(each, AssertionError) for each in leaves(failed.value)), failed.value


def leaves(error):
    if isinstance(error, ExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]
