"""A few numbers in a file that all processes of this user share, whichever data folder they work on."""

import fcntl
import math
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Another process holds the lock for microseconds, unless it was stopped meanwhile: then do not wait for it.
_LONGEST_S = 0.02
_PAUSE_S = 0.0005


class SharedNumbers:
    """A fixed count of numbers in a file, which one process at a time locks. Not thread-safe."""

    def __init__(self, path: Path, count: int) -> None:
        """Share the numbers at ``path``, whose folder is made when it is not there."""
        self._path = path
        self._form = struct.Struct(f"<{count}d")
        self._descriptor: int | None = None

    @contextmanager
    def held(self) -> Iterator[list[float] | None]:
        """Lock the numbers; the list as it is when the block ends is what other processes read next.

        An empty list: none were written yet. None: they cannot be locked now, and are left as they are.
        """
        descriptor = self._locked()
        if descriptor is None:
            yield None
            return
        try:
            numbers = self._read(descriptor)
            yield numbers
            os.pwrite(descriptor, self._form.pack(*numbers), 0)
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self, descriptor: int) -> list[float]:
        data = os.pread(descriptor, self._form.size + 1, 0)
        numbers = list(self._form.unpack(data)) if len(data) == self._form.size else []
        return numbers if all(map(math.isfinite, numbers)) else []

    def _locked(self) -> int | None:
        try:
            descriptor = self._opened()
            until_s = time.monotonic() + _LONGEST_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return descriptor
                except BlockingIOError:
                    if time.monotonic() > until_s:
                        return None
                    time.sleep(_PAUSE_S)
        except OSError:
            return None

    def _opened(self) -> int:
        """Return the open file; one that was removed meanwhile is made anew, as others do."""
        if self._descriptor is not None and not os.fstat(self._descriptor).st_nlink:
            self.close()
        if self._descriptor is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._path, how, 0o600)
        return self._descriptor
