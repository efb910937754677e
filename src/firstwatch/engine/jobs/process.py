"""Starts the process of a job, and is that process (``python -m firstwatch.engine.jobs.process NUMBER``)."""

import fcntl
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firstwatch.engine.baselines.making import is_held
from firstwatch.engine.jobs.backtest import run_backtest
from firstwatch.settings import Settings, load_settings
from firstwatch.store import jobs
from firstwatch.store.database import Store, open_store
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.trading.errors import FirstwatchError, StoreError
from firstwatch.trading.jobs import BacktestJob, JobState

LOG_FILE = "jobs.log"
FOLDER = "jobs"
STARTS_MS = 20_000
"""A process that does not hold its job's lock after so long has not started."""
_TURN = "turn.lock"
_NICENESS = 10


def start_job(settings: Settings, number: int) -> "subprocess.Popen[bytes]":
    """Start the process of a job, detached from this terminal, and return it.

    Raises:
        FirstwatchError: the process cannot be started.
    """
    environment = {**os.environ, "FIRSTWATCH_HOME": str(settings.home)}
    if settings.config is not None:
        environment["FIRSTWATCH_CONFIG"] = str(settings.config.absolute())
    try:
        with (settings.home / LOG_FILE).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "firstwatch.engine.jobs.process", str(number)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise FirstwatchError(f"The job's process cannot be started: {error.strerror}.") from error


def has_process(home: Path, job: jobs.Job, *, now_ms: int) -> bool:
    """Return whether a process works on an open job, waits for its turn, or may still be starting."""
    if now_ms - job.created_at_ms < STARTS_MS:
        return True
    return is_held(home / FOLDER / f"{job.id}.lock")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock, waiting for it; it is free when the process has ended in whatever way."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise StoreError(f"{path} cannot be locked: {error.strerror}.") from error
    try:
        yield
    finally:
        os.close(descriptor)


def _work(settings: Settings, store: Store, number: int, clock: Clock) -> None:
    """Do a job when it is its turn, and write its end."""

    def note(share: float, sentence: str) -> None:
        with store.write() as session:
            jobs.set_progress(session, number, share, sentence)

    def end(state: JobState, sentence: str, result_json: str | None = None) -> None:
        with store.write() as session:
            jobs.finish_job(session, number, state, sentence, now_ms=clock.now_ms(), result_json=result_json)

    own = settings.home / FOLDER / f"{number}.lock"
    with _locked(own), _locked(settings.home / FOLDER / _TURN):
        with store.read() as session:
            job = jobs.get_job(session, number)
        if job.state.is_over:
            return
        with store.write() as session:
            jobs.begin_job(session, number, now_ms=clock.now_ms())
        try:
            asked = BacktestJob.model_validate_json(job.parameters_json)
            result = run_backtest(settings, store, asked, clock=clock, progress=note)
        except FirstwatchError as error:
            end(JobState.FAILED, str(error))
        except BaseException:
            end(JobState.FAILED, f"it failed; see {LOG_FILE} in the data folder")
            raise
        else:
            trades = result["metrics"]["total_trades"]
            end(JobState.DONE, f"{result['bars']:,} bars, {trades:,} trades", json.dumps(result))
        own.unlink(missing_ok=True)


def main() -> int:
    """Do the job of the number that is the only argument; its result is in the store."""
    os.umask(0o077)
    os.nice(_NICENESS)
    try:
        settings = load_settings()
        store = open_store(settings.home)
        try:
            _work(settings, store, int(sys.argv[1]), SystemClock())
        finally:
            store.close()
    except FirstwatchError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
