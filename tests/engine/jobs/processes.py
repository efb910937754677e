"""Jobs as real processes on a data folder, held up in the middle of their work, killed, ended."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from firstwatch.engine.jobs.locks import JobLock
from firstwatch.store import jobs
from firstwatch.store.database import open_store
from firstwatch.trading.jobs import JobKind

_HELD_UP = """
import sys, time
from firstwatch.engine.jobs import process
from firstwatch.engine.jobs.kinds import work_of
from firstwatch.trading.jobs import JobKind

def work(request, job):
    job.progress(0.25, "half-way")
    print("works", flush=True)
    time.sleep(60)
    raise AssertionError("it was to be ended")

kind = work_of(JobKind(sys.argv.pop()))
process.work_of = lambda _kind: type(kind)(kind.request, work, kind.is_long)
sys.exit(process.main())
"""
"""A job's process whose work never ends by itself."""


@dataclass
class JobProcess:
    """A process at work on a job."""

    number: int
    process: "subprocess.Popen[bytes]"

    def wait_for_work(self) -> None:
        """Wait until it is in the middle of its work."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"works\n", "the process has ended"


@contextmanager
def job_process(
    home: Path, kind: str, request: BaseModel, *, program: str = _HELD_UP, number: int | None = None
) -> Iterator[JobProcess]:
    """Start a job whose work does not end by itself, and kill it after the block.

    ``number``: go on with that job instead of a new one.
    """
    store = open_store(home)
    with store.write() as session:
        if number is None:
            text = request.model_dump_json()
            number = jobs.add_job(session, JobKind(kind), "a job of a test", text, now_ms=1)
        else:
            jobs.requeue_job(session, number)
        lock = JobLock.take(home, number)
        assert lock is not None
    store.close()
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(number), str(lock.descriptor), kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "FIRSTWATCH_HOME": str(home)},
        pass_fds=(lock.descriptor,),
        start_new_session=True,
    )
    lock.hand_over()
    try:
        yield JobProcess(number, process)
    finally:
        process.kill()
        process.communicate()
