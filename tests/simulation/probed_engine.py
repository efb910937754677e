"""An engine process that notes the last named point that it passed, for the test that kills it.

The note is a file of 64 bytes in its folder, mapped into memory, so what was noted outlives the process.
"""

import mmap
import os
import threading
from pathlib import Path

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.lock import EngineHeldError
from firstwatch.settings import load_settings
from firstwatch.store.database import open_store

NOTE_PREFIX = "note"
"""Followed by the process's id."""
_BYTES = 64


class Note:
    """The last point passed, in a file."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _BYTES)

    def __call__(self, point: str) -> None:
        self._map[:] = point.encode().ljust(_BYTES)


def read_note(path: Path) -> str:
    """Return the last point that was noted; empty: none."""
    return path.read_bytes().decode().strip("\0 ")


def hold(folder: Path) -> None:
    """Hold the engine of the folder as soon as it is free, until killed."""
    note = Note(folder / f"{NOTE_PREFIX}{os.getpid()}")
    settings = load_settings(home=folder)
    store = open_store(settings.home, fault_point=lambda point: note(f"store {point}"))
    host = EngineHost(store, settings, fault_point=note)
    never = threading.Event()
    note("starting")
    while not host.is_running:
        try:
            host.start()
        except EngineHeldError:
            never.wait(0.01)
    never.wait()
