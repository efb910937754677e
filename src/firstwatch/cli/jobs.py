"""``firstwatch job``: list, show, follow, cancel and resume jobs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, progress_bar, say, say_json, say_table
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.text import duration

if TYPE_CHECKING:
    from firstwatch.store.jobs import Job

app = typer.Typer(help="List, cancel and resume heavy work: backtests, studies.", no_args_is_help=True)

_Number = Annotated[int, typer.Argument(metavar="JOB", min=1, max=2**63 - 1)]
_ENDS_S = 10.0
"""How long a job may take to end when it is cancelled, before the command says that it is being cancelled."""


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="The newest so many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List jobs, newest first."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.engine.jobs.locks import held_jobs
    from firstwatch.engine.jobs.looking import jobs_now
    from firstwatch.trading.clock import SystemClock

    with open_folder() as (settings, store):
        held = held_jobs(settings.home)
        with store.read() as session:
            found = jobs_now(session, settings.home, held, limit=limit)
    now_ms = SystemClock().now_ms()
    if as_json:
        say_json([job_json(job, now_ms) for job in found])
    elif found:
        say_table(
            ("JOB", "KIND", "TITLE", "STATE", "DONE", "LEFT", "LAST"),
            [
                (
                    job.id,
                    job.kind.value,
                    job.title or None,
                    job.state.value,
                    f"{job.progress:.0%}",
                    _left(job, now_ms),
                    job.sentence or None,
                )
                for job in found
            ],
        )
    else:
        say("No jobs yet.")


@app.command()
def show(job: _Number, as_json: JsonFlag = False) -> None:
    """Show what was asked for, how far it is, and its result."""
    _show(job, as_json=as_json)


@app.command()
def follow(job: _Number, as_json: JsonFlag = False) -> None:
    """Wait until a job is over, then show it; Ctrl-C ends the waiting, not the job."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.waiting import stopped_by_signals, until
    from firstwatch.engine.jobs.looking import job_now

    with open_folder() as (settings, store), progress_bar() as bar, stopped_by_signals() as stop:

        def is_over() -> bool:
            found = job_now(store, settings.home, job)
            bar(found.progress, found.sentence)
            return found.state.is_over

        is_done = until(is_over, stop)
    if not is_done:
        raise FirstwatchError(f"Interrupted; job {job} goes on.")
    _show(job, as_json=as_json)


@app.command()
def cancel(job: _Number, as_json: JsonFlag = False) -> None:
    """End a job; `firstwatch job resume` goes on with it."""
    import time

    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.waiting import stopped_by_signals, until
    from firstwatch.engine.jobs.looking import cancel_job, job_now

    with open_folder() as (settings, store), stopped_by_signals() as stop:
        cancel_job(store, settings.home, job)
        deadline_s = time.monotonic() + _ENDS_S
        until(lambda: job_now(store, settings.home, job).state.is_over, stop, deadline_s=deadline_s)
        found = job_now(store, settings.home, job)
    state = found.state.value if found.state.is_over else "being cancelled"
    Output(as_json).result({"job": job, "state": found.state.value}, f"job {job} is {state}")


@app.command()
def resume(job: _Number, as_json: JsonFlag = False) -> None:
    """Go on with a job that has failed or was cancelled, in a process of its own."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.engine.jobs.process import resume_job
    from firstwatch.trading.clock import SystemClock

    with open_folder() as (settings, store):
        resume_job(settings, store, job, clock=SystemClock())
    text = f"job {job} goes on; wait for it with: firstwatch job follow {job}"
    Output(as_json).result({"job": job, "state": "queued"}, text)


def job_json(job: "Job", now_ms: int) -> dict[str, Any]:
    """Return the six fields of a job in a list."""
    return {
        "job": job.id,
        "kind": job.kind.value,
        "state": job.state.value,
        "progress": job.progress,
        "seconds_left": job.seconds_left(now_ms),
        "error": job.error,
    }


def _show(number: int, *, as_json: bool) -> None:
    import json

    from firstwatch.cli.folder import open_folder
    from firstwatch.engine.jobs.looking import job_now
    from firstwatch.store.jobs import request_of_job, result_of_job
    from firstwatch.trading.clock import SystemClock, iso

    now_ms = SystemClock().now_ms()
    with open_folder() as (settings, store):
        job = job_now(store, settings.home, number)
        with store.read() as session:
            request, result = request_of_job(session, number), result_of_job(session, number)
    if as_json:
        times = {
            "created_at": job.created_at_ms,
            "started_at": job.started_at_ms,
            "finished_at": job.finished_at_ms,
        }
        say_json(
            job_json(job, now_ms)
            | {"title": job.title, "sentence": job.sentence}
            | {name: None if time_ms is None else iso(time_ms) for name, time_ms in times.items()}
            | {"request": json.loads(request), "result": None if result is None else json.loads(result)}
        )
        return
    say(f"job {job.id}, {job.kind}: {job.title}".rstrip(": "))
    say(f"{job.state}, {job.progress:.0%} done")
    if (left := _left(job, now_ms)) is not None:
        say(f"left: {left}")
    if job.sentence:
        say(job.sentence)


def _left(job: "Job", now_ms: int) -> str | None:
    seconds = job.seconds_left(now_ms)
    return None if seconds is None else duration(seconds)
