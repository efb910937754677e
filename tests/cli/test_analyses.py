"""``crossvalidate``, ``usefulness`` and ``compare``: exact shapes, texts, and mistakes in one sentence."""

import json

import pytest

from firstwatch.engine.jobs import process


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    """Let jobs in this process not make it nice, for it cannot go back."""
    monkeypatch.setattr(process, "be_nice", lambda: None)


def test_a_cross_validation_has_the_promised_shape(firstwatch, algorithm, candles):
    answer = firstwatch("crossvalidate", algorithm, "--candles", candles, "--folds", 4, "--json")
    assert (answer.code, answer.err) == (0, "")
    document = answer.json
    assert list(document)[:4] == ["folds", "spread", "passed", "rule"]
    assert len(document["folds"]) == 4
    for fold in document["folds"]:
        assert list(fold)[:3] == ["train", "test", "metrics"]
        begin, end = fold["train"]
        assert begin == "2024-01-01T00:00:00Z" < end < fold["test"][0] < fold["test"][1]
        assert fold["metrics"]["total_trades"] >= 0
    assert document["passed"] in (True, False, None)
    assert document["folds"][-1]["test"][1] == document["holdout"][0]
    sliding = firstwatch(
        "crossvalidate", algorithm, "--candles", candles, "--folds", 4, "--sliding", "--json"
    )
    assert [fold["test"] for fold in sliding.json["folds"]] == [fold["test"] for fold in document["folds"]]
    assert sliding.json["folds"][1]["train"] != document["folds"][1]["train"]


def test_a_cross_validation_says_its_verdict(firstwatch, algorithm, candles):
    answer = firstwatch("crossvalidate", algorithm, "--candles", candles)
    assert answer.code == 0
    assert "passed: At least 60 % of the folds" in answer.out
    assert "left out: 2024-" in answer.out
    assert "DAILY RATIO" in answer.out


def test_folds_are_searched_anew(firstwatch, algorithm, candles):
    answer = firstwatch(
        "crossvalidate", algorithm, "--candles", candles, "--folds", 2, "--reoptimise", 3, "--workers", 1,
        "--parameter", "entry.long.required[0].rsi.period=5..9", "--objective", "net_pnl",
    )  # fmt: skip
    assert answer.code == 0
    name = "entry.long.required[0].rsi.period"
    row = next(line for line in answer.out.splitlines() if line.startswith(name))
    assert all(5 <= int(each) <= 9 for each in row.split()[1:])
    usual = firstwatch(
        "crossvalidate",
        algorithm,
        "--candles",
        candles,
        "--folds",
        2,
        "--reoptimise",
        2,
        "--workers",
        1,
        "--json",
    )
    assert "entry.long.required[0].left.timeperiod" in usual.json["folds"][0]["parameters"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--folds", 100, "--to", "2024-02-01"], "A fold of 6 bars is not longer than the warm-up of"),
        (["--from", "2030-01-01"], "Too few candles are in the period (0)"),
        (["--from", "2025-01-01", "--to", "2024-01-01"], "--from must be before --to"),
        (["--reoptimise", 3, "--parameter", "stop_loss.fraktion=1..2"], "has no parameter"),
        (["--parameter", "stop_loss.fraction=0.1..0.2"], "--parameter varies numbers by --reoptimise"),
        (["--candles", "nowhere.csv"], "nowhere.csv"),
        (["--candles", "archive:XYZ/USDC:USDC@1h"], "XYZ/USDC:USDC"),
    ],
)
def test_what_cannot_be_cross_validated_is_one_sentence(firstwatch, algorithm, candles, options, says):
    answer = firstwatch("crossvalidate", algorithm, "--candles", candles, *options)
    assert answer.code == 2
    assert says in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "Traceback" not in answer.err


def test_a_usefulness_has_the_promised_shape(firstwatch, algorithm, candles):
    answer = firstwatch("usefulness", algorithm, "--candles", candles, "--json")
    assert (answer.code, answer.err) == (0, "")
    document = answer.json
    assert list(document)[:2] == ["conditions", "near_misses"]
    for each in document["conditions"]:
        assert list(each) == [
            "group", "condition", "score", "flips", "true_share", "completed", "blocked_alone", "ablation",
        ]  # fmt: skip
        assert list(each["ablation"]) == ["net_pnl", "sharpe"]
        assert 0 <= each["score"] <= 100
    assert document["conditions"][0]["group"] == "entry.long.required"


def test_a_usefulness_shows_its_formula(firstwatch, algorithm, candles):
    answer = firstwatch("usefulness", algorithm, "--candles", candles)
    assert answer.code == 0
    assert "score: 100 x (1 - (1.96 / t)²)" in answer.out
    assert "BLOCKED ALONE" in answer.out
    empty = firstwatch("usefulness", algorithm, "--candles", candles, "--from", "2030-01-01")
    assert empty.code == 2
    assert "Too few candles" in empty.err


@pytest.fixture
def results(firstwatch, algorithm, candles, tmp_path):
    """Two results as files, of another threshold and another fee."""
    other = tmp_path / "other.toml"
    other.write_text(algorithm.read_text().replace("rsi(14) < 30", "rsi(14) < 35"))
    paths = []
    for name, given, options in (("a", algorithm, []), ("b", other, ["--fee-bps", "2.0"])):
        path = tmp_path / f"{name}.json"
        path.write_text(firstwatch("backtest", given, "--candles", candles, *options, "--json").out)
        paths.append(path)
    return paths


def test_results_are_compared_with_what_differs_in_their_settings(firstwatch, results):
    answer = firstwatch("compare", *results, "--json")
    assert answer.code == 0
    document = answer.json
    assert list(document) == ["results", "differences"]
    first, second = document["results"]
    assert list(first) == ["id", "settings", "metrics"]
    assert [first["id"], second["id"]] == [str(path) for path in results]
    assert first["metrics"] == json.loads(results[0].read_text())["metrics"]
    differences = {each["setting"]: each["values"] for each in document["differences"]}
    assert differences == {
        "algorithm.entry.long.required[0]": ["rsi(14) < 30", "rsi(14) < 35"],
        "costs.taker_fee_bps": ["4.5", "2"],
        "costs.maker_fee_bps": ["4.5", "2"],
    }
    text = firstwatch("compare", *results).out
    assert "algorithm.entry.long.required[0]" in text
    assert "net_pnl" in text
    same = firstwatch("compare", results[0], results[0])
    assert "Nothing differs in their settings." in same.out


def test_numbers_that_are_equal_do_not_differ_however_they_are_written(
    firstwatch, algorithm, candles, tmp_path
):
    paths = []
    for capital in ("10000", "1e4"):
        path = tmp_path / f"{capital}.json"
        path.write_text(
            firstwatch("backtest", algorithm, "--candles", candles, "--capital", capital, "--json").out
        )
        paths.append(path)
    assert firstwatch("compare", *paths, "--json").json["differences"] == []


def test_a_stored_result_is_compared_by_its_number(firstwatch, algorithm, candles, results, home):
    from firstwatch.backtest.inputs import BacktestRequest
    from firstwatch.settings import load_settings
    from firstwatch.strategy.specification import AlgorithmSpec
    from firstwatch.trading.jobs import JobKind

    spec = AlgorithmSpec.from_toml(algorithm.read_text())
    request = BacktestRequest(algorithm="x", spec_json=spec.canonical_json(), candles=str(candles))
    found = process.run_job_here(load_settings(), JobKind.BACKTEST, "x", request).result
    answer = firstwatch("compare", found["result"], *results, "--json")
    assert answer.code == 0
    stored, same, _ = answer.json["results"]
    assert stored["id"] == found["result"]
    assert stored["settings"] == same["settings"]
    assert stored["metrics"] == same["metrics"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not a result: it is not JSON"),
        ("[" * 100_000, "is not a result: it is not JSON"),
        ("[]", "is not a result: give a file"),
        ('{"metrics": 1}', "is not a result: give a file"),
        ('{"metrics": {}}', "an older version wrote it"),
    ],
)
def test_a_file_that_is_no_result_is_one_sentence(firstwatch, results, tmp_path, text, says):
    path = tmp_path / "odd.json"
    if text is not None:
        path.write_text(text)
    answer = firstwatch("compare", results[0], path)
    assert answer.code == 2
    assert says in answer.err
    assert len(answer.err.splitlines()) == 1


def test_fewer_than_two_results_or_an_unknown_number_are_refused(firstwatch, results):
    assert "two results or more" in firstwatch("compare", results[0]).err
    unknown = firstwatch("compare", results[0], 99)
    assert (unknown.code, "no stored result 99" in unknown.err) == (2, True)
