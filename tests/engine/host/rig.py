"""A data folder with a candle file, an algorithm and funded wallets, and ways to run a host on it."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import psutil

from firstwatch.engine.host.host import EngineHost
from firstwatch.market.files import write_candles
from firstwatch.settings import Settings, load_settings
from firstwatch.store import algorithms, commands, fills, orders, paper, runs, trades, wallet_status, wallets
from firstwatch.store.bars import bars_of
from firstwatch.store.commands import StoredCommand
from firstwatch.store.database import Session, Store, open_store
from firstwatch.store.equity import equity_of
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.commands import Command, StartRun
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.runs import Author, RunState
from tests.candles import generated_candles

T = TypeVar("T")

SYMBOL = "BTC/USDC:USDC"
RUN = "ab" * 8
LIMIT_S = 180.0
"""How long a test waits for what must come. The watch yields to all else: on a busy machine it comes late."""

ACTIVE_TOML = """
name = "Active"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["rsi(5) < 40"]
[entry.short]
required = ["rsi(5) > 60"]
[exit.long]
required = ["rsi(5) > 55"]
[exit.short]
required = ["rsi(5) < 45"]
[stop_loss]
fraction = 0.02
trailing = true
[take_profit]
fraction = 0.03
[sizing]
equity = 0.5
"""
"""Trades often, on both sides, with a trailing stop and a target."""

HOLDING_TOML = """
name = "Active"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["rsi(5) < 40"]
[stop_loss]
fraction = 0.35
[sizing]
equity = 0.5
"""
"""Enters once and holds: its stop is farther away than these candles ever move."""


def make_folder(
    folder: Path,
    *,
    bars: int = 1300,
    seed: int = 7,
    wallet_names: tuple[str, ...] = ("one",),
    toml: str = ACTIVE_TOML,
    candles: CandleArrays | None = None,
    **venue: object,
) -> Settings:
    """Fill a data folder: settings file, candles (generated ones by default), algorithm version 1 and funded
    wallets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "BTCUSDC.csv"
    write_candles(file, generated_candles(seed, bars) if candles is None else candles)
    keys = {"kind": "paper", "feed": "replay", "candles": str(file), "speed": "max"} | venue
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
    (folder / "config.toml").write_text(f"[venues.paper]\n{lines}\n", encoding="utf-8")
    store = open_store(folder)
    spec = AlgorithmSpec.from_toml(toml)
    with store.write() as session:
        algorithms.add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=1)
        for name in wallet_names:
            wallets.create_wallet(session, name, venue="paper", kind="paper", now_ms=1)
            paper.deposit(session, "paper", name, Decimal(10_000), now_ms=1)
    store.close()
    return load_settings(home=folder)


def launch(wallet: str = "one", algorithm: str = "Active", **changed: object) -> LaunchSettings:
    """Return launch settings that need no baseline."""
    values = {
        "algorithm": algorithm,
        "version": 1,
        "wallet": wallet,
        "symbol": SYMBOL,
        "capital": Decimal(5_000),
        "leverage": Decimal(2),
        "accepted_warnings": "a test",
    }
    return LaunchSettings.model_validate(values | changed)


def store_new_run(session: Session) -> None:
    """Let the run stand as an engine leaves it that died between its creation and its launch."""
    runs.create_run(
        session,
        RUN,
        wallet_id=wallets.get_wallet(session, "one").id,
        version_id=algorithms.get_version(session, "Active").id,
        settings=launch(),
        market=DEFAULT_MARKET,
        author=Author.OPERATOR,
        now_ms=1,
    )


def submit(store: Store, command: Command, **aim: object) -> int:
    """Submit as the operator does and return the command's number."""
    with store.write() as session:
        return commands.submit_command(
            session, command, author=Author.OPERATOR, now_ms=time.time_ns() // 1_000_000, **aim
        )


def start_run(store: Store, run_id: str, settings: LaunchSettings | None = None) -> StoredCommand:
    """Start a run and return the finished command."""
    return answered(store, submit(store, StartRun(run_id=run_id, settings=settings or launch())))


def answered(store: Store, number: int) -> StoredCommand:
    """Wait for a command's outcome."""
    return until(lambda: _finished(store, number), f"command {number} to be answered")


def _finished(store: Store, number: int) -> StoredCommand | None:
    with store.read() as session:
        command = commands.get_command(session, number)
    return command if command.is_finished else None


def ended(store: Store, run_id: str, limit_s: float = LIMIT_S) -> runs.Run:
    """Wait for a run's end and return it."""
    return until(lambda: _final(store, run_id), f"run {run_id} to end", limit_s)


def run_of(store: Store, run_id: str) -> runs.Run:
    with store.read() as session:
        return runs.get_run(session, run_id)


def _final(store: Store, run_id: str) -> runs.Run | None:
    run = run_of(store, run_id)
    return run if run.state.is_final else None


def until(look: Callable[[], T | None], what: str, limit_s: float = LIMIT_S) -> T:
    """Look again and again until there is something."""
    deadline_s = time.monotonic() + limit_s
    while (found := look()) is None:
        assert time.monotonic() < deadline_s, f"waited {limit_s:g} s for {what}"
        # A look at the store takes a tenth of this.
        time.sleep(0.01)
    return found


def children(of_pid: int, module: str) -> list[int]:
    """Return the pids of the live processes of a module that a process has started."""
    found = []
    for child in psutil.Process(of_pid).children():
        try:
            if module in child.cmdline():
                found.append(child.pid)
        except psutil.NoSuchProcess:
            # One that has ended meanwhile, or that its parent has not asked for yet.
            continue
    return found


def result_of(store: Store, run_id: str) -> dict[str, object]:
    """Return everything that must be equal for an undisturbed run and one that was killed and went on."""
    with store.read() as session:
        run = runs.get_run(session, run_id)
        curve = equity_of(session, run_id)
        return {
            "state": run.state,
            "trades": trades.trades_of(session, run_id),
            "fills": [
                (
                    stored.fill.time_ms,
                    stored.fill.side,
                    stored.fill.amount,
                    stored.fill.price,
                    stored.fill.fee,
                )
                for stored in fills.fills_of(session, run_id)
            ],
            "equity": list(zip(curve.time_ms.tolist(), curve.equity.tolist(), strict=True)),
            "money": wallet_status.status_of(session, run.wallet_id).money.total,
            "bars": [each.bar for each in bars_of(session, run_id)],
            "open orders": [order.client_order_id for order in orders.open_orders_of(session, run_id)],
        }


def undisturbed(folder: Path, **of_folder: object) -> dict[str, object]:
    """Run the standard launch from beginning to end in this process and return its result."""
    settings = make_folder(folder, **of_folder)
    store = open_store(folder)
    host = EngineHost(store, settings)
    host.start()
    try:
        started = start_run(store, RUN)
        assert started.sentence.endswith("started"), started.sentence
        assert ended(store, RUN).state is RunState.DONE
        return result_of(store, RUN)
    finally:
        host.drain_and_stop()
        store.close()
