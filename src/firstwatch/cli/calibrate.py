"""``firstwatch calibrate``: the error rate of the first watch, proved on an operator's own candles."""

from typing import TYPE_CHECKING, Annotated

import typer

from firstwatch.cli.backtest_options import (
    AlgorithmFile,
    BacktestOptions,
    backtest_request,
    with_backtest_options,
)
from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import progress_bar, say, say_json, say_table, say_to_stderr
from firstwatch.trading.text import counted

if TYPE_CHECKING:
    from firstwatch.watch.claim import Calibration, PowerFacts, RateFacts, RollingFacts


@with_backtest_options(AlgorithmFile)
def calibrate(
    options: BacktestOptions,
    baseline_days: Annotated[
        int, typer.Option(min=10, max=3650, metavar="N", help="Days of each baseline.")
    ] = 180,
    live_days: Annotated[
        int, typer.Option(min=1, max=365, metavar="N", help="Days judged after each; the origins' distance.")
    ] = 30,
    holdout: Annotated[
        float, typer.Option(min=0.01, max=0.9, metavar="SHARE", help="Last share of the days, held out.")
    ] = 0.3,
    fill_noise_bps: Annotated[
        float, typer.Option(min=0.0, max=1000.0, metavar="BPS", help="Deviation of a simulated fill's price.")
    ] = 5.0,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, metavar="S", help="Of all random numbers.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Prove on these candles how often the first watch calls true days diverged, and altered ones."""
    from firstwatch.engine.jobs.calibration import CalibrationRequest
    from firstwatch.engine.jobs.process import run_job_here
    from firstwatch.settings import load_settings
    from firstwatch.trading.jobs import JobKind
    from firstwatch.watch.claim import Calibration

    test = backtest_request(options)
    request = CalibrationRequest(
        test=test,
        baseline_days=baseline_days,
        live_days=live_days,
        holdout=holdout,
        fill_noise_bps=fill_noise_bps,
        seed=seed,
    )
    with progress_bar() as show:
        title = f"{test.algorithm} on {options.candles}"
        found = run_job_here(load_settings(), JobKind.CALIBRATION, title, request, show=show).result
    for hole in found["holes"]:
        say_to_stderr(f"{options.candles}: {hole}")
    if as_json:
        say_json(found["calibration"])
    else:
        _say(Calibration.model_validate(found["calibration"]))


def _say(found: "Calibration") -> None:
    """Print the document for a person."""
    baseline = found.baseline
    say(f"claim: {found.claim}")
    if found.needs is not None:
        say(f"needs: {found.needs}")
    say(
        f"backtest: {counted(baseline.bars, 'bar')}, {baseline.days:.1f} days, "
        f"{counted(baseline.trades, 'trade')}, {baseline.trades_per_day:.2f} a day"
    )
    say(f"promised: at most {found.alpha.joint:.0%} of true days diverge by the joint checks")
    say_table(
        ("TRUE DAYS", "JUDGED", "DIVERGED", "95 % INTERVAL"),
        [
            ("days of the baseline itself", *_rate(found.null)),
            (f"rolling, {counted(found.rolling.origins, 'origin')}", *_rate(found.rolling)),
            ("held out", *_rate(found.held_out)),
        ],
    )
    if found.rolling.by_origin is not None:
        quantiles = found.rolling.by_origin
        say(f"over the origins: {quantiles.p5:.1%}, {quantiles.p50:.1%}, {quantiles.p95:.1%} (5, 50, 95 %)")
    say(
        f"true fills within 200: {found.fills.heavy_tailed:.2%} of heavy-tailed sequences, "
        f"{found.fills.skewed:.2%} of skewed ones; promised: at most {found.alpha.fills:.0%}"
    )
    say_table(
        ("CHANGE", "SEEN", "AFTER 6 H", "12 H", "18 H", "MEDIAN HOURS", "FIRST BY"),
        [_power(each) for each in found.power],
    )
    say(f"{found.seconds:.1f} s, seed {found.seed}")


def _rate(rate: "RateFacts | RollingFacts") -> tuple[object, ...]:
    if rate.diverged is None or rate.interval is None:
        return rate.days, None, None
    low, high = rate.interval
    return rate.days, f"{rate.diverged:.1%}", f"{low:.1%} to {high:.1%}"


def _power(power: "PowerFacts") -> tuple[object, ...]:
    if power.diverged is None or power.by_hour is None:
        return (power.change, *[None] * 6)
    by_hour = (f"{power.by_hour[hour - 1]:.0%}" for hour in (6, 12, 18))
    first = sorted(power.by_check.items(), key=lambda item: -item[1])
    median = None if power.median_hours is None else f"{power.median_hours:.1f}"
    by = ", ".join(f"{name} {share:.0%}" for name, share in first) or None
    return (power.change, f"{power.diverged:.0%}", *by_hour, median, by)
