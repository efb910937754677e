"""``firstwatch baseline``: made with a launch's settings, used again, cancelled, listed with its age."""

from decimal import Decimal

import pytest

from firstwatch.backtest.baseline import settings_of
from firstwatch.engine.jobs.baseline import BaselineRequest
from firstwatch.market.files import write_candles
from firstwatch.market.packed import BASELINE_FOLDER
from firstwatch.store.backtests import list_backtests
from firstwatch.store.database import open_store
from firstwatch.trading.launch import LaunchSettings
from tests.candles import generated_candles
from tests.engine.jobs.processes import job_process

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


def baseline_request():
    launch = LaunchSettings(
        algorithm="RSI reversion", version=1, wallet="w", symbol=SYMBOL, capital=Decimal(750)
    )
    return BaselineRequest(launch=launch, days=FEW_DAYS)


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


def test_a_baseline_is_a_job_that_says_how_it_ended(ready, home):
    ready(*SHORT)
    ready(*SHORT, "--symbol", "ETH/USDC:USDC")
    failed, done = ready("job", "list", "--json").json
    assert (done["kind"], done["state"], done["progress"]) == ("baseline", "done", 1.0)
    assert (failed["state"], failed["seconds_left"]) == ("failed", None)
    assert "no market ETH" in failed["error"]
    shown = ready("job", "show", str(done["job"]), "--json").json
    assert shown["title"] == f"RSI reversion@1 on {SYMBOL}"
    assert shown["result"]["baseline"] == saved(home)[0].id
    assert ready("baseline", "cancel").code == 3


def test_a_baseline_is_cancelled(ready, home):
    with job_process(home, "baseline", baseline_request()) as job:
        job.wait_for_work()
        assert ready("baseline", "cancel").code == 0
        assert job.process.wait(timeout=30) == 1
    (found,) = ready("job", "list", "--json").json
    assert (found["state"], found["error"]) == ("cancelled", None)
    assert saved(home) == []
    assert [path.name for path in (home / BASELINE_FOLDER).glob("*.candles")] == []
    assert ready("baseline", "cancel").code == 3
    assert ready("job", "resume", str(found["job"])).code == 0
    assert ready("job", "follow", str(found["job"]), "--json").json["state"] == "done"
    assert len(saved(home)) == 1
