"""Baselines for the launch form: where their candles may come from, and making one as a job."""

from typing import TYPE_CHECKING

from firstwatch.settings import Settings
from firstwatch.trading.errors import RefusedError
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.launch import LaunchSettings

if TYPE_CHECKING:
    from firstwatch.manager.job_service import JobService


class BaselineService:
    """Makes baselines for one data folder, one at a time. Methods wait for the disk, never for the job.

    All raise ``FirstwatchError`` with a sentence for the operator.
    """

    def __init__(self, settings: Settings, jobs: "JobService") -> None:
        self._settings = settings
        self._jobs = jobs

    def sources(self) -> tuple[str, ...]:
        """Return the sources of candles: the venue, and the series of the archive."""
        from firstwatch.backtest.inputs import FROM_VENUE
        from firstwatch.market.archive import list_series

        return (FROM_VENUE, *map(str, list_series(self._settings.home)))

    def make(self, launch: LaunchSettings, candles: str) -> int:
        """Submit the job that makes the launch's baseline, and return its number.

        ``candles``: one of ``sources``, or a file.
        """
        from firstwatch.engine.jobs.baseline import request_of

        request = request_of(launch=launch, candles=candles)
        if self._jobs.open_of(JobKind.BASELINE):
            raise RefusedError("A baseline is being made; wait for it, or cancel it.")
        return self._jobs.submit(JobKind.BASELINE, f"{launch.name} on {launch.symbol}", request)

    def cancel(self) -> None:
        """End the jobs that make a baseline."""
        found = self._jobs.open_of(JobKind.BASELINE)
        if not found:
            raise RefusedError("No baseline is being made.")
        for job in found:
            self._jobs.cancel(job.job_id)
