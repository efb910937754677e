"""Revisions of the schema, and the stamp of a new store, without importing Alembic."""

from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection, DatabaseError

from firstwatch.trading.errors import StoreError

REVISIONS: Sequence[str] = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
)
"""All revisions in order, as the files under ``migrations/versions`` name them."""

HEAD = REVISIONS[-1]

VERSION_TABLE = "alembic_version"

CREATE_VERSION_TABLE = f"""
CREATE TABLE {VERSION_TABLE} (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num)
)
"""
"""Alembic's table of the revision."""


class OlderStoreError(StoreError):
    """The store has an older schema. The holder of the engine lock migrates it."""


def wrong_revision(path: Path, revision: str | None) -> StoreError:
    """Return the error for a store whose revision is not ``HEAD``."""
    if revision is None:
        return StoreError(f"{path} is not a store of firstwatch. Nothing was changed; move it away.")
    if revision in REVISIONS:
        return OlderStoreError(
            f"The store {path} has schema {revision}, this program {HEAD}. "
            "Start the engine (firstwatch, or firstwatch engine), which migrates it after a backup."
        )
    return StoreError(
        f"The store {path} was written by a newer firstwatch (schema {revision}; this program knows up to "
        f"{HEAD}). Nothing was changed; use the newer program."
    )


def revision_of(connection: Connection) -> str | None:
    """Return the revision of a database; None: it has no table of the revision.

    Raises:
        sqlite3.DatabaseError: the file cannot be read as a database.
    """
    found = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (VERSION_TABLE,)
    ).fetchone()
    if found is None:
        return None
    row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
    if row is None:
        raise DatabaseError("the table of the revision is empty")
    return str(row[0])
