"""The loopback venue as the real ccxt client sees it."""

import asyncio
import contextlib
import json
import time
from decimal import Decimal

import aiohttp
import ccxt
import pytest

from tests.loopback import Rules
from tests.loopback.conftest import (
    AGENT,
    AGENT_KEY,
    FLAT,
    MASTER,
    MASTER_KEY,
    MINUTE_MS,
    START_MS,
    SYMBOL,
    cloid,
    heard_by,
)

BUILDER = "0x" + "b0" * 20


async def ask(venue, kind, **more):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{venue.url}/info", json={"type": kind, **more}) as answer,
    ):
        return json.loads(await answer.text())


async def buy(client, number=1, amount=1, **params):
    return await client.create_order(
        SYMBOL, "market", "buy", amount, 100, {"clientOrderId": cloid(number), **params}
    )


async def sell_stop(client, number, trigger, amount=1):
    params = {"clientOrderId": cloid(number), "stopLossPrice": trigger, "reduceOnly": True}
    return await client.create_order(SYMBOL, "market", "sell", amount, trigger, params)


async def noop(client, nonce):
    action = {"type": "noop"}
    request = {"action": action, "nonce": nonce, "signature": client.sign_l1_action(action, nonce)}
    return await client.privatePostExchange(request)


def prepared(client, number, amount=1, price=100):
    order = {
        "symbol": SYMBOL,
        "type": "market",
        "side": "buy",
        "amount": amount,
        "price": price,
        "params": {"clientOrderId": cloid(number)},
    }
    return client.create_orders_request([order])


# --- reading ---------------------------------------------------------------------------------------


async def test_markets_and_candles_are_what_ccxt_reads(client, venue):
    assert set(client.markets) == {"ETH/USDC:USDC", SYMBOL, "GONE/USDC:USDC"}
    market = client.market(SYMBOL)
    assert (market["id"], market["limits"]["leverage"]["max"], market["precision"]["amount"]) == (
        "1",
        40,
        1e-5,
    )
    assert client.market("GONE/USDC:USDC")["active"] is False
    rows = await client.fetch_ohlcv(SYMBOL, "1m", START_MS, params={"until": venue.now_ms()})
    assert [tuple(row) for row in rows[:-1]] == [tuple(bar) for bar in FLAT[:10]]
    assert rows[-1] == [venue.now_ms(), 100, 100, 100, 100, 0]
    assert await client.fetch_time() == venue.now_ms() == START_MS + 10 * MINUTE_MS
    book = await client.fetch_order_book(SYMBOL)
    assert (book["bids"][0][0], book["asks"][0][0], book["timestamp"]) == (100, 100, venue.now_ms())
    assert (await client.fetch_trading_fee(SYMBOL))["taker"] == 0.00045


async def test_an_unknown_address_has_empty_books_and_no_role(client, venue):
    assert (await client.fetch_balance({"user": AGENT}))["USDC"]["total"] == 0
    assert await ask(venue, "userRole", user=AGENT) == {"role": "missing"}
    venue.approve_agent(MASTER, AGENT, name="watch")
    assert await ask(venue, "userRole", user=AGENT) == {"role": "agent", "data": {"user": MASTER}}
    assert await ask(venue, "userRole", user=MASTER) == {"role": "user"}
    (agent,) = await ask(venue, "extraAgents", user=MASTER)
    assert (agent["name"], agent["address"]) == ("watch", AGENT)


async def test_what_nobody_understands_is_422(venue):
    async with aiohttp.ClientSession() as session:
        for path, body in (("info", {"type": "magic"}), ("info", []), ("exchange", {"action": {}})):
            async with session.post(f"{venue.url}/{path}", json=body) as answer:
                assert answer.status == 422
        async with session.post(f"{venue.url}/info", data="{") as answer:
            assert answer.status == 422


# --- orders ----------------------------------------------------------------------------------------


async def test_a_market_order_fills_and_is_found_by_its_client_id(client, venue):
    await client.set_leverage(5, SYMBOL, {"marginMode": "isolated"})
    answer = await buy(client)
    assert (answer["average"], answer["filled"]) == (100, 1)
    order = await client.fetch_order(cloid(1), SYMBOL)
    assert (order["status"], order["filled"], order["side"]) == ("closed", 1, "buy")
    (position,) = await client.fetch_positions([SYMBOL])
    assert (position["side"], position["contracts"], position["leverage"], position["marginMode"]) == (
        "long",
        1,
        5,
        "isolated",
    )
    assert position["liquidationPrice"] == pytest.approx(80 / 0.9875)
    (fill,) = await client.fetch_my_trades(SYMBOL)
    assert (fill["price"], fill["info"]["cloid"], fill["info"]["fee"]) == (100, cloid(1), "0.045")
    balance = await client.fetch_balance()
    assert balance["USDC"]["used"] == 20
    assert venue.audit().largest_positions == {(MASTER, "BTC"): 1}


async def test_a_limit_rests_is_modified_and_cancelled_by_client_id(client, venue):
    order = await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": cloid(1)})
    (opened,) = await client.fetch_open_orders(SYMBOL)
    assert (opened["id"], opened["price"], opened["clientOrderId"]) == (order["id"], 90, cloid(1))
    edited = await client.edit_order(order["id"], SYMBOL, "limit", "buy", 1, 91, {"clientOrderId": cloid(2)})
    assert edited["id"] != order["id"]
    assert (await client.fetch_order(cloid(1), SYMBOL))["status"] == "canceled"
    await client.cancel_order("", SYMBOL, {"clientOrderId": cloid(2)})
    assert await client.fetch_open_orders(SYMBOL) == []
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order("", SYMBOL, {"clientOrderId": cloid(2)})
    with pytest.raises(ccxt.OrderNotFound):
        await client.fetch_order(cloid(9), SYMBOL)
    assert venue.audit().reused_cloids == []


async def test_a_stop_is_moved_and_executes(make_venue, make_client):
    dips = [*FLAT[:10], FLAT[10]._replace(low=94.0)]
    venue = make_venue(dips)
    client = make_client(venue)
    await client.load_markets()
    await buy(client)
    first = await sell_stop(client, 2, 90)
    params = {"clientOrderId": cloid(3), "stopLossPrice": 95, "reduceOnly": True}
    await client.edit_order(first["id"], SYMBOL, "market", "sell", 1, 95, params)
    (stop,) = await client.fetch_open_orders(SYMBOL)
    assert (stop["triggerPrice"], stop["reduceOnly"], stop["clientOrderId"]) == (95, True, cloid(3))
    await asyncio.to_thread(venue.step_to, START_MS + 11 * MINUTE_MS - 1)
    assert (await client.fetch_order(cloid(3), SYMBOL))["status"] == "closed"
    assert (await client.fetch_my_trades(SYMBOL))[-1]["price"] == 95
    assert await client.fetch_positions([SYMBOL]) == []


async def test_attached_protection_follows_the_fill(client, venue):
    params = {
        "clientOrderId": cloid(1),
        "stopLoss": {"triggerPrice": 95, "type": "market", "price": 95},
        "takeProfit": {"triggerPrice": 105, "type": "market", "price": 105},
    }
    await client.create_orders(
        [{"symbol": SYMBOL, "type": "market", "side": "buy", "amount": 1, "price": 100, "params": params}]
    )
    opened = await client.fetch_open_orders(SYMBOL)
    assert {order["triggerPrice"] for order in opened} == {95, 105}


REFUSED = {
    "tick": (ccxt.InvalidOrder, "tick size", {"p": "100.001"}),
    "minimum": (ccxt.InvalidOrder, "minimum value", {"s": "0.01"}),
    "margin": (ccxt.InsufficientFunds, "Insufficient margin", {"s": "100000"}),
    "reduce only": (ccxt.InvalidOrder, "Reduce only", {"r": True}),
    "far": (ccxt.InvalidOrder, "80% away", {"p": "500"}),
    "no match": (ccxt.InvalidOrder, "immediately match", {"p": "90"}),
    "halted": (ccxt.ExchangeError, "halted", {"a": 2}),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_is_the_class_that_ccxt_makes_of_it(client, name):
    error, words, change = REFUSED[name]
    order = {"a": 1, "b": True, "p": "100", "s": "1", "r": False, "t": {"limit": {"tif": "Ioc"}}}
    action = {"type": "order", "orders": [order | change | {"c": cloid(1)}], "grouping": "na"}
    nonce = client.milliseconds()
    request = {"action": action, "nonce": nonce, "signature": client.sign_l1_action(action, nonce)}
    with pytest.raises(error, match=words):
        await client.privatePostExchange(request)
    assert (await client.fetch_order(cloid(1), SYMBOL))["status"] == "rejected"


async def test_leverage_cannot_change_its_kind_under_a_position(client):
    await client.set_leverage(5, SYMBOL, {"marginMode": "isolated"})
    await buy(client)
    with pytest.raises(ccxt.ExchangeError, match="switch leverage type"):
        await client.set_leverage(5, SYMBOL, {"marginMode": "cross"})
    with pytest.raises(ccxt.ExchangeError, match="leverage value"):
        await client.set_leverage(41, SYMBOL, {"marginMode": "isolated"})
    with pytest.raises(ccxt.ExchangeError, match="deserialize"):
        await client.set_leverage(5.0, SYMBOL, {"marginMode": "isolated"})


# --- who may what ----------------------------------------------------------------------------------


async def test_an_agent_trades_for_its_master_and_cannot_move_money(venue, make_client):
    agent = make_client(venue, AGENT_KEY)
    await agent.load_markets()
    with pytest.raises(ccxt.InvalidOrder, match=f"API Wallet {AGENT} does not exist"):
        await buy(agent)
    venue.approve_agent(MASTER, AGENT)
    await buy(agent)
    assert venue.account(MASTER).positions == {"BTC": 1}
    with pytest.raises(ccxt.ExchangeError, match=f"Must deposit before performing actions. User: {AGENT}"):
        await agent.withdraw("USDC", 10, MASTER)
    assert venue.audit().unknown_signers == {AGENT: 2}


async def test_an_expired_agent_and_one_of_another_master_trade_nothing(venue, make_client):
    other = "0x" + "0c" * 20
    venue.fund(other, 100)
    venue.approve_agent(other, AGENT, valid_s=-1)
    agent = make_client(venue, AGENT_KEY)
    await agent.load_markets()
    with pytest.raises(ccxt.InvalidOrder, match="does not exist"):
        await buy(agent)
    venue.approve_agent(other, AGENT)
    await buy(agent, amount=0.2)
    assert venue.account(MASTER).positions == {}, "the agent's master trades, whoever the client meant"


async def test_the_wrong_network_is_another_signer(make_venue, make_client):
    venue = make_venue(network="testnet")
    await buy(await loaded(make_client(venue)))
    wrong = await loaded(make_client(venue))
    wrong.options["sandboxMode"] = False
    with pytest.raises(ccxt.InvalidOrder, match="does not exist"):
        await buy(wrong, 2)
    with pytest.raises(ccxt.ExchangeError, match="Invalid chain"):
        await wrong.withdraw("USDC", 10, MASTER)


async def loaded(client):
    await client.load_markets()
    return client


async def test_money_moves_with_the_masters_key(client, venue):
    other = "0x" + "0d" * 20
    await client.withdraw("USDC", 100, other)
    assert venue.account(MASTER).equity == 9_900
    await client.transfer("USDC", 50, "swap", "spot")
    assert (venue.account(MASTER).equity, venue.account(MASTER).spot) == (9_850, 50)
    await client.transfer("USDC", 20, "spot", "swap")
    nonce = client.milliseconds()
    message = {"hyperliquidChain": "Mainnet", "destination": other, "amount": "10", "time": nonce}
    signature = client.build_usd_send_sig(message)
    action = {"type": "usdSend", "signatureChainId": "0x66eee", **message}
    await client.privatePostExchange({"action": action, "nonce": nonce, "signature": signature})
    assert (venue.account(other).equity, venue.account(MASTER).equity) == (10, 9_859)
    with pytest.raises(ccxt.InsufficientFunds):
        await client.withdraw("USDC", 100_000, other)


async def test_an_agent_is_approved_by_signature_and_replaced_by_name(client, venue):
    async def approve(agent, name):
        nonce = client.incrementing_nonce()
        message = {
            "hyperliquidChain": "Mainnet",
            "agentAddress": agent,
            "agentName": name,
            "nonce": nonce,
        }
        types = [
            {"name": "hyperliquidChain", "type": "string"},
            {"name": "agentAddress", "type": "address"},
            {"name": "agentName", "type": "string"},
            {"name": "nonce", "type": "uint64"},
        ]
        signature = client.sign_user_signed_action({"HyperliquidTransaction:ApproveAgent": types}, message)
        action = {"type": "approveAgent", "signatureChainId": "0x66eee", **message}
        if not name:
            del action["agentName"]
        return await client.privatePostExchange({"action": action, "nonce": nonce, "signature": signature})

    await approve(AGENT, "")
    await approve("0x" + "0e" * 20, "first")
    until_ms = client.milliseconds() + 30 * 86_400_000
    await approve("0x" + "0f" * 20, f"first valid_until {until_ms}")
    known = {agent.name: agent for agent in venue.account(MASTER).agents}
    assert (known[""].address, known["first"].address) == (AGENT, "0x" + "0f" * 20)
    assert known["first"].valid_until_ms == until_ms
    with pytest.raises(ccxt.ExchangeError, match="180 days"):
        await approve("0x" + "1f" * 20, f"long valid_until {until_ms * 2}")


async def test_a_builder_must_be_approved_and_is_paid_on_top(client, venue):
    client.options.update(approvedBuilderFee=True, builder=BUILDER, feeInt=50)
    with pytest.raises(ccxt.ExchangeError, match="Builder fee has not been approved"):
        await buy(client)
    await client.approve_builder_fee(BUILDER, "0.05%")
    assert await ask(venue, "maxBuilderFee", user=MASTER, builder=BUILDER) == 50
    await buy(client, 2)
    (fill,) = venue.account(MASTER).fills
    assert (fill.fee, fill.builder_fee) == (Decimal("0.095"), Decimal("0.05"))
    audit = venue.audit()
    assert audit.builders == {BUILDER: 2}
    assert audit.implicit_actions == [("approveBuilderFee", MASTER)]


async def test_what_ccxt_does_unasked_is_seen(venue, make_client):
    plain = make_client(venue, plain=True)
    await plain.load_markets()
    await buy(plain)
    audit = venue.audit()
    assert {kind for kind, _ in audit.implicit_actions} == {"approveBuilderFee", "setReferrer"}
    assert list(audit.builders) == ["0x6530512a6c89c7cfcebc3ba7fcd9ada5f30827a6"]


async def test_a_sub_account_is_traded_by_its_master(client, venue):
    sub_account = venue.sub_account(MASTER, "sub", 1_000)
    await buy(client, vaultAddress=sub_account)
    assert venue.account(sub_account).positions == {"BTC": 1}
    assert venue.account(MASTER).positions == {}
    with pytest.raises(ccxt.ExchangeError, match="not registered"):
        await buy(client, 2, vaultAddress="0x" + "77" * 20)


# --- nonces ----------------------------------------------------------------------------------------


async def test_a_nonce_is_good_for_one_action(client, venue):
    request = prepared(client, 1)
    await client.privatePostExchange(request)
    with pytest.raises(ccxt.ExchangeError, match="duplicate nonce"):
        await client.privatePostExchange(request)
    with pytest.raises(ccxt.ExchangeError, match="Invalid nonce"):
        await noop(client, client.milliseconds() - 3 * 86_400_000)
    assert len(venue.account(MASTER).fills) == 1
    assert venue.audit().duplicate_nonces == 2


async def test_a_burnt_nonce_stops_the_request_that_comes_late(client, venue):
    venue.faults.plan("slow", "order", seconds=0.3)
    request = prepared(client, 1)
    late = asyncio.create_task(client.privatePostExchange(request))
    while not venue.faults.fired:  # noqa: ASYNC110 (another thread says it)
        await asyncio.sleep(0.005)
    assert (await noop(client, request["nonce"]))["status"] == "ok"
    with pytest.raises(ccxt.ExchangeError, match="duplicate nonce"):
        await late
    assert venue.account(MASTER).orders == []
    assert await ask(venue, "orderStatus", user=MASTER, oid=cloid(1)) == {"status": "unknownOid"}


# --- faults ----------------------------------------------------------------------------------------


LOST = {
    "reply_lost": ({}, ccxt.NetworkError, True),
    "request_lost": ({}, ccxt.NetworkError, False),
    "http": ({"status": 502}, ccxt.ExchangeNotAvailable, False),
    "http_after": ({"status": 500}, ccxt.ExchangeNotAvailable, True),
    "slow_reply": ({"seconds": 1.0}, ccxt.RequestTimeout, True),
}


@pytest.mark.parametrize("kind", LOST)
async def test_a_fault_meets_one_request(venue, make_client, kind):
    how, error, arrived = LOST[kind]
    client = await loaded(make_client(venue, timeout=500))
    venue.faults.plan(kind, "order", **how)
    with pytest.raises(error):
        await buy(client)
    answer = await ask(venue, "orderStatus", user=MASTER, oid=cloid(1))
    assert answer["status"] == ("order" if arrived else "unknownOid")
    assert venue.account(MASTER).positions == ({"BTC": 1} if arrived else {})
    await buy(client, 2)
    assert venue.faults.fired == [(kind, "order")]


@pytest.mark.parametrize("kind", ["html", "empty"])
async def test_an_answer_that_says_nothing_hides_an_order(client, venue, kind):
    venue.faults.plan(kind, "order")
    # What ccxt makes of it is its own business; the order is there.
    with contextlib.suppress(ccxt.BaseError, AttributeError, TypeError):
        await buy(client)
    assert venue.account(MASTER).positions == {"BTC": 1}


async def test_a_planned_refusal_executes_nothing_and_uses_the_nonce(client, venue):
    venue.faults.plan("refused", "order", body="Too many cumulative requests sent")
    request = prepared(client, 1)
    with pytest.raises(ccxt.RateLimitExceeded):
        await client.privatePostExchange(request)
    with pytest.raises(ccxt.ExchangeError, match="duplicate nonce"):
        await noop(client, request["nonce"])
    assert venue.account(MASTER).orders == []


async def test_an_odd_answer_is_odd_in_one_place(venue):
    sound = await ask(venue, "clearinghouseState", user=MASTER)
    seen = set()
    for seed in range(20):
        venue.faults.plan("odd", "clearinghouseState", seed=seed)
        seen.add(json.dumps(await ask(venue, "clearinghouseState", user=MASTER)))
    assert json.dumps(sound) not in seen
    assert len(seen) > 10
    assert any("NaN" in one for one in seen)
    assert any(f'"time": {sound["time"]}000' in one for one in seen)
    assert await ask(venue, "clearinghouseState", user=MASTER) == sound


async def test_faults_choose_by_kind_count_and_body(client, venue):
    venue.faults.plan("http", "allMids", status=429, count=2, skip=1)
    venue.faults.plan("request_lost", "order", matches=lambda body: body["action"]["orders"][0]["r"])
    assert (await client.publicPostInfo({"type": "allMids"}))["BTC"] == "100"
    for _ in range(2):
        with pytest.raises(ccxt.RateLimitExceeded):
            await client.publicPostInfo({"type": "allMids"})
    await client.publicPostInfo({"type": "allMids"})
    await buy(client)
    with pytest.raises(ccxt.NetworkError):
        await sell_stop(client, 2, 95)
    assert venue.faults.pending == 0


async def test_a_venue_that_is_down_answers_nobody(client, venue):
    watching = asyncio.create_task(client.watch_my_trades(SYMBOL))
    await heard_by(venue, "userFills")
    await asyncio.to_thread(venue.faults.go_down)
    with pytest.raises(ccxt.NetworkError):
        await watching
    with pytest.raises(ccxt.NetworkError):
        await client.fetch_balance()
    venue.faults.come_up()
    assert (await client.fetch_balance())["USDC"]["total"] == 10_000


async def test_the_weight_of_a_minute_is_limited(make_venue, make_client):
    venue = make_venue(weight_limit=100)
    client = await loaded(make_client(venue))
    for _ in range(3):
        await client.fetch_open_orders(SYMBOL)
    with pytest.raises(ccxt.RateLimitExceeded):
        await client.fetch_open_orders(SYMBOL)
    audit = venue.audit()
    assert (audit.rate_limited, audit.peak_weight) == (1, 100)
    assert audit.requests["frontendOpenOrders"] == 4, (
        "20 each, after 20 for the currencies and 20 for markets"
    )


async def test_an_address_has_a_budget_of_actions(make_venue, make_client):
    venue = make_venue(address_limit=2)
    client = await loaded(make_client(venue))
    for number in range(2):
        await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": cloid(number)})
    with pytest.raises(ccxt.RateLimitExceeded, match="cumulative"):
        await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": cloid(3)})
    await client.cancel_order("", SYMBOL, {"clientOrderId": cloid(1)})
    assert (await ask(venue, "userRateLimit", user=MASTER))["nRequestsUsed"] == 4


# --- by hand ---------------------------------------------------------------------------------------


async def test_hands_change_what_the_program_did_not(client, venue):
    await buy(client)
    await sell_stop(client, 2, 90)
    hand = venue.by_hand(MASTER)
    hand.close("BTC")
    fill = venue.account(MASTER).fills[-1]
    assert (fill.direction, fill.cloid, fill.liquidation) == ("Close Long", None, None)
    assert venue.account(MASTER).open_orders == []
    hand.limit("BTC", "buy", "1", "80")
    assert (await client.fetch_open_orders(SYMBOL))[0]["clientOrderId"] is None
    assert hand.cancel_all("BTC") == 1
    await buy(client, 3)
    hand.liquidate("BTC")
    (liquidation,) = await client.fetch_my_liquidations(SYMBOL)
    assert liquidation["contracts"] == 1
    assert venue.audit().orders_without_cloid == 0
    assert venue.audit().largest_positions == {(MASTER, "BTC"): 1}


async def test_a_partial_fill_is_closed_with_less(client, venue):
    venue.faults.partial("0.4")
    answer = await buy(client)
    assert answer["filled"] == 0.4
    order = await client.fetch_order(cloid(1), SYMBOL)
    assert (order["status"], order["amount"], order["filled"]) == ("closed", 1, 0.4)


async def test_the_audit_counts_what_must_not_be(client, venue):
    await buy(client)
    for _ in range(2):
        await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": cloid(7)})
    await client.create_order(SYMBOL, "limit", "buy", 1, 90)
    await asyncio.sleep(0.15)
    begun_s = time.monotonic()
    audit = venue.audit()
    assert audit.reused_cloids == [(MASTER, cloid(7))]
    assert audit.orders_without_cloid == 1
    bare_s = audit.longest_unprotected_s[MASTER, "BTC"]
    assert bare_s > 0.1
    with venue.alone():
        left_alone_s = time.monotonic()
        await asyncio.sleep(bare_s + 0.1)
        left_alone_s = time.monotonic() - left_alone_s
    counted_s = venue.audit().longest_unprotected_s[MASTER, "BTC"] - bare_s
    # The venue counts at its own steps, so the first count may be a step behind.
    assert counted_s <= time.monotonic() - begun_s - left_alone_s + 0.1
    await sell_stop(client, 8, 90)
    protected = venue.audit().longest_unprotected_s[MASTER, "BTC"]
    await asyncio.sleep(0.15)
    assert venue.audit().longest_unprotected_s[MASTER, "BTC"] == protected


async def test_fills_may_come_without_client_ids(make_venue, make_client):
    venue = make_venue(rules=Rules(fills_carry_cloid=False))
    client = await loaded(make_client(venue))
    order = await buy(client)
    (fill,) = await client.fetch_my_trades(SYMBOL)
    assert "cloid" not in fill["info"]
    assert fill["order"] == order["id"]


async def test_another_process_controls_it_by_http(venue):
    async with aiohttp.ClientSession() as session:

        async def control(**told):
            async with session.post(f"{venue.url}/control", json=told) as answer:
                return json.loads(await answer.text())

        await control(do="fund", account=AGENT, usdc=5)
        assert (await control(do="account", account=AGENT))["equity"] == "5"
        await control(do="by_hand.market", account=MASTER, coin="BTC", side="buy", amount="1")
        await control(do="faults.plan", kind="http", on="meta", status=500)
        assert (await control(do="audit"))["largest_positions"] == {f"{MASTER}/BTC": "1"}
        await control(do="step_to", time_ms=START_MS + 12 * MINUTE_MS)
        assert await control(do="now_ms") == START_MS + 12 * MINUTE_MS
        assert "error" in await control(do="nonsense")
    assert venue.faults.pending == 1


async def test_the_dead_mans_switch_wants_volume(client):
    with pytest.raises(ccxt.ExchangeError, match="enough volume"):
        await client.cancel_all_orders_after(10_000)


def test_a_stopped_venue_frees_its_port(make_venue):
    first = make_venue()
    port = int(first.url.rsplit(":", 1)[1])
    first.stop()
    first.stop()
    assert make_venue(port=port).url.endswith(str(port))


async def test_a_key_never_seen_is_nobody(venue, make_client):
    stranger = await loaded(make_client(venue, "0x" + "33" * 32))
    with pytest.raises(ccxt.ExchangeError):
        await buy(stranger)
    assert MASTER_KEY not in str(venue.audit())
