"""Runs of the real engine in front of the loopback server, where what a run stores and sends must agree."""

import time
from decimal import Decimal

import pytest

from firstwatch.engine.host import host
from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.settings import Settings
from firstwatch.store import alarms, algorithms, commands, equity, fills, journal, orders, runs, wallets
from firstwatch.store.bars import reread_until
from firstwatch.store.database import open_store
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import CommandOutcome, StartRun, StopRun
from firstwatch.trading.errors import StoreError
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.orders import OrderSide, Side
from firstwatch.trading.runs import Author, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.verdicts import MismatchCause
from firstwatch.venues.hyperliquid import account_watch
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.hyperliquid.venue import HyperliquidVenue
from firstwatch.watch.follow import follow
from firstwatch.watch.identity import is_alarm
from tests.loopback import Coin, Loopback
from tests.venues.hyperliquid.rig import RUN, START_MS, SYMBOL, LocalSigner, Wallets, wait_for

HOUR_MS = Timeframe.H1.ms
HISTORY = 1_100
PATIENCE_S = 40.0
TOML = """
name = "A"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["close > open"]
[entry.short]
required = ["close < open"]
[stop_loss]
fraction = 0.05
[sizing]
fixed = 500
"""


class EngineRig:
    """One run on bars whose closes a test chooses, each bar begun by hand."""

    def __init__(
        self,
        folder,
        closes,
        fault_point=None,
        *,
        toml=TOML,
        before=None,
        until=RunState.RUNNING,
        policy=None,
        **launch,
    ):
        flat = [(100.0, 100.0)] * HISTORY + [(100.0, close) for close in closes]
        bars = [
            Bar(START_MS + n * HOUR_MS, begin, max(begin, end), min(begin, end), end, 10.0)
            for n, (begin, end) in enumerate(flat)
        ]
        coins = [
            Coin("BTC", 3, 20, bars=bars, timeframe=Timeframe.H1),
            Coin("ETH", 4, 25, price=2_500.0),
        ]
        self.server = Loopback(coins, history=HISTORY, network="testnet", weight_limit=None).start()
        self.wallets = Wallets()
        self.account = self.wallets.add(LocalSigner(7)).account
        self.server.fund(self.account, 10_000)
        self.store = open_store(folder)
        spec = AlgorithmSpec.from_toml(toml)
        with self.store.write() as session:
            algorithms.add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=1)
            wallets.create_wallet(
                session, "w", venue="hl", kind="hyperliquid", account=self.account, now_ms=1
            )
        self.venue = HyperliquidVenue(
            "hl",
            api_url=self.server.url,
            ws_url=self.server.ws_url,
            is_mainnet=False,
            signer_of=self.wallets,
            clock=SystemClock(),
            weight_per_minute=1e6,
        )
        settings = Settings(
            home=folder,
            policy=policy or {},
            venues={
                "hl": HyperliquidVenueSettings(
                    kind="hyperliquid",
                    network="testnet",
                    api_url=self.server.url,
                    ws_url=self.server.ws_url,
                )
            },
        )
        book = VenueRegistry(("hl",), lambda _name: self.venue)
        self.host = EngineHost(self.store, settings, book, fault_point=fault_point or (lambda _point: None))
        self.host.start()
        self._begun = HISTORY
        self._launched = []
        if before is not None:
            before(self)
        self.launch(RUN, "w", until=until, **launch)

    def add_wallet(self, name, number):
        """Make another wallet with a key, and money in its account."""
        account = self.wallets.add(LocalSigner(number)).account
        self.server.fund(account, 10_000)
        with self.store.write() as session:
            wallets.create_wallet(session, name, venue="hl", kind="hyperliquid", account=account, now_ms=1)

    def launch(self, run_id, wallet, *, until=RunState.RUNNING, **launch):
        """Start a run, and return when it is in that state; one that runs may enter from then on."""
        asked = self._asked_for_leverage
        settings = LaunchSettings.model_validate(
            {
                "algorithm": "A",
                "version": 1,
                "wallet": wallet,
                "symbol": SYMBOL,
                "capital": Decimal(2_000),
                "leverage": Decimal(2),
                "accepted_warnings": "a test",
                **launch,
            }
        )
        with self.store.write() as session:
            number = commands.submit_command(
                session,
                StartRun(run_id=run_id, settings=settings),
                author=Author.OPERATOR,
                now_ms=time.time_ns() // 1_000_000,
            )
        answer = wait_for(lambda: self._answer(number), PATIENCE_S)
        assert answer.outcome is CommandOutcome.DONE, answer.sentence
        wait_for(lambda: self.run_of(run_id).state is until, PATIENCE_S)
        self._launched.append(run_id)
        if until is RunState.RUNNING:
            # An entry that is decided before its leverage is set would be dropped.
            wait_for(lambda: self._asked_for_leverage > asked, PATIENCE_S)

    @property
    def _asked_for_leverage(self):
        """How often the venue was asked whether a leverage is set: the last request of a launch."""
        return self.server.audit().requests.get("activeAssetData", 0)

    def run_of(self, run_id):
        with self.store.read() as session:
            return runs.get_run(session, run_id)

    def _answer(self, number):
        with self.store.read() as session:
            command = commands.get_command(session, number)
        return command if command.is_finished else None

    @property
    def run(self):
        return self.run_of(RUN)

    @property
    def orders(self):
        with self.store.read() as session:
            return orders.orders_of(session, RUN)

    @property
    def alarms(self):
        with self.store.read() as session:
            return [alarm for alarm in alarms.active_alarms(session) if alarm.run_id == RUN]

    @property
    def position(self):
        return self.venue.position(self.account, SYMBOL)

    def end_bar(self):
        """Begin the next bar, and wait until every run has decided on the one that ended."""
        ended_ms = START_MS + self._begun * HOUR_MS
        self._begun += 1
        self.server.step_to(ended_ms + HOUR_MS)
        wait_for(lambda: all(self._decided_ms(run_id) >= ended_ms for run_id in self._launched), PATIENCE_S)

    def _decided_ms(self, run_id):
        with self.store.read() as session:
            times = equity.equity_of(session, run_id).time_ms
            return int(times[-1]) if len(times) else 0

    def stop(self, mode=StopMode.CLOSE):
        """Ask for the run's stop."""
        with self.store.write() as session:
            commands.submit_command(
                session,
                StopRun(run_id=RUN, mode=mode),
                author=Author.OPERATOR,
                now_ms=time.time_ns() // 1_000_000,
            )

    def close(self):
        self.host.drain_and_stop()
        self.store.close()
        self.server.stop()


@pytest.fixture
def make(tmp_path):
    rigs = []

    def make(closes, fault_point=None, **more):
        rigs.append(EngineRig(tmp_path, closes, fault_point, **more))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def test_an_order_that_could_not_be_stored_is_never_sent_in_place_of_a_later_one(make):
    rigs, failed = [], []

    def fault_point(point):
        if point == "before commit" and rigs and rigs[0].venue._prepared and not failed:
            failed.append(point)
            raise StoreError("The disk of the store is full.")

    rig = make(
        [100.0, 100.0, 101.0, 99.0, 99.0], fault_point, skip_protection_proof="no order but those decided"
    )
    rigs.append(rig)
    for _ in range(3):
        rig.end_bar()
    assert failed
    assert rig.orders == []
    rig.end_bar()
    entry = wait_for(lambda: next((order for order in rig.orders if order.filled), None), PATIENCE_S)
    assert entry.intent.side is OrderSide.SELL
    assert rig.position.side is Side.SHORT


def test_two_own_wallets_whose_fills_have_one_id_both_get_theirs(make):
    rig = make([100.0, 101.0, 101.0, 101.0])
    other = f"{2:016x}"
    rig.add_wallet("w2", 8)
    rig.launch(other, "w2")
    for _ in range(2):
        rig.end_bar()

    def filled(run_id):
        with rig.store.read() as session:
            return [stored.fill for stored in fills.fills_of(session, run_id)]

    wait_for(lambda: filled(RUN) and filled(other), PATIENCE_S)
    (one,), (two,) = filled(RUN), filled(other)
    assert one.fill_id == two.fill_id
    assert one.account != two.account


def test_a_bar_that_the_venue_has_revised_is_read_again_and_listed(make, monkeypatch):
    monkeypatch.setattr(host, "_BARS_S", 0.05)
    rig = make([100.0] * 4)
    rig.end_bar()
    seen = Bar(START_MS + HISTORY * HOUR_MS, 100.0, 100.0, 100.0, 100.0, 10.0)
    # Its volume is no price, and this algorithm does not read it.
    rig.server.revise("BTC", seen._replace(time_ms=seen.time_ms - HOUR_MS, volume=11.0))
    rig.server.revise("BTC", seen._replace(high=100.5, volume=12.0))
    for _ in range(2):
        rig.end_bar()

    def found():
        with rig.store.read() as session:
            return journal.events_of_kinds(session, RUN, {"bar_revised"})

    def until_ms():
        with rig.store.read() as session:
            return reread_until(session, RUN)

    wait_for(found, PATIENCE_S)
    rig.end_bar()
    wait_for(lambda: until_ms() >= seen.time_ms + 2 * HOUR_MS, PATIENCE_S)
    with rig.store.read() as session:
        follower = follow(session, RUN, None)
        (mismatch,) = follower.advance(follower.read(session)).mismatches
    assert (mismatch.cause, mismatch.time) == (MismatchCause.DATA, seen.time_ms + HOUR_MS)
    assert (mismatch.live, mismatch.shadow) == ("100 100 100 100 10", "100 100.5 100 100 12")


@pytest.mark.parametrize("what", ["nothing", "off by one", "sent away"])
def test_the_wallet_gains_what_the_ledger_does_but_for_what_is_sent_away(make, what):
    rig = make([100.0, 101.0, 101.0])
    for _ in range(2):
        rig.end_bar()
    wait_for(lambda: rig.position.amount and rig.venue.open_orders(rig.account, SYMBOL), PATIENCE_S)
    if what == "off by one":
        rig.server.fund(rig.account, -1)
    elif what == "sent away":
        rig.server.send(rig.account, "0x" + "7e" * 20, 50)
    rig.stop()
    wait_for(lambda: rig.run.state is RunState.STOPPED, PATIENCE_S)
    with rig.store.read() as session:
        first, *_, last = (
            entry.event for entry in journal.events_of_kinds(session, RUN, {"equity_compared"})
        )
        follower = follow(session, RUN, None)
        follower.advance(follower.read(session))
    assert first.begins
    assert last.ledger != first.ledger
    assert last.begins is (what == "sent away")
    lost = (last.venue - last.ledger) - (first.venue - first.ledger)
    # The first credit of a new address costs 1.
    expected = {"nothing": 0, "off by one": -1, "sent away": -51}[what]
    assert lost == pytest.approx(Decimal(expected), abs=Decimal("0.002"))
    residual = follower.state.identity.venue_residual
    assert is_alarm(residual, Decimal(2_000)) is (what == "off by one")


def test_a_position_opened_by_hand_in_another_market_is_named_and_pauses_the_run(make, monkeypatch):
    monkeypatch.setattr(account_watch, "RECONCILE_S", 0.5)
    rig = make([100.0])
    rig.server.by_hand(rig.account).market("ETH", "buy", "0.1")
    wait_for(lambda: rig.run.facts.paused, PATIENCE_S)
    (alarm,) = rig.alarms
    assert "+0.1 ETH/USDC:USDC" in alarm.sentence
    rig.server.by_hand(rig.account).close("ETH")
    wait_for(lambda: not rig.alarms, PATIENCE_S)
