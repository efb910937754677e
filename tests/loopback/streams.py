"""``/ws``: subscriptions and what is told on them."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import WSMsgType, web

from firstwatch.trading.timeframe import Timeframe
from tests.loopback.books import Account
from tests.loopback.exchange import Exchange, Happening
from tests.loopback.faults import Faults
from tests.loopback.info import Info, basic, candle, funding
from tests.loopback.oddness import made_odd
from tests.loopback.wire import Malformed, address, text_of

_OF_COIN = frozenset({"l2Book", "bbo", "trades", "activeAssetCtx", "candle"})
_OF_USER = frozenset(
    {
        "orderUpdates",
        "userFills",
        "userFundings",
        "userEvents",
        "clearinghouseState",
        "openOrders",
        "webData2",
        "activeAssetData",
    }
)
_MOST_SUBSCRIPTIONS = 1_000
USERS_ON_MAINNET = 10


class Listener:
    """One connection: what it asked for, and what waits to be written to it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.is_stale = False
        """Nothing but pongs is said any more."""

    async def write(self) -> None:
        while True:
            text = await self.queue.get()
            with contextlib.suppress(ConnectionError, RuntimeError):
                await self.socket.send_str(text)
            self.queue.task_done()


class Streams:
    """All connections of the venue."""

    def __init__(
        self,
        exchange: Exchange,
        info: Info,
        faults: Faults,
        post: Callable[[str, Any], Any],
        *,
        user_limit: int | None,
    ) -> None:
        self._exchange = exchange
        self._info = info
        self._faults = faults
        self._post = post
        self._user_limit = user_limit
        self.listeners: set[Listener] = set()
        self.opened = 0
        self._last: dict[str, str] = {}

    # --- connections ----------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        listener = Listener(socket)
        self.listeners.add(listener)
        self.opened += 1
        writer = asyncio.get_running_loop().create_task(listener.write())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._hear(listener, message.data)
        finally:
            writer.cancel()
            self.listeners.discard(listener)
            self._watch_again()
        return socket

    async def drop(self) -> None:
        """Cut every connection without a word."""
        for listener in list(self.listeners):
            transport = listener.socket._req.transport if listener.socket._req is not None else None
            if transport is not None:
                transport.abort()

    def stall(self) -> None:
        """Let every open connection go stale."""
        for listener in self.listeners:
            listener.is_stale = True

    def resume(self) -> None:
        for listener in self.listeners:
            listener.is_stale = False

    async def flush(self) -> None:
        """Wait until everything told so far was written."""
        for listener in list(self.listeners):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(listener.queue.join(), 5)

    def _hear(self, listener: Listener, text: str) -> None:
        try:
            told = json.loads(text)
            method = told["method"]
        except (ValueError, KeyError, TypeError):
            self._error(listener, f"Error parsing JSON into valid websocket request: {text}")
            return
        if method == "ping":
            self._say(listener, {"channel": "pong"})
        elif method == "post":
            self._answer(listener, told)
        elif method in {"subscribe", "unsubscribe"}:
            self._subscribe(listener, method, told.get("subscription"))
        else:
            self._error(listener, f"Error parsing JSON into valid websocket request: {text}")

    def _answer(self, listener: Listener, told: dict[str, Any]) -> None:
        request = told["request"]
        try:
            payload = self._post(request["type"], request["payload"])
            response = {"type": request["type"], "payload": payload}
        except Malformed as reason:
            response = {"type": "error", "payload": str(reason)}
        self._say(listener, {"channel": "post", "data": {"id": told["id"], "response": response}})

    def _subscribe(self, listener: Listener, method: str, wanted: Any) -> None:
        try:
            kind = wanted["type"]
            plain: dict[str, Any] = {"type": kind}
            if kind in _OF_USER:
                plain["user"] = address(wanted["user"])
            if kind in _OF_COIN or kind == "activeAssetData":
                self._exchange.tapes[wanted["coin"]]
                plain["coin"] = wanted["coin"]
            if kind == "candle":
                plain["interval"] = Timeframe(wanted["interval"]).value
            if kind not in _OF_COIN | _OF_USER | {"allMids"}:
                raise KeyError(kind)
        except (KeyError, TypeError, ValueError, Malformed):
            self._error(listener, f"Invalid subscription {json.dumps(wanted)}")
            return
        key = json.dumps(plain, sort_keys=True)
        if method == "unsubscribe":
            if listener.subscriptions.pop(key, None) is None:
                self._error(listener, f"Already unsubscribed: {json.dumps(wanted)}")
                return
            self._watch_again()
        elif key in listener.subscriptions:
            self._error(listener, f"Already subscribed: {json.dumps(wanted)}")
            return
        elif "user" in plain and not self._may_follow(plain["user"]):
            self._error(listener, f"Cannot track more than {self._user_limit} total users.")
            return
        elif sum(len(one.subscriptions) for one in self.listeners) >= _MOST_SUBSCRIPTIONS:
            self._error(listener, f"Cannot subscribe to more than {_MOST_SUBSCRIPTIONS} channels.")
            return
        else:
            listener.subscriptions[key] = plain
            self._watch_again()
        self._say(
            listener,
            {"channel": "subscriptionResponse", "data": {"method": method, "subscription": wanted}},
        )
        if method == "subscribe":
            for message in self._first(plain):
                self._say(listener, message)

    def _may_follow(self, user: str) -> bool:
        followed = {
            plain["user"]
            for listener in self.listeners
            for plain in listener.subscriptions.values()
            if "user" in plain
        }
        return self._user_limit is None or user in followed or len(followed) < self._user_limit

    def _watch_again(self) -> None:
        for watched in self._exchange.watched.values():
            watched.clear()
        for listener in self.listeners:
            for plain in listener.subscriptions.values():
                if plain["type"] == "candle":
                    self._exchange.watched[plain["coin"]].add(Timeframe(plain["interval"]))

    def _error(self, listener: Listener, sentence: str) -> None:
        self._say(listener, {"channel": "error", "data": sentence})

    def _say(self, listener: Listener, message: dict[str, Any]) -> None:
        """Queue a message, unless a fault makes something else of it. Pongs survive a stale stream."""
        channel = message["channel"]
        if (listener.is_stale or self._faults.streams_are_stale) and channel != "pong":
            return
        text = json.dumps(message, separators=(",", ":"))
        fault = self._faults.of_message(channel)
        if fault is None:
            listener.queue.put_nowait(text)
        elif fault.kind == "message_twice":
            listener.queue.put_nowait(text)
            listener.queue.put_nowait(text)
        elif fault.kind == "message_broken":
            listener.queue.put_nowait(text[: len(text) // 2])
        elif fault.kind == "message_odd":
            odd = {"channel": channel, "data": made_odd(message.get("data"), fault.chance)}
            listener.queue.put_nowait(json.dumps(odd))

    # --- what is told ---------------------------------------------------------------------------

    def tell(self, happenings: Iterable[Happening], *, again: bool) -> None:
        """Tell what happened and, of prices and states, what is new; all of those if ``again``."""
        touched: set[str] = set()
        for one in happenings:
            if one.account:
                touched.add(one.account)
            self._tell_one(one)
        for plain in self._wanted():
            for message in self._now(plain, touched, again=again):
                key, text = json.dumps(plain, sort_keys=True), json.dumps(message, sort_keys=True)
                if again or self._last.get(key) != text:
                    self._last[key] = text
                    self._broadcast(plain, message)

    def _wanted(self) -> list[dict[str, Any]]:
        """Return every subscription once."""
        return list(
            {key: plain for one in self.listeners for key, plain in one.subscriptions.items()}.values()
        )

    def _broadcast(self, plain: dict[str, Any], message: dict[str, Any]) -> None:
        key = json.dumps(plain, sort_keys=True)
        for listener in self.listeners:
            if key in listener.subscriptions:
                self._say(listener, message)

    def _tell_one(self, one: Happening) -> None:
        user = {"user": one.account}
        match one.kind:
            case "candle":
                interval, row = one.what
                if self._info.is_withheld(one.coin, interval, row):
                    return
                plain = {"type": "candle", "coin": one.coin, "interval": interval.value}
                self._broadcast(plain, {"channel": "candle", "data": candle(one.coin, interval, row)})
            case "fill":
                fill = self._info.fill(one.what)
                data = {"user": one.account, "fills": [fill]}
                self._broadcast({"type": "userFills", **user}, {"channel": "userFills", "data": data})
                self._broadcast(
                    {"type": "userEvents", **user}, {"channel": "user", "data": {"fills": [fill]}}
                )
            case "order":
                order, status, rest, time_ms = one.what
                update = {"order": basic(order, rest), "status": status, "statusTimestamp": time_ms}
                self._broadcast(
                    {"type": "orderUpdates", **user}, {"channel": "orderUpdates", "data": [update]}
                )
            case "funding":
                payment = {"time": one.what.time_ms, **funding(one.what)}
                data = {"user": one.account, "fundings": [payment]}
                self._broadcast({"type": "userFundings", **user}, {"channel": "userFundings", "data": data})
            case "trade":
                trade = {
                    "coin": one.coin,
                    "side": "B" if one.what else "A",
                    "px": text_of(self._exchange.best(one.coin, is_bid=not one.what)),
                    "sz": "1.0",
                    "hash": "0x" + "0" * 64,
                    "time": self._exchange.now_ms,
                    "tid": self._exchange.now_ms,
                    "users": ["0x" + "0" * 40, "0x" + "0" * 40],
                }
                self._broadcast({"type": "trades", "coin": one.coin}, {"channel": "trades", "data": [trade]})

    def _first(self, plain: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what a new subscription is told at once."""
        if "user" not in plain:
            return self._now(plain, set(), again=True)
        account = self._exchange.accounts.get(plain["user"]) or Account(plain["user"])
        match plain["type"]:
            case "userFills":
                fills = [self._info.fill(one) for one in account.fills[-2_000:]]
                data = {"isSnapshot": True, "user": account.address, "fills": fills}
                return [{"channel": "userFills", "data": data}]
            case "userFundings":
                payments = [{"time": one.time_ms, **funding(one)} for one in account.funding[-500:]]
                data = {"isSnapshot": True, "user": account.address, "fundings": payments}
                return [{"channel": "userFundings", "data": data}]
        return self._now(plain, {plain["user"]}, again=True)

    def _now(self, plain: dict[str, Any], touched: set[str], *, again: bool) -> list[dict[str, Any]]:
        """Return how things stand for a subscription to a price or a state."""
        kind, coin = plain["type"], plain.get("coin", "")
        match kind:
            case "candle":
                interval = Timeframe(plain["interval"])
                row = self._exchange.tapes[coin].last_row(interval)
                if row is None or self._info.is_withheld(coin, interval, row):
                    return []
                return [{"channel": kind, "data": candle(coin, interval, row)}]
            case "allMids":
                return [{"channel": kind, "data": {"mids": self._info.mids()}}]
            case "l2Book":
                return [{"channel": kind, "data": self._info.book(coin)}]
            case "bbo":
                book = self._info.book(coin)
                best = [side[0] if side else None for side in book["levels"]]
                return [{"channel": kind, "data": {"coin": coin, "time": book["time"], "bbo": best}}]
            case "activeAssetCtx":
                return [{"channel": kind, "data": {"coin": coin, "ctx": self._info.context(coin)}}]
        user = plain.get("user", "")
        if user not in touched and not again:
            return []
        account = self._exchange.accounts.get(user) or Account(user)
        match kind:
            case "clearinghouseState":
                data: dict[str, Any] = {"dex": "", "user": user, kind: self._info.state(account)}
                return [{"channel": kind, "data": data}]
            case "openOrders":
                data = {"dex": "", "user": user, "orders": self._info.open_orders(account)}
                return [{"channel": kind, "data": data}]
            case "webData2":
                return [{"channel": kind, "data": self._info.web_data(account)}]
            case "activeAssetData":
                data = self._info.ask({"type": kind, "user": user, "coin": coin})
                return [{"channel": kind, "data": data}]
        return []
