"""Test mode: drafts are opened, edited, saved; tests are begun; their results are read and shown."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from functools import partial
from typing import Any

from firstwatch.manager.test_views import DRAFT_OF, DraftChangedError, DraftView, TestView
from firstwatch.manager.views import RunView
from firstwatch.trading.errors import FirstwatchError, WrongUseError
from firstwatch.tui.bench import Bench, place_words
from firstwatch.tui.build import algorithm_name_problem
from firstwatch.tui.controllers.drafts import ask_replace
from firstwatch.tui.controllers.launch import LaunchController
from firstwatch.tui.launch_form.draft import LaunchDraft, draft_of
from firstwatch.tui.lists.found import parameters_text, values_text
from firstwatch.tui.messages import DraftShown, LaunchOpened
from firstwatch.tui.modals.choice import Choice, ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.prompt import PromptDialog
from firstwatch.tui.modals.settings import SettingsDialog, Values
from firstwatch.tui.modals.tests import (
    folds_mistake,
    folds_of,
    optimisation_settings,
    search_mistake,
    search_of,
    validation_settings,
)
from firstwatch.tui.state import StateApp

_log = logging.getLogger(__name__)

_SMALL = Decimal("0.25")
"""Share of the capital that is proposed for the next version."""
_CENT = Decimal("0.01")
_KEPT_BACK = "the last fifth of the period is kept back"


class TestController:
    """Changes the state of Test mode, and asks the manager for what takes time."""

    __test__ = False

    def __init__(self, app: StateApp, launch: LaunchController) -> None:
        self._app = app
        self._launch = launch
        self._unsaved: DraftView | None = None
        """The draft as it was changed last, if that is not saved yet."""
        self._saving = asyncio.Lock()
        self._kept: dict[str, str] = {}
        """Texts of drafts as they were kept last, by the version that they began as."""
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
            await self._app.keep_drafts()
            draft = await asyncio.to_thread(self._manager.tests.open_newest)
        finally:
            self._app.bench = replace(self._bench, is_open=True)
        if self._bench.draft is None:
            self._show(draft)
        await self._read_tests()

    def open_again(self) -> None:
        """Read the draft again, when the mode is shown again: it may have been changed in Build mode."""
        self._app.in_background(self._open_again())

    async def _open_again(self) -> None:
        await self._app.keep_drafts()
        before = self._bench.draft
        if before is None:
            await self._open()
            return
        draft = await asyncio.to_thread(self._opened_again, before)
        if self._bench.draft is before:
            # The settings of a test of a run are not kept before they are changed.
            self._show(replace(draft, setup=before.setup) if before.setup.parent_run_id else draft)

    def _opened_again(self, before: DraftView) -> DraftView:
        stored: DraftView = self._manager.tests.open(before.base)
        if before.is_changed or stored.hidden != before.hidden:
            # Its draft, unless that was saved or discarded, or fits into no form.
            with suppress(WrongUseError):
                draft: DraftView = self._manager.tests.open(f"{DRAFT_OF}{before.base}")
                return draft
        return stored

    def _show(self, draft: DraftView | None) -> None:
        """Show a draft that was read."""
        if draft is not None:
            self._kept.pop(draft.base, None)
        self._app.bench = self._bench.with_draft(draft)

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
        await self.save_now()
        self._show(await asyncio.to_thread(read))
        await self._read_tests()

    # --- the draft -------------------------------------------------------------------------------

    def take_draft(self, draft: DraftView, *, then: Callable[[], None] | None = None) -> None:
        """Show a changed draft, and save it; ask first whether it may replace the draft that it hides."""
        before = self._bench.draft
        self._app.bench = self._bench.with_draft(draft)
        if draft.hides_draft:
            changes = ", ".join(map(place_words, draft.changes))
            lines = [
                f"{draft.name} is there already, with other changes that are no version yet.",
                f"It would be replaced by {draft.base} with: {changes}",
            ]
            dialog = ConfirmDialog("Replace the draft", lines, "Replace it", is_dangerous=True)
            self._app.push_screen(dialog, partial(self._replace, draft, before, then))
            return
        if not self._app.is_read_only:
            self._unsaved = draft
            self._app.in_background(self.save_now())
        if then is not None:
            then()

    def _replace(
        self,
        draft: DraftView,
        before: DraftView | None,
        then: Callable[[], None] | None,
        is_sure: bool | None,
    ) -> None:
        if is_sure:
            self._kept.pop(draft.base, None)
            self.take_draft(draft.replacing(), then=then)
        else:
            self._app.bench = self._bench.with_draft(before)

    async def save_now(self) -> None:
        """Save the draft until nothing has changed since; what cannot be saved waits for the next time."""
        async with self._saving:
            while (draft := self._unsaved) is not None:
                try:
                    kept = await asyncio.to_thread(self._manager.tests.keep, self._known(draft))
                except DraftChangedError as error:
                    self._unsaved = None
                    ask_replace(self._app, error, partial(self._keep_over, draft))
                    return
                self._kept[draft.base] = kept.kept
                if self._unsaved is draft:
                    self._unsaved = None

    def _known(self, draft: DraftView) -> DraftView:
        """Return a draft with its text as it was kept last."""
        return replace(draft, kept=self._kept.get(draft.base, draft.kept))

    async def _keep_over(self, draft: DraftView) -> None:
        stored = await asyncio.to_thread(self._manager.tests.open, draft.base)
        self._kept.pop(draft.base, None)
        self._unsaved = replace(draft, hidden=stored.hidden).replacing()
        await self.save_now()

    def close(self) -> None:
        """Save what is not saved yet, before the program ends."""
        if self._unsaved is not None:
            try:
                self._manager.tests.keep(self._known(self._unsaved))
            except FirstwatchError as error:
                _log.error("%s could not be kept: %s", self._unsaved.name, error)

    def ask_save(self) -> None:
        """Ask for the name of the algorithm of which the draft becomes the next version."""
        draft = self._bench.draft
        if draft is None:
            return
        newest = max(
            (each.version for each in self._app.live.algorithms if each.name == draft.algorithm), default=0
        )
        lines = [
            f"{draft.name}: {', '.join(map(place_words, draft.changes))}",
            "",
            f"It becomes version {newest + 1} of {draft.algorithm}; another name begins another algorithm:",
        ]
        dialog = PromptDialog("Save as a version", lines, check=algorithm_name_problem, value=draft.algorithm)
        self._app.push_screen(dialog, self._save_as)

    def _save_as(self, name: str | None) -> None:
        draft = self._bench.draft
        if name and draft is not None:
            self._app.in_background(self._save_version(draft, name))

    async def _save_version(self, draft: DraftView, name: str) -> None:
        async with self._saving:
            saved = await asyncio.to_thread(self._manager.tests.save_version, self._known(draft), name)
            self._unsaved = None
        self._show(saved)
        self._app.notify(f"Saved as {saved.base}", title="Save")

    def ask_discard(self) -> None:
        """Ask whether what was changed is discarded."""
        draft = self._bench.draft
        if draft is not None:
            changes = ", ".join(map(place_words, draft.changes))
            lines = [f"{draft.name}: {changes}", f"{draft.base} stays as it is stored."]
            dialog = ConfirmDialog("Discard the draft", lines, "Discard", is_dangerous=True)
            self._app.push_screen(dialog, self._discard)

    def _discard(self, is_sure: bool | None) -> None:
        draft = self._bench.draft
        if is_sure and draft is not None:
            self._app.in_background(self._discard_now(draft))

    async def _discard_now(self, draft: DraftView) -> None:
        async with self._saving:
            self._unsaved = None
            stored = await asyncio.to_thread(self._manager.tests.discard, self._known(draft))
        self._show(stored)
        await self._read_tests()

    # --- tests -----------------------------------------------------------------------------------

    def backtest(self) -> None:
        """Begin a backtest of the draft."""
        self._begin("Backtest", self._manager.tests.backtest)

    def ask_validation(self) -> None:
        """Ask for the folds, then begin a cross-validation of the draft."""
        draft = self._bench.draft
        if draft is not None:
            self._app.in_background(self._ask_validation(draft))

    async def _ask_validation(self, draft: DraftView) -> None:
        places = await asyncio.to_thread(self._manager.tests.places, draft)
        lines = [f"{draft.name} on {draft.setup.symbol}; {_KEPT_BACK}.", ""]
        settings = validation_settings(draft, places)
        dialog = SettingsDialog("Cross-validate", lines, settings, "begin", check=folds_mistake)
        self._app.push_screen(dialog, self._validate)

    def _validate(self, values: Values | None) -> None:
        if values is not None:
            folds = folds_of(values)
            self._begin("Cross-validation", lambda draft: self._manager.tests.validate(draft, folds))

    def ask_optimisation(self) -> None:
        """Ask for the numbers and what is looked for, then begin an optimisation of the draft."""
        draft = self._bench.draft
        if draft is not None:
            self._app.in_background(self._ask_optimisation(draft))

    async def _ask_optimisation(self, draft: DraftView) -> None:
        places = await asyncio.to_thread(self._manager.tests.places, draft)
        lines = [
            f"{draft.name} on {draft.setup.symbol}; {_KEPT_BACK}.",
            "Take a number by space, or write its range.",
            "",
        ]
        settings = optimisation_settings(draft, places)
        check = partial(search_mistake, draft)
        dialog = SettingsDialog("Optimise", lines, settings, "begin", check=check)
        self._app.push_screen(dialog, self._optimise)

    def _optimise(self, values: Values | None) -> None:
        if values is not None:
            search = search_of(values)
            self._begin("Optimisation", lambda draft: self._manager.tests.optimise(draft, search))

    def usefulness(self) -> None:
        """Begin to measure how useful the draft's conditions are."""
        self._begin("Usefulness", self._manager.tests.usefulness)

    def take_winner(self, test: TestView) -> None:
        """Make the winner of a study the draft; of a front, ask which point."""
        details = self._bench.details.get(test.key)
        front = [] if details is None or details.found.get("best") else details.found.get("pareto") or []
        if not front:
            self._app.in_background(self._open_winner(test, None))
            return
        choices = [
            Choice(str(number), parameters_text(point["parameters"]), values_text(point["values"]))
            for number, point in enumerate(front)
        ]
        dialog = ChoiceDialog("Which point of the front", choices, "0")
        self._app.push_screen(dialog, partial(self._take_point, test))

    def _take_point(self, test: TestView, point: str | None) -> None:
        if point is not None:
            self._app.in_background(self._open_winner(test, int(point)))

    async def _open_winner(self, test: TestView, point: int | None) -> None:
        await self.save_now()
        draft = await asyncio.to_thread(self._manager.tests.winner, test, point)
        self._kept.pop(draft.base, None)
        self.take_draft(draft, then=partial(self._show_winner, draft))
        await self._read_tests()

    def _show_winner(self, draft: DraftView) -> None:
        changes = ", ".join(map(place_words, draft.changes))
        said = f"The winner is the draft now: {changes}" if changes else "The winner is what the draft was"
        self._app.notify(said, title="Winner")
        self._app.post_message(DraftShown())

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

    def follow(self) -> None:
        """Read the tests again if their jobs have changed."""
        jobs = self._app.live.jobs
        if jobs == self._seen:
            return
        self._seen = jobs
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
        if self._wanted is not None and (key := f"job {self._wanted}") in known:
            self.show(tuple(filter(None, (self._beside, key))))
            self._app.point_at_test(key, self._beside)
            self._wanted, self._beside = None, ""
        elif not self._bench.shown and tests:
            self.show((tests[0].key,))
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

    def test_version(self, label: str) -> None:
        """Open a stored version with its draft's settings of a test, and begin a backtest of it."""
        self._app.in_background(self._test_version(label))

    async def _test_version(self, label: str) -> None:
        await self._open_draft(lambda: self._manager.tests.open(label))
        draft = self._bench.draft
        if draft is not None:
            await self._submit("Backtest", draft, self._manager.tests.backtest)

    def test_again(self, run: RunView) -> None:
        """Open a run's version in Test on the recent period, and test it there beside its baseline."""
        self._app.in_background(self._test_again(run))

    async def _test_again(self, run: RunView) -> None:
        await self.save_now()
        draft = await asyncio.to_thread(self._manager.tests.open_run, run.run_id)
        self._show(draft)
        self._app.bench = replace(self._bench, is_open=True)
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
