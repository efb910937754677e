"""Jobs on the screen: the one at work in the head, all of them in a list, cancelled and resumed there."""

import pytest

from firstwatch.backtest.inputs import BacktestRequest
from firstwatch.engine.jobs.locks import JobLock
from firstwatch.store import jobs
from firstwatch.store.database import open_store
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.tui.modals.jobs import JobsDialog
from tests.engine.jobs.processes import job_process
from tests.ui import scenes
from tests.ui.stage import stage

SIZES = [(80, 24), (120, 40), (200, 60)]
A_PROCESS = 2_400
"""Looks of 25 ms: Python starts."""
REQUEST = BacktestRequest(
    algorithm="RSI reversion@1", spec_json="{}", candles="/nowhere/candles.csv", from_ms=1, to_ms=2
)


def some_jobs(home):
    """Store one job of each state; return the locks of those at work."""
    store = open_store(home)
    text, now_ms = REQUEST.model_dump_json(), scenes.NOW_MS
    with store.write() as session:
        titles = (
            "RSI reversion@1 on BTC/USDC:USDC",
            "RSI reversion@2 on BTC/USDC:USDC",
            "draft on ETH/USDC:USDC",
        )
        done, failed, cancelled = (
            jobs.add_job(session, JobKind.BACKTEST, title, text, now_ms=now_ms - 3_600_000)
            for title in titles
        )
        jobs.finish_job(session, done, JobState.DONE, "8,760 bars, 112 trades", now_ms=now_ms)
        why = "there are no candles of ETH/USDC:USDC in that period; they go from 2024-01-01 to 2024-06-01"
        jobs.finish_job(session, failed, JobState.FAILED, why, now_ms=now_ms)
        jobs.finish_job(session, cancelled, JobState.CANCELLED, "The job was cancelled.", now_ms=now_ms)
        running = jobs.add_job(session, JobKind.OPTIMISATION, titles[0], text, now_ms=now_ms - 700_000)
        jobs.begin_job(session, running, now_ms=now_ms - 600_000)
        jobs.set_progress(session, running, 0.0, "trial 1 of 200", is_first=True)
        jobs.set_progress(session, running, 0.4, "trial 81 of 200")
        waiting = jobs.add_job(session, JobKind.CROSS_VALIDATION, titles[1], text, now_ms=now_ms - 500_000)
    locks = [JobLock.take(home, number) for number in (running, waiting)]
    store.close()
    return [lock for lock in locks if lock is not None]


@pytest.mark.parametrize("size", SIZES)
async def test_jobs_are_listed_and_the_head_says_how_far_one_is(home, clock, snap_step, size):
    scenes.first_steps(home)
    locks = some_jobs(home)
    async with stage(home, size=size, clock=clock) as on:
        await on.ready()
        await on.until(lambda: "optimisation 40% (+1)" in on.text(), "the head")
        await on.press("J")
        await on.until(lambda: isinstance(on.app.screen, JobsDialog) and "cancelled" in on.text(), "the list")
        assert "15 min left" in on.text()
        if size[0] < 200:
            await snap_step(on, "listed")
        await on.press("down", "down", "down")
        await on.until(lambda: "no candles of" in on.text(), "why one has failed")
        if size == SIZES[0]:
            await snap_step(on, "failed")
    for lock in locks:
        lock.release()


async def test_a_job_is_cancelled_and_resumed_by_a_key(home, clock):
    scenes.first_steps(home)
    with job_process(home, "backtest", REQUEST) as job:
        job.wait_for_work()
        async with stage(home, size=SIZES[1], clock=clock) as on:
            await on.ready()
            await on.until(lambda: "backtest 25%" in on.text(), "the head")
            await on.press("J")
            await on.until(lambda: "x cancel" in on.text(), "the list")
            await on.press("x")
            await on.until(lambda: job.process.poll() is not None, "the process to end")
            await on.until(lambda: "r resume" in on.text(), "what can be done next")
            await on.until(
                lambda: any("was cancelled" in each.message for each in on.app.notices),
                "what became of it",
            )
            await on.press("r")
            await on.until(
                lambda: any("name is missing" in toast for toast in on.toasts()), "its end",
                looks=A_PROCESS,
            )  # fmt: skip
    store = open_store(home)
    with store.read() as session:
        assert jobs.get_job(session, job.number).state is JobState.FAILED
    store.close()


async def test_a_read_only_screen_only_lists_them(home, clock):
    scenes.first_steps(home)
    with job_process(home, "backtest", REQUEST) as job:
        job.wait_for_work()
        async with stage(home, size=SIZES[1], clock=clock, is_read_only=True) as on:
            await on.ready()
            await on.press("J")
            await on.until(lambda: "half-way" in on.text(), "the list")
            assert "x cancel" not in on.text()
            await on.press("x")
            await on.until(lambda: any("only" in toast for toast in on.toasts()), "the sentence")
        assert job.process.poll() is None


async def test_a_job_whose_process_was_killed_has_failed_on_the_screen(home, clock):
    scenes.first_steps(home)
    with job_process(home, "backtest", REQUEST) as job:
        job.wait_for_work()
        async with stage(home, size=SIZES[1], clock=clock) as on:
            await on.ready()
            await on.until(lambda: "backtest 25%" in on.text(), "the head")
            job.process.kill()
            await on.until(lambda: "backtest 25%" not in on.text(), "the head without it")
            await on.until(lambda: any("process has ended" in toast for toast in on.toasts()), "its end")
