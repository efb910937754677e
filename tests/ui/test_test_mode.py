"""Test mode by keys: drafts, tests, results, and the way to the next version and back."""

import json
from decimal import Decimal

import pytest

from firstwatch.store import jobs
from firstwatch.store.algorithms import get_version
from firstwatch.store.database import open_store
from firstwatch.store.drafts import list_drafts
from firstwatch.store.wallets import get_wallet
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import StartRun, StopRun
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.runs import RunState, StopMode
from firstwatch.tui.layout import Mode
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.mode import ModeLine
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.settings import SettingsDialog
from firstwatch.tui.panes.pane import PaneId
from firstwatch.tui.widgets.field_form import FieldForm
from firstwatch.tui.widgets.status_lines import KeyLine
from tests.ui import bench_scene, scenes
from tests.ui.stage import NEW_RUN, Stage, stage

SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)
_LONG = 4_000
"""Looks for what other processes do."""


async def opened(on: Stage) -> None:
    """Go to Test mode and wait for its draft."""
    await on.go_to(Mode.TEST)
    await on.until(lambda: on.app.bench.draft is not None, "the draft")
    await on.until(lambda: "before a launch" in on.text() or "Test Result" in on.text(), "the mode")


async def go_to_field(on: Stage, key: str) -> None:
    """Put the cursor on a field of the tab that is shown."""
    form = next(each for each in on.app.mode_screen.query(FieldForm) if each.is_on_screen)
    for _ in range(30):
        if form.cursor_key == key:
            return
        await on.press("down")
    raise AssertionError(f"no field {key}\n{on.text()}")


async def change(on: Stage, key: str, removed: int, text: str) -> None:
    """Change a text in the draft by keys: remove its last signs, type others."""
    await go_to_field(on, key)
    await on.press("enter", *["backspace"] * removed)
    await on.type(text)
    await on.press("enter")


async def result(on: Stage, kind: JobKind) -> None:
    """Wait until the test under the cursor is done and shown."""

    def is_shown() -> bool:
        test = on.app.bench.chosen or on.app.bench.test(
            on.app.bench.shown[-1] if on.app.bench.shown else None
        )
        return test is not None and test.kind is kind and test.state.is_over

    await on.until(is_shown, f"the {kind}", looks=_LONG)
    test = on.app.bench.test(on.app.bench.shown[-1])
    assert test.state is JobState.DONE, test.sentence
    await on.until(lambda: test.key in on.app.bench.details, "what it has found", looks=_LONG)


def requests(on: Stage) -> list[tuple[JobKind, dict]]:
    """Return what was asked for, oldest first."""
    store = open_store(on.home, read_only=True)
    try:
        with store.read() as session:
            found = jobs.list_jobs(session, limit=50)
            return [(job.kind, json.loads(jobs.request_of_job(session, job.id))) for job in reversed(found)]
    finally:
        store.close()


# --- the way of a new version ------------------------------------------------------------------------


@pytest.mark.slow
async def test_from_a_changed_threshold_to_a_small_run_and_to_the_next_version(home):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=SystemClock(), hosts_engine=True, settings=settings) as on:
        await opened(on)
        # A threshold is changed in a draft.
        await on.press("]")
        await change(on, "entry.long.required[0]", 2, "35")
        await on.until(lambda: on.app.bench.draft.is_changed, "the draft")
        assert on.app.bench.draft.changes == ("entry.long.required[0]",)
        assert "1 change not saved: s" in on.text()
        # It is tested on six months.
        await on.press("b")
        await result(on, JobKind.BACKTEST)
        [(_, asked)] = requests(on)
        assert "rsi(14) < 35" in asked["spec_json"]
        assert asked["version_id"] is None
        assert "Profit factor" in on.text()
        assert "above 1.5" in on.text()
        # It is cross-validated.
        await on.press("v")
        await on.until(lambda: isinstance(on.app.screen, SettingsDialog), "the question")
        await on.press("y")
        await result(on, JobKind.CROSS_VALIDATION)
        assert requests(on)[1][1]["folds"] == 6
        await on.until(lambda: "At least 60 % of the folds" in on.text(), "the rule")
        # Two numbers are optimised.
        await on.press("o")
        await on.until(lambda: isinstance(on.app.screen, SettingsDialog), "the question")
        await on.press("y")
        assert "take at least one number" in on.text()
        await on.press("space", "down", "space")
        await on.press("end", "up", "enter")
        await on.type("16")
        await on.press("enter", "y")
        await result(on, JobKind.OPTIMISATION)
        kind, asked = requests(on)[2]
        assert (kind, asked["trials"], len(asked["parameters"])) == (JobKind.OPTIMISATION, 16, 2)
        await on.until(lambda: "BEST of 16 trials" in on.text(), "the winner")
        assert "hold-out, never searched" in on.text()
        # Its winner becomes the next version.
        await on.press("3", "w")
        await on.until(lambda: any("The winner is" in each for each in on.toasts()), "the winner as draft")
        await on.until(lambda: on.app.mode_screen.front is PaneId.DRAFT, "the draft is shown")
        await on.press("s")
        assert isinstance(on.app.screen, PromptDialog)
        await on.press("enter")
        await on.until(lambda: on.app.bench.draft.base == "RSI reversion@2", "version 2")
        # It starts small.
        await on.press("n")
        await on.until(lambda: on.app.is_launching, "the launcher")
        assert on.app.draft.capital == "2500"
        assert on.app.draft.algorithm == "RSI reversion@2"
        await on.until(lambda: "▌Wallet" in on.text(), "the field that is missing")
        await on.press("enter")
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the wallets")
        await on.press("enter")
        await on.until(lambda: on.app.draft.wallet == "w1", "the wallet")
        await on.until(lambda: on.app.next_step.needs_reason, "the checks", looks=_LONG)
        await on.press("g")
        await on.type("a small start")
        await on.press("enter", "y")
        await on.until(on.commands, "the start")
        start = on.commands()[0].command
        assert isinstance(start, StartRun)
        assert (start.settings.version, start.settings.capital) == (2, 2500)
        await on.until(
            lambda: (run := on.app.live.run(NEW_RUN)) and run.state is RunState.RUNNING,
            "it runs",
            looks=_LONG,
        )
        # It is stopped, compared, and tested again.
        await on.press("3", "s", "l")
        await on.until(lambda: len(on.commands()) == 2, "the stop")
        assert on.commands()[1].command == StopRun(run_id=NEW_RUN, mode=StopMode.LEAVE)
        await on.until(lambda: on.app.live.run(NEW_RUN).state.is_final, "it is over", looks=_LONG)
        await on.press("h", "[", "[")
        await on.until(lambda: "this run" in on.text() and "it has none" in on.text(), "the comparison")
        await on.press("b")
        await on.until(lambda: on.app.mode is Mode.TEST, "Test mode")
        await on.until(lambda: on.app.bench.draft.setup.parent_run_id == NEW_RUN, "the run's version")
        await result(on, JobKind.BACKTEST)
        assert on.app.bench.draft.setup.capital == "2500"
        # The next version is launched as its child, with a quarter of its capital.
        await change(on, "sizing.equity", 3, "0.25")
        await on.press("s", "enter")
        await on.until(lambda: on.app.bench.draft.base == "RSI reversion@3", "version 3")
        await on.press("n")
        await on.until(lambda: on.app.draft.algorithm == "RSI reversion@3", "the launcher")
        assert (on.app.draft.parent_run_id, on.app.draft.capital) == (NEW_RUN, "625")


CHILD = "c0ffee00c0ffee00"


async def test_a_run_stands_beside_its_parent_and_its_baseline(home, clock):
    scenes.busy_day(home)
    with scenes.written(home) as session:
        version = get_version(session, "RSI reversion")
        settings = LaunchSettings(
            algorithm="RSI reversion", version=1, wallet="swing", symbol=scenes.SYMBOL,
            capital=Decimal(200), leverage=Decimal(3), parent_run_id=scenes.DONE,
        )  # fmt: skip
        swing = get_wallet(session, "swing").id
        scenes.begin(session, CHILD, swing, version.id, settings, scenes.NOW_MS - scenes.HOUR_MS)
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await on.ready()
            on.app.choose_run(CHILD)
            await on.until(lambda: on.app.snapshot.selected.run_id == CHILD, "its details")
            await on.press("3", "[")
            await on.until(lambda: scenes.DONE[:8] in on.text(), "its parent")
            lines = [line.replace("│", " ").split() for line in on.text().splitlines()]
            rows = {" ".join(line[:1]): line for line in lines if line}
            assert rows["Leverage"][1] == "3"
            assert "same time" in on.text()
            assert "Realised" in rows
            # A run without a parent says so.
            on.app.choose_run(scenes.DONE)
            await on.until(lambda: "it has none" in on.text(), "no parent")


@pytest.mark.slow
async def test_a_test_is_cancelled_and_goes_on_by_keys(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=SystemClock(), settings=settings) as on:
        await opened(on)
        await on.press("o")
        await on.until(lambda: isinstance(on.app.screen, SettingsDialog), "the question")
        await on.press("space", "end", "up", "enter")
        await on.type("9999")
        await on.press("enter", "y")

        def state() -> JobState | None:
            return on.app.bench.tests[0].state if on.app.bench.tests else None

        await on.until(lambda: state() is JobState.RUNNING, "it works", looks=_LONG)
        await on.press("2", "x")
        await on.until(lambda: state() is JobState.CANCELLED, "it is cancelled", looks=_LONG)
        assert "It was cancelled" in on.text()
        await on.press("r")
        await on.until(lambda: state() is JobState.RUNNING, "it works again", looks=_LONG)
        await on.press("x")
        await on.until(lambda: state() is JobState.CANCELLED, "it is cancelled again", looks=_LONG)


# --- mistakes --------------------------------------------------------------------------------------


async def test_a_mistake_is_said_beside_its_text_and_nothing_is_tested(home, clock, snap_step):
    settings = bench_scene.make(home)
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        await opened(on)
        await on.press("]")
        await go_to_field(on, "entry.long.required[0]")
        await on.press("enter", *["backspace"] * 2)
        assert "column 10: a number" in on.text()
        await on.press("enter", "up")
        await on.until(lambda: on.app.bench.draft.problems, "the mistake")
        assert "✘ long entry, all of 1" in on.text()
        await snap_step(on, "mistake-80x24")
        for key in ("b", "v", "o", "u", "s", "n"):
            on.app.clear_notifications()
            await on.press(key)
            assert not on.app.is_covered
            assert any("column 10" in toast for toast in on.toasts()), key
        assert requests(on) == []
        assert list_of_drafts(on) == ["draft of RSI reversion@1"]
        await on.press("d", "y")
        await on.until(lambda: not on.app.bench.draft.is_changed, "the stored version")
        assert list_of_drafts(on) == []


async def test_a_draft_is_replaced_only_after_a_yes(home, clock):
    settings, place = bench_scene.make(home), "entry.long.required[0]"

    async def changed_version(on: Stage, text: str) -> None:
        """Open the version as it is stored, and change its threshold."""
        on.app.tests.ask_draft()
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the choices")
        await on.type("stored version 1")
        await on.press("enter")
        await on.until(lambda: on.app.bench.draft.hidden, "the version")
        await on.press(*["up"] * 9)
        await change(on, place, 2, text)
        await on.until(lambda: isinstance(on.app.screen, ConfirmDialog), "the question")

    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        await opened(on)
        await on.press("]")
        await change(on, place, 2, "35")
        await on.until(lambda: list_of_drafts(on), "the draft is kept")
        kept = on.app.bench.draft
        await changed_version(on, "40")
        await on.press("n")
        await on.until(lambda: not on.app.bench.draft.is_changed, "as it was")
        assert "rsi(14) < 30" in on.text()
        assert on.manager.tests.open(kept.name).sha256 == kept.sha256
        await changed_version(on, "40")
        await on.press("y")
        new = on.app.bench.draft
        assert new.is_changed
        await on.until(lambda: on.manager.tests.open(kept.name).sha256 == new.sha256, "replaced")


def list_of_drafts(on: Stage) -> list[str]:
    store = open_store(on.home, read_only=True)
    try:
        with store.read() as session:
            return [draft.name for draft in list_drafts(session)]
    finally:
        store.close()


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("setup.capital", "abc", "not a number"),
        ("setup.leverage", "0", "1 or more"),
        ("setup.slippage_bps", "-3", "basis points"),
        ("setup.limit_fills", "queue:7", "limit fills are"),
    ],
)
async def test_a_wrong_setting_is_not_taken(home, clock, field, text, said):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        await opened(on)
        before = on.app.bench.draft.setup
        await go_to_field(on, field)
        await on.press("enter")
        await on.type(text)
        await on.press("enter")
        assert said in on.text()
        assert on.app.is_editing
        await on.press("escape")
        assert on.app.bench.draft.setup == before


async def test_an_empty_period_and_an_unknown_market_are_refused_in_a_sentence(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        await opened(on)
        await go_to_field(on, "setup.period")
        await on.press("right", "right", "right", "right")
        await on.until(lambda: on.app.bench.draft.setup.period == "own", "own dates")
        for field, text in (("setup.begin", "2025-03-01"), ("setup.end", "2025-02-01")):
            await go_to_field(on, field)
            await on.press("enter")
            await on.type(text)
            await on.press("enter")
        await on.press("b")
        await on.until(lambda: any("The period is empty" in each for each in on.toasts()), "the refusal")
        await on.press(*["up"] * 12)
        await go_to_field(on, "setup.symbol")
        await on.press("enter")
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the markets")
        await on.type("ETH/USDC:USDC")
        await on.press("enter")
        await on.until(lambda: on.app.bench.draft.setup.symbol == "ETH/USDC:USDC", "the market")
        await on.press(*["up"] * 12)
        await go_to_field(on, "setup.period")
        await on.press("left")
        await on.press("b")
        await on.until(
            lambda: on.app.bench.tests and on.app.bench.tests[0].state.is_over, "the end", looks=_LONG
        )
        assert on.app.bench.tests[0].state is JobState.FAILED
        assert "no market ETH/USDC:USDC" in on.app.bench.tests[0].sentence


# --- the screen ------------------------------------------------------------------------------------


async def test_nothing_else_acts_while_the_mode_is_chosen(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.press("0", "s", "p", "n", "x", "1")
            assert isinstance(on.app.screen, ModeLine)
            await on.press("escape")
            assert on.app.mode is Mode.RUN
            assert on.commands() == []
            assert not on.app.is_launching


async def test_a_read_only_screen_looks_at_tests_and_begins_none(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings, is_read_only=True) as on:
        await opened(on)
        for key in ("b", "v", "o", "u", "s", "d"):
            on.app.clear_notifications()
            await on.press(key)
            assert not on.app.is_covered
            assert any("--read-only" in toast for toast in on.toasts()), key
        await on.press("]", "down", "enter")
        assert not on.app.is_editing
        assert requests(on) == []
        assert list_of_drafts(on) == []


async def test_without_an_algorithm_it_says_what_to_do(home, clock):
    settings = bench_scene.make(home, has_algorithm=False)
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        await on.until(lambda: on.app.snapshot.is_ready, "a snapshot")
        await on.press("0", "t")
        await on.until(lambda: "No algorithm is stored yet" in on.text(), "what to do")
        await on.press("b")
        assert any("There is no algorithm" in toast for toast in on.toasts())


async def test_panes_are_reached_and_maximised_by_their_numbers_and_modes_by_the_mouse(home, clock):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        await opened(on)
        screen = on.app.mode_screen
        for key, pane in (("2", PaneId.TESTS), ("3", PaneId.RESULT), ("1", PaneId.DRAFT)):
            await on.press(key)
            assert screen.front is pane
            await on.press(key)
            assert screen.is_maximised
            await on.press("escape")
            assert not screen.is_maximised
        offered = str(screen.query_one(KeyLine).render())
        assert "b Backtest" in offered
        await on.pilot.click(offset=(on.text().splitlines()[0].index(" Run ") + 1, 0))
        await on.until(lambda: on.app.mode is Mode.RUN, "Run mode")
        assert on.app.run_screen.front is PaneId.INFO


# --- pictures --------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_results_are_pictured_alone_and_side_by_side(home, clock, snap_step):
    settings = bench_scene.make(home)
    async with stage(home, size=MIDDLE, clock=clock, settings=settings) as on:
        await opened(on)
        await on.press("b")
        await result(on, JobKind.BACKTEST)
        on.app.clear_notifications()
        await on.until(lambda: "drawdown now" in on.text(), "the curve")
        await snap_step(on, "summary-120x40")
        await on.pilot.resize_terminal(*LARGE)
        await on.until(lambda: "drawdown now" in on.text(), "the curve")
        await snap_step(on, "summary-200x60")
        await on.pilot.resize_terminal(*SMALL)
        await on.press("3", "]", "]", "]", "]", "]")
        await on.until(lambda: "Jan" in on.text(), "the months")
        await snap_step(on, "months-80x24")
        await on.pilot.resize_terminal(*MIDDLE)
        await on.press("1", "]")
        await change(on, "entry.long.required[0]", 2, "35")
        await on.press("b")
        await on.until(lambda: len(on.app.bench.tests) == 2, "a second test", looks=_LONG)
        await result(on, JobKind.BACKTEST)
        await on.press("2", "down", "space", "up")
        await on.until(lambda: len(on.app.bench.seen) == 2, "both")
        on.app.clear_notifications()
        await on.until(lambda: "rsi(14) < 35" in on.text(), "what differs")
        await snap_step(on, "compare-120x40")
