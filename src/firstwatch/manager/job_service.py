"""Jobs for the screen and for commands: submitted, listed, cancelled, resumed."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from firstwatch.manager.views import JobView
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock
from firstwatch.trading.jobs import JobKind

if TYPE_CHECKING:
    from firstwatch.store.database import Session, Store
    from firstwatch.store.jobs import Job

LISTED = 50
"""Jobs in a snapshot."""


class JobService:
    """The jobs of one data folder. Methods wait for the disk, never for a job.

    All raise ``FirstwatchError`` with a sentence for the operator.
    """

    def __init__(self, settings: Settings, clock: Clock, store: "Callable[[], Store]") -> None:
        self._settings = settings
        self._clock = clock
        self._store = store

    def submit(self, kind: JobKind, title: str, request: BaseModel) -> int:
        """Save a job, start its process, and return its number. ``request``: of the kind's class."""
        from firstwatch.engine.jobs.looking import write_ends
        from firstwatch.engine.jobs.process import submit_job

        write_ends(self._store(), self._settings.home, clock=self._clock)
        return submit_job(self._settings, self._store(), kind, title, request, clock=self._clock)

    def cancel(self, number: int) -> None:
        """Ask the process of a job to end it."""
        from firstwatch.engine.jobs.looking import cancel_job

        cancel_job(self._store(), self._settings.home, number)

    def resume(self, number: int) -> None:
        """Go on with a job that has failed or was cancelled, in a new process."""
        from firstwatch.engine.jobs.process import resume_job

        resume_job(self._settings, self._store(), number, clock=self._clock)

    def job(self, number: int) -> JobView:
        """Return a job as it is now.

        Raises:
            WrongUseError: there is none of that number.
        """
        from firstwatch.engine.jobs.looking import job_now

        return job_view(job_now(self._store(), self._settings.home, number), self._clock.now_ms())

    def open_of(self, kind: JobKind) -> list[JobView]:
        """Return the jobs of a kind that are queued or running, the newest first."""
        from firstwatch.engine.jobs.looking import jobs_now

        held = self.held()
        with self._store().read() as session:
            found = jobs_now(session, self._settings.home, held, limit=LISTED, kinds=(kind,))
        now_ms = self._clock.now_ms()
        return [job_view(job, now_ms) for job in found if not job.state.is_over]

    def result(self, number: int) -> dict[str, Any] | None:
        """Return the result of a job by its kind; None: it has none."""
        from firstwatch.store.jobs import result_of_job

        with self._store().read() as session:
            text = result_of_job(session, number)
        return None if text is None else dict(json.loads(text))

    def held(self) -> frozenset[int]:
        """Return the jobs on which processes work; ask before the session of ``views`` is opened."""
        from firstwatch.engine.jobs.locks import held_jobs

        return held_jobs(self._settings.home)

    def views(self, session: "Session", held: frozenset[int]) -> tuple[JobView, ...]:
        """Return the newest jobs as they are, the newest first."""
        from firstwatch.engine.jobs.looking import jobs_now

        now_ms = self._clock.now_ms()
        found = jobs_now(session, self._settings.home, held, limit=LISTED)
        return tuple(job_view(job, now_ms) for job in found)


def job_view(job: "Job", now_ms: int) -> JobView:
    """Return a job as the screen shows it."""
    return JobView(
        job_id=job.id,
        kind=job.kind,
        title=job.title,
        state=job.state,
        progress=job.progress,
        seconds_left=job.seconds_left(now_ms),
        sentence=job.sentence,
        is_cancel_wanted=job.is_cancel_wanted,
        created_ms=job.created_at_ms,
        started_ms=job.started_at_ms,
        finished_ms=job.finished_at_ms,
    )
