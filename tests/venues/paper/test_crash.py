"""A process may die before or after any commit of the venue: nothing is lost, nothing happens twice."""

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import Phase as HypothesisPhase
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.market.feeds import ReplayFeed
from firstwatch.store import wallet_status, wallets
from firstwatch.store.database import Store, open_store
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.ids import client_order_id
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.orders import OrderIntent, OrderPurpose
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.exchange import PaperCosts
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue, Step
from firstwatch.venues.protocol import BarClosed, PhaseEnded
from tests.backtest.specifications import random_candles, random_funding
from tests.contract.rig import BUY, LIMIT, MARKET, SELL, STOP

SYMBOL = DEFAULT_MARKET.symbol
ACCOUNTS = ("first", "second")


class Crash(BaseException):
    """The process is gone."""


class Trader:
    """Decides by the bar alone and names its orders by it, so that it needs no memory but the last bar."""

    def __init__(self, account: str, plan: dict[int, tuple[str, int]]) -> None:
        self.account, self.plan = account, plan
        self.handled_ms: int | None = None

    def join(self, venue: PaperVenue, first_ms: int) -> None:
        self.venue = venue
        self.ear = venue.subscribe(
            self.account, SYMBOL, Timeframe.H1, self.hear, after_ms=self.handled_ms or first_ms
        )
        self.inbox = []

    def hear(self, event) -> None:
        self.inbox.append(event)

    def work(self) -> None:
        inbox, self.inbox = self.inbox, []
        for event in inbox:
            if isinstance(event, BarClosed):
                self.decide(event.bar)
                self.handled_ms = event.bar.time_ms
            elif isinstance(event, PhaseEnded):
                self.protect()
                self.ear.acknowledge(event.token)

    def decide(self, bar) -> None:
        act, amount = self.plan.get(bar.time_ms // 3_600_000 % 40, ("", 0))
        number = bar.time_ms // 3_600_000 * 10
        if act == "market":
            self.send(number, BUY if amount > 0 else SELL, MARKET, abs(amount))
        elif act == "limit":
            price = DEFAULT_MARKET.price(bar.close * (0.99 if amount > 0 else 1.01))
            self.send(number, BUY if amount > 0 else SELL, LIMIT, abs(amount), price=price)
        elif act == "close":
            held = self.venue.position(self.account, SYMBOL)
            if not held.is_flat:
                self.send(number, SELL if held.side == "long" else BUY, MARKET, held.amount, reduce_only=True)

    def protect(self) -> None:
        held = self.venue.position(self.account, SYMBOL)
        resting = self.venue.open_orders(self.account, SYMBOL)
        if held.is_flat or any(report.kind is STOP for report in resting):
            return
        sign = held.side.sign
        trigger = DEFAULT_MARKET.price(float(held.entry_price) * (1 - 0.02 * sign))
        number = 2**40 + len(self.venue.fills_since(self.account, SYMBOL, 0))
        self.send(number, SELL if sign > 0 else BUY, STOP, held.amount, trigger=trigger, reduce_only=True)

    def send(self, number, side, kind, amount, *, price=None, trigger=None, reduce_only=False) -> None:
        intent = OrderIntent(
            client_order_id=client_order_id(f"{ACCOUNTS.index(self.account):016x}", number),
            run_id=f"{ACCOUNTS.index(self.account):016x}",
            account=self.account,
            symbol=SYMBOL,
            purpose=OrderPurpose.ENTRY,
            side=side,
            kind=kind,
            amount=Decimal(amount),
            reduce_only=reduce_only,
            price=price,
            trigger_price=trigger,
        )
        self.venue.send(self.venue.prepare(intent))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template") / "data"
    store = open_store(folder)
    with store.write() as session:
        for account in ACCOUNTS:
            wallets.create_wallet(session, account, venue="paper", kind="paper", now_ms=1)
    store.close()
    return folder


def check_wallets(store: Store, venue: PaperVenue) -> None:
    """What the store says of the wallets is what the venue says of their accounts."""
    with store.read() as session:
        known = {
            wallet.account: wallet_status.status_of(session, wallet.id).money
            for wallet in wallets.list_wallets(session)
        }
    for account, money in known.items():
        balance, position = venue.balance(account), venue.position(account, SYMBOL)
        assert money.total == balance.total
        assert [(held.symbol, held.side, held.amount) for held in money.held] == (
            [] if position.is_flat else [(SYMBOL, position.side, position.amount)]
        )
        # A market order has no price of its own: its margin follows the market until it executes.
        if not any(order.kind is MARKET for order in venue.open_orders(account, SYMBOL)):
            assert money.used == balance.used


def history(template: Path, seed: int, plans, costs: PaperCosts, crashes: dict[int, str]):
    """Return what the books hold at the end; ``crashes``: the commit that dies, and on which side of it."""
    candles = random_candles(seed, 40, 0.02)
    commits = 0

    def fault_point(point: str) -> None:
        nonlocal commits
        commits += point == "before commit"
        if crashes.get(commits) == point:
            del crashes[commits]
            raise Crash

    traders = [Trader(account, plan) for account, plan in zip(ACCOUNTS, plans, strict=True)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        shutil.copytree(template, folder)
        while True:
            store = open_store(folder, fault_point=fault_point)
            try:
                venue = PaperVenue(
                    "paper",
                    ReplayFeed(candles, random_funding(seed, candles), start_ms=int(candles.time_ms[2])),
                    DEFAULT_MARKET,
                    PaperSettings(costs),
                    clock=ManualClock(),
                    store=store,
                    drive="manual",
                )
                for account in ACCOUNTS:
                    if venue.balance(account).total == 0:
                        venue.deposit(account, Decimal(10_000))
                for trader in traders:
                    trader.join(venue, int(candles.time_ms[1]))
                check_wallets(store, venue)
                while venue.step() is not Step.ENDED:
                    check_wallets(store, venue)
                    for trader in traders:
                        trader.work()
                    check_wallets(store, venue)
                return [
                    (
                        venue.fills_since(account, SYMBOL, 0),
                        venue.funding_since(account, SYMBOL, 0),
                        venue.balance(account),
                        venue.position(account, SYMBOL),
                        venue.open_orders(account, SYMBOL),
                    )
                    for account in ACCOUNTS
                ]
            except Crash:
                continue
            finally:
                store.close()


PLANS = st.dictionaries(
    st.integers(0, 39),
    st.tuples(st.sampled_from(["market", "limit", "close"]), st.sampled_from([-20, -5, 5, 20])),
    max_size=12,
)
COSTS = st.sampled_from(
    [
        PaperCosts(),
        PaperCosts(slippage_bps=Decimal(5), volume_share=0.5),
        PaperCosts(latency_ms=1_000),
    ]
)


def test_whatever_commit_dies_the_history_is_that_of_an_uninterrupted_venue(template):
    filled = 0

    # Without shrinking: each example is many commits to a disk.
    @settings(max_examples=15, deadline=None, derandomize=True, phases=[HypothesisPhase.generate])
    @given(
        seed=st.integers(0, 1000),
        plans=st.tuples(PLANS, PLANS),
        costs=COSTS,
        crashes=st.dictionaries(
            st.integers(4, 70), st.sampled_from(["before commit", "after commit"]), min_size=1, max_size=6
        ),
    )
    def play(seed, plans, costs, crashes):
        nonlocal filled
        whole = history(template, seed, plans, costs, {})
        filled += bool(whole[0][0])
        assert history(template, seed, plans, costs, dict(crashes)) == whole

    play()
    assert filled >= 5
