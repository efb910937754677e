"""The whole watch over runs of the real engine on a paper replay, and what it says of bad input."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firstwatch.store import alarms, bars, commands, journal, orders, trades, watch
from firstwatch.store.database import Store, open_store
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.clock import ManualClock, SystemClock
from firstwatch.trading.commands import PauseEntries
from firstwatch.trading.events import AlarmRaised
from firstwatch.trading.launch import OnDiverged
from firstwatch.trading.runs import Author, RunState
from firstwatch.trading.verdicts import DAY_MS, DIVERGED, CheckName, Verdict
from firstwatch.trading.watch import SinceStart, WatchReport
from firstwatch.watch.joint import Tables
from firstwatch.watch.process import Watcher, write_looked
from firstwatch.watch.run_watch import Looked
from tests.engine.host import rig
from tests.store.made import made_run
from tests.watch.rig import (
    HOUR_MS,
    RUN,
    baseline_candles,
    engine,
    make_folder,
    opened,
    reports,
    run_to_end,
    save_run_baseline,
    watched,
)

JOINT = (CheckName.TRADE_FREQUENCY, CheckName.DRAWDOWN, CheckName.EXITS)


def verdicts(report: WatchReport) -> dict[CheckName, Verdict]:
    return {check.name: check.verdict for check in report.checks}


def test_a_run_that_does_what_its_backtest_did_is_not_found_out(folder: Path) -> None:
    make_folder(folder)
    with opened(folder) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        assert run_to_end(store, settings, launched).state is RunState.DONE
        with store.read() as session:
            recipe = watch.recipe_of(session, RUN, 1)
            first_order_ms = min(order.created_at_ms for order in orders.orders_of(session, RUN))
        assert recipe is not None
        assert recipe.locked_at_ms <= first_order_ms
        found = watched(store, settings)
        assert [report.day for report in found] == [1, 2, 3]
        for report in found:
            parity = report.check(CheckName.SIGNAL_PARITY)
            assert parity is not None
            assert (parity.verdict, report.mismatches) == (Verdict.CONSISTENT, ())
            assert report.verdict in (Verdict.CONSISTENT, Verdict.NOT_ENOUGH_DATA)
            assert report.fan is not None
            assert [check.name for check in report.checks] == list(CheckName)
            assert report.locked is not None
            assert len(report.hours_strip) == 24
        first, second, last = found
        assert first.locked is not None
        assert first.locked.hash == recipe.sha256
        assert (first.hours, second.hours, last.hours) == (24, 24, 12)
        assert last.identity is not None
        assert abs(last.identity.residual) <= launched.capital / 1_000_000
        trades = sum(cell.trades or 0 for report in found for cell in report.hours_strip)
        with store.read() as session:
            done = rig.result_of(store, RUN)["trades"]
            assert trades == len(done)
            assert not alarms.active_alarms(session, RUN)
            assert watch.runs_to_watch(session, now_ms=SystemClock().now_ms()) == []
        assert last.next_look_at is None


def test_what_is_said_does_not_depend_on_when_the_watch_looked(folder: Path) -> None:
    make_folder(folder, live_bars=40)
    with opened(folder) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        run_to_end(store, settings, launched)
        clock = ManualClock(SystemClock().now_ms() + 1_000)
        # A watch that is killed with a calibration half done leaves nothing half written.
        killed = Watcher(store, settings, clock)
        killed.turn()
        assert killed.is_busy
        with store.read() as session:
            assert watch.tables_of(session, RUN, 1) is None
            early = watch.reports_of(session, RUN)
        assert verdicts(early[0])[CheckName.DRAWDOWN] is Verdict.NOT_ENOUGH_DATA
        assert early[0].fan is None
        in_two_lives = watched(store, settings, clock)
        with store.write() as session:
            session.exec_driver_sql("DELETE FROM watch_report")
            session.exec_driver_sql("DELETE FROM watch_recipe WHERE day > 1")
            session.exec_driver_sql("UPDATE watch_recipe SET tables = NULL")
        assert watched(store, settings, clock) == in_two_lives
        assert len(in_two_lives) == 2


def test_what_all_days_say_together_waits_for_the_tables_of_each(folder: Path) -> None:
    make_folder(folder, live_bars=80)
    with opened(folder) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        run_to_end(store, settings, launched)
        said = watched(store, settings)
        assert [report.since_start.e_value is None for report in said] == [True, False, False, False]
        for late in (1, 2):
            with store.write() as session:
                session.exec_driver_sql("DELETE FROM watch_report")
                session.exec_driver_sql(f"UPDATE watch_recipe SET tables = NULL WHERE day = {late}")
            # The tables of the other days are there at once.
            assert watched(store, settings) == said


def test_without_a_baseline_each_check_says_what_helps(folder: Path) -> None:
    make_folder(folder, live_bars=30)
    with opened(folder) as (store, settings):
        run_to_end(store, settings, rig.launch())
        with store.read() as session:
            assert watch.recipe_of(session, RUN, 1) is None
        for report in watched(store, settings):
            assert report.locked is None
            assert report.fan is None
            assert report.verdict is Verdict.NOT_ENOUGH_DATA
            for name in JOINT:
                check = report.check(name)
                assert check is not None
                assert check.verdict is Verdict.NOT_ENOUGH_DATA
                assert "firstwatch backtest" in check.sentence
            assert verdicts(report)[CheckName.SIGNAL_PARITY] is Verdict.CONSISTENT


def test_a_baseline_that_is_too_short_is_said(folder: Path) -> None:
    make_folder(folder, live_bars=30)
    with opened(folder) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched, candles=baseline_candles(settings, 200))
        run_to_end(store, settings, launched)
        report = watched(store, settings)[0]
        check = report.check(CheckName.DRAWDOWN)
        assert check is not None
        assert "longer baseline" in check.sentence
        assert report.locked is not None


NEVER = rig.ACTIVE_TOML.replace("rsi(5) < 40", "rsi(5) < 0").replace("rsi(5) > 60", "rsi(5) > 100")


def test_a_baseline_without_trades_gives_no_green_light_and_no_nan(folder: Path) -> None:
    make_folder(folder, toml=NEVER, live_bars=30)
    with opened(folder) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched, toml=NEVER)
        run_to_end(store, settings, launched)
        for report in watched(store, settings):
            assert report.verdict is Verdict.NOT_ENOUGH_DATA
            assert "nan" not in report.model_dump_json().lower()


def test_a_run_of_three_bars_has_a_report(folder: Path) -> None:
    make_folder(folder, live_bars=3)
    with opened(folder) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        run_to_end(store, settings, launched)
        (report,) = watched(store, settings)
        assert report.hours == 3
        assert report.verdict is Verdict.NOT_ENOUGH_DATA
        assert verdicts(report)[CheckName.SIGNAL_PARITY] is Verdict.CONSISTENT


BUSY = """
name = "Active"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["rsi(3) < 50"]
[entry.short]
required = ["rsi(3) > 50"]
[exit.long]
required = ["rsi(3) > 50"]
[exit.short]
required = ["rsi(3) < 50"]
[stop_loss]
fraction = 0.35
[sizing]
equity = 0.2
"""
"""Trades every few hours, at market only: each of its fills costs what the venue's slippage is."""


def test_dear_fills_are_found_and_the_launch_may_pause_entries_for_it(folder: Path) -> None:
    make_folder(folder, live_bars=600, slippage_bps=25, speed=72_000, toml=BUSY)
    with opened(folder) as (store, settings):
        launched = rig.launch(on_diverged=OnDiverged.PAUSE_ENTRIES)
        save_run_baseline(store, settings, launched, toml=BUSY)
        watcher = Watcher(store, settings, SystemClock())
        with engine(store, settings):
            rig.start_run(store, RUN, launched)

            def is_paused() -> bool | None:
                watcher.turn()
                return rig.run_of(store, RUN).facts.paused or None

            rig.until(is_paused, "the run to be paused")
            assert rig.run_of(store, RUN).facts.pause_reason == DIVERGED
        found = next(report for report in reports(store) if report.verdict is Verdict.DIVERGED)
        fills = found.check(CheckName.FILL_PRICES)
        assert fills is not None
        assert (fills.verdict, fills.first_at) == (Verdict.DIVERGED, found.first_at)
        # On a busy machine a decision may come late, which is said, and is no defect.
        assert verdicts(found)[CheckName.SIGNAL_PARITY] is not Verdict.DIVERGED
        # A watch that starts anew finds the day diverged already: nothing is said or done twice.
        assert watched(store, settings)[found.day - 1].verdict is Verdict.DIVERGED
        with store.read() as session:
            paused = journal.events_of_kinds(session, RUN, {"entries_paused"})
            alarmed = journal.events_of_kinds(session, RUN, {"alarm_raised"})
            assert len(commands.pending_commands(session, 10)) == 0
        assert [entry.author for entry in paused] == [Author.SYSTEM]
        (raised,) = (entry.event for entry in alarmed)
        assert isinstance(raised, AlarmRaised)
        assert raised.topic == DIVERGED
        assert "fills cost" in raised.sentence


def test_days_that_diverge_together_are_one_alarm(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.write() as session:
        run_id = made_run(session).id
        together = SinceStart(e_value=23.4, verdict=Verdict.DIVERGED)
        write_looked(session, Looked(run_id, together=together), now_ms=1)
        write_looked(session, Looked(run_id), now_ms=2)
        (alarm,) = alarms.active_alarms(session, run_id)
    store.close()
    assert (alarm.topic, alarm.raised) == ("diverged since the start", 1)
    assert "e-value 23, alarm at 20" in alarm.sentence


def test_a_pause_by_the_operator_freezes_the_joint_checks_until_the_next_day(folder: Path) -> None:
    make_folder(folder, live_bars=400, speed=36_000)
    with opened(folder) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        with engine(store, settings):
            rig.start_run(store, RUN, launched)
            rig.until(lambda: _bars(store) > 8 or None, "some bars")
            rig.answered(store, rig.submit(store, PauseEntries(run_id=RUN)))
            at = _bars(store)
            rig.until(lambda: _bars(store) > at + 8 or None, "some bars in the pause")
        first = watched(store, settings)[0]
        for name in JOINT:
            check = first.check(name)
            assert check is not None
            assert "entries were paused at" in check.sentence
        assert first.fan is not None
        seen = [value is not None for value in first.fan.live]
        assert 0 < sum(seen) < len(seen)
        assert seen == sorted(seen, reverse=True)


def test_a_run_that_enters_at_once_is_watched_from_the_exit_of_that_trade_on(folder: Path) -> None:
    make_folder(folder, live_bars=60, toml=BUSY)
    with opened(folder) as (store, settings):
        launched = rig.launch(assume_position_now=True)
        save_run_baseline(store, settings, launched, toml=BUSY)
        run_to_end(store, settings, launched)
        first = watched(store, settings)[0]
        with store.read() as session:
            done = trades.trades_of(session, RUN)
            start_ms = bars.bars_of(session, RUN)[1].bar.time_ms
        assert done[0].entry_time_ms < start_ms + HOUR_MS
        begin_ms = done[0].exit_time_ms // HOUR_MS * HOUR_MS + HOUR_MS
        counted = [trade for trade in done if begin_ms <= trade.entry_time_ms < begin_ms + DAY_MS]
        assert sum(cell.trades or 0 for cell in first.hours_strip) == len(counted)
        assert first.fan is not None
        assert verdicts(first)[CheckName.SIGNAL_PARITY] is Verdict.CONSISTENT


def test_time_without_an_engine_is_lost_on_both_sides(folder: Path) -> None:
    make_folder(folder, live_bars=60, speed=14_400, while_down="continue")
    with opened(folder) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        with engine(store, settings):
            rig.start_run(store, RUN, launched)
            rig.until(lambda: _bars(store) > 6 or None, "some bars")
        at, begun_s = _bars(store), time.monotonic()
        rig.until(lambda: time.monotonic() - begun_s > 1.5 or None, "a few bars without an engine")
        with engine(store, settings):
            rig.until(lambda: _bars(store) > at + 8 or None, "bars after it")
        first = watched(store, settings)[0]
        with store.read() as session:
            (lost,) = watch.lost_of(session, RUN)
            packed = watch.tables_of(session, RUN, 1)
        assert lost.cause == watch.DOWN
        assert lost.to_ms is not None
        down = sum(cell.down_minutes for cell in first.hours_strip)
        assert down >= 180
        assert packed
        assert not Tables.unpack(packed).reference.is_open.all()
        assert first.fan is not None
        made = [value is not None for value in first.fan.live]
        assert made.count(True) > 0
        assert made != sorted(made, reverse=True)
        assert verdicts(first)[CheckName.SIGNAL_PARITY] is not Verdict.DIVERGED


def _bars(store: Store) -> int:
    with store.read() as session:
        return len(bars.bars_of(session, RUN))


@pytest.mark.parametrize("spoil", ["constant", "a month missing"])
def test_odd_candles_of_a_baseline_are_no_nan_and_no_false_alarm(folder: Path, spoil: str) -> None:
    make_folder(folder, live_bars=26)
    with opened(folder) as (store, settings):
        launched = rig.launch()
        candles = baseline_candles(settings)
        if spoil == "constant":
            flat = np.full(len(candles), 100.0)
            candles = replace(candles, open=flat, high=flat, low=flat, close=flat)
        else:
            kept = np.ones(len(candles), dtype=np.bool_)
            kept[300:1_020] = False
            candles = CandleArrays(
                *(
                    getattr(candles, name)[kept]
                    for name in ("time_ms", "open", "high", "low", "close", "volume")
                ),
                candles.timeframe,
            )
        save_run_baseline(store, settings, launched, candles=candles)
        run_to_end(store, settings, launched)
        for report in watched(store, settings):
            assert "nan" not in report.model_dump_json().lower()
            assert "inf" not in report.model_dump_json().lower().replace("info", "")
            assert report.verdict is not Verdict.DIVERGED


def test_a_clock_that_jumps_changes_nothing_that_is_said(folder: Path) -> None:
    make_folder(folder, live_bars=40, speed=36_000)
    with opened(folder) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        clock = ManualClock(SystemClock().now_ms())
        jumping = Watcher(store, settings, clock)
        with engine(store, settings):
            rig.start_run(store, RUN, launched)
            rig.until(lambda: _bars(store) > 3 or None, "some bars")
            jumping.turn()
            for jump_ms in (-90 * DAY_MS, 180 * DAY_MS):
                at = _bars(store)
                clock.advance(jump_ms)
                rig.until(lambda at=at: _bars(store) > at or None, "another bar")
                jumping.turn()
            rig.ended(store, RUN)
        rig.until(lambda: None if jumping.turn() or jumping.is_busy else True, "the last report")
        said = reports(store)
        assert [report.hours for report in said] == [24, 16]
        with store.write() as session:
            session.exec_driver_sql("DELETE FROM watch_report")
        assert watched(store, settings) == said
