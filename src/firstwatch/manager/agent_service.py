"""Acts of agents and the operator's answers: plans, tokens, asks, and the commands that follow from them."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from firstwatch.manager.views import AskView, EngineView
from firstwatch.settings import Settings
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.agents import (
    ASK_MS,
    MOST_CODES,
    MOST_PLANS,
    PLAN_MS,
    Act,
    ActStatus,
    ActTool,
    Ask,
    AskState,
    Caller,
    Confirm,
    RunFacts,
    hash_of,
    new_token,
)
from firstwatch.trading.clock import Clock
from firstwatch.trading.commands import (
    Command,
    CommandOutcome,
    PauseEntries,
    PreviewLaunch,
    ResumeEntries,
    StartRun,
    StopRun,
)
from firstwatch.trading.errors import DamagedRowError, RefusedError, WrongUseError
from firstwatch.trading.ids import new_run_id
from firstwatch.trading.jobs import BacktestJob, JobKind
from firstwatch.trading.launch import LaunchPreview, LaunchSettings
from firstwatch.trading.runs import Author, StopMode
from firstwatch.trading.text import quoted, without_markup

if TYPE_CHECKING:
    from firstwatch.store.commands import StoredCommand
    from firstwatch.store.database import Session, Store
    from firstwatch.store.runs import Run

WAIT_S = 20.0
"""How long a second step waits for an answer; the agent calls again after it."""
_LOOK_S = 0.1
_PREVIEW_S = 10.0
_KEPT_MS = 3_600_000
"""How long a plan that was not confirmed is kept after it ran out."""
SCREEN = "screen"
"""Where an operator answers without a code."""
_MOST_JOBS = 5
"""Jobs that may be queued or running at a time."""
_LONGEST_DATA = 200
"""Characters of a text of others in a sentence."""
_OUTCOMES = {
    CommandOutcome.DONE: ActStatus.DONE,
    CommandOutcome.REFUSED: ActStatus.REFUSED,
    CommandOutcome.EXPIRED: ActStatus.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an agent asks for: a tool with its arguments."""

    tool: ActTool
    run_id: str | None = None
    closes: bool = False
    """Of a stop: the position is closed."""
    launch: LaunchSettings | None = None
    """Of a start."""

    @property
    def arguments_json(self) -> str:
        """The arguments in one order, to compare them."""
        launch = None if self.launch is None else self.launch.model_dump(mode="json")
        return json.dumps({"run": self.run_id, "close": self.closes, "launch": launch}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer to a first step."""

    sentences: tuple[str, ...]
    token: str
    expires_ms: int
    confirm: Confirm


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a step that acts."""

    status: ActStatus
    sentence: str
    ask_id: int | None = None
    job_id: int | None = None
    """The job that it became."""
    repeated: bool = False
    """The act was confirmed by an earlier call, and this is its outcome."""
    is_of_engine: bool = False
    """The sentence is the engine's: it may repeat a venue's, and names that others chose."""


class AgentService:
    """Acts of agents in one data folder. Methods wait for the disk, and those with ``wait_s`` for answers.

    All raise ``FirstwatchError`` with a sentence.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        store: "Callable[[], Store]",
        engine: Callable[[], EngineView],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self._engine = engine

    # --- the agent ---------------------------------------------------------------------------------

    def caller_of(self, access_token: str) -> Caller | None:
        """Return the holder of an access token; None: there is no such token, or it is not valid now."""
        from firstwatch.store import agents

        with self._store().read() as session:
            found = agents.find_access_token(session, access_token)
        return found.caller if found is not None and found.is_valid(self._clock.now_ms()) else None

    def plan(self, caller: Caller, wanted: Wanted) -> Plan | Outcome:
        """Answer a first step: a plan with a token, or why the act is refused. Nothing is done."""
        from firstwatch.engine.agent_check import act_problem, confirm_of
        from firstwatch.store import agents

        now_ms = self._clock.now_ms()
        with self._store().read() as session:
            if agents.open_plans(session, caller, now_ms=now_ms) >= MOST_PLANS:
                return _refused(f"{MOST_PLANS} plans are open; confirm one, or wait until they have run out")
        try:
            preview = None if wanted.launch is None else self._previewed(caller, wanted.launch)
            token = new_token()
            with self._store().write() as session:
                agents.drop_stale_plans(session, before_ms=now_ms - _KEPT_MS)
                act = self._save(session, caller, wanted, preview, token=token)
                if problem := act_problem(session, act, now_ms=now_ms):
                    raise RefusedError(problem)
        except (RefusedError, WrongUseError, DamagedRowError) as error:
            return _refused(str(error))
        return Plan(act.plan, token, act.expires_at_ms, confirm_of(self._settings.agents, act.money))

    def run_of_plan(self, token: str) -> str | None:
        """Return the run that a plan is about, by its token; None: there is none, or it is to be started."""
        from firstwatch.store import agents

        with self._store().read() as session:
            act = agents.find_act(session, token)
        return None if act is None or isinstance(act.command, StartRun) else act.run_id

    def confirm(self, caller: Caller, wanted: Wanted, token: str, *, wait_s: float = WAIT_S) -> Outcome:
        """Answer a second step: do what the plan said, once; or ask the operator, and wait for the answer."""
        from firstwatch.store import agents

        with self._store().read() as session:
            act = agents.find_act(session, token)
            found = self._outcome(session, act, caller, wanted)
        if found is None:
            with self._store().write() as session:
                # Another call may have confirmed it between the two transactions.
                act = agents.find_act(session, token)
                found = self._outcome(session, act, caller, wanted)
                if found is None:
                    assert act is not None
                    found = self._begin(session, act)
        is_repeated = act is not None and act.command_id is not None
        if found.status is ActStatus.WAITING:
            found = self._awaited(caller, wanted, token, wait_s)
        return replace(found, repeated=is_repeated)

    def pause(self, caller: Caller, run_id: str, *, wait_s: float = WAIT_S) -> Outcome:
        """Pause a run's entries, in one step."""
        from firstwatch.engine.agent_check import act_problem

        wanted = Wanted(ActTool.PAUSE, run_id)
        try:
            with self._store().read() as session:
                if self._active_run(session, run_id).facts.paused:
                    return Outcome(ActStatus.DONE, "entries are paused already", repeated=True)
            with self._store().write() as session:
                act = self._save(session, caller, wanted, None, token=None)
                if problem := act_problem(session, act, now_ms=self._clock.now_ms()):
                    raise RefusedError(problem)
                number = self._submit(session, act, Author.AGENT)
        except (RefusedError, WrongUseError, DamagedRowError) as error:
            return _refused(str(error))
        deadline_s = time.monotonic() + wait_s
        while (outcome := self._outcome_of(number, act)).status is ActStatus.WAITING:
            if time.monotonic() >= deadline_s:
                break
            time.sleep(_LOOK_S)
        return outcome

    def test_version(self, caller: Caller, asked: BacktestJob) -> Outcome:
        """Start a test of a version in a process of its own, in one step; the outcome names the job."""
        from firstwatch.backtest.inputs import FROM_ANYWHERE, BacktestRequest
        from firstwatch.engine.agent_check import act_problem
        from firstwatch.engine.jobs.looking import write_ends
        from firstwatch.engine.jobs.process import submit_job
        from firstwatch.store import agents, jobs
        from firstwatch.store.algorithms import get_version

        now_ms = self._clock.now_ms()
        write_ends(self._store(), self._settings.home, clock=self._clock)

        def save_act(session: "Session", number: int) -> None:
            if len(jobs.open_jobs(session)) > _MOST_JOBS:
                raise RefusedError(f"{_MOST_JOBS} jobs are queued or running; wait for one to end")
            act = agents.add_act(
                session,
                caller,
                ActTool.BACKTEST,
                arguments_json=asked.model_dump_json(),
                command=None,
                run_id=None,
                name=version.label,
                wallet=None,
                money=MoneyKind.PAPER,
                closes=False,
                notional=Decimal(0),
                bound=None,
                plan=(),
                token=None,
                now_ms=now_ms,
                expires_at_ms=now_ms,
                job_id=number,
            )
            if problem := act_problem(session, act, now_ms=now_ms):
                raise RefusedError(problem)

        try:
            with self._store().read() as session:
                version = get_version(session, asked.algorithm, asked.version)
            request = BacktestRequest(
                algorithm=version.label,
                spec_json=version.spec_json,
                version_id=version.id,
                candles=FROM_ANYWHERE,
                symbol=asked.symbol,
                from_ms=asked.from_ms,
                to_ms=asked.to_ms,
            )
            number = submit_job(
                self._settings,
                self._store(),
                JobKind.BACKTEST,
                f"{version.label} on {asked.symbol}",
                request,
                clock=self._clock,
                within=save_act,
            )
        except (RefusedError, WrongUseError, DamagedRowError) as error:
            return _refused(str(error))
        return Outcome(ActStatus.DONE, f"job {number} is queued; ask for its results", job_id=number)

    # --- the operator ------------------------------------------------------------------------------

    def approve(self, ask_id: int, *, typed_name: str = "", code: str = "", by: str) -> int:
        """Say yes: write the command, and return its number. ``by``: ``screen`` or ``terminal``.

        ``code``: what the screen shows for it, where the answer does not come from the screen itself.

        Raises:
            RefusedError: it does not wait any more, the name or code is wrong, or it may not be done now.
        """
        from firstwatch.engine.agent_check import act_problem
        from firstwatch.store import agents

        now_ms = self._clock.now_ms()
        problem = ""
        with self._store().write() as session:
            ask, act = self._waiting(session, ask_id)
            name = _name_to_type(act)
            if name and by != SCREEN and (problem := _code_problem(ask, code)):
                if agents.count_wrong_code(session, ask_id) >= MOST_CODES:
                    sentence = "a wrong code was typed too often"
                    agents.answer_ask(
                        session, ask_id, AskState.REFUSED, sentence, approved_by=by, now_ms=now_ms
                    )
            elif name and typed_name != name:
                problem = f"type the run's name to say yes to an agent about real money: {name}"
            elif problem := act_problem(session, act, now_ms=now_ms):
                agents.answer_ask(session, ask_id, AskState.REFUSED, problem, approved_by=by, now_ms=now_ms)
            else:
                number = self._submit(session, act, Author.AGENT_APPROVED, typed_name or None)
                agents.answer_ask(session, ask_id, AskState.APPROVED, "", approved_by=by, now_ms=now_ms)
        if problem:
            raise RefusedError(problem)
        return number

    def refuse(self, ask_id: int, *, by: str) -> None:
        """Say no.

        Raises:
            RefusedError: it does not wait any more.
        """
        from firstwatch.store import agents

        with self._store().write() as session:
            self._waiting(session, ask_id)
            agents.answer_ask(
                session, ask_id, AskState.REFUSED, "the operator said no", approved_by=by,
                now_ms=self._clock.now_ms(),
            )  # fmt: skip

    def new_code(self, ask_id: int) -> str:
        """Return a new six-digit code to answer an ask with at a terminal; only its hash is kept.

        Raises:
            RefusedError: it does not wait any more.
        """
        from firstwatch.store import agents

        code = f"{secrets.randbelow(1_000_000):06d}"
        with self._store().write() as session:
            self._waiting(session, ask_id)
            agents.set_code(session, ask_id, _hash_of_code(ask_id, code))
        return code

    def waiting_asks(self, session: "Session") -> tuple[AskView, ...]:
        """Return the questions that wait for an answer, the oldest first."""
        from firstwatch.store import agents

        found = agents.waiting_asks(session, now_ms=self._clock.now_ms())
        return tuple(_ask_view(ask, agents.act_by_id(session, ask.act_id)) for ask in found)

    def waiting_ask(self, ask_id: int) -> AskView:
        """Return a question that waits for an answer.

        Raises:
            WrongUseError: there is none of that number.
            RefusedError: it does not wait any more.
        """
        with self._store().read() as session:
            return _ask_view(*self._waiting(session, ask_id))

    # --- parts -------------------------------------------------------------------------------------

    def _waiting(self, session: "Session", ask_id: int) -> tuple[Ask, Act]:
        from firstwatch.store import agents

        ask = agents.get_ask(session, ask_id, now_ms=self._clock.now_ms())
        if ask.state is not AskState.WAITING:
            raise RefusedError(f"The agent's question {ask_id} does not wait any more: it is {ask.state}.")
        return ask, agents.act_by_id(session, ask.act_id)

    def _save(
        self,
        session: "Session",
        caller: Caller,
        wanted: Wanted,
        preview: LaunchPreview | None,
        *,
        token: str | None,
    ) -> Act:
        from firstwatch.engine.agent_check import facts_of
        from firstwatch.manager import agent_plans
        from firstwatch.store import agents

        command: Command
        bound: RunFacts | None = None
        if wanted.launch is not None:
            assert preview is not None
            run_id, name, wallet = new_run_id(), wanted.launch.name, wanted.launch.wallet
            money = self._money(session, wallet)
            command = StartRun(run_id=run_id, settings=wanted.launch)
            plan = agent_plans.start_plan(wanted.launch, preview, money)
            notional = agent_plans.notional_of(wanted.launch)
        else:
            run = self._active_run(session, wanted.run_id or "")
            run_id, name, wallet = run.id, run.settings.name, run.wallet
            bound = facts_of(session, run.id)
            money, notional, plan = self._money(session, wallet), Decimal(0), ()
            match wanted.tool:
                case ActTool.STOP:
                    mode = StopMode.CLOSE if wanted.closes else StopMode.LEAVE
                    command = StopRun(run_id=run_id, mode=mode)
                    plan = agent_plans.stop_plan(session, run, money, closes=wanted.closes)
                case ActTool.RESUME:
                    command = ResumeEntries(run_id=run_id)
                    plan = agent_plans.resume_plan(session, run, money)
                    notional = agent_plans.notional_of(run.settings)
                case _:
                    command = PauseEntries(run_id=run_id)
        now_ms = self._clock.now_ms()
        return agents.add_act(
            session,
            caller,
            wanted.tool,
            arguments_json=wanted.arguments_json,
            command=command,
            run_id=run_id,
            name=name,
            wallet=wallet,
            money=money,
            closes=wanted.closes,
            notional=notional,
            bound=bound if wanted.tool.takes_two_steps else None,
            plan=plan,
            token=token,
            now_ms=now_ms,
            expires_at_ms=now_ms + PLAN_MS,
        )

    def _outcome(self, session: "Session", act: Act | None, caller: Caller, wanted: Wanted) -> Outcome | None:
        """Return what a second step answers without doing anything; None: it is to be done now."""
        from firstwatch.store import agents

        if act is None:
            return _refused("there is no such token; call without a token for a plan, and use that one")
        if problem := _mismatch(act, caller, wanted):
            return _refused(problem)
        if act.command_id is not None:
            return self._outcome_of(act.command_id, act, session)
        now_ms = self._clock.now_ms()
        ask = agents.ask_of_act(session, act.id, now_ms=now_ms)
        if ask is None:
            if now_ms < act.expires_at_ms:
                return None
            return Outcome(ActStatus.EXPIRED, "the token has run out; call without a token for a new plan")
        match ask.state:
            case AskState.WAITING:
                sentence = "the operator has not answered yet; call again with the same token"
                return Outcome(ActStatus.WAITING, sentence, ask.id)
            case AskState.EXPIRED:
                sentence = f"the operator has not answered within {ASK_MS // 1000} s, which is a no"
                return Outcome(ActStatus.EXPIRED, sentence, ask.id)
            case _:
                return Outcome(ActStatus.REFUSED, ask.sentence, ask.id)

    def _begin(self, session: "Session", act: Act) -> Outcome:
        """Write the command of an act, or ask the operator."""
        from firstwatch.engine.agent_check import act_problem, confirm_of
        from firstwatch.store import agents

        now_ms = self._clock.now_ms()
        if problem := act_problem(session, act, now_ms=now_ms):
            return _refused(problem)
        if confirm_of(self._settings.agents, act.money) is Confirm.OPERATOR:
            ask = agents.add_ask(session, act.id, now_ms=now_ms, expires_at_ms=now_ms + ASK_MS)
            return Outcome(ActStatus.WAITING, "", ask.id)
        try:
            self._submit(session, act, Author.AGENT)
        except RefusedError as error:
            return _refused(str(error))
        return Outcome(ActStatus.WAITING, "")

    def _submit(self, session: "Session", act: Act, author: Author, confirmed_name: str | None = None) -> int:
        """Write the command of an act, once."""
        from firstwatch.store import agents
        from firstwatch.store.commands import submit_command

        engine = self._engine()
        if not engine.takes_commands:
            raise RefusedError(f"No engine is running to accept commands: {engine.sentence}")
        command = act.command
        assert command is not None
        if isinstance(command, StartRun) and confirmed_name is not None:
            settings = command.settings.model_copy(update={"confirmed_name": confirmed_name})
            command = command.model_copy(update={"settings": settings})
        number = submit_command(session, command, author=author, now_ms=self._clock.now_ms(), act_id=act.id)
        agents.set_command_of_act(session, act.id, number)
        return number

    def _awaited(self, caller: Caller, wanted: Wanted, token: str, wait_s: float) -> Outcome:
        """Wait until an act has an outcome, and return it as it is then."""
        from firstwatch.store import agents

        deadline_s = time.monotonic() + wait_s
        while True:
            with self._store().read() as session:
                act = agents.find_act(session, token)
                found = self._outcome(session, act, caller, wanted)
            if found is not None and (
                found.status is not ActStatus.WAITING or time.monotonic() >= deadline_s
            ):
                return found
            time.sleep(_LOOK_S)

    def _outcome_of(self, number: int, act: Act, session: "Session | None" = None) -> Outcome:
        from firstwatch.store import agents
        from firstwatch.store.commands import get_command

        if session is None:
            with self._store().read() as own:
                return self._outcome_of(number, act, own)
        ask = agents.ask_of_act(session, act.id, now_ms=self._clock.now_ms())
        ask_id = None if ask is None else ask.id
        try:
            stored: StoredCommand | None = get_command(session, number)
        except WrongUseError:
            stored = None
        if stored is None or stored.act_id != act.id:
            sentence = (
                "it was sent to the engine long ago, and how it ended is no longer kept; look at the run"
            )
            return Outcome(ActStatus.DONE, sentence, ask_id)
        if not stored.is_finished:
            sentence = "the engine has not answered yet; call again with the same token"
            return Outcome(ActStatus.WAITING, sentence, ask_id)
        return Outcome(_OUTCOMES[stored.outcome], stored.sentence, ask_id, is_of_engine=True)

    def _previewed(self, caller: Caller, launch: LaunchSettings) -> LaunchPreview:
        """Let the engine check a launch.

        Raises:
            RefusedError: it cannot start, or only with an operator's written reason.
        """
        from firstwatch.store.algorithms import get_version
        from firstwatch.store.backtests import latest_backtest
        from firstwatch.store.commands import get_command, submit_command

        if launch.capital > caller.max_capital:
            raise RefusedError(
                f"{caller.name} may start a run with {caller.max_capital:,f} of capital at most;"
                " the operator sets that with --max-capital"
            )
        with self._store().read() as session:
            version = get_version(session, launch.algorithm, launch.version)
            if latest_backtest(session, version.id, launch.symbol) is None:
                raise RefusedError(
                    f"{_data(version.label)} has no baseline on {_data(launch.symbol)}: an agent starts only"
                    " what was tested; run_backtest tests it, and the operator makes its baseline"
                )
        engine = self._engine()
        if not engine.takes_commands:
            raise RefusedError(f"No engine is running to check the launch: {engine.sentence}")
        with self._store().write() as session:
            command = PreviewLaunch(settings=launch)
            number = submit_command(session, command, author=Author.AGENT, now_ms=self._clock.now_ms())
        deadline_s = time.monotonic() + _PREVIEW_S
        while True:
            with self._store().read() as session:
                stored = get_command(session, number)
            if stored.is_finished:
                break
            if time.monotonic() >= deadline_s:
                raise RefusedError("the engine has not checked the launch in time; try again")
            time.sleep(_LOOK_S)
        if stored.outcome is not CommandOutcome.DONE or stored.result_json is None:
            raise RefusedError(f"the engine could not check it: {_data(stored.sentence)}")
        preview = LaunchPreview.model_validate_json(stored.result_json)
        if preview.refused_by:
            reasons = (f"{_data(check.found)} ({_data(check.remedy)})" for check in preview.reasons)
            raise RefusedError(f"the engine refuses it: {'; '.join(reasons)}")
        if preview.warnings:
            found = "; ".join(dict.fromkeys(_data(check.found) for check in preview.warnings))
            raise RefusedError(f"only an operator can start this, with a written reason: {found}")
        return preview

    def _active_run(self, session: "Session", run_id: str) -> "Run":
        from firstwatch.store.runs import get_run

        run = get_run(session, run_id)
        if run.state.is_final:
            raise RefusedError(f"run {run.id} has ended already: it is {run.state}")
        return run

    def _money(self, session: "Session", wallet: str) -> MoneyKind:
        from firstwatch.store.wallets import get_wallet

        found = get_wallet(session, wallet)
        return self._settings.money_of(found.venue, found.kind)


def _data(text: str) -> str:
    """Return what a venue or an operator may have written, in quotes."""
    return quoted(without_markup(text, _LONGEST_DATA), _LONGEST_DATA)


def _refused(sentence: str) -> Outcome:
    return Outcome(ActStatus.REFUSED, sentence)


def _mismatch(act: Act, caller: Caller, wanted: Wanted) -> str:
    """Return why a token does not belong to a call; empty: it does."""
    if act.caller.name != caller.name or act.caller.access_token_id != caller.access_token_id:
        return "the token was given to another agent"
    if act.tool is not wanted.tool:
        return f"the token is for {act.tool}, not for {wanted.tool}"
    if act.run_id != wanted.run_id and wanted.launch is None:
        return f"the token is for run {act.run_id}, not for run {wanted.run_id}"
    if act.arguments_json != wanted.arguments_json:
        return "the token is for other arguments; call without a token for a new plan"
    return ""


def _ask_view(ask: Ask, act: Act) -> AskView:
    return AskView(
        ask_id=ask.id,
        agent=act.caller.name,
        act=act_words(act),
        run_id=None if isinstance(act.command, StartRun) else act.run_id,
        wallet=act.wallet or "",
        money=act.money,
        plan=act.plan,
        created_ms=ask.created_at_ms,
        expires_ms=ask.expires_at_ms,
        name_to_type=_name_to_type(act),
    )


def act_words(act: Act) -> str:
    """Return what an agent wants done, in a few words."""
    match act.command:
        case StartRun(settings=settings):
            return f"start {settings.name} on {settings.symbol} with {settings.capital:,f}"
        case StopRun(mode=StopMode.CLOSE):
            return f"stop {act.name} and close its position"
        case StopRun():
            return f"stop {act.name}"
        case _:
            return f"{act.tool.replace('_', ' ')} of {act.name}"


def _name_to_type(act: Act) -> str:
    """Return the name that the operator types to say yes: only where the money is real."""
    return act.name if act.money is MoneyKind.LIVE else ""


def _hash_of_code(ask_id: int, code: str) -> str:
    return hash_of(f"{ask_id}/{code}")


def _code_problem(ask: Ask, code: str) -> str:
    if ask.code_hash is None:
        return "open the question on the screen (!) for its code: nothing else shows it"
    if not secrets.compare_digest(_hash_of_code(ask.id, code), ask.code_hash):
        return "that is not the code that the screen shows"
    return ""
