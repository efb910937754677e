"""The request budget: the venue counts the weight of all requests of an internet address, per minute.

All connections to one host spend from one bucket, also those of this user's other processes, because they
have the same address. Each connection has its own queue.
"""

import asyncio
import heapq
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from itertools import count
from typing import Any
from urllib.parse import quote, urlsplit

from platformdirs import user_cache_path

from firstwatch.trading.errors import VenueError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid.shared import SharedNumbers


class Priority(IntEnum):
    """Who goes first when the budget is short."""

    ORDER = 0
    ACCOUNT = 1
    """A run waits for the answer, and handles nothing else meanwhile."""
    WATCH = 2
    """The connection's own polling."""
    FILL = 3
    """What orders led to: ten times as dear as the state of an account, and mostly known from the answer."""
    HISTORY = 4


PRIORITY: ContextVar[Priority] = ContextVar("hyperliquid_priority", default=Priority.ACCOUNT)
"""Priority of the requests of the current task."""

# 1,200 per minute are allowed: a full burst and a minute of refilling stay below that.
RATE_PER_MINUTE = 950
BURST = 200
# Tokens at startup. Earlier spending is unknown, and a process that keeps restarting must not spend a full
# burst each time.
_AT_START = 120
# How long tokens are kept for the orders of another process's runs after it was last active.
_KEPT_S = 60.0
# How long a request that goes through no connection waits for its turn.
LONGEST_TURN_S = 90.0
_LOOK_S = 0.5
# The venue's allowance per minute beyond rate and burst: unforeseen rows may use it without delaying an
# order.
_SPARE = 50.0
# Tokens reserved for orders, so that reading never delays one.
_FOR_ORDERS = 40.0
# All runs may act on one bar: the reading that confirms it, and an entry and its stop for each of them.
_FOR_A_BAR = 20.0
_ORDERS_OF_A_RUN = 2.0
_MOST_FOR_ORDERS = 0.6 * BURST
_FOR_ACCOUNTS = 20.0

_LIGHT = frozenset(
    {"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"}
)
_PER_20_ROWS = frozenset(
    {"userFills", "userFillsByTime", "userFunding", "historicalOrders", "fundingHistory"}
)
_CANDLES_PER_WEIGHT = 60
_MOST_CANDLES = 5_000
_ROWS_PER_WEIGHT = 20


def weight_of(path: str, params: Mapping[str, Any]) -> float:
    """Return what a request costs before its answer is known (public documentation of the venue).

    Candles are counted as many as the time that is asked for may hold.
    """
    if path == "exchange":
        action = params.get("action", {})
        count_of = max((len(part) for part in action.values() if isinstance(part, list)), default=1)
        return 1.0 + count_of // 40
    kind = params.get("type")
    if kind in _LIGHT:
        return 2.0
    if kind == "userRole":
        return 60.0
    if kind == "candleSnapshot":
        return 20.0 + _candles(params["req"]) // _CANDLES_PER_WEIGHT
    return 20.0


def weight_of_answer(path: str, params: Mapping[str, Any], answer: object) -> float:
    """Return what the rows of an answer cost on top of ``weight_of``; negative: less than was thought."""
    if path != "info" or not isinstance(answer, list):
        return 0.0
    kind = params.get("type")
    if kind == "candleSnapshot":
        return 20.0 + len(answer) // _CANDLES_PER_WEIGHT - weight_of(path, params)
    return float(len(answer) // _ROWS_PER_WEIGHT) if kind in _PER_20_ROWS else 0.0


def _candles(asked: Mapping[str, Any]) -> int:
    span_ms = int(asked["endTime"]) - int(asked["startTime"])
    return min(max(span_ms // Timeframe(asked["interval"]).ms + 1, 0), _MOST_CANDLES)


class Bucket:
    """The tokens of one internet address at one host. Safe for threads.

    Times are monotonic seconds, which all processes of a machine count alike.
    """

    def __init__(
        self, burst: float = BURST, shared: SharedNumbers | None = None, rate_s: float = RATE_PER_MINUTE / 60
    ) -> None:
        """``shared``: where the other processes read and write the tokens; ``rate_s``: without users."""
        self.users: set[Budget] = set()
        """The connections that spend from it. It fills at the lowest rate among them."""
        self._burst = burst
        self._shared = shared
        self._own_rate_s = rate_s
        self._guard = threading.Lock()
        self._tokens = min(burst, _AT_START)
        self._unseen = 0.0
        """What was spent while the tokens could not be shared: the next time that they can, others see it."""
        self._owed = 0.0
        """What rows that were read have taken of what is kept for orders; refilling pays it back first."""
        self._filled_at_s: float | None = None
        self._kept, self._kept_at_s = 0.0, 0.0
        """The most that any process keeps for orders, and when one has last said so."""

    @property
    def rate_s(self) -> float:
        """Weight that comes back per second."""
        return min((user.rate_s for user in list(self.users)), default=self._own_rate_s)

    def close(self) -> None:
        """Let go of what is shared. Idempotent."""
        with self._guard:
            if self._shared is not None:
                self._shared.close()

    @contextmanager
    def _in_hand(self, now_s: float) -> Iterator[None]:
        """Lock the tokens as they are now; changes inside the block are seen by all processes."""
        with self._guard:
            if self._shared is None:
                self._fill(now_s)
                yield
                return
            with self._shared.held() as numbers:
                # Later than now: they were written before the machine was started anew.
                if numbers and numbers[2] <= now_s + 1:
                    tokens, self._owed, self._filled_at_s, self._kept, self._kept_at_s = numbers
                    self._tokens = tokens - self._unseen
                    # While this process waited for the lock, another one may have refilled up to a later
                    # time.
                    now_s = max(now_s, numbers[2])
                self._fill(now_s)
                if self._own_for_orders >= self._kept or now_s - self._kept_at_s > _KEPT_S:
                    self._kept, self._kept_at_s = self._own_for_orders, now_s
                yield
                if numbers is not None:
                    self._unseen = 0.0
                    numbers[:] = [self._tokens, self._owed, now_s, self._kept, self._kept_at_s]

    def left(self, now_s: float) -> float:
        """Return the weight that may be spent at once; negative after answers larger than thought."""
        with self._in_hand(now_s):
            return self._tokens

    def take(self, weight: float, priority: Priority, now_s: float) -> float:
        """Spend ``weight`` if that may be and return 0; else return the seconds until it may, at least."""
        with self._in_hand(now_s):
            there = self._tokens
            if priority is Priority.ORDER:
                there += min(self._owed, _SPARE)
            missing = self.needed(weight, priority) - there
            if missing <= 0:
                self._spend(weight)
                return 0.0
            return missing / self.rate_s

    def charge(self, weight: float, now_s: float) -> None:
        """Count what was spent beyond what was taken; negative: give back."""
        with self._in_hand(now_s):
            self._spend(weight)
            self._owe(self._owed + max(weight, 0.0))

    def drain(self, now_s: float) -> None:
        """Spend everything: the venue said that it is too much."""
        with self._in_hand(now_s):
            self._spend(max(self._tokens, 0.0))
            self._owed = 0.0

    def _spend(self, weight: float) -> None:
        self._tokens = min(self._tokens - weight, self._burst)
        self._unseen += weight

    def needed(self, weight: float, priority: Priority) -> float:
        """Return how much must be there for a request to go."""
        if priority is Priority.ORDER:
            return min(weight, self._burst)
        reserved = self._for_orders
        if priority is not Priority.ACCOUNT:
            reserved += _FOR_ACCOUNTS
        return min(weight + reserved, self._burst)

    @property
    def _for_orders(self) -> float:
        """What reading leaves: enough for all runs to enter at once, each with its stop."""
        return self._own_for_orders if self._shared is None else max(self._own_for_orders, self._kept)

    @property
    def _own_for_orders(self) -> float:
        runs = sum(user.runs for user in list(self.users))
        return max(_FOR_ORDERS, min(_FOR_A_BAR + runs * _ORDERS_OF_A_RUN, _MOST_FOR_ORDERS))

    def _fill(self, now_s: float) -> None:
        if self._filled_at_s is not None:
            came = max(now_s - self._filled_at_s, 0.0) * self.rate_s
            self._tokens = min(self._burst, self._tokens + came)
            self._owe(self._owed - came)
        self._filled_at_s = now_s

    def _owe(self, weight: float) -> None:
        self._owed = max(min(weight, self._for_orders - self._tokens), 0.0)


_BUCKETS: dict[str, Bucket] = {}
_BUCKETS_GUARD = threading.Lock()


def _bucket_of(host: str, rate_s: float) -> Bucket:
    """Return a bucket that all processes of this user share for that host."""
    path = user_cache_path("firstwatch") / f"requests-{quote(host, safe='')}"
    return Bucket(shared=SharedNumbers(path, 5), rate_s=rate_s)


def take_turn(api_url: str, weight: float, priority: Priority, *, rate_per_minute: float) -> None:
    """Wait until a request may be sent that goes through no connection, and spend its weight. Blocks.

    Raises:
        VenueError: the wait would be too long, because others use up the budget of this address.
    """
    host = urlsplit(api_url).netloc
    with _BUCKETS_GUARD:
        known = _BUCKETS.get(host)
    bucket = known or _bucket_of(host, rate_per_minute / 60)
    until_s = time.monotonic() + LONGEST_TURN_S
    try:
        while wait_s := bucket.take(weight, priority, time.monotonic()):
            if time.monotonic() + wait_s > until_s:
                raise VenueError(
                    f"More is asked of {host} from this address than the venue allows, and a request would"
                    f" wait longer than {LONGEST_TURN_S:.0f} s; try again in a minute."
                )
            time.sleep(min(wait_s, _LOOK_S))
    finally:
        if known is None:
            bucket.close()


class Budget:
    """The queue of one connection, by priority. Lives in one event loop and is not thread-safe."""

    def __init__(
        self, *, rate_per_minute: float = RATE_PER_MINUTE, burst: float = BURST, api_url: str | None = None
    ) -> None:
        """Share the bucket of the host of ``api_url``; without one, have a bucket alone."""
        self.rate_s = rate_per_minute / 60
        self.runs = 0
        self._host = None if api_url is None else urlsplit(api_url).netloc
        self._waiting: list[tuple[int, int, float, asyncio.Future[None]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        with _BUCKETS_GUARD:
            if self._host is None:
                self.bucket = Bucket(burst)
            elif self._host not in _BUCKETS:
                self.bucket = _BUCKETS[self._host] = _bucket_of(self._host, self.rate_s)
            else:
                self.bucket = _BUCKETS[self._host]
            self.bucket.users.add(self)

    def close(self) -> None:
        """Leave the bucket; the last connection to leave drops it, and a later one begins with a new one."""
        with _BUCKETS_GUARD:
            if len(self.bucket.users) > 1:
                self.bucket.users.discard(self)
            elif self._host is not None and _BUCKETS.get(self._host) is self.bucket:
                del _BUCKETS[self._host]
                self.bucket.close()

    def keep_for(self, runs: int) -> None:
        """Let reading leave enough for so many runs to enter at once, each with its stop."""
        self.runs = runs

    @property
    def left(self) -> float:
        """Weight that may be spent at once; negative after an answer that was larger than thought."""
        return self.bucket.left(_now_s())

    @property
    def is_short(self) -> bool:
        """Requests wait for their turn. May be asked from any thread."""
        return bool(self._waiting)

    def wait_s(self, weight: float) -> float:
        """Return how long it will take until ``weight`` may be spent, after all that waits already."""
        missing = self.bucket.needed(weight, Priority.ACCOUNT)
        queued = sum(waiting for _, _, waiting, future in self._waiting if not future.done())
        return max(0.0, (missing + queued - self.left) / self.bucket.rate_s)

    async def take(self, weight: float, priority: Priority) -> None:
        """Wait until ``weight`` may be spent; a more urgent request overtakes."""
        if not self._waiting_before(priority) and not self.bucket.take(weight, priority, _now_s()):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._numbers), weight, future))
        self._serve()
        await future

    def charge(self, weight: float) -> None:
        """Count what an answer cost beyond what was taken for it; negative: give back."""
        self.bucket.charge(weight, _now_s())
        if weight < 0:
            self._serve()

    def drain(self) -> None:
        """Spend everything: the venue said that it is too much."""
        self.bucket.drain(_now_s())

    def _waiting_before(self, priority: Priority) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= priority

    def _serve(self) -> None:
        """Let go who may, the most urgent first, and look again when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            priority, _, weight, future = self._waiting[0]
            if not future.done():
                wait_s = self.bucket.take(weight, Priority(priority), _now_s())
                if wait_s:
                    self._timer = asyncio.get_running_loop().call_later(wait_s + 0.001, self._serve)
                    return
                future.set_result(None)
            heapq.heappop(self._waiting)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
