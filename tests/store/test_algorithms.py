"""Names of algorithms, which lead to the same one for ever; notes, parents, and what is archived."""

import pytest

from firstwatch.store import algorithms, runs
from firstwatch.store.database import Session, Store
from firstwatch.trading.errors import WrongUseError
from tests.store.made import made_run


def add(session: Session, name: str, threshold: int, **more: object) -> algorithms.AlgorithmVersion:
    spec_json = f'{{"entry":{threshold},"name":"{name}"}}'
    return algorithms.add_version(session, name, spec_json, f"{name}{threshold}", now_ms=threshold, **more)


def test_a_version_keeps_its_note_and_the_version_that_it_was_edited_from(store: Store) -> None:
    with store.write() as session:
        first = add(session, "A", 30)
        second = add(session, "A", 25, note="deeper dips", parent_id=first.id)
        algorithms.set_note(session, first.id, "the first one")
    with store.read() as session:
        assert [(each.note, each.parent_id) for each in algorithms.list_versions(session, "A")] == [
            ("the first one", None),
            ("deeper dips", first.id),
        ]
        assert algorithms.version_by_label(session, "A@2") == second


@pytest.mark.parametrize("label", ["A", "A@", "A@x", "A@²", "@1", f"A@{'9' * 5000}", "A@7"])
def test_a_label_that_is_none_is_wrong_use(store: Store, label: str) -> None:
    with store.write() as session:
        add(session, "A", 30)
        with pytest.raises(WrongUseError):
            algorithms.version_by_label(session, label)


def test_a_renamed_algorithm_is_found_by_all_its_names_and_keeps_its_specifications(store: Store) -> None:
    with store.write() as session:
        before = add(session, "old", 30)
        algorithms.rename(session, "old", "new")
        algorithms.rename(session, "old", "newest")
        for name in ("old", "new", "newest"):
            found = algorithms.get_version(session, name)
            assert (found.id, found.label) == (before.id, "newest@1")
            assert (found.spec_json, found.sha256) == (before.spec_json, before.sha256)
        assert algorithms.names(session) == ("newest",)
        # What names it by an old name goes on being a version of it, and the same one is no new one.
        assert add(session, "old", 30).id == before.id
        assert add(session, "newest", 30).id == before.id
        assert add(session, "new", 25).label == "newest@2"


def test_a_name_that_leads_to_one_algorithm_is_never_that_of_another(store: Store) -> None:
    with store.write() as session:
        add(session, "A", 30)
        add(session, "B", 30)
        algorithms.rename(session, "A", "C")
        with pytest.raises(WrongUseError, match='"B" is taken'):
            algorithms.rename(session, "C", "B")
        with pytest.raises(WrongUseError, match='"A" was that of "C", and still leads to it'):
            algorithms.rename(session, "B", "A")
        with pytest.raises(WrongUseError, match=r"no algorithm .nothing."):
            algorithms.rename(session, "nothing", "D")
        # An algorithm may take its own name again.
        algorithms.rename(session, "C", "A")
        algorithms.rename(session, "A", "A")
        assert algorithms.names(session) == ("A", "B")
        assert algorithms.current_name(session, "C") == "A"


def test_runs_are_called_by_the_name_that_their_algorithm_has_now(store: Store) -> None:
    with store.write() as session:
        run = made_run(session)
        assert runs.get_run(session, run.id).settings.algorithm == "RSI reversion"
        algorithms.rename(session, "RSI reversion", "Dips")
        renamed = runs.get_run(session, run.id)
        assert renamed.settings == run.settings.model_copy(update={"algorithm": "Dips"})
        assert runs.ids_by_version(session) == {run.version_id: (run.id,)}
        # What was stored with the run is as it was.
        assert algorithms.version_by_id(session, run.version_id).spec_json == '{"name": "x"}'


def test_an_archived_algorithm_is_marked_and_found_as_before(store: Store) -> None:
    with store.write() as session:
        add(session, "A", 30)
        algorithms.set_archived(session, "A", 7)
        assert algorithms.get_version(session, "A").is_archived
        algorithms.set_archived(session, "A", None)
        assert not algorithms.get_version(session, "A").is_archived
        with pytest.raises(WrongUseError, match="no algorithm"):
            algorithms.set_archived(session, "nothing", 7)
