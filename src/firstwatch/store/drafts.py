"""Drafts: algorithms that are being edited, with the settings of their tests."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from firstwatch.store.database import Session
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import DraftTable, table_of

_DRAFT = table_of(DraftTable)
_ALL = select(_DRAFT).order_by(_DRAFT.c.updated_at_ms.desc(), _DRAFT.c.id.desc())


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft: ``text`` is TOML in the shape of an algorithm's file, perhaps not valid yet."""

    id: int
    name: str
    base_version_id: int | None
    """The stored version that it began as; None: none."""
    text: str
    setup_json: str
    """The settings of its test, as the caller wrote them."""
    updated_at_ms: int


def save_draft(
    session: Session,
    name: str,
    *,
    base_version_id: int | None,
    text: str,
    setup_json: str,
    now_ms: int,
) -> None:
    """Save a draft under its name, in place of the one that has it."""
    values = {
        "name": name,
        "base_version_id": base_version_id,
        "text": text,
        "setup_json": setup_json,
        "updated_at_ms": now_ms,
    }
    statement = insert(_DRAFT).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def find_draft(session: Session, name: str) -> Draft | None:
    """Return the draft of that name; None: there is none.

    Raises:
        DamagedRowError: it cannot be read.
    """
    found = session.execute(select(_DRAFT).where(_DRAFT.c.name == name)).one_or_none()
    return None if found is None else _view(found)


def list_drafts(session: Session) -> list[Draft]:
    """Return all drafts that can be read, the one that was changed last first."""
    return list(readable(session.execute(_ALL), "id", _view, None).values())


def rename_draft(session: Session, old: str, new: str, text: str) -> None:
    """Give a draft another name and text; when it was changed last stays."""
    session.execute(update(_DRAFT).where(_DRAFT.c.name == old).values(name=new, text=text))


def delete_draft(session: Session, name: str) -> None:
    """Remove the draft of that name, if there is one."""
    session.execute(delete(_DRAFT).where(_DRAFT.c.name == name))


def _view(found: Row[Any]) -> Draft:
    with row(f"draft {found.name}"):
        return Draft(**sound(found, _DRAFT)._mapping)
