"""Jobs: what was asked for, how far it is, and its result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from firstwatch.store.database import Session
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import JobTable, table_of
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.jobs import JobKind, JobState

_JOB = table_of(JobTable)
_OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)
_LEAST_SHARE = 0.02
"""Share to be done since the start before the time left is estimated."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job, without its request and result. ``progress``: 0 to 1."""

    id: int
    kind: JobKind
    title: str
    """What is worked on, for an operator, as ``RSI reversion@2 on BTC/USDC:USDC``."""
    state: JobState
    progress: float
    sentence: str
    """The step that is under way, or how it ended."""
    is_cancel_wanted: bool
    created_at_ms: int
    started_at_ms: int | None
    """When a process began to work on it last."""
    finished_at_ms: int | None
    begun_progress: float
    """Progress when that process first said how far it is."""

    @property
    def error(self) -> str | None:
        """Why it failed; None: it has not."""
        return self.sentence if self.state is JobState.FAILED else None

    def seconds_left(self, now_ms: int) -> float | None:
        """Return the time left at the pace since its start; None: it does not run, or has just begun."""
        done = self.progress - self.begun_progress
        if self.state is not JobState.RUNNING or self.started_at_ms is None or done < _LEAST_SHARE:
            return None
        return max(0.0, (now_ms - self.started_at_ms) / 1000 * (1 - self.progress) / done)


_NAMES = tuple(Job.__dataclass_fields__)
_VIEW = select(*(_JOB.c[name] for name in _NAMES))


def add_job(session: Session, kind: JobKind, title: str, parameters_json: str, *, now_ms: int) -> int:
    """Save a job as queued, and return its number."""
    values = {
        "kind": kind.value,
        "title": title,
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
    found = session.execute(_VIEW.where(_JOB.c.id == number)).one_or_none()
    if found is None:
        raise WrongUseError(f"There is no job {number}.")
    return _view(found)


def request_of_job(session: Session, number: int) -> str:
    """Return what was asked for, as JSON."""
    text: str = session.execute(select(_JOB.c.parameters_json).where(_JOB.c.id == number)).scalar_one()
    return text


def result_of_job(session: Session, number: int) -> str | None:
    """Return the result of a job as JSON; None: it has none."""
    text: str | None = session.execute(select(_JOB.c.result_json).where(_JOB.c.id == number)).scalar_one()
    return text


def open_jobs(session: Session) -> list[Job]:
    """Return the jobs that are queued or running, the oldest first, without damaged ones."""
    statement = _VIEW.where(_JOB.c.state.in_(_OPEN)).order_by(_JOB.c.id)
    return list(readable(session.execute(statement), "id", _view, None).values())


def list_jobs(session: Session, *, limit: int, kinds: Sequence[JobKind] = tuple(JobKind)) -> list[Job]:
    """Return the newest jobs, the newest first; those that cannot be read are left out."""
    names = [kind.value for kind in kinds]
    statement = _VIEW.where(_JOB.c.kind.in_(names)).order_by(_JOB.c.id.desc()).limit(limit)
    return list(readable(session.execute(statement), "id", _view, None).values())


def last_job(session: Session) -> int:
    """Return the number of the newest job; 0: there is none."""
    return session.execute(select(func.max(_JOB.c.id))).scalar_one() or 0


def begin_job(session: Session, number: int, *, now_ms: int) -> None:
    """Note that a process works on the job."""
    _set(session, number, state=JobState.RUNNING.value, started_at_ms=now_ms, begun_progress=0.0)


def set_progress(
    session: Session, number: int, progress: float, sentence: str, *, is_first: bool = False
) -> None:
    """Note how far a job is. A job that is over stays as it is.

    ``is_first``: the process that works on it says so for the first time.
    """
    begun = {"begun_progress": progress} if is_first else {}
    _set(session, number, progress=progress, sentence=sentence, **begun)


def want_cancel(session: Session, number: int) -> None:
    """Ask the process of a job to end it. A job that is over stays as it is."""
    _set(session, number, is_cancel_wanted=True)


def is_cancel_wanted(session: Session, number: int) -> bool:
    """Return whether the process of a job is asked to end it."""
    return bool(session.execute(select(_JOB.c.is_cancel_wanted).where(_JOB.c.id == number)).scalar_one())


def requeue_job(session: Session, number: int) -> None:
    """Queue a job that is not done once more; its progress stays."""
    session.execute(
        update(_JOB)
        .where(_JOB.c.id == number, _JOB.c.state != JobState.DONE.value)
        .values(state=JobState.QUEUED.value, sentence="", is_cancel_wanted=False, finished_at_ms=None)
    )


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
