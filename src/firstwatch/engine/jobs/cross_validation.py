"""A rolling cross-validation of one algorithm; its result is a row that the launch checks look at."""

from pydantic import BaseModel, ConfigDict, Field

from firstwatch.backtest.cross_validation import FOLDS, MOST_FOLDS, cross_validate, to_json
from firstwatch.backtest.inputs import BacktestRequest
from firstwatch.engine.jobs.analyses import save_analysis
from firstwatch.engine.jobs.context import Found, JobContext, Kind
from firstwatch.engine.jobs.inputs import read_request
from firstwatch.trading.jobs import JobKind

_READ = 0.1
"""Share of the work after which the candles are read."""


class CrossValidationRequest(BaseModel):
    """A cross-validation as a job stores it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    test: BacktestRequest
    folds: int = Field(default=FOLDS, ge=1, le=MOST_FOLDS)
    is_sliding: bool = False
    """Train each fold on the block before its test alone."""


def run_cross_validation(request: CrossValidationRequest, job: JobContext) -> Found:
    """Test every fold, save what they say, and return it.

    Raises:
        WrongUseError, VenueError, StoreError: the algorithm, the market or its candles cannot be used, or a
            fold is shorter than the warm-up.
    """
    job.progress(0.0, "reading candles")
    given = read_request(job.settings, request.test, job.clock)
    found = cross_validate(
        given.tester(),
        given.spec,
        count=request.folds,
        is_sliding=request.is_sliding,
        max_drawdown=job.settings.test.max_drawdown,
        start_ms=given.start_ms,
        end_ms=given.end_ms,
        progress=lambda share, step: job.progress(_READ + (1 - _READ) * share, step),
    )
    document = to_json(found)
    with job.store.write() as session:
        save_analysis(
            session,
            JobKind.CROSS_VALIDATION,
            given,
            document,
            start_ms=found.folds[0].train.from_ms,
            end_ms=found.holdout.from_ms,
            job=job,
        )
    return Found(document, found.rule)


KIND = Kind(CrossValidationRequest, run_cross_validation, is_long=lambda _request: False)
