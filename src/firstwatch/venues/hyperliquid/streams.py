"""The one connection that streams: what is subscribed, when it broke, and a watchdog on its data's age."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from firstwatch.trading.errors import said

Subscription = dict[str, str]
CONNECT_S = 15.0
_LONGEST_BACK_OFF_S = 10.0
_FIRST_BACK_OFF_S = 0.2
_WATCH_S = 0.5
_log = logging.getLogger(__name__)


class StreamClient(Protocol):
    """The part of the client that streams."""

    async def connect_stream(self) -> None: ...
    async def send_stream(self, message: dict[str, Any]) -> None: ...
    async def drop_stream(self) -> None: ...


class Streams:
    """Keeps the connection up. Lives in the gateway's loop.

    ``lost`` and ``restored`` are called when the state changes; ``restored`` after everything was
    subscribed again, also the first time. The venue repeats nothing that was missed.
    """

    def __init__(
        self,
        client: StreamClient,
        *,
        lost: Callable[[str], None],
        restored: Callable[[], None],
        stale_after_s: float,
    ) -> None:
        self._client = client
        self._lost = lost
        self._restored = restored
        self._stale_after_s = stale_after_s
        self._subscriptions: list[Subscription] = []
        self._wanted = asyncio.Event()
        self._ended = asyncio.Event()
        self._end_reason = ""
        self._received_at_s: dict[str, float] = {}
        self.is_up = False

    def subscribe(self, subscription: Subscription) -> None:
        """Want a stream, now and after every reconnect. Idempotent."""
        if subscription in self._subscriptions:
            return
        self._subscriptions.append(subscription)
        self._note_wanted(subscription)
        self._wanted.set()

    async def add(self, subscription: Subscription) -> None:
        """Want a stream, and ask for it at once where the connection stands."""
        if subscription in self._subscriptions:
            return
        self.subscribe(subscription)
        if self.is_up:
            await self._send("subscribe", subscription)

    async def remove(self, subscription: Subscription) -> None:
        """Want a stream no longer."""
        if subscription not in self._subscriptions:
            return
        self._subscriptions.remove(subscription)
        self._received_at_s.pop(_key(subscription), None)
        if self.is_up:
            await self._send("unsubscribe", subscription)

    def received(self, kind: str, coin: str) -> None:
        """Note that data came; pongs are no data."""
        key = f"{kind}:{coin}"
        if key in self._received_at_s:
            self._received_at_s[key] = _now_s()

    def silent_s(self) -> float:
        """Return for how long no stream of prices has said anything; 0: none is wanted."""
        return _now_s() - max(self._received_at_s.values(), default=_now_s())

    def ended(self, reason: str) -> None:
        """Note that the connection is gone."""
        self._end_reason = reason
        self._ended.set()

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        back_off_s = _FIRST_BACK_OFF_S
        while True:
            await self._wanted.wait()
            self._ended.clear()
            try:
                await asyncio.wait_for(self._client.connect_stream(), CONNECT_S)
                for subscription in list(self._subscriptions):
                    self._note_wanted(subscription)
                    await self._client.send_stream({"method": "subscribe", "subscription": subscription})
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # Whatever made the connection fail, the reaction is the same: report it and retry.
                reason = f"the stream cannot be opened: {said(error)}"
            else:
                self.is_up = True
                self._restored()
                back_off_s = _FIRST_BACK_OFF_S
                reason = await self._watch()
            self.is_up = False
            self._lost(reason)
            _log.warning("hyperliquid stream: %s", reason)
            await self._client.drop_stream()
            await asyncio.sleep(back_off_s)
            back_off_s = min(back_off_s * 2, _LONGEST_BACK_OFF_S)

    async def _watch(self) -> str:
        """Return why the connection is of no use any more."""
        while True:
            try:
                await asyncio.wait_for(self._ended.wait(), _WATCH_S)
            except TimeoutError:
                now_s = _now_s()
                for key, received_at_s in self._received_at_s.items():
                    if now_s - received_at_s > self._stale_after_s:
                        return f"no data of {key} for {now_s - received_at_s:.0f} s"
            else:
                return self._end_reason

    async def _send(self, method: str, subscription: Subscription) -> None:
        try:
            await self._client.send_stream({"method": method, "subscription": subscription})
        except Exception as error:
            # The connection broke in between: its loop opens it anew with everything that is wanted.
            self.ended(f"a subscription cannot be sent: {said(error)}")

    def _note_wanted(self, subscription: Subscription) -> None:
        # Books come all the time; candles and private messages come when something happens.
        if subscription["type"] == "l2Book":
            self._received_at_s[_key(subscription)] = _now_s()


def _key(subscription: Subscription) -> str:
    return f"{subscription['type']}:{subscription.get('coin', '')}"


def _now_s() -> float:
    return asyncio.get_running_loop().time()
