"""The proof that a stop will rest at the venue, before a run sends its first order there.

A post-only entry of the smallest size is placed far from the price with a stop that waits for its fill;
both are read back and cancelled. So a change in how the exchange accepts such orders is found while nothing
is at stake.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from typing import Protocol

from firstwatch.engine.core.step_context import unknown_signer
from firstwatch.engine.lease import Lease
from firstwatch.engine.worker.startup import RunStartup
from firstwatch.store import journal, orders
from firstwatch.store.database import Store
from firstwatch.store.orders import StoredOrder
from firstwatch.strategy.core_state import NO_LEVEL
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError, VenueError
from firstwatch.trading.events import Noted
from firstwatch.trading.ids import client_order_id
from firstwatch.trading.market import Market
from firstwatch.trading.orders import (
    OrderIntent,
    OrderKind,
    OrderPurpose,
    OrderReport,
    OrderState,
    Side,
    closing,
    opening,
)
from firstwatch.trading.runs import Author
from firstwatch.venues.protocol import (
    BringsStops,
    Executed,
    NeverWill,
    PreparedRequest,
    RefusalCode,
    Refused,
    Unknown,
)

FAR = 0.30
"""How far from the mark the entry rests, as a fraction of it."""
STOP_AWAY = 0.10
"""How far from the entry its stop is triggered."""
STOP_WORST = 0.10
"""How far beyond its trigger the stop may fill."""
READS = 6
"""Attempts to read the two orders back, because the venue's answers may lag."""
CANCELS = 12
"""Attempts to cancel them, until the venue shows neither."""
PAUSE_S = 1.0
TRIES = 3
"""Most pairs sent if the failure may be temporary."""

_FIRST_NUMBER = 1 << 63
"""A run numbers its own orders from 1; those of its proof from here."""


class NotProvenError(FirstwatchError):
    """The venue did not accept, show or cancel the two orders as it should.

    ``may_pass``: they did not arrive, or the reason for their refusal may be temporary.
    """

    def __init__(self, sentence: str, *, may_pass: bool = False) -> None:
        super().__init__(sentence)
        self.may_pass = may_pass


@dataclass(frozen=True, slots=True)
class ProofOrders:
    """An entry too far away to fill, and the stop attached to it."""

    entry: OrderIntent
    stop: OrderIntent


def proof_orders(
    run_id: str, account: str, market: Market, side: Side, mark: float, *, number: int = 0
) -> ProofOrders:
    """Return the ``number``-th pair of a run, from 0. ``mark`` in quote."""
    price = market.price(mark * (1 - side.sign * FAR))
    trigger = market.price(float(price) * (1 - side.sign * STOP_AWAY))
    worst = market.price(float(trigger) * (1 - side.sign * STOP_WORST))
    # A venue may count the smallest notional by the order's price or by the mark.
    least = max(market.minimum_amount, market.minimum_cost / min(price, Decimal(repr(mark))))
    steps = int((least / market.amount_step).to_integral_value(ROUND_CEILING))
    entry = OrderIntent(
        client_order_id=client_order_id(run_id, _FIRST_NUMBER + 2 * number),
        run_id=run_id,
        account=account,
        symbol=market.symbol,
        purpose=OrderPurpose.ENTRY,
        side=opening(side),
        kind=OrderKind.LIMIT,
        amount=market.amount(max(steps, 1)),
        reduce_only=False,
        price=price,
    )
    stop = replace(
        entry,
        client_order_id=client_order_id(run_id, _FIRST_NUMBER + 2 * number + 1),
        purpose=OrderPurpose.STOP,
        side=closing(side),
        kind=OrderKind.STOP,
        reduce_only=True,
        price=worst,
        trigger_price=trigger,
    )
    return ProofOrders(entry, stop)


Requests = tuple[PreparedRequest, PreparedRequest]
"""The requests of the entry and of its stop."""


class Ledger(Protocol):
    """Stores the two orders, so that a later process knows them as its own."""

    def intended(self, pair: ProofOrders, requests: Requests) -> None:
        """Store both before they are sent."""

    def ended(self, pair: ProofOrders, state: OrderState, why: str, filled: Decimal) -> None:
        """Store that neither is at the venue any more; ``filled``: of the entry."""


class Prover:
    """Places, reads back and cancels one pair of orders. Calls block; used by one thread."""

    def __init__(
        self,
        venue: BringsStops,
        pair: ProofOrders,
        ledger: Ledger,
        *,
        may_send: Callable[[], None],
        wait: Callable[[float], object],
        requests: Requests | None = None,
    ) -> None:
        """Make a prover. ``may_send`` raises when this process may not act any more.

        ``requests``: those of orders that an earlier process stored.
        """
        self._venue = venue
        self._pair = pair
        self._ledger = ledger
        self._may_send = may_send
        self._wait = wait
        self._requests = requests or (venue.prepare(pair.entry), venue.prepare(pair.stop))

    def prove(self) -> None:
        """Place both orders, read them back and cancel them.

        Raises:
            NotProvenError: with what went wrong; orders that could not be cancelled stay stored as open.
        """
        self._ledger.intended(self._pair, self._requests)
        self._may_send()
        outcome = self._venue.send_with_stop(*self._requests)
        if isinstance(outcome, Refused):
            why = f"{outcome.code}: {outcome.reason}"
            self._ledger.ended(self._pair, OrderState.REJECTED, why, Decimal(0))
            sentence = f"the venue refused an entry with its stop ({why})"
            if outcome.code == RefusalCode.AUTH:
                sentence = unknown_signer(outcome.reason)
            raise NotProvenError(
                sentence, may_pass=outcome.code in (RefusalCode.AUTH, RefusalCode.RATE_LIMIT)
            )
        problem = self._read_back()
        is_lost = isinstance(outcome, Unknown)
        if problem and isinstance(outcome, Unknown):
            problem = f"{problem} ({outcome.reason})"
        try:
            filled = self.cancel_both()
        except NotProvenError as error:
            raise NotProvenError(f"{problem}; {error}" if problem else str(error)) from error
        if problem:
            raise NotProvenError(problem, may_pass=is_lost)
        if filled:
            price = self._pair.entry.price
            raise NotProvenError(f"its entry, at {price}, has filled {filled:f}: look at the wallet there")

    def cancel_both(self) -> Decimal:
        """Cancel both orders until the venue shows neither; return the filled amount of the entry.

        Raises:
            NotProvenError: one of them may still be open.
        """
        problem = ""
        for attempt in range(CANCELS):
            # The first round cancels; the second, at once, sees that.
            if attempt > 1:
                self._wait(PAUSE_S)
            try:
                filled = self._gone()
            except VenueError as error:
                problem = str(error)
                continue
            if filled is not None:
                self._ledger.ended(self._pair, OrderState.CANCELED, "the proof is over", filled)
                return filled
            problem = "the venue still shows them, or does not say what became of them"
        raise NotProvenError(
            f"the orders of the protection proof could not be cancelled ({problem}); that is tried"
            f" again, look at {self._pair.entry.symbol} at the venue"
        )

    def _read_back(self) -> str:
        """Return how the two orders differ from the request; empty: they do not."""
        problem = ""
        for attempt in range(READS):
            if attempt:
                self._wait(PAUSE_S)
            try:
                problem = self._difference()
            except VenueError as error:
                problem = str(error)
            if not problem:
                break
        return problem

    def _difference(self) -> str:
        entry, stop = self._pair.entry, self._pair.stop
        account, symbol = entry.account, entry.symbol
        shown = self._venue.order(account, symbol, entry.client_order_id)
        if shown is None:
            return "the venue does not show the entry of the protection proof"
        if not shown.state.is_open or (shown.side, shown.amount, shown.price) != (
            entry.side,
            entry.amount,
            entry.price,
        ):
            return f"the venue shows the entry of the protection proof as {_words(shown)}"
        child = self._venue.stop_of(account, symbol, entry.client_order_id, stop.client_order_id)
        if child is None:
            return "the venue shows the entry of the protection proof without its stop"
        wanted = (stop.kind, stop.side, stop.amount, stop.trigger_price, True)
        if (child.kind, child.side, child.amount, child.trigger_price, child.reduce_only) != wanted:
            return f"the venue shows the stop of the protection proof as {_words(child)}"
        return ""

    def _gone(self) -> Decimal | None:
        """Cancel what still rests; return the entry's filled amount once nothing does, None before."""
        entry, stop = self._pair.entry, self._pair.stop
        account, symbol = entry.account, entry.symbol
        report = self._venue.order(account, symbol, entry.client_order_id)
        if report is None:
            self._may_send()
            resolution = self._venue.resolve(self._requests[0])
            if isinstance(resolution, NeverWill):
                return Decimal(0)
            report = resolution.report if isinstance(resolution, Executed) else None
        if report is None:
            return None
        left = self._venue.order(account, symbol, stop.client_order_id)
        resting = [one for one in (report, left) if one is not None and one.state.is_open]
        for one in resting:
            self._may_send()
            self._venue.cancel(account, symbol, one.client_order_id or "")
        if resting:
            return None
        listed = {one.client_order_id for one in self._venue.open_orders(account, symbol)}
        return None if {entry.client_order_id, stop.client_order_id} & listed else report.filled


class ProtectionProof:
    """The proof of one new run, with its orders in the store."""

    def __init__(self, startup: RunStartup, store: Store, lease: Lease, clock: Clock) -> None:
        self._setup = startup.setup
        self._plan = startup.stored
        self._venue = startup.venue
        self._is_new = startup.is_new
        self._store = store
        self._lease = lease
        self._clock = clock

    @property
    def has_orders(self) -> bool:
        """Orders were stored for the proof, by this process or an earlier one."""
        with self._store.read() as session:
            return bool(orders.orders_of(session, self._setup.run_id))

    def problem(self) -> str:
        """Prove the protection once; return why the run must not begin, empty: it may.

        Raises:
            VenueError: the venue cannot be asked; it may be tried again.
        """
        if not self._is_new or self._venue.capabilities.is_paper or self._plan.settings.stop_kind == NO_LEVEL:
            return ""
        self._is_new = False
        try:
            said = self._prove()
        except NotProvenError as error:
            return f"its protection is not proven: {error}"
        except VenueError:
            self._is_new = True
            raise
        with self._store.write(self._lease.epoch) as session:
            journal.append_events(
                session,
                self._setup.run_id,
                [Noted(sentence=said)],
                author=Author.SYSTEM,
                venue_time_ms=self._venue.now_ms(),
                local_time_ms=self._clock.now_ms(),
            )
        return ""

    def _prove(self) -> str:
        reason = self._setup.launch.skip_protection_proof
        if reason:
            return f"the protection is not proven before the first order: {reason}"
        venue = self._venue
        if not isinstance(venue, BringsStops):
            return "the venue accepts no stop with an entry: the protection is proven on the first fill"
        with self._store.read() as session:
            known = orders.orders_of(session, self._setup.run_id)
        for entry, stop in zip(known[::2], known[1::2], strict=True):
            if not (entry.state.is_final and stop.state.is_final):
                requests = (_request_of(entry), _request_of(stop))
                try:
                    self._prover(venue, ProofOrders(entry.intent, stop.intent), requests).cancel_both()
                except NotProvenError as error:
                    raise VenueError(str(error)) from error
        settings, market = self._plan.settings, self._setup.market
        side = Side.LONG if settings.allows_long else Side.SHORT
        mark = venue.touch(self._setup.symbol).mark
        first = len(known) // 2
        for number in range(first, first + TRIES):
            pair = proof_orders(self._setup.run_id, self._setup.account, market, side, mark, number=number)
            try:
                self._prover(venue, pair).prove()
                break
            except NotProvenError as error:
                if not error.may_pass or number + 1 == first + TRIES:
                    raise
                _wait(PAUSE_S)
        return (
            f"the protection is proven: an entry at {pair.entry.price} with its stop at"
            f" {pair.stop.trigger_price} was accepted, shown and cancelled"
        )

    def _prover(
        self,
        venue: BringsStops,
        pair: ProofOrders,
        requests: Requests | None = None,
    ) -> Prover:
        return Prover(venue, pair, self, may_send=self._lease.check, wait=_wait, requests=requests)

    # --- the ledger ------------------------------------------------------------------------------

    def intended(self, pair: ProofOrders, requests: Requests) -> None:
        """Store both before they are sent."""
        now_ms = self._clock.now_ms()
        with self._store.write(self._lease.epoch) as session:
            for order, request in zip((pair.entry, pair.stop), requests, strict=True):
                kept = StoredOrder.of(
                    order,
                    nonce=request.nonce,
                    body=request.body,
                    expires_at_ms=request.expires_at_ms,
                    now_ms=now_ms,
                    why="protection proof",
                )
                orders.upsert_order(session, kept)

    def ended(self, pair: ProofOrders, state: OrderState, why: str, filled: Decimal) -> None:
        """Store that neither is at the venue any more; ``filled``: of the entry."""
        now_ms = self._clock.now_ms()
        with self._store.write(self._lease.epoch) as session:
            for order, amount in ((pair.entry, filled), (pair.stop, Decimal(0))):
                kept = orders.get_order(session, order.client_order_id)
                if kept is not None and not kept.state.is_final:
                    orders.update_order(session, kept.moved(state, why, now_ms=now_ms, filled=amount))


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _request_of(order: StoredOrder) -> PreparedRequest:
    return PreparedRequest(order.client_order_id, order.body, order.nonce, order.expires_at_ms)


def _words(order: OrderReport) -> str:
    at = order.trigger_price if order.trigger_price is not None else order.price
    only = ", reduce only" if order.reduce_only else ""
    return f"{order.state}: {order.side} {order.kind} {order.amount:f} at {at}{only}"
