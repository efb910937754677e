"""Approvals, transfers and withdrawals: each at most once, whatever happens to the answers."""

import asyncio
from decimal import Decimal

import pytest

from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import RefusedError, VenueError
from firstwatch.venues.accounts import Builder, OutcomeUnknownError
from firstwatch.venues.hyperliquid.account_actions import Approver
from firstwatch.venues.hyperliquid.account_api import AccountApi
from firstwatch.venues.hyperliquid.budget import Budget
from firstwatch.venues.hyperliquid.key_permissions import check_key
from firstwatch.venues.hyperliquid.transfers import Transfers
from firstwatch.venues.signer import KeyKind, KeyMissingError
from firstwatch.wallets.agents import new_agent
from firstwatch.wallets.keystore import address_of
from tests.wallets.conftest import AGENT, MASTER, OTHER, signer_of

TO = address_of(OTHER)
LOST = ("reply_lost", "http_after", "cut_body", "html", "empty")
LEDGER = "userNonFundingLedgerUpdates"


def _no_pause(_seconds):
    pass


def kept_agent(approver, opened):
    """Have a new agent approved, and keep its key in the vault."""
    account = approver._master.account
    return new_agent(opened, approver.agent, venue="hl", account=account, network="mainnet")


@pytest.fixture
def approver(api, funded):
    return Approver(api, signer_of(MASTER), _no_pause)


@pytest.fixture
def transfers(api, funded):
    return Transfers(api, signer_of(MASTER), _no_pause)


def test_an_agent_is_made_approved_and_kept(approver, vault, api, funded, now_ms):
    opened = vault.open("word")
    record = kept_agent(approver, opened)
    facts = check_key(api, record.address, funded, now_ms=now_ms)
    assert facts.kind is KeyKind.AGENT
    assert opened.signer("hl", funded).address == record.address
    # The next one takes the first one's name at the venue, and its place here.
    second = kept_agent(approver, opened)
    assert opened.signer("hl", funded).address == second.address
    assert api.role(record.address).name == "missing"


def test_a_refused_agent_leaves_no_key(api, vault, loopback):
    poor = Approver(api, signer_of(AGENT), _no_pause)
    opened = vault.open("word")
    with pytest.raises(RefusedError, match="Send USDC to"):
        kept_agent(poor, opened)
    with pytest.raises(KeyMissingError):
        opened.signer("hl", address_of(AGENT))
    assert not [path for path in vault.folder.iterdir() if path.suffix in {".json", ".pending"}]


@pytest.mark.parametrize("fault", LOST)
def test_an_approval_whose_answer_is_lost_is_verified(approver, vault, loopback, api, fault):
    loopback.faults.plan(fault, "approveAgent")
    record = kept_agent(approver, vault.open("word"))
    assert api.role(record.address).name == "agent"


def test_an_approval_that_never_arrived_is_said(approver, vault, loopback):
    loopback.faults.plan("request_lost", "approveAgent")
    with pytest.raises(RefusedError, match="does not show the new API wallet"):
        kept_agent(approver, vault.open("word"))
    assert vault.is_empty


def test_a_builder_is_approved_and_taken_back(approver, loopback, funded):
    address = "0x" + "b1" * 20
    approver.builder(Builder(address, 25))
    assert loopback.account(funded).builders == {address: 25}
    approver.builder(Builder(address, 0))
    assert not loopback.account(funded).builders.get(address)


def test_an_api_wallet_approves_and_moves_nothing(api, funded):
    for kind in (Approver, Transfers):
        with pytest.raises(RefusedError, match="master-key-fd"):
            kind(api, signer_of(AGENT, funded), _no_pause)


def test_money_is_sent_and_withdrawn(transfers, loopback, funded):
    assert not transfers.send(Decimal("10.5"), TO).was_in_doubt
    transfers.withdraw(Decimal(20), funded)
    assert loopback.account(funded).cash == Decimal("969.5")
    assert loopback.account(TO).cash == Decimal("1010.5")


@pytest.mark.parametrize(
    ("amount", "said"),
    [("1000.01", "more than the"), ("0.0000001", "more than 6 decimals")],
)
def test_what_cannot_be_sent_is_said_before_anything_is(transfers, loopback, funded, amount, said):
    with pytest.raises(RefusedError, match=said):
        transfers.send(Decimal(amount), TO)
    assert loopback.account(funded).cash == 1000


def test_a_withdrawal_must_be_more_than_its_fee(transfers):
    with pytest.raises(RefusedError, match="not more than the 1 USDC"):
        transfers.withdraw(Decimal(1), TO)


def test_to_oneself_nothing_is_sent(transfers, funded):
    with pytest.raises(RefusedError, match="same account"):
        transfers.send(Decimal(1), funded)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("kind", ["usdSend", "withdraw3"])
def test_a_lost_answer_is_resolved_and_the_money_moved_once(transfers, loopback, funded, fault, kind):
    loopback.faults.plan(fault, kind)
    moved = (transfers.send if kind == "usdSend" else transfers.withdraw)(Decimal(100), TO)
    assert moved.was_in_doubt
    assert loopback.account(funded).cash == 900


def test_a_lost_request_can_never_arrive_later(transfers, loopback, funded):
    loopback.faults.plan("request_lost", "usdSend")
    with pytest.raises(RefusedError, match="nothing moved"):
        transfers.send(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_a_request_on_its_way_is_overtaken(loopback, funded):
    api = AccountApi("hl", loopback.url, is_mainnet=True, clock=SystemClock(), timeout_s=0.2)
    loopback.faults.plan("slow", "usdSend", seconds=0.6)
    done = []
    transfers = Transfers(api, signer_of(MASTER), _no_pause)
    with pytest.raises(RefusedError, match="nothing moved"):
        transfers.send(Decimal(100), TO)
    loopback.settle()
    while not done:
        done = [kind for kind, _ in loopback.faults.fired if kind == "slow"]
    assert loopback.account(funded).cash == 1000


def test_doubt_that_stays_is_said(transfers, loopback, funded):
    loopback.faults.plan("reply_lost", "usdSend")
    loopback.faults.plan("http", "noop", count=9)
    loopback.faults.plan("http", LEDGER, count=20, skip=1)
    with pytest.raises(OutcomeUnknownError, match="Compare the balance"):
        transfers.send(Decimal(100), TO)


def test_money_that_moved_is_found_in_the_ledger_whatever_else_fails(transfers, loopback, funded):
    loopback.faults.plan("reply_lost", "usdSend")
    loopback.faults.plan("http", "noop", count=9)
    assert transfers.send(Decimal(100), TO).was_in_doubt
    assert loopback.account(funded).cash == 900


@pytest.mark.parametrize("kind", ["usdSend", "withdraw3"])
def test_a_redirect_is_not_followed_and_moves_nothing(transfers, loopback, funded, kind):
    loopback.faults.plan("redirect", kind)
    with pytest.raises(RefusedError, match=r"elsewhere .*nothing moved"):
        (transfers.send if kind == "usdSend" else transfers.withdraw)(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_a_question_that_is_sent_elsewhere_is_not_answered(transfers, loopback, funded):
    loopback.faults.plan("redirect", "clearinghouseState")
    with pytest.raises(VenueError, match="sends the request elsewhere"):
        transfers.send(Decimal(100), TO)


@pytest.mark.parametrize(
    "body", ["[" * 4_000, "9" * 5_000, "\xff", '{"status":'], ids=["deep", "long", "binary", "cut"]
)
def test_an_answer_of_any_shape_is_doubt_that_the_ledger_ends(transfers, loopback, funded, body):
    loopback.faults.plan("html", "usdSend", body=body)
    assert transfers.send(Decimal(100), TO).was_in_doubt
    assert loopback.account(funded).cash == 900


def test_what_the_venue_calls_done_must_be_in_its_ledger(transfers, loopback, funded):
    transfers.send(Decimal(100), TO)
    # The same again, and the ledger does not show it: the first one is not taken for it.
    old = [row for row in transfers._api.ledger(funded, 0)]
    transfers._api.ledger = lambda _account, _since_ms: tuple(old)
    with pytest.raises(OutcomeUnknownError, match="answered that it was done"):
        transfers.send(Decimal(100), TO)


def test_a_used_nonce_that_the_ledger_does_not_know_is_doubt(transfers, loopback, funded):
    loopback.faults.plan("request_lost", "usdSend")
    loopback.faults.plan("refused", "noop", body="Invalid nonce: duplicate nonce 17")
    with pytest.raises(OutcomeUnknownError, match="duplicate nonce"):
        transfers.send(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_an_interruption_after_the_send_is_doubt(transfers, loopback, funded):
    loopback.faults.plan("reply_lost", "usdSend")
    loopback.faults.plan("http", "noop", count=9)

    def interrupted(_seconds):
        raise KeyboardInterrupt

    transfers._pause = interrupted
    with pytest.raises(OutcomeUnknownError, match="interrupted after the request was sent"):
        transfers.send(Decimal(100), TO)


def test_a_burning_whose_answer_was_lost_proves_nothing(transfers, loopback, funded):
    loopback.faults.plan("request_lost", "usdSend")
    loopback.faults.plan("reply_lost", "noop")
    with pytest.raises(OutcomeUnknownError):
        transfers.send(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_a_burning_that_is_too_old_to_be_taken_proves_nothing(transfers, loopback, funded):
    loopback.faults.plan("request_lost", "usdSend")
    loopback.faults.plan("refused", "noop", body="Invalid nonce: nonce too far in the past")
    with pytest.raises(OutcomeUnknownError, match="too far in the past"):
        transfers.send(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_what_a_command_asks_counts_for_the_adapters_of_its_host(api, loopback, funded):
    async def ask():
        budget = Budget(api_url=loopback.url)
        full = budget.left
        api.money(funded)
        left = budget.left
        budget.close()
        return full - left

    # Two light questions: the money for perpetuals, and that in spot.
    assert asyncio.run(ask()) == pytest.approx(4, abs=1.5)


def test_a_request_of_another_network_is_refused(loopback, funded):
    transfers = Transfers(
        AccountApi("hl", loopback.url, is_mainnet=False, clock=SystemClock()), signer_of(MASTER), _no_pause
    )
    with pytest.raises(RefusedError, match="refused"):
        transfers.send(Decimal(1), TO)
    assert loopback.account(funded).cash == 1000
