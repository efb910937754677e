"""Which key is this: every answer of the venue becomes a kind of key or one sentence of refusal."""

from decimal import Decimal

import pytest

from firstwatch.trading.account import ACCOUNT_KIND
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import RefusedError, VenueError
from firstwatch.trading.orders import Side
from firstwatch.venues.accounts import Builder
from firstwatch.venues.hyperliquid.account_api import AccountApi
from firstwatch.venues.hyperliquid.key_permissions import DAY_MS, approvals, check_key, permissions_of
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.keystore import address_of
from tests.loopback.tls import self_signed
from tests.wallets.conftest import AGENT, OTHER

KEY = address_of(AGENT)
STRANGER = address_of(bytes.fromhex("44" * 32))
BUILDER = Builder("0x" + "b1" * 20, 25)


def test_the_accounts_own_key(api, funded, now_ms):
    for account in (funded, None):
        facts = check_key(api, funded, account, now_ms=now_ms)
        assert (facts.kind, facts.account, facts.account_exists) == (KeyKind.MASTER, funded, True)
        assert facts.valid_until_ms is None


def test_an_account_that_has_no_money_yet(api, now_ms):
    facts = check_key(api, STRANGER, STRANGER, now_ms=now_ms)
    assert (facts.kind, facts.account_exists) == (KeyKind.MASTER, False)


@pytest.mark.parametrize("name", ["firstwatch", ""])
def test_an_agents_key_is_known_with_and_without_its_account(api, loopback, funded, now_ms, name):
    loopback.approve_agent(funded, KEY, name=name, valid_s=86_400 * 30)
    for account in (funded, None):
        facts = check_key(api, KEY, account, now_ms=now_ms)
        assert (facts.kind, facts.account) == (KeyKind.AGENT, funded)
        if name:
            assert abs(facts.valid_until_ms - now_ms - 30 * DAY_MS) < 60_000
        else:
            assert facts.valid_until_ms is None
    assert "can neither withdraw nor approve" in facts.sentence


def test_an_agent_of_another_master(api, loopback, funded, now_ms):
    loopback.approve_agent(address_of(OTHER), KEY, name="x")
    with pytest.raises(RefusedError, match=f"of another account, {address_of(OTHER)}"):
        check_key(api, KEY, funded, now_ms=now_ms)


def test_an_agents_address_is_no_account(api, loopback, funded, now_ms):
    loopback.approve_agent(funded, KEY, name="x")
    with pytest.raises(RefusedError, match=f"--account {funded}"):
        check_key(api, KEY, KEY, now_ms=now_ms)


@pytest.mark.parametrize("is_expired", [True, False])
def test_wrong_and_expired_keys(api, loopback, funded, now_ms, is_expired):
    if is_expired:
        loopback.approve_agent(funded, KEY, name="x", valid_s=-1)
    with pytest.raises(RefusedError, match=r"wrong key, its approval has expired, .*; compare its address"):
        check_key(api, KEY, funded, now_ms=now_ms)


def test_a_sub_account_is_refused(api, loopback, funded, now_ms):
    with pytest.raises(RefusedError, match="sub-account"):
        check_key(api, loopback.sub_account(funded, "sub"), None, now_ms=now_ms)


def test_what_is_missing_comes_first(api, loopback, funded, now_ms):
    given = approvals(api, funded, check_key(api, funded, None, now_ms=now_ms), BUILDER, now_ms=now_ms)
    assert [(approval.name, approval.is_given) for approval in given] == [
        ("builder fee", False),
        ("key", True),
    ]
    assert "0.025%" in given[0].sentence
    nothing = permissions_of(api, funded, None, None, now_ms=now_ms)
    assert nothing.key is None
    assert "no key" in nothing.why
    assert [a.is_given for a in approvals(api, funded, None, None, now_ms=now_ms)] == [False]


def test_an_agent_that_ends_within_a_week_is_missing(api, loopback, funded, now_ms):
    loopback.approve_agent(funded, KEY, name="x", valid_s=86_400 * 6)
    facts = check_key(api, KEY, funded, now_ms=now_ms)
    found = approvals(api, funded, facts, None, now_ms=now_ms)
    assert not found[0].is_given
    assert "wallet approve NAME --agent" in found[0].sentence


def test_money_and_positions(api, loopback, funded):
    loopback.by_hand(funded).market("BTC", "sell", "0.5")
    money = api.money(funded)
    assert abs(money.total - 1000) < 1
    assert money.used > 0
    assert money.free == money.total - money.used
    (held,) = money.positions
    assert (held.symbol, held.side, float(held.amount)) == ("BTC/USDC:USDC", Side.SHORT, 0.5)


@pytest.mark.parametrize(
    ("fault", "how", "said"),
    [
        ("http", {"status": 500}, "HTTP 500"),
        ("http", {"status": 429}, "too much was asked"),
        ("html", {}, "cannot be understood"),
        ("request_lost", {}, "cannot be reached"),
        ("slow", {"seconds": 0.5}, "did not answer within"),
        ("empty", {}, "cannot be understood"),
    ],
)
def test_a_venue_in_trouble_is_one_sentence(loopback, funded, fault, how, said):
    api = AccountApi("hl", loopback.url, is_mainnet=True, clock=SystemClock(), timeout_s=0.2)
    loopback.faults.plan(fault, "userRole", **how)
    with pytest.raises(VenueError, match=said) as caught:
        api.role(funded)
    assert "\n" not in str(caught.value)


def test_an_address_where_nobody_listens():
    with pytest.raises(VenueError, match="cannot be reached: Connection refused"):
        AccountApi("hl", "http://127.0.0.1:9", is_mainnet=True, clock=SystemClock()).role(STRANGER)


def test_a_host_that_does_not_exist():
    with pytest.raises(VenueError, match="has no address"):
        AccountApi("hl", "http://nowhere.invalid", is_mainnet=True, clock=SystemClock()).role(STRANGER)


def test_a_certificate_that_is_not_valid_is_said_and_nothing_is_sent(tmp_path):
    with self_signed(tmp_path) as url, pytest.raises(VenueError, match="The certificate of hl") as caught:
        AccountApi("hl", url, is_mainnet=True, clock=SystemClock()).role(STRANGER)
    assert "Nothing was sent; check api_url" in str(caught.value)


@pytest.mark.parametrize("key", [address_of(bytes.fromhex("11" * 32)), KEY])
def test_a_key_of_the_master_for_a_sub_account_is_told_that_it_is_one(api, loopback, funded, now_ms, key):
    loopback.approve_agent(funded, KEY, name="x")
    sub = loopback.sub_account(funded, "sub", 50)
    with pytest.raises(RefusedError, match=f"{sub} is a sub-account of {funded} at hl") as caught:
        check_key(api, key, sub, now_ms=now_ms)
    assert "wrong key" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("unifiedAccount", "unified account"),
        ("portfolioMargin", "portfolio-margin"),
        ("dexAbstraction", "DEX abstraction"),
        ("somethingNew", "does not know, somethingNew"),
    ],
)
def test_an_account_of_an_unsupported_kind_lacks_that_first(api, loopback, funded, now_ms, kind, said):
    loopback.set_abstraction(funded, kind)
    key = check_key(api, funded, None, now_ms=now_ms)
    first = approvals(api, funded, key, BUILDER, now_ms=now_ms)[0]
    assert (first.name, first.is_given) == (ACCOUNT_KIND, False)
    assert said in first.sentence
    assert "wallet create" in first.sentence


@pytest.mark.parametrize("kind", ["default", "disabled"])
def test_an_account_whose_money_lies_apart_lacks_nothing(api, loopback, funded, now_ms, kind):
    loopback.set_abstraction(funded, kind)
    key = check_key(api, funded, None, now_ms=now_ms)
    assert [approval.is_given for approval in approvals(api, funded, key, None, now_ms=now_ms)] == [True]


def test_money_in_spot_is_said_apart(api, loopback, funded):
    loopback.fund_spot(funded, "250.5")
    money = api.money(funded)
    assert (money.total, money.spot) == (1000, Decimal("250.5"))
