"""The usefulness of an algorithm's conditions; its result is a row that the hints of the first watch use."""

from pydantic import BaseModel, ConfigDict

from firstwatch.backtest.baseline import costs_json
from firstwatch.backtest.inputs import BacktestRequest
from firstwatch.backtest.usefulness import measure_usefulness, to_json
from firstwatch.engine.jobs.analyses import save_analysis
from firstwatch.engine.jobs.context import Found, JobContext, Kind
from firstwatch.engine.jobs.inputs import read_request
from firstwatch.store.studies import Data, record_tried
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.trials import TrialOrigin

_READ = 0.1
"""Share of the work after which the candles are read."""


class UsefulnessRequest(BaseModel):
    """A usefulness as a job stores it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    test: BacktestRequest


def run_usefulness(request: UsefulnessRequest, job: JobContext) -> Found:
    """Test the algorithm without each condition, save what that says, and return it.

    Each ablation shows money, so it is entered in the ledger of trials.

    Raises:
        WrongUseError, VenueError, StoreError: the algorithm, the market or its candles cannot be used.
    """
    job.progress(0.0, "reading candles")
    given = read_request(job.settings, request.test, job.clock)
    found = measure_usefulness(
        given.tester(),
        given.spec,
        start_ms=given.start_ms,
        end_ms=given.end_ms,
        progress=lambda share, step: job.progress(_READ + (1 - _READ) * share, step),
    )
    document = to_json(found)
    data = Data(given.symbol, given.spec.timeframe, found.start_ms, found.end_ms)
    with job.store.write() as session:
        save_analysis(
            session,
            JobKind.USEFULNESS,
            given,
            document,
            start_ms=found.start_ms,
            end_ms=found.end_ms,
            job=job,
        )
        record_tried(
            session,
            TrialOrigin.PREVIEW,
            found.tried_sha256,
            data,
            costs_json=costs_json(given.costs),
            now_ms=job.clock.now_ms(),
        )
    least = found.least()
    sentence = "no condition has a score: it needs 30 days"
    if least is not None:
        sentence = (
            f"the least useful condition is {least.condition} ({least.group}): {least.score:.0f} of 100"
        )
    return Found(document, sentence)


KIND = Kind(UsefulnessRequest, run_usefulness, is_long=lambda _request: False)
