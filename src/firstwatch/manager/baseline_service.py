"""Making a baseline for the launch form: starts the process, shows how far it is, cancels it."""

import subprocess
import threading

from firstwatch.manager.views import MakingView
from firstwatch.settings import Settings
from firstwatch.trading.errors import RefusedError
from firstwatch.trading.launch import LaunchSettings


class BaselineService:
    """Makes baselines for one data folder. Methods wait for the disk, never for the process that makes one.

    All raise ``FirstwatchError`` with a sentence for the operator.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def sources(self) -> tuple[str, ...]:
        """Return the sources of candles: the venue, and the series of the archive."""
        from firstwatch.backtest.inputs import FROM_VENUE
        from firstwatch.market.archive import list_series

        return (FROM_VENUE, *map(str, list_series(self._settings.home)))

    def make(self, launch: LaunchSettings, candles: str) -> None:
        """Start a process that makes the launch's baseline. ``candles``: one of ``sources``, or a file."""
        from firstwatch.engine.baselines.maker import request_of
        from firstwatch.engine.baselines.process import start_making

        with self._guard:
            self._process = start_making(self._settings, request_of(launch=launch, candles=candles))

    def cancel(self) -> None:
        """Ask the process that makes a baseline to end."""
        from firstwatch.engine.baselines.process import cancel_making

        if not cancel_making(self._settings.home):
            raise RefusedError("No baseline is being made.")

    def view(self) -> MakingView | None:
        """Return the baseline that is being made, or was made last; None: none was."""
        from firstwatch.engine.baselines.making import MakingState, read_making

        with self._guard:
            if self._process is not None and self._process.poll() is not None:
                self._process = None
        found = read_making(self._settings.home)
        if found is None:
            return None
        is_running = found.state is MakingState.RUNNING
        has_failed = found.state is MakingState.FAILED
        return MakingView(
            found.algorithm,
            found.symbol,
            is_running,
            has_failed,
            found.share,
            found.sentence,
            found.started_ms,
        )
