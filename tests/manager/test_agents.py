"""Acts of agents: plans, tokens, asks and limits, and the engine that checks them again."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.engine.agent_check import command_problem
from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.jobs.locks import JobLock
from firstwatch.engine.jobs.looking import job_now
from firstwatch.manager.agent_service import AgentService, Outcome, Plan, Wanted
from firstwatch.manager.views import EngineView, EngineWhere
from firstwatch.settings import AgentSettings, Settings
from firstwatch.store import agents, commands, jobs, journal, live, positions, runs
from firstwatch.store.database import Store, open_store
from firstwatch.trading.agents import (
    ASK_MS,
    DAY_MS,
    MOST_CODES,
    MOST_PLANS,
    PLAN_MS,
    ActStatus,
    ActTool,
    AgentLimits,
    AskState,
    Caller,
    Confirm,
    Scope,
)
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import CommandOutcome, PauseEntries, StopRun
from firstwatch.trading.errors import RefusedError
from firstwatch.trading.events import EntriesPaused
from firstwatch.trading.jobs import BacktestJob, JobKind, JobState
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, RunState, StopMode
from tests.candles import START_MS
from tests.clocks import MachineClock
from tests.engine.host import rig

HOUR_MS = 3_600_000
NOW_MS = START_MS + 500 * HOUR_MS
TRADER = Caller(name="helper", scope=Scope.TRADE, max_capital=Decimal(10_000))
STOP = Wanted(ActTool.STOP, rig.RUN)
RESUME = Wanted(ActTool.RESUME, rig.RUN)
AT_ONCE_S = 0.0


class Bench:
    """A store with a run that no engine moves, and a service whose clock stands."""

    def __init__(self, folder: Path, **confirm: Confirm) -> None:
        settings = rig.make_folder(folder, bars=50)
        self.settings: Settings = settings.model_copy(update={"agents": AgentSettings(**confirm)})
        self.store: Store = open_store(folder)
        self.clock = MachineClock(NOW_MS)
        self.service = AgentService(
            self.settings, self.clock, lambda: self.store, lambda: EngineView(EngineWhere.ATTACHED)
        )
        with self.store.write() as session:
            rig.store_new_run(session)
            runs.transition(
                session, rig.RUN, RunState.RUNNING, "launched", author=Author.OPERATOR, local_time_ms=NOW_MS
            )
        self.hold(Side.LONG, "0.2", stop="95")

    def hold(self, side: Side | None, amount: str, *, stop: str | None = None) -> None:
        """Write the run's position, as the engine does."""
        position = positions.RunPosition(
            rig.RUN, rig.SYMBOL, side, Decimal(amount), NOW_MS, Decimal(100),
            stop=None if stop is None else Decimal(stop),
        )  # fmt: skip
        with self.store.write() as session:
            positions.set_position(session, position)

    def planned(self, wanted: Wanted = STOP, caller: Caller = TRADER) -> Plan:
        found = self.service.plan(caller, wanted)
        assert isinstance(found, Plan), found
        return found

    def confirm(self, token: str, wanted: Wanted = STOP, caller: Caller = TRADER) -> Outcome:
        return self.service.confirm(caller, wanted, token, wait_s=AT_ONCE_S)

    def only_command(self) -> commands.StoredCommand:
        with self.store.read() as session:
            (found,) = commands.recent_commands(session, 10)
        return found

    def commands(self) -> list[commands.StoredCommand]:
        with self.store.read() as session:
            return commands.recent_commands(session, 100)

    def engine_says(self, number: int) -> str:
        """Return why the engine would refuse a command at its pick-up; empty: it would not."""
        with self.store.read() as session:
            stored = commands.get_command(session, number)
            return command_problem(session, stored, self.settings.agents, now_ms=self.clock.now_ms())

    def picked_up(self, number: int) -> None:
        """Accept and finish a command, as the engine does."""
        with self.store.write() as session:
            commands.accept_command(session, number, now_ms=self.clock.now_ms())
            commands.finish_command(
                session, number, CommandOutcome.DONE, "the run is stopping", now_ms=self.clock.now_ms()
            )

    def limit(self, **limits: object) -> None:
        with self.store.write() as session:
            agents.save_agent_limits(session, AgentLimits.model_validate(limits))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Bench]:
    """A bench where the operator confirms."""
    made = Bench(tmp_path, confirm_paper=Confirm.OPERATOR)
    yield made
    made.store.close()


# --- tokens --------------------------------------------------------------------------------------


def test_a_plan_says_what_happens_to_position_and_protection_and_does_nothing(bench: Bench) -> None:
    plan = bench.planned()
    text = " ".join(plan.sentences)
    assert "long 0.2" in text
    assert "a stop at 95" in text
    assert "The position stays open" in text
    assert plan.confirm is Confirm.TOKEN
    assert plan.expires_ms == NOW_MS + PLAN_MS
    assert bench.commands() == []


def test_the_token_stops_once_however_often_it_comes(bench: Bench) -> None:
    token = bench.planned().token
    first = bench.confirm(token)
    assert first.status is ActStatus.WAITING
    command = bench.only_command()
    assert command.command == StopRun(run_id=rig.RUN, mode=StopMode.LEAVE)
    assert command.author is Author.AGENT
    assert bench.engine_says(command.id) == ""
    bench.picked_up(command.id)
    again = [bench.confirm(token) for _ in range(3)]
    assert {(each.status, each.sentence, each.repeated) for each in again} == {
        (ActStatus.DONE, "the run is stopping", True)
    }
    assert len(bench.commands()) == 1


def test_one_token_at_two_servers_at_once_is_one_command(bench: Bench) -> None:
    token = bench.planned().token
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: bench.confirm(token), range(16)))
    assert len(bench.commands()) == 1


def test_a_token_is_refused_late(bench: Bench) -> None:
    token = bench.planned().token
    bench.clock.advance(PLAN_MS)
    late = bench.confirm(token)
    assert late.status is ActStatus.EXPIRED
    assert "run out" in late.sentence
    assert bench.commands() == []


@pytest.mark.parametrize(
    ("wanted", "caller", "reason"),
    [
        (Wanted(ActTool.STOP, "cd" * 8), TRADER, "the token is for run"),
        (Wanted(ActTool.STOP, rig.RUN, closes=True), TRADER, "for other arguments"),
        (RESUME, TRADER, "the token is for stop_run"),
        (STOP, TRADER.model_copy(update={"name": "other"}), "given to another agent"),
    ],
)
def test_a_token_is_refused_for_anything_else(
    bench: Bench, wanted: Wanted, caller: Caller, reason: str
) -> None:
    found = bench.confirm(bench.planned().token, wanted, caller)
    assert found.status is ActStatus.REFUSED
    assert reason in found.sentence
    assert bench.commands() == []


def test_an_unknown_token_is_refused(bench: Bench) -> None:
    assert "no such token" in bench.confirm("x" * 43).sentence
    assert bench.commands() == []


def _stops(bench: Bench) -> None:
    with bench.store.write() as session:
        runs.transition(
            session, rig.RUN, RunState.STOPPING, "x", author=Author.OPERATOR, local_time_ms=NOW_MS
        )


def _pauses(bench: Bench) -> None:
    with bench.store.write() as session:
        runs.update_side_facts(session, rig.RUN, replace(runs.get_run(session, rig.RUN).facts, paused=True))


def _notes_a_pause(bench: Bench) -> None:
    with bench.store.write() as session:
        journal.append_system_events(
            session, rig.RUN, [EntriesPaused(reason="operator", why="a test")], now_ms=NOW_MS
        )


_CHANGES: dict[str, tuple[Callable[[Bench], None], str]] = {
    "state": (_stops, "is STOPPING now, not RUNNING"),
    "amount": (lambda bench: bench.hold(Side.LONG, "0.3", stop="95"), "long 0.3 now, not long 0.2"),
    "side": (lambda bench: bench.hold(Side.SHORT, "0.2", stop="95"), "short 0.2 now"),
    "flat": (lambda bench: bench.hold(None, "0"), "flat now"),
    "stop": (lambda bench: bench.hold(Side.LONG, "0.2", stop="96"), "a stop at 96 now"),
    "no stop": (lambda bench: bench.hold(Side.LONG, "0.2"), "no stop now"),
    "pause": (_pauses, "entries are paused now"),
    "journal": (_notes_a_pause, "something has happened"),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_a_token_is_refused_after_the_run_has_changed(bench: Bench, change: str) -> None:
    token = bench.planned().token
    happens, reason = _CHANGES[change]
    happens(bench)
    found = bench.confirm(token)
    assert found.status is ActStatus.REFUSED
    assert reason in found.sentence
    assert bench.commands() == []


@pytest.mark.parametrize("change", _CHANGES)
def test_the_engine_refuses_what_has_changed_since_it_was_confirmed(bench: Bench, change: str) -> None:
    bench.confirm(bench.planned().token)
    happens, reason = _CHANGES[change]
    happens(bench)
    assert reason in bench.engine_says(bench.only_command().id)


def test_a_mark_that_has_moved_is_no_change(bench: Bench) -> None:
    token = bench.planned().token
    with bench.store.write() as session:
        status = live.LiveStatus(rig.RUN, NOW_MS, mark=99.5, unrealised_pnl=Decimal(-1), last_bar_ms=NOW_MS)
        live.upsert_live_status(session, [status])
    assert bench.confirm(token).status is ActStatus.WAITING
    assert bench.engine_says(bench.only_command().id) == ""


def test_a_run_that_has_ended_has_no_plan(bench: Bench) -> None:
    _stops(bench)
    with bench.store.write() as session:
        runs.transition(session, rig.RUN, RunState.STOPPED, "x", author=Author.OPERATOR, local_time_ms=NOW_MS)
    found = bench.service.plan(TRADER, STOP)
    assert isinstance(found, Outcome)
    assert "has ended already" in found.sentence


def test_plans_are_bounded_and_the_stale_ones_are_removed(bench: Bench) -> None:
    for _ in range(MOST_PLANS):
        bench.planned()
    refused = bench.service.plan(TRADER, STOP)
    assert isinstance(refused, Outcome)
    assert "plans are open" in refused.sentence
    bench.planned(caller=TRADER.model_copy(update={"name": "other"}))
    bench.clock.advance(DAY_MS)
    bench.planned()
    with bench.store.read() as session:
        assert len(agents.list_acts(session, 100)) == 1


# --- scope ---------------------------------------------------------------------------------------


def test_each_act_needs_its_scope(bench: Bench) -> None:
    reader = TRADER.model_copy(update={"scope": Scope.READ})
    controller = TRADER.model_copy(update={"scope": Scope.CONTROL})
    for caller, wanted, is_allowed in (
        (reader, STOP, False),
        (reader, RESUME, False),
        (controller, STOP, True),
        (controller, RESUME, True),
        (controller, Wanted(ActTool.STOP, rig.RUN, closes=True), False),
        (TRADER, Wanted(ActTool.STOP, rig.RUN, closes=True), True),
    ):
        found = bench.service.plan(caller, wanted)
        assert isinstance(found, Plan) is is_allowed, (caller.scope, wanted)
        if isinstance(found, Outcome):
            assert "needs the scope" in found.sentence
    assert bench.service.pause(reader, rig.RUN, wait_s=0).status is ActStatus.REFUSED
    assert bench.commands() == []


def test_a_revoked_or_expired_access_token_ends_what_it_has_planned(bench: Bench) -> None:
    with bench.store.write() as session:
        made = [
            agents.add_access_token(
                session, name, f"secret of {name}", scope=Scope.CONTROL, max_capital=Decimal(0),
                now_ms=NOW_MS, expires_at_ms=NOW_MS + 60_000,
            )
            for name in ("one", "two")
        ]  # fmt: skip
    for token in made:
        assert bench.service.caller_of(f"secret of {token.name}") == token.caller
        assert bench.confirm(bench.planned(caller=token.caller).token, caller=token.caller)
    numbers = [command.id for command in reversed(bench.commands())]
    with bench.store.write() as session:
        agents.revoke_access_token(session, "one", now_ms=NOW_MS)
    assert bench.service.caller_of("secret of one") is None
    assert "revoked or has expired" in bench.engine_says(numbers[0])
    assert bench.engine_says(numbers[1]) == ""
    bench.clock.advance(60_000)
    assert bench.service.caller_of("secret of two") is None
    assert "revoked or has expired" in bench.engine_says(numbers[1])
    assert bench.service.caller_of("no token at all") is None


# --- limits --------------------------------------------------------------------------------------


def test_switched_off_refuses_stops_too_and_names_the_operators_key(bench: Bench) -> None:
    token = bench.planned().token
    bench.limit(is_on=False)
    for found in (bench.confirm(token), bench.service.plan(TRADER, STOP)):
        assert isinstance(found, Outcome)
        assert "firstwatch run stop" in found.sentence
    assert bench.service.pause(TRADER, rig.RUN, wait_s=0).status is ActStatus.REFUSED
    assert bench.commands() == []


def test_lists_of_runs_and_wallets_hold_for_stops_too(bench: Bench) -> None:
    for limits in ({"runs": ()}, {"wallets": ("other",)}):
        bench.limit(**limits)
        found = bench.service.plan(TRADER, STOP)
        assert isinstance(found, Outcome)
        assert "does not let agents act" in found.sentence
    bench.limit(runs=(rig.RUN,), wallets=("one",))
    assert bench.planned()


def test_two_servers_at_once_cannot_exceed_one_cap(bench: Bench) -> None:
    """Both planned and confirmed while it was not used; the engine lets one through."""
    _pauses(bench)
    bench.limit(notional_per_day=15_000, writes_per_minute=1)
    other = TRADER.model_copy(update={"name": "other"})
    for caller in (TRADER, other):
        bench.confirm(bench.planned(RESUME, caller).token, RESUME, caller)
    first, second = reversed(bench.commands())
    assert bench.engine_says(first.id) == ""
    with bench.store.write() as session:
        commands.accept_command(session, first.id, now_ms=NOW_MS)
    assert "1 time a minute" in bench.engine_says(second.id)
    bench.clock.advance(60_000)
    # 5,000 of capital at leverage 2, twice, would be 20,000.
    assert "10,000 is used" in bench.engine_says(second.id)
    bench.clock.advance(DAY_MS)
    assert bench.engine_says(second.id) == ""


def test_no_cap_holds_for_what_only_reduces_exposure(bench: Bench) -> None:
    bench.limit(notional_per_day=0, writes_per_minute=0)
    bench.confirm(bench.planned().token)
    assert bench.engine_says(bench.only_command().id) == ""
    closing = Wanted(ActTool.STOP, rig.RUN, closes=True)
    bench.confirm(bench.planned(closing).token, closing)
    assert bench.engine_says(bench.commands()[0].id) == ""
    bench.service.pause(TRADER, rig.RUN, wait_s=0)
    assert bench.commands()[0].command == PauseEntries(run_id=rig.RUN)
    assert bench.engine_says(bench.commands()[0].id) == ""


# --- the engine believes no server ---------------------------------------------------------------


def test_the_engine_refuses_an_agents_command_that_no_plan_led_to(bench: Bench) -> None:
    stop = StopRun(run_id=rig.RUN)
    bench.confirm(bench.planned().token)
    act_id = bench.only_command().act_id
    for command, act, author in (
        (stop, None, Author.AGENT),
        (stop, 99, Author.AGENT),
        (stop, act_id, Author.AGENT),  # a second command of one act
        (StopRun(run_id=rig.RUN, mode=StopMode.CLOSE), act_id, Author.AGENT),
        (stop, None, Author.AGENT_APPROVED),
    ):
        with bench.store.write() as session:
            number = commands.submit_command(session, command, author=author, now_ms=NOW_MS, act_id=act)
        assert bench.engine_says(number), (command, act, author)


def test_the_engine_refuses_what_the_operator_has_not_approved(asked: Bench) -> None:
    asked.planned()
    with asked.store.write() as session:
        (act,) = agents.list_acts(session, 1)
        assert act.command is not None
        for author in (Author.AGENT, Author.AGENT_APPROVED):
            number = commands.submit_command(
                session, act.command, author=author, now_ms=NOW_MS, act_id=act.id
            )
    with asked.store.write() as session:
        agents.set_command_of_act(session, act.id, number)
    assert "has not said yes" in asked.engine_says(number)


# --- the operator --------------------------------------------------------------------------------


def test_the_operator_says_yes_and_the_command_is_written_then(asked: Bench) -> None:
    plan = asked.planned()
    assert plan.confirm is Confirm.OPERATOR
    waiting = asked.confirm(plan.token)
    assert waiting.status is ActStatus.WAITING
    assert asked.commands() == []
    with asked.store.read() as session:
        (ask,) = asked.service.waiting_asks(session)
    assert (ask.ask_id, ask.agent, ask.run_id, ask.plan) == (
        waiting.ask_id, "helper", rig.RUN, plan.sentences,
    )  # fmt: skip
    assert asked.confirm(plan.token).ask_id == waiting.ask_id
    number = asked.service.approve(ask.ask_id, by="screen")
    command = asked.only_command()
    assert (command.id, command.author) == (number, Author.AGENT_APPROVED)
    assert asked.engine_says(number) == ""
    asked.picked_up(number)
    told = asked.confirm(plan.token)
    assert (told.status, told.repeated, told.ask_id) == (ActStatus.DONE, True, ask.ask_id)
    with pytest.raises(RefusedError, match="does not wait any more"):
        asked.service.approve(ask.ask_id, by="screen")
    assert len(asked.commands()) == 1


def test_the_operator_says_no(asked: Bench) -> None:
    token = asked.planned().token
    ask_id = asked.confirm(token).ask_id
    assert ask_id is not None
    asked.service.refuse(ask_id, by="terminal")
    found = asked.confirm(token)
    assert (found.status, found.sentence) == (ActStatus.REFUSED, "the operator said no")
    assert asked.commands() == []


def test_no_answer_in_a_minute_is_a_no_and_the_token_is_valid_until_then(asked: Bench) -> None:
    token = asked.planned().token
    asked.clock.advance(PLAN_MS - 1)
    ask_id = asked.confirm(token).ask_id
    assert ask_id is not None
    asked.clock.advance(ASK_MS - 1)
    assert asked.confirm(token).status is ActStatus.WAITING
    asked.clock.advance(1)
    assert asked.confirm(token).status is ActStatus.EXPIRED
    with pytest.raises(RefusedError, match="expired"):
        asked.service.approve(ask_id, by="screen")
    assert asked.commands() == []


def test_a_yes_comes_too_late_for_a_run_that_has_changed(asked: Bench) -> None:
    token = asked.planned().token
    ask_id = asked.confirm(token).ask_id
    assert ask_id is not None
    asked.hold(Side.LONG, "0.4", stop="95")
    with pytest.raises(RefusedError, match=r"long 0\.4 now"):
        asked.service.approve(ask_id, by="screen")
    assert asked.confirm(token).status is ActStatus.REFUSED
    assert asked.commands() == []


def _made_live(bench: Bench) -> int:
    """Ask about a stop of a run with real money, and return the ask's number."""
    token = bench.planned().token
    with bench.store.write() as session:
        session.exec_driver_sql("UPDATE agent_act SET money = 'live'")
    found = bench.confirm(token)
    assert found.ask_id is not None
    return found.ask_id


def test_with_real_money_the_operator_is_asked_and_types_the_runs_name(bench: Bench) -> None:
    ask_id = _made_live(bench)
    with bench.store.read() as session:
        (ask,) = bench.service.waiting_asks(session)
    assert ask.name_to_type == "Active@1"
    for typed in ("", "Active", "active@1"):
        with pytest.raises(RefusedError, match="type the run's name"):
            bench.service.approve(ask_id, typed_name=typed, by="screen")
    assert bench.service.approve(ask_id, typed_name="Active@1", by="screen")


def test_at_a_terminal_real_money_needs_the_code_that_only_the_screen_shows(bench: Bench) -> None:
    ask_id = _made_live(bench)
    for nothing in ({}, {"code": "000000"}):
        with pytest.raises(RefusedError, match="open the question on the screen"):
            bench.service.approve(ask_id, typed_name="Active@1", by="terminal", **nothing)
    code = bench.service.new_code(ask_id)
    assert len(code) == 6
    assert code.isdigit()
    assert bench.service.approve(ask_id, typed_name="Active@1", code=code, by="terminal")


def test_wrong_codes_are_counted_and_the_last_one_is_a_no(bench: Bench) -> None:
    ask_id = _made_live(bench)
    code = bench.service.new_code(ask_id)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(MOST_CODES):
        with pytest.raises(RefusedError, match="not the code"):
            bench.service.approve(ask_id, typed_name="Active@1", code=wrong, by="terminal")
    with pytest.raises(RefusedError, match="does not wait any more"):
        bench.service.approve(ask_id, typed_name="Active@1", code=code, by="terminal")
    with bench.store.read() as session:
        assert agents.get_ask(session, ask_id, now_ms=NOW_MS).state is AskState.REFUSED
    assert bench.commands() == []


def test_jobs_whose_process_is_gone_make_room(bench: Bench) -> None:
    asked = BacktestJob(algorithm="Active", version=1, symbol=rig.SYMBOL, from_ms=START_MS, to_ms=NOW_MS)
    home = bench.settings.home
    with bench.store.write() as session:
        numbers = [jobs.add_job(session, JobKind.BACKTEST, "x", "{}", now_ms=NOW_MS) for _ in range(5)]
    held = [JobLock.take(home, number) for number in numbers]
    full = bench.service.test_version(TRADER, asked)
    assert "5 jobs are queued or running" in full.sentence
    for lock in filter(None, held):
        lock.release()
    assert bench.service.test_version(TRADER, asked).job_id is not None
    assert "process has ended" in job_now(bench.store, home, numbers[0]).sentence
    with bench.store.read() as session:
        assert all(job.id not in numbers for job in jobs.open_jobs(session))


# --- with a real engine --------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path: Path) -> Iterator[tuple[AgentService, Store]]:
    settings = rig.make_folder(tmp_path, toml=rig.HOLDING_TOML, speed=36_000)
    store = open_store(tmp_path)
    engine = EngineHost(store, settings)
    engine.start()
    rig.start_run(store, rig.RUN)
    rig.until(lambda: rig.run_of(store, rig.RUN).state is RunState.RUNNING or None, "the run to begin")
    yield (
        AgentService(settings, SystemClock(), lambda: store, lambda: EngineView(EngineWhere.EMBEDDED)),
        store,
    )
    engine.drain_and_stop()
    store.close()


def test_an_agent_pauses_and_stops_a_run(host: tuple[AgentService, Store]) -> None:
    service, store = host
    paused = service.pause(TRADER, rig.RUN)
    assert (paused.status, paused.sentence) == (ActStatus.DONE, "entries are paused")
    assert service.pause(TRADER, rig.RUN).repeated

    def stopped() -> Outcome | None:
        # The run's protection may move between the two steps; the agent plans again then.
        plan = service.plan(TRADER, STOP)
        assert isinstance(plan, Plan), plan
        found = service.confirm(TRADER, STOP, plan.token)
        return found if found.status is ActStatus.DONE else None

    assert "stopping" in rig.until(stopped, "the run to be stopped").sentence
    assert rig.ended(store, rig.RUN).state is RunState.STOPPED
    with store.read() as session:
        entries = journal.events_after(session, rig.RUN)
    by_agent = [entry for entry in entries if entry.author is Author.AGENT]
    assert {entry.event.kind for entry in by_agent} >= {"noted", "entries_paused", "transitioned"}
    assert any("for the agent helper" in str(entry.event) for entry in by_agent)


def test_a_start_needs_a_baseline(host: tuple[AgentService, Store]) -> None:
    service, _ = host
    found = service.plan(TRADER, Wanted(ActTool.START, launch=rig.launch("one", accepted_warnings=None)))
    assert isinstance(found, Outcome)
    assert "no baseline" in found.sentence
    poor = TRADER.model_copy(update={"max_capital": Decimal(4_999)})
    found = service.plan(poor, Wanted(ActTool.START, launch=rig.launch("one", accepted_warnings=None)))
    assert isinstance(found, Outcome)
    assert "4,999 of capital at most" in found.sentence


def test_a_version_is_tested_in_a_process_of_its_own(host: tuple[AgentService, Store]) -> None:
    service, store = host
    asked = BacktestJob(
        algorithm="Active", version=1, symbol=rig.SYMBOL,
        from_ms=START_MS + 100 * HOUR_MS, to_ms=START_MS + 400 * HOUR_MS,
    )  # fmt: skip
    found = service.test_version(TRADER, asked)
    assert found.job_id is not None, found

    home = store.path.parent
    number = found.job_id

    def done() -> bool | None:
        job = job_now(store, home, number)
        assert job.state is not JobState.FAILED, job.sentence
        return True if job.state is JobState.DONE else None

    rig.until(done, "the job to be done")
    with store.read() as session:
        result = json.loads(jobs.result_of_job(session, number) or "")
        assert (result["bars"], result["algorithm"], result["version"]) == (300, "Active", 1)
        assert agents.list_acts(session, 1)[0].job_id == found.job_id


def test_a_test_that_cannot_be_done_says_why(host: tuple[AgentService, Store]) -> None:
    service, store = host
    asked = BacktestJob(algorithm="Active", version=1, symbol="X/Y:Y", from_ms=START_MS, to_ms=NOW_MS)
    found = service.test_version(TRADER, asked)
    assert found.job_id is not None
    number, home = found.job_id, store.path.parent
    job = rig.until(
        lambda: each if (each := job_now(store, home, number)).state.is_over else None, "the job to end"
    )
    assert job.state is JobState.FAILED
    assert "has no market X/Y:Y" in job.sentence
    unknown = service.test_version(TRADER, asked.model_copy(update={"algorithm": "None"}))
    assert unknown.status is ActStatus.REFUSED
    assert "no algorithm" in unknown.sentence
