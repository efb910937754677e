"""Optimisation as a job: the same study however it is worked on; hold-out, ledger, resuming, bad input."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firstwatch.backtest.holdout import split_period
from firstwatch.backtest.inputs import BacktestRequest
from firstwatch.backtest.metrics import daily_returns
from firstwatch.backtest.result_json import metrics_json
from firstwatch.backtest.trial import returns_of
from firstwatch.engine.jobs import process
from firstwatch.engine.jobs.inputs import read_request
from firstwatch.engine.jobs.studies import OptimisationRequest, read_study
from firstwatch.market.files import write_candles
from firstwatch.settings import ComputeSettings, load_settings
from firstwatch.store.algorithms import get_version
from firstwatch.store.database import open_store
from firstwatch.store.jobs import get_job, list_jobs, result_of_job
from firstwatch.store.studies import count_tried
from firstwatch.store.tables import TrialTable, table_of
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import DamagedRowError, FirstwatchError, StoreError, WrongUseError
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.trials import TrialState
from tests.candles import generated_candles
from tests.engine.host.rig import until

PERIOD = "entry.long.required[0].rsi.period=4..16"
LIMIT = "entry.long.required[0].right=25..50:0.5"
SAMPLE = AlgorithmSpec.from_toml(sample_toml())
CANDLES = generated_candles(11, 24 * 75)


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    """Let jobs in this process not make it nice, for it cannot go back."""
    monkeypatch.setattr(process, "be_nice", lambda: None)


@pytest.fixture(scope="module")
def candles(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("candles") / "made_BTCUSDC_perp_1h.csv"
    write_candles(path, CANDLES)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FIRSTWATCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _asked(candles, **options):
    test = options.pop("test", {})
    algorithm = {"algorithm": "sample.toml", "spec_json": SAMPLE.canonical_json()}
    request = BacktestRequest(**{**algorithm, "candles": str(candles)} | test)
    return OptimisationRequest(
        **{"test": request, "parameters": (PERIOD, LIMIT), "trials": 24, "study": "mine"} | options
    )


def _run(request, home=None, compute=None):
    settings = load_settings(**({} if home is None else {"home": home}))
    if compute is not None:
        settings = settings.model_copy(update={"compute": compute})
    return process.run_job_here(settings, JobKind.OPTIMISATION, "a study", request).result


def _study(home, name="mine"):
    store = open_store(home)
    try:
        with store.read() as session:
            return read_study(session, name)
    finally:
        store.close()


def _rows(home, name="mine"):
    """Return everything of a study's trials."""
    return [
        (
            *(trial.number, trial.parameters, trial.state, trial.spec_sha256, trial.first_value),
            *(trial.metrics, None if trial.daily_pnl is None else trial.daily_pnl.tolist()),
        )
        for trial in _study(home, name).trials
    ]


@pytest.fixture(scope="module")
def undisturbed(candles, tmp_path_factory):
    """A study of 200 trials by one worker in one go: its result and its rows."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "be_nice", lambda: None)
        result = _run(_asked(candles, trials=200), home)
    return result, _rows(home)


def test_the_winner_is_what_a_backtest_of_the_searched_candles_finds(candles, home):
    found = _run(_asked(candles))
    study = _study(home)
    split = split_period(CANDLES, None, None)
    assert study.definition.split == split
    given = read_request(load_settings(), study.definition.request.test, SystemClock())
    best = study.search.with_values(found["best"]["parameters"])
    searched = replace(given, spec=best, end_ms=split.holdout_ms).simulate()
    assert found["best"]["metrics"] == metrics_json(searched.metrics)
    assert found["best"]["value"] == searched.metrics.sharpe
    held_out = replace(given, spec=best, start_ms=split.holdout_ms).simulate()
    assert held_out.time_ms[0] == split.holdout_ms
    assert found["holdout"] == {"metrics": metrics_json(held_out.metrics), "used_before": 0}
    values = [trial.metrics["sharpe"] for trial in study.trials if trial.state is TrialState.COMPLETE]
    assert found["best"]["value"] == max(values)
    assert found["trials"] == len(study.trials) == 24
    assert found["counted_trials"] == len({trial.spec_sha256 for trial in study.trials})
    (trial,) = [each for each in study.trials if each.spec_sha256 == best.sha256()][:1]
    returns = daily_returns(searched.time_ms, searched.equity, 10_000.0)
    assert returns_of(trial.daily_pnl, 10_000.0)[-len(returns) :] == pytest.approx(returns, abs=1e-12)
    assert list(found["importance"]) == sorted(
        found["importance"], key=lambda name: -found["importance"][name]
    )
    assert set(found["importance"]) == set(found["best"]["parameters"])
    assert 0 <= found["deflated_sharpe"] <= 1
    assert 0 <= found["overfitting_probability"] <= 1
    json.dumps(found, allow_nan=False)


def test_no_trial_sees_the_hold_out(candles, home, tmp_path):
    split = split_period(CANDLES, None, None)
    cut = CANDLES.index_at(split.holdout_ms)
    other = generated_candles(99, len(CANDLES))
    swapped = tmp_path / "made_BTCUSDC_perp_1h.csv"
    columns = {
        name: np.concatenate([getattr(CANDLES, name)[:cut], getattr(other, name)[cut:]])
        for name in ("open", "high", "low", "close", "volume")
    }
    write_candles(swapped, replace(CANDLES, **columns))
    before = _run(_asked(candles))
    after = _run(_asked(swapped, study="swapped"))
    assert _rows(home) == _rows(home, "swapped")
    assert before["best"] == after["best"]
    assert before["holdout"]["metrics"] != after["holdout"]["metrics"]


@pytest.mark.parametrize("count", [2, 4])
def test_a_study_is_the_same_for_any_number_of_workers(candles, home, undisturbed, count):
    result = _run(_asked(candles, trials=200, workers=count))
    assert (result, _rows(home)) == undisturbed


def test_a_study_is_the_same_on_a_cluster(candles, home, undisturbed):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp"
    ) as cluster:
        compute = ComputeSettings(executor="dask", scheduler=cluster.scheduler_address)
        result = _run(_asked(candles, trials=200), compute=compute)
    assert (result, _rows(home)) == undisturbed


def test_a_study_that_is_killed_twice_is_the_same_when_it_is_resumed(candles, home, undisturbed):
    settings = load_settings()
    store = open_store(home)
    try:
        number = process.submit_job(
            settings, store, JobKind.OPTIMISATION, "a study", _asked(candles, trials=200), clock=SystemClock()
        )
        for least in (40, 120):
            _kill_after(store, home, least)
            assert len(_rows(home)) < 200, "it was killed in the middle"
            process.resume_job(settings, store, number, clock=SystemClock())

        def over():
            with store.read() as session:
                job = get_job(session, number)
            return job if job.state.is_over else None

        job = until(over, "the job to end", 120)
        assert job.state is JobState.DONE, job.sentence
        with store.read() as session:
            result = json.loads(result_of_job(session, number))
    finally:
        store.close()
    assert (result, _rows(home)) == undisturbed


def _kill_after(store, home, least):
    """Kill the job's process as soon as the study has so many trials, and wait until it is gone."""

    def enough():
        try:
            return True if len(_rows(home)) >= least else None
        except WrongUseError:
            return None

    until(enough, f"{least} trials", 120)
    (pid,) = _processes_of(home)
    os.kill(pid, signal.SIGKILL)
    until(lambda: True if not _processes_of(home) else None, "the process to be gone", 20)


def _processes_of(home):
    """Return the pids of job processes of this data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            folder = f"FIRSTWATCH_HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if folder and b"firstwatch.engine.jobs.process" in words and state != "Z":
            found.append(int(entry.name))
    return found


def test_a_study_is_gone_on_with_to_more_trials(candles, home, undisturbed):
    first = _run(_asked(candles, trials=20))
    more = _run(_asked(candles, trials=30))
    assert first["trials"] == 20
    assert more["trials"] == 30
    assert _rows(home) == undisturbed[1][:30]


def test_another_definition_under_the_same_name_is_refused(candles, home):
    _run(_asked(candles, trials=3))
    for options, word in (
        ({"seed": 5}, "seed"),
        ({"objective": "sortino"}, "objective"),
        ({"parameters": (PERIOD,)}, "parameters"),
        ({"constraints": ("max_drawdown<0.5",)}, "constraints"),
        ({"test": {"slippage_bps": "3"}}, "costs"),
        ({"test": {"to_ms": int(CANDLES.time_ms[900])}}, "period"),
    ):
        with pytest.raises(WrongUseError, match=f'The study "mine" was made with other .*{word}') as raised:
            _run(_asked(candles, trials=3, **options))
        assert "\n" not in str(raised.value)
    assert len(_rows(home)) == 3


def test_candles_that_came_since_are_no_part_of_a_study(candles, home, tmp_path):
    before = _run(_asked(candles, trials=10))
    longer = tmp_path / "made_BTCUSDC_perp_1h.csv"
    write_candles(longer, generated_candles(11, 24 * 80))
    assert _run(_asked(longer, trials=10)) == before
    changed = replace(CANDLES, volume=CANDLES.volume + 1)
    write_candles(longer, changed)
    with pytest.raises(WrongUseError, match="made with other candles"):
        _run(_asked(longer, trials=10))


def test_the_ledger_counts_over_studies_and_the_hold_outs_uses_are_said(candles, home):
    first = _run(_asked(candles))
    again = _run(_asked(candles))
    assert again == first, "the same study asked again counts nothing twice"
    other = _run(_asked(candles, study="other", seed=7))
    distinct = {row[3] for row in (*_rows(home), *_rows(home, "other"))}
    assert other["counted_trials"] == len(distinct) > first["counted_trials"]
    assert first["holdout"]["used_before"] == 0
    assert other["holdout"]["used_before"] == 1
    dearer = _run(_asked(candles, study="dearer", trials=5, test={"slippage_bps": "3"}))
    assert dearer["counted_trials"] == len(distinct) + len({row[3] for row in _rows(home, "dearer")})


def test_two_objectives_have_a_front_and_no_winner(candles, home):
    found = _run(_asked(candles, objective="net_pnl,max_drawdown", trials=40))
    assert found["best"] is None
    assert found["deflated_sharpe"] is None
    assert found["holdout"] == {"metrics": None, "used_before": 0}
    assert len(found["pareto"]) >= 2
    for point in found["pareto"]:
        assert list(point) == ["parameters", "metrics", "values", "deflated_sharpe"]
        assert point["values"] == [point["metrics"]["net_pnl"], point["metrics"]["max_drawdown"]]
    values = [point["values"] for point in found["pareto"]]
    assert values == sorted(values, reverse=True)
    assert sorted(values, key=lambda pair: pair[1], reverse=True) == values


def test_a_study_that_prunes_is_the_same_for_two_workers_and_counts_what_it_gave_up(candles, home):
    found = _run(_asked(candles, prunes=True, trials=48, objective="net_pnl"))
    pruned = [row for row in _rows(home) if row[2] is TrialState.PRUNED]
    assert pruned
    assert all(row[5] is None for row in pruned)
    assert found["counted_trials"] == len({row[3] for row in _rows(home)})
    other = home.parent / "other"
    again = _run(_asked(candles, prunes=True, trials=48, objective="net_pnl", workers=2), other)
    assert (again, _rows(other)) == (found, _rows(home))


def test_the_winner_is_saved_as_a_version_and_a_study_begins_with_one(candles, home):
    found = _run(_asked(candles, save="Better"))
    assert found["saved"] == "Better@1"
    store = open_store(home)
    try:
        with store.read() as session:
            version = get_version(session, "Better")
    finally:
        store.close()
    spec = AlgorithmSpec.from_json(version.spec_json)
    renamed = AlgorithmSpec.from_json(json.dumps(spec.document() | {"name": SAMPLE.name}))
    assert renamed.sha256() in {row[3] for row in _rows(home)}
    warm = _run(_asked(candles, study="warm", trials=2, starts=(version.spec_json,)))
    assert _rows(home, "warm")[1][1] == found["best"]["parameters"]
    assert warm["best"]["value"] == found["best"]["value"]


def test_no_trial_with_a_value_is_said(candles, home):
    found = _run(_asked(candles, trials=4, constraints=("total_trades>100000",)))
    assert found["best"] is None
    assert found["holdout"]["metrics"] is None
    assert found["words"] == "No trial has a value and keeps the constraints."


def test_a_period_that_is_too_short_for_any_trial_fails_at_once(candles, home):
    end = int(CANDLES.time_ms[6])
    with pytest.raises(WrongUseError, match=r"no bar .* has a value for every indicator"):
        _run(_asked(candles, test={"to_ms": end}))
    assert _rows(home) == []
    assert _run(_asked(candles, trials=3))["trials"] == 3, "a study that came to nothing may be another one"


def test_without_the_library_it_says_how_to_install_it(candles, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(FirstwatchError, match=r"pip install 'firstwatch\[optimise\]'"):
        _run(_asked(candles))


def test_a_disk_that_is_full_ends_the_study_with_a_sentence_and_it_goes_on_when_there_is_room(
    candles, tmp_path
):
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        home = disk / "home"
        _run(_asked(candles, trials=8), home)
        filler = disk / "filler"
        room = os.statvfs(disk)
        filler.write_bytes(b"x" * (room.f_bavail * room.f_bsize - 20_000))
        with pytest.raises(StoreError, match=r"disk|No space") as raised:
            _run(_asked(candles, trials=200), home)
        assert "\n" not in str(raised.value)
        filler.unlink()
        kept = len(_rows(home))
        assert 8 <= kept < 200
        found = _run(_asked(candles, trials=kept + 8), home)
        assert found["trials"] == kept + 8
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_the_job_says_how_far_it_is_and_how_it_ended(candles, home):
    shown = []
    settings = load_settings()
    found = process.run_job_here(
        settings,
        JobKind.OPTIMISATION,
        "a study",
        _asked(candles, study=None),
        show=lambda share, step: shown.append((share, step)),
    )
    shares = [share for share, _ in shown]
    assert shares == sorted(shares)
    assert any(step == "trial 9 of 24" for _, step in shown)
    store = open_store(home)
    try:
        with store.read() as session:
            (job,) = list_jobs(session, limit=5)
            data = _study(home, "job 1").definition.searched
            assert count_tried(session, data) == found.result["counted_trials"]
    finally:
        store.close()
    assert job.state is JobState.DONE
    assert job.sentence == found.sentence
    assert found.sentence.startswith("24 trials, best sharpe ")
    assert found.result["study"] == "job 1"


def test_a_study_with_a_damaged_or_missing_trial_is_not_gone_on_with(candles, home):
    _run(_asked(candles, trials=8))
    trial = table_of(TrialTable)
    store = open_store(home)
    try:
        with store.write() as session:
            session.execute(trial.update().where(trial.c.number == 3).values(metrics_json="{"))
        with pytest.raises(DamagedRowError, match="trial 3 cannot be read"):
            _run(_asked(candles, trials=16))
        with store.write() as session:
            session.execute(trial.delete().where(trial.c.number == 3))
        with pytest.raises(DamagedRowError, match="Trial 3 of the study is missing"):
            _run(_asked(candles, trials=16))
    finally:
        store.close()


def test_the_library_is_loaded_by_the_work_of_an_optimisation_alone():
    program = (
        "import sys; import firstwatch.engine.jobs.optimisation, firstwatch.engine.jobs.studies;"
        "import firstwatch.cli.commands, firstwatch.manager.manager;"
        "print([name for name in ('optuna', 'numba', 'distributed', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
