"""Fifty runs on fifty wallets react to one candle: engine, store, real ccxt and the screen, in one process.

The loopback venue is a process of its own. Launching fifty runs takes more requests than a minute has, so
both sides lift their limits for that; while it is measured they are those of the main network. The
venue's time runs as the wall's does, and leaps to near the end of a bar when everything that the bar before
led to was read.
"""

import asyncio
import csv
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from firstwatch.store import algorithms
from firstwatch.store.database import open_store
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import StartRun, StopRun
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.runs import StopMode
from firstwatch.venues.hyperliquid import venue as adapter
from firstwatch.venues.hyperliquid.budget import RATE_PER_MINUTE, Priority
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.protocol import Accepted
from firstwatch.wallets import custody
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import Vault
from tests.ui import scenes
from tests.ui.stage import stage

WALLETS = 50
ROUNDS = 3
CANDLE_TO_LAST_ORDER_S = 0.6
LATE_S = 0.030
SYMBOL = "BTC/USDC:USDC"
PASSPHRASE = "fifty wallets"
_HISTORY, _BAR_MS, _START_MS = 1_100, 300_000, 1_704_067_200_000
_TICK_S = 0.002
_BEFORE_CLOSE_S = 20
"""So long before its end the venue's time runs through a bar; what came before that was leapt over."""
_STATES = "select kind, state, count(*) from run_order group by kind, state"
_OVER = ("FILLED", "CANCELED", "REJECTED")
_LEFT = 135
"""What reading leaves of the budget to fifty runs, less what one reading may have taken just now."""

ALGORITHM = """
name = "Fifty"
direction = "long"
timeframe = "5m"
[entry.long]
required = ["close > open"]
[exit.long]
required = ["close < open"]
[stop_loss]
fraction = 0.2
[sizing]
fixed = 500
[reset]
mode = "cooldown_only"
cooldown_bars = 0
"""


class Server:
    """The loopback venue, in a process of its own."""

    def __init__(self, folder):
        candles = folder / "candles.csv"
        with candles.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["date", "open", "high", "low", "close", "volume"])
            for number in range(_HISTORY + 40):
                # The bar of the launch stands; then they rise and fall in turn: all enter, and leave.
                live = number - _HISTORY
                close = 50_000 if live < 1 else 50_050 if live % 2 else 49_950
                date = datetime.fromtimestamp((_START_MS + number * _BAR_MS) / 1000, UTC)
                row = [50_000, max(50_000, close), min(50_000, close), close, 10]
                writer.writerow([date.replace(tzinfo=None).isoformat(sep=" "), *row])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.loopback", "--candles", candles, "--speed", "1",
             "--timeframe", "5m", "--history", str(_HISTORY), "--network", "testnet", "--weight-limit", "0"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url, self.ws_url = (self.process.stdout.readline().split(" = ")[1].strip() for _ in range(2))
        self.bar = _HISTORY

    def tell(self, do, **how):
        body = json.dumps({"do": do, **how}).encode()
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/control", data=body), timeout=30
        ) as answer:
            return json.loads(answer.read() or b"null")

    def near_the_end(self):
        """Let the bar that is open come near its end."""
        self.tell("step_to", time_ms=_START_MS + (self.bar + 1) * _BAR_MS - 1_000 * (_BEFORE_CLOSE_S + 5))

    def next_bar(self):
        """Let the next bar begin; return when all that happened in the bar before was sent."""
        self.bar += 1
        self.tell("step_to", time_ms=_START_MS + self.bar * _BAR_MS)
        return time.perf_counter()

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Sent:
    """When each order was accepted: entries and exits, and stops."""

    def __init__(self, monkeypatch):
        self.orders, self.stops, self.refused = [], [], []
        send = adapter.HyperliquidVenue.send

        def watched(venue, prepared):
            outcome = send(venue, prepared)
            into = self.stops if b'"trigger"' in prepared.body else self.orders
            if not isinstance(outcome, Accepted):
                into = self.refused
            into.append(time.perf_counter())
            return outcome

        monkeypatch.setattr(adapter.HyperliquidVenue, "send", watched)

    def clear(self):
        for times in (self.orders, self.stops, self.refused):
            times.clear()


class Lateness:
    """How late the event loop calls what was due."""

    def __init__(self):
        self.late_s = []

    async def watch(self):
        while True:
            due_s = time.perf_counter() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self.late_s.append(max(0.0, time.perf_counter() - due_s))

    def p99_s(self):
        return statistics.quantiles(self.late_s, n=100)[98]


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def settings(tmp_path, server, monkeypatch):
    home, word = tmp_path / "home", tmp_path / "word"
    home.mkdir()
    word.write_text(PASSPHRASE)
    monkeypatch.setenv("FIRSTWATCH_PASSPHRASE_FILE", str(word))
    monkeypatch.setattr(
        custody, "vault_of", lambda settings: Vault(settings.home, SystemClock(), work_factor=16)
    )
    hl = HyperliquidVenueSettings(
        kind="hyperliquid",
        network="testnet",
        api_url=server.url,
        ws_url=server.ws_url,
        weight_per_minute=1_000_000,
    )
    settings = scenes.settings_of(home).model_copy(update={"venues": {"hl": hl}})
    store = open_store(home)
    spec = AlgorithmSpec.from_toml(ALGORITHM)
    with store.write() as session:
        algorithms.add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=1)
    keeper = custody.Custody(settings, store, SystemClock())
    vault = keeper.vault.open(PASSPHRASE)
    for number in range(WALLETS):
        key = bytes([7]) * 31 + bytes([number + 1])
        server.tell("fund", account=address_of(key), usdc=10_000)
        keeper.import_key(f"wallet{number:02}", "hl", None, key.hex(), lambda: vault)
    store.close()
    return settings


@pytest.mark.timeout(1_500)
async def test_fifty_wallets_react_to_one_candle(settings, server, monkeypatch):
    sent = Sent(monkeypatch)
    figures = []
    async with stage(settings.home, clock=SystemClock(), hosts_engine=True, settings=settings) as on:
        session = await _begin(on, server)
        for number in range(ROUNDS * 2):
            await _quiet(on, session, stops=WALLETS if number % 2 else 0)
            figures.append(await _react(on, server, sent, is_entry=number % 2 == 0))
            sys.stdout.write(f"{'exits' if number % 2 else 'entries'}: {figures[-1]}\n")
        audit = server.tell("audit")
    sys.stdout.write(
        f"peak weight {audit['peak_weight']}, 429: {audit['rate_limited']}, load {os.getloadavg()[0]:.1f}\n"
    )
    assert audit["rate_limited"] == 0
    assert audit["reused_cloids"] == []
    for reactions in (figures[0::2], figures[1::2]):
        assert statistics.median(each["last_order_s"] for each in reactions) < CANDLE_TO_LAST_ORDER_S
        assert max(each["late_p99_s"] for each in reactions) < LATE_S


@pytest.mark.timeout(1_500)
async def test_fifty_positions_are_closed_at_once(settings, server, monkeypatch):
    sent = Sent(monkeypatch)
    async with stage(settings.home, clock=SystemClock(), hosts_engine=True, settings=settings) as on:
        session = await _begin(on, server)
        await _quiet(on, session, stops=0)
        await _react(on, server, sent, is_entry=True)
        began_s = time.perf_counter()
        for number in range(WALLETS):
            stop = StopRun(run_id=_run_id(number), mode=StopMode.CLOSE)
            await asyncio.to_thread(on.manager.submit, stop, expires_in_ms=600_000)
        await on.until(lambda: not on.app.snapshot.active, "all stopped", looks=60_000)
        audit = server.tell("audit")
        store = open_store(on.home, read_only=True)
        with store.read() as reading:
            states = reading.execute(text("select state, count(*) from run group by 1")).all()
            fills = reading.execute(text("select count(*) from fill")).scalar()
            trades = reading.execute(text("select count(*) from trade")).scalar()
        store.close()
    sys.stdout.write(f"closed in {time.perf_counter() - began_s:.0f} s, 429: {audit['rate_limited']}\n")
    assert (states, fills, trades) == ([("STOPPED", WALLETS)], 2 * WALLETS, WALLETS)
    assert audit["rate_limited"] == 0


async def _begin(on, server):
    """Launch fifty runs, then let both sides have the limits of the main network; return the session."""
    await on.until(lambda: on.app.snapshot.engine.takes_commands, "the engine", looks=2_000)
    await _launch(on)
    session = next(iter(on.manager._control._host._venues._venues.values()))._connection
    session.budget.rate_s = RATE_PER_MINUTE / 60
    session.budget.bucket._tokens = 0.0
    server.tell("limit_weight", weight=1_200)
    await _quiet(on, session, stops=0)
    server.next_bar()
    return session


def _run_id(number):
    return f"{number + 1:016x}"


async def _launch(on):
    for number in range(WALLETS):
        launch = LaunchSettings(
            algorithm="Fifty",
            version=1,
            wallet=f"wallet{number:02}",
            symbol=SYMBOL,
            capital=1_000,
            accepted_warnings="measured",
            skip_protection_proof="measured",
        )
        command = StartRun(run_id=_run_id(number), settings=launch)
        await asyncio.to_thread(on.manager.submit, command, expires_in_ms=600_000)
    await on.until(
        lambda: sum(run.state.value == "RUNNING" for run in on.app.snapshot.active) == WALLETS,
        "fifty runs",
        looks=20_000,
    )


async def _quiet(on, session, *, stops):
    """Wait until so many stops rest, no run waits for an answer, and reading leaves to orders what it is to.

    What the connection reads by itself goes on: fifty accounts are never all read.
    """

    def is_quiet():
        store = open_store(on.home, read_only=True)
        try:
            with store.read() as reading:
                states = reading.execute(
                    text("select kind, state, count(*) from run_order group by 1, 2")
                ).all()
        finally:
            store.close()
        open_now = {(kind, state): count for kind, state, count in states if state not in _OVER}
        return (
            open_now == ({("stop", "ACCEPTED"): stops} if stops else {})
            and session.budget.bucket._tokens > _LEFT
            and not any(priority <= Priority.ACCOUNT for priority, *_ in session.budget._waiting)
        )

    await on.until(is_quiet, "quiet", looks=20_000)


async def _react(on, server, sent, *, is_entry):
    """Let the next bar begin, and wait until every run has reacted."""
    await asyncio.to_thread(server.near_the_end)
    await asyncio.sleep(_BEFORE_CLOSE_S)
    sent.clear()
    lateness = Lateness()
    watching = asyncio.create_task(lateness.watch())
    stepping = asyncio.create_task(asyncio.to_thread(server.next_bar))
    began_s = time.perf_counter()
    await on.until(lambda: len(sent.orders) >= WALLETS or sent.refused, "all orders", looks=4_000)
    await stepping
    if is_entry:
        await on.until(lambda: len(sent.stops) >= WALLETS or sent.refused, "all stops", looks=4_000)
    watching.cancel()
    assert not sent.refused
    return {
        "bar_told_s": round(stepping.result() - began_s, 3),
        "first_order_s": round(min(sent.orders) - began_s, 3),
        "last_order_s": round(max(sent.orders) - began_s, 3),
        "last_stop_s": round(max(sent.stops, default=began_s) - began_s, 3),
        "stops": len(sent.stops),
        "late_p99_s": round(lateness.p99_s(), 4),
        "late_worst_s": round(max(lateness.late_s), 4),
    }
