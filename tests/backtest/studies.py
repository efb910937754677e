"""Proves what a study says of its winner: on noise, and with a planted edge.

    python -m tests.backtest.studies            the whole proof, some minutes
    python -m tests.backtest.studies --seeds 3  fewer seeds

Noise: 500 random RSI specifications (long, short or both sides; no costs, which would rank the trials by how
often they trade) on a random walk, a year of hours. The deflated Sharpe ratio of the best is to be below 0.95
in 19 of 20 walks, and the probability of overfitting between 0.4 and 0.6 on the mean.

Edge: the returns of a year of hours follow an AR(1) of -0.30, so that the next hour makes up for a part of
a fall. A study of 300 trials varies the four numbers of a long RSI reversion, at the default costs. The
deflated ratio is to be at least 0.95 and the probability of overfitting below 0.2 in 16 of 20. Where one
misses, it is by what the figures are: a ratio is deflated by the spread of the trials' ratios, which an edge
itself makes wide; and where many trials found nearly the same, their order on other days is chance.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from firstwatch.backtest import study_figures
from firstwatch.backtest.optimisation import Search, run_study, winner
from firstwatch.backtest.overfitting import SURE, overfitting_words
from firstwatch.backtest.tester import Tester
from firstwatch.backtest.trial import Outcome, Trial, tried
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.groups import Reading
from firstwatch.strategy.parameters import parse_parameters
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import Market
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trials import TrialState
from tests.backtest.planted import planted_candles

SEEDS = tuple(range(20))
SPECIFICATIONS = 500
TRIALS = 300
CAPITAL = 10_000.0
FREE = Costs(Decimal(0), Decimal(0))

REVERSION = """
name = "RSI reversion"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["rsi(14) < 30"]
[exit.long]
required = ["rsi(14) > 70"]
[sizing]
equity = 0.5
"""
RANGES = (
    "entry.long.required[0].rsi.period=2..30",
    "entry.long.required[0].right=10..50:1",
    "exit.long.required[0].rsi.period=2..30",
    "exit.long.required[0].right=50..90:1",
)


@dataclass(frozen=True)
class Shown:
    """What a study says of its winner."""

    seed: int
    sharpe: float
    deflated: float
    overfitting: float
    days: float | None
    count: int
    words: str


def noise(seed: int, specifications: int = SPECIFICATIONS) -> Shown:
    """Return what is said of the best of random specifications on a random walk."""
    random = np.random.default_rng([seed, 1])
    candles = planted_candles(seed, reversion=0.0)
    search = _search(specifications)
    specs = [_random_spec(random) for _ in range(specifications)]
    outcomes = _tester(candles, FREE, specs)
    trials = [_trial(search, number, *pair) for number, pair in enumerate(zip(specs, outcomes, strict=True))]
    return _shown(seed, search, trials)


def edge(seed: int, trials: int = TRIALS) -> Shown:
    """Return what a study says of its winner where there is something to be found."""
    candles = planted_candles(seed)
    search = _search(trials)
    costs = Costs.of_market(Market())
    return _shown(seed, search, run_study(search, lambda specs, _share: list(_tester(candles, costs, specs))))


def _search(trials: int) -> Search:
    spec = AlgorithmSpec.from_toml(REVERSION)
    return Search(spec, parse_parameters(RANGES, spec), trials)


def _random_spec(random: np.random.Generator) -> AlgorithmSpec:
    direction = random.choice(["long", "short", "both"])
    document: dict[str, object] = {"name": "random", "direction": str(direction), "timeframe": "1h"}
    sides = ("long", "short") if direction == "both" else (str(direction),)
    falls = {side: f"rsi({random.integers(2, 31)}) < {random.integers(10, 51)}" for side in sides}
    rises = {side: f"rsi({random.integers(2, 31)}) > {random.integers(50, 91)}" for side in sides}
    document["entry"] = {side: {"required": [(falls if side == "long" else rises)[side]]} for side in sides}
    document["exit"] = {side: {"required": [(rises if side == "long" else falls)[side]]} for side in sides}
    document["sizing"] = {"equity": 0.5}
    return AlgorithmSpec.model_validate(document, context=Reading(Timeframe.H1))


def _tester(candles: CandleArrays, costs: Costs, specs: Sequence[AlgorithmSpec]) -> Iterable[Outcome]:
    tester = Tester(candles, market=Market(), costs=costs)
    begin, end = int(candles.time_ms[0]), int(candles.time_ms[-1]) + Timeframe.H1.ms
    return (tried(tester, spec, CAPITAL, begin, end) for spec in specs)


def _trial(search: Search, number: int, spec: AlgorithmSpec, outcome: Outcome) -> Trial:
    has_value = search.values(outcome.metrics) is not None
    state = TrialState.COMPLETE if has_value else TrialState.UNDEFINED
    return Trial(number, {}, state, spec.sha256(), None, outcome.metrics, outcome.daily_pnl)


def _shown(seed: int, search: Search, trials: Sequence[Trial]) -> Shown:
    best = winner(search, trials)
    assert best is not None
    assert best.metrics is not None
    count = len({trial.spec_sha256 for trial in trials})
    deflated = study_figures.deflated(best, trials, CAPITAL, count)
    overfitting = study_figures.overfitting(trials)
    assert deflated is not None
    assert overfitting is not None
    days = study_figures.needed_days(best, count)
    words = overfitting_words(deflated, overfitting, count)
    return Shown(seed, best.metrics["sharpe"], deflated, overfitting, days, count, words)


def main() -> int:
    """Print both proofs; return 1 where one does not hold."""
    parser = argparse.ArgumentParser(description="Prove what a study says of its winner.")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="the first so many of the seeds")
    seeds = SEEDS[: parser.parse_args().seeds]
    noises = _print("noise", noise, seeds)
    below = sum(each.deflated < SURE for each in noises)
    mean = float(np.mean([each.overfitting for each in noises]))
    _say(f"noise: deflated Sharpe ratio below {SURE} in {below} of {len(seeds)}, to be 95 %")
    _say(f"noise: mean probability of overfitting {mean:.3f}, to be 0.4 to 0.6")
    edges = _print("edge", edge, seeds)
    found = sum(each.deflated >= SURE and each.overfitting < 0.2 for each in edges)
    _say(f"edge: both figures good in {found} of {len(seeds)}, to be 80 %")
    holds = below >= 0.95 * len(seeds) and 0.4 <= mean <= 0.6 and found >= 0.8 * len(seeds)
    _say("it holds" if holds else "IT DOES NOT HOLD")
    return 0 if holds else 1


def _print(name: str, prove: Callable[[int], Shown], seeds: Sequence[int]) -> list[Shown]:
    _say(f"{name:6} seed  sharpe  deflated  overfitting  minimum days  counted  seconds")
    found = []
    for seed in seeds:
        began_s = time.monotonic()
        each = prove(seed)
        days = "-" if each.days is None else f"{each.days:,.0f}"
        _say(
            f"{name:6} {seed:4}  {each.sharpe:6.2f}  {each.deflated:8.4f}  {each.overfitting:11.3f}  "
            f"{days:>12}  {each.count:7}  {time.monotonic() - began_s:7.1f}"
        )
        found.append(each)
    _say(f"{name}: in words, of seed {found[0].seed}: {found[0].words}")
    return found


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
