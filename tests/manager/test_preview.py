"""Previews: what a text means on candles, as a test of it says; and the process that computes them."""

import os
import queue
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from firstwatch.engine.jobs.inputs import read_request
from firstwatch.manager import preview_service
from firstwatch.manager.algorithm_text import edited
from firstwatch.manager.build_views import TextView
from firstwatch.manager.preview import MOST_BARS, Previewer
from firstwatch.manager.preview_messages import TRADE_COLUMNS, Asked
from firstwatch.manager.preview_service import PreviewService
from firstwatch.manager.test_requests import request_of, request_of_spec
from firstwatch.manager.test_views import DraftView, TestSetup
from firstwatch.market.archive import extend, series_of
from firstwatch.strategy.core_settings import reason_code
from firstwatch.strategy.evaluation import ArrayEvaluator, evaluate_arrays
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.clock import ManualClock, SystemClock
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles
from tests.engine.host import rig

PLACE = "entry.long.required[0]"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return rig.make_folder(tmp_path_factory.mktemp("preview") / "home", bars=3_000)


@pytest.fixture(scope="module")
def setup(settings):
    file = settings.home / "BTCUSDC.csv"
    return TestSetup(venue="paper", symbol=rig.SYMBOL, candles=str(file), period="all")


def previewer(settings, clock=None, begun=None):
    begun = [] if begun is None else begun
    return Previewer(settings, clock or SystemClock(), begin_reading=lambda: begun.append(1))


# --- what is computed --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [rig.ACTIVE_TOML, sample_toml(), rig.HOLDING_TOML])
def test_a_preview_says_what_a_test_of_the_text_says(settings, setup, text):
    found = previewer(settings).answer(Asked(text, setup, PLACE))
    assert found.problem == ""
    spec = AlgorithmSpec.from_toml(text)
    given = read_request(settings, request_of_spec(spec, setup, algorithm="x"), SystemClock())
    result, candles = given.simulate(), given.file.candles
    records = [
        [
            float(reason_code(each.reason)) if name == "reason" else float(getattr(each, name))
            for name in TRADE_COLUMNS
        ]
        for each in result.records
    ]
    assert len(records) > 0
    assert found.trades.tolist() == records
    assert np.array_equal(found.candles.close, candles.close)
    signals = evaluate_arrays(spec, candles)
    assert np.array_equal(found.signals["entry", Side.LONG], signals.entry_long == 1)
    assert (("entry", Side.SHORT) in found.signals) is (spec.direction == "both")
    assert (("exit", Side.LONG) in found.signals) is (spec.exit.long is not None)
    condition = spec.entry.long.required[0]
    evaluator = ArrayEvaluator(spec, candles)
    assert found.condition == str(condition)
    assert np.array_equal(found.holds, evaluator.truth(condition))
    assert found.operands[0].name == str(condition.left)
    assert np.array_equal(found.operands[0].values, evaluator.seen(condition.left), equal_nan=True)
    arrays = (
        found.stop,
        found.target,
        found.holds,
        *found.signals.values(),
        *(each.values for each in found.operands),
    )
    assert {len(each) for each in arrays} == {len(candles)}
    assert found.summary.startswith(f"{len(records):,} trade")


def test_only_the_newest_bars_of_the_period_are_shown(tmp_path):
    settings = rig.make_folder(tmp_path / "home", bars=MOST_BARS + 2_000)
    setup = TestSetup(
        venue="paper", symbol=rig.SYMBOL, candles=str(tmp_path / "home" / "BTCUSDC.csv"), period="all"
    )
    one = previewer(settings)
    found = one.answer(Asked(rig.ACTIVE_TOML, setup))
    assert len(found.candles) == len(found.stop) == len(found.operands[0].values) == MOST_BARS
    # The bars before them are warm-up.
    assert np.isfinite(found.operands[0].values).all()
    month = one.answer(Asked(rig.ACTIVE_TOML, replace(setup, period="30")))
    assert len(month.candles) == 30 * 24
    assert month.candles.time_ms[-1] == found.candles.time_ms[-1]
    # The same numbers as in the longer preview, whatever the warm-up.
    np.testing.assert_allclose(month.operands[0].values, found.operands[0].values[-720:], rtol=1e-9)


def test_a_period_of_the_archive_gives_the_same_trades_as_its_test(tmp_path):
    settings = rig.make_folder(tmp_path / "home", bars=3_000)
    extend(settings.home, series_of("paper", rig.SYMBOL, Timeframe.H1), generated_candles(7, 3_000))
    setup = TestSetup(venue="paper", symbol=rig.SYMBOL, candles=f"archive:{rig.SYMBOL}@1h", period="60")
    spec = AlgorithmSpec.from_toml(rig.ACTIVE_TOML)
    document = spec.document()
    draft = DraftView("x", "x", "x@1", 1, document, document, spec.sha256(), setup, is_changed=True)
    result = read_request(settings, request_of(draft, settings, SystemClock()), SystemClock()).simulate()
    found = previewer(settings).answer(Asked(rig.ACTIVE_TOML, setup))
    assert len(result.records) > 10
    assert found.trades[:, TRADE_COLUMNS.index("pnl")].tolist() == [each.pnl for each in result.records]


def test_candles_are_read_once_and_sent_once(settings, setup):
    begun, clock = [], ManualClock(0)
    one = previewer(settings, clock, begun)
    first = one.answer(Asked(rig.ACTIVE_TOML, setup))
    again = one.answer(Asked(rig.ACTIVE_TOML.replace("40", "35"), setup, known=first.number))
    assert again.candles is None
    assert again.number == first.number
    assert len(again.stop) == len(first.candles)
    assert len(begun) == 1
    other = one.answer(Asked(rig.ACTIVE_TOML, replace(setup, period="30"), known=first.number))
    assert other.candles is not None
    assert len(begun) == 1
    clock.advance(3_600_000)
    one.answer(Asked(rig.ACTIVE_TOML, setup))
    assert len(begun) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": "", "venue": "paper"}, "Choose a market"),
        ({"venue": "", "candles": "venue"}, "Without a venue"),
        ({"symbol": "ETH/USDC:USDC"}, "has no market"),
        ({"venue": "nowhere"}, "no venue nowhere"),
        ({"candles": "venue"}, "no candles"),
        ({"candles": "/nowhere.csv"}, "/nowhere.csv"),
        ({"candles": "archive:BTC/USDC:USDC@1h"}, "archive"),
        ({"period": "own", "begin": "2031-01-01"}, "no candles"),
        ({"period": "soon"}, "setting"),
        ({"capital": "much"}, "setting"),
        ({"capital": "-1"}, "above 0"),
        ({"leverage": "500"}, "leverage"),
        ({"limit_fills": "never"}, ""),
    ],
)
def test_what_cannot_be_tested_is_said_in_one_sentence(settings, setup, changes, said):
    one = previewer(settings)
    found = one.answer(Asked(rig.ACTIVE_TOML, replace(setup, **changes)))
    assert said in found.problem
    assert found.problem
    assert "\n" not in found.problem
    assert "failed" not in found.problem
    assert found.candles is None
    assert one.answer(Asked(rig.ACTIVE_TOML, setup)).problem == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"1h"', '"4h"', "4h"),
        ("rsi(5) < 40", "sma(90000) < close", "no bar"),
        ("rsi(5) < 40", "rsy(5) < 40", "rsi"),
        ("[sizing]", "[sizing", "line 18"),
    ],
)
def test_a_text_without_a_backtest_says_why(settings, setup, old, new, said):
    found = previewer(settings).answer(Asked(rig.ACTIVE_TOML.replace(old, new, 1), setup))
    assert said in found.problem
    assert "\n" not in found.problem


def test_any_text_has_an_answer(settings, setup):
    chance, one = random.Random(7), previewer(settings)
    answered = 0
    for _ in range(300):
        text = list(rig.ACTIVE_TOML)
        digits = [place for place, sign in enumerate(text) if sign in "0123456789<>"]
        for _ in range(3):
            text[chance.choice(digits)] = chance.choice("0123456789")
        if chance.random() < 0.3:
            text[chance.randrange(len(text))] = chance.choice('.<>"()[]=abcdefghilmnorst@,\n')
        found = one.answer(Asked("".join(text), setup, chance.choice(["", PLACE, "entry.long", "x[3].y"])))
        assert "failed" not in found.problem, "".join(text)
        answered += not found.problem
    assert answered > 10


# --- the process -------------------------------------------------------------------------------------


@pytest.fixture
def answers():
    return queue.Queue()


@pytest.fixture
def service(settings, answers):
    service = PreviewService(settings)
    service.listen(answers.put)
    yield service
    service.close()


def view(setup, threshold=40):
    text = rig.ACTIVE_TOML.replace("rsi(5) < 40", f"rsi(5) < {threshold}")
    return edited(TextView("draft", "", setup=setup), text)


def ask(service, answers, asked, line=5, column=16):
    service.request(asked, line, column)
    return answers.get(timeout=rig.LIMIT_S)


def is_gone(process_id):
    try:
        return psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_newest_request_wins_and_the_process_goes_with_its_service(service, answers, setup):
    for threshold in (30, 31, 32, 33):
        service.request(view(setup, threshold), 5, 16)
    found = answers.get(timeout=rig.LIMIT_S)
    assert found.text == view(setup, 33).text
    assert found.condition == "rsi(5) < 33"
    assert found.symbol == rig.SYMBOL
    assert len(found.candles) == len(found.holds) == 3_000
    assert all(each.exit_ms is not None for each in found.trades[:-1])
    again = ask(service, answers, view(setup, 34), 0, 0)
    assert answers.empty()
    assert again.candles is found.candles
    assert again.condition == ""
    assert again.holds is None
    process_id = service.process_id
    assert os.getpriority(os.PRIO_PROCESS, process_id) >= 10
    # The candles are read: from now on it yields to other sessions too.
    weighed = Path(f"/proc/{process_id}/autogroup")
    assert not weighed.exists() or weighed.read_text().endswith("nice 10\n")
    service.close()
    service.close()
    rig.until(lambda: is_gone(process_id), "the process ends")
    service.request(view(setup), 5, 16)
    assert service.process_id is None or is_gone(service.process_id)


def test_an_open_trade_has_no_exit(service, answers, setup):
    asked = edited(TextView("draft", "", setup=setup), rig.HOLDING_TOML)
    *_, trade = ask(service, answers, asked).trades
    assert (trade.side, trade.exit_ms, trade.exit_price, trade.reason) == (Side.LONG, None, None, None)
    closed = ask(service, answers, view(setup)).trades[0]
    assert isinstance(closed.reason, ExitReason)
    assert closed.exit_ms > closed.entry_ms


def test_a_broken_text_is_answered_without_the_process(service, answers, setup):
    broken = edited(view(setup), rig.ACTIVE_TOML.replace("rsi(5) < 40", "rsy(5) < 40"))
    found = ask(service, answers, broken)
    assert (found.text, found.candles) == (broken.text, None)
    assert found.problem.startswith("line 6, column 14: ")
    huge = replace(broken, text="a" * 1_000_000, problems=())
    assert "longer" in ask(service, answers, huge).problem
    assert service.process_id is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_crash_is_one_sentence_and_the_next_text_gets_a_new_process(service, answers, setup, number):
    ask(service, answers, view(setup))
    first = service.process_id
    os.kill(first, number)
    found = ask(service, answers, view(setup, 30))
    assert number.name in found.problem
    assert ask(service, answers, view(setup, 31)).problem == ""
    assert service.process_id not in (None, first)


def test_a_process_that_hangs_is_replaced(service, answers, setup, monkeypatch):
    ask(service, answers, view(setup))
    first = service.process_id
    monkeypatch.setattr(preview_service, "COMPUTING_S", 0.3)
    os.kill(first, signal.SIGSTOP)
    assert "took longer" in ask(service, answers, view(setup, 30)).problem
    rig.until(lambda: is_gone(first), "the process that hangs ends")
    monkeypatch.undo()
    assert ask(service, answers, view(setup, 31)).problem == ""


def test_a_listener_that_fails_misses_one_answer_only(service, answers, setup, caplog):
    def fail(found):
        answers.put(found)
        raise ValueError("no screen")

    service.listen(fail)
    ask(service, answers, view(setup))
    service.listen(answers.put)
    assert ask(service, answers, view(setup, 30)).problem == ""
    assert "no screen" in caplog.text


def test_closing_does_not_wait_for_a_process_that_hangs(service, answers, setup):
    ask(service, answers, view(setup))
    process_id = service.process_id
    os.kill(process_id, signal.SIGSTOP)
    service.request(view(setup, 30), 5, 16)
    service.close()
    rig.until(lambda: is_gone(process_id), "the process ends")
    assert answers.empty()


_PARENT = """
import queue, sys
from tests.manager.test_preview import *
from firstwatch.settings import load_settings
settings, answers = load_settings(), queue.Queue()
service = PreviewService(settings)
service.listen(answers.put)
setup = TestSetup(venue="paper", symbol=rig.SYMBOL, candles=str(settings.home / "BTCUSDC.csv"), period="all")
print(ask(service, answers, view(setup)).problem, flush=True)
print(service.process_id, flush=True)
sys.stdin.read()
"""


def test_the_process_ends_with_a_program_that_is_killed(settings):
    environment = {**os.environ, "FIRSTWATCH_HOME": str(settings.home)}
    program = subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert program.stdout.readline() == "\n"
    process_id = int(program.stdout.readline())
    assert not is_gone(process_id)
    program.kill()
    program.communicate()
    rig.until(lambda: is_gone(process_id), "the process ends")
