"""Many wallets of which few are streamed: how late their orders leave, how late a hand's are noticed.

The loopback venue counts the weight of requests as the main network does, by the wall. Where it runs four
times as fast as the wall, a bar of a minute ends each 15 s. Delays are the wall's.
"""

import os
import statistics
import sys
import time
from collections import Counter
from decimal import Decimal

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.settings import Settings
from firstwatch.store import alarms, algorithms, commands, runs, wallets
from firstwatch.store.database import open_store
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import CommandOutcome, StartRun
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.runs import Author, RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.budget import RATE_PER_MINUTE
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.hyperliquid.venue import HyperliquidVenue
from tests.loopback import Coin, Loopback
from tests.venues.hyperliquid.rig import START_MS, SYMBOL, LocalSigner, Wallets, wait_for

HISTORY, BAR_MS, SPEED = 1_100, Timeframe.M1.ms, 4.0
BARS = 16
PATIENCE_S = 180.0
TOML = """
name = "A"
direction = "long"
timeframe = "1m"
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


class Runs:
    """So many runs, each on a wallet of its own, in this process."""

    def __init__(self, folder, count, *, streamed, speed):
        self.count, self._speed = count, speed
        bars = [
            Bar(START_MS + number * BAR_MS, 50_000, max(50_000, close), min(50_000, close), close, 10.0)
            for number in range(HISTORY + 600)
            for close in [50_050 if number % 2 else 49_950]
        ]
        coin = Coin("BTC", 5, 40, bars=bars, timeframe=Timeframe.M1)
        self.server = Loopback(
            [coin], clock=speed, history=HISTORY, network="testnet", weight_limit=None
        ).start()
        signers = Wallets()
        self.store = open_store(folder)
        spec = AlgorithmSpec.from_toml(TOML)
        self.accounts = [signers.add(LocalSigner(100 + number)).account for number in range(count)]
        with self.store.write() as session:
            algorithms.add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=1)
            for number, account in enumerate(self.accounts):
                wallets.create_wallet(
                    session, f"w{number}", venue="hl", kind="hyperliquid", account=account, now_ms=1
                )
        where = {"api_url": self.server.url, "ws_url": self.server.ws_url}
        self.venue = HyperliquidVenue(
            "hl",
            **where,
            is_mainnet=False,
            signer_of=signers,
            clock=SystemClock(),
            stream_users=streamed,
            weight_per_minute=1e6,
        )
        hl = HyperliquidVenueSettings(kind="hyperliquid", network="testnet", **where)
        settings = Settings(home=folder, venues={"hl": hl})
        self.host = EngineHost(self.store, settings, VenueRegistry(("hl",), lambda _name: self.venue))
        self.host.start()
        for number, account in enumerate(self.accounts):
            self.server.fund(account, 10_000)
            self._launch(number)
        # From here on both sides have the limits of the main network.
        self.venue._connection.budget.rate_s = RATE_PER_MINUTE / 60
        self.server.limit_weight(1_200)

    def _launch(self, number):
        launch = LaunchSettings(
            algorithm="A",
            version=1,
            wallet=f"w{number}",
            symbol=SYMBOL,
            capital=Decimal(1_000),
            accepted_warnings="measured",
            skip_protection_proof="measured",
        )
        command = StartRun(run_id=self.run_id(number), settings=launch)
        with self.store.write() as session:
            now_ms = time.time_ns() // 1_000_000
            sent = commands.submit_command(session, command, author=Author.OPERATOR, now_ms=now_ms)
        answer = wait_for(lambda: self._answer(sent), PATIENCE_S)
        assert answer.outcome is CommandOutcome.DONE, answer.sentence
        wait_for(lambda: self._run(number).state is RunState.RUNNING, PATIENCE_S)

    @staticmethod
    def run_id(number):
        return f"{number + 1:016x}"

    def _run(self, number):
        with self.store.read() as session:
            return runs.get_run(session, self.run_id(number))

    def _answer(self, number):
        with self.store.read() as session:
            command = commands.get_command(session, number)
        return command if command.is_finished else None

    def wait_for_bars(self, count):
        """Wait until so many bars have ended, the last of them a little while ago."""
        until_ms = (self.server.now_ms() // BAR_MS + count) * BAR_MS + BAR_MS - 4_000
        wait_for(lambda: self.server.now_ms() >= until_ms, 2 * count * BAR_MS / 1_000 / self._speed + 60)

    def foreign_alarms(self):
        with self.store.read() as session:
            return {one.run_id for one in alarms.active_alarms(session) if "foreign" in one.topic}

    def close(self):
        self.host.drain_and_stop()
        self.store.close()
        self.server.stop()


@pytest.fixture
def make(tmp_path):
    made = []

    def make(count, *, streamed, speed):
        made.append(Runs(tmp_path, count, streamed=streamed, speed=speed))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.timeout(1_500)
def test_how_late_polled_wallets_leave_with_bars_each_15_s(make):
    rig = make(10, streamed=0, speed=SPEED)
    rig.wait_for_bars(4)
    since_ms, before = rig.server.now_ms(), rig.server.audit().requests
    rig.wait_for_bars(BARS)
    asked = Counter(rig.server.audit().requests)
    asked.subtract(before)
    late_s = {"enter": [], "leave": []}
    for account in rig.accounts:
        for fill in rig.server.account(account).fills:
            if fill.time_ms >= since_ms:
                what = "enter" if fill.is_buy else "leave"
                late_s[what].append(fill.time_ms % BAR_MS / 1_000 / SPEED)
    for what, delays in late_s.items():
        sys.stdout.write(
            f"\nto {what}: {len(delays)} of {BARS // 2 * rig.count} orders,"
            f" median {statistics.median(delays):.2f} s, worst {max(delays):.2f} s"
        )
    audit = rig.server.audit()
    sys.stdout.write(
        f"\nrequests: {dict(+asked)}; peak weight {audit.peak_weight}, 429: {audit.rate_limited},"
        f" bare for {max(audit.longest_unprotected_s.values()):.1f} s, load {os.getloadavg()[0]:.1f}\n"
    )
    assert audit.rate_limited == 0
    assert audit.reused_cloids == []
    assert late_s["leave"]


@pytest.mark.timeout(1_500)
def test_how_late_the_order_of_another_client_is_noticed_with_twelve_runs(make):
    rig = make(12, streamed=8, speed=1.0)
    rig.wait_for_bars(1)
    took_s = {}
    for number in [*range(8, 12), 0, 1]:
        began_s, run_id = time.monotonic(), rig.run_id(number)
        rig.server.by_hand(rig.accounts[number]).limit("BTC", "buy", "0.001", "40000")
        while run_id not in rig.foreign_alarms():
            assert time.monotonic() < began_s + PATIENCE_S
            time.sleep(0.1)
        took_s[number] = time.monotonic() - began_s
        sys.stdout.write(f"\nrun {number}: {took_s[number]:.1f} s")
        sys.stdout.flush()
    for kind, of_kind in (("streamed", range(8)), ("polled", range(8, 12))):
        times = [took_s[number] for number in of_kind if number in took_s]
        sys.stdout.write(f"\n{kind}: median {statistics.median(times):.1f} s, worst {max(times):.1f} s")
    audit = rig.server.audit()
    sys.stdout.write(
        f"\npeak weight {audit.peak_weight}, 429: {audit.rate_limited}, load {os.getloadavg()[0]:.1f}\n"
    )
    assert audit.rate_limited == 0
