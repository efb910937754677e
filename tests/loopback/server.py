"""The loopback venue: an HTTP and WebSocket server on 127.0.0.1 in a thread of its own."""

import asyncio
import copy
import json
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from email.utils import formatdate
from typing import Any, TypeVar

from aiohttp import web

from firstwatch.trading.bar import Bar
from tests.loopback.actions import AGENT_LIFE_MS, Actions
from tests.loopback.audit import Audit, Auditor
from tests.loopback.books import Account, Agent, Fill, FundingPayment, Order, Trigger
from tests.loopback.exchange import Exchange, Rules
from tests.loopback.faults import Fault, Faults
from tests.loopback.info import Info, weight_of
from tests.loopback.oddness import made_odd
from tests.loopback.streams import USERS_ON_MAINNET, Streams
from tests.loopback.tape import Coin, RunningClock, SteppedClock, WallClock, wall_ms
from tests.loopback.wire import Malformed, address

T = TypeVar("T")
_TICK_S = 0.02
_AGAIN_S = 1.0
"""Prices and states are told at least so often, so that a quiet market is no stale stream."""
_HANDS_OFF_S = 10.0
_NOT_READABLE = "Failed to deserialize the JSON body into the target type"


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account at one moment; everything in it is a copy."""

    address: str
    equity: Decimal
    free: Decimal
    cash: Decimal
    spot: Decimal
    deposits: Decimal
    positions: dict[str, Decimal]
    """Signed sizes by coin; flat coins are not in it."""
    open_orders: list[Order]
    orders: list[Order]
    """All there ever were, oldest first."""
    fills: list[Fill]
    funding: list[FundingPayment]
    agents: list[Agent]
    builders: dict[str, int]


class Weights:
    """The weight of the last 60 seconds of requests from one address."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._spent: deque[tuple[float, int]] = deque()
        self.total = 0

    def spend(self, weight: int) -> bool:
        """Add a request; False: it is over the limit and costs nothing."""
        now_s = time.monotonic()
        while self._spent and self._spent[0][0] <= now_s - 60:
            self.total -= self._spent.popleft()[1]
        if self._limit is not None and self.total + weight > self._limit:
            return False
        self._spent.append((now_s, weight))
        self.total += weight
        return True


class Loopback:
    """A venue like Hyperliquid on a local port, under a test's control. Its methods block, from any thread.

    ``clock`` is ``stepped`` (stands, and moves by ``step_to``), a number (so many times the wall's speed, on
    the candles' own dates; it can be moved on, too), or ``wall`` (the candles are re-dated: the bar after
    ``history`` is the one that forms now).
    ``history`` bars of the first coin with candles are past when the venue opens.
    """

    def __init__(
        self,
        coins: Sequence[Coin],
        *,
        clock: str | float = "stepped",
        history: int = 0,
        dwell: float = 0.25,
        rules: Rules | None = None,
        network: str = "mainnet",
        port: int = 0,
        weight_limit: int | None = 1_200,
        address_limit: int = 10_000,
        builder_needs_usd: Decimal = Decimal(0),
        latency_s: float = 0.0,
    ) -> None:
        coins = _redated(coins, history) if clock == "wall" else list(coins)
        start_ms = wall_ms() if clock == "wall" else _start_of(coins, history)
        self.clock: SteppedClock | RunningClock | WallClock = WallClock()
        if clock == "stepped":
            self.clock = SteppedClock(start_ms)
        elif clock != "wall":
            self.clock = RunningClock(start_ms, float(clock))
        self.network = network
        self.latency_s = latency_s
        self.date_offset_s = 0.0
        """How far the dates of answers are ahead of this machine's wall clock."""
        self._port = port
        is_testnet = network == "testnet"
        self._exchange = Exchange(coins, start_ms=start_ms, dwell=dwell, rules=rules or Rules())
        self._actions = Actions(
            self._exchange,
            is_testnet=is_testnet,
            wall_ms=wall_ms,
            address_limit=address_limit,
            builder_needs_usd=builder_needs_usd,
        )
        self._faults = Faults()
        self._info = Info(self._exchange, self._actions, self._faults, wall_ms=wall_ms)
        self._auditor = Auditor(self._exchange, self._actions)
        self._is_alone = False
        self._absences = 0
        self._weights = Weights(weight_limit)
        self._streams = Streams(
            self._exchange,
            self._info,
            self._faults,
            self._post,
            user_limit=None if is_testnet else USERS_ON_MAINNET,
        )
        self._told_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="loopback", daemon=True)
        self.faults = FaultControl(self)

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> "Loopback":
        """Open the port and serve. Returns when requests are answered."""
        opened: Future[None] = Future()
        self._opened = opened
        self._thread.start()
        opened.result(_HANDS_OFF_S)
        return self

    def stop(self) -> None:
        """Close the port and end the thread. Idempotent."""
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_HANDS_OFF_S)

    def __enter__(self) -> "Loopback":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/ws"

    # --- control --------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Return the venue's time."""
        return self.clock.now_ms()

    def step_to(self, time_ms: int) -> None:
        """Move the venue on to ``time_ms``; returns when everything that happened was sent."""

        async def step() -> None:
            if isinstance(self.clock, WallClock):
                raise TypeError("nobody moves the wall's clock")
            if time_ms < self.clock.now_ms():
                raise ValueError("time does not go back")
            self.clock.move_to(time_ms)
            self._go_on()
            await self._streams.flush()

        self.call_async(step)

    def delist(self, coin: str, *, is_delisted: bool = True) -> None:
        """Take a coin out of trading, or list it again; its books stay."""

        def delist() -> None:
            gone = replace(self._exchange.tapes[coin].coin, is_delisted=is_delisted)
            self._exchange.tapes[coin].coin = gone
            self._exchange.coins = [gone if one.name == coin else one for one in self._exchange.coins]

        self.call(delist)

    def say_of_itself(self, *statuses: str) -> None:
        """Say these special statuses of the venue; none: it works as usual."""
        self.call(lambda: setattr(self._info, "special_statuses", list(statuses) or None))

    def set_tiers(self, coin: str, *tiers: tuple[int, int]) -> None:
        """Change a coin's leverage tiers (lower bound, maximum leverage); none: back to its own one."""

        def change() -> None:
            self._info.tiers.pop(coin, None)
            if tiers:
                self._info.tiers[coin] = list(tiers)

        self.call(change)

    def limit_actions(self, count: int) -> None:
        """Let an address send so many actions, beside those that it trades for."""
        self.call(lambda: setattr(self._actions, "address_limit", count))

    def settle(self) -> None:
        """Return when everything that happened up to now was sent."""

        async def settle() -> None:
            self._go_on()
            await self._streams.flush()

        self.call_async(settle)

    def limit_weight(self, weight: int | None) -> None:
        """Begin to count the weight of requests anew, with that limit a minute."""

        def limit() -> None:
            self._weights = Weights(weight)

        self.call(limit)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Know that nobody lives who could protect anything; who comes then begins anew."""
        self.call(lambda: setattr(self, "_is_alone", True))
        try:
            yield
        finally:

            def end() -> None:
                self._is_alone, self._absences = False, self._absences + 1

            self.call(end)

    def append(self, coin: str, bar: Bar) -> None:
        """Add a bar after a coin's last; nothing moves yet."""
        self.call(lambda: self._exchange.tapes[coin].append(bar))

    def revise(self, coin: str, bar: Bar) -> None:
        """Replace a coin's bar of that time; its stream does not say so."""
        self.call(lambda: self._exchange.tapes[coin].revise(bar))

    def mark(self, coin: str) -> Decimal:
        return self.call(lambda: self._exchange.mark(coin))

    def fund(self, account: str, usdc: Decimal | int | str) -> None:
        """Let USDC arrive in an account's perp balance; the account is known from then on."""

        def fund() -> None:
            known = self._exchange.accounts.setdefault(address(account), Account(address(account)))
            known.cash += Decimal(usdc)
            known.deposits += Decimal(usdc)

        self.call(fund)

    def send(self, account: str, to: str, usdc: int) -> None:
        """Send USDC from an account to another one, as its owner does."""
        action = {"amount": str(usdc), "destination": to}
        self.call(lambda: self._actions._do_usd_send(self._exchange.accounts[address(account)], action))

    def fund_spot(self, account: str, usdc: Decimal | int | str) -> None:
        """Let USDC arrive in an account's spot balance."""

        def fund() -> None:
            known = self._exchange.accounts.setdefault(address(account), Account(address(account)))
            known.spot += Decimal(usdc)

        self.call(fund)

    def set_abstraction(self, account: str, kind: str) -> None:
        """Change how the venue says that it keeps the account's money."""
        self.call(lambda: setattr(self._exchange.accounts[address(account)], "abstraction", kind))

    def hold_aside(self, account: str, dex: str, coin: str, size: Decimal | int | str) -> None:
        """Give an account a position (0: none) in another exchange of the venue, which it lists from now."""

        def hold() -> None:
            if dex not in self._exchange.dexes:
                self._exchange.dexes.append(dex)
            sizes = self._exchange.accounts[address(account)].aside.setdefault(dex, {})
            sizes[f"{dex}:{coin}"] = Decimal(size)
            if not sizes[f"{dex}:{coin}"]:
                del sizes[f"{dex}:{coin}"]

        self.call(hold)

    def order_aside(self, account: str, coin: str, *, dex: str = "") -> None:
        """Give an account an open order in a market that is not simulated."""
        self.call(lambda: self._exchange.accounts[address(account)].orders_aside.append((dex, coin)))

    def approve_agent(
        self, account: str, agent: str, *, name: str = "", valid_s: float | None = None
    ) -> None:
        """Have an agent approved without a signature; ``valid_s`` below 0: it has expired."""

        def approve() -> None:
            until_ms = wall_ms() + (AGENT_LIFE_MS if valid_s is None else int(valid_s * 1000))
            known = self._exchange.accounts[address(account)]
            known.agents = [each for each in known.agents if each.address != address(agent)]
            known.agents.append(Agent(address(agent), name, until_ms))

        self.call(approve)

    def sub_account(self, master: str, name: str, usdc: Decimal | int | str = 0) -> str:
        """Create a sub-account; return its address."""

        def create() -> str:
            created = self._actions.sub_account(self._exchange.accounts[address(master)], name)
            created.cash = created.deposits = Decimal(usdc)
            return created.address

        return self.call(create)

    def account(self, account: str) -> AccountView:
        """Return an account as it stands."""

        def view() -> AccountView:
            exchange = self._exchange
            known = exchange.accounts[address(account)]
            return AccountView(
                address=known.address,
                equity=exchange.account_value(known),
                free=exchange.free(known),
                cash=known.cash,
                spot=known.spot,
                deposits=known.deposits,
                positions={coin: held.size for coin, held in known.positions.items() if held.size},
                open_orders=copy.deepcopy(exchange.orders_of(known)),
                orders=copy.deepcopy(list(known.orders.values())),
                fills=list(known.fills),
                funding=list(known.funding),
                agents=copy.deepcopy(known.agents),
                builders=dict(known.builders),
            )

        return self.call(view)

    def by_hand(self, account: str) -> "ByHand":
        """Return the hands of somebody who uses the account elsewhere."""
        return ByHand(self, address(account))

    def subscriptions(self) -> list[dict[str, Any]]:
        """Return what the open streams have subscribed to."""
        listeners = self._streams.listeners
        return self.call(lambda: [one for ear in listeners for one in ear.subscriptions.values()])

    def audit(self) -> Audit:
        """Return what the venue saw since its start."""
        return self.call(self._auditor.audit)

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in the venue's thread, between two requests; what happened is told after it."""

        async def run() -> T:
            self._exchange.advance(self.clock.now_ms())
            result = function()
            self._go_on()
            return result

        return self.call_async(run)

    def call_async(self, function: Callable[[], Awaitable[T]]) -> T:
        if self._loop is None:
            raise RuntimeError("the loopback venue has not been started")
        return asyncio.run_coroutine_threadsafe(_awaited(function), self._loop).result(_HANDS_OFF_S)

    # --- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=1 << 20)
        application.router.add_post("/info", self._info_request)
        application.router.add_post("/exchange", self._exchange_request)
        application.router.add_post("/control", self._control_request)
        application.router.add_route("*", "/elsewhere", _elsewhere)
        application.router.add_get("/ws", self._stream_request)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self._port)
            await site.start()
            self._port = runner.addresses[0][1]
        except OSError as reason:
            self._opened.set_exception(reason)
            await runner.cleanup()
            return
        ticker = self._loop.create_task(self._tick())
        self._opened.set_result(None)
        await self._stopping.wait()
        ticker.cancel()
        await self._streams.drop()
        await runner.cleanup()

    async def _tick(self) -> None:
        while True:
            self._go_on()
            await asyncio.sleep(_TICK_S)

    def _go_on(self) -> None:
        """Let venue time catch up, and tell what happened."""
        self._exchange.advance(self.clock.now_ms())
        now_s = time.monotonic()
        for account in self._exchange.accounts.values():
            if account.cancel_at_ms is not None and wall_ms() >= account.cancel_at_ms:
                account.cancel_at_ms = None
                for order in self._exchange.orders_of(account):
                    self._exchange.cancel(account, order.oid, order.coin, status="scheduledCancel")
        if self._info.lags.are_set:
            for account in self._exchange.accounts.values():
                self._info.lags.note(account, now_s, self._exchange.now_ms)
        happenings = self._exchange.take_happenings()
        for one in happenings:
            if one.kind == "fill":
                self._auditor.filled(one.account, one.coin)
        is_asked = not (self._faults.is_down or self._is_alone)
        self._auditor.look(now_s, is_reachable=is_asked, faults=self._faults.excuses + self._absences)
        again = now_s - self._told_s >= _AGAIN_S
        self._told_s = now_s if again else self._told_s
        self._streams.tell(happenings, again=again)

    # --- requests -------------------------------------------------------------------------------

    async def _info_request(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, "info", self._ask)

    async def _exchange_request(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, "exchange", self._act)

    async def _stream_request(self, request: web.Request) -> web.StreamResponse:
        if self._faults.is_down:
            return _cut(request)
        return await self._streams.serve(request)

    async def _answer(
        self, request: web.Request, path: str, do: Callable[[Any, str], Any]
    ) -> web.StreamResponse:
        if self._faults.is_down:
            return _cut(request)
        begun_s = time.monotonic()
        while (left_s := begun_s + self.latency_s - time.monotonic()) > 0:  # noqa: ASYNC110 (it may change)
            await asyncio.sleep(min(left_s, 0.05))
        try:
            body = json.loads(await request.read())
        except ValueError:
            return web.Response(status=422, text=_NOT_READABLE)
        kind = _kind_of(body, path)
        self._auditor.requests[kind] += 1
        fault = self._faults.of_request(path, kind, body)
        if fault is not None:
            early = await self._before(request, fault)
            if early is not None:
                return early
        if path == "exchange" and not self._weights.spend(_weight_of_action(body)):
            return self._too_many()
        try:
            self._exchange.advance(self.clock.now_ms())
            answer = do(body, fault.body if fault is not None and fault.kind == "refused" else "")
        except Malformed:
            return web.Response(status=422, text=_NOT_READABLE)
        if path == "info" and not self._weights.spend(weight_of(kind, answer)):
            return self._too_many()
        self._auditor.peak_weight = max(self._auditor.peak_weight, self._weights.total)
        self._go_on()
        return await self._after(request, fault, answer)

    async def _never(self, request: web.Request) -> None:
        """Give no answer as long as the other end waits for one."""
        assert self._stopping is not None
        while request.transport is not None and not (
            request.transport.is_closing() or self._stopping.is_set()
        ):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK_S)

    def _too_many(self) -> web.StreamResponse:
        self._auditor.rate_limited += 1
        return web.Response(status=429, text="null")

    async def _before(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        if fault.kind == "request_lost":
            return _cut(request)
        if fault.kind == "http":
            return _page(fault)
        if fault.kind == "redirect":
            raise web.HTTPFound("/elsewhere")
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "hang":
            await self._never(request)
        return None

    async def _after(self, request: web.Request, fault: Fault | None, answer: Any) -> web.StreamResponse:
        match fault.kind if fault is not None else None:
            case "reply_lost":
                return _cut(request)
            case "http_after":
                return _page(fault)
            case "cut_body":
                response = web.StreamResponse(status=fault.status)
                response.enable_chunked_encoding()
                await response.prepare(request)
                await response.write(fault.body.encode())
                return _cut(request)
            case "html":
                return web.Response(text=fault.body, content_type="text/html")
            case "empty":
                answer = None
            case "odd":
                answer = made_odd(answer, fault.chance)
            case "slow_reply":
                await asyncio.sleep(fault.seconds)
            case "hang_after":
                await self._never(request)
        date = formatdate(wall_ms() / 1000 + self.date_offset_s, usegmt=True)
        return web.json_response(answer, headers={"Date": date})

    def _ask(self, body: Any, refusal: str) -> Any:
        return self._info.ask(body)

    def _act(self, body: Any, refusal: str) -> Any:
        return self._actions.do(body, refusal=refusal)

    def _post(self, kind: str, payload: Any) -> Any:
        """Answer a question or do an action that came over a stream."""
        answer = self._act(payload, "") if kind == "action" else self._ask(payload, "")
        return answer if kind == "action" else {"type": payload["type"], "data": answer}

    async def _control_request(self, request: web.Request) -> web.StreamResponse:
        """Let another process control a venue that was started by hand: ``{"do": ..., ...}``."""
        told = json.loads(await request.read())
        try:
            answer = await asyncio.get_running_loop().run_in_executor(None, lambda: _controlled(self, told))
        except (KeyError, TypeError, ValueError, AttributeError) as reason:
            return web.json_response({"error": f"{type(reason).__name__}: {reason}"}, status=400)
        return web.Response(text=json.dumps(answer, default=str), content_type="application/json")


class FaultControl:
    """``Faults`` from a test's thread."""

    def __init__(self, loopback: Loopback) -> None:
        self._loopback = loopback
        self._faults = loopback._faults

    def plan(self, kind: str, on: str = "*", **how: Any) -> None:
        """See ``Faults.plan``."""
        self._loopback.call(lambda: self._faults.plan(kind, on, **how))

    def withhold_candle(self, coin: str, open_ms: int, seconds: float = math.inf) -> None:
        """Show the candle that opens then neither to questions nor on streams, until so much later."""
        until_s = time.monotonic() + seconds
        self._loopback.call(lambda: self._faults.withheld.update({(coin, open_ms): until_s}))

    def publish_candles(self) -> None:
        """Show all candles that are withheld; no stream tells them any more."""
        self._loopback.call(self._faults.withheld.clear)

    def partial(self, *shares: Decimal | str) -> None:
        """Let the next executions fill only these shares of what they could."""
        exchange = self._loopback._exchange
        self._loopback.call(lambda: exchange.partial_shares.extend(Decimal(share) for share in shares))

    def lag(self, account: str, seconds: float) -> None:
        """Let ``/info`` say of an account what was so many seconds ago; the streams are not behind."""
        loopback, known = self._loopback, self._loopback._exchange.accounts

        def lag() -> None:
            loopback._info.lags.set(
                known[address(account)], seconds, time.monotonic(), loopback._exchange.now_ms
            )

        loopback.call(lag)

    def forget_messages(self) -> None:
        """Forget the plans that no message has met yet."""
        self._loopback.call(self._faults.forget_messages)

    def clear(self) -> None:
        """Forget all plans; the venue is up, its nodes and streams are fresh."""

        def clear() -> None:
            self._faults.clear()
            self._loopback._info.lags.clear()
            self._loopback._exchange.partial_shares.clear()

        self._loopback.call(clear)

    def go_down(self) -> None:
        """Cut every connection, and every new one, until ``come_up``."""

        async def down() -> None:
            self._loopback._go_on()
            self._faults.is_down = True
            await self._loopback._streams.drop()

        self._loopback.call_async(down)

    def come_up(self) -> None:
        def up() -> None:
            self._faults.is_down = False

        self._loopback.call(up)

    def drop_streams(self) -> None:
        """Cut every stream; who connects again is served."""
        self._loopback.call_async(self._loopback._streams.drop)

    def stall_streams(self, *, new_too: bool = False) -> None:
        """Say nothing but pongs on every open stream; ``new_too``: on later ones as well, until resumed."""

        def stall() -> None:
            self._faults.streams_are_stale = new_too
            self._loopback._streams.stall()

        self._loopback.call(stall)

    def resume_streams(self) -> None:
        def resume() -> None:
            self._faults.streams_are_stale = False
            self._loopback._streams.resume()

        self._loopback.call(resume)

    @property
    def fired(self) -> list[tuple[str, str]]:
        return self._loopback.call(lambda: list(self._faults.fired))

    @property
    def pending(self) -> int:
        return self._loopback.call(lambda: self._faults.pending)


class ByHand:
    """Somebody who trades the same account elsewhere: no signature, no client id, no audit."""

    def __init__(self, loopback: Loopback, account: str) -> None:
        self._loopback = loopback
        self._account = account

    def market(self, coin: str, side: str, amount: Decimal | str, *, reduce_only: bool = False) -> Order:
        """Trade at once, at whatever price."""
        far = Decimal("1.5") if side == "buy" else Decimal("0.5")

        def send() -> Order:
            price = self._loopback._exchange.mark(coin) * far
            tick = self._loopback._exchange.tapes[coin].coin.tick_at(price)
            limit = (price / tick).to_integral_value() * tick
            return self._place(coin, side, limit, amount, tif="Ioc", reduce_only=reduce_only)

        return self._loopback.call(send)

    def limit(
        self,
        coin: str,
        side: str,
        amount: Decimal | str,
        price: Decimal | str,
        *,
        reduce_only: bool = False,
        trigger: Decimal | str | None = None,
        cloid: str | None = None,
    ) -> Order:
        """Leave an order; with ``trigger`` it is a stop-market whose worst price is ``price``."""
        what = None if trigger is None else Trigger(True, Decimal(trigger), False)

        def send() -> Order:
            return self._place(
                coin,
                side,
                Decimal(price),
                amount,
                tif="Gtc" if what is None else None,
                reduce_only=reduce_only,
                trigger=what,
                cloid=cloid,
            )

        return self._loopback.call(send)

    def close(self, coin: str) -> Order:
        """Close the position in a coin at once."""
        size = self._loopback.account(self._account).positions[coin]
        return self.market(coin, "sell" if size > 0 else "buy", abs(size), reduce_only=True)

    def cancel_all(self, coin: str) -> int:
        """Cancel every open order in a coin; return how many there were."""
        exchange = self._loopback._exchange

        def cancel() -> int:
            known = exchange.accounts[self._account]
            orders = exchange.orders_of(known, coin)
            return sum(exchange.cancel(known, order.oid, coin) is not None for order in orders)

        return self._loopback.call(cancel)

    def liquidate(self, coin: str) -> None:
        """Let the venue close the position as if its margin were used up."""
        exchange = self._loopback._exchange
        self._loopback.call(lambda: exchange.liquidate(exchange.accounts[self._account], coin))

    def set_leverage(self, coin: str, leverage: int, *, is_isolated: bool = True) -> None:
        """Set a flat coin's leverage."""

        def set_it() -> None:
            self._loopback._exchange.accounts[self._account].leverages[coin] = leverage, is_isolated

        self._loopback.call(set_it)

    def _place(self, coin: str, side: str, limit: Decimal, amount: Decimal | str, **how: Any) -> Order:
        exchange = self._loopback._exchange
        order = exchange.new_order(
            self._account, coin, side == "buy", limit, Decimal(amount), by_hand=True, **how
        )
        exchange.place(order)
        return copy.deepcopy(order)


async def _awaited(function: Callable[[], Awaitable[T]]) -> T:
    return await function()


def _controlled(loopback: Loopback, told: dict[str, Any]) -> Any:
    what, how = told["do"], {key: value for key, value in told.items() if key != "do"}
    match what.split("."):
        case ["faults", name] if not name.startswith("_"):
            return getattr(loopback.faults, name)(**how)
        case ["by_hand", name] if not name.startswith("_"):
            return getattr(loopback.by_hand(how.pop("account")), name)(**how)
        case ["audit"]:
            audit = loopback.audit()
            return {name: _texts(getattr(audit, name)) for name in Audit.__slots__}
        case ["account"]:
            view = loopback.account(**how)
            return {name: getattr(view, name) for name in AccountView.__slots__}
        case ["limit_weight"]:
            return loopback.limit_weight(**how)
        case [("fund" | "step_to" | "approve_agent" | "sub_account" | "mark" | "now_ms") as name]:
            return getattr(loopback, name)(**how)
    raise ValueError(f"no control {what!r}")


def _texts(value: Any) -> Any:
    """Return what JSON can say of it: keys that are pairs become text."""
    if isinstance(value, dict):
        return {"/".join(key) if isinstance(key, tuple) else key: one for key, one in value.items()}
    return value


async def _elsewhere(request: web.Request) -> web.StreamResponse:
    return web.json_response({"status": "ok", "response": {"type": "default"}})


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _page(fault: Fault) -> web.StreamResponse:
    return web.Response(status=fault.status, text=fault.body, content_type="text/html")


def _kind_of(body: Any, path: str) -> str:
    told = body.get("action") if path == "exchange" and isinstance(body, dict) else body
    return str(told.get("type")) if isinstance(told, dict) else "?"


def _weight_of_action(body: Any) -> int:
    action = body.get("action") if isinstance(body, dict) else None
    lists = action.values() if isinstance(action, dict) else ()
    return 1 + max((len(value) for value in lists if isinstance(value, list)), default=0) // 40


def _start_of(coins: Sequence[Coin], history: int) -> int:
    for coin in coins:
        if coin.bars:
            if history < len(coin.bars):
                return coin.bars[history].time_ms
            return coin.bars[-1].time_ms + coin.timeframe.ms
    return wall_ms()


def _redated(coins: Sequence[Coin], history: int) -> list[Coin]:
    """Return the coins with candles of today: the first one's bar after its history opens now."""
    start_ms = _start_of(coins, history)
    longest_ms = max((coin.timeframe.ms for coin in coins if coin.bars), default=60_000)
    shift_ms = wall_ms() // longest_ms * longest_ms - start_ms
    return [
        replace(
            coin,
            bars=[bar._replace(time_ms=bar.time_ms + shift_ms) for bar in coin.bars],
            funding={time_ms + shift_ms: rate for time_ms, rate in coin.funding.items()},
        )
        for coin in coins
    ]
