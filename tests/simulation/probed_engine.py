"""An engine process that notes the last named point that it passed, for whoever kills it.

``python -m tests.simulation.probed_engine NOTE_FILE``: the file is 64 bytes, mapped into memory, so what
was noted outlives the process.
"""

import mmap
import sys
import threading
from pathlib import Path

from firstwatch.engine.host import EngineHost
from firstwatch.engine.lock import EngineHeldError
from firstwatch.settings import load_settings
from firstwatch.store.database import open_store

NOTE_BYTES = 64
STANDING_BY = "standing by"


class Note:
    """The last point passed, in a file."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), NOTE_BYTES)

    def __call__(self, point: str) -> None:
        self._map[:] = point.encode().ljust(NOTE_BYTES)


def read_note(path: Path) -> str:
    """Return the last point that was noted."""
    return path.read_bytes().decode().strip() or "starting"


def main() -> None:
    """Hold the engine as soon as it is free, until killed."""
    note = Note(Path(sys.argv[1]))
    settings = load_settings()
    store = open_store(settings.home, probe=lambda point: note(f"store {point}"))
    host = EngineHost(store, settings, probe=note)
    never = threading.Event()
    note(STANDING_BY)
    while not host.is_running:
        try:
            host.start()
        except EngineHeldError:
            never.wait(0.01)
    never.wait()


if __name__ == "__main__":
    main()
