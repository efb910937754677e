"""A stored run on the paper venue in one thread, disturbed where a test says so, and its follower."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from firstwatch.engine.core import inputs
from firstwatch.engine.core.run_core import RunCore
from firstwatch.market.feeds import ReplayFeed
from firstwatch.store import runs
from firstwatch.store.database import Store
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.bar import Bar
from firstwatch.trading.commands import RunCommand
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.runs import Author
from firstwatch.trading.watch import Mismatch
from firstwatch.venues.protocol import BarClosed
from firstwatch.watch.follow import RunFollower, follow
from tests.simulation.lives import RUN_ID, Deaths, Died, Life, make_store

ASSUMED = Costs(Decimal("4.5"), Decimal("1.5"), Decimal(2))
"""What the paper venue of ``Life`` costs."""

Script = Mapping[int, Sequence[RunCommand | Callable[["Live", RunCore], None]]]
"""What an operator asks, or a test does, after so many closed bars."""


class RevisedFeed(ReplayFeed):
    """A feed whose history has some bars otherwise than they were when they closed."""

    def __init__(self, candles: CandleArrays, first: int, changed: Mapping[int, Bar]) -> None:
        super().__init__(candles, start_ms=int(candles.time_ms[first]))
        self._changed = changed

    def history(self, end_index: int, limit: int) -> list[Bar]:
        return [self._changed.get(bar.time_ms, bar) for bar in super().history(end_index, limit)]


def launch_with(**changed: object) -> Callable[[str], LaunchSettings]:
    values = {
        "algorithm": "Busy",
        "version": 1,
        "symbol": "BTC/USDC:USDC",
        "capital": Decimal(10_000),
        "leverage": Decimal(3),
    }
    return lambda wallet: LaunchSettings.model_validate({**values, **changed, "wallet": wallet})


class Live(Life):
    """One life of the process, with a script."""

    def __init__(
        self,
        store: Store,
        candles: CandleArrays,
        first: int,
        deaths: Deaths | None = None,
        script: Script | None = None,
    ) -> None:
        super().__init__(store, candles, first, deaths)
        self._script = script or {}
        self.closes = 0

    def _handle(self, core: RunCore, event: inputs.Event) -> None:
        super()._handle(core, event)
        if not isinstance(event, BarClosed):
            return
        self.closes += 1
        for act in self._script.get(self.closes, ()):
            if self.is_over:
                return
            if callable(act):
                act(self, core)
            else:
                super()._handle(core, inputs.OperatorRequest(act, Author.OPERATOR, self.venue.now_ms()))


def lived(
    folder: Path,
    spec: AlgorithmSpec,
    candles: CandleArrays,
    *,
    first: int,
    script: Script | None = None,
    prepare: Callable[[Live], None] = lambda live: None,
    deaths: Deaths | None = None,
    market: Market | None = None,
    **launch: object,
) -> Store:
    """Run to the end of the candles, through as many lives as there are ``deaths``; return the store."""
    launch.setdefault("algorithm", spec.name)
    store = make_store(folder, spec, launch_with(**launch), market=market)
    while True:
        try:
            live = Live(store, candles, first, deaths, script)
            prepare(live)
            live.live()
        except Died:
            with store.read() as session:
                is_over = runs.state_of(session, RUN_ID).is_final
            if not is_over:
                continue
        return store


def followed(
    store: Store, *, at_once: int = 10_000, resumes: bool = False, assumed: Costs = ASSUMED
) -> tuple[RunFollower, list[Mismatch]]:
    """Follow the run to its end, in readings of ``at_once`` bars; ``resumes``: from JSON after each."""
    found: list[Mismatch] = []
    with store.read() as session:
        follower = follow(session, RUN_ID, None, assumed)
        while True:
            advance = follower.advance(follower.read(session, most_bars=at_once))
            found += advance.mismatches
            if advance.is_whole:
                return follower, found
            if resumes:
                follower = follow(session, RUN_ID, follower.to_json(), assumed)
