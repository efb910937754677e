"""The box that says why: its three lines from the store, and on the screen."""

from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.manager.run_views import WhyView
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.runs import Exposure, Health, Protection
from firstwatch.tui.panes.why import WhyBox, rows_of, state_line, why_lines
from tests.ui import scenes
from tests.ui.stage import stage

STATE = "RUNNING · long .0256 · entries on · equity 5,089.55 (+1.79 %)"
LAST = "01-01 07:00 enter long 96,204.25: rsi(14) 28.614 is below 30; filled 2.0 bps worse than decided"
NEXT = "exit when rsi(14) > 70: 61.38, -8.62 away · stop 92,155.58 (+5.16 %)"


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """The snapshots of a busy day with each of its runs chosen."""
    home = tmp_path_factory.mktemp("why") / "home"
    scenes.with_alarm(home)
    manager = RunManager(scenes.settings_of(home), clock=ManualClock(scenes.NOW_MS), hosts_engine=False)
    manager.open()
    found = {}
    with closing(manager):
        for run_id in (scenes.LIVE, scenes.DONE, scenes.FAILED):
            manager.select(run_id)
            found[run_id] = manager.snapshot()
    return found


def test_the_lines_of_a_running_run(snapshots):
    state, last, next_ = why_lines(snapshots[scenes.LIVE], scenes.LIVE)
    assert state == STATE
    assert last == f"last  {LAST}"
    assert next_ == f"next  {NEXT} · target 105,824.67 (-8.42 %)"


def test_an_ended_run_has_no_next(snapshots):
    state, last, next_ = why_lines(snapshots[scenes.DONE], scenes.DONE)
    assert state.startswith("STOPPED · equity ")
    assert last.startswith("last  ")
    assert next_.startswith("next  nothing: the run has ended.")
    state, _, _ = why_lines(snapshots[scenes.FAILED], scenes.FAILED)
    assert "left at the venue: " in state


def test_without_a_run_or_its_details_nothing_is_made_up(snapshots):
    snapshot = snapshots[scenes.LIVE]
    assert why_lines(snapshot, None) == ("choose a run", "", "")
    assert why_lines(snapshot, scenes.DONE)[1:] == ("last  …", "next  …")


def of_live(snapshots, **why):
    snapshot = snapshots[scenes.LIVE]
    details = replace(snapshot.selected, why=WhyView(**why))
    return why_lines(replace(snapshot, selected=details), scenes.LIVE)


def test_what_holds_back_comes_first_and_what_was_dropped_follows(snapshots):
    entry = "long entry when close > open: 1 / 2, -50.00 % away"
    waits, dropped = ("cooldown: 1 more bar",), "enter long not carried out: late"
    _, last, next_ = of_live(snapshots, dropped=dropped, waits=waits, next=(entry,))
    assert last == f"last  {dropped}"
    assert next_ == f"next  cooldown: 1 more bar · {entry}"
    _, last, next_ = of_live(snapshots, last_ms=scenes.NOW_MS, last="exit long 1", dropped="enter long not")
    assert last == "last  01-01 11:04 exit long 1. Then enter long not"
    assert next_ == "next  not known before the next close"


def test_what_cannot_be_read_is_unknown(snapshots):
    _, last, next_ = of_live(snapshots, problem="journal row 3 cannot be read")
    assert (last, next_) == ("last  ? journal row 3 cannot be read", "next  ?")


def test_the_most_serious_word_of_the_state_comes_first(snapshots):
    run = snapshots[scenes.LIVE].run(scenes.LIVE)
    bad = replace(
        run, paused=True, pause_reason="operator", health=Health.STALE, protection=Protection.UNPROTECTED
    )
    assert state_line(bad).startswith(
        "NO STOP · STALE · PAUSED: operator · RUNNING · long .0256 · no entries · equity"
    )
    unknown = replace(run, exposure=Exposure.UNKNOWN, equity=None, capital=Decimal(0))
    assert state_line(unknown) == "RUNNING · unknown · entries on · equity ?"


@pytest.mark.parametrize("size", [(120, 40), (200, 60)])
async def test_the_box_stands_below_the_list_where_panes_stand_side_by_side(tmp_path, size):
    scenes.busy_day(tmp_path / "home")
    async with stage(tmp_path / "home", size=size) as staged:
        await staged.ready()
        await staged.until(lambda: "rsi(14) 28.614" in staged.text(), "the last decision")
        box = staged.app.run_screen.query_one(WhyBox)
        assert box.region.height == 6
        shown = box.render().plain.split("\n")
        assert max(map(len, shown)) <= box.content_size.width
        assert len(shown) <= 5
        said = " ".join(" ".join(shown).split())
        assert said.startswith(STATE)
        assert f"last {LAST} next exit when rsi(14) > 70" in said


async def test_on_a_small_screen_the_box_about_the_run_says_it(tmp_path):
    scenes.busy_day(tmp_path / "home")
    async with stage(tmp_path / "home", size=(80, 24)) as staged:
        await staged.ready()
        await staged.until(lambda: "last  01-01 07:00 enter long 96,204.25" in staged.text(), "its decision")
        assert "next  exit when rsi(14) > 70: 61.38, -8.62 away" in staged.text()
        assert not staged.app.run_screen.query_one(WhyBox).display


def test_rows_end_in_a_sign_where_they_are_cut():
    assert rows_of("a short line", 40, 2) == ["a short line"]
    assert rows_of("one two three four five six", 9, 2) == ["one two", "three …"]
    assert rows_of("", 9, 2) == []
