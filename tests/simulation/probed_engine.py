"""An engine process that notes the last named point that it passed, for the test that kills it.

``python -m tests.simulation.probed_engine FOLDER``: the note is a file there of 64 bytes, mapped into
memory, so what was noted outlives the process.
"""

import mmap
import os
import sys
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


def main() -> None:
    """Hold the engine as soon as it is free, until killed."""
    note = Note(Path(sys.argv[1]) / f"{NOTE_PREFIX}{os.getpid()}")
    settings = load_settings()
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


if __name__ == "__main__":
    main()
