"""The signs of tuning of a run in the store: which days they are of, and against which backtest."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from firstwatch.backtest.baseline import settings_json, settings_of_run
from firstwatch.store import algorithms, backtests, equity, positions, runs, trades, wallets
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import open_store
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, ExitReason, RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS, SignName
from firstwatch.watch.run_tuning import Lived, RunTuning, signs_of_run
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
