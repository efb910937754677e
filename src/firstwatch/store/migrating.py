"""Migration of an older store to this program's schema: forward only, after a backup, all or nothing."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from firstwatch.store import schema
from firstwatch.store.database import connect, explained, read_revision
from firstwatch.store.files import check_folder, store_path
from firstwatch.trading.errors import StoreError


@dataclass(frozen=True, slots=True)
class Migrated:
    """A migration that was done: old and new revision, and the backup's path."""

    old: str
    new: str
    backup: Path


def migrate(folder: Path) -> Migrated | None:
    """Migrate the store of a data folder; None: there is none, or it is up to date.

    Only for the holder of the engine lock. Writers of other processes wait, and fail afterwards.

    Raises:
        StoreError: the store is damaged or newer, or the migration failed; the store is unchanged.
    """
    path = store_path(folder)
    if not path.exists():
        return None
    check_folder(folder, make=False)
    revision = read_revision(path)
    if revision == schema.HEAD:
        return None
    if revision not in schema.REVISIONS:
        raise schema.wrong_revision(path, revision)
    backup = path.with_name(f"{path.name}.backup-{revision}")
    try:
        _migrate(path, backup)
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        raise explained(error.orig, path, "migrate") from error
    except sqlite3.Error as error:
        raise explained(error, path, "migrate") from error
    except OSError as error:
        raise StoreError(f"Cannot back up {path}: {error.strerror or error}. Nothing was changed.") from error
    return Migrated(str(revision), schema.HEAD, backup)


def _migrate(path: Path, backup: Path) -> None:
    # Alembic is slow to import and almost never needed.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    engine = create_engine("sqlite://", creator=lambda: connect(path, read_only=False), poolclass=NullPool)
    with engine.connect() as session, session.begin():
        session.exec_driver_sql("BEGIN IMMEDIATE")
        # No process can write any more, so the backup is the state before the revisions.
        _back_up(path, backup)
        config.attributes["connection"] = session
        command.upgrade(config, schema.HEAD)


def _back_up(path: Path, backup: Path) -> None:
    draft = backup.with_name(f"{backup.name}.new-{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(connect(path, read_only=True)) as source, closing(sqlite3.connect(draft)) as target:
            source.backup(target)
        draft.replace(backup)
    finally:
        draft.unlink(missing_ok=True)
