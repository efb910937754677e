"""The algorithms of a store as Build mode lists them: versions, lineage, runs, results, drafts."""

from collections.abc import Sequence

from firstwatch.manager.algorithm_views import is_as_stored, result_text
from firstwatch.manager.build_views import AlgorithmEntry, VersionEntry
from firstwatch.manager.test_views import DRAFT_OF
from firstwatch.store import algorithms, backtests, drafts, runs, test_results
from firstwatch.store.algorithms import AlgorithmVersion
from firstwatch.store.database import Session
from firstwatch.trading.errors import DamagedRowError


def read_entries(session: Session) -> tuple[AlgorithmEntry, ...]:
    """Return all algorithms by name, archived ones too, and drafts of those that have no version yet."""
    versions = algorithms.list_versions(session, damaged={})
    by_id = {version.id: version for version in versions}
    known, results = runs.ids_by_version(session), _results(session, versions)
    by_name: dict[str, list[VersionEntry]] = {}
    for version in reversed(versions):
        parent = by_id.get(version.parent_id or 0)
        entry = VersionEntry(
            id=version.id,
            label=version.label,
            number=version.number,
            created_ms=version.created_at_ms,
            note=version.note,
            parent="" if parent is None else parent.label,
            runs=known.get(version.id, ()),
            result=results.get(version.id, ""),
        )
        by_name.setdefault(version.name, []).append(entry)
    changed: dict[str, str] = {}
    for draft in drafts.list_drafts(session):
        base = by_id.get(draft.base_version_id or 0)
        if base is None:
            changed.setdefault(draft.name.removeprefix(DRAFT_OF), draft.name)
        elif not is_as_stored(draft.text, base):
            changed.setdefault(base.name, draft.name)
    archived = {version.name for version in versions if version.is_archived}
    return tuple(
        AlgorithmEntry(name, tuple(by_name.get(name, ())), name in archived, changed.get(name, ""))
        for name in sorted({*by_name, *changed}, key=lambda each: (each.casefold(), each))
    )


def _results(session: Session, versions: Sequence[AlgorithmVersion]) -> dict[int, str]:
    """Return the newest backtest of each version in words: a baseline, or a test."""
    found = {}
    newest = test_results.newest_by_version(session)
    for version in versions:
        try:
            baseline = next(iter(backtests.list_backtests(session, version.id)), None)
            known = [each for each in (baseline, newest.get(version.id)) if each is not None]
            if known:
                found[version.id] = result_text(max(known, key=lambda each: each.created_at_ms))
        except DamagedRowError as error:
            found[version.id] = str(error)
    return found
