"""Jobs: how far each is, or how it ended; cancelled and resumed from here."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.views import JobView
from firstwatch.trading.jobs import JobState
from firstwatch.tui import formats
from firstwatch.tui.job_text import job_key, left_text
from firstwatch.tui.messages import JobCancelled, JobResumed
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, Tone

_COLUMNS = (
    Column("began", 11, rank=2),
    Column("kind", 16),
    Column("state", 9),
    Column("done", 4),
    Column("left", 7, rank=1),
    Column("what", 24, grows=True),
)
_TONES: dict[JobState, Tone] = {
    JobState.QUEUED: "dim",
    JobState.RUNNING: "",
    JobState.DONE: "dim",
    JobState.FAILED: "error",
    JobState.CANCELLED: "dim",
}


class JobsDialog(Dialog[None]):
    """The newest jobs as they are now, those at work first."""

    TITLE_TEXT = "Jobs"
    AUTO_FOCUS = "KeyedTable"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "cancel", "Cancel", show=False, id="jobs.cancel"),
        Binding("r", "resume", "Resume", show=False, id="jobs.resume"),
    ]

    def body(self) -> Sequence[Widget]:
        return [Listing(_COLUMNS, empty="There is no job yet.", id="jobs"), Paragraph(id="job")]

    def on_mount(self) -> None:
        self.watch(app_of(self), "snapshot", self._renew)

    def hints(self) -> Sequence[KeyHint]:
        job, hints = self._job, []
        if job is not None and not app_of(self).is_read_only:
            if not job.state.is_over and not job.is_cancel_wanted:
                hints = [KeyHint("x", "cancel")]
            elif job.state in (JobState.FAILED, JobState.CANCELLED):
                hints = [KeyHint("r", "resume")]
        return (*hints, KeyHint("q esc", "close"))

    def _renew(self) -> None:
        live = app_of(self).live
        over = [job for job in live.jobs if job.state.is_over]
        self.query_one(Listing).set_lines(list(map(_line, [*live.working, *over])))
        self._show()

    @on(KeyedTable.CursorMoved)
    def _show(self) -> None:
        """Show the whole of the job under the cursor."""
        job = self._job
        self.query_one("#job", Paragraph).set_text("" if job is None else "\n".join(_story(job)))
        self.query_one(KeyLine).renew()

    @property
    def _job(self) -> JobView | None:
        key = self.query_one(KeyedTable).cursor_key
        return next((job for job in app_of(self).live.jobs if job_key(job) == key), None)

    def action_cancel(self) -> None:
        """End the job under the cursor."""
        if (job := self._job) is not None:
            self.post_message(JobCancelled(job))

    def action_resume(self) -> None:
        """Go on with the job under the cursor."""
        if (job := self._job) is not None:
            self.post_message(JobResumed(job))


def _line(job: JobView) -> Line:
    tone = _TONES[job.state]
    state = "ending" if job.is_cancel_wanted and not job.state.is_over else job.state.value
    return Line(
        job_key(job),
        (
            Cell(formats.short_moment(job.started_ms or job.created_ms), "dim"),
            Cell(job.kind.value, tone),
            Cell(state, tone),
            Cell(f"{job.progress:.0%}", tone),
            Cell(left_text(job), tone),
            Cell(job.title, tone),
        ),
    )


def _story(job: JobView) -> list[str]:
    left = left_text(job)
    return ["", f"{job.kind} {job.job_id}: {job.title}", job.sentence, *([f"{left} left"] if left else [])]
