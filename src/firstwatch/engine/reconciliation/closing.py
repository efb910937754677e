"""Closes the positions of a wallet without an active run, on command (rule 29 of ``firstwatch.engine``).

The accepted command is in the store, and each order is stored before its request leaves, so another process
can continue. Only the venue's position counts: closing ends when the venue shows it flat.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from firstwatch.engine.core.exits import BOUNDS_BPS
from firstwatch.engine.core.order_manager import IN_FLIGHT
from firstwatch.engine.core.step_context import back_off_ms
from firstwatch.engine.lease import Lease, fenced
from firstwatch.engine.reconciliation.periodic import PeriodicTask
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.engine.worker.startup import read_stored_run
from firstwatch.store import commands, journal, orders, runs, wallet_orders, wallet_status, wallets
from firstwatch.store.commands import StoredCommand
from firstwatch.store.database import Session, Store
from firstwatch.store.orders import StoredOrder
from firstwatch.store.runs import Run
from firstwatch.store.wallets import Wallet
from firstwatch.trading.account import Position
from firstwatch.trading.clock import Clock
from firstwatch.trading.commands import CloseWallet, CommandOutcome
from firstwatch.trading.errors import DamagedRowError, FirstwatchError, VenueError, WrongUseError
from firstwatch.trading.events import NOT_SENT, Noted, OrderIntended, OrderMoved, RunEvent
from firstwatch.trading.fault_points import FaultPoint, no_fault
from firstwatch.trading.ids import client_order_id, new_run_id, number_of, run_of
from firstwatch.trading.numbers import plain
from firstwatch.trading.orders import (
    OrderIntent,
    OrderKind,
    OrderPurpose,
    OrderReport,
    OrderState,
    closing,
)
from firstwatch.trading.runs import Author, Exposure
from firstwatch.trading.symbols import base_of
from firstwatch.venues.accounts import ShowsAccounts
from firstwatch.venues.protocol import (
    Accepted,
    Executed,
    NeverWill,
    PhaseEnded,
    PreparedRequest,
    RefusalCode,
    Refused,
    Resolution,
    SendOutcome,
    StillUnknown,
    Subscription,
    Unknown,
    Venue,
    VenueEvent,
)
from firstwatch.wallets.stored_status import money_status

LOOK_EVERY_S = 0.25
GIVES_UP_AFTER_S = 60.0
"""How long closing is tried. While an order may still execute, it goes on for as long as that takes."""
_SETTLES_S = 2.0
"""How long a venue may still show the position from before a fill."""
_APPEARS_S = 30.0
"""How long a venue may not find an order that it has accepted, because one of its nodes lags."""
_MOST_REFUSALS = 5

_Answer = tuple[CommandOutcome, str]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Closing:
    """State of closing one wallet that is not in the store."""

    commands: list[StoredCommand]
    begun_s: float
    failures: int = 0
    """Number of orders refused or never arrived; each one lengthens the wait before the next."""
    unfilled: int = 0
    """Number of orders refused or not filled within their bound; each one widens the next bound."""
    refusals: int = 0
    retry_s: float = 0.0
    problem: str = ""
    """Why it is not closed yet."""
    is_sent: bool = False
    closed: list[str] = field(default_factory=list)
    """Sentences about what its orders have closed."""
    before: dict[str, Decimal] = field(default_factory=dict)
    """The position by symbol when its last order was sent."""
    filled_s: dict[str, float] = field(default_factory=dict)
    """When the last order that filled ended, by symbol."""
    missing_s: dict[str, float] = field(default_factory=dict)
    """Since when the venue has not found an order that it accepted, by client order id."""
    listener: "_Listener | None" = None

    @property
    def name(self) -> str:
        """The wallet's name."""
        command = self.commands[0].command
        assert isinstance(command, CloseWallet)
        return command.wallet


@dataclass(frozen=True, slots=True)
class _Known:
    """Rows of a wallet from the store."""

    wallet: Wallet
    active: str | None
    """The run that uses it."""
    left: Mapping[str, Run]
    """The newest ended run by symbol whose position may still be open."""
    orders: Sequence[StoredOrder]
    """Orders that may still execute and close something, or whose outcome is not known."""
    owners: frozenset[str]
    """Ids of the wallet's runs."""

    @property
    def awaited(self) -> list[StoredOrder]:
        return [
            order for order in self.orders if order.intent.purpose is OrderPurpose.EXIT or _is_doubtful(order)
        ]


class WalletCloser:
    """Closes wallets, in a thread of its own: it waits for venues.

    ``guard`` is held while one wallet is handled, so that no other thread resolves an order being sent here.
    """

    def __init__(
        self,
        store: Store,
        venues: VenueRegistry,
        clock: Clock,
        lease: Callable[[], Lease],
        guard: threading.Lock,
        *,
        closed: Callable[[], None],
        fault_point: FaultPoint = no_fault,
    ) -> None:
        """Make a closer. ``closed`` is called when a wallet is flat: its runs' books can then be closed."""
        self._store = store
        self._venues = venues
        self._clock = clock
        self._lease = lease
        self._guard = guard
        self._closed = closed
        self._fault_point = fault_point
        self._asked: dict[str, _Closing] = {}
        self._asking = threading.Lock()
        """Guards the table above: the host's thread adds to it."""
        self.task = PeriodicTask("closing of wallets", self.look)

    @property
    def has_work(self) -> bool:
        return bool(self._asked)

    def close(self) -> None:
        """Start no further step."""
        self.task.close()

    def begin(self, command: StoredCommand) -> None:
        """Take an accepted command; it is answered once the wallet is flat or cannot be closed."""
        found = _Closing([command], self._clock.elapsed_s())
        with self._asking:
            known = self._asked.setdefault(found.name, found)
            if known is not found:
                known.commands.append(command)

    def look(self) -> None:
        """Advance each wallet by one step."""
        for closing_ in list(self._asked.values()):
            with self._guard:
                answer = self._answer(closing_)
                if answer is not None:
                    self._finish(closing_, *answer)

    def _answer(self, it: _Closing) -> _Answer | None:
        """Advance by one step; return the outcome, or None while there is none."""
        try:
            answer = self._step(it)
        except (WrongUseError, DamagedRowError) as error:
            answer = CommandOutcome.REFUSED, str(error)
        except VenueError as error:
            it.problem, answer = str(error), None
        is_late = self._clock.elapsed_s() - it.begun_s > GIVES_UP_AFTER_S
        if answer is None and is_late and not self._read(it.name).awaited:
            why = it.problem or "the venue still shows the position"
            return CommandOutcome.REFUSED, f"not closed within {GIVES_UP_AFTER_S:.0f} s: {why}"
        return answer

    # --- one step --------------------------------------------------------------------------------

    def _step(self, it: _Closing) -> _Answer | None:
        known = self._read(it.name)
        if known.active is not None:
            return CommandOutcome.REFUSED, used_by(known.active, it.name)
        venue = self._venues.get(known.wallet.venue)
        if venue.capabilities.is_mainnet and (answer := self._refuse_unconfirmed(it)):
            return answer
        # Before the position: a request in flight could still change it.
        awaited = [
            order for order in (self._ask(it, known, venue, each) for each in known.awaited) if _waits(order)
        ]
        if awaited:
            if not any(_is_doubtful(order) for order in awaited):
                self._listen(it, known, venue)
            return None
        held = [each for each in venue.holdings(known.wallet.account).positions if not each.is_flat]
        if not held:
            return CommandOutcome.DONE, _done(it)
        now_s = self._clock.elapsed_s()
        for position in held:
            filled_s = it.filled_s.get(position.symbol)
            is_old = position.amount == it.before.get(position.symbol)
            if now_s < it.retry_s or (filled_s is not None and is_old and now_s < filled_s + _SETTLES_S):
                continue
            if answer := self._send(it, known, venue, position):
                return answer
        return None

    def _read(self, name: str) -> _Known:
        with self._store.read() as session:
            wallet = wallets.get_wallet(session, name)
            of_wallet = runs.list_runs(session, wallet_id=wallet.id)
            newest: dict[str, Run] = {}
            for run in of_wallet:
                newest.setdefault(run.settings.symbol, run)
            open_orders = [order for run in of_wallet for order in orders.open_orders_of(session, run.id)]
            open_orders += wallet_orders.open_wallet_orders(session, wallet.id)
            return _Known(
                wallet=wallet,
                active=next((run.id for run in of_wallet if run.state.is_active), None),
                left={
                    symbol: run for symbol, run in newest.items() if run.facts.exposure is not Exposure.FLAT
                },
                orders=open_orders,
                owners=frozenset(run.id for run in of_wallet),
            )

    def _refuse_unconfirmed(self, it: _Closing) -> _Answer | None:
        """Refuse the commands without the wallet's name; return the outcome if none is left."""
        sentence = (
            f"{it.name} is at a main network, real money: send it again with the wallet's name typed"
            f" (`wallet close {it.name} --yes --confirm {it.name}`)"
        )
        bare = [each for each in it.commands if not _is_confirmed(each, it.name)]
        if len(bare) == len(it.commands):
            return CommandOutcome.REFUSED, sentence
        if bare:
            with self._asking:
                it.commands = [each for each in it.commands if each not in bare]
            self._write_outcome(bare, CommandOutcome.REFUSED, sentence)
        return None

    def _ask(self, it: _Closing, known: _Known, venue: Venue, order: StoredOrder) -> StoredOrder:
        """Ask the venue what became of an order, and store its answer."""
        if _is_doubtful(order):
            asked = self._resolved(known, order, self._resolve(venue, order))
        else:
            intent = order.intent
            report = venue.order(intent.account, intent.symbol, intent.client_order_id)
            now_s = self._clock.elapsed_s()
            missing_s = 0.0 if report else now_s - it.missing_s.setdefault(order.client_order_id, now_s)
            if report is None and missing_s < _APPEARS_S:
                it.problem = (
                    f"the venue does not know order {order.client_order_id} yet, which it has accepted"
                )
                return order
            asked = self._reported(known, order, report)
        if asked.state.is_final and asked.intent.purpose is OrderPurpose.EXIT:
            self._note_end(it, asked)
        return asked

    def _resolve(self, venue: Venue, order: StoredOrder) -> Resolution:
        request = PreparedRequest(order.client_order_id, order.body, order.nonce, order.expires_at_ms)
        with fenced(self._lease()):
            self._fault_point("before resolve")
            try:
                resolution: Resolution = venue.resolve(request)
            except VenueError as error:
                resolution = StillUnknown(str(error))
            self._fault_point("after resolve")
        return resolution

    def _resolved(self, known: _Known, order: StoredOrder, resolution: Resolution) -> StoredOrder:
        match resolution:
            case Executed(report):
                return self._reported(known, order, report)
            case NeverWill(reason):
                return self._move(known, order, OrderState.REJECTED, f"{NOT_SENT}: {reason}")
            case StillUnknown(reason):
                if order.state is OrderState.UNKNOWN:
                    return order
                return self._move(known, order, OrderState.UNKNOWN, reason)

    def _reported(self, known: _Known, order: StoredOrder, report: OrderReport | None) -> StoredOrder:
        if report is None:
            return self._move(known, order, OrderState.CANCELED, "the venue does not know it")
        filled = replace(
            order,
            filled=report.filled,
            average_price=report.average_price or order.average_price,
            venue_order_id=report.venue_order_id or order.venue_order_id,
        )
        if report.state is order.state and filled == order:
            return order
        return self._move(known, filled, report.state, report.reason)

    def _note_end(self, it: _Closing, order: StoredOrder) -> None:
        """Note what an order has closed, and whether the next one needs a wider bound."""
        intent = order.intent
        if order.filled:
            it.filled_s[intent.symbol] = self._clock.elapsed_s()
            price = "" if order.average_price is None else f" at {plain(order.average_price)}"
            it.closed.append(f"{plain(order.filled)} {base_of(intent.symbol)}{price}")
        if order.filled < intent.amount:
            rest = plain(intent.amount - order.filled)
            it.problem = (
                f"{rest} of {plain(intent.amount)} {base_of(intent.symbol)} not filled:"
                f" {order.history[-1].why or 'nothing was there within its bound'}"
            )
            if order.state is OrderState.REJECTED:
                self._back_off(it)
            else:
                it.unfilled += 1

    def _back_off(self, it: _Closing) -> None:
        """Delay the next order, longer each time."""
        it.retry_s = self._clock.elapsed_s() + back_off_ms(it.failures) / 1000
        it.failures += 1

    # --- sending ---------------------------------------------------------------------------------

    def _send(self, it: _Closing, known: _Known, venue: Venue, position: Position) -> _Answer | None:
        """Send an order that closes a position; return the outcome if the venue will not close it."""
        assert position.side is not None
        market = venue.markets().get(position.symbol)
        if market is None:
            sentence = f"{it.name} holds {position.side} {plain(position.amount)} {position.symbol}, which is"
            return CommandOutcome.REFUSED, f"{sentence} not traded from here: close it at the venue"
        side = closing(position.side)
        bound_bps = BOUNDS_BPS[min(it.unfilled, len(BOUNDS_BPS) - 1)]
        worst = venue.touch(position.symbol).mid * (1 + side.sign * bound_bps / 10_000)
        owner = known.left.get(position.symbol)
        name = self._new_id(owner)
        intent = OrderIntent(
            client_order_id=name,
            run_id=run_of(name),
            account=known.wallet.account,
            symbol=position.symbol,
            purpose=OrderPurpose.EXIT,
            side=side,
            kind=OrderKind.MARKET,
            amount=position.amount,
            reduce_only=True,
            price=market.price(worst),
        )
        order = self._intend(it, known, intent, venue.prepare(intent))
        it.before[position.symbol] = position.amount
        it.filled_s.pop(position.symbol, None)
        it.is_sent = True
        answer, order = self._sent(it, known, order, self._request(venue, order))
        if order.state is OrderState.ACCEPTED:
            self._ask(it, known, venue, order)
        return answer

    def _new_id(self, owner: Run | None) -> str:
        """Return the next client order id of the run that left the position, or one without a run."""
        if owner is None:
            return client_order_id(new_run_id(secrets.randbits), 1)
        with self._store.read() as session:
            numbers = [number_of(each.client_order_id) for each in orders.orders_of(session, owner.id)]
        return client_order_id(owner.id, max(numbers, default=0) + 1)

    def _intend(
        self, it: _Closing, known: _Known, intent: OrderIntent, request: PreparedRequest
    ) -> StoredOrder:
        """Store an order before its request leaves."""
        order = StoredOrder.of(
            intent,
            nonce=request.nonce,
            body=request.body,
            expires_at_ms=request.expires_at_ms,
            now_ms=self._clock.now_ms(),
        )
        intended = OrderIntended(
            client_order_id=intent.client_order_id,
            purpose=intent.purpose,
            side=intent.side,
            order_kind=intent.kind,
            amount=intent.amount,
            price=intent.price,
            reduce_only=True,
        )
        asked = [] if it.is_sent else [Noted(sentence="what the run left is to be closed")]
        with self._store.write(self._lease().epoch) as session:
            self._put(session, known, order, [*asked, intended], it.commands[0].author)
        return order

    def _request(self, venue: Venue, order: StoredOrder) -> SendOutcome:
        request = PreparedRequest(order.client_order_id, order.body, order.nonce, order.expires_at_ms)
        with fenced(self._lease()):
            self._fault_point("before send")
            try:
                outcome = venue.send(request)
            except VenueError as error:
                outcome = Unknown(str(error))
            self._fault_point("after send")
        return outcome

    def _sent(
        self, it: _Closing, known: _Known, order: StoredOrder, outcome: SendOutcome
    ) -> tuple[_Answer | None, StoredOrder]:
        """Store a request's outcome. Return the command's if the venue will not close, and the order."""
        answer: _Answer | None = None
        match outcome:
            case Accepted(venue_order_id, filled, average_price):
                order = replace(
                    order,
                    venue_order_id=venue_order_id or None,
                    filled=filled,
                    average_price=average_price,
                )
                order = self._move(known, order, OrderState.ACCEPTED, "")
            case Unknown(reason):
                order = self._move(known, order, OrderState.UNKNOWN, reason)
            case Refused(code, reason):
                order = self._move(known, order, OrderState.REJECTED, f"{code}: {reason}")
                it.problem = f"the venue refused it: {reason}"
                self._back_off(it)
                if code != RefusalCode.RATE_LIMIT:
                    it.refusals += 1
                    it.unfilled += 1
                if code == RefusalCode.AUTH or it.refusals >= _MOST_REFUSALS:
                    answer = CommandOutcome.REFUSED, f"not closed: {it.problem}"
        return answer, order

    # --- the store -------------------------------------------------------------------------------

    def _move(self, known: _Known, order: StoredOrder, state: OrderState, why: str) -> StoredOrder:
        """Store an order's new state."""
        moved = order.moved(state, why, now_ms=self._clock.now_ms())
        events: list[RunEvent] = []
        if state is not order.state:
            name = order.client_order_id
            events = [OrderMoved(client_order_id=name, old=order.state, new=state, why=why)]
        with self._store.write(self._lease().epoch) as session:
            self._put(session, known, moved, events, Author.SYSTEM)
        return moved

    def _put(
        self,
        session: Session,
        known: _Known,
        order: StoredOrder,
        events: Sequence[RunEvent],
        author: Author,
    ) -> None:
        """Write an order and, if it belongs to a run, its events to that run's journal."""
        run_id = order.intent.run_id
        if run_id not in known.owners:
            wallet_orders.upsert_wallet_order(session, known.wallet.id, order)
            return
        orders.upsert_order(session, order)
        journal.append_events(
            session, run_id, events, author=author, venue_time_ms=None, local_time_ms=order.updated_at_ms
        )

    def _finish(self, it: _Closing, outcome: CommandOutcome, sentence: str) -> None:
        """Answer the commands of a wallet."""
        if it.listener is not None:
            it.listener.close()
        if outcome is CommandOutcome.DONE:
            self._keep_money(it.name)
        done = list(it.commands)
        self._write_outcome(done, outcome, sentence)
        with self._asking:
            del self._asked[it.name]
            late = [each for each in it.commands if each not in done]
            if late:
                self._asked[it.name] = _Closing(late, self._clock.elapsed_s())
        self._closed()

    def _write_outcome(self, done: Sequence[StoredCommand], outcome: CommandOutcome, sentence: str) -> None:
        with self._store.write(self._lease().epoch) as session:
            for each in done:
                if not commands.get_command(session, each.id).is_finished:
                    commands.finish_command(session, each.id, outcome, sentence, now_ms=self._clock.now_ms())

    def _keep_money(self, name: str) -> None:
        """Store the balance of a live wallet as the venue shows it now, after the close."""
        wallet = self._read(name).wallet
        try:
            venue = self._venues.get(wallet.venue)
            if not isinstance(venue, ShowsAccounts):
                return
            money, read_at_ms = venue.recent_money(wallet.account, youngest_s=0)
        except FirstwatchError as error:
            _log.info("%s is read again later: %s", name, error)
            return
        with self._store.write(self._lease().epoch) as session:
            wallet_status.set_money(session, wallet.id, money_status(money, read_at_ms=read_at_ms))

    # --- a market that waits for its runs ----------------------------------------------------------

    def _listen(self, it: _Closing, known: _Known, venue: Venue) -> None:
        """Subscribe to a feed with phases, which stands still otherwise: the order needs its next price."""
        run = next(iter(known.left.values()), None)
        if it.listener is None and venue.capabilities.has_phases and run is not None:
            with self._store.read() as session:
                timeframe = read_stored_run(session, run.id).spec.timeframe
            it.listener = listener = _Listener()
            listener.begin(venue.subscribe(run.account, run.settings.symbol, timeframe, listener.deliver))


class _Listener:
    """Subscriber to a feed with phases that acknowledges each phase at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscription: Subscription | None = None
        self._missed: int | None = None
        """The token that arrived before the subscription was known."""

    def begin(self, subscription: Subscription) -> None:
        """Acknowledge what arrived meanwhile, too."""
        with self._lock:
            self._subscription, missed = subscription, self._missed
        if missed is not None:
            subscription.acknowledge(missed)

    def deliver(self, event: VenueEvent) -> None:
        if isinstance(event, PhaseEnded):
            with self._lock:
                subscription = self._subscription
                self._missed = event.token
            if subscription is not None:
                subscription.acknowledge(event.token)

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()


def used_by(run_id: str, wallet: str) -> str:
    """Return the refusal to close a wallet that a run uses."""
    return f"run {run_id} uses the wallet {wallet}: close its position with `firstwatch run close {run_id}`"


def _is_confirmed(command: StoredCommand, name: str) -> bool:
    return isinstance(command.command, CloseWallet) and command.command.confirmed_name == name


def _is_doubtful(order: StoredOrder) -> bool:
    return order.state in IN_FLIGHT


def _waits(order: StoredOrder) -> bool:
    """Return whether the position may still change through the order."""
    is_exit = order.intent.purpose is OrderPurpose.EXIT
    return order.state.is_open and (is_exit or _is_doubtful(order))


def _done(it: _Closing) -> str:
    if it.closed:
        return f"the wallet {it.name} is flat: closed {', '.join(it.closed)}"
    if it.is_sent:
        return f"the wallet {it.name} is flat"
    return f"the wallet {it.name} holds nothing: there was nothing to close"
