"""What a backtest says beside its figures: what the core did not do, counted, with its first bar."""

from decimal import Decimal

import numpy as np
import pytest

from firstwatch.backtest.result_json import note_json
from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.market.funding import FundingSeries
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import GuardAction, Guards, OnExhausted, ResetSettings
from firstwatch.trading.market import Market
from firstwatch.trading.notes import Note, NoteCode
from firstwatch.trading.timeframe import Timeframe

HOUR_MS = 3_600_000
START_MS = 1_704_067_200_000
FREE = Costs(Decimal(0), Decimal(0))
HEAD = """
name = "Above a hundred"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["close > 100"]
[exit.long]
required = ["close < 90"]
"""


def notes_of(closes, rest, *, settings=None, direction="long", notes=(), **market):
    text = HEAD + rest
    if direction == "short":
        text = text.replace("long", "short")
    closes = np.array(closes, dtype=np.float64)
    times = START_MS + np.arange(len(closes), dtype=np.int64) * HOUR_MS
    candles = CandleArrays(times, closes, closes, closes, closes, np.ones(len(closes)), Timeframe.H1)
    return simulate(
        AlgorithmSpec.from_toml(text),
        candles,
        market=Market(**market),
        costs=FREE,
        settings=settings or BacktestSettings(),
        notes=notes,
    )


def found(result):
    return [(note.code, note.count, (note.first_ms - START_MS) // HOUR_MS) for note in result.notes]


def test_entries_below_the_minimum_are_counted_once_for_each_signal():
    result = notes_of([90, 101, 102, 90, 101, 90], "[sizing]\nfixed = 7.5")
    assert result.trades == ()
    assert found(result) == [(NoteCode.BELOW_MINIMUM, 2, 1)]
    assert result.notes[0].sentence == "2 entries refused: below the minimum of 10 USDC"


def test_an_amount_below_the_minimum_names_it():
    result = notes_of([90, 101], "[sizing]\nfixed = 11", minimum_amount=Decimal(1))
    assert result.notes[0].sentence == "1 entry refused: below the minimum of 10 USDC and 1 BTC"


def test_a_risk_that_the_leverage_cuts_says_what_is_left_of_it():
    result = notes_of([90, 101, 101, 101], "[stop_loss]\nfraction = 0.002\n[sizing]\nrisk = 0.05")
    assert found(result) == [(NoteCode.RISK_CAPPED, 1, 1)]
    assert result.notes[0].sentence == "1 entry capped: a risk of 5 % became 0.199 %, what leverage 1 allows"


def test_of_many_sizes_that_are_cut_the_worst_is_said():
    # The first entry is a little too large for the equity, the second, after a loss, by more.
    result = notes_of([90, 101, 101, 89, 89, 101, 101, 101], "[sizing]\nfixed = 9990")
    assert found(result) == [(NoteCode.SIZE_CAPPED, 2, 1)]
    first, second = (float(trade.amount * trade.entry_price) for trade in result.trades)
    assert second < first < 9990
    assert result.notes[0].sentence.startswith(
        f"2 entries capped: at worst a margin of 9,990.00 became {second:,.2f}"
    )


def test_a_size_that_fits_is_no_note():
    assert notes_of([90, 101, 101, 101], "[sizing]\nequity = 0.9").notes == ()


@pytest.mark.parametrize(
    ("guards", "said"),
    [
        (
            Guards(drawdown=0.05, drawdown_action=GuardAction.STOP),
            "the drawdown has reached the guard's limit of 5 %",
        ),
        (Guards(daily_loss=0.05, daily_loss_action=GuardAction.STOP), "the loss of the day"),
        (Guards(losing_trades=1, losing_trades_action=GuardAction.STOP), "1 trade has lost"),
    ],
)
def test_a_guard_that_stops_the_run_says_which_when_and_what_is_left(guards, said):
    result = notes_of(
        [90, 101, 101, 80, 80, 80, 101, 101],
        "[sizing]\nequity = 0.5",
        settings=BacktestSettings(guards=guards),
    )
    (note,) = result.notes
    assert note.code is NoteCode.GUARD_STOP
    assert said in note.sentence
    index = (note.first_ms - START_MS) // HOUR_MS
    assert index in (3, 4)
    assert f"nothing was decided on the {7 - index} bars after it" in note.sentence


def test_a_guard_that_pauses_for_good_is_said():
    guards = Guards(drawdown=0.05, drawdown_action=GuardAction.PAUSE)
    result = notes_of(
        [90, 101, 101, 80, 80, 80, 101, 101],
        "[sizing]\nequity = 0.5",
        settings=BacktestSettings(guards=guards),
    )
    assert found(result) == [(NoteCode.GUARD_PAUSE, 1, 3)]


def test_a_chain_that_stops_the_run_is_said():
    link = {"after": ["signal"], "wait_bars": 0, "within_bars": 5, "require_signal": False}
    reset = ResetSettings.model_validate({"follow_up": [link], "on_exhausted": OnExhausted.STOP_RUN})
    result = notes_of(
        [90, 101, 101, 80, 80, 80, 80, 80, 101, 101],
        "[sizing]\nequity = 0.5",
        settings=BacktestSettings(reset=reset),
    )
    (note,) = result.notes
    assert note.code is NoteCode.CHAIN_STOP
    assert "the follow-up chain is exhausted" in note.sentence


def test_equity_that_is_gone_is_said():
    # The entry fills at three times its price, so that its margin, which is lost, is more than the equity.
    closes = [90, 101, 303, 1, 1, 101, 101, 90, 101]
    result = notes_of(closes, "[sizing]\nequity = 1.0", settings=BacktestSettings(leverage=Decimal(10)))
    assert result.equity[-1] < 0
    assert found(result) == [(NoteCode.SIZE_CAPPED, 1, 1), (NoteCode.EQUITY_GONE, 2, 5)]
    assert result.notes[1].sentence == "2 entries refused: the run equity is used up"


def test_a_stop_beyond_zero_is_said():
    result = notes_of([90, 101, 101, 101], "[stop_loss]\namount = 500\n[sizing]\nequity = 0.5")
    assert found(result) == [(NoteCode.LEVEL_DROPPED, 1, 2)]
    assert "beyond zero" in result.notes[0].sentence


def test_a_target_beyond_zero_is_said_for_each_position():
    rest = "[take_profit]\namount = 500\n[sizing]\nequity = 0.5"
    result = notes_of([101] * 3, rest, direction="short")
    assert result.notes == ()
    text = HEAD.replace("long", "short").replace("close < 90", "close > 120")
    closes = np.array([90, 101, 101, 121, 90, 101, 101], dtype=np.float64)
    times = START_MS + np.arange(len(closes), dtype=np.int64) * HOUR_MS
    candles = CandleArrays(times, closes, closes, closes, closes, np.ones(len(closes)), Timeframe.H1)
    result = simulate(AlgorithmSpec.from_toml(text + rest), candles, market=Market(), costs=FREE)
    assert found(result) == [(NoteCode.LEVEL_DROPPED, 2, 2)]


def coverage(hours, bars=48, **options):
    closes = np.full(bars, 101.0)
    times = START_MS + np.arange(bars, dtype=np.int64) * HOUR_MS
    candles = CandleArrays(times, closes, closes, closes, closes, np.ones(bars), Timeframe.H1)
    funding = FundingSeries(START_MS + np.array(hours, dtype=np.int64) * HOUR_MS, np.full(len(hours), 1e-5))
    spec = AlgorithmSpec.from_toml(HEAD + "[sizing]\nequity = 0.5")
    return simulate(spec, candles, market=Market(), costs=FREE, funding=funding, **options)


def test_time_without_funding_rates_is_said_as_holes_are():
    result = coverage([*range(12), *range(36, 49)])
    assert found(result) == [(NoteCode.FUNDING_COVERAGE, 1, 11)]
    assert result.notes[0].sentence.startswith(
        "funding rates are missing for 1.0 of 2.0 days (2024-01-01T11:00:00Z"
    )
    assert coverage(range(49)).notes == ()
    # Only the time that is tested counts.
    assert coverage([*range(12), *range(36, 49)], start_ms=START_MS + 37 * HOUR_MS).notes == ()


@pytest.mark.parametrize("hours", [range(-100, -20), range(100, 200)])
def test_funding_rates_of_another_time_are_refused(hours):
    with pytest.raises(WrongUseError, match="cover nothing of the candles"):
        coverage(hours)


def test_what_the_caller_assumed_stands_first_and_has_no_bar():
    assumed = Note(NoteCode.ASSUMED_MARKET, "the tick of 0.01 follows from the prices")
    result = notes_of([90, 101, 101], "[sizing]\nfixed = 7.5", notes=(assumed,))
    assert [note_json(note) for note in result.notes] == [
        {"code": "assumed_market", "count": 1, "first_at": None, "sentence": assumed.sentence},
        {
            "code": "below_minimum",
            "count": 1,
            "first_at": iso(START_MS + HOUR_MS),
            "sentence": "1 entry refused: below the minimum of 10 USDC",
        },
    ]
