"""Texts about jobs that several parts of the screen show."""

from collections.abc import Sequence

from firstwatch.manager.views import JobView
from firstwatch.trading.jobs import JobState
from firstwatch.trading.text import duration


def job_key(job: JobView) -> str:
    """Return the key of a job's row."""
    return f"job-{job.job_id}"


def left_text(job: JobView) -> str:
    """Return the time that a job still takes; empty: not known."""
    return "" if job.seconds_left is None else duration(job.seconds_left)


def working_text(working: Sequence[JobView], *, is_short: bool) -> str:
    """Return the kind of the job that works, how far it is, and how many others there are; empty: none."""
    if not working:
        return ""
    # Of several, that which works; if all wait, the first.
    job = next((each for each in working if each.state is JobState.RUNNING), working[0])
    done = f"{job.progress:.0%}" if job.state is JobState.RUNNING else "waits"
    more = f" (+{len(working) - 1})" if len(working) > 1 else ""
    return f"job {done}{more}" if is_short else f"{job.kind} {done}{more}"
