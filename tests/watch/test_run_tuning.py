"""The signs of tuning of a run in the store: which days they are of, and against which backtest."""

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from firstwatch.backtest.baseline import settings_json, settings_of_run
from firstwatch.store import algorithms, analyses, backtests, equity, positions, runs, trades, wallets
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import open_store
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, ExitReason, RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS, CheckName, SignName, Verdict
from firstwatch.trading.watch import Check, SinceStart, WatchReport
from firstwatch.watch.run_tuning import Lived, RunTuning, hints_of_run, signs_of_run
from firstwatch.watch.tuning import HINTS
from tests.ui import scenes

RUN = "abcd000000000001"
HOUR_MS = 3_600_000
BEGAN_MS = 1_764_288_000_000
"""A full hour, at which the run's first bar opens; it is launched within it."""
DAYS = 9


def trade(entered_ms, reason=ExitReason.SIGNAL):
    return Trade(
        Side.LONG, entered_ms, Decimal(100), entered_ms + HOUR_MS, Decimal(101), Decimal("0.1"),
        Decimal("0.1"), Decimal("0.01"), Decimal(0), Decimal("0.09"), reason, 1, Decimal(0), Decimal(0),
    )  # fmt: skip


def wave(days, size):
    """Equity that falls and rises by ``size`` each day, at hourly closes."""
    return 1_000 - size * (1 - np.cos(np.arange(days * 24) * 2 * np.pi / 24)) / 2


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def saved(store, *, has_backtest=True, assume=False, entries_a_day=4):
    """A run of nine days whose drawdown is four times that of its backtest, with as many entries a day."""
    with store.write() as session:
        spec = scenes.SPEC
        version = algorithms.add_version(
            session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=1
        ).id
        settings = LaunchSettings(
            algorithm=spec.name, version=1, wallet="w", symbol=scenes.SYMBOL, capital=Decimal(1_000),
            assume_position_now=assume,
        )  # fmt: skip
        wallet = wallets.create_wallet(session, "w", venue="paper", kind="paper", now_ms=1)
        if has_backtest:
            tested_ms = BEGAN_MS - 100 * DAY_MS
            backtests.add_backtest(
                session, version_id=version, symbol=scenes.SYMBOL, timeframe=Timeframe.H1, costs_json="{}",
                settings_json=settings_json(settings_of_run(settings)), start_ms=tested_ms, end_ms=BEGAN_MS,
                bars=2_400, metrics_json="{}",
                trades=[trade(tested_ms + place * DAY_MS // 4) for place in range(400)],
                equity=EquityCurve(tested_ms + np.arange(2_400) * HOUR_MS, wave(100, 10.0)), now_ms=2,
            )  # fmt: skip
        runs.create_run(
            session, RUN, wallet_id=wallet.id, version_id=version, settings=settings, market=DEFAULT_MARKET,
            author=Author.OPERATOR, now_ms=3,
        )  # fmt: skip
        runs.transition(
            session, RUN, RunState.RUNNING, "launched", author=Author.SYSTEM, local_time_ms=4,
            venue_time_ms=BEGAN_MS + 600_000,
        )  # fmt: skip
        times = (BEGAN_MS + np.arange(DAYS * 24 + 5) * HOUR_MS).tolist()
        curve = wave(DAYS + 1, 40.0)[: len(times)].tolist()
        equity.add_equity(session, RUN, list(zip(times, curve, strict=True)))
        for place in range(DAYS * entries_a_day):
            trades.add_trade(session, RUN, trade(BEGAN_MS + place * DAY_MS // entries_a_day))
        return runs.get_run(session, RUN)


def found(store, run, *, first=1, last=DAYS):
    with store.read() as session:
        return {sign.name: sign for sign in signs_of_run(session, run, first=first, last=last)}


def test_the_signs_of_all_days_are_those_against_the_backtest(store):
    signs = found(store, saved(store))
    assert {name: sign.is_present for name, sign in signs.items()} == {
        SignName.SHARPE: None,
        SignName.DRAWDOWN: True,
        SignName.FREQUENCY: False,
        SignName.STOPS: False,
    }
    assert signs[SignName.DRAWDOWN].live == pytest.approx(0.04)
    assert signs[SignName.DRAWDOWN].test == pytest.approx(0.01)
    assert signs[SignName.FREQUENCY].live == DAYS * 4
    assert signs[SignName.FREQUENCY].test == DAYS * 4


def test_a_stretch_has_the_entries_of_its_days_only_and_that_of_an_open_position(store):
    run = saved(store, entries_a_day=2)
    seven = found(store, run, first=3)[SignName.FREQUENCY]
    assert (seven.live, seven.test, seven.is_present) == (14, 28, True)
    with store.write() as session:
        opened_ms = BEGAN_MS + DAYS * DAY_MS - HOUR_MS
        positions.set_position(
            session,
            positions.RunPosition(
                RUN, scenes.SYMBOL, Side.LONG, Decimal(1), opened_ms, opened_at_ms=opened_ms
            ),
        )
    assert found(store, run, first=3)[SignName.FREQUENCY].live == 15


def test_what_is_too_short_or_has_no_backtest_says_so(store):
    run = saved(store, has_backtest=False)
    assert {sign.sentence for sign in found(store, run, last=6).values()} == {"Needs 7 days."}
    assert {sign.sentence for sign in found(store, run).values()} == {"There is no backtest to compare with."}


def test_the_watch_of_a_run_that_took_a_position_over_begins_after_its_exit(store):
    run = saved(store, assume=True)
    with store.read() as session:
        lived = Lived(equity.equity_of(session, RUN), trades.trades_of(session, RUN), None)
        tuning = RunTuning(session, run)
        assert tuning.begin_ms(lived) == BEGAN_MS + 2 * HOUR_MS
        assert tuning.begin_ms(replace(lived, trades=[], opened_ms=BEGAN_MS)) is None


def saved_usefulness(store, scores, *, result=None):
    """Save how useful the conditions of the run's version are on its market."""
    conditions = [
        {"group": "entry.long.required", "condition": f"close > sma({n})", "score": score}
        for n, score in enumerate(scores, 2)
    ]
    with store.write() as session:
        analyses.add_analysis(
            session, JobKind.USEFULNESS, job_id=None, spec_sha256=scenes.SPEC.sha256(), symbol=scenes.SYMBOL,
            timeframe=Timeframe.H1, costs_json="{}", settings_json="{}", start_ms=0, end_ms=1,
            result_json=json.dumps({"conditions": conditions}) if result is None else result,
            core_version=1, now_ms=5,
        )  # fmt: skip


def test_the_least_useful_condition_is_named_where_an_indicator_may_be_swapped(store):
    run = saved(store, entries_a_day=2)
    sign = found(store, run)[SignName.FREQUENCY]
    assert sign.hint == HINTS[CheckName.TRADE_FREQUENCY]
    saved_usefulness(store, [70.0, 12.4, None])
    signs = found(store, run)
    swap = "Swap an indicator: close > sma(3) in entry.long.required is of the least use, 12 of 100."
    assert signs[SignName.FREQUENCY].hint == f"{HINTS[CheckName.TRADE_FREQUENCY]} {swap}"
    assert signs[SignName.DRAWDOWN].hint == HINTS[CheckName.DRAWDOWN]
    # The newest counts.
    saved_usefulness(store, [1.0, 12.4])
    assert "close > sma(2) in entry.long.required" in found(store, run)[SignName.FREQUENCY].hint


@pytest.mark.parametrize("result", ['{"conditions": []}', "damaged", '{"conditions": [{"score": 1}]}'])
def test_a_usefulness_without_a_score_or_unreadable_leaves_the_hint_as_it_is(store, result):
    run = saved(store, entries_a_day=2)
    saved_usefulness(store, [], result=result)
    assert found(store, run)[SignName.FREQUENCY].hint == HINTS[CheckName.TRADE_FREQUENCY]


def test_a_report_s_hints_name_it_too(store):
    saved(store)
    saved_usefulness(store, [3.0])
    checks = [Check(name=name, verdict=Verdict.WATCH, sentence=".") for name in CheckName]
    report = WatchReport(
        run=RUN, mode="paper", day=1, hours=1, verdict=Verdict.WATCH, checks=tuple(checks),
        since_start=SinceStart(), next=".",
    )  # fmt: skip
    with store.read() as session:
        hints = hints_of_run(session, report)
    named = {name for name, hint in hints.items() if "Swap an indicator: close > sma(2)" in hint}
    assert named == {CheckName.TRADE_FREQUENCY, CheckName.EDGE}
    assert list(hints) == list(CheckName)
