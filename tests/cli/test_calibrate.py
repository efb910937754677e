"""``firstwatch calibrate``: the exact shape of its JSON, its text, and what it says of bad input."""

import pytest

from firstwatch.market.files import write_candles
from firstwatch.trading.verdicts import Change
from tests.candles import generated_candles
from tests.watch.algorithms import FOLDER

SHORT = ("--baseline-days", "60", "--live-days", "2")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("candles") / "made_BTCUSDC_perp_1h.csv"
    write_candles(path, generated_candles(8, 24 * 84))
    return path


@pytest.fixture(scope="module")
def answers():
    """What the plain command has answered to a test before: it calculates for seconds."""
    return []


@pytest.fixture
def plain(firstwatch, file, answers):
    """The answer of the plain command, without a seed of its own."""
    if not answers:
        answers.append(firstwatch("calibrate", FOLDER / "both_1h.toml", "--candles", file, *SHORT, "--json"))
    return answers[0]


def test_the_json_has_exactly_the_promised_shape(plain):
    assert plain.code == 0
    assert plain.err == ""
    found = plain.json
    assert list(found) == [
        "claim", "needs", "seed", "alpha", "baseline", "null", "rolling", "held_out", "fills", "power",
        "seconds",
    ]  # fmt: skip
    assert found["alpha"] == {"joint": 0.04, "fills": 0.01}
    assert list(found["baseline"]) == ["bars", "days", "trades", "trades_per_day"]
    for name in ("null", "held_out"):
        assert list(found[name]) == ["days", "diverged", "interval"]
    rolling = found["rolling"]
    assert list(rolling) == ["origins", "days", "diverged", "interval", "by_origin", "by_check"]
    assert list(rolling["by_origin"]) == ["p5", "p50", "p95"]
    assert rolling["interval"][0] <= rolling["diverged"] <= rolling["interval"][1]
    assert list(found["fills"]) == ["heavy_tailed", "skewed"]
    assert [each["change"] for each in found["power"]] == [change.value for change in Change]
    for each in found["power"]:
        assert list(each) == ["change", "diverged", "median_hours", "by_hour", "by_check"]
        assert len(each["by_hour"]) == 24
    assert found["claim"] == "ok"
    assert found["seed"] == 0
    assert found["seconds"] > 0


def test_the_same_seed_gives_the_same_document_and_another_seed_another(firstwatch, file, plain):
    def figures(answer):
        found = answer.json
        del found["seconds"], found["seed"]
        return found

    def seeded(seed):
        options = ("--candles", file, *SHORT, "--seed", seed, "--json")
        return figures(firstwatch("calibrate", FOLDER / "both_1h.toml", *options))

    assert plain.json["seed"] == 0
    assert figures(plain) == seeded(0) != seeded(1)


def test_the_text_says_the_same(firstwatch, file):
    answer = firstwatch("calibrate", FOLDER / "both_1h.toml", "--candles", file, *SHORT)
    assert answer.code == 0
    assert "claim: ok" in answer.out
    assert "slippage+5bps" in answer.out
    assert "nan" not in answer.out
    assert answer.err == "", "no progress bar where no terminal is"


def test_few_candles_are_too_short_and_say_what_would_do(firstwatch, file):
    options = ("--candles", file, "--to", "2024-02-15", "--json")
    found = firstwatch("calibrate", FOLDER / "both_1h.toml", *options).json
    assert found["claim"] == "too_short"
    assert "days of candles" in found["needs"]
    assert found["rolling"] == {
        "origins": 0, "days": 0, "diverged": None, "interval": None, "by_origin": None, "by_check": {},
    }  # fmt: skip
    assert found["baseline"]["days"] == pytest.approx(45, abs=1)


def test_fewer_bars_than_the_warm_up_are_a_sentence(firstwatch, file):
    answer = firstwatch("calibrate", FOLDER / "trend_1h.toml", "--candles", file, "--to", "2024-01-02")
    assert answer.code == 2
    assert "give more candles" in answer.err


def test_bars_of_another_timeframe_are_a_sentence(firstwatch, file):
    answer = firstwatch("calibrate", FOLDER / "long_5m.toml", "--candles", file)
    assert answer.code == 2
    assert "5m candles are needed" in answer.err


def test_it_takes_the_options_of_a_backtest(firstwatch, file, plain):
    options = ("--candles", file, *SHORT, "--json")
    session = firstwatch(
        "calibrate", FOLDER / "both_1h.toml", *options, "--session", FOLDER / "session_13_20.toml",
        "--fee-bps", "1", "--slippage-bps", "0", "--leverage", "2", "--capital", "500",
    ).json  # fmt: skip
    assert session["baseline"]["trades"] < plain.json["baseline"]["trades"]
    refused = firstwatch("calibrate", FOLDER / "both_1h.toml", *options, "--capital", "-1")
    assert refused.code == 2
    assert "--capital must be above 0" in refused.err


@pytest.mark.parametrize(
    "option", [("--baseline-days", "5"), ("--holdout", "1"), ("--live-days", "0"), ("--seed", "-1")]
)
def test_what_cannot_be_proved_is_refused(firstwatch, file, option):
    answer = firstwatch("calibrate", FOLDER / "both_1h.toml", "--candles", file, *option)
    assert answer.code == 2
    assert option[0] in answer.err
