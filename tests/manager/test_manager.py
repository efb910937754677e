"""The manager on real stores: snapshots, commands, and what it costs."""

import dataclasses
import subprocess
import sys
import threading
import time
from dataclasses import is_dataclass, replace
from decimal import Decimal

import numpy as np
import pytest

from firstwatch.engine.lock import holder_of
from firstwatch.manager import details
from firstwatch.manager.details import SHOWN_BARS, DetailsReader
from firstwatch.manager.manager import RunManager
from firstwatch.manager.run_metrics import compare_with_baseline, metrics_of_run
from firstwatch.manager.views import EngineWhere
from firstwatch.store import bars, fills, runs, trades
from firstwatch.store.curves import EquityCurve
from firstwatch.trading.bar import Bar
from firstwatch.trading.commands import CommandOutcome, PauseEntries
from firstwatch.trading.errors import RefusedError, StoreError, WrongUseError
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.runs import Author, Exposure, RunState
from tests.clocks import MachineClock
from tests.store.made import made_fill, made_trade
from tests.ui import scenes

PATIENCE_S = 20
DAY_MS = 86_400_000


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def clock():
    return MachineClock(scenes.NOW_MS)


@pytest.fixture
def manager(home, clock):
    manager = RunManager(scenes.settings_of(home), clock=clock, hosts_engine=False)
    yield manager
    manager.close()


def test_finished_runs_are_read_again_although_the_clock_was_set_back(home, clock, manager):
    scenes.with_alarm(home)
    manager.open()
    manager.snapshot()
    clock.set_back(DAY_MS)
    store = scenes.new_store(home)
    with store.write() as session:
        facts = runs.get_run(session, scenes.DONE).facts
        runs.update_side_facts(session, scenes.DONE, replace(facts, sentence="seen to since"))
    store.close()
    (done,) = [run for run in manager.snapshot().finished if run.run_id == scenes.DONE]
    assert done.sentence == "seen to since"


_SLOW_TO_LOAD = """
import sys, threading
from importlib.util import spec_from_loader
from pathlib import Path
from firstwatch.manager.manager import RunManager
from firstwatch.settings import load_settings

class Slow:
    "Loads one module, for ever."
    def find_spec(self, name, path=None, target=None):
        return spec_from_loader(name, self) if name == sys.argv[2] else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        print("loads", flush=True)
        threading.Event().wait()

sys.meta_path.insert(0, Slow())
manager = RunManager(load_settings(home=Path(sys.argv[1])))
manager.start(is_visit=True)
sys.stdin.readline()
manager.close()
"""


@pytest.mark.parametrize("module", ["firstwatch.store.database", "firstwatch.engine.host.host"])
def test_a_manager_is_closed_although_its_modules_are_still_being_loaded(home, module):
    scenes.first_steps(home)
    child = subprocess.Popen(
        [sys.executable, "-c", _SLOW_TO_LOAD, str(home), module],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout.readline() == "loads\n"
        child.communicate("close\n", timeout=PATIENCE_S)
        assert child.returncode == 0
    finally:
        child.kill()
    assert holder_of(home) is None


def test_a_manager_at_rest_reads_nothing_and_then_goes_on_with_what_is_true(home, manager, monkeypatch):
    scenes.busy_day(home)
    seen, turns = [], threading.Semaphore(0)
    has_changed = manager._has_changed

    def turned():
        turns.release()
        return has_changed()

    monkeypatch.setattr(manager, "_has_changed", turned)
    manager.subscribe(seen.append)
    manager.rest(True)
    manager.start()
    for _ in range(10):
        assert turns.acquire(timeout=PATIENCE_S)
    assert seen == []
    scenes.end_live_run(home)
    manager.rest(False)
    deadline_s = time.monotonic() + PATIENCE_S
    while not seen:
        assert time.monotonic() < deadline_s
        turns.acquire(timeout=PATIENCE_S)
    assert not seen[0].active


def test_the_list_of_ended_runs_follows_what_one_of_them_has_left(home, clock, manager):
    scenes.with_alarm(home)
    manager.open()
    manager.snapshot()
    clock.advance(2_000)
    with scenes.written(home) as session:
        facts = runs.get_run(session, scenes.FAILED).facts
        runs.update_side_facts(session, scenes.FAILED, replace(facts, exposure=Exposure.FLAT))
    by_id = {run.run_id: run for run in manager.snapshot().finished}
    assert by_id[scenes.FAILED].exposure is Exposure.FLAT
    clock.advance(2_000)
    with scenes.written(home) as session:
        facts = runs.get_run(session, scenes.DONE).facts
        runs.update_side_facts(session, scenes.DONE, replace(facts, exposure=Exposure.EXPOSED))
    by_id = {run.run_id: run for run in manager.snapshot().finished}
    assert by_id[scenes.DONE].exposure is Exposure.EXPOSED


def test_a_snapshot_holds_what_the_store_holds(home, clock, manager):
    scenes.with_alarm(home)
    manager.open()
    manager.select(scenes.LIVE)
    snapshot = manager.snapshot()
    assert [run.run_id for run in snapshot.active] == [scenes.LIVE]
    assert [run.run_id for run in snapshot.finished] == [scenes.FAILED, scenes.DONE]
    assert snapshot.wallet("demo").active_run_id == scenes.LIVE
    assert snapshot.wallet("swing").exposure is Exposure.EXPOSED
    assert snapshot.wallet("swing").free == Decimal("812.5")
    assert [alarm.topic for alarm in snapshot.alarms] == ["exposed without a run"]
    assert snapshot.engine.where is EngineWhere.NONE
    details = snapshot.selected
    assert len(details.trades) == 3
    assert len(details.equity) == 61
    assert details.journal_length == 7
    figures = {figure.name: figure for figure in details.metrics}
    assert figures["total_trades"].live == 3
    assert figures["sharpe"].baseline == 1.31
    assert figures["net_pnl"].live == pytest.approx(71.44)


@pytest.mark.parametrize(("days", "needed"), [(1, 29), (29, 1), (30, 0), (40, 0)])
def test_a_ratio_needs_days_only_while_the_run_is_younger(days, needed):
    """The ratios of a run without a trade are not defined, however old it is."""
    time_ms = scenes.NOW_MS // DAY_MS * DAY_MS + np.arange(days, dtype=np.int64) * DAY_MS
    curve = EquityCurve(time_ms, np.full(days, 100.0))
    metrics = metrics_of_run([], curve, Decimal(100), DEFAULT_MARKET)
    figures = {figure.name: figure for figure in compare_with_baseline(metrics, [], curve, Decimal(100))}
    assert (figures["sharpe"].live, figures["sharpe"].needs_days) == (None, needed)
    assert (figures["win_rate"].live, figures["win_rate"].needs_days) == (None, 0)
    assert [figures[name].needs_trades for name in ("win_rate", "profit_factor", "fees")] == [10, 30, 0]


def test_details_grow_with_the_journal_and_the_curve(home, manager):
    scenes.busy_day(home)
    manager.open()
    manager.select(scenes.LIVE)
    before = manager.snapshot().selected
    assert manager.snapshot().selected.orders is before.orders
    scenes.end_live_run(home)
    after = manager.snapshot()
    assert after.run(scenes.LIVE).state is RunState.DONE
    assert after.selected.journal_length == before.journal_length + 1
    # The finished curve is packed, and still the same.
    assert after.selected.equity.tolist() == before.equity.tolist()


def test_a_run_that_is_chosen_again_is_as_if_it_were_read_for_the_first_time(home, manager, monkeypatch):
    scenes.busy_day(home)
    store = scenes.new_store(home)
    going = DetailsReader()

    def read(reader, run_id):
        with store.read() as session:
            return reader.read(session, run_id)

    before = read(going, scenes.LIVE)
    read(going, scenes.DONE)
    last_ms = int(before.candles.time_ms[-1])
    with store.write() as session:
        for hour in range(1, 4):
            fresh = Bar(last_ms + hour * scenes.HOUR_MS, 1.0, 2.0, 0.5, float(hour), 1.0)
            bars.add_bar(session, scenes.LIVE, bars.RunBar(fresh), None)
        fill = made_fill("late", time_ms=last_ms + scenes.HOUR_MS)
        fills.add_fill(session, fills.StoredFill("paper", scenes.LIVE, fill, last_ms))
        trades.add_trade(session, scenes.LIVE, made_trade(1))
    scenes.end_live_run(home)
    again, anew = read(going, scenes.LIVE), read(DetailsReader(), scenes.LIVE)
    for each in dataclasses.fields(anew):
        assert plain(getattr(again, each.name)) == plain(getattr(anew, each.name)), each.name
    assert len(again.trades) == len(before.trades) + 1
    assert again.orders[0] is before.orders[0], "what has not changed is kept"
    monkeypatch.setattr(details, "_KEPT_RUNS", 1)
    read(going, scenes.DONE)
    read(going, scenes.DONE)
    assert read(going, scenes.LIVE).orders[0] is not before.orders[0], "but of few runs"
    store.close()


def plain(value):
    """Return views as values that can be compared: arrays as lists."""
    if isinstance(value, np.ndarray):
        return [None if each != each else each for each in value.tolist()]
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value


def test_the_price_chart_is_of_the_bars_that_the_run_has_taken_in(home, manager):
    scenes.busy_day(home)
    manager.open()
    manager.select(scenes.LIVE)
    before = manager.snapshot().selected
    assert before.candles.time_ms.tolist() == before.equity_time_ms.tolist()
    last_ms = int(before.candles.time_ms[-1])
    store = scenes.new_store(home)
    for hour in range(1, SHOWN_BARS + 100):
        with store.write() as session:
            fresh = Bar(last_ms + hour * scenes.HOUR_MS, 1.0, 2.0, 0.5, float(hour), 1.0)
            bars.add_bar(session, scenes.LIVE, bars.RunBar(fresh), None)
        if hour in {1, 2, 3, 450}:
            after = manager.snapshot().selected
            assert after.candles.time_ms[-1] == fresh.time_ms
            assert after.candles.close.tolist()[-hour:] == [float(each + 1) for each in range(hour)]
            assert (
                after.candles.close.tolist()[:-hour] == before.candles.close.tolist()[-(SHOWN_BARS - hour) :]
            )
    store.close()
    shown = manager.snapshot().selected
    assert len(shown.candles) == len(shown.candles.time_ms) == SHOWN_BARS
    assert (np.diff(shown.candles.time_ms) == scenes.HOUR_MS).all()
    manager.select(scenes.DONE)
    assert len(manager.snapshot().selected.candles) == 0


def test_without_an_engine_a_command_is_refused_at_once(home, manager):
    scenes.busy_day(home)
    manager.open()
    with pytest.raises(RefusedError, match="no engine runs"):
        manager.submit(PauseEntries(run_id=scenes.LIVE))


def test_a_command_is_a_row_and_its_outcome_comes_back(home, clock, manager):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        manager.open()
        number = manager.submit(PauseEntries(run_id=scenes.LIVE), author=Author.AGENT)
        assert manager.command(number).outcome is CommandOutcome.PENDING
        scenes.answer(home, number, CommandOutcome.REFUSED, "not now")
        found = manager.snapshot().command(number)
        assert (found.outcome, found.sentence) == (CommandOutcome.REFUSED, "not now")


def test_a_wallet_s_name_is_checked(home, manager):
    scenes.first_steps(home)
    manager.open()
    manager.create_wallet("other", "paper")
    with pytest.raises(WrongUseError, match="other"):
        manager.create_wallet("other", "paper")


def test_subscribers_hear_of_what_another_connection_writes(home, manager):
    scenes.busy_day(home)
    heard: list[str] = []
    changed = threading.Event()

    def listen(snapshot):
        run = snapshot.run(scenes.LIVE)
        if run is not None:
            heard.append(str(run.equity))
            if run.equity == Decimal("5067.19"):
                changed.set()

    manager.subscribe(listen)
    manager.start()
    deadline = time.monotonic() + PATIENCE_S
    while not heard:
        assert time.monotonic() < deadline
        changed.wait(0.01)
    scenes.move_mark(home, 97_000.5, "-4.25")
    assert changed.wait(PATIENCE_S)


def test_while_a_key_is_handled_reading_waits_and_not_for_ever(home, manager, monkeypatch):
    scenes.busy_day(home)
    manager.open()
    manager.select(scenes.LIVE)
    monkeypatch.setattr("firstwatch.manager.manager._GIVE_WAY_S", PATIENCE_S)
    waiting, wait = threading.Event(), manager._unhurried.wait
    monkeypatch.setattr(manager._unhurried, "wait", lambda for_s: (waiting.set(), wait(for_s)))
    manager.hurry(True)
    reading = threading.Thread(target=manager.snapshot)
    reading.start()
    assert waiting.wait(PATIENCE_S)
    assert reading.is_alive()
    manager.hurry(False)
    reading.join(PATIENCE_S)
    assert not reading.is_alive()
    monkeypatch.setattr("firstwatch.manager.manager._GIVE_WAY_S", 0.001)
    manager.hurry(True)
    assert manager.snapshot().selected.run_id == scenes.LIVE


def test_a_store_that_cannot_be_read_is_said_and_not_raised(home, manager):
    home.mkdir()
    (home / "firstwatch.db").write_bytes(b"not a database at all" * 100)
    problems: list[str] = []
    done = threading.Event()
    manager.subscribe(lambda snapshot: (problems.append(snapshot.problem), done.set()))
    manager.start()
    assert done.wait(PATIENCE_S)
    assert str(home) in problems[0]
    with pytest.raises(StoreError):
        manager.snapshot()
