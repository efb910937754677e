"""Who may do what, with whose money: nothing is written that scope, token and operator do not allow."""

import json

import pytest
from mcp.shared.exceptions import MCPError

from firstwatch.manager.manager import RunManager
from firstwatch.mcp import acting
from firstwatch.mcp.server import NO_SUCH_TOOL
from firstwatch.mcp.tools import TOOLS
from firstwatch.store import agents, commands, journal
from firstwatch.store.database import open_store
from firstwatch.trading.agents import Scope
from firstwatch.trading.clock import ManualClock, iso
from firstwatch.trading.commands import CommandOutcome, PreviewLaunch
from firstwatch.trading.events import EntriesPaused
from firstwatch.trading.runs import Author, StopMode
from tests.candles import START_MS
from tests.engine.host import rig
from tests.mcp.served import called, caller, connected, data_of, opened, said
from tests.ui import scenes

LIVE, PAPER = scenes.run_number(1), scenes.run_number(2)
START = {"algoId": "RSI reversion", "version": 1, "wallet": "free", "symbol": scenes.SYMBOL, "capital": 100}
BACKTEST = {
    "algoId": "RSI reversion", "version": 1, "symbol": scenes.SYMBOL, "from": "2025-01-01", "to": "2025-02-01"
}  # fmt: skip
TOKEN = "x" * 43
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def _nothing_is_waited_for(monkeypatch):
    monkeypatch.setattr(acting, "WAIT_S", 0.0)
    monkeypatch.setattr(acting, "_PAUSE_S", 0.0)


class Stage:
    """A data folder with a run of real money and one of play money, and an engine that takes no command."""

    def __init__(self, home):
        scenes.many_runs(home, 2, real=1)
        self.settings = scenes.settings_of(home)
        self.store = open_store(home)
        self.manager = RunManager(self.settings, clock=ManualClock(scenes.NOW_MS), hosts_engine=False)
        self.manager.open()

    def close(self):
        self.manager.close()
        self.store.close()

    def commands(self):
        with self.store.read() as session:
            found = commands.recent_commands(session, 100)
        return [each for each in found if not isinstance(each.command, PreviewLaunch)]

    def asks(self):
        with self.store.read() as session:
            return agents.waiting_asks(session, now_ms=scenes.NOW_MS)

    def answer(self, number):
        with self.store.write() as session:
            commands.accept_command(session, number, now_ms=scenes.NOW_MS)
            commands.finish_command(session, number, CommandOutcome.DONE, "it is done", now_ms=scenes.NOW_MS)

    async def call(self, who, tool, **given):
        return await called(self.manager, self.settings, who, tool, given)


@pytest.fixture
def stage(tmp_path):
    home = tmp_path / "home"
    with scenes.attached(home, ManualClock(scenes.NOW_MS)):
        made = Stage(home)
        yield made
        made.close()


def given_for(tool, run_id):
    return {
        "list_runs": {}, "get_account_overview": {}, "list_algorithms": {}, "get_market": {},
        "get_algorithm": {"algoId": "RSI reversion"}, "run_backtest": BACKTEST, "start_run": START,
    }.get(tool, {"runId": run_id})  # fmt: skip


@pytest.mark.parametrize("run_id", [LIVE, PAPER], ids=["live", "paper"])
@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
async def test_every_tool_for_every_scope_with_either_money(stage, tool, scope, run_id, monkeypatch):
    jobs = []
    monkeypatch.setattr("firstwatch.engine.jobs.process._start", lambda _, __, job, *___: jobs.append(job))
    given = given_for(tool.name, run_id)
    if not scope.includes(tool.scope):
        with pytest.raises(MCPError) as hidden:
            await stage.call(caller(scope), tool.name, **given)
        with pytest.raises(MCPError) as unknown:
            await stage.call(caller(scope), "no_such_tool", **given)
        assert (hidden.value.code, hidden.value.message, hidden.value.data) == (
            unknown.value.code, unknown.value.message, unknown.value.data,
        )  # fmt: skip
        assert hidden.value.message == NO_SUCH_TOOL
        assert not stage.commands()
        return
    result = await stage.call(caller(scope), tool.name, **given)
    kinds = [(each.command.kind, each.run_id, each.author) for each in stage.commands()]
    match tool.name:
        case "pause_entries":
            assert data_of(result)["status"] == "waiting"
            assert kinds == [("pause_entries", run_id, Author.AGENT)]
        case "resume_entries" | "stop_run":
            data = data_of(result)
            assert data["confirm"] == ("operator" if run_id == LIVE else "token")
            assert result.structured_content["mode"] == ("live" if run_id == LIVE else "paper")
            assert not kinds
            await _confirmed(stage, scope, tool.name, given, data["token"], run_id)
        case "run_backtest":
            assert data_of(result)["job"] == jobs[0]
            assert not kinds
        case "start_run":
            assert "with 0 of capital at most" in said(result)
            assert not kinds
        case _:
            data_of(result)
            assert not kinds
    assert bool(jobs) is (tool.name == "run_backtest")


async def _confirmed(stage, scope, tool, given, token, run_id):
    """The token of a plan leads to a command where money is play money, and to a question where it is not."""
    outcome = data_of(await stage.call(caller(scope), tool, **given, token=token))
    assert outcome["status"] == "waiting"
    found = [each.command for each in stage.commands()]
    if run_id == LIVE:
        assert not found
        assert [ask.id for ask in stage.asks()] == [outcome["ask"]]
    else:
        assert [(each.kind, each.run_id) for each in found] == [(tool, run_id)]
        assert not stage.asks()


@pytest.mark.parametrize("close", [True, False])
async def test_closing_is_no_argument_of_who_may_not_trade(stage, close):
    sentence = said(await stage.call(caller(Scope.CONTROL), "stop_run", runId=PAPER, close=close))
    other = said(await stage.call(caller(Scope.CONTROL), "stop_run", runId=PAPER, other=close))
    assert sentence == other.replace("other", "close")
    plan = data_of(await stage.call(caller(Scope.TRADE), "stop_run", runId=PAPER, close=True))
    assert any("closed at market" in sentence for sentence in plan["plan"])
    await stage.call(caller(Scope.TRADE), "stop_run", runId=PAPER, close=True, token=plan["token"])
    (command,) = stage.commands()
    assert command.command.mode is StopMode.CLOSE


async def test_a_lost_reply_is_told_again_and_the_run_stopped_once(stage):
    who = caller(Scope.CONTROL)
    plan = data_of(await stage.call(who, "stop_run", runId=PAPER))
    await stage.call(who, "stop_run", runId=PAPER, token=plan["token"])
    (command,) = stage.commands()
    stage.answer(command.id)
    for _ in range(3):
        outcome = data_of(await stage.call(who, "stop_run", runId=PAPER, token=plan["token"]))
        assert outcome == {
            "status": "done", "sentence": 'The engine says: "it is done"', "ask": None, "repeated": True,
        }  # fmt: skip
    assert len(stage.commands()) == 1


async def test_without_a_run_the_one_that_is_active_is_meant(stage):
    who = caller(Scope.CONTROL)
    many = data_of(await stage.call(who, "stop_run"))
    assert {row["run"] for row in many["choose_from"]} == {LIVE, PAPER}
    assert "token" not in json.dumps(many)
    scenes.end_run(stage.settings.home, LIVE)
    plan = data_of(await stage.call(who, "stop_run"))
    assert PAPER in plan["plan"][0]
    await stage.call(who, "stop_run", token=plan["token"])
    (command,) = stage.commands()
    stage.answer(command.id)
    scenes.end_run(stage.settings.home, PAPER)
    again = data_of(await stage.call(who, "stop_run", token=plan["token"]))
    assert (again["status"], again["repeated"]) == ("done", True)
    none = data_of(await stage.call(who, "stop_run"))
    assert none == {"sentence": "No run is active, so there is nothing to stop."}


async def test_a_token_is_good_for_its_own_call_only(stage):
    who = caller(Scope.TRADE)
    token = data_of(await stage.call(who, "stop_run", runId=PAPER))["token"]
    for tool, given, reason in [
        ("stop_run", {"runId": LIVE}, "the token is for run"),
        ("stop_run", {"runId": PAPER, "close": True}, "other arguments"),
        ("resume_entries", {"runId": PAPER}, "the token is for stop_run"),
    ]:
        result = await stage.call(who, tool, **given, token=token)
        assert result.is_error
        outcome = result.structured_content["data"]
        assert outcome["status"] == "refused"
        assert reason in outcome["sentence"]
    unknown = await stage.call(who, "stop_run", runId=PAPER, token=TOKEN)
    assert "no such token" in unknown.structured_content["data"]["sentence"]
    with stage.store.write() as session:
        journal.append_events(
            session, PAPER, [EntriesPaused(why="x")], author=Author.OPERATOR, venue_time_ms=None,
            local_time_ms=scenes.NOW_MS,
        )  # fmt: skip
    changed = await stage.call(who, "stop_run", runId=PAPER, token=token)
    assert "since the plan" in changed.structured_content["data"]["sentence"]
    assert not stage.commands()


async def test_the_operators_yes_becomes_the_outcome(stage):
    who = caller(Scope.CONTROL)
    token = data_of(await stage.call(who, "stop_run", runId=LIVE))["token"]
    waiting = data_of(await stage.call(who, "stop_run", runId=LIVE, token=token))
    stage.manager.agents.approve(waiting["ask"], typed_name="RSI reversion@1", by="screen")
    (command,) = stage.commands()
    assert command.author is Author.AGENT_APPROVED
    stage.answer(command.id)
    outcome = data_of(await stage.call(who, "stop_run", runId=LIVE, token=token))
    assert (outcome["status"], outcome["ask"]) == ("done", waiting["ask"])


async def test_the_operators_no_is_an_error_with_the_reason(stage):
    who = caller(Scope.CONTROL)
    token = data_of(await stage.call(who, "stop_run", runId=LIVE))["token"]
    waiting = data_of(await stage.call(who, "stop_run", runId=LIVE, token=token))
    stage.manager.agents.refuse(waiting["ask"], by="screen")
    result = await stage.call(who, "stop_run", runId=LIVE, token=token)
    assert result.is_error
    assert result.structured_content["data"]["sentence"] == "the operator said no"
    assert not stage.commands()


async def test_a_version_is_tested_and_its_metrics_are_asked_for_by_the_job(tmp_path):
    settings = rig.make_folder(tmp_path / "home", start=iso(START_MS + 600 * HOUR_MS))
    who = caller(Scope.CONTROL)
    given = {"algoId": "Active", "version": 1, "symbol": rig.SYMBOL}
    times = {"from": iso(START_MS + 100 * HOUR_MS), "to": iso(START_MS + 400 * HOUR_MS)}
    with opened(settings) as manager:
        backwards = {"from": times["to"], "to": times["from"]}
        assert "before to" in said(await called(manager, settings, who, "run_backtest", given | backwards))
        job = data_of(await called(manager, settings, who, "run_backtest", given | times))["job"]
        rig.until(lambda: manager.jobs.job(job).state.is_over or None, "the job to end")
        data = data_of(await called(manager, settings, who, "get_backtest_results", {"job": job}))
        assert data["state"] == "done", data["note_text"]
        assert (data["state"], data["bars"], data["progress_fraction"]) == ("done", 300, 1.0)
        assert data["begins_at"] == times["from"]
        assert {each["name"]: each["value"] for each in data["metrics"]}["total_trades"] > 0
        other = given | times | {"symbol": "X/Y:Y"}
        job = data_of(await called(manager, settings, who, "run_backtest", other))["job"]
        rig.until(lambda: manager.jobs.job(job).state.is_over or None, "the job to end")
        failed = await called(manager, settings, who, "get_backtest_results", {"job": job})
        assert data_of(failed)["state"] == "failed"
        assert "no market X/Y:Y" in data_of(failed)["note_text"]
        assert failed.structured_content["unknown"]["metrics"] == "the job is failed"


async def test_a_stop_is_never_refused_for_its_repetition(stage):
    async with connected(stage.manager, stage.settings, caller(Scope.CONTROL)) as client:
        for _ in range(40):
            result = await client.call_tool("pause_entries", {"runId": PAPER})
            assert data_of(result)["status"] in ("waiting", "done")


async def test_who_may_only_read_writes_nothing_by_any_name(stage):
    for tool in TOOLS:
        for name in (tool.name.upper(), f" {tool.name}", f"{tool.name}\x00", f"firstwatch.{tool.name}"):
            with pytest.raises(MCPError):
                await stage.call(caller(Scope.READ), name, **given_for(tool.name, PAPER))
    assert not stage.commands()
