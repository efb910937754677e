"""Opens the store for an engine: an older store is migrated first."""

from pathlib import Path

from firstwatch.engine.lock import EngineLock
from firstwatch.store.database import Store, open_store
from firstwatch.store.migrating import migrate
from firstwatch.store.schema import OlderStoreError


def open_and_migrate(folder: Path) -> Store:
    """Open the store; an older one is migrated under the engine lock, before any run starts.

    Raises:
        StoreError: it cannot be used.
        EngineHeldError: it is older, and another process holds the engine.
    """
    try:
        return open_store(folder)
    except OlderStoreError:
        with EngineLock(folder):
            migrate(folder)
        return open_store(folder)
