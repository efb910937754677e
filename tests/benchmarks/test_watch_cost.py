"""Budgets of the first watch: what fifty runs on one-minute bars take of a core, and a single look."""

import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from statistics import median

from firstwatch.backtest.baseline import settings_of_run
from firstwatch.backtest.simulate import simulate
from firstwatch.engine.host.host import EngineHost
from firstwatch.market.files import write_candles
from firstwatch.market.packed import History
from firstwatch.settings import load_settings
from firstwatch.store import algorithms, paper, wallets, watch
from firstwatch.store.database import open_store
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import SystemClock, iso
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.timeframe import Timeframe
from firstwatch.watch.baseline import save_baseline
from firstwatch.watch.process import Watcher
from firstwatch.watch.run_watch import Looked
from tests.candles import START_MS, generated_candles
from tests.engine.host import rig

RUNS = 5
BASELINE_BARS = 16 * 1440
SECONDS = 20
MOST_LOOK_S = 0.005
MOST_OF_A_CORE = 0.03
TOML = rig.ACTIVE_TOML.replace('"1h"', '"1m"').replace("0.02", "0.004").replace("0.03", "0.006")


def test_fifty_runs_on_minutes_take_at_most_3_percent_of_a_core(tmp_path: Path) -> None:
    candles = generated_candles(3, BASELINE_BARS + 2_000, Timeframe.M1)
    write_candles(tmp_path / "BTCUSDC.csv", candles)
    begin = iso(START_MS + BASELINE_BARS * Timeframe.M1.ms)
    file = str(tmp_path / "BTCUSDC.csv")
    keys = {"kind": "paper", "feed": "replay", "candles": file, "start": begin, "speed": 60}
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
    (tmp_path / "config.toml").write_text(f"[venues.paper]\n{lines}\n", encoding="utf-8")
    store, spec = open_store(tmp_path), AlgorithmSpec.from_toml(TOML)
    names = [f"w{number}" for number in range(RUNS)]
    with store.write() as session:
        algorithms.add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=1)
        for name in names:
            wallets.create_wallet(session, name, venue="paper", kind="paper", now_ms=1)
            paper.deposit(session, "paper", name, Decimal(10_000), now_ms=1)
    history = History(candles.part(0, BASELINE_BARS))
    costs, chosen = Costs.of_market(DEFAULT_MARKET, slippage_bps=Decimal(2)), settings_of_run(rig.launch())
    result = simulate(spec, history.candles, market=DEFAULT_MARKET, costs=costs, settings=chosen)
    save_baseline(
        store, tmp_path, spec, result, history, market=DEFAULT_MARKET, costs=costs, settings=chosen,
        now_ms=SystemClock().now_ms(),
    )  # fmt: skip
    settings = load_settings(home=tmp_path)
    watcher = Watcher(store, settings, SystemClock())
    looks_s: list[float] = []
    look = watcher._look

    def timed(run_id: str, now_ms: int) -> Looked | None:
        begun_s = time.thread_time()
        looked = look(run_id, now_ms)
        looks_s.append(time.thread_time() - begun_s)
        return looked

    watcher._look = timed  # type: ignore[method-assign]
    host = EngineHost(store, settings)
    host.start()
    ids = [f"{number:016x}" for number in range(1, RUNS + 1)]
    for run_id, name in zip(ids, names, strict=True):
        rig.start_run(store, run_id, rig.launch(name))

    def has_tables() -> bool | None:
        watcher.turn()
        with store.read() as session:
            seen = watch.newest_reports(session, ids)
        return True if len(seen) == RUNS and all(report.fan for report in seen.values()) else None

    rig.until(has_tables, "all tables", 300)
    looks_s.clear()
    begun_s, turns_s = time.monotonic(), 0.0
    while time.monotonic() - begun_s < SECONDS:
        turn_s = time.thread_time()
        watcher.turn()
        turns_s += time.thread_time() - turn_s
        time.sleep(1.0)
    host.drain_and_stop()
    store.close()
    share = turns_s / len(looks_s) * 50 / 60
    bar_ms, look_ms = turns_s / len(looks_s) * 1000, median(looks_s) * 1000
    sys.stdout.write(f"\na bar {bar_ms:.1f} ms, a look {look_ms:.1f} ms, fifty runs {share:.2%} of a core\n")
    assert median(looks_s) <= MOST_LOOK_S
    assert share <= MOST_OF_A_CORE
