"""Cross-validation and usefulness as jobs: what they save, for whom, and what they enter in the ledger."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.backtest.cross_validation import cross_validate, to_json
from firstwatch.backtest.inputs import FROM_ANYWHERE, FROM_VENUE, BacktestRequest
from firstwatch.backtest.review import review_json
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.engine.jobs import inputs, process
from firstwatch.engine.jobs.cross_validation import CrossValidationRequest, Reoptimisation
from firstwatch.engine.jobs.inputs import read_request, read_source
from firstwatch.engine.jobs.usefulness import UsefulnessRequest
from firstwatch.engine.launch.checks import CHECKS
from firstwatch.engine.launch.compared import cross_validated_of
from firstwatch.engine.launch.facts import judge
from firstwatch.engine.launch.gather import gather
from firstwatch.market.files import CandleFile, write_candles
from firstwatch.settings import TestSettings, load_settings
from firstwatch.store import algorithms, wallets
from firstwatch.store.analyses import latest_analysis
from firstwatch.store.database import open_store
from firstwatch.store.jobs import list_jobs, result_of_job
from firstwatch.store.studies import Data, count_tried
from firstwatch.store.test_results import find_result
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.clock import SystemClock, iso
from firstwatch.trading.errors import DamagedRowError, FirstwatchError, VenueError, WrongUseError
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.launch import LaunchSettings
from tests.candles import generated_candles
from tests.engine.host import rig

SYMBOL = "BTC/USDC:USDC"
SAMPLE = AlgorithmSpec.from_toml(sample_toml())
CANDLES = generated_candles(11, 24 * 75)


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    """Let jobs in this process not make it nice, for it cannot go back."""
    monkeypatch.setattr(process, "be_nice", lambda: None)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FIRSTWATCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def asked(tmp_path):
    path = tmp_path / "made_BTCUSDC_perp_1h.csv"
    write_candles(path, CANDLES)
    return BacktestRequest(
        algorithm="sample.toml",
        spec_json=SAMPLE.canonical_json(),
        candles=str(path),
        settings=BacktestSettings(leverage=Decimal(2)),
    )


@pytest.mark.parametrize("candles", [FROM_VENUE, FROM_ANYWHERE])
def test_no_more_of_the_newest_bars_are_read_than_are_wanted(tmp_path, monkeypatch, candles):
    settings = rig.make_folder(tmp_path / "home", bars=10)
    request = BacktestRequest(
        algorithm="sample.toml",
        spec_json=SAMPLE.canonical_json(),
        candles=candles,
        venue="paper" if candles == FROM_VENUE else None,
        symbol=SYMBOL,
        from_ms=0,
    )
    wanted, given = [], CandleFile(tmp_path, CANDLES, ())
    monkeypatch.setattr(inputs, "venue_candles", lambda *asked: wanted.append(asked[-1]) or given)
    assert read_source(settings, request, SystemClock(), bars=50).file is given
    assert wanted == [50]


def run(kind, request, **changed):
    settings = load_settings().model_copy(update=changed)
    return process.run_job_here(settings, kind, "a title", request).result


def latest(home, kind, symbol=SYMBOL):
    store = open_store(home)
    try:
        with store.read() as session:
            return latest_analysis(session, kind, spec_sha256=SAMPLE.sha256(), symbol=symbol)
    finally:
        store.close()


def test_a_cross_validation_is_saved_for_the_launch_checks(home, asked):
    found = run(JobKind.CROSS_VALIDATION, CrossValidationRequest(test=asked, folds=4))
    given = read_request(load_settings(), asked, SystemClock())
    assert found == to_json(cross_validate(given.tester(), SAMPLE, count=4))
    saved = latest(home, JobKind.CROSS_VALIDATION)
    assert saved.result == json.loads(json.dumps(found))
    assert (iso(saved.start_ms), iso(saved.end_ms)) == (found["folds"][0]["train"][0], found["holdout"][0])
    seen = cross_validated_of(saved)
    assert (seen.passed, seen.rule, seen.leverage) == (found["passed"], found["rule"], Decimal(2))
    assert not seen.is_old
    assert latest(home, JobKind.CROSS_VALIDATION, "ETH/USDC:USDC") is None
    assert latest(home, JobKind.USEFULNESS) is None
    with pytest.raises(DamagedRowError, match="passed is no verdict"):
        cross_validated_of(replace(saved, result_json=json.dumps(found | {"passed": 5})))
    assert cross_validated_of(replace(saved, core_version=0)).is_old


def test_the_drawdown_that_is_allowed_is_a_setting(home, asked):
    strict = run(
        JobKind.CROSS_VALIDATION,
        CrossValidationRequest(test=asked, folds=4),
        test=TestSettings(max_drawdown=0.001),
    )
    assert strict["passed"] is False
    assert "no drawdown may be above 0.1 %" in strict["rule"]


def test_folds_are_not_entered_in_the_ledger_of_trials_and_ablations_are(home, asked):
    data = Data(SYMBOL, SAMPLE.timeframe, int(CANDLES.time_ms[0]), int(CANDLES.time_ms[-1]))

    def tried():
        store = open_store(home)
        try:
            with store.read() as session:
                return count_tried(session, data)
        finally:
            store.close()

    run(JobKind.CROSS_VALIDATION, CrossValidationRequest(test=asked, folds=4))
    assert tried() == 0
    found = run(JobKind.USEFULNESS, UsefulnessRequest(test=asked))
    assert tried() == 1 + len(found["conditions"])
    run(JobKind.USEFULNESS, UsefulnessRequest(test=asked))
    assert tried() == 1 + len(found["conditions"])
    assert latest(home, JobKind.USEFULNESS).result == json.loads(json.dumps(found))


def reoptimised(asked, **changed):
    values = {"trials": 9, "parameters": ("entry.long.required[0].rsi.period=4..16",), "workers": 1}
    return CrossValidationRequest(test=asked, folds=3, reoptimisation=Reoptimisation(**values | changed))


def test_folds_with_numbers_of_their_own_are_the_same_for_any_workers_and_say_nothing_of_the_version(
    home, asked
):
    one = run(JobKind.CROSS_VALIDATION, reoptimised(asked))
    two = run(JobKind.CROSS_VALIDATION, reoptimised(asked, workers=2))
    assert one == two
    chosen = [fold["parameters"]["entry.long.required[0].rsi.period"] for fold in one["folds"]]
    assert all(4 <= period <= 16 for period in chosen)
    assert len(set(chosen)) > 1
    assert latest(home, JobKind.CROSS_VALIDATION) is None
    assert run(JobKind.CROSS_VALIDATION, reoptimised(asked, seed=5)) != one


def test_a_fold_s_numbers_are_the_best_of_its_training_bars(home, asked):
    """Every period is tried by hand on the training bars alone."""
    found = run(
        JobKind.CROSS_VALIDATION,
        reoptimised(
            asked, trials=40, parameters=("entry.long.required[0].rsi.period=4..7",), objective="net_pnl"
        ),
    )
    given = read_request(load_settings(), asked, SystemClock())
    fold = found["folds"][0]
    end = CANDLES.index_at(int(CANDLES.time_ms[0]) + 360 * 3_600_000)
    assert fold["train"] == [iso(int(CANDLES.time_ms[0])), iso(int(CANDLES.time_ms[end]))]
    text, pnl = sample_toml(), {}
    assert "rsi(14) < 30" in text
    for period in range(4, 8):
        spec = AlgorithmSpec.from_toml(text.replace("rsi(14) < 30", f"rsi({period}) < 30", 1))
        pnl[period] = given.tester().run(spec, end_ms=int(CANDLES.time_ms[end])).metrics.net_pnl
    best = fold["parameters"]["entry.long.required[0].rsi.period"]
    assert pnl[best] == max(pnl.values())


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"parameters": ("entry.long.required[7].rsi.period=2..3",)}, "has no parameter"),
        ({"objective": "luck"}, "is no metric"),
        ({"objective": "sharpe,net_pnl"}, "improves one metric"),
    ],
)
def test_a_search_that_cannot_be_made_is_one_sentence(home, asked, changed, says):
    with pytest.raises(WrongUseError, match=says):
        run(JobKind.CROSS_VALIDATION, reoptimised(asked, **changed))


@pytest.mark.parametrize("kind", [JobKind.CROSS_VALIDATION, JobKind.USEFULNESS])
@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"candles": "/nowhere.csv"}, "nowhere.csv"),
        ({"from_ms": 1_000_000_000_000, "to_ms": 1_000_000_100_000}, "Too few candles"),
        ({"spec_json": "{}"}, "sample.toml"),
    ],
)
def test_bad_input_fails_the_job_with_one_sentence(home, asked, kind, changed, says):
    make = CrossValidationRequest if kind is JobKind.CROSS_VALIDATION else UsefulnessRequest
    with pytest.raises(FirstwatchError, match=says):
        run(kind, make(test=asked.model_copy(update=changed)))
    store = open_store(home)
    try:
        with store.read() as session:
            (job,) = list_jobs(session, limit=9)
            assert (job.kind, job.state) == (kind, JobState.FAILED)
            assert says in job.sentence
            assert result_of_job(session, job.id) is None
    finally:
        store.close()


def test_a_stored_backtest_has_its_review(home, asked):
    found = run(JobKind.BACKTEST, asked)
    given = read_request(load_settings(), asked, SystemClock())
    result = given.simulate()
    store = open_store(home)
    try:
        with store.read() as session:
            stored = find_result(session, found["result"])
    finally:
        store.close()
    reviewed = review_json(given.review(result), result.time_ms)
    assert stored.details["review"] == json.loads(json.dumps(reviewed))
    assert stored.candles == given.fingerprint(result)
    assert given.settings_document(result)["candles"] == stored.candles


class _NoVenue:
    """Venues of which none answers: what the store knows is enough here."""

    def require_key(self, *_names, **_how):
        raise VenueError("the venue does not answer")


def test_a_launch_of_the_version_looks_at_its_cross_validation(home, asked):
    found = run(JobKind.CROSS_VALIDATION, CrossValidationRequest(test=asked, folds=4))
    store = open_store(home)
    try:
        with store.write() as session:
            algorithms.add_version(session, SAMPLE.name, SAMPLE.canonical_json(), SAMPLE.sha256(), now_ms=1)
            wallets.create_wallet(session, "one", venue="paper", kind="paper", now_ms=1)

        def seen(**changed):
            values = {"algorithm": SAMPLE.name, "version": 1, "wallet": "one", "symbol": SYMBOL}
            settings = LaunchSettings.model_validate(values | {"capital": 1_000, "leverage": 2} | changed)
            facts = gather(store, _NoVenue(), settings, capital_share=0.5, now_ms=1)
            return next(each for each in judge(CHECKS, facts) if each.name == "cross-validation")

        assert found["rule"] in seen().found
        assert seen().passed is bool(found["passed"])
        assert "at leverage 2, and the launch has 3" in seen(leverage=3).found
        assert "no cross-validation" in seen(symbol="ETH/USDC:USDC").found
    finally:
        store.close()
