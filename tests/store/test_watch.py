"""Rows of the first watch: what is locked stays, a report is read as it was written, damage stays apart."""

import sqlite3
from decimal import Decimal

import pytest

from firstwatch.store import equity, runs, watch
from firstwatch.store.database import Store
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.runs import Author, RunState
from firstwatch.trading.verdicts import DAY_MS, CheckName, Verdict
from firstwatch.trading.watch import Check, Identity, SinceStart, WatchReport
from tests.store.made import NOW_MS, made_run


def report(run_id: str, day: int = 1, verdict: Verdict = Verdict.WATCH) -> WatchReport:
    zero = Decimal(0)
    return WatchReport(
        run=run_id,
        mode="paper",
        day=day,
        hours=2.5,
        verdict=verdict,
        first_at=1_700_000_000_000,
        checks=(
            Check(name=CheckName.DRAWDOWN, verdict=verdict, band=(0.0, 0.02), n=3, sentence="as expected"),
        ),
        since_start=SinceStart(),
        identity=Identity(
            live_pnl=Decimal("1.50"), shadow_pnl=zero, missed=zero, extra=zero, entry=zero, exit=zero,
            exit_reason=zero, size=zero, fees=zero, funding=zero, residual=zero,
        ),
        next="nothing to do",
    )  # fmt: skip


def test_a_locked_recipe_stays_what_it_is(store: Store) -> None:
    with store.write() as session:
        run_id = made_run(session).id
        first = watch.lock_recipe(session, run_id, 1, "{}", "a", now_ms=1)
        again = watch.lock_recipe(session, run_id, 1, '{"seed": 2}', "b", now_ms=2)
        assert watch.tables_of(session, run_id, 1) is None
        watch.save_tables(session, run_id, 1, b"tables")
    assert again == first
    with store.read() as session:
        assert watch.tables_of(session, run_id, 1) == b"tables"
        assert watch.recipe_of(session, run_id, 2) is None


def test_a_report_is_read_as_it_was_written_and_the_newest_day_is_shown(store: Store) -> None:
    with store.write() as session:
        run_id = made_run(session).id
        watch.save_report(session, report(run_id), now_ms=1)
        watch.save_report(session, report(run_id, 2, Verdict.CONSISTENT), shadow_json="{}", now_ms=2)
        watch.save_lost(session, run_id, watch.TimeLost(5, None, "stale"))
        watch.save_lost(session, run_id, watch.TimeLost(5, 9, "stale"))
    with store.read() as session:
        assert [each.day for each in watch.reports_of(session, run_id)] == [1, 2]
        newest = watch.marks_of(session, run_id)[-1]
        assert watch.report_of(session, newest) == report(run_id, 2, Verdict.CONSISTENT)
        assert watch.shadow_of(session, run_id, 2) == "{}"
        assert watch.lost_of(session, run_id) == [watch.TimeLost(5, 9, "stale")]


def test_stale_data_is_one_stretch_that_ends_once(store: Store) -> None:
    with store.write() as session:
        run_id = made_run(session).id
        watch.note_stale(session, run_id, is_stale=False, time_ms=3)
        watch.note_stale(session, run_id, is_stale=True, time_ms=5)
        assert watch.lost_of(session, run_id) == [watch.TimeLost(5, None, watch.STALE)]
        watch.note_stale(session, run_id, is_stale=False, time_ms=9)
        watch.note_stale(session, run_id, is_stale=False, time_ms=12)
        # An engine that died meanwhile has left the stretch open.
        watch.note_stale(session, run_id, is_stale=True, time_ms=20)
        watch.note_stale(session, run_id, is_stale=True, time_ms=30)
        watch.save_lost(session, run_id, watch.TimeLost(40, None, watch.DOWN))
        watch.note_stale(session, run_id, is_stale=False, time_ms=50)
    with store.read() as session:
        assert watch.lost_of(session, run_id) == [
            watch.TimeLost(5, 9, watch.STALE),
            watch.TimeLost(20, 30, watch.STALE),
            watch.TimeLost(30, 50, watch.STALE),
            watch.TimeLost(40, None, watch.DOWN),
        ]


def test_runs_are_watched_while_they_are_active_and_once_after_their_end(store: Store) -> None:
    with store.write() as session:
        active, ended, never = (made_run(session, number).id for number in (1, 2, 3))
        for run_id, states in ((ended, (RunState.RUNNING, RunState.DONE)), (never, (RunState.CANCELLED,))):
            for state in states:
                runs.transition(
                    session, run_id, state, "a test", author=Author.SYSTEM, local_time_ms=NOW_MS + 10
                )
        now_ms = NOW_MS + 20
        assert watch.runs_to_watch(session, now_ms=now_ms) == [active, ended]
        watch.save_report(session, report(ended), now_ms=NOW_MS + 5)
        assert watch.runs_to_watch(session, now_ms=now_ms) == [active, ended]
        assert watch.runs_to_watch(session, now_ms=now_ms + DAY_MS) == [active]
        watch.save_report(session, report(ended), now_ms=now_ms)
        assert watch.runs_to_watch(session, now_ms=now_ms) == [active]


def test_whatever_a_run_does_changes_its_progress(store: Store) -> None:
    with store.write() as session:
        run_id = made_run(session).id
        seen = [watch.progress_of(session, [run_id, "none"])]
        runs.transition(session, run_id, RunState.RUNNING, "", author=Author.SYSTEM, local_time_ms=NOW_MS)
        seen.append(watch.progress_of(session, [run_id]))
        equity.add_equity(session, run_id, [(60_000, 1_000.0)])
        seen.append(watch.progress_of(session, [run_id]))
    assert [each[run_id] for each in seen] == [
        watch.Progress(RunState.NEW, 1, 0),
        watch.Progress(RunState.RUNNING, 2, 0),
        watch.Progress(RunState.RUNNING, 2, 60_000),
    ]
    assert list(seen[0]) == [run_id]


def test_the_json_of_a_report_has_times_as_iso_and_money_as_text() -> None:
    document = report("ab" * 8).model_dump(mode="json")
    assert document["first_at"] == "2023-11-14T22:13:20Z"
    assert document["identity"]["live_pnl"] == "1.5"
    assert document["verdict"] == "WATCH"
    assert document["checks"][0]["name"] == "drawdown"
    assert document["checks"][0]["p_adjusted"] is None


def test_a_report_with_a_figure_that_is_none_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="finite"):
        Check(name=CheckName.DRAWDOWN, verdict=Verdict.WATCH, observed=float("nan"), sentence="")


def test_a_damaged_report_hides_no_other(store: Store) -> None:
    with store.write() as session:
        first, second = (made_run(session, number).id for number in (1, 2))
        for run_id in (first, second):
            watch.save_report(session, report(run_id), now_ms=1)
    with sqlite3.connect(store.path) as database:
        database.execute("UPDATE watch_report SET report_json = '{' WHERE run_id = ?", (first,))
    with store.read() as session:
        assert watch.reports_of(session, second) == [report(second)]
        with pytest.raises(DamagedRowError, match=first):
            watch.reports_of(session, first)
