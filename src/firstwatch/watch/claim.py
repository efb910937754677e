"""The result of a proof: does the promised rate of false alarms hold, and which changes are seen on a day?

``Calibration`` is the document that ``firstwatch calibrate --json`` prints; what cannot be computed is null.
"""

from collections.abc import Callable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from firstwatch.backtest.simulate import BacktestResult
from firstwatch.trading.verdicts import DAY_MS, FILLS_ALPHA, JOINT_ALPHA, Change
from firstwatch.watch.rolling import Judged, Proof, Run, by_origin, power_of, prove, rate_of, true_fills
from firstwatch.watch.windows import LONGEST_BAR_MS, Baseline

FEWEST_ORIGINS = 10
FEWEST_BASELINE_DAYS = 60
FEWEST_TRADES_PER_DAY = 1.0
EXCEEDED_POINT = 0.055
"""The promise is broken by a rolling rate above this, or by an interval that lies above the promise."""


class Claim(StrEnum):
    """Whether the promise holds on these candles."""

    OK = "ok"
    EXCEEDED = "exceeded"
    TOO_SHORT = "too_short"
    TOO_QUIET = "too_quiet"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Alpha(_Frozen):
    """Shares of true days that may be called diverged."""

    joint: float = JOINT_ALPHA
    fills: float = FILLS_ALPHA


class BaselineFacts(_Frozen):
    """The backtest of all candles."""

    bars: int
    days: float
    trades: int
    trades_per_day: float


class RateFacts(_Frozen):
    """How often runs were called diverged; ``interval`` 95 %."""

    days: int = 0
    diverged: float | None = None
    interval: tuple[float, float] | None = None


class OriginQuantiles(_Frozen):
    """Quantiles over the origins of the share that diverged."""

    p5: float
    p50: float
    p95: float


class RollingFacts(_Frozen):
    """The rolling origin."""

    origins: int = 0
    days: int = 0
    diverged: float | None = None
    interval: tuple[float, float] | None = None
    by_origin: OriginQuantiles | None = None
    by_check: dict[str, float] = {}


class FillFacts(_Frozen):
    """Share of true sequences of fills that are called diverged."""

    heavy_tailed: float
    skewed: float


class PowerFacts(_Frozen):
    """How often and how early altered days are called diverged."""

    change: Change
    diverged: float | None = None
    median_hours: float | None = None
    by_hour: tuple[float, ...] | None = None
    by_check: dict[str, float] = {}


class Calibration(_Frozen):
    """The proof of the first watch on an operator's own algorithm and candles."""

    claim: Claim
    needs: str | None
    seed: int
    alpha: Alpha = Alpha()
    baseline: BaselineFacts
    null: RateFacts
    rolling: RollingFacts
    held_out: RateFacts
    fills: FillFacts
    power: tuple[PowerFacts, ...]
    seconds: float


def calibrate(
    baseline: Baseline,
    result: BacktestResult,
    proof: Proof,
    *,
    run: Run | None = None,
    progress: Callable[[float], None] = lambda share: None,
    elapsed_s: Callable[[], float],
) -> Calibration:
    """Prove the claim; ``result`` is the backtest of the baseline, ``elapsed_s`` a clock.

    ``run``: as of ``prove``.

    Raises:
        WrongUseError: a session or reset setting that cannot be used.
    """
    began_s = elapsed_s()
    proved = prove(baseline, proof, run=run, progress=progress)
    span_ms = int(result.time_ms[-1] - result.time_ms[0]) + baseline.spec.timeframe.ms
    days = span_ms / DAY_MS
    trades = len(result.records)
    facts = BaselineFacts(bars=result.bars, days=days, trades=trades, trades_per_day=trades / days)
    rolling = rate_of(proved.rolling, proof.seed)
    quantiles = by_origin(proved.rolling)
    rolling_facts = RollingFacts(origins=proved.origins)
    if rolling is not None and quantiles is not None:
        low, middle, high = quantiles
        rolling_facts = RollingFacts(
            origins=proved.origins,
            days=rolling.days,
            diverged=rolling.diverged,
            interval=rolling.interval,
            by_origin=OriginQuantiles(p5=low, p50=middle, p95=high),
            by_check=rolling.by_check,
        )
    claim, needs = claim_of(baseline, facts, rolling_facts, proof)
    fills = true_fills(proof)
    return Calibration(
        claim=claim,
        needs=needs,
        seed=proof.seed,
        baseline=facts,
        null=_rate_facts(proved.null, proof.seed),
        rolling=rolling_facts,
        held_out=_rate_facts(proved.held_out, proof.seed),
        fills=FillFacts(heavy_tailed=fills.heavy_tailed, skewed=fills.skewed),
        power=tuple(_power_facts(change, proved.altered[change]) for change in Change),
        seconds=elapsed_s() - began_s,
    )


def claim_of(
    baseline: Baseline, facts: BaselineFacts, rolling: RollingFacts, proof: Proof
) -> tuple[Claim, str | None]:
    """Return whether the promise holds and, if not or not known, a clause on why and what helps."""
    timeframe = baseline.spec.timeframe
    if timeframe.ms > LONGEST_BAR_MS:
        return Claim.TOO_SHORT, (
            f"a day has too few bars of {timeframe} to be compared with other days, so the first day of such "
            "a run is not judged: bars of 2h or less are"
        )
    needed = proof.baseline_days + FEWEST_ORIGINS * proof.live_days + 2
    if proof.baseline_days < FEWEST_BASELINE_DAYS:
        return Claim.TOO_SHORT, (
            f"bands from {proof.baseline_days} days are too coarse for the promise: --baseline-days "
            f"{FEWEST_BASELINE_DAYS} or more, 180 for a good one"
        )
    if rolling.origins < FEWEST_ORIGINS:
        shorter = int((facts.days - proof.baseline_days - 2) // FEWEST_ORIGINS)
        advice = f", or --live-days {shorter} with these" if shorter >= 1 else ""
        return Claim.TOO_SHORT, (
            f"{rolling.origins} baselines of {proof.baseline_days} days with {proof.live_days} days after "
            f"each fit into {facts.days:.0f} days of candles, and {FEWEST_ORIGINS} are needed to judge the "
            f"promise: give about {needed} days of candles{advice}"
        )
    if facts.trades_per_day < FEWEST_TRADES_PER_DAY:
        return Claim.TOO_QUIET, (
            f"{facts.trades_per_day:.2g} entries a day say little about a day: the rates stand, but one day "
            "cannot show whether such a run behaves; an algorithm that enters once a day or more can be "
            "judged so early, this one needs weeks"
        )
    if rolling.diverged is None or rolling.interval is None:
        return Claim.TOO_SHORT, "no day of these candles could be judged: give candles without long holes"
    if rolling.interval[0] > JOINT_ALPHA or rolling.diverged > EXCEEDED_POINT:
        return Claim.EXCEEDED, (
            f"{rolling.diverged:.1%} of true days were called diverged, more than the promised "
            f"{JOINT_ALPHA:.0%}: count on that rate for this algorithm, or take a longer --baseline-days"
        )
    return Claim.OK, None


def _rate_facts(judged: Judged, seed: int) -> RateFacts:
    rate = rate_of(judged, seed)
    if rate is None:
        return RateFacts()
    return RateFacts(days=rate.days, diverged=rate.diverged, interval=rate.interval)


def _power_facts(change: Change, judged: Judged) -> PowerFacts:
    power = power_of(judged)
    if power is None:
        return PowerFacts(change=change)
    return PowerFacts(
        change=change,
        diverged=power.diverged,
        median_hours=power.median_hours,
        by_hour=power.by_hour,
        by_check=power.by_check,
    )
