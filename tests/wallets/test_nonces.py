"""Nonces of an account's own key: by the wall at the venue, and new once where one is out of its time."""

from decimal import Decimal

import pytest

from firstwatch.settings import Settings
from firstwatch.store import wallets
from firstwatch.store.database import open_store
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import RefusedError
from firstwatch.venues.accounts import Builder
from firstwatch.venues.hyperliquid import account_api
from firstwatch.venues.hyperliquid.account_actions import Approver
from firstwatch.venues.hyperliquid.account_api import AccountApi
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.hyperliquid.transfers import Transfers
from firstwatch.venues.nonces import NonceClock
from firstwatch.wallets import custody as custodies
from firstwatch.wallets.custody import Custody
from firstwatch.wallets.keystore import address_of
from tests.wallets.conftest import MASTER, OTHER, signer_of

HOUR_MS = 3_600_000
TO = address_of(OTHER)
BUILDER = Builder("0x" + "b1" * 20, 25)
OUTSIDE = [25 * HOUR_MS, -72 * HOUR_MS]


class ShiftedClock(SystemClock):
    """A machine whose wall clock is wrong."""

    shift_ms = 0

    def now_ms(self):
        return super().now_ms() + self.shift_ms


@pytest.fixture
def clock(monkeypatch):
    nonces = NonceClock()
    for module in (custodies, account_api):
        monkeypatch.setattr(module, "NONCES", nonces)
    return ShiftedClock()


@pytest.fixture
def api(loopback, clock, funded):
    return AccountApi(
        "hl", loopback.url, is_mainnet=True, clock=clock, timeout_s=2.0, weight_per_minute=100_000
    )


def no_pause(_seconds):
    pass


def send(api):
    return Transfers(api, signer_of(MASTER), no_pause).send(Decimal(100), TO)


def withdraw(api):
    return Transfers(api, signer_of(MASTER), no_pause).withdraw(Decimal(100), TO)


def approve(api):
    return Approver(api, signer_of(MASTER), no_pause).builder(BUILDER)


DEEDS = pytest.mark.parametrize(
    ("deed", "kind"), [(send, "usdSend"), (withdraw, "withdraw3"), (approve, "approveBuilderFee")]
)


def walls(api, monkeypatch, *hours):
    """Let it take these for the hours by which the venue's wall is ahead, one after the other."""
    said = iter([SystemClock().now_ms() + hour * HOUR_MS for hour in hours])
    monkeypatch.setattr(api.wall, "now_ms", lambda: next(said))
    return said


@DEEDS
@pytest.mark.parametrize("shift_ms", OUTSIDE)
def test_a_wrong_clock_of_this_machine_hinders_nothing(api, clock, loopback, deed, kind, shift_ms):
    clock.shift_ms = shift_ms
    deed(api)
    assert loopback.audit().requests[kind] <= 2


@DEEDS
def test_what_is_out_of_time_is_sent_once_more_with_a_new_nonce(
    api, loopback, monkeypatch, deed, kind, funded
):
    said = walls(api, monkeypatch, 25, 0)
    deed(api)
    assert next(said, None) is None
    assert loopback.audit().requests[kind] == 2
    assert loopback.account(funded).cash == (1_000 if kind == "approveBuilderFee" else 900)


@DEEDS
def test_what_stays_out_of_time_is_refused_after_the_second_try(
    api, loopback, monkeypatch, deed, kind, funded
):
    walls(api, monkeypatch, 25, 26)
    with pytest.raises(RefusedError, match="nonce"):
        deed(api)
    assert loopback.audit().requests[kind] == 2
    assert loopback.account(funded).cash == 1_000


@DEEDS
def test_nothing_is_sent_again_after_a_nonce_that_was_used(api, loopback, deed, kind, funded):
    loopback.faults.plan("refused", kind, body="Invalid nonce: duplicate nonce 7", count=5)
    with pytest.raises(Exception, match="nonce"):
        deed(api)
    assert loopback.audit().requests[kind] == 1
    assert loopback.account(funded).cash == 1_000


@DEEDS
def test_nothing_is_sent_again_where_the_answer_is_lost(api, loopback, deed, kind):
    loopback.faults.plan("reply_lost", kind)
    deed(api)
    assert loopback.audit().requests[kind] == 1


def test_nonces_go_on_above_those_of_the_store(loopback, clock, funded, tmp_path, monkeypatch):
    used = clock.now_ms() + HOUR_MS
    monkeypatch.setattr(custodies.orders, "highest_nonce", lambda _session: used)
    settings = Settings(
        home=tmp_path,
        venues={
            "hl": HyperliquidVenueSettings(
                kind="hyperliquid",
                api_url=loopback.url,
                ws_url=loopback.ws_url,
                network="mainnet",
                weight_per_minute=100_000,
            )
        },
    )
    store = open_store(tmp_path)
    with store.write() as session:
        wallet = wallets.create_wallet(
            session, "main", venue="hl", kind="hyperliquid", account=funded, now_ms=clock.now_ms()
        )
    custody = Custody(settings, store, clock, no_pause)
    custody.withdraw(wallet, Decimal(100), TO, signer_of(MASTER))
    (entry,) = [row for row in custody.accounts("hl").api.ledger(funded, 0) if row.kind == "withdraw"]
    assert entry.nonce == used + 1
    store.close()
