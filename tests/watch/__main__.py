"""The whole proof of the first watch on real candles, as tables: ``python -m tests.watch``.

Takes the candles of the shared folder. Some ten minutes on two cores; ``--quick`` judges fewer.
"""

import argparse
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from firstwatch.backtest.replay import Played
from firstwatch.backtest.simulate import BacktestSettings
from firstwatch.market.assumed import market_of_candles
from firstwatch.market.files import read_candles
from firstwatch.market.launch_files import read_session
from firstwatch.strategy.core import new_state
from firstwatch.strategy.core_settings import Costs
from firstwatch.trading.watch import DAY_MS, JOINT_ALPHA, Change
from firstwatch.watch.joint import JOINT_CHECKS, crossings, make_reference, statistics_of
from firstwatch.watch.recipe import generator
from firstwatch.watch.rolling import Proof, prove, rate_of, true_fills
from firstwatch.watch.windows import Baseline, DayOfRun, Windows
from tests.candles import shared_data
from tests.watch.algorithms import FOLDER, algorithm

HOURS = "binance_BTCUSDT_perp_1h"
MINUTES = "hyperliquid_BTCUSDC_perp_5m"
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
    say("| algorithm | baseline | origins | days judged | diverged | 95 % | first by | s |")
    say("|---|---|---|---|---|---|---|---|")
    proofs = []
    for name, file, days, live_days, session in cases:
        baseline = baseline_of(name, file, session)
        began = time.monotonic()
        proved = prove(baseline, Proof(baseline_days=days, live_days=live_days, seed=seed), processes=2)
        rate = rate_of(proved.rolling, seed)
        low, high = rate.interval
        label = name if session is None else f"{name}, {session}"
        by = ", ".join(f"{check} {percent(share)}" for check, share in rate.by_check.items())
        say(
            f"| {label} | {days} d | {proved.origins} | {rate.days} | {percent(rate.diverged)} | "
            f"{percent(low)} to {percent(high)} | {by} | {time.monotonic() - began:.0f} |"
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


def later_days(seed, name, file, baseline_days, *, every):
    """Runs that are started at an origin and go on: each of their days judged by its own windows."""
    baseline = baseline_of(name, file)
    made = Windows(baseline)
    called = {}
    for hour in (0, 6, 12, 18):
        launch_ms = hour * 3_600_000
        all_starts = {day: made.starts(launch_ms, DayOfRun(day)) for day in (1, 2)}
        all_looks = {day: made.play(starts, DayOfRun(day)) for day, starts in all_starts.items()}
        x = {day: statistics_of(looks) for day, looks in all_looks.items()}
        ones = all_starts[1].where(all_starts[1].is_exact)
        origins = range(int(ones.day[0]) + baseline_days, int(ones.day[-1]) - 5, every)
        place_of = {int(day): int(bar) for day, bar in zip(ones.day, ones.bar, strict=True)}
        for origin in origins:
            if origin not in place_of:
                continue
            first = place_of[origin]
            begin_ms = int(made.candles.time_ms[first])
            state, played = new_state(made.core), Played()
            for day in (1, 2, 3):
                end = int(np.searchsorted(made.candles.time_ms, begin_ms + day * DAY_MS))
                made.replay.play(state, made.core, first, end, played)
                first = end
                kind = min(day, 2)
                starts = all_starts[kind]
                ends = made.candles.time_ms[starts.bar] + kind * DAY_MS
                mask = (starts.day >= origin - baseline_days) & (ends <= begin_ms)
                reference = make_reference(
                    x[kind][mask], starts.day[mask], generator(seed, hour, day, origin)
                )
                live = made.read_run(played, np.array([origin]), np.array([begin_ms + (day - 1) * DAY_MS]))
                hit = crossings(reference, reference.critical(JOINT_ALPHA), live)[:, :, -1].any()
                called.setdefault(day, []).append(bool(hit))
    for day, hits in called.items():
        say(f"  {name}, day {day}: {len(hits)} runs, {percent(np.mean(hits))} diverged")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["rates", "later"])
    given = parser.parse_args()
    version = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, seed {given.seed}, {version}, numpy {np.__version__}\n")
    if given.only != "later":
        rates(given.seed, CASES[:2] if given.quick else CASES)
    if given.only != "rates":
        say("\nlater days of runs that go on, 180 days of baseline:")
        # Not a multiple of seven days: each day of a run is on each day of the week.
        for name in ("long_1h", "both_1h"):
            later_days(given.seed, name, HOURS, 180, every=45 if given.quick else 15)


if __name__ == "__main__":
    sys.exit(main())
