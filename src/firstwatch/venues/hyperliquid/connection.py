"""One venue in the gateway's loop: client, stream and candles, and the streams that subscribers need.

Everything here runs in one event loop, so nothing is locked. The threads of the runs call it through
``HyperliquidVenue``. ``info`` reads, ``accounts`` watches the accounts of the runs.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import Fill, Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid import decoder, parse
from firstwatch.venues.hyperliquid.account_watch import AccountWatch
from firstwatch.venues.hyperliquid.budget import BURST, PRIORITY, Budget, Priority
from firstwatch.venues.hyperliquid.candles import Candles
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.decoder import Candle, decode
from firstwatch.venues.hyperliquid.gateway import Gateway
from firstwatch.venues.hyperliquid.info import InfoReader, MarketState
from firstwatch.venues.hyperliquid.streams import Streams
from firstwatch.venues.hyperliquid.subscribers import Subscriber, Subscribers
from firstwatch.venues.protocol import (
    LONGEST_WAIT_S,
    BarClosed,
    ConditionRead,
    MarkMoved,
    StreamLost,
    StreamRestored,
    VenueCondition,
)

STREAM = "hyperliquid stream"
# Weight of the checks, the first reading and the first orders of a run.
_LAUNCH_WEIGHT = 190.0
_HEARTBEAT_S = 0.1
_MARK_LEAST_S = 0.25
_WARN_AGAIN_S = 60.0
# How often the venue's condition is read, and the interval, weight and most weight per second of reading
# accounts' remaining actions.
_CONDITION_EVERY_S = 30.0
_ACTIONS_EVERY_S = 300.0
_ACTIONS_WEIGHT = 20.0
_ACTIONS_PER_S = 1.0
# A price is current if it lags the venue's time by less than this; then, how long to wait for one, which must
# be longer than the price age that a launch allows.
_YOUNG_MS = 1_000
_PRICE_COMES_S = 12.0
_LOOK_S = 0.02
_OF_PRICES = frozenset({"l2Book", "activeAssetCtx", "candle"})
_log = logging.getLogger(__name__)


class Connection:
    """One connected venue. Made and used in the gateway's loop only, unless a method says otherwise."""

    def __init__(
        self,
        gateway: Gateway,
        clock: Clock,
        venue_clock: VenueClock,
        *,
        api_url: str,
        ws_url: str,
        is_mainnet: bool,
        stream_users: int,
        weight_per_minute: float,
        stale_after_s: float,
    ) -> None:
        # Imported here and not above: this is the gateway's thread.
        from firstwatch.venues.hyperliquid.client import HyperliquidClient

        self.budget = Budget(rate_per_minute=weight_per_minute, api_url=api_url)
        self.client = HyperliquidClient(
            api_url=api_url,
            ws_url=ws_url,
            is_mainnet=is_mainnet,
            budget=self.budget,
            wall_ms=clock.now_ms,
            elapsed_s=clock.elapsed_s,
            on_stream=self._receive,
            on_stream_end=self._stream_ended,
        )
        self.info = InfoReader(
            self.client,
            venue_clock,
            api_url=api_url,
            note_touch=self._note_touch,
            deliver_fills=self._deliver_fills,
        )
        self.clock = venue_clock
        self._wall = clock
        self._gateway = gateway
        self._api_url = api_url
        self.subscribers = Subscribers()
        self._stream_users = stream_users
        self._was_up = False
        self._is_asking_time = False
        self._warned = ""
        self._warned_at_s = 0.0
        self._streams = Streams(
            self.client, lost=self._stream_lost, restored=self._stream_restored, stale_after_s=stale_after_s
        )
        self.accounts = AccountWatch(
            self.info,
            venue_clock,
            self.budget,
            self.subscribers,
            in_background=self._background,
            silent_s=self._streams.silent_s,
            stream_anew=self._stream_anew,
        )
        self._condition_at_s = 0.0

    async def open(self) -> None:
        """Load the markets and begin to work.

        Raises:
            VenueError: the venue cannot be reached or understood.
        """
        await self.info.list_markets()
        await self.info.agree_on_time()
        self._condition_at_s = self._now_s() + _CONDITION_EVERY_S
        self._gateway.spawn(self._streams.run)
        self._gateway.spawn(self._beat)

    async def close(self) -> None:
        self.budget.close()
        await self.client.close()

    # --- asking ----------------------------------------------------------------------------------

    def fresh_touch(self, symbol: str, youngest_s: float) -> Touch | None:
        """Return the streamed prices if they are younger than that. May be called from any thread."""
        traded = self.info.traded(symbol)
        touch = traded.touch
        return touch if self._wall.elapsed_s() - traded.touch_at_s <= youngest_s else None

    async def condition(self, account: str, symbol: str) -> VenueCondition:
        """Read the venue's condition for the account and the market; takes seconds if no prices arrive.

        Raises:
            VenueError: the venue does not answer, or none of its answers had a date.
        """
        wait_s = self.budget.wait_s(_LAUNCH_WEIGHT)
        if wait_s > LONGEST_WAIT_S:
            return VenueCondition(wait_s=wait_s)
        await self.info.relist()
        traded = self.info.markets.get(symbol)
        is_traded = traded is not None and not traded.is_delisted
        data_age_ms = await self._data_age_ms(symbol) if is_traded else None
        await self._read_actions_left(account)
        if self.client.wall.offset_ms is None:
            raise VenueError(
                f"The answers of Hyperliquid at {self._api_url} have no date, so that it is not known whether"
                " this machine's clock is right; check api_url and any proxy in between."
            )
        return replace(self._known_condition(account, symbol, wait_s), data_age_ms=data_age_ms)

    def _known_condition(self, account: str, symbol: str, wait_s: float) -> VenueCondition:
        """Return the condition as far as it was read lately, without a request."""
        if wait_s > LONGEST_WAIT_S:
            return VenueCondition(wait_s=wait_s)
        traded = self.info.markets.get(symbol)
        return VenueCondition(
            clock_offset_ms=self.client.wall.offset_ms,
            wait_s=wait_s,
            actions_left=self.info.account(account).actions_left,
            is_delisted=traded is not None and traded.is_delisted,
            maintenance=self.info.maintenance,
            leverage_tiers=() if traded is None else traded.leverage_tiers,
        )

    async def _read_actions_left(self, account: str) -> None:
        answer = await self.info.ask("userRateLimit", user=account)
        limit = decode(decoder.RATE_LIMIT, answer, f"the requests of {account}")
        book = self.info.account(account)
        book.actions_left, book.actions_at_s = limit.cap - limit.used, self._now_s()

    async def _read_condition(self) -> None:
        """Read the venue's condition, if the budget allows it, and deliver it to all runs."""
        wait_s = self.budget.wait_s(_LAUNCH_WEIGHT)
        try:
            if wait_s <= LONGEST_WAIT_S:
                await self.info.time()
                await self.info.relist()
                accounts = self.subscribers.accounts
                every_s = max(_ACTIONS_EVERY_S, len(accounts) * _ACTIONS_WEIGHT / _ACTIONS_PER_S)
                for account in accounts:
                    if self._now_s() - self.info.account(account).actions_at_s >= every_s:
                        await self._read_actions_left(account)
        finally:
            for subscriber in self.subscribers:
                condition = self._known_condition(subscriber.account, subscriber.symbol, wait_s)
                subscriber.receive(ConditionRead(condition, self.clock.now_ms()))
            self._condition_at_s = self._now_s() + _CONDITION_EVERY_S

    def _read_condition_if_due(self) -> None:
        if len(self.subscribers) and self._now_s() >= self._condition_at_s:
            self._condition_at_s = math.inf
            self._background(self._read_condition, Priority.HISTORY)

    async def _data_age_ms(self, symbol: str) -> int:
        """Ask the venue for its time, wait for a price streamed since, and return the price's age.

        Both times are the venue's, so no clock of this machine matters. If no recent price comes, the age is
        at least the time for which none has come.
        """
        traded, began_s = self.info.traded(symbol), self._now_s()
        traded.watchers += 1
        try:
            await self._streams.add(_book(traded.coin))
            now_ms = await self.info.time()
            while True:
                has_come = traded.streamed_at_s >= began_s
                behind_ms = max(now_ms - traded.streamed_ms, 0) if has_come else 0
                if has_come and behind_ms < _YOUNG_MS:
                    return behind_ms
                if self._now_s() - began_s > _PRICE_COMES_S:
                    silent_s = self._now_s() - max(traded.streamed_at_s, began_s)
                    return max(behind_ms, round(silent_s * 1000))
                await asyncio.sleep(_LOOK_S)
        finally:
            traded.watchers -= 1
            await self._end_book(traded)

    def candles_of(self, symbol: str, timeframe: Timeframe) -> Candles:
        traded = self.info.traded(symbol)
        if timeframe not in traded.candles:

            async def read_rows(first_ms: int, last_ms: int) -> list[Candle]:
                request = {
                    "coin": traded.coin,
                    "interval": timeframe.value,
                    "startTime": first_ms,
                    "endTime": last_ms,
                }
                answer = await self.info.ask("candleSnapshot", req=request)
                rows = decode(decoder.CANDLES, answer, f"the candles of {symbol}")
                if any((row.s, row.i) != (traded.coin, timeframe) for row in rows):
                    raise VenueError(f"Hyperliquid answers with candles of something else than {symbol}.")
                return parse.candles_between(rows, first_ms, last_ms)

            async def observe() -> None:
                await self.info.touch(symbol)

            def may_confirm() -> bool:
                return self.budget.left >= BURST / 2

            def closed(bar: Bar) -> None:
                event = BarClosed(symbol, timeframe, bar, None, None, self.clock.now_ms())
                for subscriber in self.subscribers:
                    is_new = subscriber.after_ms is None or bar.time_ms > subscriber.after_ms
                    if subscriber.symbol == symbol and subscriber.timeframe is timeframe and is_new:
                        subscriber.receive(event)

            traded.candles[timeframe] = Candles(
                timeframe,
                self.clock,
                elapsed_s=self._wall.elapsed_s,
                read_rows=read_rows,
                observe=observe,
                may_confirm=may_confirm,
                closed=closed,
            )
        return traded.candles[timeframe]

    # --- subscribing -----------------------------------------------------------------------------

    async def subscribe(self, subscriber: Subscriber) -> None:
        """Begin to deliver to a subscriber.

        Raises:
            VenueError: the venue cannot be asked, or has no such market.
        """
        traded = self.info.traded(subscriber.symbol)
        candles = self.candles_of(subscriber.symbol, subscriber.timeframe)
        await candles.start()
        if subscriber.after_ms is None:
            subscriber.after_ms = candles.last_ms
        await self.accounts.begin(subscriber.account)
        self.subscribers.add(subscriber)
        self.budget.keep_for(len(self.subscribers))
        await self._streams.add(_book(traded.coin))
        await self._streams.add({"type": "activeAssetCtx", "coin": traded.coin})
        await self._streams.add(
            {"type": "candle", "coin": traded.coin, "interval": subscriber.timeframe.value}
        )
        if len(self.subscribers.accounts) <= self._stream_users:
            for subscription in _private(subscriber.account):
                await self._streams.add(subscription)

    async def unsubscribe(self, subscriber: Subscriber) -> None:
        """Stop delivering to a subscriber; streams that are not needed any more end."""
        if subscriber not in self.subscribers:
            return
        self.subscribers.remove(subscriber)
        self.budget.keep_for(len(self.subscribers))
        if subscriber.account not in self.subscribers.accounts:
            self.info.account(subscriber.account).is_streamed = False
            for subscription in _private(subscriber.account):
                await self._streams.remove(subscription)
        traded = self.info.traded(subscriber.symbol)
        await self._end_book(traded)
        if not self.subscribers.has_symbol(traded.market.symbol):
            await self._streams.remove({"type": "activeAssetCtx", "coin": traded.coin})

    async def _stream_anew(self, account: str) -> None:
        """Subscribe again to the private streams of an account, which have gone silent."""
        for subscription in _private(account) if self.info.account(account).is_streamed else ():
            await self._streams.remove(subscription)
            await self._streams.add(subscription)

    async def _end_book(self, traded: MarketState) -> None:
        """End the stream of a book that neither a run nor a launch uses any more."""
        if not traded.watchers and not self.subscribers.has_symbol(traded.market.symbol):
            await self._streams.remove(_book(traded.coin))

    # --- the stream ------------------------------------------------------------------------------

    def _stream_ended(self, reason: str) -> None:
        self._streams.ended(reason)

    def _stream_lost(self, reason: str) -> None:
        self.accounts.stream_lost()
        if self._was_up:
            self._was_up = False
            self.subscribers.send(StreamLost(STREAM, reason, self.clock.now_ms()))

    def _stream_restored(self) -> None:
        self._was_up = True
        self.subscribers.send(StreamRestored(STREAM, self.clock.now_ms()))

    def _receive(self, message: Any) -> None:
        """Handle a message of the stream. One that cannot be understood is dropped, and nothing else."""
        channel = ""
        try:
            said = decode(decoder.MESSAGE, message, "the stream")
            channel = said.channel
            self._dispatch(channel, said.data)
        except Exception as error:
            if not isinstance(error, VenueError):
                _log.exception("hyperliquid stream: a message broke its reader")
            self._warn(f"a message of the stream is dropped: {error}")
            if channel not in _OF_PRICES:
                # It may have been about an order, so the accounts are compared.
                self.accounts.compare_soon()

    def _dispatch(self, channel: str, data: Any) -> None:
        match channel:
            case "l2Book":
                book = decode(decoder.BOOK, data, "the stream of a book")
                traded = self.info.by_coin.get(book.coin)
                if traded is None:
                    return
                self._streams.received(channel, book.coin)
                self._observe_time(book.time, f"the stream of {book.coin}")
                touch = parse.touch_of(book, traded.mark)
                if touch is not None:
                    traded.streamed_at_s, traded.streamed_ms = self._now_s(), touch.time_ms
                    self._note_touch(traded, touch, is_streamed=True)
            case "activeAssetCtx":
                context = decode(decoder.STREAM_CONTEXT, data, "the stream of a mark")
                traded = self.info.by_coin.get(context.coin)
                if traded is not None:
                    traded.mark = float(context.ctx.mark)
            case "candle":
                self._receive_candle(decode(decoder.STREAM_CANDLE, data, "the stream of a candle"))
            case "userFills":
                fills = decode(decoder.STREAM_FILLS, data, "the stream of an account's fills")
                self.accounts.end_silence(fills.user)
                # The snapshot of a new subscription is history: missed fills are read by REST.
                if not fills.is_snapshot:
                    self._background(partial(self.accounts.receive_fills, fills))
            case "orderUpdates":
                for update in decode(decoder.STREAM_ORDERS, data, "the stream of an account's orders"):
                    client_order_id = parse.client_order_id_of(update.order.cloid)
                    is_open = update.status == "open"
                    self.accounts.receive_order(client_order_id, str(update.order.oid), is_open=is_open)
            case "subscriptionResponse":
                answer = decode(decoder.STREAM_SUBSCRIPTION, data, "a subscription")
                user = answer.subscription.user
                if answer.subscription.type == "userFills" and answer.method == "subscribe" and user:
                    self.accounts.stream_began(user)
            case "error":
                # For example too many users: such an account is polled.
                _log.warning("hyperliquid stream: the venue says %.200r", data)
            case _:
                pass

    def _observe_time(self, venue_ms: int, source: str) -> None:
        """Note a venue time from the stream; if no other source confirms it, the venue is asked."""
        if not self.clock.observe(venue_ms, source) and not self._is_asking_time:
            self._is_asking_time = True
            self._background(self._ask_time, Priority.ACCOUNT)

    async def _ask_time(self) -> None:
        try:
            await self.info.time()
        finally:
            self._is_asking_time = False

    def _receive_candle(self, row: Candle) -> None:
        traded = self.info.by_coin.get(row.s)
        candles = None if traded is None else traded.candles.get(row.i)
        if candles is not None:
            self._observe_time(row.t, f"the candles of {row.s}")
            candles.row(row)
            if candles.is_due():
                self._background(candles.close_due, Priority.ORDER)

    def _deliver_fills(self, account: str, fills: list[tuple[MarketState, Fill]]) -> None:
        self.accounts.deliver_fills(account, fills)

    def _note_touch(self, traded: MarketState, touch: Touch, *, is_streamed: bool = False) -> None:
        now_s = self._wall.elapsed_s()
        traded.touch, traded.touch_at_s = touch, now_s
        if now_s - traded.delivered_at_s >= _MARK_LEAST_S:
            traded.delivered_at_s = now_s
            symbol = traded.market.symbol
            event = MarkMoved(symbol, touch, self.clock.now_ms(), is_streamed)
            self.subscribers.send(event, symbol=symbol)

    async def _beat(self) -> None:
        """Check ten times a second for bars that are over and accounts that must be compared."""
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            for traded in self.info.markets.values():
                for timeframe, candles in traded.candles.items():
                    is_wanted = self.subscribers.has_symbol(traded.market.symbol, timeframe)
                    if is_wanted and candles.is_due():
                        self._background(candles.close_due, Priority.ORDER)
            self.accounts.look()
            self._read_condition_if_due()

    def _background(self, make: Callable[[], Awaitable[None]], priority: Priority = Priority.WATCH) -> None:
        """Run work of the connection itself; a failure of the venue is logged, and the beat tries again."""

        async def run() -> None:
            PRIORITY.set(priority)
            try:
                await make()
            except VenueError as error:
                self._warn(str(error))
            except Exception:
                _log.exception("hyperliquid: a reading of the connection's own failed")

        self._gateway.spawn(run)

    def _warn(self, sentence: str) -> None:
        """Log a failure of the venue; the same sentence at most once a minute."""
        now_s = self._now_s()
        if sentence != self._warned or now_s - self._warned_at_s > _WARN_AGAIN_S:
            self._warned, self._warned_at_s = sentence, now_s
            _log.warning("hyperliquid: %s", sentence)

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


def _private(account: str) -> tuple[dict[str, str], dict[str, str]]:
    return {"type": "userFills", "user": account}, {"type": "orderUpdates", "user": account}


def _book(coin: str) -> dict[str, str]:
    return {"type": "l2Book", "coin": coin}
