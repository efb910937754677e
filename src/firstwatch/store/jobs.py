"""Jobs: what was asked for, how far it is, and its result."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from firstwatch.store.database import Session
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import JobTable, table_of
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.jobs import JobKind, JobState

_JOB = table_of(JobTable)
_OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)


@dataclass(frozen=True, slots=True)
class Job:
    """A job. ``progress``: 0 to 1."""

    id: int
    kind: JobKind
    parameters_json: str
    state: JobState
    progress: float
    sentence: str
    """The step that is under way, or the result."""
    result_json: str | None
    created_at_ms: int
    started_at_ms: int | None
    finished_at_ms: int | None


def add_job(session: Session, kind: JobKind, parameters_json: str, *, now_ms: int) -> int:
    """Save a job as queued, and return its number."""
    values = {
        "kind": kind.value,
        "parameters_json": parameters_json,
        "state": JobState.QUEUED.value,
        "progress": 0.0,
        "sentence": "",
        "created_at_ms": now_ms,
    }
    number: int = session.execute(insert(_JOB).returning(_JOB.c.id), values).scalar_one()
    return number


def get_job(session: Session, number: int) -> Job:
    """Return a job.

    Raises:
        WrongUseError: there is none of that number.
        DamagedRowError: it cannot be read.
    """
    found = session.execute(select(_JOB).where(_JOB.c.id == number)).one_or_none()
    if found is None:
        raise WrongUseError(f"There is no job {number}.")
    return _view(found)


def open_jobs(session: Session) -> list[Job]:
    """Return the jobs that are queued or running, the oldest first."""
    statement = select(_JOB).where(_JOB.c.state.in_(_OPEN)).order_by(_JOB.c.id)
    return [_view(found) for found in session.execute(statement)]


def begin_job(session: Session, number: int, *, now_ms: int) -> None:
    """Note that a process works on the job."""
    _set(session, number, state=JobState.RUNNING.value, started_at_ms=now_ms)


def set_progress(session: Session, number: int, progress: float, sentence: str) -> None:
    """Note how far a job is. A job that is over stays as it is."""
    _set(session, number, progress=progress, sentence=sentence)


def finish_job(
    session: Session,
    number: int,
    state: JobState,
    sentence: str,
    *,
    now_ms: int,
    result_json: str | None = None,
) -> None:
    """Write a job's end. A job that is over stays as it is."""
    done = {"progress": 1.0} if state is JobState.DONE else {}
    _set(
        session,
        number,
        state=state.value,
        sentence=sentence,
        result_json=result_json,
        finished_at_ms=now_ms,
        **done,
    )


def _set(session: Session, number: int, **values: Any) -> None:
    session.execute(update(_JOB).where(_JOB.c.id == number, _JOB.c.state.in_(_OPEN)).values(**values))


def _view(found: Row[Any]) -> Job:
    with row(f"job {found.id}"):
        values = dict(sound(found, _JOB)._mapping)
        values["kind"] = JobKind(found.kind)
        values["state"] = JobState(found.state)
        return Job(**values)
