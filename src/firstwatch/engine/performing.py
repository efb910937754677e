"""Perform a run's effects at its venue, and turn every answer into the outcome that the core waits for."""

from collections.abc import Callable
from decimal import Decimal

from firstwatch.engine import effects as do
from firstwatch.engine import events as told
from firstwatch.engine.core import RunCore
from firstwatch.engine.lease import Lease
from firstwatch.engine.memory import RunSetup
from firstwatch.engine.probe import Probe
from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import OrderReport, Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import (
    PreparedRequest,
    Resolution,
    SendOutcome,
    StillUnknown,
    Subscription,
    Unknown,
    Venue,
)


class Performer:
    """One run's hands at its venue. Used by the run's worker alone; calls block."""

    def __init__(self, venue: Venue, setup: RunSetup, lease: Lease, probe: Probe) -> None:
        self._venue = venue
        self._account = setup.account
        self._symbol = setup.symbol
        self._timeframe = setup.timeframe
        self._lease = lease
        self._probe = probe
        self.prepared: dict[str, PreparedRequest] = {}
        """Requests by client order id: those of this process life, and of stored orders in doubt."""
        self.subscription: Subscription | None = None
        self.delivered_from_ms: int | None = None
        """Open time of the first bar that the subscription delivers although it may be read, too."""
        self.is_reachable = True

    def perform(self, effect: do.Effect, core: RunCore) -> list[told.Event]:
        """Do what the core wants done and return the outcome, if the effect has one.

        Raises:
            LeaseLostError: this process may not send any more; nothing was sent.
        """
        match effect:
            case do.SendOrder(client_order_id):
                return [self._send(client_order_id)]
            case do.ModifyOrder(client_order_id, new_client_order_id):
                return [self._modify(client_order_id, new_client_order_id)]
            case do.CancelOrder(client_order_id):
                outcome = self._write(
                    "cancel", lambda: self._venue.cancel(self._account, self._symbol, client_order_id)
                )
                return [told.CancelAnswered(client_order_id, outcome, self._venue.now_ms())]
            case do.SetLeverage(leverage):
                return [self._set_leverage(leverage)]
            case do.ResolveOrder(client_order_id):
                resolution = self._resolve(client_order_id)
                return [told.ResolveAnswered(client_order_id, resolution, self._venue.now_ms())]
            case do.Acknowledge(token):
                if self.subscription is not None:
                    self._probe("before acknowledge")
                    self.subscription.acknowledge(token)
                    self._probe("after acknowledge")
                return []
            case do.EndRun():
                return []
            case _:
                return [self._read(effect, core)]

    def read_venue(self, core: RunCore) -> told.VenueReading:
        """Read everything that a run must know after a time of not listening.

        Raises:
            VenueError: the venue cannot be asked.
        """
        # Resolutions first: a request that they burn cannot fill after the fills were read.
        resolutions = {order: self._resolve(order) for order in core.orders_in_doubt()}
        reports: dict[str, OrderReport | None] = {
            order: self._venue.order(self._account, self._symbol, order)
            for order in core.open_orders()
            if order not in resolutions
        }
        fills = self._venue.fills_since(self._account, self._symbol, core.fills_horizon_ms)
        fundings = self._venue.funding_since(self._account, self._symbol, core.fundings_horizon_ms)
        return told.VenueReading(
            resolutions=resolutions,
            reports=reports,
            open_orders=self._venue.open_orders(self._account, self._symbol),
            fills=fills,
            fundings=fundings,
            bars=self._bars_after(core.last_bar_ms),
            position=self._venue.position(self._account, self._symbol),
            balance=self._venue.balance(self._account),
            touch=self.touch(),
        )

    def _send(self, client_order_id: str) -> told.SendAnswered:
        before = self.touch()
        request = self.prepared[client_order_id]
        outcome = self._write("send", lambda: self._venue.send(request))
        return told.SendAnswered(client_order_id, outcome, self._venue.now_ms(), before, self.touch())

    def _modify(self, client_order_id: str, new_client_order_id: str) -> told.ModifyAnswered:
        before = self.touch()
        request = self.prepared[new_client_order_id]
        outcome = self._write("modify", lambda: self._venue.modify(client_order_id, request))
        return told.ModifyAnswered(
            client_order_id, new_client_order_id, outcome, self._venue.now_ms(), before, self.touch()
        )

    def _set_leverage(self, leverage: Decimal) -> told.LeverageSet:
        outcome = self._write(
            "leverage", lambda: self._venue.set_leverage(self._account, self._symbol, leverage)
        )
        return told.LeverageSet(outcome, self._venue.now_ms())

    def _write(self, name: str, call: Callable[[], SendOutcome]) -> SendOutcome:
        """Make one call that changes the venue; doubt of any kind is ``Unknown``."""
        self._lease.check()
        self._probe(f"before {name}")
        try:
            outcome = call()
        except VenueError as error:
            outcome = Unknown(str(error))
        self._probe(f"after {name}")
        self.is_reachable = not isinstance(outcome, Unknown)
        return outcome

    def _resolve(self, client_order_id: str) -> Resolution:
        # Resolving may burn the request at the venue, which is an act like any other.
        self._lease.check()
        self._probe("before resolve")
        resolution: Resolution
        try:
            resolution = self._venue.resolve(self.prepared[client_order_id])
        except VenueError as error:
            resolution = StillUnknown(str(error))
        self._probe("after resolve")
        self.is_reachable = not isinstance(resolution, StillUnknown)
        return resolution

    def _read(self, effect: do.Effect, core: RunCore) -> told.Event:
        self._probe("before read")
        try:
            outcome = self._reading(effect, core)
        except VenueError as error:
            self.is_reachable = False
            outcome = told.ReadFailed(effect, str(error), self._venue.now_ms())
        else:
            self.is_reachable = True
        self._probe("after read")
        return outcome

    def _reading(self, effect: do.Effect, core: RunCore) -> told.Event:
        venue, account, symbol = self._venue, self._account, self._symbol
        match effect:
            case do.ReadPosition():
                return told.PositionRead(venue.position(account, symbol), venue.now_ms())
            case do.ReadOpenOrders():
                return told.OpenOrdersRead(venue.open_orders(account, symbol), venue.now_ms())
            case do.ReadOrder(client_order_id):
                report = venue.order(account, symbol, client_order_id)
                return told.OrderRead(client_order_id, report, venue.now_ms())
            case do.ReadFills(since_ms, fundings_since_ms):
                fills = venue.fills_since(account, symbol, since_ms)
                fundings = venue.funding_since(account, symbol, fundings_since_ms)
                return told.FillsRead(fills, fundings, venue.now_ms())
            case do.ReadBalance():
                return told.BalanceRead(venue.balance(account), venue.now_ms())
            case do.ReadBars(after_ms):
                return told.BarsRead(self._bars_after(after_ms), venue.now_ms())
            case do.Reconcile():
                return told.Reconciled(self.read_venue(core), venue.now_ms())
            case _:
                raise AssertionError(f"no way to perform {effect!r}")

    def _bars_after(self, after_ms: int) -> list[Bar]:
        if after_ms == 0:
            return []
        now_ms, first_ms = self._venue.now_ms(), self.delivered_from_ms
        bars = bars_between(self._venue, self._symbol, self._timeframe, after_ms + 1, now_ms)
        return [bar for bar in bars if first_ms is None or bar.time_ms < first_ms]

    def touch(self) -> Touch | None:
        """Return the prices now; None: the venue cannot say them."""
        try:
            return self._venue.touch(self._symbol)
        except VenueError:
            # The prices around a call are a measurement; the call itself must not fail for want of them.
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
