"""Test mode's work: drafts are opened, edited, saved; tests are asked for; what they found is read."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firstwatch.manager.test_setup import first_setup, read_setup, setup_of_run, setup_text
from firstwatch.manager.test_views import (
    DRAFT_OF,
    DraftChangedError,
    DraftChoice,
    DraftView,
    FoldSettings,
    PlaceView,
    SearchSettings,
    TestDetails,
    TestSetup,
    TestView,
)
from firstwatch.manager.views import JobView
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.text import counted

if TYPE_CHECKING:
    from firstwatch.manager.job_service import JobService
    from firstwatch.store.algorithms import AlgorithmVersion
    from firstwatch.store.database import Session, Store
    from firstwatch.store.drafts import Draft
    from firstwatch.strategy.specification import AlgorithmSpec
    from firstwatch.trading.launch import LaunchSettings


class TestService:
    """Drafts and tests of one data folder. Methods wait for the disk; ``edited`` does not.

    All raise ``FirstwatchError`` with a sentence for the operator.
    """

    __test__ = False

    def __init__(
        self, settings: Settings, clock: Clock, store: Callable[[], "Store"], jobs: "JobService"
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self._jobs = jobs

    # --- drafts ----------------------------------------------------------------------------------

    def choices(self) -> tuple[DraftChoice, ...]:
        """Return what can be opened: drafts, the one that was changed last first, then the versions.

        Left out are drafts that no form can show, and versions of archived algorithms.
        """
        from firstwatch.store.algorithms import list_versions
        from firstwatch.store.drafts import list_drafts

        with self._store().read() as session:
            drafts, versions = list_drafts(session), list_versions(session, damaged={})
        by_id = {version.id: version for version in versions}
        changed = (
            draft
            for draft in drafts
            if (base := by_id.get(draft.base_version_id or 0)) is not None
            and _has_changes(draft, base)
            and _has_form(draft)
        )
        offered = (version for version in reversed(versions) if not version.is_archived)
        return (
            *(DraftChoice(each.name, "changed, not saved as a version", True) for each in changed),
            *(DraftChoice(each.label, f"stored version {each.number}", False) for each in offered),
        )

    def open(self, name: str) -> DraftView:
        """Open a draft by its name, or a stored version as ``name@version``.

        A version with a draft opens as it is stored, with the draft's settings of a test.

        Raises:
            WrongUseError: there is neither a draft nor a version of that name, or no form can show it.
        """
        from firstwatch.store import algorithms, drafts

        with self._store().read() as session:
            if (stored := drafts.find_draft(session, name)) is not None:
                return self._opened(session, stored)
            return self._as_stored(session, algorithms.version_by_label(session, name))

    def open_newest(self) -> DraftView | None:
        """Open the draft that was changed last; without one the newest run's version, or any version.

        None: no algorithm is stored.
        """
        from firstwatch.store import algorithms, drafts, runs

        with self._store().read() as session:
            for stored in drafts.list_drafts(session):
                if _has_form(stored):
                    return self._opened(session, stored)
            newest = next(iter(runs.list_runs(session, limit=1)), None)
            if newest is not None:
                version = algorithms.version_by_id(session, newest.version_id)
            else:
                versions = algorithms.list_versions(session, damaged={})
                if not versions:
                    return None
                version = max(versions, key=lambda each: (not each.is_archived, each.name, each.number))
            return self._as_stored(session, version)

    def open_run(self, run_id: str) -> DraftView:
        """Open a run's version, with the run's market and money, on its recent period: to test it again."""
        from firstwatch.store import algorithms, runs

        with self._store().read() as session:
            run = runs.get_run(session, run_id)
            view = self._as_stored(session, algorithms.version_by_id(session, run.version_id))
        return replace(view, setup=setup_of_run(run, parent_run_id=run.id))

    def _as_stored(self, session: "Session", version: "AlgorithmVersion") -> DraftView:
        """Return a version as it is stored, with its draft's settings of a test."""
        from firstwatch.store.drafts import find_draft

        draft = find_draft(session, f"{DRAFT_OF}{version.label}")
        setup = None if draft is None else read_setup(draft.setup_json)
        view = _view_of_version(version, setup or self._first_setup(session, version))
        hidden = draft.text if draft is not None and _has_changes(draft, version) else ""
        return replace(view, hidden=hidden)

    def _opened(self, session: "Session", stored: "Draft") -> DraftView:
        from firstwatch.manager.draft_document import read_document
        from firstwatch.store import algorithms

        if stored.base_version_id is None:
            raise WrongUseError(
                f"{stored.name} is a new algorithm: save it as a version first, in Build mode."
            )
        if not _has_form(stored):
            raise WrongUseError(f"The text of {stored.name} fits into no form yet: correct it in Build mode.")
        version = algorithms.version_by_id(session, stored.base_version_id)
        base = _view_of_version(version, read_setup(stored.setup_json) or TestSetup())
        document = read_document(stored.text)
        if document.get("name") == version.name:
            # The algorithm may have been renamed; its versions keep the name that they were stored with.
            document = {**document, "name": base.document["name"]}
        return replace(edited(base, document=document), kept=stored.text)

    def _first_setup(self, session: "Session", version: "AlgorithmVersion") -> TestSetup:
        from firstwatch.manager.algorithm_views import spec_of

        return first_setup(session, self._settings, version.name, spec_of(version).symbol)

    def keep(self, draft: DraftView) -> DraftView:
        """Save a draft, or the settings of a test of a version as it is stored, and return it as kept.

        A text that says the same already stays as it was written, with its comments; so does a draft of which
        only the settings are changed while its version is shown as it is stored.

        Raises:
            DraftChangedError: the stored draft holds changes with which this one did not begin.
        """
        from firstwatch.manager.draft_document import is_text_of, write_document
        from firstwatch.store.algorithms import version_by_id
        from firstwatch.store.drafts import find_draft, save_draft

        name, document = f"{DRAFT_OF}{draft.base}", draft.document
        if document.get("name") == draft.stored["name"]:
            # The name that the algorithm has now, as in ``_opened``.
            document = {**document, "name": draft.algorithm}
        with self._store().write() as session:
            known = find_draft(session, name)
            is_same = known is not None and is_text_of(known.text, document)
            is_other = not is_same and _is_unknown(known, draft, version_by_id(session, draft.base_id))
            if is_other and draft.is_changed:
                raise DraftChangedError(name)
            stays = known is not None and (is_same or is_other)
            text = known.text if known is not None and stays else write_document(document)
            save_draft(
                session,
                name,
                base_version_id=draft.base_id,
                text=text,
                setup_json=setup_text(draft.setup),
                now_ms=self._clock.now_ms(),
            )
        # What it does not show, it does not know: that must not be removed with it.
        return draft if is_other else replace(draft, kept=text)

    def discard(self, draft: DraftView) -> DraftView:
        """Remove a draft, and return the stored version that it began as.

        Raises:
            DraftChangedError: the stored draft holds changes with which this one did not begin.
        """
        from firstwatch.store import algorithms, drafts

        name = f"{DRAFT_OF}{draft.base}"
        with self._store().write() as session:
            version = algorithms.version_by_id(session, draft.base_id)
            if _is_unknown(drafts.find_draft(session, name), draft, version):
                raise DraftChangedError(name)
            drafts.delete_draft(session, name)
        return _view_of_version(version, draft.setup)

    def save_version(self, draft: DraftView, algorithm: str) -> DraftView:
        """Save a draft as the next version of an algorithm, remove the draft, and return that version.

        A draft that was changed elsewhere meanwhile stays, and so does one of a version that means the same.

        Raises:
            WrongUseError: the draft or the name is wrong.
        """
        from firstwatch.manager.draft_document import spec_of_document, with_value
        from firstwatch.store import algorithms, drafts

        spec = spec_of_document(with_value(draft.document, "name", algorithm))
        with self._store().write() as session:
            version = algorithms.add_version(
                session,
                spec.name,
                spec.canonical_json(),
                spec.sha256(),
                now_ms=self._clock.now_ms(),
                parent_id=draft.base_id,
            )
            name = f"{DRAFT_OF}{draft.base}"
            base = algorithms.version_by_id(session, draft.base_id)
            if not _is_unknown(drafts.find_draft(session, name), draft, base):
                drafts.delete_draft(session, name)
            view = replace(self._as_stored(session, version), setup=draft.setup)
        return self.keep(view)

    def parent_launch(self, run_id: str) -> "LaunchSettings":
        """Return the settings of a run whose next version is launched."""
        from firstwatch.store.runs import get_run

        with self._store().read() as session:
            return get_run(session, run_id).settings

    # --- tests -----------------------------------------------------------------------------------

    def backtest(self, draft: DraftView) -> int:
        """Begin a backtest of a draft, and return the number of its job."""
        from firstwatch.manager.test_requests import request_of

        request = request_of(draft, self._settings, self._clock)
        return self._jobs.submit(JobKind.BACKTEST, _title(draft), request)

    def validate(self, draft: DraftView, wanted: FoldSettings) -> int:
        """Begin a cross-validation of a draft, and return the number of its job."""
        from firstwatch.manager.test_requests import validation_of

        request = validation_of(draft, wanted, self._settings, self._clock)
        return self._jobs.submit(JobKind.CROSS_VALIDATION, _title(draft), request)

    def usefulness(self, draft: DraftView) -> int:
        """Begin to measure how useful a draft's conditions are, and return the number of the job."""
        from firstwatch.engine.jobs.usefulness import UsefulnessRequest
        from firstwatch.manager.test_requests import request_of

        request = UsefulnessRequest(test=request_of(draft, self._settings, self._clock))
        return self._jobs.submit(JobKind.USEFULNESS, _title(draft), request)

    def places(self, draft: DraftView) -> tuple[PlaceView, ...]:
        """Return the numbers of a draft that can be optimised."""
        from firstwatch.manager.test_requests import places_of

        return places_of(draft)

    def optimise(self, draft: DraftView, wanted: SearchSettings) -> int:
        """Begin an optimisation of a draft, and return the number of its job."""
        from firstwatch.manager.test_requests import optimisation_of

        request = optimisation_of(draft, wanted, self._settings, self._clock)
        return self._jobs.submit(JobKind.OPTIMISATION, _title(draft), request)

    def winner(self, test: TestView, point: int | None = None) -> DraftView:
        """Return the draft with the numbers of a study's winner; ``point``: of a point of its front.

        It differs from the version that the study began with. A draft of that version which is not what the
        study began with is hidden by it.
        """
        from firstwatch.manager.test_reader import read_winner

        assert test.job is not None
        with self._store().read() as session:
            winner, start, base = read_winner(session, test.job, point)
        draft = edited(self.open(base), document=winner.document())
        if draft.hides_draft:
            with suppress(WrongUseError):
                known = self.open(f"{DRAFT_OF}{base}").sha256
                return draft.replacing() if known in (start.sha256(), winner.sha256()) else draft
        return draft

    def tests(self, found: Sequence[JobView], algorithm: str) -> tuple[TestView, ...]:
        """Return the tests among these jobs, and the baselines of an algorithm, the newest first."""
        from firstwatch.manager.test_reader import read_tests

        with self._store().read() as session:
            return read_tests(session, found, algorithm)

    def details(self, test: TestView) -> TestDetails:
        """Return what a test has found."""
        from firstwatch.manager.test_reader import read_details

        with self._store().read() as session:
            return read_details(session, test)

    def sources(self) -> tuple[str, ...]:
        """Return the sources of candles: the venue, and the series of the archive."""
        from firstwatch.backtest.inputs import FROM_VENUE
        from firstwatch.market.archive import list_series

        return (FROM_VENUE, *map(str, list_series(self._settings.home)))

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues whose markets can be tested."""
        return tuple(self._settings.venues)


def edited(
    draft: DraftView, *, document: Mapping[str, Any] | None = None, setup: TestSetup | None = None
) -> DraftView:
    """Return the draft with another document or other settings, and its mistakes found anew. Never waits."""
    from firstwatch.manager.draft_document import changed_places, problems_of, spec_of_document

    new = replace(draft, setup=setup or draft.setup)
    if document is None:
        return new
    problems = problems_of(document)
    changes = changed_places(draft.stored, document)
    spec = None if problems else spec_of_document(document)
    is_changed = bool(changes) if spec is None else spec.sha256() != draft.stored_sha256
    return replace(
        new,
        name=f"{DRAFT_OF}{draft.base}" if is_changed else draft.base,
        document=document,
        problems=problems,
        changes=changes,
        is_changed=is_changed,
        sha256="" if spec is None else spec.sha256(),
        warnings=() if spec is None else spec.warnings(),
    )


def _view_of_version(version: "AlgorithmVersion", setup: TestSetup) -> DraftView:
    from firstwatch.manager.algorithm_views import spec_of

    spec: AlgorithmSpec = spec_of(version)
    document = spec.document()
    return DraftView(
        name=version.label,
        algorithm=version.name,
        base=version.label,
        base_id=version.id,
        document=document,
        stored=document,
        stored_sha256=version.sha256,
        setup=setup,
        sha256=version.sha256,
        warnings=spec.warnings(),
    )


def _has_changes(draft: "Draft", version: "AlgorithmVersion") -> bool:
    """Return whether a version's draft differs from it."""
    from firstwatch.manager.algorithm_views import is_as_stored

    return not is_as_stored(draft.text, version)


def _is_unknown(stored: "Draft | None", draft: DraftView, version: "AlgorithmVersion") -> bool:
    """Return whether the stored draft holds changes with which a draft that is shown did not begin."""
    return stored is not None and stored.text != draft.kept and _has_changes(stored, version)


def _has_form(draft: "Draft") -> bool:
    """Return whether the form can show a draft: it has a version as its base, and its text has the shape."""
    from firstwatch.manager.draft_document import has_form, read_document

    try:
        return draft.base_version_id is not None and has_form(read_document(draft.text))
    except WrongUseError:
        return False


def change_text(draft: DraftView) -> str:
    """Return how much of a draft differs from its version: ``2 changes``; empty: nothing."""
    return counted(len(draft.changes), "change") if draft.is_changed else ""


def _title(draft: DraftView) -> str:
    return f"{draft.name} on {draft.setup.symbol}" if draft.setup.symbol else draft.name
