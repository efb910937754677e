"""Approvals, transfers and withdrawals: each at most once, whatever happens to the answers."""

import asyncio
from decimal import Decimal

import pytest

from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import RefusedError, VenueError
from firstwatch.venues.hyperliquid.actions import Builder
from firstwatch.venues.hyperliquid.budget import Budget
from firstwatch.venues.signer import KeyKind, KeyMissingError
from firstwatch.wallets.approving import Approver
from firstwatch.wallets.desk import Desk
from firstwatch.wallets.keycheck import check_key
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.moving import Mover, OutcomeUnknownError
from tests.wallets.conftest import AGENT, MASTER, OTHER, signer_of

TO = address_of(OTHER)
LOST = ("reply_lost", "http_after", "cut_body", "html", "empty")
LEDGER = "userNonFundingLedgerUpdates"


def _no_pause(_seconds):
    pass


@pytest.fixture
def approver(desk, funded):
    return Approver(desk, signer_of(MASTER), _no_pause)


@pytest.fixture
def mover(desk, funded):
    return Mover(desk, signer_of(MASTER), _no_pause)


def test_an_agent_is_made_approved_and_kept(approver, vault, desk, funded, now_ms):
    opened = vault.open("word")
    record = approver.agent(opened, "hl")
    facts = check_key(desk, record.address, funded, now_ms=now_ms)
    assert facts.kind is KeyKind.AGENT
    assert opened.signer("hl", funded).address == record.address
    # The next one takes the first one's name at the venue, and its place here.
    second = approver.agent(opened, "hl")
    assert opened.signer("hl", funded).address == second.address
    assert desk.role(record.address).name == "missing"


def test_a_refused_agent_leaves_no_key(desk, vault, loopback):
    poor = Approver(desk, signer_of(AGENT), _no_pause)
    opened = vault.open("word")
    with pytest.raises(RefusedError, match="Send USDC to"):
        poor.agent(opened, "hl")
    with pytest.raises(KeyMissingError):
        opened.signer("hl", address_of(AGENT))
    assert not [path for path in vault.folder.iterdir() if path.suffix in {".json", ".pending"}]


@pytest.mark.parametrize("fault", LOST)
def test_an_approval_whose_answer_is_lost_is_verified(approver, vault, loopback, desk, fault):
    loopback.faults.plan(fault, "approveAgent")
    record = approver.agent(vault.open("word"), "hl")
    assert desk.role(record.address).name == "agent"


def test_an_approval_that_never_arrived_is_said(approver, vault, loopback):
    loopback.faults.plan("request_lost", "approveAgent")
    with pytest.raises(RefusedError, match="does not show the new API wallet"):
        approver.agent(vault.open("word"), "hl")
    assert vault.is_empty


def test_a_builder_is_approved_and_taken_back(approver, loopback, funded):
    address = "0x" + "b1" * 20
    approver.builder(Builder(address, 25))
    assert loopback.account(funded).builders == {address: 25}
    approver.builder(Builder(address, 0))
    assert not loopback.account(funded).builders.get(address)


def test_an_api_wallet_approves_and_moves_nothing(desk, funded):
    for kind in (Approver, Mover):
        with pytest.raises(RefusedError, match="master-key-fd"):
            kind(desk, signer_of(AGENT, funded), _no_pause)


def test_money_is_sent_and_withdrawn(mover, loopback, funded):
    assert not mover.send(Decimal("10.5"), TO).was_in_doubt
    mover.withdraw(Decimal(20), funded)
    assert loopback.account(funded).cash == Decimal("969.5")
    assert loopback.account(TO).cash == Decimal("1010.5")


@pytest.mark.parametrize(
    ("amount", "said"),
    [("1000.01", "more than the"), ("0.0000001", "more than 6 decimals")],
)
def test_what_cannot_be_sent_is_said_before_anything_is(mover, loopback, funded, amount, said):
    with pytest.raises(RefusedError, match=said):
        mover.send(Decimal(amount), TO)
    assert loopback.account(funded).cash == 1000


def test_a_withdrawal_must_be_more_than_its_fee(mover):
    with pytest.raises(RefusedError, match="not more than the 1 USDC"):
        mover.withdraw(Decimal(1), TO)


def test_to_oneself_nothing_is_sent(mover, funded):
    with pytest.raises(RefusedError, match="same account"):
        mover.send(Decimal(1), funded)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("kind", ["usdSend", "withdraw3"])
def test_a_lost_answer_is_resolved_and_the_money_moved_once(mover, loopback, funded, fault, kind):
    loopback.faults.plan(fault, kind)
    moved = (mover.send if kind == "usdSend" else mover.withdraw)(Decimal(100), TO)
    assert moved.was_in_doubt
    assert loopback.account(funded).cash == 900


def test_a_lost_request_can_never_arrive_later(mover, loopback, funded):
    loopback.faults.plan("request_lost", "usdSend")
    with pytest.raises(RefusedError, match="nothing moved"):
        mover.send(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_a_request_on_its_way_is_overtaken(loopback, funded):
    desk = Desk("hl", loopback.url, is_mainnet=True, clock=SystemClock(), timeout_s=0.2)
    loopback.faults.plan("slow", "usdSend", seconds=0.6)
    done = []
    mover = Mover(desk, signer_of(MASTER), _no_pause)
    with pytest.raises(RefusedError, match="nothing moved"):
        mover.send(Decimal(100), TO)
    loopback.settle()
    while not done:
        done = [kind for kind, _ in loopback.faults.fired if kind == "slow"]
    assert loopback.account(funded).cash == 1000


def test_doubt_that_stays_is_said(mover, loopback, funded):
    loopback.faults.plan("reply_lost", "usdSend")
    loopback.faults.plan("http", "noop", count=9)
    loopback.faults.plan("http", LEDGER, count=20, skip=1)
    with pytest.raises(OutcomeUnknownError, match="Compare the balance"):
        mover.send(Decimal(100), TO)


def test_money_that_moved_is_found_in_the_ledger_whatever_else_fails(mover, loopback, funded):
    loopback.faults.plan("reply_lost", "usdSend")
    loopback.faults.plan("http", "noop", count=9)
    assert mover.send(Decimal(100), TO).was_in_doubt
    assert loopback.account(funded).cash == 900


@pytest.mark.parametrize("kind", ["usdSend", "withdraw3"])
def test_a_redirect_is_not_followed_and_moves_nothing(mover, loopback, funded, kind):
    loopback.faults.plan("redirect", kind)
    with pytest.raises(RefusedError, match=r"elsewhere .*nothing moved"):
        (mover.send if kind == "usdSend" else mover.withdraw)(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_a_question_that_is_sent_elsewhere_is_not_answered(mover, loopback, funded):
    loopback.faults.plan("redirect", "clearinghouseState")
    with pytest.raises(VenueError, match="sends the request elsewhere"):
        mover.send(Decimal(100), TO)


@pytest.mark.parametrize(
    "body", ["[" * 4_000, "9" * 5_000, "\xff", '{"status":'], ids=["deep", "long", "binary", "cut"]
)
def test_an_answer_of_any_shape_is_doubt_that_the_ledger_ends(mover, loopback, funded, body):
    loopback.faults.plan("html", "usdSend", body=body)
    assert mover.send(Decimal(100), TO).was_in_doubt
    assert loopback.account(funded).cash == 900


def test_what_the_venue_calls_done_must_be_in_its_ledger(mover, loopback, funded):
    mover.send(Decimal(100), TO)
    # The same again, and the ledger does not show it: the first one is not taken for it.
    old = [row for row in mover._desk.ledger(funded, 0)]
    mover._desk.ledger = lambda _account, _since_ms: tuple(old)
    with pytest.raises(OutcomeUnknownError, match="answered that it was done"):
        mover.send(Decimal(100), TO)


def test_a_used_nonce_that_the_ledger_does_not_know_is_doubt(mover, loopback, funded):
    loopback.faults.plan("request_lost", "usdSend")
    loopback.faults.plan("refused", "noop", body="Invalid nonce: duplicate nonce 17")
    with pytest.raises(OutcomeUnknownError, match="duplicate nonce"):
        mover.send(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_an_interruption_after_the_send_is_doubt(mover, loopback, funded):
    loopback.faults.plan("reply_lost", "usdSend")
    loopback.faults.plan("http", "noop", count=9)

    def interrupted(_seconds):
        raise KeyboardInterrupt

    mover._pause = interrupted
    with pytest.raises(OutcomeUnknownError, match="interrupted after the request was sent"):
        mover.send(Decimal(100), TO)


def test_a_burning_whose_answer_was_lost_proves_nothing(mover, loopback, funded):
    loopback.faults.plan("request_lost", "usdSend")
    loopback.faults.plan("reply_lost", "noop")
    with pytest.raises(OutcomeUnknownError):
        mover.send(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_a_burning_that_is_too_old_to_be_taken_proves_nothing(mover, loopback, funded):
    loopback.faults.plan("request_lost", "usdSend")
    loopback.faults.plan("refused", "noop", body="Invalid nonce: nonce too far in the past")
    with pytest.raises(OutcomeUnknownError, match="too far in the past"):
        mover.send(Decimal(100), TO)
    assert loopback.account(funded).cash == 1000


def test_what_a_desk_asks_counts_for_the_sessions_of_its_host(desk, loopback, funded):
    async def ask():
        budget = Budget(api_url=loopback.url)
        full = budget.left
        desk.money(funded)
        left = budget.left
        budget.close()
        return full - left

    # Two light questions: the money for perpetuals, and that in spot.
    assert asyncio.run(ask()) == pytest.approx(4, abs=1.5)


def test_a_request_of_another_network_is_refused(loopback, funded):
    mover = Mover(
        Desk("hl", loopback.url, is_mainnet=False, clock=SystemClock()), signer_of(MASTER), _no_pause
    )
    with pytest.raises(RefusedError, match="refused"):
        mover.send(Decimal(1), TO)
    assert loopback.account(funded).cash == 1000
