"""The watch in a snapshot: the newest day of each active run, all days of the chosen one, read once."""

import sqlite3
from contextlib import closing

import pytest

from firstwatch.manager import watch_views
from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import WatchCount
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.runs import Health
from firstwatch.trading.verdicts import Verdict
from tests.ui import scenes, watches


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    watches.first_day(home)
    return home


@pytest.fixture
def manager(home):
    manager = RunManager(scenes.settings_of(home), clock=ManualClock(scenes.NOW_MS), hosts_engine=False)
    manager.open()
    yield manager
    manager.close()


@pytest.fixture
def reads(monkeypatch):
    """The runs whose reports are read, in their order."""
    found = []
    read = watch_views.watch.report_of

    def report_of(session, mark):
        found.append(mark.run_id)
        return read(session, mark)

    monkeypatch.setattr(watch_views.watch, "report_of", report_of)
    return found


def test_each_active_run_has_its_newest_day(manager, home):
    watches.save(home, *watches.days(watches.STEADY, 4))
    seen = {run.run_id: run.watch for run in manager.snapshot().active}
    assert (seen[watches.STEADY].day, seen[watches.STEADY].failing) == (4, ())
    found = watches.found_out(watches.FOUND)
    assert (seen[watches.FOUND].verdict, seen[watches.FOUND].hours) == (Verdict.DIVERGED, found.hours)
    assert seen[watches.FOUND].failing == found.failing != ()
    assert seen[watches.FOUND].is_calibrated


def test_the_chosen_run_has_all_its_days(manager, home):
    made = watches.days(watches.STEADY, 4)
    watches.save(home, *made)
    manager.select(watches.STEADY)
    assert [view.report for view in manager.snapshot().selected.days] == made


def test_only_reports_that_changed_are_read_again(manager, home, reads):
    manager.snapshot()
    assert sorted(reads) == sorted([watches.FOUND, watches.STEADY, watches.YOUNG, watches.DEAR])
    reads.clear()
    manager.snapshot()
    assert reads == []
    watches.save(home, watches.found_out(watches.YOUNG), made_ms=scenes.NOW_MS)
    assert manager.snapshot().run(watches.YOUNG).watch.verdict is Verdict.DIVERGED
    assert reads == [watches.YOUNG]


def test_a_run_that_has_ended_keeps_its_days_and_leaves_the_count(manager, home):
    assert manager.snapshot().watch_count == WatchCount(1, 4, pytest.approx(0.2))
    with scenes.written(home) as session:
        scenes.runs.transition(
            session, watches.FOUND, scenes.RunState.DONE, "over", author=scenes.Author.SYSTEM,
            local_time_ms=scenes.NOW_MS,
        )  # fmt: skip
    manager.select(watches.FOUND)
    snapshot = manager.snapshot()
    assert snapshot.watch_count == WatchCount(0, 3, pytest.approx(0.15))
    assert snapshot.run(watches.FOUND).watch is None
    assert [view.report.verdict for view in snapshot.selected.days] == [Verdict.DIVERGED]


def test_a_run_without_a_baseline_diverges_by_no_chance(manager, home):
    watches.save(home, watches.without_baseline(watches.YOUNG))
    assert manager.snapshot().watch_count.by_chance == pytest.approx(0.15)


@pytest.mark.parametrize("selected", [False, True])
@pytest.mark.parametrize(("column", "value"), [("report_json", "{"), ("made_at_ms", "soon")])
def test_a_damaged_report_is_said_of_its_run_and_hides_no_other(manager, home, column, value, selected):
    before = manager.snapshot()
    if selected:
        manager.select(watches.FOUND)
    with closing(sqlite3.connect(home / "firstwatch.db")) as raw, raw:
        raw.execute(f"UPDATE watch_report SET {column} = ?, day = 2 WHERE run_id = ?", (value, watches.FOUND))
    after = manager.snapshot()
    harmed = after.run(watches.FOUND)
    assert (harmed.health, harmed.watch) == (Health.UNKNOWN, None)
    assert "watch report" in harmed.sentence
    assert after.run(watches.STEADY) == before.run(watches.STEADY)
