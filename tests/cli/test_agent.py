"""``firstwatch agent``: limits, the log, asks, and an operator's answers at a terminal."""

import io
import time
from decimal import Decimal

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.manager.agent_service import AgentService
from firstwatch.manager.views import EngineView, EngineWhere
from firstwatch.settings import load_settings
from firstwatch.store import agents, commands, jobs, runs
from firstwatch.store.database import open_store
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.agents import ActTool, AskState, Caller, Scope
from firstwatch.trading.clock import SystemClock, iso
from firstwatch.trading.commands import CommandOutcome, PauseEntries, ResumeEntries, StopRun
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.runs import Author, RunState
from tests.engine.host import rig

CALLER = Caller(name="helper", scope=Scope.TRADE)
LIMITS = {
    "on": True, "notional_per_day": None, "writes_per_minute": None, "runs": None, "wallets": None,
    "used_notional": 0, "used_writes": 0,
}  # fmt: skip
PLAN = ("Stop run X.", "It is flat.")


def now_ms():
    return SystemClock().now_ms()


@pytest.fixture
def store(home):
    """The store of a folder with a run that no engine moves."""
    rig.make_folder(home, bars=50, wallet_names=("one", "two"))
    opened = open_store(home)
    with opened.write() as session:
        rig.store_new_run(session)
        runs.transition(session, rig.RUN, RunState.RUNNING, "", author=Author.OPERATOR, local_time_ms=2)
    yield opened
    opened.close()


def planned(store, *, tool=ActTool.STOP, money=MoneyKind.PAPER, lasts_ms=60_000, plan=PLAN, command=None):
    """Save an act of an agent, and return its number."""
    with store.write() as session:
        return agents.add_act(
            session, CALLER, tool, arguments_json="{}", command=command or StopRun(run_id=rig.RUN),
            run_id=rig.RUN, name="Active@1", wallet="one", money=money, closes=False, notional=Decimal(0),
            bound=None, plan=plan, token=f"token {time.monotonic_ns()}", now_ms=now_ms(),
            expires_at_ms=now_ms() + lasts_ms,
        ).id  # fmt: skip


def asked(store, *, lasts_ms=60_000, **of_act):
    """Save an act and the question about it, and return both numbers."""
    act = planned(store, **of_act)
    with store.write() as session:
        return act, agents.add_ask(session, act, now_ms=now_ms(), expires_at_ms=now_ms() + lasts_ms).id


def state_of(store, ask):
    with store.read() as session:
        return agents.get_ask(session, ask, now_ms=now_ms())


class Terminal(io.StringIO):
    """Lines that a person types."""

    def isatty(self):
        return True


@pytest.fixture
def typed(monkeypatch):
    return lambda *lines: monkeypatch.setattr("sys.stdin", Terminal("".join(f"{line}\n" for line in lines)))


# --- limits --------------------------------------------------------------------------------------


def test_limits_are_shown_changed_one_by_one_and_taken_away(store, firstwatch):
    assert firstwatch("agent", "limits", "--json").json == LIMITS
    changed = firstwatch(
        "agent", "limits", "--notional-per-day", "2500.5", "--runs", f"{rig.RUN[:6]},{rig.RUN}", "--json"
    ).json
    assert changed == LIMITS | {"notional_per_day": 2500.5, "runs": [rig.RUN]}
    more = firstwatch("agent", "limits", "--writes-per-minute", "0", "--wallets", "one, two", "--json").json
    assert more == changed | {"writes_per_minute": 0, "wallets": ["one", "two"]}
    assert firstwatch("agent", "limits", "--json").json == more
    text = firstwatch("agent", "limits").out
    assert "agents may act" in text
    assert "one, two" in text
    fewer = firstwatch(
        "agent", "limits", "--notional-per-day", "none", "--writes-per-minute", "none", "--runs", "all",
        "--wallets", "all", "--json",
    ).json  # fmt: skip
    assert fewer == LIMITS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--notional-per-day", "-1"), "notional_per_day"),
        (("--notional-per-day", "much"), "not a number"),
        (("--writes-per-minute", "1.5"), "whole number"),
        (("--writes-per-minute", "10001"), "10000 or less"),
        (("--runs", "ffff"), "There is no run"),
        (("--runs", ""), "list with commas"),
        (("--wallets", "one,,two"), "list with commas"),
        (("--wallets", "nine"), "There is no wallet"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_and_changes_nothing(store, firstwatch, words, said):
    answer = firstwatch("agent", "limits", "--notional-per-day", "7", *words)
    assert answer.code == 2
    assert said in answer.err
    assert firstwatch("agent", "limits", "--json").json == LIMITS


def test_agents_are_switched_off_and_on(store, firstwatch):
    assert firstwatch("agent", "off", "--json").json == LIMITS | {"on": False}
    assert "switched off" in firstwatch("agent", "limits").out
    assert firstwatch("agent", "on", "--json").json == LIMITS


# --- the log -------------------------------------------------------------------------------------


def test_the_log_says_what_became_of_each_act_the_newest_first(store, firstwatch):
    assert firstwatch("agent", "log", "--json").json == []
    assert "No agent" in firstwatch("agent", "log").out
    planned(store)
    planned(store, lasts_ms=0)
    asked(store)
    asked(store, lasts_ms=0)
    _, refused = asked(store)
    assert firstwatch("agent", "refuse", refused).code == 0
    approved, ask = asked(store)
    paused = planned(store, tool=ActTool.PAUSE, plan=(), command=PauseEntries(run_id=rig.RUN))
    tested = planned(store, tool=ActTool.BACKTEST, plan=())
    with store.write() as session:
        for act, author in ((approved, Author.AGENT_APPROVED), (paused, Author.AGENT)):
            found = agents.act_by_id(session, act).command
            number = commands.submit_command(session, found, author=author, now_ms=now_ms(), act_id=act)
            agents.set_command_of_act(session, act, number)
            if act == approved:
                agents.answer_ask(session, ask, AskState.APPROVED, "", approved_by="screen", now_ms=now_ms())
                commands.accept_command(session, number, now_ms=now_ms())
                commands.finish_command(session, number, CommandOutcome.DONE, "it stops", now_ms=now_ms())
        job = jobs.add_job(session, JobKind.BACKTEST, "a test", "{}", now_ms=now_ms())
        session.exec_driver_sql("UPDATE agent_act SET job_id = ? WHERE id = ?", (job, tested))
    found = firstwatch("agent", "log", "--json").json
    assert [list(each) for each in found] == [
        [
            "act", "at", "agent", "tool", "run", "name", "wallet", "mode", "plan", "ask", "job", "status",
            "sentence", "approved_by",
        ]
    ] * 8  # fmt: skip
    assert [(each["tool"], each["status"], each["sentence"], each["approved_by"]) for each in found] == [
        (
            "run_backtest", "failed",
            "job 1: failed, its process has ended before it was done;"
            " firstwatch job resume 1 goes on with it",
            None,
        ),
        ("pause_entries", "waiting", "the engine has not answered yet", None),
        (
            "stop_run", "done", "planned → asked the operator (4) → approved at the screen → done: it stops",
            "operator",
        ),
        (
            "stop_run", "refused",
            "planned → asked the operator (3) → refused at the terminal: the operator said no", None,
        ),
        ("stop_run", "expired", "planned → asked the operator (2) → no answer, which is a no", None),
        ("stop_run", "waiting", "planned → asked the operator (1) → waits for the answer", None),
        ("stop_run", "expired", "planned → never confirmed", None),
        ("stop_run", "planned", "planned → not confirmed yet", None),
    ]  # fmt: skip
    assert found[2]["plan"] == list(PLAN)
    assert firstwatch("agent", "log", "--limit", 2, "--json").json == found[:2]
    assert "approved at the screen" in firstwatch("agent", "log").out
    with store.write() as session:
        session.exec_driver_sql("DELETE FROM command")
    assert firstwatch("agent", "log", "--json").json[2]["sentence"].endswith("no longer kept")


# --- asks ----------------------------------------------------------------------------------------


def test_the_asks_that_wait_are_listed(store, firstwatch):
    assert firstwatch("agent", "asks", "--json").json == []
    assert "No agent" in firstwatch("agent", "asks").out
    _, ask = asked(store, money=MoneyKind.LIVE)
    asked(store, lasts_ms=0)
    with store.read() as session:
        stored = agents.get_ask(session, ask, now_ms=now_ms())
    assert firstwatch("agent", "asks", "--json").json == [
        {
            "ask": ask, "agent": "helper", "act": "stop Active@1", "run": rig.RUN, "wallet": "one",
            "mode": "live", "plan": list(PLAN), "created_at": iso(stored.created_at_ms),
            "expires_at": iso(stored.expires_at_ms), "name_to_type": "Active@1",
        }
    ]  # fmt: skip
    assert f"{ask}: helper wants to stop Active@1" in firstwatch("agent", "asks").out


def test_a_no_needs_no_terminal_and_ends_the_ask(store, firstwatch):
    _, ask = asked(store)
    assert firstwatch("agent", "refuse", ask, "--json").json == {"ask": ask, "outcome": "refused"}
    found = state_of(store, ask)
    assert (found.state, found.approved_by, found.sentence) == (
        AskState.REFUSED, "terminal", "the operator said no",
    )  # fmt: skip
    again = firstwatch("agent", "refuse", ask)
    assert again.code == 3
    assert "does not wait any more" in again.err
    assert firstwatch("agent", "refuse", 99).code == 2


def test_a_yes_without_a_terminal_is_refused(store, firstwatch):
    _, ask = asked(store)
    answer = firstwatch("agent", "approve", ask)
    assert answer.code == 3
    assert "at a terminal" in answer.err
    assert state_of(store, ask).state is AskState.WAITING


def test_only_a_yes_to_the_plan_is_a_yes(store, firstwatch, typed):
    _, ask = asked(store)
    typed("")
    answer = firstwatch("agent", "approve", ask)
    assert answer.code == 3
    for sentence in (*PLAN, "helper wants to stop Active@1", f"firstwatch agent refuse {ask}"):
        assert sentence in answer.err
    typed("y")
    answer = firstwatch("agent", "approve", ask)
    assert answer.code == 3
    assert "No engine is running" in answer.err
    assert state_of(store, ask).state is AskState.WAITING


@pytest.mark.parametrize("lines", [(), ("y",), ("y", "Active@1")])
def test_a_terminal_that_ends_answers_nothing(store, firstwatch, typed, lines):
    _, ask = asked(store, money=MoneyKind.LIVE)
    typed(*lines)
    answer = firstwatch("agent", "approve", ask)
    assert answer.code == 1
    assert "A question was not answered" in answer.err
    assert (state_of(store, ask).state, state_of(store, ask).wrong_codes) == (AskState.WAITING, 0)


def test_an_ask_that_has_run_out_or_is_not_there_cannot_be_approved(store, firstwatch, typed):
    _, ask = asked(store, lasts_ms=0)
    typed("y")
    answer = firstwatch("agent", "approve", ask)
    assert answer.code == 3
    assert "it is expired" in answer.err
    assert firstwatch("agent", "approve", 99).code == 2


def test_real_money_needs_the_name_and_a_code_and_three_wrong_codes_are_a_no(store, firstwatch, typed):
    _, ask = asked(store, money=MoneyKind.LIVE)
    service = AgentService(
        load_settings(), SystemClock(), lambda: store, lambda: EngineView(EngineWhere.ATTACHED)
    )
    typed("y", "Active@1", "000000")
    assert "open the question on the screen" in firstwatch("agent", "approve", ask).err
    code = service.new_code(ask)
    typed("y", "Other@1", code)
    wrong = firstwatch("agent", "approve", ask)
    assert (wrong.code, state_of(store, ask).wrong_codes) == (3, 1)
    assert "type the run's name" in wrong.err
    other = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(2):
        typed("y", "Active@1", other)
        assert "not the code" in firstwatch("agent", "approve", ask).err
    found = state_of(store, ask)
    assert (found.state, found.sentence) == (AskState.REFUSED, "a wrong code was typed too often")
    typed("y", "Active@1", code)
    assert "does not wait any more" in firstwatch("agent", "approve", ask).err


@pytest.mark.parametrize(
    ("money", "run", "outcome", "code"),
    [
        (MoneyKind.PAPER, rig.RUN, "done", 0),
        (MoneyKind.LIVE, rig.RUN, "done", 0),
        (MoneyKind.PAPER, "ff" * 8, "refused", 3),
    ],
)
def test_a_yes_lets_the_engine_do_it_and_says_its_outcome(home, firstwatch, typed, money, run, outcome, code):
    settings = rig.make_folder(home, bars=1600, speed=3_600)
    (home / "config.toml").open("a").write('[agents]\nconfirm_paper = "operator"\n')
    store = open_store(home)
    host = EngineHost(store, load_settings(home=settings.home))
    host.start()
    try:
        rig.start_run(store, rig.RUN)
        _, ask = asked(store, money=money, tool=ActTool.RESUME, command=ResumeEntries(run_id=run))
        lines = ["y"]
        if money is MoneyKind.LIVE:
            service = AgentService(
                settings, SystemClock(), lambda: store, lambda: EngineView(EngineWhere.ATTACHED)
            )
            lines += ["Active@1", service.new_code(ask)]
        typed(*lines)
        answer = firstwatch("agent", "approve", ask, "--json")
        assert set(answer.json) == {"ask", "outcome", "sentence"}
        assert (answer.json["ask"], answer.json["outcome"], answer.code) == (ask, outcome, code)
        (act,) = firstwatch("agent", "log", "--json").json
        assert (act["status"], act["approved_by"]) == (outcome, "operator")
        assert answer.json["sentence"] in act["sentence"]
        assert "approved at the terminal" in act["sentence"]
    finally:
        host.drain_and_stop()
        store.close()
