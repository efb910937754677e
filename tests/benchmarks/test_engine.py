"""Budgets of the engine: fifty runs on one candle of the paper venue, with real threads and a real store."""

import sys
import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import perf_counter

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.market.feeds import ReplayFeed
from firstwatch.market.files import read_candles
from firstwatch.market.funding import FundingRate
from firstwatch.store.database import open_store
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.runs import RunState
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue
from tests.engine.host import rig

RUNS = 50
WORST_COMMIT_S = 0.100
CANDLE_TO_LAST_ORDER_S = 0.5
_BARS = 1120


@dataclass
class Watch:
    """When phases were released, orders had been sent, and how long commits took, waiting included."""

    released_s: list[float] = field(default_factory=list)
    sent_s: list[float] = field(default_factory=list)
    commits: list[tuple[float, float]] = field(default_factory=list)
    """When each ended, and how long it took."""
    began_s: dict[int, float] = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def fault_point(self, point: str) -> None:
        now_s, thread = perf_counter(), threading.get_ident()
        with self.guard:
            if point == "before commit":
                self.began_s[thread] = now_s
            elif point == "after commit":
                self.commits.append((now_s, now_s - self.began_s.pop(thread)))
            elif point == "after send":
                self.sent_s.append(now_s)

    def release_to_each_order_s(self) -> list[list[float]]:
        """Return for each phase of the feed how long after its release each order was at the venue."""
        sent = sorted(self.sent_s)
        return [
            [sent_s - from_s for sent_s in sent[bisect_left(sent, from_s) : bisect_left(sent, to_s)]]
            for from_s, to_s in pairwise(self.released_s)
        ]

    def commits_on_candles_s(self) -> list[float]:
        """Return how long each commit took, from the first phase that all runs were told until the last."""
        first_s, last_s = self.released_s[0], self.released_s[-1]
        return [took_s for at_s, took_s in self.commits if first_s <= at_s <= last_s]

    def begin(self) -> None:
        """Forget what was seen while the runs were launched."""
        with self.guard:
            self.released_s.clear()
            self.sent_s.clear()
            self.commits.clear()


class WatchedFeed(ReplayFeed):
    """A replay that notes when the venue comes to release the open or the close of a bar."""

    watch: Watch

    def funding_between(self, start_ms: int, end_ms: int) -> Sequence[FundingRate]:
        self.watch.released_s.append(perf_counter())
        return super().funding_between(start_ms, end_ms)


def test_fifty_runs_on_one_candle(tmp_path: Path) -> None:
    names = tuple(f"wallet{number}" for number in range(RUNS))
    settings = rig.make_folder(tmp_path, bars=_BARS, wallet_names=names)
    store, clock, watch = open_store(tmp_path), SystemClock(), Watch()
    feed = WatchedFeed(read_candles(tmp_path / "BTCUSDC.csv").candles)
    feed.watch = watch

    def open_venue(name: str) -> PaperVenue:
        return PaperVenue(
            name,
            feed,
            DEFAULT_MARKET,
            PaperSettings(speed=40_000.0, has_start=False),
            clock=clock,
            store=store,
            epoch=lambda: host.lease.epoch,
        )

    host = EngineHost(
        store, settings, VenueRegistry(["paper"], open_venue), clock, fault_point=watch.fault_point
    )
    host.start()
    try:
        for number, name in enumerate(names):
            answer = rig.start_run(store, f"{number:016x}", rig.launch(name))
            assert answer.sentence.endswith("started"), answer.sentence
        watch.begin()
        for number in range(RUNS):
            assert rig.ended(store, f"{number:016x}", 240).state is RunState.DONE
    finally:
        host.drain_and_stop()
        store.close()
    busy = [delays for delays in watch.release_to_each_order_s() if len(delays) >= RUNS]
    assert busy, "no phase of a candle moved all runs"
    worst_order_s = max(max(delays) for delays in busy)
    worst_commit_s = max(watch.commits_on_candles_s())
    sys.stdout.write(f"worst commit {worst_commit_s:.3f} s, candle to last order {worst_order_s:.3f} s\n")
    assert worst_commit_s <= WORST_COMMIT_S
    assert worst_order_s <= CANDLE_TO_LAST_ORDER_S
