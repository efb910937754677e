"""Performs a run's effects at its venue and turns every answer into the outcome that the core awaits."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.records import NewOrder, Record
from firstwatch.engine.core.run_core import RunCore
from firstwatch.engine.core.run_memory import RunSetup
from firstwatch.engine.lease import Lease, fenced
from firstwatch.engine.worker.requests import Request
from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import VenueError
from firstwatch.trading.fault_points import FaultPoint
from firstwatch.trading.orders import Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import (
    PreparedRequest,
    Resolution,
    SendOutcome,
    StillUnknown,
    Subscription,
    Unknown,
    Venue,
    VenueEvent,
)


class EffectExecutor:
    """Performs one run's effects at its venue. Used by the run's worker; its requests block the caller."""

    def __init__(
        self,
        venue: Venue,
        setup: RunSetup,
        lease: Lease,
        fault_point: FaultPoint,
        prepared: Mapping[str, PreparedRequest],
    ) -> None:
        """Make an executor. ``prepared``: requests of the run's open orders, by client order id."""
        self._venue = venue
        self._account = setup.account
        self._symbol = setup.symbol
        self._timeframe = setup.timeframe
        self._lease = lease
        self._fault_point = fault_point
        self._prepared = dict(prepared)
        self._subscription: Subscription | None = None
        self._is_reachable = True

    @property
    def is_reachable(self) -> bool:
        """The venue answered the call that ended last."""
        return self._is_reachable

    def mark_unreachable(self) -> None:
        """Note that the venue did not answer a call that was made elsewhere."""
        self._is_reachable = False

    # --- the subscription ------------------------------------------------------------------------

    @property
    def is_subscribed(self) -> bool:
        return self._subscription is not None

    def subscribe(self, deliver: Callable[[VenueEvent], None], *, after_ms: int | None) -> None:
        """Subscribe the run to its venue's events; ``after_ms``: open time of the last bar handled.

        Raises:
            VenueError: the venue cannot be asked.
        """
        self._subscription = self._venue.subscribe(
            self._account, self._symbol, self._timeframe, deliver, after_ms=after_ms
        )

    def unsubscribe(self) -> None:
        """Close the subscription, so that the feed no longer waits for this run. Idempotent."""
        if self._subscription is not None:
            self._subscription.close()

    # --- effects ---------------------------------------------------------------------------------

    def prepare(self, records: Iterable[Record]) -> dict[str, PreparedRequest]:
        """Prepare and keep the requests of the new orders among these records, by client order id."""
        requests = {
            record.intent.client_order_id: self._venue.prepare(record.intent)
            for record in records
            if isinstance(record, NewOrder)
        }
        self._prepared.update(requests)
        return requests

    def perform(self, effect: effects.Effect, core: RunCore) -> Request | None:
        """Perform an effect that needs no waiting; for any other return the request to call.

        The request may be called in any thread, beside others, and returns the effect's outcome. It raises
        ``LeaseLostError`` when this process may not send any more: then nothing was sent.
        """
        match effect:
            case effects.SendOrder(client_order_id):
                return self._send(client_order_id, core)
            case effects.ModifyOrder(client_order_id, new_client_order_id):
                return self._modify(client_order_id, new_client_order_id, core)
            case effects.CancelOrder(client_order_id):
                return lambda: self._cancel(client_order_id)
            case effects.SetLeverage(leverage):
                return lambda: self._set_leverage(leverage)
            case effects.ResolveOrder(client_order_id):
                request = self._prepared[client_order_id]
                return lambda: inputs.ResolveAnswered(
                    client_order_id, self._resolve(request), self._venue.now_ms()
                )
            case effects.Acknowledge(token):
                if self._subscription is not None:
                    self._fault_point("before acknowledge")
                    self._subscription.acknowledge(token)
                    self._fault_point("after acknowledge")
                return None
            case effects.EndRun():
                return None
            case effects.Reconcile():
                questions = core.questions()
                return lambda: self._read(
                    effect, lambda: inputs.Reconciled(self.read_venue(questions), self._venue.now_ms())
                )
            case _:
                return lambda: self._read(effect, lambda: self._reading(effect))

    def read_venue(
        self, asked: inputs.VenueQuestions, *, before_ms: int | None = None
    ) -> inputs.VenueReading:
        """Read everything that a run must know after a gap.

        ``before_ms``: open time of the first bar that the subscription delivers; it is not read as well.

        Raises:
            VenueError: the venue cannot be asked.
        """
        venue, account, symbol = self._venue, self._account, self._symbol
        # Resolutions first: a request whose nonce they use up cannot fill after the fills were read.
        resolutions = {order: self._resolve(self._prepared[order]) for order in asked.in_flight}
        reports = {order: venue.order(account, symbol, order) for order in asked.known}
        fills = venue.fills_since(account, symbol, asked.fills_since_ms)
        fundings = venue.funding_since(account, symbol, asked.fundings_since_ms)
        return inputs.VenueReading(
            resolutions=resolutions,
            reports=reports,
            open_orders=venue.open_orders(account, symbol),
            fills=fills,
            fundings=fundings,
            bars=self._bars_after(asked.after_ms, before_ms),
            position=venue.position(account, symbol),
            balance=venue.balance(account),
            touch=self._asked_touch(),
        )

    # --- effects that act ------------------------------------------------------------------------

    def _send(self, client_order_id: str, core: RunCore) -> Request:
        request, before = self._prepared[client_order_id], self.touch()
        core.note_submission(client_order_id, before)

        def send() -> inputs.Event:
            outcome = self._write("send", lambda: self._venue.send(request))
            return inputs.SendAnswered(client_order_id, outcome, self._venue.now_ms(), before, self.touch())

        return send

    def _modify(self, client_order_id: str, new_client_order_id: str, core: RunCore) -> Request:
        request, before = self._prepared[new_client_order_id], self.touch()
        core.note_submission(new_client_order_id, before)

        def modify() -> inputs.Event:
            outcome = self._write("modify", lambda: self._venue.modify(client_order_id, request))
            return inputs.ModifyAnswered(
                client_order_id, new_client_order_id, outcome, self._venue.now_ms(), before, self.touch()
            )

        return modify

    def _cancel(self, client_order_id: str) -> inputs.CancelAnswered:
        outcome = self._write(
            "cancel", lambda: self._venue.cancel(self._account, self._symbol, client_order_id)
        )
        return inputs.CancelAnswered(client_order_id, outcome, self._venue.now_ms())

    def _set_leverage(self, leverage: Decimal) -> inputs.LeverageSet:
        outcome = self._write(
            "leverage", lambda: self._venue.set_leverage(self._account, self._symbol, leverage)
        )
        return inputs.LeverageSet(outcome, self._venue.now_ms())

    def _write(self, name: str, call: Callable[[], SendOutcome]) -> SendOutcome:
        """Make one call that changes the venue; an outcome in doubt is ``Unknown``."""
        with fenced(self._lease):
            self._fault_point(f"before {name}")
            try:
                outcome = call()
            except VenueError as error:
                outcome = Unknown(str(error))
            self._fault_point(f"after {name}")
        self._is_reachable = not isinstance(outcome, Unknown)
        return outcome

    def _resolve(self, request: PreparedRequest) -> Resolution:
        # Resolving may use up the request's nonce at the venue, which counts as acting.
        resolution: Resolution
        with fenced(self._lease):
            self._fault_point("before resolve")
            try:
                resolution = self._venue.resolve(request)
            except VenueError as error:
                resolution = StillUnknown(str(error))
            self._fault_point("after resolve")
        self._is_reachable = not isinstance(resolution, StillUnknown) or resolution.is_taken
        return resolution

    # --- effects that read -----------------------------------------------------------------------

    def _read(self, effect: effects.Effect, read: Callable[[], inputs.Event]) -> inputs.Event:
        self._fault_point("before read")
        try:
            outcome = read()
        except VenueError as error:
            self._is_reachable = False
            outcome = inputs.ReadFailed(effect, str(error), self._venue.now_ms())
        else:
            self._is_reachable = True
        self._fault_point("after read")
        return outcome

    def _reading(self, effect: effects.Effect) -> inputs.Event:
        venue, account, symbol = self._venue, self._account, self._symbol
        match effect:
            case effects.ReadPosition():
                return inputs.PositionRead(venue.position(account, symbol), venue.now_ms())
            case effects.ReadOpenOrders():
                return inputs.OpenOrdersRead(venue.open_orders(account, symbol), venue.now_ms())
            case effects.ReadOrder(client_order_id):
                report = venue.order(account, symbol, client_order_id)
                return inputs.OrderRead(client_order_id, report, venue.now_ms())
            case effects.ReadFills(since_ms, fundings_since_ms):
                fills = venue.fills_since(account, symbol, since_ms)
                fundings = venue.funding_since(account, symbol, fundings_since_ms)
                return inputs.FillsRead(fills, fundings, venue.now_ms())
            case effects.ReadBalance():
                return inputs.BalanceRead(venue.balance(account), venue.now_ms())
            case effects.ReadTransfers(since_ms):
                return inputs.TransfersRead(venue.has_transfers(account, since_ms), venue.now_ms())
            case effects.ReadBars(after_ms):
                return inputs.BarsRead(self._bars_after(after_ms), venue.now_ms())
            case _:
                raise AssertionError(f"no way to perform {effect}")

    def _bars_after(self, after_ms: int, before_ms: int | None = None) -> list[Bar]:
        if after_ms == 0:
            return []
        now_ms = self._venue.now_ms()
        bars = bars_between(self._venue, self._symbol, self._timeframe, after_ms + 1, now_ms)
        return [bar for bar in bars if before_ms is None or bar.time_ms < before_ms]

    def touch(self) -> Touch | None:
        """Return the latest streamed prices, if any; measuring a call must not delay it."""
        return self._venue.latest_touch(self._symbol)

    def _asked_touch(self) -> Touch | None:
        try:
            return self._venue.touch(self._symbol)
        except VenueError:
            # Everything else was read, and the next message brings a price.
            return None


def bars_between(venue: Venue, symbol: str, timeframe: Timeframe, first_ms: int, end_ms: int) -> list[Bar]:
    """Return the closed bars that open at or after ``first_ms`` and end at or before ``end_ms``.

    Raises:
        VenueError: the venue cannot be asked.
    """
    expected = max((end_ms - first_ms) // timeframe.ms + 1, 0)
    if expected == 0:
        return []
    bars = venue.candles(symbol, timeframe, end_ms=end_ms, limit=expected)
    return [bar for bar in bars if bar.time_ms >= first_ms]
