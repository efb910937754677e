"""Paper runs replayed after the end of their baseline, and a watch that is led by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from firstwatch.backtest.baseline import settings_of_run
from firstwatch.backtest.simulate import simulate
from firstwatch.engine.host.host import EngineHost
from firstwatch.market.files import read_candles
from firstwatch.market.packed import History
from firstwatch.settings import Settings, load_settings
from firstwatch.store import runs, watch
from firstwatch.store.database import Store, open_store
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import Clock, SystemClock, iso
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import DEFAULT_MARKET, Market
from firstwatch.trading.watch import WatchReport
from firstwatch.watch.baseline import save_baseline
from firstwatch.watch.process import Watcher
from tests.candles import START_MS
from tests.engine.host import rig

HOUR_MS = 3_600_000
RUN = rig.RUN
SLIPPAGE_BPS = 2


def make_folder(
    folder: Path,
    *,
    baseline_bars: int = 1_200,
    live_bars: int = 60,
    seed: int = 7,
    toml: str = rig.ACTIVE_TOML,
    **venue: object,
) -> Settings:
    """Fill a data folder whose paper venue replays the bars behind the first ``baseline_bars`` ones."""
    keys = {"start": iso(START_MS + baseline_bars * HOUR_MS), "slippage_bps": SLIPPAGE_BPS} | venue
    return rig.make_folder(folder, bars=baseline_bars + live_bars, seed=seed, toml=toml, **keys)


def baseline_candles(settings: Settings, bars: int = 1_200) -> CandleArrays:
    """Return the first bars of the replayed candles."""
    venue = settings.venues["paper"]
    return read_candles(Path(str(venue.candles))).candles.part(0, bars)


def save_run_baseline(
    store: Store,
    settings: Settings,
    launched: LaunchSettings,
    *,
    candles: CandleArrays | None = None,
    toml: str = rig.ACTIVE_TOML,
    market: Market = DEFAULT_MARKET,
) -> None:
    """Save the backtest of a launch over those candles; None: the bars before the run's."""
    if candles is None:
        candles = baseline_candles(settings)
    spec = AlgorithmSpec.from_toml(toml)
    costs = Costs.of_market(market, slippage_bps=Decimal(SLIPPAGE_BPS))
    chosen = settings_of_run(launched)
    result = simulate(spec, candles, market=market, costs=costs, settings=chosen)
    save_baseline(
        store, settings.home, spec, result, History(candles), market=market, costs=costs, settings=chosen,
        now_ms=SystemClock().now_ms(),
    )  # fmt: skip


@contextmanager
def engine(store: Store, settings: Settings) -> Iterator[EngineHost]:
    """Run an engine in this process, without a watch of its own."""
    host = EngineHost(store, settings)
    host.start()
    try:
        yield host
    finally:
        host.drain_and_stop()


def run_to_end(store: Store, settings: Settings, launched: LaunchSettings, run_id: str = RUN) -> runs.Run:
    """Let a run replay its bars from beginning to end."""
    with engine(store, settings):
        started = rig.start_run(store, run_id, launched)
        assert started.sentence.endswith("started"), started.sentence
        return rig.ended(store, run_id)


def watched(
    store: Store, settings: Settings, clock: Clock | None = None, run_id: str = RUN
) -> list[WatchReport]:
    """Watch until nothing more is to be done, and return the reports."""
    watcher = Watcher(store, settings, clock or SystemClock())

    def is_done() -> bool | None:
        has_more = watcher.turn()
        return None if has_more or watcher.is_busy else True

    rig.until(is_done, "the watch to have looked at everything")
    return reports(store, run_id)


def reports(store: Store, run_id: str = RUN) -> list[WatchReport]:
    with store.read() as session:
        return watch.reports_of(session, run_id)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Store, Settings]]:
    """Open the folder's store and settings."""
    store = open_store(folder)
    try:
        yield store, load_settings(home=folder)
    finally:
        store.close()
