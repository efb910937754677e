"""The engine keeps what the store has of live wallets fresh: in turn, within the budget, behind orders."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.engine.lease import Lease
from firstwatch.engine.reconciliation.wallets import WalletRefresher
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.settings import Settings
from firstwatch.store import hosts, wallet_status, wallets
from firstwatch.store.database import open_store
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import VenueError
from firstwatch.venues.accounts import Builder
from firstwatch.venues.hyperliquid.account_api import AccountQueries
from firstwatch.venues.hyperliquid.budget import Priority
from firstwatch.venues.hyperliquid.decoder import ACCOUNT as ACCOUNT_STATE
from firstwatch.venues.hyperliquid.decoder import decode
from firstwatch.venues.hyperliquid.key_permissions import permissions_of
from firstwatch.venues.hyperliquid.parse import money_of
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.paper.settings import PaperVenueSettings
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import Vault
from tests.clocks import MachineClock
from tests.venues.hyperliquid.rig import SYMBOL, LiveRig

NOW_MS = 1_760_000_000_000
MASTER = bytes.fromhex("11" * 32)
ACCOUNT = address_of(MASTER)
BUILDER = Builder("0x" + "b1" * 20, 10)


class Questions(AccountQueries):
    """Questions to the venue below."""

    def __init__(self, venue):
        super().__init__("hl", is_mainnet=True)
        self.venue = venue

    def _info(self, request):
        return self.venue.answer(request["type"])


class Venue:
    """Answers as a gateway does, and counts."""

    def __init__(self, clock):
        self.clock = clock
        self.asked = Counter()
        self.read = []
        self.lag_ms = 0
        self.is_down = False

    def permissions(self, account, address):
        return permissions_of(Questions(self), account, address, BUILDER, now_ms=self.clock.now_ms())

    def answer(self, kind):
        self.asked[kind] += 1
        if self.is_down:
            raise VenueError("hl cannot be reached.")
        return {
            "userRole": {"role": "user"},
            "userAbstraction": "disabled",
            "extraAgents": [],
            "maxBuilderFee": 0,
        }[kind]

    def recent_money(self, account, *, youngest_s):
        self.read.append(account)
        if self.is_down:
            raise VenueError("hl cannot be reached.")
        position = {
            "coin": "BTC",
            "szi": "-0.5",
            "entryPx": "90000",
            "marginUsed": "20",
            "unrealizedPnl": "0",
            "leverage": {"type": "isolated", "value": 5},
            "cumFunding": {"allTime": "0"},
        }
        state = {
            "marginSummary": {"accountValue": "1000.5", "totalMarginUsed": "20", "totalRawUsd": "1000"},
            "withdrawable": "900",
            "assetPositions": [{"position": position}],
            "time": NOW_MS,
        }
        return money_of(decode(ACCOUNT_STATE, state, "it"), account), self.clock.now_ms() - self.lag_ms

    def close(self):
        """Nothing is open."""


class Rig:
    def __init__(self, folder, count, venue=None):
        self.clock = MachineClock(NOW_MS)
        self.venue = venue or Venue(self.clock)
        self.store = open_store(folder)
        hl = HyperliquidVenueSettings(kind="hyperliquid", builder="0x" + "b1" * 20, builder_fee_tenths_bp=10)
        settings = Settings(home=folder, venues={"hl": hl, "paper": PaperVenueSettings(kind="paper")})
        vault = Vault(folder, self.clock, work_factor=16)
        vault.open("word").add(MASTER, venue="hl", account=ACCOUNT, kind=KeyKind.MASTER)
        with self.store.write() as session:
            epoch = hosts.claim_host(session, pid=1, host_name="here", version="0", now_ms=NOW_MS)
            wallets.create_wallet(session, "play", venue="paper", kind="paper", now_ms=1)
            for number in range(count):
                account = f"0x{number:040x}" if number else ACCOUNT
                wallets.create_wallet(
                    session, f"w{number:02}", venue="hl", kind="hyperliquid", account=account, now_ms=1
                )
        book = VenueRegistry(settings.venues, lambda _name: self.venue)
        lease = Lease(epoch, self.clock)
        self.told = []
        self.keeper = WalletRefresher(
            self.store, book, settings, self.clock, lambda: lease, key_known=self._tell
        )

    def _tell(self, *key):
        self.told.append(key)

    def seconds(self, count):
        for _ in range(count):
            self.keeper.look()
            self.clock.advance(1000)

    def known(self, name="w00"):
        with self.store.read() as session:
            number = wallets.get_wallet(session, name).id
            return wallet_status.wallet_statuses(session).get(number, wallet_status.WalletStatus())

    def close(self):
        self.keeper.close()
        self.store.close()


@pytest.fixture
def make(tmp_path):
    rigs = []

    def make(count=1, venue=None):
        rigs.append(Rig(tmp_path, count, venue))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def test_a_clock_that_was_set_back_keeps_no_wallet_from_being_read(make):
    rig = make()
    rig.seconds(1)
    rig.clock.set_back(25 * 3_600_000)
    rig.venue.read.clear()
    rig.venue.asked.clear()
    rig.seconds(32)
    assert rig.known().money.read_at_ms <= rig.clock.now_ms()
    assert len(rig.venue.read) == 1
    rig.seconds(600)
    assert rig.known().key.read_at_ms <= rig.clock.now_ms()


def test_money_and_positions_come_with_the_time_when_they_were_read(make):
    rig = make()
    rig.venue.lag_ms = 7_000
    rig.seconds(1)
    held = wallet_status.Held(SYMBOL, wallet_status.Side.SHORT, Decimal("0.5"))
    money = wallet_status.WalletMoney(Decimal("1000.5"), Decimal(20), (held,), NOW_MS - 7_000)
    assert rig.known().money == money
    money = wallet_status.WalletMoney(Decimal(0), Decimal(0), (), 1)
    assert rig.known("play") == wallet_status.WalletStatus(money)


def test_the_key_and_what_is_missing_are_found_out(make):
    rig = make(2)
    rig.seconds(61)
    key = rig.known().key
    assert (key.address, key.kind, key.valid_until_ms, key.read_at_ms) == (ACCOUNT, "master", None, NOW_MS)
    assert set(key.missing) == {"builder fee"}
    # Without a key there is nothing to trade with, and the reason is said.
    keyless = rig.known("w01").key
    assert (keyless.address, keyless.kind) == (None, None)
    assert "no key" in keyless.missing["key"]


def test_runs_are_told_of_their_keys_and_of_none_that_the_vault_lacks(make):
    rig = make(2)
    rig.seconds(61)
    assert rig.told == [("hl", ACCOUNT, "")]
    missing = {"key": "valid until tomorrow; firstwatch wallet approve NAME --agent"}
    key = replace(rig.known().key, missing=missing)
    with rig.store.write() as session:
        wallet_status.set_key(session, wallets.get_wallet(session, "w00").id, key)
    rig.seconds(61)
    told = ("hl", ACCOUNT, "valid until tomorrow; firstwatch wallet approve w00 --agent")
    assert rig.told == [("hl", ACCOUNT, ""), told]


def test_fifty_wallets_are_asked_about_in_turn_and_cost_little(make):
    rig = make(50)
    rig.seconds(1)
    assert len(rig.venue.read) == 2
    rig.seconds(29)
    assert len(set(rig.venue.read)) == 50
    rig.seconds(90)
    times = Counter(rig.venue.read)
    assert set(times.values()) <= {3, 4, 5}
    # By the venue's weights, two minutes: a fifth of what one internet address may ask.
    weight = 2 * len(rig.venue.read) + 60 * rig.venue.asked["userRole"] + 20 * rig.venue.asked["extraAgents"]
    weight += 20 * (rig.venue.asked["maxBuilderFee"] + rig.venue.asked["userAbstraction"])
    assert weight <= 2 * 1200 / 4


def test_a_venue_that_is_down_leaves_what_was_known_and_says_why(make):
    rig = make()
    rig.seconds(1)
    known = rig.known()
    rig.venue.is_down = True
    rig.seconds(45)
    # Asked again after half a minute, not each second.
    assert len(rig.venue.read) == 2
    assert rig.known() == wallet_status.WalletStatus(known.money, known.key, "hl cannot be reached.")
    rig.venue.is_down = False
    rig.seconds(30)
    assert rig.known().problem == ""
    assert rig.known().money.read_at_ms > known.money.read_at_ms


def test_what_a_command_has_just_read_is_not_asked_again(make):
    rig = make()
    with rig.store.write() as session:
        number = wallets.get_wallet(session, "w00").id
        wallet_status.set_money(
            session, number, wallet_status.WalletMoney(Decimal(1), Decimal(0), (), NOW_MS - 5_000)
        )
    rig.seconds(20)
    assert rig.venue.read == []
    rig.seconds(6)
    assert rig.venue.read == [ACCOUNT]


def test_an_archived_wallet_is_left_alone(make):
    rig = make()
    with rig.store.write() as session:
        wallets.archive_wallet(session, "w00", now_ms=NOW_MS)
    rig.seconds(60)
    assert rig.venue.read == []


def test_a_venue_of_another_kind_is_not_asked(make):
    class Plain:
        def close(self):
            """Nothing is open."""

    rig = make(venue=Plain())
    rig.seconds(2)
    assert rig.known() == wallet_status.WalletStatus()


def test_a_run_s_own_reading_is_taken_and_a_question_waits_behind_all_others():
    rig = LiveRig()
    try:
        asked_at_ms = SystemClock().now_ms()
        rig.venue.position(rig.account, SYMBOL)
        answered_at_ms = SystemClock().now_ms()
        before = rig.server.audit().requests["clearinghouseState"]
        _, read_at_ms = rig.venue.recent_money(rig.account.upper().replace("X", "x"), youngest_s=29)
        assert rig.server.audit().requests["clearinghouseState"] == before
        # Its age is counted by another clock, and each of the two is rounded.
        assert asked_at_ms - 2 <= read_at_ms <= answered_at_ms + 2
        priorities = []
        take = rig.venue._connection.budget.take

        async def noted(weight, priority):
            priorities.append(priority)
            await take(weight, priority)

        rig.venue._connection.budget.take = noted
        rig.venue.recent_money(rig.account, youngest_s=0)
        rig.venue.ask_last("extraAgents", user=rig.account)
        assert rig.server.audit().requests["clearinghouseState"] == before + 1
        assert priorities == [Priority.HISTORY, Priority.HISTORY]
    finally:
        rig.close()
