"""Algorithms and their immutable, numbered versions.

A name means one algorithm for ever: after it was renamed, its former names still lead to it, and no other
algorithm may take them. A launch that waits, a job and a file that name it go on meaning the same one.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, func, insert, select, update

from firstwatch.store.database import Session
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import AlgorithmTable, AlgorithmVersionTable, FormerNameTable, table_of
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.text import quoted
from firstwatch.trading.validation import nearest

_ALGORITHM = table_of(AlgorithmTable)
_VERSION = table_of(AlgorithmVersionTable)
_FORMER = table_of(FormerNameTable)

_DIGITS = 10
"""A version's number has fewer."""


@dataclass(frozen=True, slots=True)
class AlgorithmVersion:
    """One version: the canonical JSON of its specification and the hash of that."""

    id: int
    name: str
    """The algorithm's name now; the specification keeps the one that it was stored with."""
    number: int
    spec_json: str
    sha256: str
    created_at_ms: int
    note: str = ""
    """What its author wrote about it."""
    parent_id: int | None = None
    """The version that it was edited from; None: none, or not known."""
    is_archived: bool = False
    """Its algorithm is."""

    @property
    def label(self) -> str:
        """``name@number``, as the command line prints and takes it."""
        return f"{self.name}@{self.number}"


_VIEW: Select[Any] = select(
    _VERSION.c.id,
    _ALGORITHM.c.name,
    _VERSION.c.number,
    _VERSION.c.spec_json,
    _VERSION.c.sha256,
    _VERSION.c.created_at_ms,
    _VERSION.c.note,
    _VERSION.c.parent_id,
    _ALGORITHM.c.archived_at_ms.is_not(None).label("is_archived"),
).join_from(_VERSION, _ALGORITHM)
_ALL = _VIEW.order_by(_ALGORITHM.c.name, _VERSION.c.number)
_ONE = _VIEW.where(_VERSION.c.id == bindparam("version"))


def add_version(
    session: Session,
    name: str,
    spec_json: str,
    sha256: str,
    *,
    now_ms: int,
    note: str = "",
    parent_id: int | None = None,
) -> AlgorithmVersion:
    """Save a specification as the next version of ``name``; one that is already saved is returned.

    ``parent_id``: the version that it was edited from.
    """
    if (known := find_same(session, name, spec_json, sha256)) is not None:
        return known
    algorithm_id = _algorithm_id(session, name)
    if algorithm_id is None:
        algorithm_id = session.execute(
            insert(_ALGORITHM).values(name=name, created_at_ms=now_ms).returning(_ALGORITHM.c.id)
        ).scalar_one()
    last = session.execute(
        select(func.max(_VERSION.c.number)).where(_VERSION.c.algorithm_id == algorithm_id)
    ).scalar()
    version_id: int = session.execute(
        insert(_VERSION)
        .values(
            algorithm_id=algorithm_id,
            number=(last or 0) + 1,
            spec_json=spec_json,
            sha256=sha256,
            created_at_ms=now_ms,
            note=note,
            parent_id=parent_id,
        )
        .returning(_VERSION.c.id)
    ).scalar_one()
    return version_by_id(session, version_id)


def find_same(session: Session, name: str, spec_json: str, sha256: str) -> AlgorithmVersion | None:
    """Return the version of ``name`` that is this specification; None: there is none.

    After the algorithm was renamed, a specification under another of its names is the same one.
    """
    algorithm_id = _algorithm_id(session, name)
    mine = _VIEW.where(_ALGORITHM.c.id == algorithm_id)
    found = session.execute(mine.where(_VERSION.c.sha256 == sha256)).one_or_none()
    if found is not None:
        return _view(found)
    former = select(_FORMER.c.name).where(_FORMER.c.algorithm_id == algorithm_id)
    if session.execute(former).first() is None:
        return None
    wanted = _without_name(spec_json)
    versions = session.execute(mine.order_by(_VERSION.c.number)).all()
    return next((_view(each) for each in versions if _without_name(each.spec_json) == wanted), None)


def _without_name(spec_json: str) -> str:
    """Return a canonical JSON without the algorithm's name; the text itself where it is damaged."""
    try:
        document = json.loads(spec_json)
        return json.dumps({**document, "name": None})
    except (ValueError, TypeError):
        return spec_json


def get_version(session: Session, name: str, number: int | None = None) -> AlgorithmVersion:
    """Return a version by name and number; without a number the newest. ``name``: a former one too.

    Raises:
        WrongUseError: there is no such version; the text has the nearest name, or the existing numbers.
        DamagedRowError: a version of that name cannot be read.
    """
    versions = list_versions(session, name)
    if not versions:
        raise _no_algorithm(session, name)
    if number is None:
        return versions[-1]
    for version in versions:
        if version.number == number:
            return version
    known = ", ".join(str(version.number) for version in versions)
    raise WrongUseError(f"{name} has no version {number}; there are {known}.")


def version_by_label(session: Session, label: str) -> AlgorithmVersion:
    """Return the version of a label ``name@number``.

    Raises:
        WrongUseError, DamagedRowError: as ``get_version``.
    """
    name, _, number = label.rpartition("@")
    if not (number.isdecimal() and len(number) < _DIGITS):
        raise WrongUseError(f"There is no draft and no version {quoted(label)}.")
    return get_version(session, name, int(number))


def version_by_id(session: Session, version_id: int) -> AlgorithmVersion:
    """Return the version with that row number, to which runs refer.

    Raises:
        DamagedRowError: it cannot be read, or is missing.
    """
    found = session.execute(_ONE, {"version": version_id}).one_or_none()
    if found is None:
        raise DamagedRowError(
            f"algorithm version {version_id} is missing; firstwatch doctor checks the whole store"
        )
    return _view(found)


def list_versions(
    session: Session, name: str | None = None, *, damaged: dict[int, str] | None = None
) -> list[AlgorithmVersion]:
    """Return all versions, or those of one name, by name and number; those of archived algorithms too.

    ``damaged``: receives the errors of versions that cannot be read, by row number; they are left out.

    Raises:
        DamagedRowError: a version cannot be read, and there is no ``damaged``.
    """
    statement = _ALL if name is None else _ALL.where(_ALGORITHM.c.id == _algorithm_id(session, name))
    found = session.execute(statement).all()
    if damaged is None:
        return [_view(each) for each in found]
    return list(readable(found, "id", _view, damaged).values())


# --- names ---------------------------------------------------------------------------------------


def current_name(session: Session, name: str) -> str | None:
    """Return the name now of the algorithm that has, or had, that name; None: there is none."""
    number = _algorithm_id(session, name)
    found = session.execute(select(_ALGORITHM.c.name).where(_ALGORITHM.c.id == number)).scalar()
    return None if found is None else str(found)


def check_free(session: Session, name: str) -> None:
    """Check that no algorithm has, or had, a name.

    Raises:
        WrongUseError: one has, or had it.
    """
    owner = current_name(session, name)
    if owner is not None:
        taken = "is taken" if owner == name else f"was that of {quoted(owner)}, and still leads to it"
        raise WrongUseError(f"The name {quoted(name)} {taken}; choose another name.")


def names(session: Session) -> tuple[str, ...]:
    """Return the names of all algorithms, in their order."""
    return tuple(session.execute(select(_ALGORITHM.c.name).order_by(_ALGORITHM.c.name)).scalars())


def rename(session: Session, old: str, new: str) -> None:
    """Give an algorithm another name; its stored specifications stay as they are.

    Raises:
        WrongUseError: there is no such algorithm, or another one has, or had, the new name.
    """
    algorithm_id = _existing(session, old)
    name = current_name(session, old)
    if _algorithm_id(session, new) != algorithm_id:
        check_free(session, new)
    if new == name:
        return
    session.execute(delete(_FORMER).where(_FORMER.c.name == new))
    session.execute(insert(_FORMER).values(name=name, algorithm_id=algorithm_id))
    session.execute(update(_ALGORITHM).where(_ALGORITHM.c.id == algorithm_id).values(name=new))


def set_archived(session: Session, name: str, archived_at_ms: int | None) -> None:
    """Archive an algorithm: it is no longer offered, its history stays. None: offer it again.

    Raises:
        WrongUseError: there is no such algorithm.
    """
    number = _existing(session, name)
    session.execute(update(_ALGORITHM).where(_ALGORITHM.c.id == number).values(archived_at_ms=archived_at_ms))


def set_note(session: Session, version_id: int, note: str) -> None:
    """Write what a version's author says about it, in place of what was there."""
    session.execute(update(_VERSION).where(_VERSION.c.id == version_id).values(note=note))


def _existing(session: Session, name: str) -> int:
    found = _algorithm_id(session, name)
    if found is None:
        raise _no_algorithm(session, name)
    return found


def _algorithm_id(session: Session, name: str) -> int | None:
    own = session.execute(select(_ALGORITHM.c.id).where(_ALGORITHM.c.name == name)).scalar()
    if own is not None:
        return int(own)
    former = session.execute(select(_FORMER.c.algorithm_id).where(_FORMER.c.name == name)).scalar()
    return None if former is None else int(former)


def _no_algorithm(session: Session, name: str) -> WrongUseError:
    return WrongUseError(
        f"There is no algorithm {quoted(name)}{nearest(name, names(session)) or '.'} "
        "Add one with: firstwatch algorithm add FILE."
    )


def _view(found: Row[Any]) -> AlgorithmVersion:
    with row(f"algorithm version {found.name}@{found.number}"):
        return AlgorithmVersion(**sound(found, _VERSION)._mapping)
