"""The proof of the first watch on an operator's own algorithm and candles, as a job.

The tables that the watch of a run needs each day are not a job: no operator asks for them, and the process
of the watch makes them by itself.
"""

from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from firstwatch.backtest.inputs import BacktestRequest
from firstwatch.engine.jobs.context import Found, JobContext, Kind
from firstwatch.engine.jobs.executors import run_all
from firstwatch.engine.jobs.inputs import read_request
from firstwatch.watch.claim import calibrate
from firstwatch.watch.rolling import Proof
from firstwatch.watch.windows import Baseline

_BEGUN = 0.05
"""Share of the time that the backtest takes, about."""
_FEW_BARS = 2_000
"""With fewer bars, workers would take longer to start than to work."""


class CalibrationRequest(BaseModel):
    """Request for a calibration: what is tested, and how it is proved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: BacktestRequest
    baseline_days: int = Field(default=180, ge=10, le=3_650)
    live_days: int = Field(default=30, ge=1, le=365)
    holdout: float = Field(default=0.3, ge=0.01, le=0.9)
    fill_noise_bps: float = Field(default=5.0, ge=0, le=1_000)
    seed: int = Field(default=0, ge=0, lt=2**63)


def run_calibration(request: CalibrationRequest, job: JobContext) -> Found:
    """Return the proof (``watch.claim.Calibration``) and the holes of the candles.

    Raises:
        WrongUseError, VenueError, StoreError: the algorithm, the market or its candles cannot be used.
    """
    job.progress(0.0, "backtest")
    given = read_request(job.settings, request.test, job.clock)
    result = given.simulate()
    whole = given.file.candles
    used = whole if given.end_ms is None else whole.part(0, whole.index_at(given.end_ms))
    baseline = Baseline(
        given.spec, used, given.market, given.costs, given.settings, given.funding, given.start_ms
    )
    proof = Proof(
        request.baseline_days, request.live_days, request.holdout, request.fill_noise_bps, request.seed
    )

    def say(share: float) -> None:
        job.progress(_BEGUN + (1 - _BEGUN) * share, "judging days")

    say(0.0)
    with job.workers(1 if len(used) < _FEW_BARS else None) as workers:
        found = calibrate(
            baseline,
            result,
            proof,
            run=None if workers.count == 1 else partial(run_all, workers),
            progress=say,
            elapsed_s=job.clock.elapsed_s,
        )
    holes = [str(hole) for hole in given.file.holes]
    return Found({"calibration": found.model_dump(mode="json"), "holes": holes}, f"claim: {found.claim}")


KIND = Kind(CalibrationRequest, run_calibration)
