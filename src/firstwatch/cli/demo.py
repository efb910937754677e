"""``firstwatch demo``: the whole path from algorithm to trades, without any setup."""

import shutil
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.cli.backtest import figure
from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import counted

if TYPE_CHECKING:
    from firstwatch.backtest.simulate import BacktestResult
    from firstwatch.settings import Settings
    from firstwatch.strategy.candles import CandleArrays
    from firstwatch.strategy.specification import AlgorithmSpec
    from firstwatch.trading.launch import LaunchSettings
    from firstwatch.trading.market import Market

_STEADY, _DISTURBED = "steady", "disturbed"
"""Wallets; the first one's venue fills as a backtest assumes, the second one's does not."""
_FAULTS = "slippage_bps = 10\nsuppress_share = 0.55\n"
_FUNDS = Decimal(10_000)
_CAPITAL = Decimal(5_000)
_SEED = 7
_START = "2025-07-01T11:00:00Z"
"""Four trades follow within as many hours."""
_BASELINE_DAYS = 184
_HEADLESS_DAYS = 2
_FOUND_BY_ENGINE_MS = 60_000


@dataclass(frozen=True, slots=True)
class _Scene:
    """An algorithm and its candles; from ``start_ms`` on they are the live market."""

    spec: "AlgorithmSpec"
    candles: "CandleArrays"
    market: "Market"
    start_ms: int
    is_endless: bool


def demo(
    candles: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Real candles instead of invented ones.")
    ] = None,
    speed: Annotated[float, typer.Option(metavar="X", min=0.001, help="Market seconds per second.")] = 300.0,
    headless: Annotated[
        bool, typer.Option("--headless", help="No screen: full speed to the end of the candles.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a sample algorithm on a paper market, in a temporary folder; needs no account and no network.

    It runs twice: as its backtest assumes, and at a venue that fills worse and loses decisions. The first
    watch finds that out. Without a screen only the first of the two runs.
    """
    if as_json and not headless:
        raise WrongUseError("--json needs --headless: a screen prints no JSON.")
    if not headless:
        say("Testing the sample algorithm for its baseline; the screen follows in a moment…")
    scene = _scene(candles, is_endless=not headless)
    home = Path(tempfile.mkdtemp(prefix="firstwatch-demo-"))
    is_left_running = False
    try:
        settings = _settings(home, scene, None if headless else speed)
        launches, baseline = _prepare(settings, scene)
        if headless:
            _play(settings, scene, launches[0], baseline, as_json=as_json)
            return
        is_left_running = _watch(settings, launches)
    finally:
        if not is_left_running:
            shutil.rmtree(home, ignore_errors=True)
    if is_left_running:
        say(f"End the demo with: FIRSTWATCH_HOME={home} firstwatch engine stop")


def _scene(path: Path | None, *, is_endless: bool) -> _Scene:
    from firstwatch.market.assumed import market_of_file
    from firstwatch.market.files import read_candles
    from firstwatch.market.synthetic import SyntheticMarket
    from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
    from firstwatch.trading.clock import parse_iso
    from firstwatch.trading.market import DEFAULT_MARKET
    from firstwatch.trading.timeframe import Timeframe

    spec = AlgorithmSpec.from_toml(sample_toml(), where="the sample algorithm")
    if path is None:
        spec = spec.model_copy(update={"timeframe": Timeframe.M1})
        start_ms = parse_iso(_START)
        day_ms = Timeframe.D1.ms
        first_ms = start_ms - _BASELINE_DAYS * day_ms
        days = _BASELINE_DAYS + (0 if is_endless else _HEADLESS_DAYS)
        invented = SyntheticMarket(_SEED, Timeframe.M1).candles(first_ms, days * day_ms // Timeframe.M1.ms)
        return _Scene(spec, invented, DEFAULT_MARKET, start_ms, is_endless)
    found = read_candles(path).candles
    spec = spec.model_copy(update={"timeframe": found.timeframe})
    needed = max(spec.needed_bars().values())
    # Two thirds make the baseline, one third is the live market.
    first_live = max(needed, len(found) * 2 // 3)
    if first_live >= len(found):
        raise WrongUseError(
            f"{path} has {counted(len(found), 'bar')}, and the demo needs more than {needed}: {needed} to "
            "warm up, then some to trade on."
        )
    return _Scene(spec, found, market_of_file(path, None), int(found.time_ms[first_live]), is_endless=False)


def _settings(home: Path, scene: _Scene, speed: float | None) -> "Settings":
    """Write the settings file of the temporary folder, so that every process sees the same market."""
    from firstwatch.market.files import write_candles
    from firstwatch.settings import CONFIG_FILE, load_settings
    from firstwatch.trading.clock import iso

    if scene.is_endless:
        feed = f'feed = "synthetic"\nseed = {_SEED}\n'
    else:
        write_candles(home / "candles.csv", scene.candles)
        feed = 'feed = "replay"\ncandles = "candles.csv"\n'
    (home / "market.toml").write_text(
        f'symbol = "{scene.market.symbol}"\ntick = "{scene.market.tick:f}"\n'
        f'amount_step = "{scene.market.amount_step:f}"\n',
        encoding="utf-8",
    )
    pace = '"max"' if speed is None else f"{speed:g}"
    market = (
        f'kind = "paper"\n{feed}market = "market.toml"\nstart = "{iso(scene.start_ms)}"\nspeed = {pace}\n'
    )
    (home / CONFIG_FILE).write_text(
        f"[venues.{_STEADY}]\n{market}\n[venues.{_DISTURBED}]\n{market}{_FAULTS}", encoding="utf-8"
    )
    # Not the operator's own settings file, which has other venues.
    return load_settings(home=home, config=home / CONFIG_FILE)


def _prepare(settings: "Settings", scene: _Scene) -> "tuple[list[LaunchSettings], BacktestResult]":
    """Save wallets, algorithm and baseline; return a launch for each wallet, and the baseline."""
    from firstwatch.backtest.simulate import BacktestSettings, simulate
    from firstwatch.market.packed import History
    from firstwatch.store.database import open_store
    from firstwatch.store.paper import deposit
    from firstwatch.store.wallets import create_wallet
    from firstwatch.strategy.core_settings import Costs
    from firstwatch.trading.clock import SystemClock
    from firstwatch.trading.launch import LaunchSettings
    from firstwatch.watch.baseline import save_baseline

    costs = Costs.of_market(scene.market, slippage_bps=Decimal(2))
    chosen = BacktestSettings(capital=_CAPITAL)
    baseline = simulate(
        scene.spec, scene.candles, market=scene.market, costs=costs, settings=chosen, end_ms=scene.start_ms
    )
    store = open_store(settings.home)
    try:
        now_ms = SystemClock().now_ms()
        version = save_baseline(
            store,
            settings.home,
            scene.spec,
            baseline,
            History(scene.candles),
            market=scene.market,
            costs=costs,
            settings=chosen,
            now_ms=now_ms,
        ).version
        with store.write() as session:
            for name in (_STEADY, _DISTURBED):
                wallet = create_wallet(session, name, venue=name, kind="paper", now_ms=now_ms)
                deposit(session, wallet.venue, wallet.account, _FUNDS, now_ms=now_ms)
    finally:
        store.close()
    launches = [
        LaunchSettings(
            algorithm=version.name,
            version=version.number,
            wallet=name,
            symbol=scene.market.symbol,
            capital=_CAPITAL,
            accepted_warnings="a demonstration with play money",
        )
        for name in (_STEADY, _DISTURBED)
    ]
    return launches, baseline


def _watch(settings: "Settings", launches: "list[LaunchSettings]") -> bool:
    """Open the screen on the runs; return whether an engine was left running in the background."""
    from firstwatch.engine.lock import EngineState, presence
    from firstwatch.store.commands import submit_command
    from firstwatch.store.database import open_store
    from firstwatch.trading.clock import SystemClock
    from firstwatch.trading.commands import StartRun
    from firstwatch.trading.ids import new_run_id
    from firstwatch.trading.runs import Author
    from firstwatch.tui.app import run_screen

    store = open_store(settings.home)
    try:
        with store.write() as session:
            # The screen's engine picks these up.
            for launch in launches:
                run_id = new_run_id()
                submit_command(
                    session,
                    StartRun(run_id=run_id, settings=launch),
                    author=Author.OPERATOR,
                    now_ms=SystemClock().now_ms(),
                    expires_in_ms=_FOUND_BY_ENGINE_MS,
                )
    finally:
        store.close()
    end = run_screen(settings, chosen=run_id, is_demo=True)
    is_left = presence(settings.home, None).state is not EngineState.NONE
    if is_left and end.farewell:
        say(end.farewell)
    if end.exit_code != 0 and not is_left:
        raise typer.Exit(end.exit_code)
    return is_left


def _play(
    settings: "Settings",
    scene: _Scene,
    launch: "LaunchSettings",
    baseline: "BacktestResult",
    *,
    as_json: bool,
) -> None:
    """Run to the end of the candles at full speed; print the result beside that of a backtest."""
    from firstwatch.backtest.result_json import metrics_json, trade_json
    from firstwatch.backtest.simulate import BacktestSettings, simulate
    from firstwatch.cli.folder import open_manager
    from firstwatch.cli.run_json import run_document
    from firstwatch.cli.waiting import performed, stopped_by_signals, until
    from firstwatch.store.database import open_store
    from firstwatch.store.runs import get_run
    from firstwatch.strategy.core_settings import Costs
    from firstwatch.trading.clock import SystemClock
    from firstwatch.trading.commands import StartRun
    from firstwatch.trading.ids import new_run_id

    clock = SystemClock()
    began_s = clock.elapsed_s()
    run_id = new_run_id()
    with stopped_by_signals() as stop, open_manager(settings) as manager:
        manager.start_embedded_engine()
        performed(manager, StartRun(run_id=run_id, settings=launch), stop)

        def has_ended() -> bool:
            row = manager.snapshot().run(run_id)
            return row is not None and row.state.is_final

        until(has_ended, stop)
    seconds = clock.elapsed_s() - began_s
    store = open_store(settings.home, read_only=True)
    try:
        with store.read() as session:
            document = run_document(session, get_run(session, run_id))
    finally:
        store.close()
    again = simulate(
        scene.spec,
        scene.candles,
        market=scene.market,
        costs=Costs.of_market(scene.market, slippage_bps=Decimal(2)),
        settings=BacktestSettings(capital=_CAPITAL),
        start_ms=scene.start_ms,
    )
    promised = [trade_json(trade) for trade in again.trades]
    are_equal = (
        promised == [{name: trade[name] for name in promised[0]} for trade in document["trades"]]
        if (promised)
        else not document["trades"]
    )
    result: dict[str, Any] = {
        "run": document,
        "backtest": {"metrics": metrics_json(again.metrics), "trades": promised},
        "baseline": metrics_json(baseline.metrics),
        "trades_equal_backtest": are_equal,
        "seconds": seconds,
    }
    if as_json:
        say_json(result)
        return
    say(f"run {run_id}: {document['state']}, {counted(len(document['trades']), 'trade')} in {seconds:.1f} s")
    live_pnl = document["metrics"]["net_pnl"]
    say(f"net PnL {figure(live_pnl)}, the backtest of the same bars {figure(again.metrics.net_pnl)}")
    say("the trades are exactly the backtest's" if are_equal else "the trades DIFFER from the backtest's")
