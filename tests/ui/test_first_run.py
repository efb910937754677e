"""The way to the first run: its steps, and how far the operator has come."""

from dataclasses import replace

from firstwatch.manager.snapshot import empty_snapshot
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.verdicts import DAY_MS
from firstwatch.tui import first_run
from firstwatch.tui.keymap import make_keymap
from firstwatch.tui.modals.confirm import MessageDialog
from tests.ui import working_day
from tests.ui.stage import stage

KEYS = make_keymap({}).named


def done(snapshot) -> list[bool]:
    return [step.is_done for step in first_run.steps(snapshot, KEYS)]


def test_in_an_empty_folder_nothing_is_done_and_the_first_step_is_next():
    shown = first_run.lines(empty_snapshot(0), KEYS)
    assert not any(done(empty_snapshot(0)))
    assert [line for line in shown if line.startswith("→")] == ["→ 1. An algorithm"]


async def test_a_working_day_has_come_to_real_money(home, clock):
    working_day.working_day(home)
    settings = working_day.settings_of(home)
    async with stage(home, clock=clock, settings=settings) as on:
        await on.ready()
        snapshot = on.app.snapshot
        # Its versions have no test.
        assert done(snapshot) == [True, False, *[True] * 5]
        tested = replace(snapshot.algorithms[0], baseline="BTC/USDC:USDC, 184 days")
        assert all(done(replace(snapshot, algorithms=(tested,))))
        without = replace(snapshot, runs=tuple(run for run in snapshot.runs if run.money is MoneyKind.PAPER))
        assert done(without)[-2:] == [False, False]
        assert "→ 2. Its backtest" in first_run.lines(without, KEYS)
        # Of the first 24 hours, a minute is not enough; a market may be faster than the clock.
        (first,) = snapshot.runs[:1]
        for run, is_a_day in (
            (replace(first, started_ms=None), False),
            (replace(first, started_ms=snapshot.time_ms - 60_000, ended_ms=None), False),
            (replace(first, started_ms=0, ended_ms=DAY_MS - 1), False),
            (replace(first, started_ms=0, ended_ms=DAY_MS), True),
            (replace(first, started_ms=0, ended_ms=DAY_MS // 60, market_speed=60.0), True),
        ):
            assert done(replace(snapshot, runs=(run,)))[4] is is_a_day


async def test_an_empty_folder_shows_the_way(home, clock):
    async with stage(home, clock=clock) as on:
        await on.until(lambda: on.app.snapshot.is_ready, "a snapshot")
        await on.until(lambda: "G shows the way to your first run" in on.text(), "the empty list")
        await on.press("G")
        assert isinstance(on.app.screen, MessageDialog)
        await on.until(lambda: "→ 1. An algorithm" in on.text(), "the steps")
