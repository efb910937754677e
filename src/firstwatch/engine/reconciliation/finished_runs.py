"""Reconciles orders and positions that finished runs left at a venue (rule 9 of ``firstwatch.engine``)."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from firstwatch.engine.core.order_manager import IN_FLIGHT
from firstwatch.engine.core.run_core import RunCore
from firstwatch.engine.lease import Lease
from firstwatch.engine.reconciliation.periodic import PeriodicTask
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.engine.worker.startup import RunStartup, read_stored_run
from firstwatch.engine.worker.step_writer import Part, StepMetadata, Written, persist
from firstwatch.store import alarms, fills, journal, orders, positions, runs, wallets
from firstwatch.store.database import Store
from firstwatch.store.orders import StoredOrder
from firstwatch.store.runs import Run
from firstwatch.trading.account import Funding, Position
from firstwatch.trading.alarms import LEFT_OVER
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import DamagedRowError, FirstwatchError, VenueError, WrongUseError
from firstwatch.trading.events import AlarmCleared, AlarmRaised, Noted, RunEvent
from firstwatch.trading.ids import run_of, sent_by
from firstwatch.trading.orders import Fill, OrderKind, OrderPurpose, OrderReport, OrderState, Side
from firstwatch.trading.runs import Author, Exposure, Protection
from firstwatch.trading.text import counted
from firstwatch.venues.protocol import Accepted, PreparedRequest, RefusalCode, Refused, StillUnknown, Venue

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Left:
    """The newest finished run of a wallet and symbol, and the run that uses the wallet now."""

    run: Run
    siblings: frozenset[str]
    """All finished runs of the wallet."""
    successor: Run | None
    """The wallet's active run in the same symbol."""
    alarm: str
    """Sentence of the active alarm; empty: there is none."""

    @property
    def is_taken_over(self) -> bool:
        """Another run has adopted the position and protects it, or its algorithm has no stop."""
        facts = None if self.successor is None else self.successor.facts
        return (
            facts is not None
            and facts.exposure is Exposure.EXPOSED
            and facts.protection is not Protection.UNPROTECTED
        )


class FinishedRunReconciler:
    """Reconciles wallets whose run has ended, in a thread of its own: it waits for venues."""

    def __init__(self, store: Store, venues: VenueRegistry, clock: Clock, lease: Callable[[], Lease]) -> None:
        self._store = store
        self._venues = venues
        self._clock = clock
        self._lease = lease
        self.guard = threading.Lock()
        """Held while one wallet is reconciled, so that ``WalletCloser`` does not act meanwhile."""
        self.task = PeriodicTask("reconciliation of finished runs", self.look)

    def close(self) -> None:
        """Begin nothing new."""
        self.task.close()

    def look(self) -> None:
        """Reconcile every wallet in which a finished run may have left something."""
        for left in self._candidates():
            try:
                with self.guard:
                    self._reconcile(left, self._venues.get(left.run.venue))
            except FirstwatchError as error:
                _log.warning("what run %s left at %s is not known: %s", left.run.id, left.run.venue, error)

    def _candidates(self) -> list[_Left]:
        with self._store.read() as session:
            standing = alarms.active_alarms(session)
            alarmed = {alarm.run_id: alarm.sentence for alarm in standing if alarm.topic == LEFT_OVER}
            found: list[_Left] = []
            for wallet in wallets.list_wallets(session, with_archived=True):
                of_wallet = runs.list_runs(session, wallet_id=wallet.id)
                finished = [run for run in of_wallet if run.state.is_final]
                active = next((run for run in of_wallet if run.state.is_active), None)
                for symbol in {run.settings.symbol for run in finished}:
                    newest = next(run for run in finished if run.settings.symbol == symbol)
                    has_orders = any(orders.open_orders_of(session, run.id) for run in finished)
                    if newest.facts.exposure is Exposure.FLAT and not has_orders and newest.id not in alarmed:
                        continue
                    found.append(
                        _Left(
                            run=newest,
                            siblings=frozenset(run.id for run in finished),
                            successor=active if active and active.settings.symbol == symbol else None,
                            alarm=alarmed.get(newest.id, ""),
                        )
                    )
        return found

    def _reconcile(self, left: _Left, venue: Venue) -> None:
        """Cancel orphaned orders, and keep an alarm active as long as anything is left."""
        run = left.run
        account, symbol = run.account, run.settings.symbol
        # Before the position: a request in flight could still make one.
        is_known = all([self._is_known(venue, order) for order in self._open_orders(left).values()])
        position = venue.position(account, symbol)
        ours = {
            order.client_order_id: order
            for order in venue.open_orders(account, symbol)
            if order.client_order_id is not None and sent_by(order.client_order_id, left.siblings)
        }
        is_over = position.is_flat or left.is_taken_over
        # Entries must not fill any more in any case; reduce-only orders protect a position that is left.
        unwanted = [name for name, order in ours.items() if is_over or not order.reduce_only]
        gone = {name for name in unwanted if self._cancel(venue, account, symbol, name)}
        resting = [order for name, order in ours.items() if name not in gone]
        if is_over and not resting and is_known:
            self._close_books(left, venue, position)
        elif not is_over:
            self._alarm(left, self._exposed(left.run, position, resting))
        elif resting:
            self._alarm(
                left,
                f"{counted(len(resting), 'order of ours', 'orders of ours')} in the wallet {run.wallet} could"
                " not be cancelled and can protect nothing any more: cancel what is left at the venue",
            )

    def _open_orders(self, left: _Left) -> dict[str, StoredOrder]:
        with self._store.read() as session:
            return {
                order.client_order_id: order
                for sibling in left.siblings
                for order in orders.open_orders_of(session, sibling)
            }

    def _is_known(self, venue: Venue, order: StoredOrder) -> bool:
        """Return whether the venue knows the order, or its request can no longer execute."""
        if order.state not in IN_FLIGHT:
            return True
        self._lease().check()
        request = PreparedRequest(order.client_order_id, order.body, order.nonce, order.expires_at_ms)
        try:
            return not isinstance(venue.resolve(request), StillUnknown)
        except VenueError as error:
            _log.warning("the outcome of order %s is still unknown: %s", order.client_order_id, error)
            return False

    def _cancel(self, venue: Venue, account: str, symbol: str, client_order_id: str) -> bool:
        """Cancel an order; return whether the venue confirms that it is gone."""
        self._lease().check()
        try:
            outcome = venue.cancel(account, symbol, client_order_id)
        except VenueError as error:
            _log.warning("order %s cannot be cancelled: %s", client_order_id, error)
            return False
        return isinstance(outcome, Accepted) or (
            isinstance(outcome, Refused) and outcome.code == RefusalCode.NOT_FOUND
        )

    def _alarm(self, left: _Left, sentence: str) -> None:
        if sentence != left.alarm:
            self._write(left.run, [AlarmRaised(topic=LEFT_OVER, sentence=sentence)], None)

    def _exposed(self, run: Run, position: Position, resting: Sequence[OrderReport]) -> str:
        """Return the sentence about an exposed wallet, and store the levels of its stop and target."""
        # Of several stops the nearest to the price executes first.
        sign = -1 if position.side is Side.SHORT else 1
        stops = [order for order in resting if order.trigger_price is not None]
        stop = max(stops, key=lambda order: sign * (order.trigger_price or 0), default=None)
        target = next((order for order in resting if order.kind is OrderKind.LIMIT), None)
        self._keep_levels(run, position, stop, target)
        frozen = "" if stop is None else f", its stop frozen at {stop.trigger_price:f}"
        orders_left = (
            counted(len(resting), "order of ours", "orders of ours") if resting else "no order of ours"
        )
        return (
            f"the wallet {run.wallet} holds a {position.side} of {position.amount:f} {run.market.base}"
            f"{frozen} with {orders_left} and has no active run: close it (firstwatch wallet close"
            f' {run.wallet}), or launch a run with "Assume position now"'
        )

    def _keep_levels(
        self, run: Run, position: Position, stop: OrderReport | None, target: OrderReport | None
    ) -> None:
        """Store the levels of stop and target that the venue shows in the rows of a finished run."""
        with self._store.read() as session:
            known = positions.position_of(session, run.id)
        if known is None or known.side is None:
            return
        shown = replace(
            known, stop=stop.trigger_price if stop else None, target=target.price if target else None
        )
        protection = run.facts.protection
        if shown.stop_wanted is not None:
            covers = stop is not None and stop.amount - stop.filled >= position.amount
            is_there = covers and shown.stop == shown.stop_wanted
            protection = Protection.PROTECTED if is_there else Protection.UNPROTECTED
        if shown == known and protection is run.facts.protection:
            return
        with self._store.write(self._lease().epoch) as session:
            positions.set_position(session, replace(shown, updated_at_ms=self._clock.now_ms()))
            runs.update_side_facts(session, run.id, replace(run.facts, protection=protection))

    def _close_books(self, left: _Left, venue: Venue, position: Position) -> None:
        """Book what happened at the venue since the run ended, and clear the exposure of its row."""
        run = left.run
        core = self._core(run, venue)
        # In venue time: its clock may differ from ours.
        since_ms = 0 if core is None else core.fills_horizon_ms
        filled = [
            fill
            for fill in venue.fills_since(run.account, run.settings.symbol, since_ms)
            if fill.client_order_id is not None and run_of(fill.client_order_id) == run.id
        ]
        # Payments after the last of them belong to another run, which has taken the position over.
        until_ms = max((fill.time_ms for fill in filled), default=0)
        paid = (
            [
                funding
                for funding in venue.funding_since(run.account, run.settings.symbol, core.fundings_horizon_ms)
                if funding.time_ms <= until_ms
            ]
            if core is not None and filled
            else []
        )
        known = self._open_orders(left)
        reports = {order: venue.order(run.account, run.settings.symbol, order) for order in known}
        why = "the wallet is flat" if position.is_flat else "another run has taken the position over"
        events: list[RunEvent] = [Noted(sentence=f"nothing of this run is left at the venue: {why}")]
        if left.alarm:
            events.append(AlarmCleared(topic=LEFT_OVER))
        self._write(run, events, _Found(venue.name, venue.now_ms(), core, filled, paid, list(known), reports))

    def _core(self, run: Run, venue: Venue) -> RunCore | None:
        """Return the run's core as of its end; None: it never began, or its checkpoint cannot be read."""
        try:
            with self._store.read() as session:
                plan = read_stored_run(session, run.id)
            startup = RunStartup(plan, venue, author=Author.SYSTEM, why="", max_slippage_bps=0.0)
            return None if startup.is_new else startup.make_core()
        except (WrongUseError, DamagedRowError) as error:
            _log.warning("the stored state of run %s cannot be read: %s", run.id, error)
            return None

    def _write(self, run: Run, events: list[RunEvent], found: "_Found | None") -> None:
        now_ms = self._clock.now_ms()
        with self._store.write(self._lease().epoch) as session:
            journal.append_system_events(session, run.id, events, now_ms=now_ms)
            if found is None:
                return
            if found.core is not None:
                metadata = StepMetadata(found.venue, run.settings.symbol, found.venue_ms, now_ms)
                # The core knows its own; the others were sent after its end.
                closings = [
                    (order.intent, order.state)
                    for order in orders.orders_of(session, run.id)
                    if order.intent.purpose is OrderPurpose.EXIT
                ]
                step = found.core.book_after_end(found.fills, found.fundings, found.venue_ms, closings)
                records = step.records
                part = Part(records, metadata)
                persist(session, run.id, [part], found.core.checkpoint(), written=Written())
            for fill in found.fills:
                fills.add_fill(session, fills.StoredFill(found.venue, run.id, fill, now_ms))
            for client_order_id in found.orders:
                order = orders.get_order(session, client_order_id)
                if order is not None and not order.state.is_final:
                    orders.update_order(session, _ended(order, found.reports[client_order_id], now_ms))
            positions.set_position(
                session,
                positions.RunPosition(run.id, run.settings.symbol, None, Decimal(0), updated_at_ms=now_ms),
            )
            facts = replace(run.facts, exposure=Exposure.FLAT, protection=Protection.NOT_NEEDED)
            runs.update_side_facts(session, run.id, facts)


@dataclass(frozen=True, slots=True)
class _Found:
    """The venue's reports on a finished run's orders."""

    venue: str
    venue_ms: int
    core: RunCore | None
    """Books fills and fundings; None: the fills are only stored."""
    fills: Sequence[Fill]
    fundings: Sequence[Funding]
    """Payments on the position that the fills closed."""
    orders: Sequence[str]
    """Client order ids of orders whose end was not known."""
    reports: Mapping[str, OrderReport | None]


def _ended(order: StoredOrder, report: OrderReport | None, now_ms: int) -> StoredOrder:
    state = OrderState.CANCELED if report is None else report.state
    if state is order.state or not state.is_final:
        return order
    why = "the venue does not know it" if report is None else report.reason
    return order.moved(
        state,
        why or "after the run's end",
        now_ms=now_ms,
        filled=order.filled if report is None else report.filled,
        average_price=order.average_price if report is None else report.average_price,
    )
