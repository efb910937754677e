"""Making a baseline from the launch form: one key, a bar, a result; cancelled with another."""

from decimal import Decimal

from firstwatch.engine.jobs.baseline import BaselineRequest
from firstwatch.engine.jobs.locks import JobLock
from firstwatch.store import jobs
from firstwatch.store.backtests import list_backtests
from firstwatch.store.database import open_store
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.launch import LaunchSettings
from firstwatch.tui.launch_form.draft import LaunchDraft
from firstwatch.tui.modals.prompt import PromptDialog
from tests.engine.jobs.processes import job_process
from tests.ui import scenes
from tests.ui.stage import stage

SMALL = (80, 24)
FILLED = LaunchDraft(algorithm="RSI reversion@1", wallet="demo", symbol=scenes.SYMBOL, capital="500")
TITLE = f"RSI reversion@1 on {scenes.SYMBOL}"
REQUEST = BaselineRequest(
    launch=LaunchSettings(
        algorithm="RSI reversion", version=1, wallet="demo", symbol=scenes.SYMBOL, capital=Decimal(500)
    )
)
A_PROCESS = 2_400
"""Looks of 25 ms: Python starts, a market is invented."""


def baselines(home):
    store = open_store(home, read_only=True)
    try:
        with store.read() as session:
            return list_backtests(session, 1)
    finally:
        store.close()


async def test_a_key_makes_the_baseline_of_the_form(home, clock, snap_step):
    scenes.first_steps(home)
    async with stage(home, size=SMALL, clock=clock) as on:
        await on.ready()
        await on.press("n")
        on.app.draft = FILLED
        await on.press("b")
        await on.until(lambda: isinstance(on.app.screen, PromptDialog), "the question")
        await snap_step(on, "asked")
        await on.press("enter")
        await on.until(lambda: on.app.snapshot.making is not None, "a baseline", looks=A_PROCESS)
        await on.until(lambda: on.app.snapshot.making.state.is_over, "its end", looks=A_PROCESS)
        assert on.app.snapshot.making.title == TITLE
        await on.until(lambda: any("184 days" in toast for toast in on.toasts()), "its result")
    (found,) = baselines(home)
    assert '"500"' in found.settings_json
    assert found.candles


async def test_how_far_it_is_stands_in_the_form(home, clock, snap_step):
    scenes.first_steps(home)
    store = open_store(home)
    with store.write() as session:
        text = REQUEST.model_dump_json()
        number = jobs.add_job(session, JobKind.BASELINE, TITLE, text, now_ms=scenes.NOW_MS)
        lock = JobLock.take(home, number)
        jobs.begin_job(session, number, now_ms=scenes.NOW_MS)
        jobs.set_progress(session, number, 0.4, "backtest of 5,416 bars", is_first=True)
    async with stage(home, size=SMALL, clock=clock) as on:
        await on.ready()
        await on.press("n")
        on.app.draft = FILLED
        await on.until(lambda: "BASELINE" in on.text(), "the bar")
        await snap_step(on, "making")
        # One at a time.
        await on.press("b")
        assert any("being made" in toast for toast in on.toasts())
        with store.write() as session:
            jobs.finish_job(session, number, JobState.DONE, "saved", now_ms=scenes.NOW_MS)
        lock.release()
        await on.until(lambda: "BASELINE" not in on.text(), "the bar is gone")
        await on.until(lambda: "saved" in on.toasts(), "its result")
    store.close()


async def test_another_key_cancels_it(home, clock):
    scenes.first_steps(home)
    with job_process(home, "baseline", REQUEST) as job:
        job.wait_for_work()
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("n")
            await on.until(lambda: "BASELINE" in on.text(), "the bar")
            await on.press("B")
            # Before the process's own end, which takes it longer than this is on the screen.
            await on.until(
                lambda: any("was cancelled" in toast for toast in on.toasts()), "its end", looks=A_PROCESS
            )
            await on.until(lambda: job.process.poll() is not None, "the process ends", looks=A_PROCESS)
    assert baselines(home) == []


async def test_a_form_with_a_gap_has_no_baseline(home, clock):
    scenes.first_steps(home)
    async with stage(home, size=SMALL, clock=clock) as on:
        await on.ready()
        await on.press("n")
        on.app.draft = FILLED.with_value("capital", "")
        await on.press("b")
        assert any("Capital" in toast for toast in on.toasts())
        assert not isinstance(on.app.screen, PromptDialog)
