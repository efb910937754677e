"""``firstwatch optimise``: the exact shape of its JSON, its text, and what it says of bad input."""

import pytest

from firstwatch.engine.jobs import process
from firstwatch.market.files import write_candles
from tests.candles import generated_candles

PERIOD = "entry.long.required[0].rsi.period=4..16"
LIMIT = "entry.long.required[0].right=25..50:0.5"


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    """Let a command in this process not make it nice, for it cannot go back."""
    monkeypatch.setattr(process, "be_nice", lambda: None)


@pytest.fixture(scope="module")
def candles(tmp_path_factory):
    path = tmp_path_factory.mktemp("candles") / "made_BTCUSDC_perp_1h.csv"
    write_candles(path, generated_candles(11, 24 * 75))
    return path


@pytest.fixture
def optimise(firstwatch, algorithm, candles):
    """Run the command with two parameters and few trials."""

    def run(*more, parameters=(PERIOD, LIMIT), trials=16):
        named = [word for parameter in parameters for word in ("--parameter", parameter)]
        return firstwatch("optimise", algorithm, "--candles", candles, *named, "--trials", trials, *more)

    return run


def test_the_json_has_exactly_the_promised_shape(optimise, firstwatch):
    answer = optimise("--json")
    assert answer.code == 0
    assert answer.err == ""
    found = answer.json
    assert list(found) == [
        "best", "trials", "counted_trials", "deflated_sharpe", "overfitting_probability",
        "minimum_backtest_days", "holdout", "importance", "pareto",
    ]  # fmt: skip
    assert list(found["best"]) == ["parameters", "metrics", "value"]
    names = [PERIOD.partition("=")[0], LIMIT.partition("=")[0]]
    assert list(found["best"]["parameters"]) == names
    assert 4 <= found["best"]["parameters"][names[0]] <= 16
    assert found["best"]["value"] == found["best"]["metrics"]["sharpe"]
    assert found["trials"] == 16
    assert 1 <= found["counted_trials"] <= 16
    assert list(found["holdout"]) == ["metrics", "used_before"]
    assert set(found["importance"]) == set(names)
    assert found["pareto"] == []
    (job,) = firstwatch("job", "list", "--json").json
    assert (job["kind"], job["state"], job["progress"]) == ("optimisation", "done", 1.0)


def test_two_objectives_give_points_and_no_best(optimise):
    found = optimise("--objective", "net_pnl,max_drawdown", "--json").json
    assert found["best"] is None
    assert found["deflated_sharpe"] is None
    for point in found["pareto"]:
        assert list(point) == ["parameters", "metrics", "values", "deflated_sharpe"]
    text = optimise("--objective", "net_pnl,max_drawdown").out
    assert "NET_PNL" in text
    assert "no other trial beats in both" in text


def test_a_study_is_gone_on_with_by_its_name_and_is_the_same_again(optimise):
    first = optimise("--study", "mine", "--json").json
    assert optimise("--study", "mine", "--workers", "2", "--json").json == first
    assert optimise("--study", "mine", "--json", trials=20).json["trials"] == 20
    refused = optimise("--study", "mine", "--seed", "3", "--json")
    assert refused.code == 2
    assert 'The study "mine" was made with other seed' in refused.err


def test_the_text_says_what_the_winner_is_worth(optimise):
    answer = optimise("--study", "mine", "--constraint", "total_trades>=2")
    assert answer.code == 0
    assert answer.err == "", "no bar where there is no terminal"
    assert answer.out.startswith("mine: 16 trials, best sharpe ")
    for word in (
        "PARAMETER",
        "SEARCHED",
        "HELD OUT",
        "Deflated Sharpe ratio",
        "the hold-out was used before: 0",
    ):
        assert word in answer.out


def test_the_winner_is_saved_as_a_version(optimise, firstwatch):
    answer = optimise("--save", "Better")
    assert "saved as Better@1" in answer.out
    (version,) = firstwatch("algorithm", "list", "--json").json
    assert version["name"] == "Better"


def test_a_stored_version_is_optimised_and_its_numbers_are_a_start(optimise, firstwatch, candles):
    found = optimise("--save", "Better", "--json").json
    warm = optimise("--start-from", "Better", "--study", "warm", "--json", trials=2).json
    assert warm["best"]["parameters"] == found["best"]["parameters"]
    own = firstwatch(
        "optimise", "Better@1", "--candles", candles, "--parameter", PERIOD, "--trials", 1, "--json"
    ).json
    assert own["best"]["value"] == found["best"]["value"]


@pytest.mark.parametrize(
    ("words", "parameters", "sentence"),
    [
        ((), ("stop_loss.atr=1..2",), 'RSI reversion has no parameter "stop_loss.atr"'),
        ((), ("entry.long.required[0].rsi.period=a..9",), "not a number: a"),
        ((), ("entry.long.required[0].rsi.period=9..4",), "the first bound must be below the second"),
        ((), ("entry.long.required[0].rsi.period",), "is not a parameter"),
        ((), (PERIOD, PERIOD), "are the same parameter"),
        (("--from", "2031-01-01"), (PERIOD,), "Too few candles are in the period (0)"),
        (("--from", "2024-02-01", "--to", "2024-01-01"), (PERIOD,), "--from must be before --to"),
        (("--objective", "sharp"), (PERIOD,), '"sharp" is no metric; did you mean sharpe?'),
        (("--constraint", "sharpe"), (PERIOD,), "is not a constraint"),
        (("--save", "a@b"), (PERIOD,), '"a@b" is not a name'),
        (("--study", " x"), (PERIOD,), "is not a name"),
        (("--prune", "--objective", "sharpe,net_pnl"), (PERIOD,), "cannot prune"),
        (("--start-from", "nothing"), (PERIOD,), "nothing"),
        (("--candles", "archive:BTC/USDC:USDC@1h"), (PERIOD,), "the archive has no BTC/USDC:USDC@1h"),
    ],
)
def test_bad_input_is_one_sentence(optimise, words, parameters, sentence):
    answer = optimise(*words, "--json", parameters=parameters)
    assert answer.code == 2
    assert sentence in answer.err
    assert len(answer.err.strip().splitlines()) == 1
