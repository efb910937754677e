"""When a test is run by the compiled loop, and when the interpreted one is the faster choice.

The loop is compiled once for each version of the core (5 s), and loaded once by each process (0.3 to 0.6 s,
numba included); then it plays a bar in 10 ns instead of 350 ns. So the rule is:

    a process interprets until the bars that it has played, and those that it is about to play, would take
    longer than the loading, or than the compiling where that has still to be done.

One backtest in a process of its own is interpreted up to a million bars; many trials on a year of minutes are
compiled from the first; a few on a year of hours never are. Both give the same trades and equity to the bit.
"""

import logging
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from firstwatch.backtest.cache_folder import cache_folder
from firstwatch.market.packed import locked
from firstwatch.strategy.compiled import Loop, compiled_name, is_compiled, is_installed, load_loop
from firstwatch.trading.errors import FirstwatchError, said

LOADING_BARS = 1_000_000
"""Bars that are interpreted in the time of loading the loop."""
COMPILING_BARS = 12_000_000
"""Bars that are interpreted in the time of compiling it."""

NOT_INSTALLED = (
    "numba is not installed, so that tests take about ten times as long: pip install 'firstwatch[optimise]'"
)
NOT_COMPILED = "the core cannot be compiled, so that tests take about ten times as long: {}"

_FOLDER = "core-"
_KEPT_S = 30 * 86_400
_log = logging.getLogger(__name__)


class Compiler:
    """The compiled loop of this process, once it pays."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._played = 0
        self._loop: Loop | None = None
        self.slower_because: str | None = None
        """Why the loop cannot be had, in a sentence; None: it can, or was not needed so far."""

    def loop(self, bars: int, *, tests: int = 1) -> Loop | None:
        """Return the loop if it is the faster choice for a test of so many bars; None: it is not.

        ``tests``: about how many such tests are still to come, this one included. Where the loop would be the
        choice but cannot be had, a warning is logged, once.
        """
        with self._guard:
            if self._loop is None and self.slower_because is None and self._pays(bars * tests):
                self._loop = self._load()
            if self._loop is None:
                self._played += bars
            return self._loop

    def load(self) -> None:
        """Load the loop now, compiled if it has to be, whether it pays or not."""
        with self._guard:
            if self._loop is None and self.slower_because is None:
                self._loop = self._load()

    @property
    def loaded(self) -> Loop | None:
        """The loop, if it is loaded; never waits for that."""
        return self._loop

    def _pays(self, bars: int) -> bool:
        ahead = self._played + bars
        if ahead < LOADING_BARS:
            return False
        if ahead >= COMPILING_BARS or not is_installed():
            return True
        with suppress(OSError):
            return is_compiled(_folder())
        return True

    def _load(self) -> Loop | None:
        if not is_installed():
            self.slower_because = NOT_INSTALLED
        else:
            try:
                return _loaded(_folder())
            except FirstwatchError:  # the job is cancelled meanwhile
                raise
            except Exception as error:  # of the disk or the compiler: interpreted, the core does the same
                self.slower_because = NOT_COMPILED.format(said(error).splitlines()[0])
        _log.warning("%s", self.slower_because)
        return None


def _folder() -> Path:
    return cache_folder(f"{_FOLDER}{compiled_name()}")


def _loaded(folder: Path) -> Loop:
    """Load the loop; what is damaged is compiled anew. One process compiles, the others wait for it."""
    if is_compiled(folder):
        try:
            return load_loop(folder)
        except FirstwatchError:
            raise
        except Exception:  # whatever a damaged file makes of it
            for each in folder.glob("*/*"):
                each.unlink(missing_ok=True)
    with locked(folder):
        loop = load_loop(folder)
    _sweep(folder)
    return loop


def _sweep(folder: Path) -> None:
    """Remove what versions of the core that were compiled long before this one have left."""
    now_s = folder.stat().st_mtime
    for other in folder.parent.glob(f"{_FOLDER}*"):
        with suppress(OSError):
            if other.stat().st_mtime < now_s - _KEPT_S:
                shutil.rmtree(other)


COMPILER = Compiler()
"""The one of this process."""
