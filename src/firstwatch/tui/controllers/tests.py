"""Test mode: drafts are opened, edited, saved; tests are begun; their results are read and shown."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import Any

from firstwatch.manager.test_views import DraftView, TestView
from firstwatch.manager.views import ManagerSnapshot, RunView
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.jobs import JobState
from firstwatch.tui.bench import Bench
from firstwatch.tui.controllers.launch import LaunchController
from firstwatch.tui.launch_form.draft import LaunchDraft, draft_of
from firstwatch.tui.layout import Mode
from firstwatch.tui.messages import LaunchOpened
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.state import StateApp

_SMALL = Decimal("0.25")
"""Share of the capital that is proposed for the next version."""
_CENT = Decimal("0.01")


class TestController:
    """Changes the state of Test mode, and asks the manager for what takes time."""

    __test__ = False

    def __init__(self, app: StateApp, launch: LaunchController) -> None:
        self._app = app
        self._launch = launch
        self._unsaved: DraftView | None = None
        """The draft as it was changed last, if that is not saved yet."""
        self._saving = False
        self._reading: set[str] = set()
        """Keys of the tests whose details are being read."""
        self._seen: object = None
        """The jobs of which the list of tests was made."""
        self._wanted: int | None = None
        """The job to which the cursor goes when it is in the list."""
        self._beside: str = ""
        """The test that stands beside the next result."""

    @property
    def _bench(self) -> Bench:
        return self._app.bench

    @property
    def _manager(self) -> Any:
        return self._app.manager

    # --- opening ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Read the drafts and tests, when the mode is first shown."""
        self._app.in_background(self._open())

    async def _open(self) -> None:
        try:
            draft = await asyncio.to_thread(self._manager.tests.open_newest)
        finally:
            self._app.bench = replace(self._bench, is_open=True)
        if self._bench.draft is None:
            self._app.bench = self._bench.with_draft(draft)
        await self._read_tests()

    def ask_draft(self) -> None:
        """Ask for a version or a draft."""
        self._app.in_background(self._ask_draft())

    async def _ask_draft(self) -> None:
        found = await asyncio.to_thread(self._manager.tests.choices)
        draft = self._bench.draft
        choices = [Choice(each.value, each.value, each.note) for each in found]
        now = "" if draft is None else draft.name
        dialog = ChoiceDialog("Algorithm, version or draft", choices, now, searches=True)
        self._app.push_screen(dialog, self._open_chosen)

    def _open_chosen(self, name: str | None) -> None:
        if name is not None:
            self._app.in_background(self._open_draft(lambda: self._manager.tests.open(name)))

    async def _open_draft(self, read: Callable[[], DraftView]) -> None:
        await self._save_now()
        draft = await asyncio.to_thread(read)
        self._app.bench = self._bench.with_draft(draft)
        await self._read_tests()

    # --- the draft -------------------------------------------------------------------------------

    def take_draft(self, draft: DraftView) -> None:
        """Show a changed draft, and save it."""
        self._app.bench = self._bench.with_draft(draft)
        self._unsaved = draft
        if not self._saving and not self._app.is_read_only:
            self._app.in_background(self._save_now())

    async def _save_now(self) -> None:
        """Save the draft until nothing has changed since."""
        self._saving = True
        try:
            while (draft := self._unsaved) is not None:
                self._unsaved = None
                await asyncio.to_thread(self._manager.tests.keep, draft)
        finally:
            self._saving = False

    def ask_save(self) -> None:
        """Ask for the name of the algorithm of which the draft becomes the next version."""
        draft = self._bench.draft
        if draft is None:
            return
        newest = max(
            (each.version for each in self._app.live.algorithms if each.name == draft.algorithm), default=0
        )
        lines = [
            f"{draft.name}: {', '.join(draft.changes)}",
            "",
            f"It becomes version {newest + 1} of {draft.algorithm}; another name begins another algorithm:",
        ]
        dialog = PromptDialog("Save as a version", lines, check=_name_problem, value=draft.algorithm)
        self._app.push_screen(dialog, self._save_as)

    def _save_as(self, name: str | None) -> None:
        draft = self._bench.draft
        if name and draft is not None:
            self._app.in_background(self._save_version(draft, name))

    async def _save_version(self, draft: DraftView, name: str) -> None:
        self._unsaved = None
        saved = await asyncio.to_thread(self._manager.tests.save_version, draft, name)
        self._app.bench = self._bench.with_draft(saved)
        self._app.notify(f"Saved as {saved.base}", title="Save")

    def ask_discard(self) -> None:
        """Ask whether what was changed is discarded."""
        draft = self._bench.draft
        if draft is not None:
            lines = [f"{draft.name}: {', '.join(draft.changes)}", f"{draft.base} stays as it is stored."]
            dialog = ConfirmDialog("Discard the draft", lines, "Discard", is_dangerous=True)
            self._app.push_screen(dialog, self._discard)

    def _discard(self, is_sure: bool | None) -> None:
        draft = self._bench.draft
        if is_sure and draft is not None:
            self._unsaved = None
            self._app.in_background(self._open_draft(lambda: self._manager.tests.discard(draft)))

    # --- tests -----------------------------------------------------------------------------------

    def backtest(self) -> None:
        """Begin a backtest of the draft."""
        self._begin("Backtest", self._manager.tests.backtest)

    def _begin(self, what: str, submit: Callable[[DraftView], int]) -> None:
        draft = self._bench.draft
        if draft is not None:
            self._app.in_background(self._submit(what, draft, submit))

    async def _submit(self, what: str, draft: DraftView, submit: Callable[[DraftView], int]) -> None:
        self._app.busy = f"{what.lower()} is being prepared…"
        try:
            number = await asyncio.to_thread(submit, draft)
        finally:
            self._app.busy = ""
        self._wanted = number

    def cancel(self, test: TestView) -> None:
        """Cancel a test."""
        self._app.in_background(asyncio.to_thread(self._manager.jobs.cancel, test.job))

    def resume(self, test: TestView) -> None:
        """Go on with a test that has failed or was cancelled."""
        self._app.in_background(asyncio.to_thread(self._manager.jobs.resume, test.job))

    # --- results ---------------------------------------------------------------------------------

    def follow(self, before: ManagerSnapshot) -> None:
        """Read the tests again if their jobs have changed; say which have ended."""
        jobs = self._app.live.jobs
        if jobs == self._seen:
            return
        self._seen = jobs
        was = {job.job_id: job.state for job in before.jobs}
        for job in jobs:
            ended = job.state.is_over and was.get(job.job_id, job.state) is not job.state
            is_seen = self._app.mode is Mode.TEST and job.state is not JobState.FAILED
            if ended and before.is_ready and not is_seen:
                severity = "error" if job.state is JobState.FAILED else "information"
                said = f"job {job.job_id} {job.state}: {job.sentence}" if job.sentence else f"{job.state}"
                self._app.notify(said, title=job.title, severity=severity)
        self._app.in_background(self._read_tests())

    async def _read_tests(self) -> None:
        draft = self._bench.draft
        jobs = self._app.live.jobs
        self._seen = jobs
        tests = await asyncio.to_thread(
            self._manager.tests.tests, jobs, "" if draft is None else draft.algorithm
        )
        known = {test.key: test.state for test in tests}
        details = {
            key: each
            for key, each in self._bench.details.items()
            if key in known and each.view.state is known[key]
        }
        self._app.bench = replace(self._bench, tests=tests, details=details)
        if self._wanted is not None and f"job {self._wanted}" in known:
            self._app.point_at_test(f"job {self._wanted}", self._beside)
            self._wanted, self._beside = None, ""
        self._read_shown()

    def show(self, keys: tuple[str, ...]) -> None:
        """Show the results of these tests."""
        if keys != self._bench.shown:
            self._app.bench = replace(self._bench, shown=keys)
        self._read_shown()

    def _read_shown(self) -> None:
        """Read what the shown tests have found, as far as that is not known yet."""
        bench = self._bench
        for key in bench.shown:
            test = bench.test(key)
            is_new = key not in bench.details and key not in bench.problems and key not in self._reading
            if test is not None and test.has_result and is_new:
                self._reading.add(key)
                self._app.in_background(self._read(test))

    async def _read(self, test: TestView) -> None:
        try:
            details = await asyncio.to_thread(self._manager.tests.details, test)
        except FirstwatchError as error:
            self._app.bench = replace(self._bench, problems={**self._bench.problems, test.key: str(error)})
            return
        finally:
            self._reading.discard(test.key)
        self._app.bench = replace(self._bench, details={**self._bench.details, test.key: details})

    # --- to a run, and back ----------------------------------------------------------------------

    def launch(self) -> None:
        """Open the launcher with the version chosen: small, and as the child of its parent if it has one."""
        draft = self._bench.draft
        if draft is not None:
            self._app.in_background(self._launch_version(draft))

    async def _launch_version(self, draft: DraftView) -> None:
        parent = draft.setup.parent_run_id
        if parent:
            settings = await asyncio.to_thread(self._manager.tests.parent_launch, parent)
            launch = draft_of(settings, parent_run_id=parent)
            capital = settings.capital
        else:
            capital = Decimal(draft.setup.capital.replace(",", "") or "0")
            launch = LaunchDraft(
                symbol=draft.setup.symbol,
                leverage=draft.setup.leverage or "1",
                trades_limit=draft.setup.trades_limit,
            )
        small = (capital * _SMALL).quantize(_CENT, rounding=ROUND_DOWN).normalize()
        # A reason answers the warnings of its own start only.
        self._app.draft = replace(launch, algorithm=draft.base, capital=f"{small:f}", accepted_warnings="")
        self._launch.check_soon()
        self._app.post_message(LaunchOpened())
        self._app.notify(f"{draft.base} with a quarter of {capital:,f}: {small:,f}", title="Launch small")

    def test_again(self, run: RunView) -> None:
        """Open a run's version in Test on the recent period, and test it there beside its baseline."""
        self._app.in_background(self._test_again(run))

    async def _test_again(self, run: RunView) -> None:
        await self._save_now()
        draft = await asyncio.to_thread(self._manager.tests.open_run, run.run_id)
        self._app.bench = replace(self._bench.with_draft(draft), is_open=True)
        await self._read_tests()
        baseline = next(
            (
                each.key
                for each in self._bench.tests
                if each.key.startswith("baseline")
                and each.spec_sha256 == draft.sha256
                and each.symbol == run.symbol
            ),
            "",
        )
        self._beside = baseline
        if not self._app.is_read_only:
            await self._submit("Backtest", draft, self._manager.tests.backtest)


def _name_problem(name: str) -> str:
    if not name:
        return "write a name"
    if "@" in name or not name.isprintable():
        return "a name has no @, which stands in name@version"
    return "" if len(name) <= 80 else "at most 80 characters"
