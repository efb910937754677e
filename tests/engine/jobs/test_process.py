"""The processes of jobs: their turn, cancelled, killed, resumed, ended from outside, on a full disk."""

import errno
import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.backtest.inputs import BacktestRequest
from firstwatch.engine.jobs import process
from firstwatch.engine.jobs.context import Found, JobCancelledError, JobContext, Kind
from firstwatch.engine.jobs.kinds import work_of
from firstwatch.engine.jobs.locks import JobLock, held_jobs, is_held, own_folder, path_of, turn
from firstwatch.engine.jobs.looking import cancel_job, job_now, write_ends
from firstwatch.engine.jobs.process import resume_job, run_job_here, submit_job
from firstwatch.settings import Settings
from firstwatch.store import jobs
from firstwatch.store.database import Store, open_store
from firstwatch.store.test_results import equity_of_result, find_result, result_of_job, trades_of_result
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import FirstwatchError, RefusedError, StoreError, WrongUseError
from firstwatch.trading.jobs import JobKind, JobState
from tests.engine.host import rig
from tests.engine.jobs.processes import job_process

CLOCK = SystemClock()
SPEC = AlgorithmSpec.from_toml(rig.ACTIVE_TOML)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(process, "be_nice", lambda: None)
    return rig.make_folder(tmp_path / "home")


@pytest.fixture
def store(settings: Settings):
    opened = open_store(settings.home)
    yield opened
    opened.close()


def request(home: Path, **changed: object) -> BacktestRequest:
    values = {
        "algorithm": "Active@1",
        "spec_json": SPEC.canonical_json(),
        "version_id": 1,
        "candles": str(home / "BTCUSDC.csv"),
    }
    return BacktestRequest.model_validate(values | changed)


def submit(given: Settings, store: Store, **changed: object) -> int:
    asked = request(given.home, **changed)
    return submit_job(given, store, JobKind.BACKTEST, "Active@1 on BTC", asked, clock=CLOCK)


def ended(store: Store, home: Path, number: int) -> jobs.Job:
    return rig.until(
        lambda: job if (job := job_now(store, home, number)).state.is_over else None, f"job {number} to end"
    )


# --- done ------------------------------------------------------------------------------------------


def test_a_test_is_done_in_a_process_and_its_result_is_a_row(settings, store):
    number = submit(settings, store, settings={"capital": "500"})
    job = ended(store, settings.home, number)
    assert (job.state, job.progress, job.error) == (JobState.DONE, 1.0, None), job.sentence
    with store.read() as session:
        result = json.loads(jobs.result_of_job(session, number) or "")
        stored = find_result(session, result["result"])
        assert stored == result_of_job(session, number)
        assert stored is not None
        trades, equity = trades_of_result(session, stored.id), equity_of_result(session, stored.id)
    assert stored.metrics == result["metrics"]
    assert len(trades) == result["metrics"]["total_trades"] > 10
    assert len(equity) == stored.bars == result["bars"]
    assert sum(trade.pnl for trade in trades) == pytest.approx(Decimal(str(stored.metrics["net_pnl"])))
    assert (stored.version_id, stored.job_id) == (1, number)
    assert BacktestRequest.read(stored.request_json).settings.capital == Decimal(500)
    assert not path_of(settings.home, number).exists()


def test_in_the_command_it_is_the_same(settings, store):
    shown: list[float] = []
    found = run_job_here(
        settings,
        JobKind.BACKTEST,
        "here",
        request(settings.home),
        show=lambda share, _step: shown.append(share),
    )
    with store.read() as session:
        (job,) = jobs.list_jobs(session, limit=5)
        text = jobs.result_of_job(session, job.id)
    assert json.loads(text or "") == found.result
    assert (job.state, job.title, job.sentence) == (JobState.DONE, "here", found.sentence)
    assert shown == sorted(shown)


def test_what_cannot_be_tested_is_a_sentence_in_the_row(settings, store):
    number = submit(settings, store, from_ms=1_000, to_ms=2_000)
    job = ended(store, settings.home, number)
    assert job.state is JobState.FAILED
    assert "no candles" in (job.error or "")
    with pytest.raises(WrongUseError, match="no candles"):
        run_job_here(settings, JobKind.BACKTEST, "here", request(settings.home, from_ms=1_000, to_ms=2_000))


def test_a_leverage_that_the_market_does_not_take_is_refused(settings, store):
    job = ended(store, settings.home, submit(settings, store, settings={"leverage": "1000"}))
    assert "takes a leverage of" in (job.error or "")


def test_a_request_of_another_version_is_a_sentence(settings, store):
    with store.write() as session:
        number = jobs.add_job(session, JobKind.BACKTEST, "old", '{"algorithm": "x"}', now_ms=1)
        jobs.finish_job(session, number, JobState.FAILED, "gone", now_ms=1)
    resume_job(settings, store, number, clock=CLOCK)
    assert "spec_json" in (ended(store, settings.home, number).error or "")


def test_a_job_is_nice(settings):
    with job_process(settings.home, "backtest", request(settings.home)) as job:
        job.wait_for_work()
        assert os.getpriority(os.PRIO_PROCESS, job.process.pid) == 10
        weighed = Path(f"/proc/{job.process.pid}/autogroup")
        # Niceness alone counts only beside processes of the job's own session.
        assert not weighed.exists() or weighed.read_text().split()[1:] == ["nice", "10"]


# --- ended half-way ---------------------------------------------------------------------------------


def test_a_job_that_is_killed_has_failed_and_is_resumed(settings, store):
    home = settings.home
    with job_process(home, "backtest", request(home)) as job:
        job.wait_for_work()
        assert job_now(store, home, job.number).state is JobState.RUNNING
        with pytest.raises(RefusedError, match="A process works on job"):
            resume_job(settings, store, job.number, clock=CLOCK)
        job.process.send_signal(signal.SIGKILL)
        job.process.wait(timeout=30)
        found = job_now(store, home, job.number)
        assert (found.state, found.progress) == (JobState.FAILED, 0.25)
        assert f"firstwatch job resume {job.number}" in found.sentence
        # The row does not say so yet; one that writes says it there.
        with store.read() as session:
            assert jobs.get_job(session, job.number).state is JobState.RUNNING
        write_ends(store, home, clock=CLOCK)
        with store.read() as session:
            assert jobs.get_job(session, job.number) == job_now(store, home, job.number)
        resume_job(settings, store, job.number, clock=CLOCK)
        assert ended(store, home, job.number).state is JobState.DONE
    with pytest.raises(RefusedError, match="is done"):
        resume_job(settings, store, job.number, clock=CLOCK)
    with pytest.raises(RefusedError, match="is done; there is nothing to cancel"):
        cancel_job(store, home, job.number)


def test_a_job_is_cancelled_and_goes_on(settings, store):
    home = settings.home
    with job_process(home, "backtest", request(home)) as job:
        job.wait_for_work()
        cancel_job(store, home, job.number)
        assert job.process.wait(timeout=30) == 1
        found = job_now(store, home, job.number)
        assert (found.state, found.error) == (JobState.CANCELLED, None)
        assert not path_of(home, job.number).exists()
    resume_job(settings, store, job.number, clock=CLOCK)
    assert ended(store, home, job.number).state is JobState.DONE


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (signal.SIGINT, JobState.CANCELLED),
        (signal.SIGTERM, JobState.FAILED),
        (signal.SIGHUP, JobState.FAILED),
    ],
)
def test_a_signal_ends_it_with_a_sentence(settings, store, number, state):
    with job_process(settings.home, "backtest", request(settings.home)) as job:
        job.wait_for_work()
        job.process.send_signal(number)
        assert job.process.wait(timeout=30) == 1
    found = job_now(store, settings.home, job.number)
    assert found.state is state
    assert f"firstwatch job resume {job.number} goes on with it" in found.sentence


def test_ctrl_c_in_a_command_cancels_its_job(settings, store, monkeypatch):
    def work(_request: BacktestRequest, job: object) -> Found:
        signal.raise_signal(signal.SIGINT)
        return Found({}, "")

    monkeypatch.setattr(process, "work_of", lambda _kind: Kind(BacktestRequest, work))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(JobCancelledError):
        run_job_here(settings, JobKind.BACKTEST, "here", request(settings.home))
    assert signal.getsignal(signal.SIGINT) is before
    with store.read() as session:
        assert jobs.list_jobs(session, limit=1)[0].state is JobState.CANCELLED


def test_a_cancel_that_is_lost_where_it_is_raised_ends_the_work_at_its_next_step(
    settings, store, monkeypatch
):
    class Collected:
        def __del__(self) -> None:
            # The interpreter ignores an error of a callback, such as this one.
            signal.raise_signal(signal.SIGINT)

    def work(_request: BacktestRequest, job: JobContext) -> Found:
        made = Collected()
        del made
        job.progress(0.5, "on it goes")
        return Found({}, "")

    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    monkeypatch.setattr(process, "work_of", lambda _kind: Kind(BacktestRequest, work))
    with pytest.raises(JobCancelledError):
        run_job_here(settings, JobKind.BACKTEST, "here", request(settings.home))
    with store.read() as session:
        assert jobs.list_jobs(session, limit=1)[0].state is JobState.CANCELLED


def test_workers_end_with_a_job_that_is_killed(settings):
    program = """
import sys
from firstwatch.engine.jobs import process
from firstwatch.engine.jobs.executors import run_all
from firstwatch.engine.jobs.kinds import work_of
from firstwatch.trading.jobs import JobKind
from tests.engine.jobs import parts

def work(request, job):
    with job.workers(count=2) as workers:
        list(run_all(workers, None, parts.lasts, [60.0, 60.0]))

if __name__ == "__main__":
    kind = work_of(JobKind(sys.argv.pop()))
    process.work_of = lambda _kind: type(kind)(kind.request, work)
    sys.exit(process.main())
"""
    with job_process(settings.home, "backtest", request(settings.home), program=program) as job:
        assert job.process.stdout is not None
        pids = [int(job.process.stdout.readline().split()[1]) for _ in range(2)]
        job.process.send_signal(signal.SIGKILL)
        job.process.wait(timeout=30)
        rig.until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids) or None, "its workers to end"
        )


def test_the_folder_of_a_job_that_was_killed_is_removed_by_the_next(settings, store):
    home = settings.home
    with job_process(home, "backtest", request(home)) as job:
        job.wait_for_work()
        own_folder(home, job.number).mkdir()
        (own_folder(home, job.number) / "candles").write_text("many")
    ended(store, home, submit(settings, store))
    assert not own_folder(home, job.number).exists()


# --- turns ------------------------------------------------------------------------------------------


def test_short_jobs_wait_for_short_ones_and_not_for_long_ones(settings, store):
    home = settings.home
    path_of(home, 0).parent.mkdir()
    with turn(home, "short"):
        number = submit(settings, store)
        rig.until(lambda: is_held(home, number) or None, "its process to wait")
        assert job_now(store, home, number).state is JobState.QUEUED
        cancel_job(store, home, number)
        assert ended(store, home, number).state is JobState.CANCELLED
        other = submit(settings, store)
        assert job_now(store, home, other).state is JobState.QUEUED
    assert ended(store, home, other).state is JobState.DONE
    with turn(home, "long"):
        assert ended(store, home, submit(settings, store)).state is JobState.DONE


# --- locks ------------------------------------------------------------------------------------------


def test_a_lock_is_of_one_process_and_looking_does_not_take_it(tmp_path):
    lock = JobLock.take(tmp_path, 3)
    assert lock is not None
    assert held_jobs(tmp_path) == {3}
    assert JobLock.take(tmp_path, 3) is None
    lock.release()
    assert held_jobs(tmp_path) == frozenset()
    assert not path_of(tmp_path, 3).exists()
    again = JobLock.take(tmp_path, 3)
    assert again is not None
    again.release()


def test_a_lock_outlives_the_process_that_hands_it_over(tmp_path):
    lock = JobLock.take(tmp_path, 3)
    assert lock is not None
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.descriptor,)
    )
    lock.hand_over()
    assert is_held(tmp_path, 3)
    child.communicate(b"\n")
    assert not is_held(tmp_path, 3)


# --- a full disk, and no process ---------------------------------------------------------------------


def test_a_full_disk_is_a_sentence_although_the_row_cannot_be_written(settings, store, monkeypatch):
    full = StoreError("Cannot write to the store: the disk is full.")

    def finish(*_: object, **__: object) -> None:
        raise full

    def work(_request: BacktestRequest, job: object) -> Found:
        return Found({}, "done")

    monkeypatch.setattr(jobs, "finish_job", finish)
    with monkeypatch.context() as changed:
        changed.setattr(process, "work_of", lambda _kind: Kind(BacktestRequest, work))
        with pytest.raises(StoreError, match="disk is full"):
            run_job_here(settings, JobKind.BACKTEST, "here", request(settings.home))
    job = job_now(store, settings.home, 1)
    assert (job.state, job.sentence) == (JobState.FAILED, str(full))
    monkeypatch.undo()
    resume_job(settings, store, 1, clock=CLOCK)
    assert ended(store, settings.home, 1).state is JobState.DONE
    assert not path_of(settings.home, 1).exists()


def test_an_error_of_the_system_is_a_sentence(settings, store, monkeypatch):
    def work(_request: BacktestRequest, job: object) -> Found:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/candles")

    monkeypatch.setattr(process, "work_of", lambda _kind: Kind(BacktestRequest, work))
    with pytest.raises(FirstwatchError, match="No space left on device: /tmp/candles"):
        run_job_here(settings, JobKind.BACKTEST, "here", request(settings.home))
    assert "No space left" in job_now(store, settings.home, 1).sentence


def test_a_process_that_cannot_be_started_leaves_a_failed_job(settings, store, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FirstwatchError, match="cannot be started"):
        submit(settings, store)
    job = job_now(store, settings.home, 1)
    assert (job.state, job.error) == (
        JobState.FAILED,
        "The job's process cannot be started: No such file or directory.",
    )


def test_what_is_refused_in_the_transaction_is_no_job(settings, store):
    def refuse(_session: object, _number: int) -> None:
        raise RefusedError("not now")

    with pytest.raises(RefusedError):
        submit_job(settings, store, JobKind.BACKTEST, "x", request(settings.home), clock=CLOCK, within=refuse)
    with store.read() as session:
        assert jobs.list_jobs(session, limit=5) == []
    assert held_jobs(settings.home) == frozenset()


def test_every_kind_has_its_work():
    for kind in (JobKind.BACKTEST, JobKind.BASELINE):
        assert work_of(kind).request.model_fields
