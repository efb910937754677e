"""Bad input from end to end: the engine, the watch, and what ``firstwatch report`` prints of it."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.host.watch_keeper import WATCH_LOG_FILE
from firstwatch.market.files import write_candles
from firstwatch.store import algorithms, backtests, watch
from firstwatch.store.bars import bars_of
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import iso
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.runs import RunState
from firstwatch.trading.verdicts import CheckName, Verdict
from firstwatch.tui import watch_text
from tests.candles import START_MS
from tests.cli.conftest import firstwatch as firstwatch  # noqa: PLC0414
from tests.engine.host import rig
from tests.engine.host.test_watch_process import alarm_of, watcher_of
from tests.live.machine import Machine
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
from tests.watch.schema import wrong_in
from tests.watch.test_process import NEVER

DAY_S = 86_400
FIRST_MS = START_MS + 1_200 * HOUR_MS
BROKEN = re.compile(r"\b(nan|None|inf|Traceback)\b")
JOINT = (CheckName.TRADE_FREQUENCY, CheckName.DRAWDOWN, CheckName.EXITS)


@pytest.fixture
def home(folder, monkeypatch):
    """The data folder of each command."""
    monkeypatch.setenv("FIRSTWATCH_HOME", str(folder))
    monkeypatch.delenv("FIRSTWATCH_CONFIG", raising=False)
    return folder


def printed(firstwatch, home):
    """Print the report of a run in each of its forms; return the days' JSON and the text."""
    page = home / "report.html"
    text = firstwatch("report", RUN)
    assert (text.code, text.err) == (0, "")
    assert firstwatch("report", RUN, "--html", page).code == 0
    days = [firstwatch("report", RUN, "--day", 1, "--json").json]
    days += [
        firstwatch("report", RUN, "--day", n, "--json").json for n in range(2, _last_day(firstwatch) + 1)
    ]
    for form in (text.out, page.read_text(encoding="utf-8"), json.dumps(days)):
        assert not BROKEN.search(form.replace("null", ""))
    for day in days:
        assert wrong_in(day) == []
    return days, text.out


def _last_day(firstwatch):
    return firstwatch("report", RUN, "--json").json["day"]


def on_screen(report):
    """Return what the screen writes of a report's checks."""
    return "\n".join(
        f"{watch_text.figure(check.name, check.observed)} {watch_text.expectation(check)} "
        f"{watch_text.band_mark(check)} {watch_text.count_text(check)} {watch_text.power_text(check)} "
        f"{watch_text.evidence_text(check)} {check.sentence}"
        for check in report.checks
    )


def sentences(day):
    return {check["name"]: check["sentence"] for check in day["checks"]}


def lived(home, save=None, *, toml=rig.ACTIVE_TOML, live_bars=26, launched=None, **folder):
    """Save a baseline by ``save``, run to the end, and watch; return the reports."""
    make_folder(home, toml=toml, live_bars=live_bars, **folder)
    with opened(home) as (store, settings):
        chosen = launched or rig.launch()
        if save is not None:
            save(store, settings, chosen)
        assert run_to_end(store, settings, chosen).state is RunState.DONE
        found = watched(store, settings)
    for report in found:
        assert not BROKEN.search(on_screen(report))
        assert report.verdict is not Verdict.DIVERGED, report.next
        parity = report.check(CheckName.SIGNAL_PARITY)
        assert parity is not None
        assert (parity.verdict, report.mismatches) == (Verdict.CONSISTENT, ())
    return found


# --- candles ------------------------------------------------------------------------------------------


def flat(candles):
    same = np.full(len(candles), 100.0)
    return replace(candles, open=same, high=same, low=same, close=same)


def without_a_month(candles):
    names = ("time_ms", "open", "high", "low", "close", "volume")
    kept = np.ones(len(candles), dtype=np.bool_)
    kept[300:1_020] = False
    return CandleArrays(*(getattr(candles, name)[kept] for name in names), candles.timeframe)


ODD = {"a constant price": flat, "a month missing": without_a_month}


@pytest.mark.parametrize("odd", ODD)
def test_odd_candles_of_a_baseline_are_printed_in_words(firstwatch, home, odd):
    def save(store, settings, launched):
        save_run_baseline(store, settings, launched, candles=ODD[odd](baseline_candles(settings)))

    lived(home, save)
    days, _ = printed(firstwatch, home)
    if odd == "a constant price":
        drawdown = sentences(days[0])["drawdown"]
        assert "is beyond all that the backtest does" in drawdown
        assert "never so in the baseline" in drawdown


def test_a_baseline_of_fewer_days_than_windows_need_says_what_helps(firstwatch, home):
    def save(store, settings, launched):
        save_run_baseline(store, settings, launched, candles=baseline_candles(settings, 120))

    lived(home, save)
    days, text = printed(firstwatch, home)
    for name in JOINT:
        assert "longer baseline" in sentences(days[0])[name]
    assert "longer baseline" in text


def test_a_run_with_fewer_bars_than_its_warm_up_is_refused_and_so_is_its_baseline(firstwatch, home):
    make_folder(home, baseline_bars=12, live_bars=600)
    with opened(home) as (store, settings), engine(store, settings):
        started = rig.start_run(store, RUN)
    assert "paper has only 12 of 1,000 bars of 1h: with fewer, an indicator still depends" in started.sentence
    answer = firstwatch("report", RUN)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("firstwatch: ")
    algorithm, file = home / "active.toml", home / "few_BTCUSDC.csv"
    algorithm.write_text(rig.ACTIVE_TOML, encoding="utf-8")
    write_candles(file, rig.generated_candles(7, 4))
    answer = firstwatch("backtest", algorithm, "--candles", file, "--save")
    assert (answer.code, answer.out) == (2, "")
    assert "give more candles" in answer.err
    with opened(home) as (store, _), store.read() as session:
        assert backtests.list_backtests(session, algorithms.get_version(session, "Active").id) == []


def test_a_baseline_without_trades_is_printed_in_words(firstwatch, home):
    lived(home, lambda *made: save_run_baseline(*made, toml=NEVER), toml=NEVER)
    days, _ = printed(firstwatch, home)
    assert {day["verdict"] for day in days} == {"NOT ENOUGH DATA"}
    assert sentences(days[0])["fill_prices"] == "No fill yet."


def test_a_run_of_three_bars_is_printed_in_words(firstwatch, home):
    lived(home, save_run_baseline, live_bars=3)
    (day,), text = printed(firstwatch, home)
    assert (day["hours"], day["verdict"]) == (3, "NOT ENOUGH DATA")
    assert "3 of 24 h" in text


# --- another baseline than the run's ------------------------------------------------------------------


def test_a_baseline_of_another_symbol_is_none_and_is_said(firstwatch, home):
    other = DEFAULT_MARKET.model_copy(update={"symbol": "ETH/USDC:USDC"})
    lived(home, lambda *made: save_run_baseline(*made, market=other))
    days, text = printed(firstwatch, home)
    for name in JOINT:
        assert "o baseline of Active@1 on BTC/USDC:USDC was stored at the launch" in sentences(days[0])[name]
    assert "firstwatch backtest FILE" in text


def test_a_baseline_of_another_version_is_none_and_is_said(firstwatch, home):
    def save(store, settings, launched):
        save_run_baseline(store, settings, launched)
        spec = AlgorithmSpec.from_toml(rig.ACTIVE_TOML.replace("rsi(5) < 40", "rsi(5) < 41"))
        with store.write() as session:
            algorithms.add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=2)

    lived(home, save, launched=rig.launch(version=2))
    days, _ = printed(firstwatch, home)
    assert days[0]["locked"] is None
    for name in JOINT:
        assert "o baseline of Active@2 on BTC/USDC:USDC" in sentences(days[0])[name]


def test_a_baseline_of_another_description_of_the_market_is_computed_anew_with_the_run_s(firstwatch, home):
    coarse = DEFAULT_MARKET.model_copy(
        update={"amount_step": Decimal(1), "tick": Decimal("0.5"), "taker_fee_bps": Decimal(9)}
    )
    lived(home, lambda *made: save_run_baseline(*made, market=coarse))
    days, _ = printed(firstwatch, home)
    assert days[0]["fan"] is not None
    assert days[0]["locked"] is not None


# --- processes that are killed ------------------------------------------------------------------------


def watch_process(home, *module):
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, module)],
        env={**os.environ, "FIRSTWATCH_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def tables_of(store):
    with store.read() as session:
        return watch.tables_of(session, RUN, 1)


def test_a_calibration_that_is_killed_half_way_is_derived_again_with_the_same_bits(
    firstwatch, home, tmp_path
):
    make_folder(home, live_bars=24)
    with opened(home) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        run_to_end(store, settings, launched)
        half_way = tmp_path / "half way"
        with watch_process(home, "tests.watch.halting", half_way) as killed:
            rig.until(lambda: half_way.exists() or None, "the middle of a calibration")
            rig.until(lambda: reports(store) or None, "the first report")
            killed.kill()
        assert tables_of(store) is None
        (day,), _ = printed(firstwatch, home)
        assert day["fan"] is None
        for name in JOINT:
            assert sentences(day)[name] == "The days of the baseline are being computed."
        with watch_process(home, "firstwatch.engine.host.watch_daemon") as again:
            rig.until(lambda: tables_of(store), "the tables")
            again.terminate()
        derived = tables_of(store)
        said = reports(store)
        assert said[0].fan is not None
        with store.write() as session:
            session.exec_driver_sql("UPDATE watch_recipe SET tables = NULL")
            session.exec_driver_sql("DELETE FROM watch_report")
        assert watched(store, settings) == said
        assert tables_of(store) == derived
    assert "Traceback" not in (home / WATCH_LOG_FILE).read_text(encoding="utf-8")


def test_a_watch_that_is_killed_in_a_run_catches_up_and_disturbs_nothing(firstwatch, home):
    bars = 80
    make_folder(home, live_bars=bars, speed=25_200)
    with opened(home) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        host = EngineHost(store, settings, has_watch=True)
        host.start()
        try:
            rig.start_run(store, RUN, launched)
            killed = watcher_of(os.getpid())
            rig.until(lambda: reports(store) or seen_bars(store) > bars // 4 or None, "a part of the run")
            os.kill(killed, signal.SIGKILL)
            assert "trading goes on" in rig.until(lambda: alarm_of(store), "the alarm")
            assert rig.ended(store, RUN).state is RunState.DONE
            rig.until(lambda: is_whole(reports(store)) or None, "the second process to catch up")
        finally:
            host.drain_and_stop()
        said, result = reports(store), rig.result_of(store, RUN)
        with store.write() as session:
            session.exec_driver_sql("DELETE FROM watch_report")
            session.exec_driver_sql("DELETE FROM watch_recipe WHERE day > 1")
        for anew, then in zip(watched(store, settings), said, strict=True):
            assert differences(anew, then) == {}
    printed(firstwatch, home)
    undisturbed = rig.undisturbed(
        home / "undisturbed", bars=1_200 + bars, slippage_bps=2, start=iso(FIRST_MS)
    )
    assert result["trades"] == undisturbed["trades"]
    assert result["equity"] == undisturbed["equity"]


def test_a_watch_whose_clock_jumps_says_the_same(firstwatch, home, tmp_path):
    make_folder(home, live_bars=80, speed=36_000)
    machine = Machine(tmp_path / "machine")
    with opened(home) as (store, settings):
        launched = rig.launch()
        save_run_baseline(store, settings, launched)
        module = ("tests.live.machine", machine.path, "firstwatch.engine.host.watch_daemon")
        with engine(store, settings), watch_process(home, *module) as jumping:
            rig.start_run(store, RUN, launched)
            for jump in (lambda: machine.set_back(90 * DAY_S), lambda: machine.suspend(180 * DAY_S)):
                rig.until(lambda: reports(store) or None, "a report before the jump")
                seen = seen_bars(store)
                jump()
                rig.until(lambda seen=seen: has_moved(store, seen) or None, "another bar, or the end")
            rig.ended(store, RUN)
            rig.until(lambda: is_whole(reports(store)) or None, "the reports of all days")
            jumping.terminate()
        said = reports(store)
        with store.write() as session:
            session.exec_driver_sql("DELETE FROM watch_report")
        for anew, then in zip(watched(store, settings), said, strict=True):
            assert differences(anew, then) == {}
    printed(firstwatch, home)


def seen_bars(store):
    with store.read() as session:
        return len(bars_of(session, RUN))


def has_moved(store, seen):
    return seen_bars(store) > seen or rig.run_of(store, RUN).state.is_final


def is_whole(days):
    """Tell whether eighty bars are watched to their end, each day by tables of its own."""
    return [day.hours for day in days] == [24, 24, 24, 8] and all(day.fan for day in days)


def differences(one, other):
    """Return the parts of two reports that differ, but for when their recipe was locked."""
    reports = [
        report.model_dump() | {"locked": report.locked and report.locked.hash} for report in (one, other)
    ]
    return {
        name: (value, reports[1][name]) for name, value in reports[0].items() if value != reports[1][name]
    }


# --- calibrate ----------------------------------------------------------------------------------------


def calibrated(firstwatch, tmp_path, change, **options):
    """Return what ``calibrate`` prints of ninety changed days, as JSON, and that of its text it has words."""
    file, algorithm = tmp_path / "made_BTCUSDC_perp_1h.csv", tmp_path / "algorithm.toml"
    write_candles(file, change(rig.generated_candles(7, 24 * 90)))
    algorithm.write_text(rig.ACTIVE_TOML, encoding="utf-8")
    market = tmp_path / "market.toml"
    market.write_text("tick = 0.1\namount_step = 0.00001\n", encoding="utf-8")
    words = ("calibrate", algorithm, "--candles", file, "--market", market)
    for name, days in options.items():
        words += (f"--{name}-days", days)
    found, text = firstwatch(*words, "--json"), firstwatch(*words)
    assert (found.code, text.code) == (0, 0), found.err
    for form in (found.out, text.out):
        assert not BROKEN.search(form)
        assert "NaN" not in form
    assert f"claim: {found.json['claim']}" in text.out
    assert f"needs: {found.json['needs']}" in text.out
    return found.json, text.err


def test_a_constant_price_is_calibrated_in_words(firstwatch, home, tmp_path):
    found, _ = calibrated(firstwatch, tmp_path, flat, baseline=60, live=2)
    assert found["claim"] == "too_quiet"
    assert found["baseline"]["trades"] == 0
    assert all(each["median_hours"] is None for each in found["power"])


def test_a_month_that_is_missing_is_named_when_calibrated(firstwatch, home, tmp_path):
    found, err = calibrated(firstwatch, tmp_path, without_a_month, baseline=30, live=15)
    assert found["claim"] == "too_short"
    assert "720 bars are missing" in err
    assert found["baseline"]["trades"] > 0
