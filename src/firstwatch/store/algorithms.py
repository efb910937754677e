"""Algorithms and their immutable, numbered versions."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, insert, select

from firstwatch.store.database import Session
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import AlgorithmTable, AlgorithmVersionTable, table_of
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.text import quoted
from firstwatch.trading.validation import nearest

_ALGORITHM = table_of(AlgorithmTable)
_VERSION = table_of(AlgorithmVersionTable)


@dataclass(frozen=True, slots=True)
class AlgorithmVersion:
    """One version: the canonical JSON of its specification and the hash of that."""

    id: int
    name: str
    number: int
    spec_json: str
    sha256: str
    created_at_ms: int

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
).join_from(_VERSION, _ALGORITHM)
_ALL = _VIEW.order_by(_ALGORITHM.c.name, _VERSION.c.number)
_ONE = _VIEW.where(_VERSION.c.id == bindparam("version"))


def add_version(session: Session, name: str, spec_json: str, sha256: str, *, now_ms: int) -> AlgorithmVersion:
    """Save a specification as the next version of ``name``; one that is already saved is returned."""
    algorithm_id = session.execute(select(_ALGORITHM.c.id).where(_ALGORITHM.c.name == name)).scalar()
    if algorithm_id is None:
        algorithm_id = session.execute(
            insert(_ALGORITHM).values(name=name, created_at_ms=now_ms).returning(_ALGORITHM.c.id)
        ).scalar_one()
    mine = _VERSION.c.algorithm_id == algorithm_id
    known = session.execute(_VIEW.where(mine, _VERSION.c.sha256 == sha256)).one_or_none()
    if known is not None:
        return _view(known)
    last = session.execute(select(func.max(_VERSION.c.number)).where(mine)).scalar()
    number = (last or 0) + 1
    version_id = session.execute(
        insert(_VERSION)
        .values(
            algorithm_id=algorithm_id, number=number, spec_json=spec_json, sha256=sha256, created_at_ms=now_ms
        )
        .returning(_VERSION.c.id)
    ).scalar_one()
    return AlgorithmVersion(version_id, name, number, spec_json, sha256, now_ms)


def get_version(session: Session, name: str, number: int | None = None) -> AlgorithmVersion:
    """Return a version by name and number; without a number the newest.

    Raises:
        WrongUseError: there is no such version; the text has the nearest name, or the existing numbers.
        DamagedRowError: a version of that name cannot be read.
    """
    versions = list_versions(session, name)
    if not versions:
        names = list(session.execute(select(_ALGORITHM.c.name)).scalars())
        raise WrongUseError(
            f"There is no algorithm {quoted(name)}{nearest(name, names) or '.'} "
            "Add one with: firstwatch algorithm add FILE."
        )
    if number is None:
        return versions[-1]
    for version in versions:
        if version.number == number:
            return version
    known = ", ".join(str(version.number) for version in versions)
    raise WrongUseError(f"{name} has no version {number}; there are {known}.")


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
    """Return all versions, or those of one name, by name and number.

    ``damaged``: receives the errors of versions that cannot be read, by row number; they are left out.

    Raises:
        DamagedRowError: a version cannot be read, and there is no ``damaged``.
    """
    statement = _ALL if name is None else _ALL.where(_ALGORITHM.c.name == name)
    found = session.execute(statement).all()
    if damaged is None:
        return [_view(each) for each in found]
    return list(readable(found, "id", _view, damaged).values())


def _view(found: Row[Any]) -> AlgorithmVersion:
    with row(f"algorithm version {found.name}@{found.number}"):
        return AlgorithmVersion(**sound(found, _VERSION)._mapping)
