"""The data folder of a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from firstwatch.manager.manager import RunManager
from firstwatch.settings import Settings, load_settings
from firstwatch.store.database import Store, open_store


@contextmanager
def opened() -> Iterator[tuple[Settings, Store]]:
    """Open settings and store of this data folder, made when it is new, and close them after the block."""
    settings = load_settings()
    store = open_store(settings.home)
    try:
        yield settings, store
    finally:
        store.close()


@contextmanager
def managed(settings: Settings | None = None) -> Iterator[RunManager]:
    """Open a manager that volunteers for nothing by itself, and close it after the block."""
    manager = RunManager(settings or load_settings(), hosts_engine=False)
    manager.open()
    try:
        yield manager
    finally:
        manager.close()
