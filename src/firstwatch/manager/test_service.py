"""Test mode's work: drafts are opened, edited, saved; tests are asked for; what they found is read."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from firstwatch.manager.test_views import (
    DRAFT_OF,
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
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.text import counted

if TYPE_CHECKING:
    from firstwatch.manager.job_service import JobService
    from firstwatch.store.algorithms import AlgorithmVersion
    from firstwatch.store.database import Session, Store
    from firstwatch.store.runs import Run
    from firstwatch.strategy.specification import AlgorithmSpec
    from firstwatch.trading.launch import LaunchSettings

_RUNS = 50
"""Newest runs among which the settings of a first test are looked for."""


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
        """Return what can be opened: drafts, the one that was changed last first, then the versions."""
        from firstwatch.store.algorithms import list_versions
        from firstwatch.store.drafts import list_drafts

        with self._store().read() as session:
            drafts, versions = list_drafts(session), list_versions(session, damaged={})
        found = [DraftChoice(each.name, "changed, not saved as a version", True) for each in drafts]
        for version in reversed(versions):
            found.append(DraftChoice(version.label, f"stored version {version.number}", False))
        return tuple(found)

    def open(self, name: str) -> DraftView:
        """Open a draft by its name, or a stored version as ``name@version``.

        A version with a draft opens as it is stored, with the draft's settings of a test.

        Raises:
            WrongUseError: there is neither a draft nor a version of that name.
        """
        from firstwatch.store import algorithms, drafts

        with self._store().read() as session:
            if (stored := drafts.find_draft(session, name)) is not None:
                return self._opened(session, stored)
            algorithm, _, number = name.rpartition("@")
            if not number.isdecimal():
                raise WrongUseError(f"There is no draft and no version {name}.")
            version = algorithms.get_version(session, algorithm, int(number))
            draft = drafts.find_draft(session, f"{DRAFT_OF}{version.label}")
            setup = None if draft is None else _read_setup(draft.setup_json)
            return _view_of_version(version, setup or self._first_setup(session, version))

    def open_newest(self) -> DraftView | None:
        """Open the draft that was changed last; without one the newest run's version, or any version.

        None: no algorithm is stored.
        """
        from firstwatch.store import algorithms, drafts, runs

        with self._store().read() as session:
            for stored in drafts.list_drafts(session):
                return self._opened(session, stored)
            newest = next(iter(runs.list_runs(session, limit=1)), None)
            if newest is not None:
                version = algorithms.version_by_id(session, newest.version_id)
            else:
                versions = algorithms.list_versions(session, damaged={})
                if not versions:
                    return None
                version = versions[-1]
            return _view_of_version(version, self._first_setup(session, version))

    def open_run(self, run_id: str) -> DraftView:
        """Open a run's version, with the run's market and money, on its recent period: to test it again."""
        from firstwatch.store import algorithms, runs

        with self._store().read() as session:
            run = runs.get_run(session, run_id)
            version = algorithms.version_by_id(session, run.version_id)
        return _view_of_version(version, _setup_of_run(run, parent_run_id=run.id))

    def _opened(self, session: "Session", stored: Any) -> DraftView:
        from firstwatch.manager.draft_document import read_document
        from firstwatch.store import algorithms

        if stored.base_version_id is None:
            raise DamagedRowError(f"draft {stored.name} has no version that it began as")
        version = algorithms.version_by_id(session, stored.base_version_id)
        try:
            document = read_document(stored.text)
        except WrongUseError as error:
            raise DamagedRowError(f"draft {stored.name} cannot be read: {error}") from error
        base = _view_of_version(version, _read_setup(stored.setup_json) or TestSetup())
        return edited(base, document=document)

    def _first_setup(self, session: "Session", version: "AlgorithmVersion") -> TestSetup:
        """Return the settings of a first test: those of the newest run of the algorithm, else of any run."""
        from firstwatch.manager.algorithm_views import spec_of
        from firstwatch.manager.lists import symbols_of
        from firstwatch.store import runs

        spec, known = spec_of(version), runs.list_runs(session, limit=_RUNS)
        run = next((run for run in known if run.settings.algorithm == version.name), None)
        if run is not None:
            return _setup_of_run(run)
        venue = next(iter(self._settings.venues), "")
        named = dict.fromkeys([*(each.settings.symbol for each in known), *symbols_of(self._settings)])
        symbol = spec.symbol or next(iter(named), "")
        return TestSetup(venue=known[0].venue if known else venue, symbol=symbol)

    def keep(self, draft: DraftView) -> None:
        """Save a draft, or the settings of a test of a version as it is stored."""
        from firstwatch.manager.draft_document import write_document
        from firstwatch.store.drafts import save_draft

        with self._store().write() as session:
            save_draft(
                session,
                f"{DRAFT_OF}{draft.base}",
                base_version_id=draft.base_id,
                text=write_document(draft.document),
                setup_json=json.dumps(asdict(draft.setup)),
                now_ms=self._clock.now_ms(),
            )

    def discard(self, draft: DraftView) -> DraftView:
        """Remove a draft, and return the stored version that it began as."""
        from firstwatch.store import algorithms, drafts

        with self._store().write() as session:
            drafts.delete_draft(session, f"{DRAFT_OF}{draft.base}")
        with self._store().read() as session:
            return _view_of_version(algorithms.version_by_id(session, draft.base_id), draft.setup)

    def save_version(self, draft: DraftView, algorithm: str) -> DraftView:
        """Save a draft as the next version of an algorithm, remove the draft, and return that version.

        Raises:
            WrongUseError: the draft or the name is wrong.
        """
        from firstwatch.manager.draft_document import spec_of_document, with_value
        from firstwatch.store import algorithms, drafts

        spec = spec_of_document(with_value(draft.document, "name", algorithm))
        with self._store().write() as session:
            version = algorithms.add_version(
                session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=self._clock.now_ms()
            )
            drafts.delete_draft(session, f"{DRAFT_OF}{draft.base}")
        view = _view_of_version(version, draft.setup)
        self.keep(view)
        return view

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

        It is saved as the draft of the version that the study began with.
        """
        from firstwatch.manager.test_reader import read_winner

        assert test.job is not None
        with self._store().read() as session:
            document, base = read_winner(session, test.job, point)
        draft = edited(self.open(base), document=document)
        self.keep(draft)
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


def _read_setup(text: str) -> TestSetup | None:
    """Return stored settings of a test; what is not known any more is left out. None: they are damaged."""
    try:
        values = json.loads(text)
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    known = {name: str(values[name]) for name in TestSetup.__dataclass_fields__ if name in values}
    return TestSetup(**known)


def _setup_of_run(run: "Run", *, parent_run_id: str = "") -> TestSetup:
    settings = run.settings
    limit = settings.trades_limit
    return TestSetup(
        venue=run.venue,
        symbol=settings.symbol,
        capital=f"{settings.capital:f}",
        leverage=f"{settings.leverage:f}",
        trades_limit="" if limit is None else str(limit),
        parent_run_id=parent_run_id,
    )


def change_text(draft: DraftView) -> str:
    """Return how much of a draft differs from its version: ``2 changes``; empty: nothing."""
    return counted(len(draft.changes), "change") if draft.is_changed else ""


def _title(draft: DraftView) -> str:
    return f"{draft.name} on {draft.setup.symbol}" if draft.setup.symbol else draft.name
