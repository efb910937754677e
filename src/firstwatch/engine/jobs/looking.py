"""Jobs as they are: one whose process is gone has failed, whatever its row says."""

from dataclasses import replace
from pathlib import Path

from firstwatch.engine.jobs.locks import held_jobs, is_held, last_sentence
from firstwatch.store import jobs
from firstwatch.store.database import Session, Store
from firstwatch.store.jobs import Job
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import RefusedError
from firstwatch.trading.jobs import JobKind, JobState


def job_now(store: Store, home: Path, number: int) -> Job:
    """Return a job as it is.

    Raises:
        WrongUseError: there is none of that number.
        DamagedRowError: it cannot be read.
    """
    held = is_held(home, number)
    with store.read() as session:
        return as_it_is(home, jobs.get_job(session, number), frozenset([number] if held else []))


def jobs_now(
    session: Session,
    home: Path,
    held: frozenset[int],
    *,
    limit: int,
    kinds: tuple[JobKind, ...] = tuple(JobKind),
) -> list[Job]:
    """Return the newest jobs as they are, the newest first.

    ``held``: what ``held_jobs`` returned before the session was opened.
    """
    return [as_it_is(home, job, held) for job in jobs.list_jobs(session, limit=limit, kinds=kinds)]


def as_it_is(home: Path, job: Job, held: frozenset[int]) -> Job:
    """Return a job that was read: failed, if no process works on it although it is open.

    ``held``: the numbers of those on which processes worked before it was read. A job that has ended since is
    among them, and one that was added since is held now.
    """
    if job.state.is_over or job.id in held or is_held(home, job.id):
        return job
    why = last_sentence(home, job.id) or (
        f"its process has ended before it was done; firstwatch job resume {job.id} goes on with it"
    )
    return replace(job, state=JobState.FAILED, sentence=why)


def write_ends(store: Store, home: Path, *, clock: Clock) -> None:
    """Write the end of the open jobs whose processes are gone, so that they count as open no more.

    Raises:
        StoreError: the store cannot be written.
    """
    held = held_jobs(home)
    with store.read() as session:
        found = [as_it_is(home, job, held) for job in jobs.open_jobs(session)]
    gone = [job for job in found if job.state is JobState.FAILED]
    if not gone:
        return
    with store.write() as session:
        for job in gone:
            if not is_held(home, job.id):
                jobs.finish_job(session, job.id, job.state, job.sentence, now_ms=clock.now_ms())


def cancel_job(store: Store, home: Path, number: int) -> None:
    """Ask the process of a job to end it.

    Raises:
        WrongUseError: there is none of that number.
        RefusedError: it is over.
        StoreError: the store cannot be written.
    """
    held = is_held(home, number)
    with store.write() as session:
        job = as_it_is(home, jobs.get_job(session, number), frozenset([number] if held else []))
        if job.state.is_over:
            raise RefusedError(f"Job {number} is {job.state}; there is nothing to cancel.")
        jobs.want_cancel(session, number)
