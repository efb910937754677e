"""What the loopback venue tells on streams, and the clocks by which it tells it."""

import asyncio
import json
import time

import aiohttp
import ccxt
import pytest

from firstwatch.trading.bar import Bar
from tests.loopback.conftest import FLAT, MASTER, MINUTE_MS, START_MS, SYMBOL, cloid, heard_by

WALK = [Bar(START_MS + n * MINUTE_MS, 100.0 + n, 103.0 + n, 99.0 + n, 102.0 + n, 10.0) for n in range(60)]


async def buy(client, number=1):
    return await client.create_order(SYMBOL, "market", "buy", 1, 130, {"clientOrderId": cloid(number)})


async def step(venue, bar, share=0.0):
    await asyncio.to_thread(venue.step_to, START_MS + int((bar + share) * MINUTE_MS))


class Socket:
    """A bare stream, without ccxt in between."""

    def __init__(self, socket):
        self._socket = socket

    async def say(self, **message):
        await self._socket.send_json(message)

    async def subscribe(self, kind, **more):
        await self.say(method="subscribe", subscription={"type": kind, **more})
        return await self.hear()

    async def hear(self, channel=None):
        async with asyncio.timeout(5):
            while True:
                message = await self._socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise ConnectionError(str(message.type))
                told = json.loads(message.data)
                if channel in {None, told["channel"]}:
                    return told


@pytest.fixture
async def connect():
    """A function that opens bare streams."""
    session, sockets = aiohttp.ClientSession(), []

    async def connect(venue):
        sockets.append(await session.ws_connect(venue.ws_url))
        return Socket(sockets[-1])

    yield connect
    for socket in sockets:
        await socket.close()
    await session.close()


async def test_every_bar_is_told_whole_before_the_next_one_begins(make_venue, connect):
    venue = make_venue(WALK)
    socket = await connect(venue)
    answer = await socket.subscribe("candle", coin="BTC", interval="1m")
    assert answer == {
        "channel": "subscriptionResponse",
        "data": {
            "method": "subscribe",
            "subscription": {"type": "candle", "coin": "BTC", "interval": "1m"},
        },
    }
    await step(venue, 14)
    rows = []
    while not rows or rows[-1]["t"] < START_MS + 14 * MINUTE_MS:
        rows.append((await socket.hear("candle"))["data"])
    finals = {row["t"]: row for row in rows}
    for bar in WALK[10:14]:
        row = finals[bar.time_ms]
        assert (float(row["o"]), float(row["h"]), float(row["l"]), float(row["c"]), float(row["v"])) == bar[
            1:
        ]
    assert [row["t"] for row in rows] == sorted(row["t"] for row in rows)


async def test_a_larger_candle_closes_with_its_last_small_one(make_venue, connect):
    venue = make_venue(WALK)
    socket = await connect(venue)
    await socket.subscribe("candle", coin="BTC", interval="5m")
    await step(venue, 15, 0.1)
    rows = {}
    while START_MS + 15 * MINUTE_MS not in rows:
        row = (await socket.hear("candle"))["data"]
        rows[row["t"]] = row
    closed = rows[START_MS + 10 * MINUTE_MS]
    assert [closed[key] for key in "ohlcv"] == ["110.0", "117.0", "109.0", "116.0", "50.0"]


async def test_ccxt_hears_fills_orders_candles_and_states(make_venue, make_client):
    venue = make_venue(WALK)
    client = make_client(venue)
    await client.load_markets()
    assert (await client.watch_balance())["USDC"]["total"] == 10_000
    assert (await client.watch_ohlcv(SYMBOL, "1m"))[-1][0] == START_MS + 10 * MINUTE_MS
    assert (await client.watch_order_book(SYMBOL))["bids"][0][0] == 110
    filling = asyncio.create_task(client.watch_my_trades(SYMBOL))
    moving = asyncio.create_task(client.watch_orders(SYMBOL))
    await heard_by(venue, "userFills")
    await heard_by(venue, "orderUpdates")
    answer = await buy(client)
    fills = [(trade["order"], trade["price"], trade["amount"]) for trade in await filling]
    assert fills == [(answer["id"], 110, 1)]
    (order,) = await moving
    assert (order["clientOrderId"], order["status"]) == (cloid(1), "closed")
    (position,) = await client.watch_positions()
    assert (position["side"], position["contracts"]) == ("long", 1)
    stop = asyncio.create_task(client.watch_my_trades(SYMBOL))
    params = {"clientOrderId": cloid(2), "stopLossPrice": 109.5, "reduceOnly": True}
    await client.create_order(SYMBOL, "market", "sell", 1, 109.5, params)
    await step(venue, 10, 0.7)
    assert (await stop)[-1]["price"] == 109.5


async def test_user_fills_begin_with_those_there_were(client, venue, connect):
    await buy(client)
    socket = await connect(venue)
    await socket.subscribe("userFills", user=MASTER)
    snapshot = (await socket.hear("userFills"))["data"]
    assert snapshot["isSnapshot"] is True
    assert [fill["cloid"] for fill in snapshot["fills"]] == [cloid(1)]
    await buy(client, 2)
    update = (await socket.hear("userFills"))["data"]
    assert "isSnapshot" not in update
    assert update["user"] == MASTER


async def test_order_updates_begin_with_nothing(client, venue, connect):
    await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": cloid(1)})
    socket = await connect(venue)
    await socket.subscribe("orderUpdates", user=MASTER)
    await client.cancel_order("", SYMBOL, {"clientOrderId": cloid(1)})
    (update,) = (await socket.hear("orderUpdates"))["data"]
    assert (update["status"], update["order"]["cloid"]) == ("canceled", cloid(1))


async def test_funding_is_told(make_venue, client, connect):
    hourly = [Bar(START_MS + n * 3_600_000, 100.0, 100.0, 100.0, 100.0, 1.0) for n in range(12)]
    from firstwatch.trading.timeframe import Timeframe

    venue = make_venue(hourly, coin={"timeframe": Timeframe.H1, "funding_rate": 0.001})
    hand = venue.by_hand(MASTER)
    hand.market("BTC", "buy", "2")
    socket = await connect(venue)
    await socket.subscribe("userFundings", user=MASTER)
    assert (await socket.hear("userFundings"))["data"]["isSnapshot"]
    await asyncio.to_thread(venue.step_to, venue.now_ms() + 3_600_000)
    (payment,) = (await socket.hear("userFundings"))["data"]["fundings"]
    assert (payment["usdc"], payment["szi"], payment["fundingRate"]) == ("-0.2", "2", "0.001")


async def test_the_eleventh_user_is_refused_on_mainnet_only(make_venue, connect):
    for network, last in (("mainnet", "error"), ("testnet", "subscriptionResponse")):
        venue = make_venue(network=network)
        socket = await connect(venue)
        for number in range(10):
            answer = await socket.subscribe("orderUpdates", user=f"0x{number:040x}")
            assert answer["channel"] == "subscriptionResponse"
        eleventh = await socket.subscribe("orderUpdates", user=f"0x{99:040x}")
        assert eleventh["channel"] == last


async def test_pings_posts_and_nonsense_are_answered(venue, connect):
    socket = await connect(venue)
    await socket.say(method="ping")
    assert await socket.hear() == {"channel": "pong"}
    await socket.say(method="post", id=7, request={"type": "info", "payload": {"type": "allMids"}})
    posted = (await socket.hear())["data"]
    assert (posted["id"], posted["response"]["payload"]["data"]["BTC"]) == (7, "100")
    await socket.say(method="sing")
    assert (await socket.hear())["channel"] == "error"
    await socket.subscribe("allMids")
    again = await socket.subscribe("allMids")
    while again["channel"] == "allMids":
        again = await socket.hear()
    assert "Already subscribed" in again["data"]


async def test_a_quiet_market_still_speaks(venue, connect):
    socket = await connect(venue)
    await socket.subscribe("bbo", coin="BTC")
    first = await socket.hear("bbo")
    assert await socket.hear("bbo") == first


async def test_dropped_streams_connect_again_and_miss_what_was_between(client, venue):
    watching = asyncio.create_task(client.watch_orders(SYMBOL))
    await heard_by(venue, "orderUpdates")
    await asyncio.to_thread(venue.faults.drop_streams)
    with pytest.raises(ccxt.NetworkError):
        await watching
    await client.create_order(SYMBOL, "limit", "buy", 1, 90, {"clientOrderId": cloid(1)})
    watching = asyncio.create_task(client.watch_orders(SYMBOL))
    await heard_by(venue, "orderUpdates")
    await client.create_order(SYMBOL, "limit", "buy", 1, 91, {"clientOrderId": cloid(2)})
    assert [order["clientOrderId"] for order in await watching] == [cloid(2)]


async def test_a_stale_stream_answers_pings_and_a_new_one_is_fresh(venue, connect):
    old = await connect(venue)
    await old.subscribe("bbo", coin="BTC")
    venue.faults.stall_streams()
    venue.settle()
    await old.say(method="ping")
    while (told := await old.hear())["channel"] != "pong":
        assert told["channel"] == "bbo"
    new = await connect(venue)
    assert (await new.subscribe("bbo", coin="BTC"))["channel"] == "subscriptionResponse"
    assert await new.hear("bbo")
    venue.by_hand(MASTER).market("BTC", "buy", "1")
    await old.say(method="ping")
    assert await old.hear() == {"channel": "pong"}


@pytest.mark.parametrize(("kind", "heard"), [("message_twice", [1, 1, 2]), ("message_lost", [2])])
async def test_messages_are_lost_or_come_twice(client, venue, connect, kind, heard):
    socket = await connect(venue)
    await socket.subscribe("userFills", user=MASTER)
    await socket.hear("userFills")
    venue.faults.plan(kind, "userFills")
    for number in (1, 2):
        await buy(client, number)
    told = []
    while cloid(2) not in told:
        told += [fill["cloid"] for fill in (await socket.hear("userFills"))["data"]["fills"]]
    assert told == [cloid(number) for number in heard]


async def test_a_broken_message_is_no_json(client, venue, connect):
    socket = await connect(venue)
    await socket.subscribe("userFills", user=MASTER)
    await socket.hear("userFills")
    venue.faults.plan("message_broken", "userFills")
    await buy(client)
    with pytest.raises(json.JSONDecodeError):
        await socket.hear("userFills")


async def test_an_odd_message_is_odd_in_one_place(client, venue, connect):
    socket = await connect(venue)
    await socket.subscribe("userFills", user=MASTER)
    await socket.hear("userFills")
    seeds = range(10)
    for seed in seeds:
        venue.faults.plan("message_odd", "userFills", seed=seed)
    for number in (*seeds, len(seeds)):
        await buy(client, number + 1)
    *odd, sound = [_shape((await socket.hear("userFills"))["data"]) for _ in range(len(seeds) + 1)]
    assert sound not in odd


def _shape(told):
    """Return the places of a message of one fill with their types, and in which unit its time is."""
    fills = told["fills"] if isinstance(told.get("fills"), list) else []
    (fill,) = fills or [{}]
    types = {key: type(value) for key, value in fill.items()} if isinstance(fill, dict) else fill
    is_late = isinstance(types, dict) and types.get("time") is int and fill["time"] > 10**15
    return type(told.get("user")), types, is_late


def test_a_scaled_clock_runs_on_the_candles_own_dates(make_venue):
    venue = make_venue(WALK, clock=600.0)
    begun_s = time.monotonic()
    begun_ms = venue.now_ms()
    reading_s = time.monotonic() - begun_s
    assert begun_ms >= START_MS + 10 * MINUTE_MS
    while venue.now_ms() < begun_ms + 3 * MINUTE_MS:
        venue.settle()
    before_s = time.monotonic() - begun_s
    market_s = (venue.now_ms() - begun_ms) / 1000
    # A busy machine takes its time over a reading of the clock: the true moment lies in between.
    assert 600 * (before_s - reading_s) - 1 <= market_s <= 600 * (time.monotonic() - begun_s) + 1
    assert float(venue.mark("BTC")) >= 112


def test_a_wall_clock_dates_the_candles_to_now(make_venue):
    made_ms = time.time() * 1000
    venue = make_venue(FLAT, clock="wall")
    before_ms = time.time() * 1000
    assert before_ms - 1 <= venue.now_ms() <= time.time() * 1000 + 1
    bar_ms = venue.call(lambda: venue._exchange.tapes["BTC"].bars[10].time_ms)
    assert bar_ms % MINUTE_MS == 0
    assert made_ms - 2 * MINUTE_MS < bar_ms <= before_ms


def test_a_venue_is_moved_on_but_never_back_nor_off_the_wall(make_venue):
    moved = make_venue(clock=1.0)
    moved.step_to(START_MS + 99 * MINUTE_MS)
    assert 0 <= moved.now_ms() - (START_MS + 99 * MINUTE_MS) < MINUTE_MS
    with pytest.raises(TypeError):
        make_venue(FLAT, clock="wall").step_to(START_MS + 99 * MINUTE_MS)
    with pytest.raises(ValueError, match="back"):
        make_venue().step_to(START_MS)


async def test_bars_are_added_one_by_one(make_venue, connect):
    venue = make_venue(FLAT[:10])
    socket = await connect(venue)
    await socket.subscribe("candle", coin="BTC", interval="1m")
    venue.append("BTC", FLAT[10]._replace(open=101.0, high=105.0, close=104.0))
    await step(venue, 10)
    assert (await socket.hear("candle"))["data"]["o"] == "101.0"
    assert venue.mark("BTC") == 101
    await step(venue, 10, 0.999)
    assert venue.mark("BTC") == 104
    with pytest.raises(ValueError, match="not after"):
        venue.append("BTC", FLAT[10])
