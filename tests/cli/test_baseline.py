"""``firstwatch baseline``: made with a launch's settings, used again, cancelled, listed with its age."""

import os
import signal
import subprocess
import sys
import time

import pytest

from firstwatch.backtest.baseline import settings_of
from firstwatch.engine.baselines.making import MakingState, is_being_made, read_making, sole_maker
from firstwatch.market.files import write_candles
from firstwatch.market.packed import BASELINE_FOLDER
from firstwatch.store.backtests import list_backtests
from firstwatch.store.database import open_store
from firstwatch.trading.errors import RefusedError
from tests.candles import generated_candles

SYMBOL = "BTC/USDC:USDC"
MAKE = ("baseline", "make", "RSI reversion", "--wallet", "w", "--symbol", SYMBOL, "--capital", "750")
FEW_DAYS = 20
SHORT = (*MAKE, "--days", str(FEW_DAYS))
"""Where it does not matter how many days there are."""


@pytest.fixture
def ready(firstwatch, home, algorithm):
    """A paper venue in March 2025, a wallet and a stored algorithm."""
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text('[venues.paper]\nkind = "paper"\nstart = "2025-03-01"\n')
    firstwatch("wallet", "create", "w", "--venue", "paper")
    firstwatch("algorithm", "add", algorithm)
    return firstwatch


@pytest.fixture(autouse=True)
def as_nice_as_before(monkeypatch):
    """Commands run in this process, which must not become ever nicer."""
    monkeypatch.setattr(os, "nice", lambda _by: 0)


def saved(home):
    store = open_store(home, read_only=True)
    try:
        with store.read() as session:
            return list_backtests(session, 1)
    finally:
        store.close()


def test_a_baseline_of_the_venue_has_the_settings_of_the_launch(ready, home):
    said = ready(*MAKE, "--leverage", "3", "--trades-limit", "9", "--json")
    assert said.code == 0, said.err
    made = said.json
    assert made["is_new"]
    assert made["days"] == pytest.approx(184, abs=1)
    assert made["to"] == "2025-02-28T23:00:00Z"
    assert made["stale"] is None
    (found,) = saved(home)
    settings = settings_of(found.settings_json)
    assert (int(settings.capital), int(settings.leverage), settings.trades_limit) == (750, 3, 9)
    assert read_making(home).state is MakingState.DONE
    assert not (home / "archive").exists()


def test_the_same_again_is_not_made_again(ready, home):
    first = ready(*SHORT, "--json").json
    again = ready(*SHORT, "--json").json
    assert (again["baseline"], again["is_new"]) == (first["baseline"], False)
    other = ready(*SHORT, "--leverage", "2", "--json").json
    assert other["is_new"]
    assert len(saved(home)) == 2
    assert len(list((home / BASELINE_FOLDER).glob("*.candles"))) == 1


def test_a_baseline_of_a_file_and_of_the_archive(ready, home, tmp_path):
    path = tmp_path / "BTCUSDC_1h.csv"
    write_candles(path, generated_candles(3, 6_000))
    ready("candles", "import", path)
    by_file = ready(*MAKE, "--candles", path, "--json").json
    by_archive = ready(*MAKE, "--candles", f"archive:{SYMBOL}@1h", "--json").json
    assert by_file["days"] == 184
    assert by_file["from"] == "2024-03-07T00:00:00Z"
    assert (by_archive["baseline"], by_archive["is_new"]) == (by_file["baseline"], False)


def test_baselines_are_listed_with_what_is_stale(ready, home):
    assert "No baselines yet" in ready("baseline", "list").out
    ready(*SHORT)
    (one,) = ready("baseline", "list", "--json").json
    assert one["stale"] is None
    assert one["candles"]
    for path in (home / BASELINE_FOLDER).glob("*.candles"):
        path.unlink()
    assert "no longer in the data folder" in ready("baseline", "list").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--candles", "none.csv"), "cannot read none.csv"),
        (("--candles", "archive:X@1h"), "the archive has no X@1h"),
        (("--candles", "archive:X"), "names no series"),
        (("--candles", "x" * 5_000), "candles"),
        (("--symbol", "ETH/USDC:USDC"), "no market ETH"),
        (("--capital", "-1"), "capital"),
        (("--slippage-bps", "x"), "--slippage-bps"),
    ],
)
def test_what_cannot_be_made_is_a_sentence_and_saves_nothing(ready, home, words, said):
    answer = ready(*MAKE, *words)
    assert answer.code in {1, 2}
    assert said in answer.err
    assert saved(home) == []
    assert not list((home / BASELINE_FOLDER).glob("*.candles"))


def test_candles_of_another_timeframe_are_refused(ready, tmp_path, home):
    write_candles(tmp_path / "day.csv", generated_candles(3, 300).part(0, 300))
    (tmp_path / "day.csv").write_text(
        "".join(f"{86_400_000 * (19_000 + day)},1,1,1,1,1\n" for day in range(300))
    )
    answer = ready(*MAKE, "--candles", "day.csv")
    assert answer.code == 2
    assert "1h candles are needed" in answer.err


def test_one_baseline_is_made_at_a_time(ready, home):
    (home / BASELINE_FOLDER).mkdir(mode=0o700, exist_ok=True)
    with sole_maker(home):
        assert is_being_made(home)
        answer = ready(*SHORT)
        assert answer.code == 3
        assert "is being made" in answer.err
        with pytest.raises(RefusedError), sole_maker(home):
            pass
    assert not is_being_made(home)
    assert ready(*SHORT).code == 0


# --- ended half-way ----------------------------------------------------------------------------

SLOW = """
import sys, time
from firstwatch.engine.baselines import maker, process
made = maker.simulate
def simulate(*rest, **more):
    print("begun", flush=True)
    time.sleep(60)
    return made(*rest, **more)
maker.simulate = simulate
sys.exit(process.main())
"""


@pytest.fixture
def slow(ready, home):
    """A maker's process that is in the middle of its backtest."""
    from decimal import Decimal

    from firstwatch.engine.baselines.maker import BaselineRequest
    from firstwatch.trading.launch import LaunchSettings

    launch = LaunchSettings(
        algorithm="RSI reversion", version=1, wallet="w", symbol=SYMBOL, capital=Decimal(750)
    )
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(BaselineRequest(launch=launch, days=FEW_DAYS).model_dump_json().encode())
    process.stdin.close()
    assert process.stdout.readline() == b"begun\n", process.stderr.read()
    yield process
    process.kill()
    process.wait()


def test_a_baseline_is_cancelled(ready, home, slow):
    found = read_making(home)
    assert (found.state, found.pid) == (MakingState.RUNNING, slow.pid)
    assert 0 < found.share < 1
    assert ready("baseline", "cancel").code == 0
    assert slow.wait(timeout=30) == 1
    assert read_making(home).state is MakingState.CANCELLED
    assert saved(home) == []
    assert ready("baseline", "cancel").code == 3
    assert ready(*SHORT).code == 0


def test_a_maker_that_is_killed_leaves_nothing_half_written(ready, home, slow):
    slow.send_signal(signal.SIGKILL)
    slow.wait(timeout=30)
    found = read_making(home)
    assert found.state is MakingState.FAILED
    assert "interrupted" in found.sentence
    assert saved(home) == []
    assert [path.name for path in (home / BASELINE_FOLDER).glob("*.candles")] == []
    assert ready(*SHORT).code == 0
    assert read_making(home).state is MakingState.DONE


def test_a_maker_is_nice(slow):
    deadline = time.monotonic() + 30
    while os.getpriority(os.PRIO_PROCESS, slow.pid) < 10:
        assert time.monotonic() < deadline
