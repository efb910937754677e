"""Any one request that is never answered: the position has its stop all the same, and the run ends."""

import threading

import pytest

from firstwatch.engine.core.order_manager import IN_FLIGHT
from firstwatch.trading.orders import OrderPurpose
from firstwatch.trading.runs import Protection, RunState
from tests.venues.hyperliquid.rig import SYMBOL, wait_for
from tests.venues.hyperliquid.test_runs import PATIENCE_S, TOML, make  # noqa: F401 - a fixture

UNPROTECTED_S = 5.0
UNDOUBTED_S = 2.0
"""A request that is not answered is doubted after this."""
LAG_S = 8.0
FIRST_OF_PROOF = 1 << 63
RESTING = TOML + '[order]\nkind = "limit"\noffset_bps = 200\ntimeout_bars = 1\n'
TRAILING = TOML.replace("fraction = 0.05", "fraction = 0.05\ntrailing = true")
AT_THE_LAUNCH = ("updateLeverage", "activeAssetData", "cancelByCloid")
ACTIONS = ("order", "stop", "batchModify", "noop")
READINGS = (
    "clearinghouseState",
    "orderStatus",
    "frontendOpenOrders",
    "userFillsByTime",
    "userFunding",
    "candleSnapshot",
    "exchangeStatus",
    "l2Book",
)


def own_orders(rig):
    """Return the run's orders without those that have proven the protection before the first of them."""
    return [order for order in rig.orders if int(order.client_order_id[16:], 16) < FIRST_OF_PROOF]


def is_stop(body):
    return "trigger" in body["action"]["orders"][0]["t"]


def before_an_entry(making, *later):
    """Return a run that decides an entry at the end of its next bar; ``later``: the closes after that."""
    rig = making([100.0, 100.0, 101.0, *later], toml=TOML)
    rig.end_bar()
    rig.end_bar()
    return rig


def entries_of(rig):
    return [order for order in own_orders(rig) if order.intent.purpose is OrderPurpose.ENTRY]


def ended(rig):
    """Stop the run, and return what the venue saw when that was flat."""
    rig.stop()
    wait_for(lambda: rig.run.state is RunState.STOPPED, PATIENCE_S)
    assert not rig.server.account(rig.account).positions
    return rig.server.audit()


def plan(server, what, kind):
    """Let the next request of that kind hang; an order is an entry or an exit, a stop is one that rests."""
    if kind == "noop":
        # What is never asked is not asked about.
        server.faults.plan("request_lost", "order", matches=is_stop)
    if kind == "stop":
        server.faults.plan(what, "order", matches=is_stop)
    elif kind == "order":
        server.faults.plan(what, "order", matches=lambda body: not is_stop(body))
    else:
        server.faults.plan(what, kind)


@pytest.mark.parametrize("what", ["hang", "hang_after"])
@pytest.mark.parametrize("kind", [*AT_THE_LAUNCH, *ACTIONS, *READINGS])
def test_a_position_has_its_stop_whatever_request_hangs(make, kind, what):  # noqa: F811
    is_first = kind in AT_THE_LAUNCH
    rig = make(
        [100.0, 100.0, 101.0, 103.0, 104.0],
        toml=TRAILING,
        before=lambda rig: plan(rig.server, what, kind) if is_first else None,
    )
    wait_for(lambda: rig.server.audit().requests.get("activeAssetData", 0) > (kind == "activeAssetData"))
    rig.end_bar()
    rig.end_bar()
    if not is_first:
        plan(rig.server, what, kind)
    if kind == "l2Book":
        # It is asked for where the stream says no prices.
        rig.server.faults.plan("message_lost", "l2Book", count=10_000)
        wait_for(lambda: rig.venue.latest_touch(SYMBOL) is None)
    if kind in READINGS:
        # Then everything is read.
        rig.server.faults.drop_streams()
    rig.end_bar()
    wait_for(lambda: rig.server.account(rig.account).positions, PATIENCE_S)
    wait_for(lambda: rig.run.facts.protection is Protection.PROTECTED, PATIENCE_S)
    rig.end_bar()
    audit = ended(rig)
    assert what in {fired for fired, _ in rig.server.faults.fired}
    assert max(audit.longest_unprotected_s.values()) <= UNPROTECTED_S
    assert max(audit.largest_positions.values()) <= max(entry.intent.amount for entry in entries_of(rig))
    assert audit.reused_cloids == []


@pytest.mark.parametrize("what", ["hang", "hang_after"])
@pytest.mark.parametrize("fills_meanwhile", [False, True])
def test_an_entry_that_rests_is_made_once_while_its_cancel_hangs(make, what, fills_meanwhile):  # noqa: F811
    rig = make([100.0, 100.0, 101.0, 101.0, 98.0, 98.0], toml=RESTING)
    for _ in range(3):
        rig.end_bar()
    wait_for(lambda: rig.server.account(rig.account).open_orders, PATIENCE_S)
    plan(rig.server, what, "cancelByCloid")
    rig.end_bar()
    wait_for(lambda: rig.server.faults.fired, PATIENCE_S)
    if fills_meanwhile:
        # The price comes to where the entry rests, if it still does.
        rig.end_bar()
    else:
        wait_for(lambda: rig.server.account(rig.account).positions, PATIENCE_S)
    if rig.server.account(rig.account).positions:
        wait_for(lambda: rig.run.facts.protection is Protection.PROTECTED, PATIENCE_S)
    audit = ended(rig)
    assert not rig.server.account(rig.account).open_orders
    assert max(audit.longest_unprotected_s.values(), default=0.0) <= UNPROTECTED_S
    first, *_ = entries_of(rig)
    assert audit.largest_positions.get((rig.account, "BTC"), 0) <= first.intent.amount
    assert audit.reused_cloids == []


def test_the_stop_goes_out_while_the_entry_is_not_answered(make):  # noqa: F811
    rig = before_an_entry(make, 101.0)
    plan(rig.server, "hang_after", "order")
    rig.end_bar()
    entry = wait_for(lambda: next(iter(rig.server.account(rig.account).fills), None), PATIENCE_S)
    wait_for(lambda: rig.server.account(rig.account).open_orders, PATIENCE_S)
    # What is stored of the entry by then comes from the stream alone.
    assert [order.filled for order in own_orders(rig) if order.client_order_id in entry.cloid] == [
        entry.amount
    ]
    assert max(rig.server.audit().longest_unprotected_s.values()) < UNDOUBTED_S


def test_a_position_is_closed_while_its_stop_is_not_answered(make):  # noqa: F811
    rig = before_an_entry(make, 101.0)
    plan(rig.server, "hang", "stop")
    rig.end_bar()
    wait_for(lambda: rig.server.faults.fired, PATIENCE_S)
    assert max(ended(rig).longest_unprotected_s.values()) <= UNPROTECTED_S


@pytest.mark.parametrize("time_hangs", [False, True])
@pytest.mark.parametrize("fault", ["reply_lost", "hang_after"])
def test_an_entry_that_a_node_behind_does_not_show_is_not_made_again(make, fault, time_hangs):  # noqa: F811
    rig = before_an_entry(make, 102.0, 103.0)
    rig.server.faults.lag(rig.account, LAG_S)
    for channel in ("userFills", "orderUpdates"):
        rig.server.faults.plan("message_lost", channel, count=9)
    plan(rig.server, fault, "order")
    rig.end_bar()
    wait_for(lambda: rig.server.account(rig.account).positions, PATIENCE_S)
    if time_hangs:
        # Since when the venue has not shown the order is asked by its time.
        rig.server.faults.plan("hang", "exchangeStatus")
    rig.end_bar()
    rig.end_bar()
    wait_for(lambda: rig.run.facts.protection is Protection.PROTECTED, PATIENCE_S)
    assert len(entries_of(rig)) == 1
    assert len(rig.server.account(rig.account).fills) == 1
    ended(rig)


def test_an_engine_that_ends_while_a_request_hangs_leaves_no_thread_and_knows_of_the_order(make):  # noqa: F811
    rig = before_an_entry(make, 101.0)
    plan(rig.server, "hang", "order")
    rig.end_bar()
    wait_for(lambda: rig.server.faults.fired, PATIENCE_S)
    rig.host.drain_and_stop()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("request of")] == []
    (entry,) = own_orders(rig)
    assert entry.state in IN_FLIGHT
    assert entry.nonce is not None
