"""Signal parity over random algorithms and days of one-minute bars, with kills and restarts in between.

The tests run a short form; ``python -m tests.watch.over_days --algorithms 50 --days 5`` the whole one. It
prints one line per algorithm and ends with status 1 if a decision differed or money was not explained.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.launch import Guards, OnExhausted
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.watch import Mismatch
from firstwatch.watch.follow import RunFollower
from firstwatch.watch.identity import is_alarm
from tests.backtest.specifications import MARKETS, launches, random_candles, specifications
from tests.simulation.lives import Died
from tests.watch.live import followed, lived

DAY_BARS = 1_440
WARM_UP_BARS = 120
# Per minute, so that the stops of these algorithms are reached.
VOLATILITY = 0.004


class RarePoints:
    """Kills the process at a random point now and then."""

    def __init__(self, chosen: int, kills: int, points: int) -> None:
        self._random = random.Random(chosen)
        self._left = kills
        self._chance = kills / points
        self.kills = 0
        self.event = self.effect = ""

    def __call__(self, point: str) -> None:
        if self._left and self._random.random() < self._chance:
            self._left -= 1
            self.kills += 1
            raise Died(point)


def run_one(
    folder: Path, document: AlgorithmSpec, launch: dict[str, object], chosen: int, bars: int, kills: int
) -> tuple[RunFollower, list[Mismatch], int]:
    """Run one algorithm over so many minutes, follow it to its end; return what was found and the kills."""
    spec = AlgorithmSpec.from_json(document.canonical_json().replace('"1h"', '"1m"'))
    candles = random_candles(chosen, WARM_UP_BARS + bars, VOLATILITY, Timeframe.M1)
    deaths = RarePoints(chosen, kills, bars * 10)
    store = lived(
        folder,
        spec,
        candles,
        first=WARM_UP_BARS,
        deaths=deaths,
        market=MARKETS[chosen % len(MARKETS)],
        **launch,
    )
    try:
        follower, found = followed(
            store, at_once=random.Random(chosen).choice([97, 1_000, 100_000]), resumes=True
        )
    finally:
        store.close()
    return follower, found, deaths.kills


def launch_of(chosen: object) -> dict[str, object]:
    """Return the launch settings that a drawn backtest's stand for."""
    return {
        name: getattr(chosen, name)
        for name in (
            "capital",
            "leverage",
            "trades_limit",
            "assume_position_now",
            "session",
            "reset",
            "guards",
            "close_position_on_exit",
        )
    }


def run_many(algorithms: int, bars: int, kills: int, chosen: int, *, says: bool = False) -> Counter[str]:
    """Run random algorithms one after the other; return counts, ``wrong`` among them."""
    seen: Counter[str] = Counter()

    @seed(chosen)
    @settings(
        max_examples=algorithms,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_launched())
    def one(drawn):
        spec, launch = drawn
        number = seen["algorithms"]
        with tempfile.TemporaryDirectory() as folder:
            follower, found, died = run_one(
                Path(folder), spec, launch_of(launch), chosen + number, bars, kills
            )
        identity = follower.state.identity
        lost = identity is None or is_alarm(identity.residual, launch.capital)
        seen.update(
            algorithms=1,
            decisions=follower.decisions,
            trades=follower.state.trades,
            kills=died,
            mismatches=len(found),
            wrong=int(bool(found) or lost),
        )
        if says or found or lost:
            residual = None if identity is None else identity.residual
            print(f"{number}: {follower.decisions} decisions, {died} kills, residual {residual}", flush=True)  # noqa: T201
            for mismatch in found[:5]:
                print(f"  {mismatch!r}", flush=True)  # noqa: T201

    one()
    return seen


@st.composite
def _launched(draw):
    """Return an algorithm with a stop, and its launch; in most cases nothing ends the run early."""
    spec = draw(specifications().filter(lambda spec: spec.stop_loss is not None))
    launch = draw(launches(spec.direction.value))
    if draw(st.integers(0, 3)):
        launch = replace(launch, capital=Decimal(10_000), guards=Guards(), trades_limit=None, reset=None)
        spec = spec.model_copy(
            update={"reset": spec.reset.model_copy(update={"on_exhausted": OnExhausted.RESET})}
        )
    return spec, launch


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithms", type=int, default=50)
    parser.add_argument("--days", type=float, default=5)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    counted = run_many(chosen.algorithms, round(chosen.days * DAY_BARS), chosen.kills, chosen.seed, says=True)
    print(dict(counted))  # noqa: T201
    sys.exit(int(counted["wrong"] > 0))
