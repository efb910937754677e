"""Jobs: listed, cancelled, resumed; what has ended is said."""

import asyncio

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import JobView
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.tui.state import READ_ONLY, StateApp


class JobController:
    """Shows the jobs, and ends them or goes on with them."""

    def __init__(self, app: StateApp) -> None:
        self._app = app

    def show(self) -> None:
        """List the jobs."""
        from firstwatch.tui.modals.jobs import JobsDialog

        self._app.push_screen(JobsDialog())

    def cancel(self, job: JobView) -> None:
        """End a job."""
        if self._may_change():
            self._app.in_background(asyncio.to_thread(self._app.manager.jobs.cancel, job.job_id))

    def resume(self, job: JobView) -> None:
        """Go on with a job that has failed or was cancelled."""
        if self._may_change():
            self._app.in_background(asyncio.to_thread(self._app.manager.jobs.resume, job.job_id))

    def announce(self, before: ManagerSnapshot) -> None:
        """Say how the jobs have ended that were at work before; baselines are said by the launch form."""
        working = {job.job_id for job in before.working if job.kind is not JobKind.BASELINE}
        for job in self._app.live.jobs:
            if job.job_id in working and job.state.is_over:
                self._app.notify(
                    f"{job.title}: {job.sentence}",
                    title=f"{job.kind.value.capitalize()} {job.state}",
                    severity="error" if job.state is JobState.FAILED else "information",
                )

    def _may_change(self) -> bool:
        if self._app.is_read_only:
            self._app.notify(READ_ONLY, severity="warning")
        return not self._app.is_read_only
