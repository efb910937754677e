"""Which shape of the store this program knows, and how a new store gets it without Alembic's import."""

from collections.abc import Sequence
from sqlite3 import Connection, DatabaseError

REVISIONS: Sequence[str] = ("0001", "0002")
"""All revisions in order, as the files under ``migrations/versions`` name them."""

HEAD = REVISIONS[-1]

VERSION_TABLE = "alembic_version"


def revision_of(connection: Connection) -> str | None:
    """Return the revision that is stamped in a database; None: it has no such stamp.

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
