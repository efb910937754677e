"""The request budget: the venue counts the weight of all requests of an internet address, per minute."""

import asyncio
import heapq
from contextvars import ContextVar
from enum import IntEnum
from itertools import count
from typing import Any


class Priority(IntEnum):
    """Who goes first when the budget is short."""

    ORDER = 0
    ACCOUNT = 1
    """A run waits for the answer, and hears nothing else meanwhile."""
    WATCH = 2
    """What the session looks at by itself."""
    FILL = 3
    """What orders led to: ten times as dear as the state of an account, and mostly known from the answer."""
    HISTORY = 4


PRIORITY: ContextVar[Priority] = ContextVar("hyperliquid_priority", default=Priority.ACCOUNT)
"""Priority of the requests of the current task."""

# 1,200 a minute are allowed: a full burst and a minute of refilling stay below it (hyperliquid.md 5).
RATE_PER_MINUTE = 950
BURST = 200
# A process that is started again and again spends no full burst each time.
_AT_START = 120
# So much of a burst only orders may take: reading never makes an order wait.
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
_ROWS_PER_WEIGHT = 20


def weight_of(path: str, params: dict[str, Any]) -> float:
    """Return what a request costs before its answer is known (public documentation of the venue)."""
    if path == "exchange":
        action = params.get("action", {})
        count_of = max((len(part) for part in action.values() if isinstance(part, list)), default=1)
        return 1.0 + count_of // 40
    kind = params.get("type")
    if kind in _LIGHT:
        return 2.0
    if kind == "userRole":
        return 60.0
    return 20.0


def weight_of_answer(path: str, params: dict[str, Any], answer: object) -> float:
    """Return what the rows of an answer cost on top of ``weight_of``."""
    if path != "info" or not isinstance(answer, list):
        return 0.0
    kind = params.get("type")
    if kind == "candleSnapshot":
        return float(len(answer) // _CANDLES_PER_WEIGHT)
    return float(len(answer) // _ROWS_PER_WEIGHT) if kind in _PER_20_ROWS else 0.0


class Budget:
    """A token bucket with a queue by priority. Lives in one event loop and is not thread-safe."""

    def __init__(self, *, rate_per_minute: float = RATE_PER_MINUTE, burst: float = BURST) -> None:
        self._rate_s = rate_per_minute / 60
        self._burst = burst
        self._tokens = min(burst, _AT_START)
        self._filled_at_s: float | None = None
        self._waiting: list[tuple[int, int, float, asyncio.Future[None]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._for_orders = 0.0

    def keep_for(self, runs: int) -> None:
        """Let reading leave enough for so many runs to enter at once, each with its stop."""
        self._for_orders = min(_FOR_A_BAR + runs * _ORDERS_OF_A_RUN, _MOST_FOR_ORDERS)

    @property
    def left(self) -> float:
        """Weight that may be spent at once; negative after an answer that was larger than thought."""
        self._fill()
        return self._tokens

    @property
    def is_short(self) -> bool:
        """Requests wait for their turn. May be asked from any thread."""
        return bool(self._waiting)

    def wait_s(self, weight: float) -> float:
        """Return how long it will take until ``weight`` may be spent, after all that waits already."""
        missing = self._needed(weight, Priority.ACCOUNT)
        queued = sum(waiting for _, _, waiting, future in self._waiting if not future.done())
        return max(0.0, (missing + queued - self.left) / self._rate_s)

    async def take(self, weight: float, priority: Priority) -> None:
        """Wait until ``weight`` may be spent; a more urgent request overtakes."""
        self._fill()
        if not self._waiting_before(priority) and self._has(weight, priority):
            self._tokens -= weight
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._numbers), weight, future))
        self._arm()
        await future

    def charge(self, weight: float) -> None:
        """Count what an answer cost beyond what was taken for it."""
        self._fill()
        self._tokens -= weight

    def drain(self) -> None:
        """Spend everything: the venue said that it is too much."""
        self._fill()
        self._tokens = min(self._tokens, 0.0)

    def _waiting_before(self, priority: Priority) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= priority

    def _has(self, weight: float, priority: Priority) -> bool:
        return self._tokens >= self._needed(weight, priority)

    def _needed(self, weight: float, priority: Priority) -> float:
        """Return how much must be there for the request to go."""
        if priority is Priority.ORDER:
            return min(weight, self._burst)
        reserved = max(_FOR_ORDERS, self._for_orders)
        if priority is not Priority.ACCOUNT:
            reserved += _FOR_ACCOUNTS
        return min(weight + reserved, self._burst)

    def _fill(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._filled_at_s is not None:
            self._tokens = min(self._burst, self._tokens + (now_s - self._filled_at_s) * self._rate_s)
        self._filled_at_s = now_s

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        priority, _, weight, _ = self._waiting[0]
        missing = self._needed(weight, Priority(priority)) - self._tokens
        delay_s = max(missing / self._rate_s, 0.0) + 0.001
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._serve)

    def _serve(self) -> None:
        self._timer = None
        self._fill()
        while self._waiting:
            priority, _, weight, future = self._waiting[0]
            if not future.done():
                if not self._has(weight, Priority(priority)):
                    break
                self._tokens -= weight
                future.set_result(None)
            heapq.heappop(self._waiting)
        self._arm()
