"""Making a baseline from the launch form: one key, a bar, a result; cancelled with another."""

import os
import subprocess
import sys

from firstwatch.engine.baselines.making import Making, MakingState, read_making, sole_maker, write_making
from firstwatch.store.backtests import list_backtests
from firstwatch.store.database import open_store
from firstwatch.tui.launch_form.draft import LaunchDraft
from firstwatch.tui.modals.prompt import PromptDialog
from tests.ui import scenes
from tests.ui.stage import stage

SMALL = (80, 24)
FILLED = LaunchDraft(algorithm="RSI reversion@1", wallet="demo", symbol=scenes.SYMBOL, capital="500")
A_PROCESS = 2_400
"""Looks of 25 ms: Python starts, a market is invented."""


def being_made(share, **changed):
    return Making(
        pid=os.getpid(), algorithm="RSI reversion@1", symbol=scenes.SYMBOL, state=MakingState.RUNNING,
        share=share, sentence="backtest of 5,416 bars", started_ms=scenes.NOW_MS,
    ).model_copy(update=changed)  # fmt: skip


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
        snap_step(on, "asked")
        await on.press("enter")
        await on.until(lambda: on.app.snapshot.making is not None, "a baseline", looks=A_PROCESS)
        await on.until(
            lambda: not on.app.snapshot.making.is_running, f"its end: {read_making(home)}", looks=A_PROCESS
        )
        await on.until(lambda: any("184 days" in toast for toast in on.toasts()), "its result")
    (found,) = baselines(home)
    assert '"500"' in found.settings_json
    assert found.candles


async def test_how_far_it_is_stands_in_the_form(home, clock, snap_step):
    scenes.first_steps(home)
    with sole_maker(home):
        write_making(home, being_made(0.4))
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("n")
            on.app.draft = FILLED
            await on.until(lambda: "BASELINE" in on.text(), "the bar")
            snap_step(on, "making")
            # One at a time.
            await on.press("b")
            assert any("being made" in toast for toast in on.toasts())
            write_making(home, being_made(1.0, state=MakingState.DONE, sentence="saved"))
            await on.until(lambda: "BASELINE" not in on.text(), "the bar is gone")
            assert "saved" in on.toasts()


async def test_another_key_cancels_it(home, clock):
    scenes.first_steps(home)
    held = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from firstwatch.engine.baselines.making import sole_maker\n"
        "with sole_maker(Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", held, str(home)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        write_making(home, being_made(0.4, pid=process.pid))
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            await on.press("n")
            await on.until(lambda: "BASELINE" in on.text(), "the bar")
            await on.press("B")
            await on.until(lambda: process.poll() is not None, "the process ends")
            await on.until(lambda: any("interrupted" in toast for toast in on.toasts()), "its end")
        assert baselines(home) == []
    finally:
        process.kill()
        process.wait()


async def test_a_form_with_a_gap_has_no_baseline(home, clock):
    scenes.first_steps(home)
    async with stage(home, size=SMALL, clock=clock) as on:
        await on.ready()
        await on.press("n")
        on.app.draft = FILLED.with_value("capital", "")
        await on.press("b")
        assert any("Capital" in toast for toast in on.toasts())
        assert not isinstance(on.app.screen, PromptDialog)
