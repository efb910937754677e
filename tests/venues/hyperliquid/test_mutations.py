"""Every place of all that the venue says, odd in every way: a ``VenueError``, or values that are sound."""

import asyncio
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from itertools import islice
from types import SimpleNamespace

import pytest

from firstwatch.trading.clock import SystemClock
from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid import client, connection, decoder, parse
from firstwatch.venues.hyperliquid.account_api import AccountQueries
from firstwatch.venues.hyperliquid.answers import read_answer
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.connection import Connection
from firstwatch.venues.hyperliquid.decoder import decode, parsed
from firstwatch.venues.hyperliquid.subscribers import Subscriber
from tests.venues.hyperliquid.recorded import AGENT, BUILDER, MISSING, Recorded, mutations, record
from tests.venues.hyperliquid.rig import SYMBOL

LEAST = 1_900


@pytest.fixture(scope="module")
def recorded():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yielded = record(monkeypatch)
    with pytest.MonkeyPatch.context() as monkeypatch:
        # The exchange library takes longer to make a client than all of the rest takes.
        monkeypatch.setattr(client, "HyperliquidClient", lambda **_: None)
        yield yielded


class Client:
    """Answers what was recorded, but for one kind of question."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self.odd = {}
        self.listed = recorded.listed
        self.wall = SimpleNamespace(offset_ms=0)

    async def listed_markets(self):
        return self.listed

    async def ask(self, request):
        key = request["type"] + (f"@{request['dex']}" if request.get("dex") else "")
        if key in self.odd:
            return self.odd[key]
        # Of an exchange that was not there the venue says what it says of one without anything.
        return self._recorded.answers.get(key, self._recorded.answers[request["type"]])


class Gateway:
    """Runs what a session spawns in the test's own loop."""

    def __init__(self):
        self.tasks = set()

    def spawn(self, make):
        task = asyncio.ensure_future(make())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def done(self):
        while self.tasks:
            await asyncio.gather(*self.tasks)


class Rig:
    """A session that hears and asks what it is given; nothing is sent anywhere."""

    def __init__(self, recorded: Recorded) -> None:
        clock = SystemClock()
        self.gateway = Gateway()
        self.connection = Connection(
            self.gateway,
            clock,
            VenueClock(clock.elapsed_s),
            api_url="http://127.0.0.1:9",
            ws_url="ws://127.0.0.1:9",
            is_mainnet=True,
            stream_users=8,
            weight_per_minute=1e9,
            stale_after_s=1e9,
        )
        self.client = Client(recorded)
        self.connection.client = self.connection.info._client = self.client
        self.events = []
        self.subscriber = Subscriber(recorded.account, SYMBOL, Timeframe.M1, self.events.append, -1)

    async def open(self):
        await self.connection.info.list_markets()
        await self.connection.info.time()
        self.connection.subscribers.add(self.subscriber)
        self.connection.info.account(self.subscriber.account).open_orders["0" * 32] = SYMBOL
        return self


class Questions(AccountQueries):
    """Answers what was recorded, to a command."""

    def __init__(self, answers):
        super().__init__("hl", is_mainnet=True)
        self.answers = answers

    def _info(self, request):
        return self.answers[request["type"]]


def is_sound(value, seen=()):
    """Tell whether everything in a value that is a number is finite."""
    match value:
        case bool() | str() | bytes() | None:
            return True
        case float():
            return math.isfinite(value)
        case int():
            return abs(value) < 2**64
        case Decimal():
            return value.is_finite() and abs(value) <= 10**40
        case Mapping():
            return all(is_sound(key) and is_sound(one) for key, one in value.items())
        case list() | tuple() | set() | frozenset():
            return all(map(is_sound, value))
        case decoder._Said():
            return all(is_sound(getattr(value, name)) for name in type(value).model_fields)
    if is_dataclass(value):
        return all(is_sound(getattr(value, field.name)) for field in fields(value))
    return True


async def reading(rig, recorded, key):
    """Return everything that is made of the answers to one kind of question."""
    info, account = rig.connection.info, recorded.account
    match key.partition("@")[0]:
        case "exchangeStatus":
            return await info.time()
        case "l2Book":
            return await info.touch(SYMBOL)
        case "meta":
            info._listed_at_s = -math.inf
            await info.relist()
            return [traded.is_delisted for traded in info.markets.values()]
        case "clearinghouseState" if key == "clearinghouseState":
            state, footprint = await info.footprint(account)
            position = await info.position(account, SYMBOL)
            return state, footprint, position, parse.balance_of(state), parse.sizes_of(state)
        case "clearinghouseState" | "spotClearinghouseState" | "perpDexs" | "frontendOpenOrders":
            info._dexes_at_s = None
            return await info.holdings(account)
        case "orderStatus":
            return await info.order(account, SYMBOL, recorded.order)
        case "userFillsByTime":
            return [fill for _, fill in await info.fills(account, 0)]
        case "userFunding":
            return await info.funding(account, SYMBOL, 0)
        case "extraAgents":
            return await info.agents(account)
        case "userRole":
            return await info.role(AGENT)
        case "maxBuilderFee":
            return await info.approved_fee(account, BUILDER)
        case "userAbstraction":
            return await info.kind(account)
        case "userRateLimit":
            return decode(decoder.RATE_LIMIT, await rig.client.ask({"type": key}), "requests")
        case "activeAssetData":
            return decode(decoder.ASSET_DATA, await rig.client.ask({"type": key}), "leverage")
        case "candleSnapshot":
            candles = rig.connection.candles_of(SYMBOL, Timeframe.M1)
            now_ms = rig.connection.clock.now_ms()
            return await candles.closed_bars(now_ms, 20)
    raise AssertionError(f"nothing reads {key}")


async def test_every_odd_answer_is_a_venue_error_or_sound(recorded):
    """1,900 or more answers with one odd place; a second is enough for all of them on an idle machine."""
    count, wrong = 0, []
    assert {"userFunding", "userFillsByTime", "candleSnapshot", "clearinghouseState@xyz"} <= set(
        recorded.answers
    )
    assert all(recorded.answers[key] for key in recorded.answers if key != "maxBuilderFee")
    for key, answer in recorded.answers.items():
        assert is_sound(await reading(await Rig(recorded).open(), recorded, key)), key
        for name, odd in mutations(answer):
            count += 1
            rig = await Rig(recorded).open()
            rig.client.odd = {key: odd}
            try:
                if not is_sound(await reading(rig, recorded, key)):
                    wrong.append(f"{key} {name}: not sound")
            except VenueError as error:
                if "\n" in str(error) or len(str(error)) > 1_000 or not str(error).isprintable():
                    wrong.append(f"{key} {name}: {error}")
            except Exception as error:
                wrong.append(f"{key} {name}: {error!r:.200}")
    assert wrong == []
    assert count >= LEAST


async def test_every_odd_market_is_a_venue_error_or_sound(recorded):
    wrong = []
    for name, odd in mutations(recorded.listed):
        rig = Rig(recorded)
        rig.client.listed = odd
        try:
            await rig.connection.info.list_markets()
            if not is_sound([traded.market for traded in rig.connection.info.markets.values()]):
                wrong.append(name)
        except VenueError:
            continue
        except Exception as error:
            wrong.append(f"{name}: {error!r:.200}")
    assert wrong == []


async def test_only_perpetuals_of_the_first_exchange_become_symbols(recorded):
    """Neither outcome coins nor spot markets nor those of other exchanges, even if the library lists them."""
    rig, coins = Rig(recorded), {market["baseName"] for market in recorded.listed}
    others = ("#20", "+20", "@107", "PURR/USDC", "xyz:TSLA")
    rig.client.listed = [
        *recorded.listed,
        *(recorded.listed[0] | {"symbol": f"{coin}/USDC:USDC", "baseName": coin} for coin in others),
    ]
    info = rig.connection.info
    await info.list_markets()
    assert set(info.by_coin) == coins
    assert not {info.symbol_of(coin) for coin in others} & set(info.markets)
    assert (info.symbol_of("#20"), info.symbol_of("+20")) == ("outcome 20", "outcome 20")


async def test_every_odd_message_of_the_stream_is_dropped_alone(recorded, monkeypatch):
    """What is odd is warned of and dropped; the next message is heard as if nothing had been."""
    broken, count, wrong = [], 0, []
    monkeypatch.setattr(connection._log, "exception", lambda *args: broken.append(args))
    assert len(recorded.messages) >= 6
    for channel, message in recorded.messages.items():
        rig = await Rig(recorded).open()
        for name, odd in mutations(message):
            count += 1
            rig.connection._receive(odd)
            await rig.gateway.done()
            if broken or not is_sound(rig.events):
                wrong.append(f"{channel} {name}: {broken}")
            broken.clear()
            rig.events.clear()
        assert not rig.connection._streams._ended.is_set(), "the connection stands"
        rig.connection._receive(recorded.messages["l2Book"])
        assert rig.connection.info.by_coin["BTC"].touch.mark > 0
    assert wrong == []
    assert count >= 300


def test_every_odd_answer_to_an_action_leaves_it_in_doubt_or_is_sound(recorded):
    seen = {json.dumps(action, sort_keys=True)[:60]: action for action in recorded.actions}
    assert len(seen) >= 3
    for action in seen.values():
        for name, odd in mutations(action):
            assert is_sound(read_answer(odd)), name


def test_the_desk_reads_with_the_same_decoder(recorded):
    wrong = []
    for key in ("clearinghouseState", "spotClearinghouseState", "extraAgents", "userRole", "userAbstraction"):
        for name, odd in mutations(recorded.answers[key]):
            questions = Questions(recorded.answers | {key: odd})
            try:
                facts = questions.money("a"), questions.agents("a"), questions.role("a"), questions.kind("a")
                if not is_sound(facts):
                    wrong.append(f"{key} {name}")
            except VenueError:
                continue
            except Exception as error:
                wrong.append(f"{key} {name}: {error!r:.200}")
    assert wrong == []


@pytest.mark.parametrize(
    ("key", "place", "value"),
    [
        ("userFillsByTime", (0, "px"), "0"),
        ("userFillsByTime", (0, "px"), "0.0"),
        ("userFillsByTime", (0, "sz"), "-10"),
        ("userFillsByTime", (0, "sz"), "0"),
        ("userFillsByTime", (0, "side"), "C"),
        ("userFillsByTime", (0, "time"), 1_700_000_000),
        ("userFillsByTime", (0, "time"), 1_700_000_000_000_000),
        ("clearinghouseState", ("assetPositions", 0, "position", "entryPx"), None),
        ("clearinghouseState", ("assetPositions", 0, "position", "entryPx"), MISSING),
        ("clearinghouseState", ("assetPositions", 0, "position", "entryPx"), "-1"),
        ("clearinghouseState", ("assetPositions", 0, "position", "leverage", "value"), 0),
        ("clearinghouseState", ("assetPositions", 0, "position", "szi"), "Infinity"),
        ("clearinghouseState", ("time",), 1_704_067_200_000_000),
        ("l2Book", ("time",), 1_704_067_200_000_000),
        ("l2Book", ("levels", 0, 0, "px"), "0"),
        ("l2Book", ("levels", 0, 0, "px"), "1e6"),
        ("orderStatus", ("order", "order", "sz"), "5000"),
        ("orderStatus", ("order", "order", "triggerPx"), "0.0"),
        ("candleSnapshot", (0, "l"), "1000"),
        ("candleSnapshot", (0, "t"), 1_704_067_200_001),
    ],
)
async def test_what_would_mislead_is_refused_with_its_place(recorded, key, place, value):
    name = ".".join(map(str, place[-1:]))
    found = [
        odd
        for which, odd in mutations(recorded.answers[key])
        if which.startswith(".".join(map(str, place)) + ":")
    ]
    assert found, "the place is there"
    rig = await Rig(recorded).open()
    rig.client.odd = {key: _changed(recorded.answers[key], place, value)}
    with pytest.raises(VenueError, match=r"cannot be understood") as caught:
        await reading(rig, recorded, key)
    assert name in str(caught.value) or "(" in str(caught.value)


@pytest.mark.parametrize("mark", ["Infinity", "NaN", "0", "-1", None, float("inf")])
async def test_a_mark_that_is_none_is_not_taken(recorded, mark):
    rig = await Rig(recorded).open()
    message = recorded.messages["activeAssetCtx"]
    rig.connection._receive(message)
    before = rig.connection.info.by_coin["BTC"].mark
    rig.connection._receive(_changed(message, ("data", "ctx", "markPx"), mark))
    assert rig.connection.info.by_coin["BTC"].mark == before > 0


@pytest.mark.parametrize("channel", ["userFills", "orderUpdates", "userfills\x00", None])
async def test_a_word_of_an_account_that_is_dropped_has_it_looked_at(recorded, channel):
    rig = await Rig(recorded).open()
    book = rig.connection.info.account(recorded.account)
    book.checked_at_s = 1e9
    rig.connection._receive({"channel": channel, "data": 7})
    assert book.checked_at_s == -math.inf


@pytest.mark.parametrize(
    "odd", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 4_301, "{", "", "\x00"]
)
def test_texts_that_are_no_documents_are_refused(odd):
    with pytest.raises(ValueError, match=r"."):
        parsed(f'{{"time": {odd}}}')


def test_texts_that_are_too_long_or_too_deep_are_refused(monkeypatch):
    with monkeypatch.context() as few:
        few.setattr(decoder, "_MOST_TEXT", 100)
        with pytest.raises(ValueError, match="too many"):
            parsed(" " * 101)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    try:
        with pytest.raises(ValueError, match="too deeply"):
            parsed("[" * 4_000 + "]" * 4_000)
    finally:
        sys.setrecursionlimit(limit)


def test_there_are_as_many_mutations_as_are_wanted(recorded):
    counts = {key: sum(1 for _ in mutations(answer)) for key, answer in recorded.answers.items()}
    assert sum(counts.values()) >= LEAST, counts
    assert len(list(islice(mutations([{"a": 1}]), 5))) == 5


def test_a_touch_is_of_prices():
    for bid, ask, mark in ((0.0, 1.0, 1.0), (1.0, math.inf, 1.0), (1.0, 1.0, math.nan), (1.0, -1.0, 1.0)):
        with pytest.raises(ValueError, match="price"):
            Touch(bid, ask, mark, 0)


def _changed(document, place, value):
    key, *rest = place
    changed = document.copy()
    if rest:
        changed[key] = _changed(document[key], rest, value)
    elif value is MISSING:
        del changed[key]
    else:
        changed[key] = value
    return changed
