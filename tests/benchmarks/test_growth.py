"""What fifty runs write to the disk, and what of it stays.

``.venv/bin/pytest tests/benchmarks/test_growth.py -o addopts= -s`` replays a tenth of a day and takes six
minutes of a quiet market. With ``FIRSTWATCH_GROWTH=full`` before it: the whole day, 1,440 bars at speed 60
(24 minutes), and the whole hour. ``FIRSTWATCH_GROWTH_SPEED`` replays faster.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.market.feeds import ReplayFeed
from firstwatch.market.files import read_candles, write_candles
from firstwatch.store.database import Store, open_store
from firstwatch.store.equity import equity_of
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.runs import RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue
from tests.candles import generated_candles
from tests.engine.host import rig

RUNS = 50
DAY_BARS = RUNS * 1440
SHARE = 1.0 if os.environ.get("FIRSTWATCH_GROWTH") == "full" else 0.1
"""Of a day and of an hour."""
BARS = round(1440 * SHARE)
QUIET_S = 3600 * SHARE
DAY_BYTES = 2_000_000_000
KEPT_BYTES = 80_000_000
HOUR_BYTES = 80_000_000
SPEED = float(os.environ.get("FIRSTWATCH_GROWTH_SPEED", "60"))
_HISTORY = 1100


def written_bytes() -> int:
    """Return what this process has caused to be written to the disk."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def kept_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("firstwatch.db*"))


@dataclass
class Fifty:
    """Fifty runs on one market of minutes, on the paper venue."""

    store: Store
    host: EngineHost


def fifty_runs(folder: Path, timeframe: Timeframe, speed: float) -> Fifty:
    names = tuple(f"wallet{number}" for number in range(RUNS))
    toml = rig.ACTIVE_TOML.replace('timeframe = "1h"', f'timeframe = "{timeframe}"')
    settings = rig.make_folder(folder, wallet_names=names, toml=toml)
    write_candles(folder / "candles.csv", generated_candles(7, _HISTORY + BARS, timeframe))
    store, clock = open_store(folder), SystemClock()
    candles = read_candles(folder / "candles.csv").candles
    feed = ReplayFeed(candles, start_ms=int(candles.time_ms[_HISTORY]))

    def open_venue(name: str) -> PaperVenue:
        return PaperVenue(
            name,
            feed,
            DEFAULT_MARKET,
            PaperSettings(speed=speed),
            clock=clock,
            store=store,
            epoch=lambda: host.lease.epoch,
        )

    host = EngineHost(store, settings, VenueRegistry(["paper"], open_venue), clock)
    host.start()
    for number, name in enumerate(names):
        answer = rig.start_run(store, f"{number:016x}", rig.launch(name))
        assert answer.sentence.endswith("started"), answer.sentence
    return Fifty(store, host)


def decided_bars(store: Store) -> int:
    """Return at how many closes the runs have decided, all together."""
    with store.read() as session:
        return sum(len(equity_of(session, f"{number:016x}")) for number in range(RUNS))


@pytest.mark.timeout(4 * 3600)
def test_a_day_of_fifty_runs_on_minutes(tmp_path: Path) -> None:
    fifty = fifty_runs(tmp_path, Timeframe.M1, SPEED)
    began, begun_bars = written_bytes(), decided_bars(fifty.store)
    try:
        for number in range(RUNS):
            assert rig.ended(fifty.store, f"{number:016x}", 4 * 86_400 / SPEED).state is RunState.DONE
        bars = decided_bars(fifty.store)
    finally:
        fifty.host.drain_and_stop()
        fifty.store.close()
    written = (written_bytes() - began) / (bars - begun_bars) * DAY_BARS
    kept = kept_bytes(tmp_path) / bars * DAY_BARS
    sys.stdout.write(
        f"{bars} bars of {RUNS} runs at speed {SPEED:g}; as {DAY_BARS} bars: "
        f"{written / 1e6:.0f} MB written, {kept / 1e6:.1f} MB kept\n"
    )
    assert written <= DAY_BYTES
    assert kept <= KEPT_BYTES


@pytest.mark.timeout(2 * 3600)
def test_an_hour_of_fifty_runs_in_which_no_bar_closes(tmp_path: Path) -> None:
    fifty = fifty_runs(tmp_path, Timeframe.H1, 1.0)
    try:
        began, until_s = written_bytes(), time.monotonic() + QUIET_S
        while time.monotonic() < until_s:
            time.sleep(1.0)
        written = (written_bytes() - began) / QUIET_S * 3600
    finally:
        fifty.host.drain_and_stop()
        fifty.store.close()
    sys.stdout.write(f"{QUIET_S:.0f} s without a bar; as an hour: {written / 1e6:.1f} MB written\n")
    assert written <= HOUR_BYTES
