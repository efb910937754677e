"""The data folder that a command works on."""

from collections.abc import Iterator
from contextlib import contextmanager

from firstwatch.manager.manager import RunManager
from firstwatch.settings import Settings, load_settings
from firstwatch.store.database import Store, open_store


@contextmanager
def open_folder() -> Iterator[tuple[Settings, Store]]:
    """Open settings and store of the data folder, created if it is new; close the store after the block."""
    settings = load_settings()
    store = open_store(settings.home)
    try:
        yield settings, store
    finally:
        store.close()


@contextmanager
def open_manager(settings: Settings | None = None) -> Iterator[RunManager]:
    """Open a manager that does not start the engine by itself, and close it after the block."""
    manager = RunManager(settings or load_settings(), hosts_engine=False)
    manager.open()
    try:
        yield manager
    finally:
        manager.close()
