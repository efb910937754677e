"""Watches the runs' accounts: fills and orders from the stream, and those that the stream missed.

The venue is polled as often as the budget allows, and its answers are compared with what was delivered.
Everything here runs in the gateway's loop, unless a docstring says otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Protocol

from firstwatch.trading.orders import Fill
from firstwatch.venues.hyperliquid import kinds, parse
from firstwatch.venues.hyperliquid.account_book import FOREVER_S, NEVER_S, AccountBook
from firstwatch.venues.hyperliquid.budget import BURST, Budget, Priority
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.decoder import FillsMessage
from firstwatch.venues.hyperliquid.info import OVERLAP_MS, InfoReader, MarketState
from firstwatch.venues.hyperliquid.subscribers import Subscribers
from firstwatch.venues.protocol import (
    AccountChecked,
    ExternalPositions,
    FillReported,
    OrderReported,
    StreamLost,
    StreamRestored,
)

RECONCILIATION = "hyperliquid account"
ORDERS = "hyperliquid orders"
"""The stream of an account's orders and fills."""
# The stream delivers a fill before REST shows it, or soon after: if it does not, it is silent.
_MUTE_S = 5.0
RECONCILE_S = 30.0
# Weight of a full reconciliation of one run, and the most weight per second for all of them.
_RECONCILE_WEIGHT = 45.0
_RECONCILE_PER_S = 2.0
# A reconciliation is postponed when a bar ends within this time.
_NEAR_CLOSE_S = 20.0
# Weight of reading all open orders of a polled account, and the most weight per second for all.
_ORDERS_WEIGHT = 20.0
_ORDERS_PER_S = 2.0
# Weight of reading an account's kind and its positions on other exchanges, and the most per second.
_EXTERNAL_WEIGHT = 40.0
_EXTERNAL_PER_S = 2.0
# Longest wait for a half-full budget, and the pause after a failure.
_EXTERNAL_LATE_S = 60.0
_EXTERNAL_AGAIN_S = 5.0
_POLL_LEAST_S = 2.0
# Books arrive twice a second: a stream without one for this long is not trusted, and accounts are polled.
_SILENT_S = 2.0
# A poll has weight two per account and two per open order. Polling takes half of the budget, and a quarter
# while less than half of a burst is left.
_POLL_WEIGHT = 2.0
_POLL_PER_S = 8.0
# How often external orders of a streamed account are read, and how many of those in the stream wait to be
# looked up.
_EXTERNAL_ORDERS_EVERY_S = 15.0
_UNKNOWN_LOOK_S = 5.0
_MOST_UNKNOWN = 10
_FILLS_LATE_S = 1.0
_FILLS_PER_ACCOUNT_S = 3.0


class InBackground(Protocol):
    """Runs something in the loop; a failure of the venue is logged."""

    def __call__(self, make: Callable[[], Awaitable[None]], priority: Priority = ...) -> None: ...


class AccountWatch:
    """Watches the accounts of all subscribers. ``silent_s``: how long the stream has been silent, in s."""

    def __init__(
        self,
        info: InfoReader,
        clock: VenueClock,
        budget: Budget,
        subscribers: Subscribers,
        *,
        in_background: InBackground,
        silent_s: Callable[[], float],
        stream_anew: Callable[[str], Awaitable[None]],
    ) -> None:
        """Make the watch. ``stream_anew`` subscribes to the private streams of an account again."""
        self._info = info
        self._clock = clock
        self._budget = budget
        self._subscribers = subscribers
        self._in_background = in_background
        self._silent_s = silent_s
        self._stream_anew = stream_anew
        self._next_full_at_s = 0.0
        self._unknown_orders: dict[str, None] = {}
        """External orders by the venue's id: the stream does not say which account they belong to."""

    async def begin(self, account: str) -> None:
        """Read an account for a new subscriber; the first one begins the watch.

        Raises:
            VenueError: the venue cannot be asked.
        """
        state, footprint = await self._info.footprint(account)
        book = self._info.account(account)
        now_s = _now_s()
        if account not in self._subscribers.accounts:
            book.checked_at_s = now_s
            book.mute_at_s, book.is_mute = FOREVER_S, False
            book.full_at_s = now_s + self._full_every_s()
            book.orders_at_s = now_s + RECONCILE_S
            book.fills_since_ms = self._clock.observed_ms
            book.external_due_s = now_s
            book.compared, book.sizes = footprint, parse.sizes_of(state)
            book.compared_at_ms = self._clock.observed_ms
        book.external = None

    def stream_began(self, account: str) -> None:
        """Rely on the stream for an account, after the venue has confirmed the subscription."""
        book = self._info.account(account)
        book.is_streamed, book.orders_at_s = True, FOREVER_S
        book.streamed_from_ms = self._clock.observed_ms

    def stream_lost(self) -> None:
        """Rely on the stream for no account, and compare them all at once."""
        self.compare_soon()
        for book in self._info.accounts.values():
            book.is_streamed = False
            self.end_silence(book.account)
            book.orders_at_s = _now_s() + RECONCILE_S

    def compare_soon(self) -> None:
        """Compare all accounts at once: something may have been missed."""
        for book in self._info.accounts.values():
            book.checked_at_s = NEVER_S

    def fills_within_ms(self, account: str) -> int:
        """Return how long fills of an account may take to be delivered. May be called from any thread.

        With many polled accounts that all traded, reading their fills takes this long.
        """
        book = self._info.accounts.get(account)
        is_streamed = book is not None and book.is_streamed
        polled = 0 if is_streamed else len(self._subscribers.accounts)
        return round(1_000 * (_FILLS_LATE_S + polled * _FILLS_PER_ACCOUNT_S))

    # --- what the venue answers and streams --------------------------------------------------------

    async def receive_fills(self, message: FillsMessage) -> None:
        self.deliver_fills(
            message.user, await self._info.fills_of(message.user, message.fills), streamed=True
        )

    def end_silence(self, account: str) -> None:
        """Note that an account's private streams sent a message, or that all streams are lost."""
        book = self._info.account(account)
        book.mute_at_s = FOREVER_S
        if book.is_mute:
            book.is_mute = False
            self._subscribers.send(StreamRestored(ORDERS, self._clock.now_ms()), account=account)

    def _notice_mute(self, book: AccountBook) -> None:
        """Report a silent stream to the runs and subscribe again, if it still lacks what was read."""
        now_s = _now_s()
        if now_s < book.mute_at_s:
            return
        if not book.is_mute:
            book.is_mute = True
            reason = "the venue shows fills that its stream has not brought"
            self._subscribers.send(StreamLost(ORDERS, reason, self._clock.now_ms()), account=book.account)
        book.mute_at_s = now_s + RECONCILE_S
        self._in_background(partial(self._stream_anew, book.account))

    def deliver_fills(
        self, account: str, fills: list[tuple[MarketState, Fill]], *, streamed: bool = False
    ) -> None:
        """Deliver the fills that were not delivered yet."""
        book = self._info.account(account)
        for traded, fill in fills:
            if book.is_undelivered(fill):
                if book.is_streamed and not streamed and fill.time_ms > book.streamed_from_ms:
                    book.mute_at_s = min(book.mute_at_s, _now_s() + _MUTE_S)
                touch = traded.touch
                self._subscribers.send(
                    FillReported(fill, touch, self._clock.now_ms()), account=account, symbol=fill.symbol
                )

    def receive_order(self, client_order_id: str | None, order_id: str, *, is_open: bool) -> None:
        """Note that an order changed. The stream does not name the account: that of a known id is read."""
        is_known = False
        for book in self._info.accounts.values():
            if client_order_id is not None and client_order_id in book.open_orders:
                is_known = True
                symbol = book.open_orders[client_order_id]
                self._in_background(partial(self.deliver_order, book.account, symbol, client_order_id))
            elif order_id in book.external_orders:
                is_known = True
                book.orders_at_s = min(book.orders_at_s, book.orders_read_at_s + _EXTERNAL_ORDERS_EVERY_S)
            elif book.client_order_id(order_id) is not None:
                is_known = True
        if is_open and not is_known and len(self._unknown_orders) < _MOST_UNKNOWN:
            self._unknown_orders[order_id] = None
            if len(self._unknown_orders) == 1:
                self._in_background(self._find_unknown_orders, Priority.FILL)

    async def _find_unknown_orders(self) -> None:
        """Find the accounts of external orders: all orders of such an account are read."""
        try:
            while self._unknown_orders:
                order_id = next(iter(self._unknown_orders))
                for account in self._subscribers.accounts:
                    book = self._info.account(account)
                    if book.is_streamed and await self._info.has_order(account, order_id):
                        book.orders_at_s = min(
                            book.orders_at_s, book.orders_read_at_s + _EXTERNAL_ORDERS_EVERY_S
                        )
                        break
                self._unknown_orders.pop(order_id)
                await asyncio.sleep(_UNKNOWN_LOOK_S)
        finally:
            self._unknown_orders.clear()

    async def deliver_order(self, account: str, symbol: str, client_order_id: str) -> None:
        """Read an order and deliver its fills, then its report."""
        report = await self._info.order(account, symbol, client_order_id)
        if report is not None:
            self._subscribers.send(
                OrderReported(report, self._clock.now_ms()), account=account, symbol=symbol
            )

    def deliver_order_soon(self, account: str, symbol: str, client_order_id: str) -> None:
        self._in_background(lambda: self.deliver_order(account, symbol, client_order_id))

    def expect_soon(
        self, account: str, symbol: str, client_order_id: str, order_id: str, filled: Decimal
    ) -> None:
        book = self._info.account(account)
        if book.is_streamed:
            expect = partial(self._expect, account, symbol, client_order_id, order_id, filled)
            self._in_background(expect, Priority.FILL)
        else:
            book.checked_at_s = NEVER_S

    async def _expect(
        self, account: str, symbol: str, client_order_id: str, order_id: str, filled: Decimal
    ) -> None:
        """Read the fills that an answer reported, if the stream does not deliver them in time."""
        await asyncio.sleep(_FILLS_LATE_S)
        if self._info.account(account).filled(order_id) < filled:
            await self.deliver_order(account, symbol, client_order_id)

    # --- what was missed ---------------------------------------------------------------------------

    def look(self) -> None:
        """Start the checks that are due: account comparisons, external orders and positions."""
        now_s, poll_every_s = _now_s(), self._poll_every_s()
        for account in self._subscribers.accounts:
            book = self._info.account(account)
            every_s = poll_every_s if self._is_polled(book) else RECONCILE_S
            if now_s >= book.checked_at_s + every_s and not book.is_compared_now:
                # A run that awaits fills can neither move its stop nor exit before it has them.
                priority = Priority.ACCOUNT if book.checked_at_s == NEVER_S else Priority.WATCH
                book.checked_at_s, book.is_compared_now = now_s, True
                self._in_background(partial(self._compare_once, book), priority)
            self._look_at_orders_if_due(book)
            self._read_external_if_due(book)
            self._notice_mute(book)

    async def _compare_once(self, book: AccountBook) -> None:
        try:
            await self._compare(book)
        finally:
            book.is_compared_now = False

    async def _compare(self, book: AccountBook) -> None:
        """Compare the venue's account with what was delivered; a difference makes the runs reconcile."""
        since_ms = book.compared_at_ms
        state, footprint = await self._info.footprint(book.account)
        compared_at_ms = self._clock.observed_ms
        has_traded = footprint != book.compared and not footprint.has_same_fills(book.compared)
        held = parse.sizes_of(state)
        if has_traded:
            since_ms = max(book.fills_since_ms, since_ms - OVERLAP_MS)
            await self._info.catch_up(book.account, since_ms, footprint)
        for client_order_id, symbol in list(book.open_orders.items()):
            await self.deliver_order(book.account, symbol, client_order_id)
        # Fills that explain the position are delivered by now.
        has_changed = held != {coin: size for coin, size in book.sizes.items() if size}
        self._deliver_external(book, held)
        # Set only after all reads succeeded: otherwise the account is compared again.
        book.compared, book.compared_at_ms, book.sizes = footprint, compared_at_ms, held
        now_s = _now_s()
        is_due = now_s >= max(book.full_at_s, self._next_full_at_s) and not self._is_close_near(book.account)
        if has_changed or is_due:
            # Spread out, so that runs that began together do not all reconcile at once.
            self._next_full_at_s = now_s + _RECONCILE_WEIGHT / _RECONCILE_PER_S
            book.full_at_s = now_s + self._full_every_s()
            self._subscribers.send(StreamRestored(RECONCILIATION, self._clock.now_ms()), account=book.account)

    def _look_at_orders_if_due(self, book: AccountBook) -> None:
        """Look for external orders when it is due: the stream has shown one, or nothing is streamed."""
        if _now_s() >= book.orders_at_s:
            book.orders_at_s = FOREVER_S
            self._in_background(partial(self._look_at_orders, book), Priority.FILL)

    async def _look_at_orders(self, book: AccountBook) -> None:
        before, every_s = book.external_orders, RECONCILE_S
        book.orders_read_at_s = _now_s()
        try:
            book.external_orders = await self._info.external_orders(book.account)
            polled = sum(
                not self._info.account(account).is_streamed for account in self._subscribers.accounts
            )
            every_s = FOREVER_S if book.is_streamed else max(every_s, polled * _ORDERS_WEIGHT / _ORDERS_PER_S)
        finally:
            # Meanwhile the stream may have shown another one.
            book.orders_at_s = min(book.orders_at_s, _now_s() + every_s)
        if book.external_orders != before:
            self._subscribers.send(StreamRestored(RECONCILIATION, self._clock.now_ms()), account=book.account)

    def _read_external_if_due(self, book: AccountBook) -> None:
        """Read positions outside the runs' markets when due, and when no run's request would have to wait."""
        late_s = _now_s() - book.external_due_s
        if late_s >= 0 and (self._budget.left >= BURST / 2 + _EXTERNAL_WEIGHT or late_s >= _EXTERNAL_LATE_S):
            book.external_due_s += late_s + _EXTERNAL_AGAIN_S
            self._in_background(partial(self._read_external, book), Priority.HISTORY)

    async def _read_external(self, book: AccountBook) -> None:
        """Ask for the kind of the account and for its positions in the venue's other exchanges."""
        problem = kinds.kind_alarm(await self._info.kind(book.account))
        book.other_exchanges = await self._info.sizes_in_other_exchanges(book.account)
        accounts = len(self._subscribers.accounts)
        book.external_due_s = _now_s() + max(RECONCILE_S, accounts * _EXTERNAL_WEIGHT / _EXTERNAL_PER_S)
        self._subscribers.send(AccountChecked(problem, self._clock.now_ms()), account=book.account)
        self._deliver_external(book, {coin: size for coin, size in book.sizes.items() if size})

    def _deliver_external(self, book: AccountBook, held: dict[str, Decimal]) -> None:
        """Deliver what the account holds in markets without a subscriber, if that has changed."""
        if book.other_exchanges is None:
            return
        own = {subscriber.symbol for subscriber in self._subscribers if subscriber.account == book.account}
        by_symbol = {self._info.symbol_of(coin): size for coin, size in (held | book.other_exchanges).items()}
        external = {symbol: size for symbol, size in by_symbol.items() if symbol not in own}
        if external != book.external:
            book.external = external
            self._subscribers.send(ExternalPositions(external, self._clock.now_ms()), account=book.account)

    def _is_close_near(self, account: str) -> bool:
        """Return whether a bar of the account's runs ends soon: a run that is reading handles no close."""
        now_ms, before_ms = self._clock.now_ms(), _NEAR_CLOSE_S * 1_000 * self._clock.speed
        steps_ms = [
            subscriber.timeframe.ms for subscriber in self._subscribers if subscriber.account == account
        ]
        return any(step_ms - now_ms % step_ms < min(before_ms, step_ms / 3) for step_ms in steps_ms)

    def _full_every_s(self) -> float:
        return max(RECONCILE_S, len(self._subscribers) * _RECONCILE_WEIGHT / _RECONCILE_PER_S)

    def _is_polled(self, book: AccountBook) -> bool:
        """Return whether an account is compared all the time.

        A stream that goes on may lose one message, such as that a stop was cancelled by hand: so an account
        with open orders is polled even when it is streamed.
        """
        return bool(book.open_orders) or not book.is_streamed or self._silent_s() > _SILENT_S

    def _poll_every_s(self) -> float:
        books = [self._info.account(account) for account in self._subscribers.accounts]
        weight = sum(_POLL_WEIGHT * (1 + len(book.open_orders)) for book in books if self._is_polled(book))
        is_plenty = self._budget.left >= BURST / 2
        return max(_POLL_LEAST_S, weight / (_POLL_PER_S if is_plenty else _POLL_PER_S / 2))


def _now_s() -> float:
    return asyncio.get_running_loop().time()
