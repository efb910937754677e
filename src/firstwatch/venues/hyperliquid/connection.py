"""The life of a venue in the gateway's loop: client, markets, stream, candles, accounts, and who listens.

Everything here runs in one event loop, so nothing is locked. ``HyperliquidVenue`` is the door to it for
the threads of the runs, ``InfoReader`` is what it asks. It is one class although it is long: who listens
decides what is streamed, what is polled and what was missed, and all three change together.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import Fill, Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid import decoder, kinds, parse
from firstwatch.venues.hyperliquid.account_book import FOREVER_S, NEVER_S, AccountBook
from firstwatch.venues.hyperliquid.budget import BURST, PRIORITY, Budget, Priority
from firstwatch.venues.hyperliquid.candles import Candles
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.decoder import Candle, FillsMessage, decode
from firstwatch.venues.hyperliquid.gateway import Gateway
from firstwatch.venues.hyperliquid.info import OVERLAP_MS, InfoReader, MarketState
from firstwatch.venues.hyperliquid.streams import Streams
from firstwatch.venues.protocol import (
    LONGEST_WAIT_S,
    AccountJudged,
    BarClosed,
    Deliver,
    ExternalPositions,
    FillReported,
    MarkMoved,
    OrderReported,
    StreamLost,
    StreamRestored,
    VenueCondition,
    VenueEvent,
)

STREAM = "hyperliquid stream"
RECONCILIATION = "hyperliquid account"
RECONCILE_S = 30.0
# What a whole reconciliation of one run costs, and how much of the budget all of them may take.
_RECONCILE_WEIGHT = 45.0
_RECONCILE_PER_S = 2.0
# What asking for all open orders of a polled account costs, and how much of the budget all of them may take.
_ORDERS_WEIGHT = 20.0
_ORDERS_PER_S = 2.0
# What asking for the kind of an account and its positions in other exchanges may take of the budget.
_EXTERNAL_WEIGHT = 40.0
_EXTERNAL_PER_S = 2.0
# It waits so long for a budget that is half full, and so long after it failed.
_EXTERNAL_LATE_S = 60.0
_EXTERNAL_AGAIN_S = 5.0
# What the checks, the first reading and the first orders of a run cost.
_LAUNCH_WEIGHT = 190.0
# It is put off when a bar ends within this time.
_NEAR_CLOSE_S = 20.0
_POLL_LEAST_S = 2.0
# Books come twice a second: a stream without any for so long is not relied on, and accounts are polled.
_SILENT_S = 2.0
# A poll costs an account two and each of its open orders two: all of them take half of the budget, and a
# quarter while less than half of a burst is left.
_POLL_WEIGHT = 2.0
_POLL_PER_S = 8.0
# Where others trade with a streamed account all the time, so often their orders are looked at, and so many of
# what the stream says of them wait to be looked up.
_EXTERNAL_ORDERS_EVERY_S = 15.0
_UNKNOWN_LOOK_S = 5.0
_MOST_UNKNOWN = 10
_HEARTBEAT_S = 0.1
_MARK_LEAST_S = 0.25
_FILLS_LATE_S = 1.0
_FILLS_PER_ACCOUNT_S = 3.0
_WARN_AGAIN_S = 60.0
# A price is of now when it is behind the venue's own word by less; how long one is waited for, which must be
# longer than a launch lets prices be old.
_YOUNG_MS = 1_000
_PRICE_COMES_S = 12.0
_LOOK_S = 0.02
_OF_PRICES = frozenset({"l2Book", "activeAssetCtx", "candle"})
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Subscriber:
    """One run that listens."""

    account: str
    symbol: str
    timeframe: Timeframe
    deliver: Deliver
    after_ms: int | None
    """Open time of the last bar that it knows; None: it is told those that close from now on."""
    is_open: bool = True


class Connection:
    """One venue, connected. Made and used in the gateway's loop only, but for what says otherwise."""

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
        self._subscribers: list[Subscriber] = []
        self._stream_users = stream_users
        self._was_up = False
        self._is_asking_time = False
        self._next_full_at_s = 0.0
        self._unknown_orders: dict[str, None] = {}
        """Orders that were not sent here, by the venue's id: the stream does not say whose they are."""
        self._warned = ""
        self._warned_at_s = 0.0
        self._streams = Streams(
            self.client, lost=self._stream_lost, restored=self._stream_restored, stale_after_s=stale_after_s
        )

    async def open(self) -> None:
        """Load the markets and begin to work.

        Raises:
            VenueError: the venue cannot be reached or understood.
        """
        await self.info.list_markets()
        await self.info.agree_on_time()
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
        """Read how well the venue serves the account and the market now."""
        wait_s = self.budget.wait_s(_LAUNCH_WEIGHT)
        if wait_s > LONGEST_WAIT_S:
            return VenueCondition(wait_s=wait_s)
        await self.info.relist()
        traded = self.info.markets.get(symbol)
        is_traded = traded is not None and not traded.is_delisted
        data_age_ms = await self._data_age_ms(symbol) if is_traded else None
        answer = await self.info.ask("userRateLimit", user=account)
        limit = decode(decoder.RATE_LIMIT, answer, f"the requests of {account}")
        if self.client.wall.offset_ms is None:
            raise VenueError(
                f"The answers of Hyperliquid at {self._api_url} have no date, so that nobody can tell whether"
                " this machine's clock is right; check api_url and what stands between."
            )
        return VenueCondition(
            clock_offset_ms=self.client.wall.offset_ms,
            data_age_ms=data_age_ms,
            wait_s=wait_s,
            actions_left=limit.cap - limit.used,
            is_delisted=traded is not None and traded.is_delisted,
        )

    async def _data_age_ms(self, symbol: str) -> int:
        """Ask what time it is, then wait for a streamed price that is of this time; return how old it is.

        Comparing two words of the venue needs no measure of how fast its time runs. Where no price comes,
        the age is how long none has come.
        """
        traded, began_s = self.info.traded(symbol), self._now_s()
        traded.watchers += 1
        try:
            await self._streams.add(_book(traded.coin))
            now_ms = await self.info.time()
            while True:
                is_wanted = traded.streamed_at_s >= began_s
                behind_ms = max(now_ms - traded.streamed_ms, 0) if is_wanted else 0
                if is_wanted and behind_ms < _YOUNG_MS:
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
                for subscriber in self._subscribers:
                    is_new = subscriber.after_ms is None or bar.time_ms > subscriber.after_ms
                    if subscriber.symbol == symbol and subscriber.timeframe is timeframe and is_new:
                        self._deliver(subscriber, event)

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

    # --- listening -------------------------------------------------------------------------------

    async def subscribe(self, subscriber: Subscriber) -> None:
        """Begin to tell an subscriber what happens.

        Raises:
            VenueError: the venue cannot be asked, or has no such market.
        """
        traded = self.info.traded(subscriber.symbol)
        candles = self.candles_of(subscriber.symbol, subscriber.timeframe)
        await candles.start()
        if subscriber.after_ms is None:
            subscriber.after_ms = candles.last_ms
        state, footprint = await self.info.footprint(subscriber.account)
        book = self.info.account(subscriber.account)
        now_s = self._now_s()
        if not any(other.account == subscriber.account for other in self._subscribers):
            book.checked_at_s = now_s
            book.full_at_s = now_s + self._full_every_s()
            book.orders_at_s = now_s + RECONCILE_S
            book.fills_since_ms = self.clock.observed_ms
            book.external_due_s = now_s
            book.compared, book.sizes = footprint, parse.sizes_of(state)
            book.compared_at_ms = self.clock.observed_ms
        book.external = None
        self._subscribers.append(subscriber)
        self.budget.keep_for(len(self._subscribers))
        await self._streams.add(_book(traded.coin))
        await self._streams.add({"type": "activeAssetCtx", "coin": traded.coin})
        await self._streams.add(
            {"type": "candle", "coin": traded.coin, "interval": subscriber.timeframe.value}
        )
        streamed = {other.account for other in self._subscribers}
        if len(streamed) <= self._stream_users:
            for subscription in _private(subscriber.account):
                await self._streams.add(subscription)

    async def unsubscribe(self, subscriber: Subscriber) -> None:
        """Stop telling an subscriber; streams that nobody needs any more end."""
        if subscriber not in self._subscribers:
            return
        self._subscribers.remove(subscriber)
        self.budget.keep_for(len(self._subscribers))
        if not any(other.account == subscriber.account for other in self._subscribers):
            self.info.account(subscriber.account).is_streamed = False
            for subscription in _private(subscriber.account):
                await self._streams.remove(subscription)
        traded = self.info.traded(subscriber.symbol)
        await self._end_book(traded)
        if not self._has_subscriber(traded):
            await self._streams.remove({"type": "activeAssetCtx", "coin": traded.coin})

    async def _end_book(self, traded: MarketState) -> None:
        """End the stream of a book that neither a run nor a launch listens to any more."""
        if not traded.watchers and not self._has_subscriber(traded):
            await self._streams.remove(_book(traded.coin))

    def _has_subscriber(self, traded: MarketState) -> bool:
        return any(subscriber.symbol == traded.market.symbol for subscriber in self._subscribers)

    def _deliver(self, subscriber: Subscriber, event: VenueEvent) -> None:
        if subscriber.is_open:
            subscriber.deliver(event)

    def _deliver_to(self, account: str, symbol: str | None, event: VenueEvent) -> None:
        for subscriber in list(self._subscribers):
            if subscriber.account == account and symbol in (None, subscriber.symbol):
                self._deliver(subscriber, event)

    def _deliver_to_all(self, event: VenueEvent) -> None:
        for subscriber in list(self._subscribers):
            self._deliver(subscriber, event)

    # --- the stream ------------------------------------------------------------------------------

    def _stream_ended(self, reason: str) -> None:
        self._streams.ended(reason)

    def _stream_lost(self, reason: str) -> None:
        for book in self.info.accounts.values():
            book.is_streamed = False
            book.checked_at_s = NEVER_S
            book.orders_at_s = self._now_s() + RECONCILE_S
        if self._was_up:
            self._was_up = False
            self._deliver_to_all(StreamLost(STREAM, reason, self.clock.now_ms()))

    def _stream_restored(self) -> None:
        self._was_up = True
        self._deliver_to_all(StreamRestored(STREAM, self.clock.now_ms()))

    def _receive(self, message: Any) -> None:
        """Take a message of the stream in. One that cannot be understood is dropped, and nothing else."""
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
                # It may have said what happened to an order: the accounts are looked at.
                for book in self.info.accounts.values():
                    book.checked_at_s = NEVER_S

    def _dispatch(self, channel: str, data: Any) -> None:
        match channel:
            case "l2Book":
                book = decode(decoder.BOOK, data, "the stream of a book")
                traded = self.info.by_coin.get(book.coin)
                if traded is None:
                    return
                self._streams.heard(channel, book.coin)
                self._observe_time(book.time, f"the stream of {book.coin}")
                touch = parse.touch_of(book, traded.mark)
                if touch is not None:
                    traded.streamed_at_s, traded.streamed_ms = self._now_s(), touch.time_ms
                    self._note_touch(traded, touch)
            case "activeAssetCtx":
                context = decode(decoder.STREAM_CONTEXT, data, "the stream of a mark")
                traded = self.info.by_coin.get(context.coin)
                if traded is not None:
                    traded.mark = float(context.ctx.mark)
            case "candle":
                self._receive_candle(decode(decoder.STREAM_CANDLE, data, "the stream of a candle"))
            case "userFills":
                fills = decode(decoder.STREAM_FILLS, data, "the stream of an account's fills")
                # The snapshot of a new subscription is history: what was missed is read by REST.
                if not fills.is_snapshot:
                    self._background(partial(self._receive_fills, fills))
            case "orderUpdates":
                for update in decode(decoder.STREAM_ORDERS, data, "the stream of an account's orders"):
                    client_order_id = parse.client_order_id_of(update.order.cloid)
                    is_open = update.status == "open"
                    self._receive_order(client_order_id, str(update.order.oid), is_open=is_open)
            case "subscriptionResponse":
                answer = decode(decoder.STREAM_SUBSCRIPTION, data, "a subscription")
                user = answer.subscription.user
                if answer.subscription.type == "userFills" and answer.method == "subscribe" and user:
                    known = self.info.account(user)
                    known.is_streamed, known.orders_at_s = True, FOREVER_S
            case "error":
                # For example one user too many: such an account is polled.
                _log.warning("hyperliquid stream: the venue says %.200r", data)
            case _:
                pass

    def _observe_time(self, venue_ms: int, source: str) -> None:
        """Take in a time that the stream has said; one that nobody else has said is asked about."""
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

    async def _receive_fills(self, told: FillsMessage) -> None:
        self._deliver_fills(told.user, await self.info.fills_of(told.user, told.fills))

    def _deliver_fills(self, account: str, fills: list[tuple[MarketState, Fill]]) -> None:
        book = self.info.account(account)
        for traded, fill in fills:
            if book.is_undelivered(fill):
                touch = traded.touch
                self._deliver_to(account, fill.symbol, FillReported(fill, touch, self.clock.now_ms()))

    def _receive_order(self, client_order_id: str | None, order_id: str, *, is_open: bool) -> None:
        """An order changed; the stream does not say whose, so the account of a known client id is asked."""
        is_known = False
        for book in self.info.accounts.values():
            if client_order_id is not None and client_order_id in book.open_orders:
                is_known = True
                symbol = book.open_orders[client_order_id]
                self._background(partial(self.deliver_order, book.account, symbol, client_order_id))
            elif order_id in book.external_orders:
                is_known = True
                book.orders_at_s = min(book.orders_at_s, book.orders_read_at_s + _EXTERNAL_ORDERS_EVERY_S)
            elif book.client_order_id(order_id) is not None:
                is_known = True
        if is_open and not is_known and len(self._unknown_orders) < _MOST_UNKNOWN:
            self._unknown_orders[order_id] = None
            if len(self._unknown_orders) == 1:
                self._background(self._find_unknown_orders, Priority.FILL)

    async def _find_unknown_orders(self) -> None:
        """Find the accounts of orders that were not sent here: all orders of such an account are read."""
        try:
            while self._unknown_orders:
                order_id = next(iter(self._unknown_orders))
                for account in self._accounts:
                    book = self.info.account(account)
                    if book.is_streamed and await self.info.has_order(account, order_id):
                        book.orders_at_s = min(
                            book.orders_at_s, book.orders_read_at_s + _EXTERNAL_ORDERS_EVERY_S
                        )
                        break
                self._unknown_orders.pop(order_id)
                await asyncio.sleep(_UNKNOWN_LOOK_S)
        finally:
            self._unknown_orders.clear()

    async def deliver_order(self, account: str, symbol: str, client_order_id: str) -> None:
        """Read an order and tell it, its fills first."""
        report = await self.info.order(account, symbol, client_order_id)
        if report is not None:
            self._deliver_to(account, symbol, OrderReported(report, self.clock.now_ms()))

    def _note_touch(self, traded: MarketState, touch: Touch) -> None:
        now_s = self._wall.elapsed_s()
        traded.touch, traded.touch_at_s = touch, now_s
        if now_s - traded.delivered_at_s >= _MARK_LEAST_S:
            traded.delivered_at_s = now_s
            symbol = traded.market.symbol
            event = MarkMoved(symbol, touch, self.clock.now_ms())
            for subscriber in list(self._subscribers):
                if subscriber.symbol == symbol:
                    self._deliver(subscriber, event)

    # --- what was missed -------------------------------------------------------------------------

    async def expect(
        self, account: str, symbol: str, client_order_id: str, order_id: str, filled: Decimal
    ) -> None:
        """Make sure that the fills which an answer spoke of are told, should the stream not do so."""
        await asyncio.sleep(_FILLS_LATE_S)
        if self.info.account(account).filled(order_id) < filled:
            await self.deliver_order(account, symbol, client_order_id)

    def expect_soon(
        self, account: str, symbol: str, client_order_id: str, order_id: str, filled: Decimal
    ) -> None:
        book = self.info.account(account)
        if book.is_streamed:
            expect = partial(self.expect, account, symbol, client_order_id, order_id, filled)
            self._background(expect, Priority.FILL)
        else:
            book.checked_at_s = NEVER_S

    def deliver_order_soon(self, account: str, symbol: str, client_order_id: str) -> None:
        self._background(lambda: self.deliver_order(account, symbol, client_order_id))

    async def _beat(self) -> None:
        """Look again and again for bars that are over and accounts that must be compared."""
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            for traded in self.info.markets.values():
                for timeframe, candles in traded.candles.items():
                    is_wanted = any(
                        subscriber.symbol == traded.market.symbol and subscriber.timeframe is timeframe
                        for subscriber in self._subscribers
                    )
                    if is_wanted and candles.is_due():
                        self._background(candles.close_due, Priority.ORDER)
            now_s, poll_every_s = self._now_s(), self._poll_every_s()
            for account in self._accounts:
                book = self.info.account(account)
                every_s = poll_every_s if self._is_polled(book) else RECONCILE_S
                if now_s >= book.checked_at_s + every_s and not book.is_compared_now:
                    # Where fills are awaited a run can neither move its stop nor leave before it has them.
                    priority = Priority.ACCOUNT if book.checked_at_s == NEVER_S else Priority.WATCH
                    book.checked_at_s, book.is_compared_now = now_s, True
                    self._background(partial(self._compare_once, book), priority)
                self._look_at_orders_if_due(book)
                self._read_external_if_due(book)

    async def _compare_once(self, book: AccountBook) -> None:
        try:
            await self._compare(book)
        finally:
            book.is_compared_now = False

    async def _compare(self, book: AccountBook) -> None:
        """Compare what the venue shows with what was told; a difference makes the runs reconcile."""
        since_ms = book.compared_at_ms
        state, footprint = await self.info.footprint(book.account)
        compared_at_ms = self.clock.observed_ms
        has_traded = footprint != book.compared and not footprint.has_same_fills(book.compared)
        held = parse.sizes_of(state)
        if has_traded:
            since_ms = max(book.fills_since_ms, since_ms - OVERLAP_MS)
            await self.info.catch_up(book.account, since_ms, footprint)
        for client_order_id, symbol in list(book.open_orders.items()):
            await self.deliver_order(book.account, symbol, client_order_id)
        # Fills that explain the position are told by now.
        has_changed = held != {coin: size for coin, size in book.sizes.items() if size}
        self._deliver_external(book, held)
        # Only now: what could not be read is compared again.
        book.compared, book.compared_at_ms, book.sizes = footprint, compared_at_ms, held
        now_s = self._now_s()
        is_due = now_s >= max(book.full_at_s, self._next_full_at_s) and not self._is_close_near(book.account)
        if has_changed or is_due:
            # Runs that began together do not all read everything together.
            self._next_full_at_s = now_s + _RECONCILE_WEIGHT / _RECONCILE_PER_S
            book.full_at_s = now_s + self._full_every_s()
            self._deliver_to(book.account, None, StreamRestored(RECONCILIATION, self.clock.now_ms()))

    def _look_at_orders_if_due(self, book: AccountBook) -> None:
        """Look for orders that were not sent here: the stream has told of one, or nothing is streamed."""
        if self._now_s() >= book.orders_at_s:
            book.orders_at_s = FOREVER_S
            self._background(partial(self._look_at_orders, book), Priority.FILL)

    async def _look_at_orders(self, book: AccountBook) -> None:
        before, every_s = book.external_orders, RECONCILE_S
        book.orders_read_at_s = self._now_s()
        try:
            book.external_orders = await self.info.external_orders(book.account)
            polled = sum(not self.info.account(account).is_streamed for account in self._accounts)
            every_s = FOREVER_S if book.is_streamed else max(every_s, polled * _ORDERS_WEIGHT / _ORDERS_PER_S)
        finally:
            # Meanwhile the stream may have told of another one.
            book.orders_at_s = min(book.orders_at_s, self._now_s() + every_s)
        if book.external_orders != before:
            self._deliver_to(book.account, None, StreamRestored(RECONCILIATION, self.clock.now_ms()))

    def _read_external_if_due(self, book: AccountBook) -> None:
        """Look where no run trades when it is due and nothing that a run needs would wait for it."""
        late_s = self._now_s() - book.external_due_s
        if late_s >= 0 and (self.budget.left >= BURST / 2 + _EXTERNAL_WEIGHT or late_s >= _EXTERNAL_LATE_S):
            book.external_due_s += late_s + _EXTERNAL_AGAIN_S
            self._background(partial(self._read_external, book), Priority.HISTORY)

    async def _read_external(self, book: AccountBook) -> None:
        """Ask for the kind of the account and for its positions in the venue's other exchanges."""
        problem = kinds.kind_alarm(await self.info.kind(book.account))
        book.other_exchanges = await self.info.sizes_in_other_exchanges(book.account)
        accounts = len({subscriber.account for subscriber in self._subscribers})
        book.external_due_s = self._now_s() + max(RECONCILE_S, accounts * _EXTERNAL_WEIGHT / _EXTERNAL_PER_S)
        self._deliver_to(book.account, None, AccountJudged(problem, self.clock.now_ms()))
        self._deliver_external(book, {coin: size for coin, size in book.sizes.items() if size})

    def _deliver_external(self, book: AccountBook, held: dict[str, Decimal]) -> None:
        """Tell what the account holds in coins in which no run of it listens, if that has changed."""
        if book.other_exchanges is None:
            return
        heard = {subscriber.symbol for subscriber in self._subscribers if subscriber.account == book.account}
        by_symbol = {self.info.symbol_of(coin): size for coin, size in (held | book.other_exchanges).items()}
        external = {symbol: size for symbol, size in by_symbol.items() if symbol not in heard}
        if external != book.external:
            book.external = external
            self._deliver_to(book.account, None, ExternalPositions(external, self.clock.now_ms()))

    def _is_close_near(self, account: str) -> bool:
        """Tell whether a bar of the account's runs ends soon: a run that reads everything hears no close."""
        now_ms, before_ms = self.clock.now_ms(), _NEAR_CLOSE_S * 1_000 * self.clock.speed
        steps_ms = [
            subscriber.timeframe.ms for subscriber in self._subscribers if subscriber.account == account
        ]
        return any(step_ms - now_ms % step_ms < min(before_ms, step_ms / 3) for step_ms in steps_ms)

    def told_within_ms(self, account: str) -> int:
        """Return how long fills of an account may take to be told. May be called from any thread.

        Where many accounts are polled and all of them have traded, reading their fills takes that long.
        """
        book = self.info.accounts.get(account)
        is_streamed = book is not None and book.is_streamed
        polled = 0 if is_streamed else len({subscriber.account for subscriber in list(self._subscribers)})
        return round(1_000 * (_FILLS_LATE_S + polled * _FILLS_PER_ACCOUNT_S))

    def _full_every_s(self) -> float:
        return max(RECONCILE_S, len(self._subscribers) * _RECONCILE_WEIGHT / _RECONCILE_PER_S)

    def _is_polled(self, book: AccountBook) -> bool:
        """Tell whether an account is compared all the time.

        One message may be lost on a stream that goes on, and with it the word that somebody has cancelled
        a stop: an account with open orders is polled although it is streamed.
        """
        return bool(book.open_orders) or not book.is_streamed or self._streams.silent_s() > _SILENT_S

    def _poll_every_s(self) -> float:
        books = [self.info.account(account) for account in self._accounts]
        weight = sum(_POLL_WEIGHT * (1 + len(book.open_orders)) for book in books if self._is_polled(book))
        is_plenty = self.budget.left >= BURST / 2
        return max(_POLL_LEAST_S, weight / (_POLL_PER_S if is_plenty else _POLL_PER_S / 2))

    @property
    def _accounts(self) -> set[str]:
        """The accounts of the runs that listen."""
        return {subscriber.account for subscriber in self._subscribers}

    def _background(self, make: Callable[[], Awaitable[None]], priority: Priority = Priority.WATCH) -> None:
        """Run something of the connection's own; what the venue fails is logged, and the beat tries again."""

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
        """Log what the venue failed; the same sentence once a minute."""
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
