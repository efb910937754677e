"""The tools that act: plans with a token, and what the token then does."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
from pydantic import ValidationError

from firstwatch.manager.agent_service import WAIT_S, Outcome, Plan, Wanted
from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.mcp import answers, arguments, results
from firstwatch.mcp.arguments import WrongArgumentsError
from firstwatch.mcp.backend import Backend, algorithm_of, run_of
from firstwatch.mcp.cleaning import sentence_of, text_of
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.agents import ActStatus, ActTool, Caller
from firstwatch.trading.clock import iso, parse_iso
from firstwatch.trading.jobs import BacktestJob
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.text import counted

_LOOK_S = 0.25
_PAUSE_S = 5.0
"""How long a pause waits for the engine's answer."""
_MOST_CHOICES = 20


async def pause_entries(backend: Backend, caller: Caller, asked: arguments.OfRun) -> results.Envelope[Any]:
    snapshot, run = await backend.read(partial(run_of, backend, asked.runId))
    outcome = await backend.act(partial(backend.manager.agents.pause, caller, run.run_id, wait_s=_PAUSE_S))
    return _about_run(_outcome_data(outcome), snapshot, run)


async def resume_entries(
    backend: Backend, caller: Caller, asked: arguments.ResumeEntries
) -> results.Envelope[Any]:
    snapshot, run = await backend.read(partial(run_of, backend, asked.runId))
    data = await _in_two_steps(backend, caller, Wanted(ActTool.RESUME, run.run_id), asked.token)
    return _about_run(data, snapshot, run)


async def stop_run(backend: Backend, caller: Caller, asked: arguments.StopAndLeave) -> results.Envelope[Any]:
    closes = isinstance(asked, arguments.StopRun) and asked.close
    found = await backend.read(partial(_run_to_stop, backend, asked))
    if isinstance(found, results.Envelope):
        return found
    snapshot, run = found
    wanted = Wanted(ActTool.STOP, run.run_id, closes=closes)
    return _about_run(await _in_two_steps(backend, caller, wanted, asked.token), snapshot, run)


async def start_run(backend: Backend, caller: Caller, asked: arguments.StartRun) -> results.Envelope[Any]:
    snapshot = await backend.read(backend.manager.snapshot)
    try:
        launch = LaunchSettings(
            algorithm=algorithm_of(snapshot, asked.algoId, asked.version),
            version=asked.version,
            wallet=asked.wallet,
            symbol=asked.symbol,
            capital=asked.capital,
            leverage=asked.leverage,
        )
    except ValidationError:
        raise WrongArgumentsError("capital and leverage of start_run should be ordinary numbers.") from None
    data = await _in_two_steps(backend, caller, Wanted(ActTool.START, launch=launch), asked.token)
    wallet = snapshot.wallet(asked.wallet)
    money = [] if wallet is None else [wallet.money]
    ages_s = [] if wallet is None else [answers.age_of(snapshot.time_ms, wallet.balance_ms)]
    return answers.envelope(data, snapshot.time_ms, money=money, ages_s=ages_s)


async def run_backtest(
    backend: Backend, caller: Caller, asked: arguments.RunBacktest
) -> results.Envelope[Any]:
    snapshot = await backend.read(backend.manager.snapshot)
    try:
        job = BacktestJob(
            algorithm=algorithm_of(snapshot, asked.algoId, asked.version),
            version=asked.version,
            symbol=asked.symbol,
            from_ms=parse_iso(asked.from_),
            to_ms=parse_iso(asked.to),
        )
    except ValidationError:
        raise WrongArgumentsError("from of run_backtest should be before to.") from None
    outcome = await backend.act(partial(backend.manager.agents.test_version, caller, job))
    data = results.JobOutcomeData(**_outcome_data(outcome).model_dump(), job=outcome.job_id)
    return answers.envelope(data, snapshot.time_ms, money=[MoneyKind.PAPER])


# --- parts ---------------------------------------------------------------------------------------


async def _in_two_steps(
    backend: Backend, caller: Caller, wanted: Wanted, token: str | None
) -> results.PlanData | results.OutcomeData:
    """Return a plan, or with its token the outcome, waited for up to ``WAIT_S``."""
    agents = backend.manager.agents
    if token is None:
        planned = backend.act if wanted.launch is None else backend.check_launch
        plan = await planned(partial(agents.plan, caller, wanted))
        return _plan_data(plan) if isinstance(plan, Plan) else _outcome_data(plan)
    confirm: Callable[[], Outcome] = partial(agents.confirm, caller, wanted, token, wait_s=0)
    # Looked at again and again, so that no thread is held by an agent whose operator does not answer.
    deadline_s = anyio.current_time() + WAIT_S
    first = outcome = await backend.act(confirm)
    while outcome.status is ActStatus.WAITING and anyio.current_time() < deadline_s:
        await anyio.sleep(_LOOK_S)
        outcome = await backend.act(confirm)
    return _outcome_data(replace(outcome, repeated=first.repeated))


def _run_to_stop(
    backend: Backend, asked: arguments.StopAndLeave
) -> tuple[ManagerSnapshot, RunView] | results.Envelope[Any]:
    """Return the run that is meant, or which could be."""
    if asked.runId is not None:
        return run_of(backend, asked.runId)
    planned = None if asked.token is None else backend.manager.agents.run_of_plan(asked.token)
    if planned is not None:
        return run_of(backend, planned)
    snapshot = backend.manager.snapshot()
    active = snapshot.active
    if len(active) == 1:
        return snapshot, active[0]
    data: results.Result
    if not active:
        data = results.NoneData(sentence="No run is active, so there is nothing to stop.")
        return answers.envelope(data, snapshot.time_ms)
    rows = [answers.run_row(run, snapshot.time_ms) for run in active[:_MOST_CHOICES]]
    data = results.ChoiceData(
        sentence=f"{counted(len(active), 'run')} are active; call again with the runId of the one to stop.",
        choose_from=rows,
    )
    return answers.envelope(
        data,
        snapshot.time_ms,
        money=[run.money for run in active],
        ages_s=[row.age_seconds for row in rows],
    )


def _about_run(data: results.Result, snapshot: ManagerSnapshot, run: RunView) -> results.Envelope[Any]:
    ages_s = [answers.age_of(snapshot.time_ms, run.live_ms)] if run.state.is_active else []
    return answers.envelope(data, snapshot.time_ms, money=[run.money], ages_s=ages_s)


def _plan_data(plan: Plan) -> results.PlanData:
    return results.PlanData(
        plan=list(plan.sentences),
        token=plan.token,
        expires_at=iso(plan.expires_ms),
        confirm=plan.confirm.value,
    )


def _outcome_data(outcome: Outcome) -> results.OutcomeData:
    if outcome.is_of_engine:
        sentence = f'The engine says: "{text_of(outcome.sentence)}"'
    else:
        sentence = sentence_of(outcome.sentence)
    return results.OutcomeData(
        status=outcome.status.value, sentence=sentence, ask=outcome.ask_id, repeated=outcome.repeated
    )
