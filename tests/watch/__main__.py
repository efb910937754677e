"""The whole proof of the first watch on real candles, as tables: ``python -m tests.watch``.

Takes the candles of the shared folder. Some ten minutes on two cores; ``--quick`` judges fewer.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np

from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.engine.jobs.executors import open_workers, run_all
from firstwatch.market.assumed import market_of_candles
from firstwatch.market.files import read_candles
from firstwatch.market.launch_files import read_session
from firstwatch.settings import ComputeSettings
from firstwatch.strategy.core_settings import Costs
from firstwatch.trading.verdicts import JOINT_ALPHA, Change
from firstwatch.watch.joint import JOINT_CHECKS
from firstwatch.watch.rolling import Proof, by_origin, prove, rate_of, true_fills
from firstwatch.watch.windows import Baseline
from tests.candles import shared_data
from tests.watch.algorithms import FOLDER, algorithm
from tests.watch.going_on import runs_that_go_on

HOURS = "binance_BTCUSDT_perp_1h"
MINUTES = "hyperliquid_BTCUSDC_perp_5m"
RUN_DAYS = 30
COSTS = Costs(Decimal("0.5"), Decimal("0.5"))
CASES = (
    ("long_1h", HOURS, 180, 30, None),
    ("long_5m", MINUTES, 60, 7, None),
    ("long_5m", MINUTES, 60, 30, None),
    ("long_1h", HOURS, 42, 30, None),
    ("long_1h", HOURS, 365, 30, None),
    ("both_1h", HOURS, 180, 30, None),
    ("long_1h", HOURS, 180, 30, "session_13_20"),
    ("rare_1h", HOURS, 180, 30, None),
    ("trend_1h", HOURS, 180, 30, None),
)

GOING_ON = (("long_1h", 180), ("long_1h", 365), ("both_1h", 180))


def baseline_of(name, file, session=None):
    path = shared_data(file)
    spec = algorithm(name)
    candles = read_candles(path).candles
    market, _ = market_of_candles(path, candles, None, spec)
    settings = BacktestSettings()
    if session is not None:
        settings = BacktestSettings(session=read_session(FOLDER / f"{session}.toml"))
    return Baseline(spec, candles, market, COSTS, settings)


def say(text=""):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def percent(share):
    return "-" if share is None else f"{share:.1%}"


def rates(seed, cases):
    say("| algorithm | baseline | origins | days judged | diverged | 95 % | by origin | first by | s |")
    say("|---|---|---|---|---|---|---|---|---|")
    proofs = []
    for name, file, days, live_days, session in cases:
        baseline = baseline_of(name, file, session)
        began = time.monotonic()
        with (
            tempfile.TemporaryDirectory() as folder,
            open_workers(ComputeSettings(), Path(folder) / "shared", count=2) as workers,
        ):
            proof = Proof(baseline_days=days, live_days=live_days, seed=seed)
            proved = prove(baseline, proof, run=partial(run_all, workers))
        rate = rate_of(proved.rolling, seed)
        low, high = rate.interval
        label = name if session is None else f"{name}, {session}"
        of_origins = ", ".join(percent(share) for share in by_origin(proved.rolling))
        by = ", ".join(f"{check} {percent(share)}" for check, share in rate.by_check.items())
        say(
            f"| {label} | {days} d | {proved.origins} | {rate.days} | {percent(rate.diverged)} | "
            f"{percent(low)} to {percent(high)} | {of_origins} | {by} | {time.monotonic() - began:.0f} |"
        )
        proofs.append((f"{label} | {days} d", proved))
    for title, kept in (("all checks", None), ("the joint checks alone", len(JOINT_CHECKS))):
        say(f"\nDays of 24 hours that are altered and called diverged by {title}:\n")
        say(f"| algorithm | baseline | {' | '.join(Change)} |")
        say(f"|---|---|{'---|' * len(Change)}")
        for label, proved in proofs:
            cells = []
            for judged in proved.altered.values():
                first_ms = judged.first_ms[:kept]
                cells.append(percent(np.isfinite(first_ms.min(axis=0)).mean()))
            say(f"| {label} | {' | '.join(cells)} |")
    say("\nThe days of the baseline itself, and those held out:\n")
    for label, proved in proofs:
        null, held_out = rate_of(proved.null, seed), rate_of(proved.held_out, seed)
        say(f"| {label} | {percent(null.diverged)} | {percent(held_out.diverged)} |")
    for noise in (5.0, 10.0):
        fills = true_fills(Proof(seed=seed, fill_noise_bps=noise))
        say(
            f"\ntrue fills with noise of {noise:g} bps that cross within 200: heavy-tailed "
            f"{fills.heavy_tailed:.2%}, skewed {fills.skewed:.2%}"
        )


def going_on(seed, cases, *, every):
    """Runs of 30 days: how many of their days are called diverged, and how many alarm since the start."""
    say(f"\nruns that go on for {RUN_DAYS} days, each day judged by windows of its own:\n")
    say("| algorithm | baseline | runs | day 1 | day 2 | day 3 | all days | alarm since the start |")
    say("|---|---|---|---|---|---|---|---|")
    for name, days in cases:
        baseline = baseline_of(name, HOURS)
        runs = list(runs_that_go_on(baseline, seed=seed, baseline_days=days, days=RUN_DAYS, every=every))
        is_called = np.array([run.p for run in runs]) <= JOINT_ALPHA
        shares = [*is_called[:, :3].mean(axis=0), is_called.mean(), np.mean([run.alarms for run in runs])]
        say(f"| {name} | {days} d | {len(runs)} | {' | '.join(percent(share) for share in shares)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["rates", "going_on"])
    given = parser.parse_args()
    version = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, seed {given.seed}, {version}, numpy {np.__version__}\n")
    if given.only != "going_on":
        rates(given.seed, CASES[:2] if given.quick else CASES)
    if given.only != "rates":
        # Not a multiple of seven days: each day of a run is on each day of the week.
        going_on(given.seed, GOING_ON[:1] if given.quick else GOING_ON, every=45 if given.quick else 15)


if __name__ == "__main__":
    sys.exit(main())
