"""Build mode's work: algorithms and their versions, and their texts while they are edited."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from firstwatch.manager.build_views import AlgorithmEntry, TextView
from firstwatch.manager.test_setup import first_setup, read_setup, setup_text
from firstwatch.manager.test_views import DRAFT_OF, DraftChangedError, TestSetup
from firstwatch.settings import Settings
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import clean, counted

if TYPE_CHECKING:
    from firstwatch.store.algorithms import AlgorithmVersion
    from firstwatch.store.database import Session, Store
    from firstwatch.store.drafts import Draft
    from firstwatch.strategy.differences import Change
    from firstwatch.strategy.specification import AlgorithmSpec
    from firstwatch.strategy.templates import Template

LONGEST_NOTE = 300
LONGEST_DRAFT = 2_000_000
"""Characters of a text that is kept, right or wrong; a version is far shorter."""


class ChangedMeanwhileError(WrongUseError):
    """Another version was stored since a text was opened. Nothing was saved, and nothing is lost."""

    def __init__(self, sentence: str, newest: str) -> None:
        super().__init__(sentence)
        self.newest = newest
        """That version, ``name@version``: ``save(view, note, over=newest)`` saves all the same."""


class BuildService:
    """Algorithms of one data folder, and the drafts of their texts. Methods wait for the disk.

    All raise ``FirstwatchError`` with a sentence for the operator.
    """

    def __init__(self, settings: Settings, clock: Clock, store: Callable[[], "Store"]) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store

    # --- what there is ---------------------------------------------------------------------------

    def algorithms(self) -> tuple[AlgorithmEntry, ...]:
        """Return all algorithms by name, archived ones too, and drafts of those that have no version yet."""
        from firstwatch.manager.algorithm_entries import read_entries

        with self._store().read() as session:
            return read_entries(session)

    def templates(self) -> tuple["Template", ...]:
        """Return the algorithms to begin with."""
        from firstwatch.strategy.templates import templates

        return templates()

    def differences(self, before: str, after: str) -> tuple["Change", ...]:
        """Return what differs between two of them, each named as for ``open``; a version as it is stored.

        Raises:
            WrongUseError: one is not there, or is a draft with mistakes.
        """
        from firstwatch.manager.algorithm_views import spec_of
        from firstwatch.strategy.differences import differences
        from firstwatch.strategy.specification import AlgorithmSpec

        documents = []
        with self._store().read() as session:
            for name in (before, after):
                version, draft = _find(session, name)
                if draft is not None:
                    documents.append(AlgorithmSpec.from_toml(draft.text, draft.name).document())
                elif version is not None:
                    documents.append(spec_of(version).document())
        return differences(*documents)

    def version(self, name: str) -> "AlgorithmVersion":
        """Return a stored version: ``name@version``, or the newest of an algorithm.

        Raises:
            WrongUseError: there is no such version.
        """
        from firstwatch.store import algorithms

        with self._store().read() as session:
            if "@" in name:
                return algorithms.version_by_label(session, name)
            return algorithms.get_version(session, name)

    # --- a text ----------------------------------------------------------------------------------

    def open(self, name: str) -> TextView:
        """Open a draft by its name, or a version as ``name@version``: its draft, if it has one.

        A name alone is the algorithm's newest version.

        Raises:
            WrongUseError: there is neither a draft nor a version of that name.
        """
        from firstwatch.store import drafts

        with self._store().read() as session:
            version, draft = _find(session, name)
            if draft is None and version is not None:
                draft = drafts.find_draft(session, f"{DRAFT_OF}{version.label}")
            return self._view(session, version, draft)

    def open_newest(self) -> TextView | None:
        """Open the draft that was changed last; without one the version that was stored last.

        None: no algorithm is stored.
        """
        from firstwatch.store import algorithms, drafts

        with self._store().read() as session:
            kept = drafts.list_drafts(session)
            if kept:
                version, draft = _find(session, kept[0].name)
                return self._view(session, version, draft)
            versions = algorithms.list_versions(session, damaged={})
            offered = [version for version in versions if not version.is_archived] or versions
            if not offered:
                return None
            return self._view(session, max(offered, key=lambda each: each.id), None)

    def begin(self, template: str, name: str) -> TextView:
        """Begin a new algorithm as a draft with a template's text; no version is stored.

        Raises:
            WrongUseError: there is no such template, or the name cannot be used or is taken.
        """
        from firstwatch.manager.algorithm_text import edited
        from firstwatch.store import algorithms, drafts
        from firstwatch.strategy import templates

        text = text_of_template(templates.template(template), name)
        with self._store().write() as session:
            algorithms.check_free(session, name)
            if drafts.find_draft(session, f"{DRAFT_OF}{name}") is not None:
                raise WrongUseError(f"There is a {DRAFT_OF}{name} already; open it, or choose another name.")
            view = TextView(
                f"{DRAFT_OF}{name}", text, setup=first_setup(session, self._settings, name, symbol=None)
            )
            return edited(self._keep(session, view), text)

    def keep(self, view: TextView) -> TextView:
        """Save the text as a draft, right or wrong, with the settings of its tests, and return it as kept.

        Raises:
            WrongUseError: it is too long.
            DraftChangedError: the stored draft holds a text with which this one did not begin.
        """
        with self._store().write() as session:
            return self._keep(session, _checked(session, view))

    def discard(self, view: TextView) -> TextView | None:
        """Remove a draft, and return the version that it began as; None: it is a new algorithm.

        Raises:
            DraftChangedError: the stored draft holds a text with which this one did not begin.
        """
        from firstwatch.store import algorithms, drafts

        with self._store().write() as session:
            drafts.delete_draft(session, _checked(session, view).draft)
            if view.base_id is None:
                return None
            version = algorithms.version_by_id(session, view.base_id)
            return self._view(session, version, None, setup=view.setup)

    def save(self, view: TextView, note: str = "", *, over: str = "") -> TextView:
        """Store the text as the next version of the algorithm that it names, and return that version.

        The draft is then gone, and the text canonical. A text that means the same as a stored version is that
        one, with its own draft, if it has one. A draft that was changed elsewhere meanwhile stays.
        ``over``: the newest version, if it is known that it is not the one that the text began as.

        Raises:
            WrongUseError: the text has mistakes.
            ChangedMeanwhileError: another version is the newest.
            StoreError: the disk is full; the draft stays.
        """
        from firstwatch.store import algorithms, drafts
        from firstwatch.strategy.specification import AlgorithmSpec

        spec = AlgorithmSpec.from_toml(view.text, "The text")
        with self._store().write() as session:
            spec_json, sha256 = spec.canonical_json(), spec.sha256()
            saved = algorithms.find_same(session, spec.name, spec_json, sha256)
            if saved is None:
                newest = next(reversed(algorithms.list_versions(session, spec.name, damaged={})), None)
                if newest is not None and newest.id != view.base_id and newest.label != over:
                    base = view.base_id and algorithms.version_by_id(session, view.base_id).label
                    since = f"not {base}" if base else "and this text began without it"
                    raise ChangedMeanwhileError(
                        f"{newest.label} is the newest version of {newest.name}, {since}: look at the "
                        f"differences, or save this as version {newest.number + 1} all the same.",
                        newest.label,
                    )
                saved = algorithms.add_version(
                    session,
                    spec.name,
                    spec_json,
                    sha256,
                    now_ms=self._clock.now_ms(),
                    note=_note(note),
                    parent_id=view.base_id,
                )
            elif note and not saved.note:
                algorithms.set_note(session, saved.id, _note(note))
            with suppress(DraftChangedError):
                drafts.delete_draft(session, _checked(session, view).draft)
            draft = drafts.find_draft(session, f"{DRAFT_OF}{saved.label}")
            stored = self._view(session, saved, draft, setup=view.setup)
            return self._keep(session, stored) if draft is None else stored

    # --- algorithms and versions -----------------------------------------------------------------

    def rename(self, old: str, new: str) -> None:
        """Give an algorithm another name; its drafts go along, its versions and runs stay as they are.

        Raises:
            WrongUseError: there is no such algorithm, or the new name cannot be used or is taken.
        """
        from firstwatch.manager.draft_document import renamed
        from firstwatch.store import algorithms, drafts
        from firstwatch.strategy.specification import name_problem

        if problem := name_problem(new):
            raise WrongUseError(problem)
        with self._store().write() as session:
            if drafts.find_draft(session, f"{DRAFT_OF}{new}") is not None:
                raise WrongUseError(f"There is a {DRAFT_OF}{new} already; choose another name.")
            name = algorithms.current_name(session, old)
            algorithms.rename(session, old, new)
            labels = {each.id: each.label for each in algorithms.list_versions(session, new, damaged={})}
            for draft in drafts.list_drafts(session):
                if draft.base_version_id in labels:
                    text = renamed(draft.text, name or old, new)
                    label = labels[draft.base_version_id]
                    drafts.rename_draft(session, draft.name, f"{DRAFT_OF}{label}", text)

    def archive(self, name: str, *, archived: bool) -> None:
        """Archive an algorithm, so that it is no longer offered, or offer it again. Its history stays.

        Raises:
            WrongUseError: there is no such algorithm.
        """
        from firstwatch.store import algorithms

        with self._store().write() as session:
            algorithms.set_archived(session, name, self._clock.now_ms() if archived else None)

    def set_note(self, label: str, note: str) -> None:
        """Write what there is to say about a version, in place of what was there.

        Raises:
            WrongUseError: there is no such version.
        """
        from firstwatch.store import algorithms

        with self._store().write() as session:
            algorithms.set_note(session, algorithms.version_by_label(session, label).id, _note(note))

    def import_file(self, path: Path, note: str = "") -> TextView:
        """Store the algorithm of a TOML file as a version, and return it.

        Raises:
            WrongUseError: the file cannot be read, or is not a valid algorithm; all mistakes are named.
        """
        from firstwatch.strategy.specification import AlgorithmSpec
        from firstwatch.trading.toml_file import read_text

        return self.add(AlgorithmSpec.from_toml(read_text(path), where=str(path)), note)

    def add(self, spec: "AlgorithmSpec", note: str = "") -> TextView:
        """Store an algorithm as a version, and return it, with its draft, if it has one.

        A version that is known already keeps the note that it has.

        Raises:
            WrongUseError: the note is too long.
        """
        from firstwatch.store import algorithms, drafts

        with self._store().write() as session:
            version = algorithms.add_version(
                session,
                spec.name,
                spec.canonical_json(),
                spec.sha256(),
                now_ms=self._clock.now_ms(),
                note=_note(note),
            )
            if note and not version.note:
                algorithms.set_note(session, version.id, _note(note))
            return self._view(session, version, drafts.find_draft(session, f"{DRAFT_OF}{version.label}"))

    def export_file(self, label: str, path: Path) -> None:
        """Write a version as a TOML file.

        Raises:
            WrongUseError: there is no such version, or there is such a file already.
            FirstwatchError: the file cannot be written.
        """
        from firstwatch.manager.algorithm_views import stored_text
        from firstwatch.manager.export_files import whole_file
        from firstwatch.store.algorithms import version_by_label

        with self._store().read() as session:
            text = stored_text(version_by_label(session, label))
        with whole_file(path, is_new=True) as file:
            file.write(text.encode())

    # --- parts -----------------------------------------------------------------------------------

    def _view(
        self,
        session: "Session",
        version: "AlgorithmVersion | None",
        draft: "Draft | None",
        *,
        setup: TestSetup | None = None,
    ) -> TextView:
        from firstwatch.manager.algorithm_text import edited
        from firstwatch.manager.algorithm_views import spec_of, stored_text
        from firstwatch.store import algorithms

        if draft is not None:
            setup = setup or read_setup(draft.setup_json)
        if version is None:
            assert draft is not None
            new = TextView(draft.name, draft.text, setup=setup or TestSetup(), kept=draft.text)
            return edited(new, draft.text)
        if setup is None:
            setup = first_setup(session, self._settings, version.name, spec_of(version).symbol)
        stored = stored_text(version)
        text = stored if draft is None else draft.text
        view = TextView(
            draft=f"{DRAFT_OF}{version.label}",
            text=text,
            base=version.label,
            base_id=version.id,
            stored=stored,
            newest=algorithms.list_versions(session, version.name, damaged={})[-1].label,
            setup=setup,
            kept="" if draft is None else draft.text,
        )
        return edited(view, text)

    def _keep(self, session: "Session", view: TextView) -> TextView:
        from firstwatch.store.drafts import save_draft

        if len(view.text) > LONGEST_DRAFT:
            raise WrongUseError(
                f"The text has {counted(len(view.text), 'character')}, and at most {LONGEST_DRAFT:,} are "
                "kept: shorten it."
            )
        # Half a character, as a paste may leave it, can be written nowhere.
        text = view.text.encode(errors="replace").decode()
        save_draft(
            session,
            view.draft,
            base_version_id=view.base_id,
            text=text,
            setup_json=setup_text(view.setup),
            now_ms=self._clock.now_ms(),
        )
        return replace(view, kept=text)


def text_of_template(template: "Template", name: str) -> str:
    """Return a template's text under another name.

    Raises:
        WrongUseError: it cannot be a name.
    """
    from firstwatch.manager.draft_document import renamed
    from firstwatch.strategy.specification import name_problem

    if problem := name_problem(name):
        raise WrongUseError(problem)
    return renamed(template.text, template.name, name)


def _find(session: "Session", name: str) -> "tuple[AlgorithmVersion | None, Draft | None]":
    """Return the version and the draft of a name; a version alone where the name is one's.

    Raises:
        WrongUseError: there is neither a draft nor a version of that name.
    """
    from firstwatch.store import algorithms, drafts

    draft = drafts.find_draft(session, name)
    if draft is None and "@" not in name:
        draft = drafts.find_draft(session, f"{DRAFT_OF}{name}")
        if draft is None:
            return algorithms.get_version(session, name), None
    if draft is None:
        return algorithms.version_by_label(session, name), None
    number = draft.base_version_id
    return None if number is None else algorithms.version_by_id(session, number), draft


def _checked(session: "Session", view: TextView) -> TextView:
    """Return a text with the name that its draft has now: its algorithm may have been renamed.

    Raises:
        DraftChangedError: the stored draft holds a text with which this one did not begin.
    """
    from firstwatch.store import algorithms, drafts

    if view.base_id is not None:
        base = algorithms.version_by_id(session, view.base_id).label
        view = replace(view, draft=f"{DRAFT_OF}{base}", base=base)
    draft = drafts.find_draft(session, view.draft)
    if draft is not None and draft.text not in (view.kept, view.text, view.stored):
        raise DraftChangedError(view.draft)
    return view


def note_problem(note: str) -> str:
    """Return why a text cannot be a version's note; empty: it can."""
    return "" if len(note) <= LONGEST_NOTE else f"A note has at most {LONGEST_NOTE} characters."


def _note(text: str) -> str:
    text = text.strip()
    if problem := note_problem(text):
        raise WrongUseError(problem)
    return clean(text)
