"""Hyperliquid behind the ``Venue`` protocol: a thread-safe adapter over the asynchronous connection.

What the protocol leaves open:

- A prepared request holds the order and its nonce, never a signature: it is signed when it is sent.
- A request in doubt is asked for by its client id; when the venue does not know it, its nonce is used up
  by a ``noop``. The nonce is what guards against a replay, not the client id.
- A nonce that is used up already was used by the request itself, or by an earlier ``noop`` whose answer was
  lost: the order is looked for until the venue's answers of the account are newer than that.
- An immediate order that finds nothing to match is an order that ended unfilled, not a refusal.
- The venue's time is what its messages say, carried on between them.

It is one class although it is long: the protocol's calls, and one guard for the requests that they share.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from firstwatch.trading.account import KEY_APPROVAL, Approval, Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import VenueError
from firstwatch.trading.market import Market
from firstwatch.trading.orders import Fill, OrderIntent, OrderReport, Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.accounts import AccountMoney, Builder, Permissions
from firstwatch.venues.hyperliquid import actions, decoder, parse, queries
from firstwatch.venues.hyperliquid.account_api import AccountQueries
from firstwatch.venues.hyperliquid.answers import (
    DUPLICATE_NONCE,
    NO_MATCH,
    ActionAnswer,
    Taken,
    is_outside_of_window,
    outcome_of,
    read_answer,
)
from firstwatch.venues.hyperliquid.approvals import (
    agent_sentence,
    builder_approval,
    key_approval,
    no_key,
    of_another_account,
    unknown_key,
)
from firstwatch.venues.hyperliquid.budget import PRIORITY, RATE_PER_MINUTE, Priority
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.connection import Connection
from firstwatch.venues.hyperliquid.decoder import decode
from firstwatch.venues.hyperliquid.gateway import Gateway
from firstwatch.venues.hyperliquid.info import InfoReader
from firstwatch.venues.hyperliquid.key_permissions import permissions_of
from firstwatch.venues.hyperliquid.kinds import kind_approval, not_an_account
from firstwatch.venues.hyperliquid.signing import l1_digest, pack, signature_json
from firstwatch.venues.hyperliquid.subscribers import Subscriber
from firstwatch.venues.nonces import NONCES
from firstwatch.venues.protocol import (
    Accepted,
    Capabilities,
    Deliver,
    Executed,
    Holdings,
    NeverWill,
    PreparedRequest,
    RefusalCode,
    Refused,
    Resolution,
    SendOutcome,
    StillUnknown,
    Subscription,
    Unknown,
    VenueCondition,
)
from firstwatch.venues.signer import KeyKind, Signer, SignerOf

T = TypeVar("T")
READ_S = 30.0
HISTORY_S = 60.0
_FEW_BARS = 60
# A row in the ledger of transfers that moves no money in or out: its fills are known.
_OF_TRADING = frozenset({"liquidation"})
# Longer than the client's own timeout and the wait for the budget, because the client's error says more.
ACT_S = 20.0
STALE_AFTER_S = 20.0
# Prices from the stream are as good as asked for when they are not older than this.
_FRESH_S = 2.0
# A venue whose time differs from wall time by less than this counts as using wall time.
_SAME_TIME_MS = 600_000
# Fills of an order are searched from this long before its known acceptance.
_FILLS_BEFORE_MS = 3_600_000
_MOST_KEPT = 10_000


class _QuietQueries(AccountQueries):
    """Queries of the lowest priority."""

    def __init__(self, venue: "HyperliquidVenue") -> None:
        super().__init__(venue.name, is_mainnet=venue.capabilities.is_mainnet)
        self._venue = venue

    def _info(self, request: dict[str, Any]) -> Any:
        params = dict(request)
        return self._venue.ask_last(params.pop("type"), **params)


class _Listener:
    """One run's subscription."""

    def __init__(self, venue: "HyperliquidVenue", subscriber: Subscriber) -> None:
        self._venue = venue
        self._ear = subscriber

    def acknowledge(self, token: int) -> None:
        """Do nothing: this venue does not wait for acknowledgements."""

    def close(self) -> None:
        self._venue._unsubscribe(self._ear)


class HyperliquidVenue:
    """One Hyperliquid network. The first call that needs the venue connects."""

    def __init__(
        self,
        name: str,
        *,
        api_url: str,
        ws_url: str,
        is_mainnet: bool,
        signer_of: SignerOf,
        clock: Clock,
        builder: Builder | None = None,
        max_slippage_bps: float = 500.0,
        stream_users: int = 8,
        weight_per_minute: float = RATE_PER_MINUTE,
        stale_after_s: float = STALE_AFTER_S,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(
            is_paper=False, modifies_orders=True, has_phases=False, is_mainnet=is_mainnet
        )
        self._is_mainnet = is_mainnet
        self._signer_of = signer_of
        self._clock = clock
        self._builder = builder
        self._max_slippage_bps = max_slippage_bps
        self._gateway = Gateway(name)
        self._venue_clock = VenueClock(clock.elapsed_s)
        self._open_guard = threading.Lock()
        self._connection: Connection | None = None
        self._make_connection: Callable[[], Connection] = lambda: Connection(
            self._gateway,
            clock,
            self._venue_clock,
            api_url=api_url,
            ws_url=ws_url,
            is_mainnet=is_mainnet,
            stream_users=stream_users,
            weight_per_minute=weight_per_minute,
            stale_after_s=stale_after_s,
        )
        self._guard = threading.Lock()
        """Guards the tables of requests below."""
        self._prepared: OrderedDict[str, tuple[OrderIntent, PreparedRequest]] = OrderedDict()
        self._sent: OrderedDict[str, None] = OrderedDict()
        self._burnt: OrderedDict[str, None] = OrderedDict()
        self._taken_ms: OrderedDict[str, int] = OrderedDict()
        """Venue time by which a doubtful request's nonce was used, as far as known not by our ``noop``."""
        self._missed_ms: OrderedDict[str, int] = OrderedDict()
        """Venue time at which the venue first showed no order of a client id."""

    # --- market data ----------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Return the venue's time; that of the wall while the venue has never been reached."""
        if not self._venue_clock.is_known:
            try:
                self._connected()
            except VenueError:
                return self._clock.now_ms()
        return self._venue_clock.now_ms()

    def is_busy(self) -> bool:
        connection = self._connection
        return connection is not None and connection.budget.is_short

    def markets(self) -> dict[str, Market]:
        """Return the markets that are not delisted."""
        info = self._connected().info
        return {symbol: traded.market for symbol, traded in info.markets.items() if not traded.is_delisted}

    def candles(self, symbol: str, timeframe: Timeframe, *, end_ms: int, limit: int) -> list[Bar]:
        connection = self._connected()
        # A run that reads everything handles nothing meanwhile, so its few bars do not wait like a history.
        return self._read(
            lambda: connection.candles_of(symbol, timeframe).closed_bars(end_ms, limit),
            priority=Priority.ACCOUNT if limit <= _FEW_BARS else Priority.HISTORY,
            timeout_s=HISTORY_S,
        )

    def candles_anew(self, symbol: str, timeframe: Timeframe, *, first_ms: int, end_ms: int) -> list[Bar]:
        connection = self._connected()
        return self._read(
            lambda: connection.candles_of(symbol, timeframe).read_anew(first_ms, end_ms),
            priority=Priority.HISTORY,
            timeout_s=HISTORY_S,
        )

    def subscribe(
        self,
        account: str,
        symbol: str,
        timeframe: Timeframe,
        deliver: Deliver,
        *,
        after_ms: int | None = None,
    ) -> Subscription:
        connection = self._connected()
        subscriber = Subscriber(account.lower(), symbol, timeframe, deliver, after_ms)
        try:
            self._read(lambda: connection.subscribe(subscriber))
        except VenueError:
            # It may have begun to deliver, and the caller has no subscription to close.
            self._unsubscribe(subscriber)
            raise
        return _Listener(self, subscriber)

    def _unsubscribe(self, subscriber: Subscriber) -> None:
        if subscriber.is_open:
            subscriber.is_open = False
            connection = self._connection
            if connection is not None:
                self._gateway.post(lambda: connection.unsubscribe(subscriber))

    def touch(self, symbol: str) -> Touch:
        connection = self._connected()
        return connection.fresh_touch(symbol, _FRESH_S) or self._read(lambda: connection.info.touch(symbol))

    def latest_touch(self, symbol: str) -> Touch | None:
        connection = self._connection
        if connection is None or symbol not in connection.info.markets:
            return None
        return connection.fresh_touch(symbol, _FRESH_S)

    # --- orders ---------------------------------------------------------------------------------

    def prepare(self, intent: OrderIntent) -> PreparedRequest:
        """Return the order as it will be signed, and its nonce; the same result for the same order.

        A client order id that was prepared but never stored may be reused for another order.

        Raises:
            VenueError: another order was sent under this client order id.
        """
        key = intent.client_order_id
        with self._guard:
            known = self._prepared.get(key)
        if known is not None and known[0] == intent:
            return known[1]
        request = self._order_request(intent)
        prepared = PreparedRequest(key, request.body(), nonce=NONCES.next(self._wall_ms))
        with self._guard:
            if known is not None and key in self._sent:
                raise VenueError(f"The client order id {key} was sent before, for another order.")
            self._prepared[key] = (intent, prepared)
            _trim(self._prepared)
        return prepared

    def _order_request(self, intent: OrderIntent) -> actions.OrderRequest:
        connection = self._connected()
        try:
            signer = self._signer_of(intent.account)
        except VenueError as error:
            return actions.OrderRequest(
                intent.account, intent.symbol, {}, refusal=(RefusalCode.AUTH, str(error))
            )
        traded = connection.info.markets.get(intent.symbol)
        touch = None
        if traded is not None:
            touch = connection.fresh_touch(intent.symbol, _FRESH_S) or traded.touch
            if touch is None and intent.price is None:
                # Runs give each order a price, so none of theirs waits here.
                touch = self.touch(intent.symbol)
        return actions.order_request(
            intent,
            None if traded is None else traded.market,
            None if traded is None else traded.asset,
            touch,
            max_slippage_bps=self._max_slippage_bps,
            builder=self._builder,
            signer=signer.address,
        )

    def send(self, prepared: PreparedRequest) -> SendOutcome:
        request = actions.OrderRequest.of(prepared)
        return self._send(prepared, request, request.order_action)

    def send_with_stop(self, entry: PreparedRequest, stop: PreparedRequest) -> SendOutcome:
        request, child = actions.OrderRequest.of(entry), actions.OrderRequest.of(stop)
        if child.refusal is not None:
            return Refused(*child.refusal)
        return self._send(entry, request, lambda: request.action_with_stop(child))

    def stop_of(self, account: str, symbol: str, entry_id: str, stop_id: str) -> OrderReport | None:
        info = self._connected().info
        return self._read(lambda: info.stop_of(account.lower(), symbol, entry_id, stop_id))

    def modify(self, client_order_id: str, new: PreparedRequest) -> SendOutcome:
        request = actions.OrderRequest.of(new)
        outcome = self._send(new, request, lambda: request.modify_action(client_order_id))
        if isinstance(outcome, Accepted):
            self._deliver_order_soon(request.account, request.symbol, client_order_id)
        return outcome

    def _send(
        self, prepared: PreparedRequest, request: actions.OrderRequest, action: Callable[[], actions.Action]
    ) -> SendOutcome:
        """Send a prepared order, alone or in place of another; once per process."""
        key = prepared.client_order_id
        if request.refusal is not None:
            return Refused(*request.refusal)
        try:
            connection = self._connected()
        except VenueError as error:
            return Refused(RefusalCode.OTHER, f"nothing was sent: {error}")
        with self._guard:
            if key in self._sent:
                return Refused(RefusalCode.OTHER, f"client order id {key} was used before")
            if key in self._burnt:
                return Refused(RefusalCode.OTHER, f"the request of {key} was invalidated")
            self._sent[key] = None
            _trim(self._sent)
        account, symbol = request.account.lower(), request.symbol
        try:
            signer = self._signer_of(request.account, request.signer)
        except VenueError as error:
            return Refused(RefusalCode.AUTH, str(error))
        # Before it is sent: what the stream says of the order may come before the answer.
        self._gateway.post(lambda: _note_sending(connection, account, symbol, key))
        read = self._act(signer, action(), _nonce_of(prepared))
        if isinstance(read, Taken):
            self._gateway.post(lambda: _note_taken(connection, account, symbol, key, read))
            outcome = outcome_of(read)
            if isinstance(outcome, Accepted) and outcome.filled:
                return replace(outcome, fills_within_ms=connection.accounts.fills_within_ms(account))
            return outcome
        outcome = self._without_order(read, request, account, key)
        if isinstance(outcome, Refused):
            self._gateway.post(lambda: _note_over(connection, account, key))
        return outcome

    def _without_order(
        self, read: Refused | Unknown, request: actions.OrderRequest, account: str, key: str
    ) -> SendOutcome:
        """Return the outcome of a request whose answer names no order."""
        if isinstance(read, Refused):
            if DUPLICATE_NONCE in read.reason:
                # By this request, which arrived twice, or by another: the venue is asked.
                return Unknown(f"the venue has taken the request before: {read.reason}")
            if is_outside_of_window(read.reason):
                # It is looked for and then made anew, with a nonce that is stored before it is sent.
                return Unknown(read.reason)
            if request.is_immediate and any(text in read.reason for text in NO_MATCH):
                return self._after_no_match(account, request.symbol, key, read)
        return read

    def _after_no_match(self, account: str, symbol: str, key: str, refused: Refused) -> SendOutcome:
        try:
            report = self._shown(account, symbol, key)
        except VenueError as error:
            return Unknown(f"{refused.reason}; the order cannot be looked up: {error}")
        if report is None:
            return refused
        self._deliver_order_soon(account, symbol, key)
        return Accepted(report.venue_order_id)

    def resolve(self, prepared: PreparedRequest) -> Resolution:
        """Look the order up; one that the venue does not know is burnt, so that it never will execute."""
        request = actions.OrderRequest.of(prepared)
        key, account = prepared.client_order_id, request.account.lower()
        if request.refusal is not None:
            return NeverWill(f"it was never sent: {request.refusal[1]}")
        # The position may have no stop until the outcome is known: no reading goes first.
        before = PRIORITY.set(Priority.ORDER)
        try:
            resolution, connection = self._resolve(prepared, request, account), self._connection
        finally:
            PRIORITY.reset(before)
        if isinstance(resolution, NeverWill) and connection is not None:
            self._gateway.post(lambda: _note_over(connection, account, key))
        return resolution

    def _resolve(self, prepared: PreparedRequest, request: actions.OrderRequest, account: str) -> Resolution:
        key = prepared.client_order_id
        with self._guard:
            is_burnt, taken_ms = key in self._burnt, self._taken_ms.get(key)
        try:
            report = self._shown(account, request.symbol, key)
            if report is not None:
                return Executed(report)
            if is_burnt:
                return NeverWill("the venue has invalidated its request")
            if taken_ms is not None:
                return self._resolve_taken(request, account, key, taken_ms)
            # A nonce is its key's: used up by another key, it would still let the request execute.
            signer = self._signer_of(request.account, request.signer)
            read = self._act(signer, actions.NOOP, _nonce_of(prepared))
            if isinstance(read, Taken):
                self._note(self._burnt, key, None)
                return NeverWill("the venue does not know the order and has invalidated its request")
            if isinstance(read, Refused) and (
                "nonce" in read.reason.lower() or _is_gone(signer, read.reason)
            ):
                # The nonce is used or outside the accepted range, for the order as for the noop, now and
                # later.
                taken_ms = self._venue_ms()
                self._note(self._taken_ms, key, taken_ms)
                return self._resolve_taken(request, account, key, taken_ms)
            return StillUnknown(read.reason)
        except VenueError as error:
            return StillUnknown(str(error), is_taken=taken_ms is not None)

    def _resolve_taken(
        self, request: actions.OrderRequest, account: str, key: str, taken_ms: int
    ) -> Resolution:
        """Look for the order of a request that can no longer arrive: it has executed, or never will.

        Only an answer about the account from after the request can prove that there is no order.
        """
        behind_ms = taken_ms - self._account_ms(account)
        if behind_ms > 0:
            return StillUnknown(
                "the venue takes the request no more; what it says of the account is"
                f" {behind_ms / 1000:.1f} s too old to show the order",
                is_taken=True,
            )
        symbol, info = request.symbol, self._connected().info
        report = self._shown(account, symbol, key) or next(
            (order for order in self.open_orders(account, symbol) if order.client_order_id == key), None
        )
        if report is not None:
            return Executed(report)
        fills = self._read(lambda: info.fills(account, taken_ms - _FILLS_BEFORE_MS))
        if any(fill.client_order_id == key for _, fill in fills):
            self._read(lambda: info.catch_up(account, taken_ms - _FILLS_BEFORE_MS))
            return StillUnknown("the venue shows fills of the order, not yet the order", is_taken=True)
        self._note(self._burnt, key, None)
        with self._guard:
            self._taken_ms.pop(key, None)
        return NeverWill("the venue takes the request no more, and no order came of it")

    def _venue_ms(self) -> int:
        """Return the venue's time now; its answers about an account may lag far behind that.

        The answering node may lag, too: if the venue uses wall time, the later of both is returned.
        """
        connection = self._connected()
        said_ms = self._read(connection.info.time)
        wall_ms = self._clock.now_ms() - (connection.client.wall.offset_ms or 0)
        return max(said_ms, wall_ms) if abs(wall_ms - said_ms) < _SAME_TIME_MS else said_ms

    def _account_ms(self, account: str) -> int:
        """Ask for the account, and return the venue's time in the answer."""
        info = self._connected().info
        return self._read(lambda: info.state_ms(account))

    def _note(self, table: OrderedDict[str, Any], key: str, value: Any) -> None:
        with self._guard:
            table[key] = value
            _trim(table)

    def cancel(self, account: str, symbol: str, client_order_id: str) -> SendOutcome:
        traded = self._connected().info.traded(symbol)
        action = actions.cancel_action(traded.asset, client_order_id)
        read = self._act_now(account, action)
        if isinstance(read, Taken):
            self._deliver_order_soon(account.lower(), symbol, client_order_id)
        return outcome_of(read)

    def set_leverage(self, account: str, symbol: str, leverage: Decimal) -> SendOutcome:
        market = self._connected().info.traded(symbol).market
        if leverage != leverage.to_integral_value() or not 1 <= leverage <= market.maximum_leverage:
            return Refused(
                RefusalCode.OTHER,
                f"{symbol} takes whole leverages from 1 to {market.maximum_leverage}, not {leverage}",
            )
        action = actions.leverage_action(self._connected().info.traded(symbol).asset, int(leverage))
        outcome = outcome_of(self._act_now(account, action))
        if isinstance(outcome, Accepted) and not self._shows_leverage(account, symbol, leverage):
            return Unknown(f"the venue does not show {symbol} isolated at leverage {leverage} yet")
        return outcome

    def _shows_leverage(self, account: str, symbol: str, leverage: Decimal) -> bool:
        coin = self._connected().info.traded(symbol).coin
        try:
            answer = self.ask("activeAssetData", user=account.lower(), coin=coin)
            shown = decode(decoder.ASSET_DATA, answer, f"the leverage of {symbol}").leverage
        except VenueError:
            return False
        return shown.type == "isolated" and shown.value == leverage

    # --- reading --------------------------------------------------------------------------------

    def order(self, account: str, symbol: str, client_order_id: str) -> OrderReport | None:
        report = self._shown(account, symbol, client_order_id)
        if report is None:
            with self._guard:
                missed_ms = self._missed_ms.get(client_order_id)
            if missed_ms is None:
                missed_ms = self._venue_ms()
                self._note(self._missed_ms, client_order_id, missed_ms)
            behind_ms = missed_ms - self._account_ms(account.lower())
            if behind_ms > 0:
                raise VenueError(
                    f"What Hyperliquid says of {account} is {behind_ms / 1000:.1f} s too old to tell whether"
                    f" it has the order {client_order_id}; it is asked again."
                )
            report = self._shown(account, symbol, client_order_id)
        if report is not None:
            with self._guard:
                self._missed_ms.pop(client_order_id, None)
        return report

    def _shown(self, account: str, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return the order as the venue shows it; None: it shows none, in an answer that may be old."""
        info = self._connected().info
        return self._read(lambda: info.order(account.lower(), symbol, client_order_id))

    def open_orders(self, account: str, symbol: str) -> Sequence[OrderReport]:
        info = self._connected().info
        return self._read(lambda: info.open_orders(account.lower(), symbol))

    def fills_since(self, account: str, symbol: str, since_ms: int) -> Sequence[Fill]:
        info = self._connected().info
        info.traded(symbol)
        fills = self._read(lambda: info.fills(account.lower(), since_ms))
        return [fill for _, fill in fills if fill.symbol == symbol]

    def funding_since(self, account: str, symbol: str, since_ms: int) -> Sequence[Funding]:
        info = self._connected().info
        return self._read(lambda: info.funding(account.lower(), symbol, since_ms))

    def position(self, account: str, symbol: str) -> Position:
        info = self._connected().info
        return self._read(lambda: info.position(account.lower(), symbol))

    def balance(self, account: str) -> Balance:
        info = self._connected().info
        state = self._read(lambda: info.state(account.lower()))
        return parse.balance_of(state)

    def has_transfers(self, account: str, since_ms: int) -> bool:
        info = self._connected().info
        rows = self._read(lambda: info.read(queries.ledger(account.lower(), since_ms)))
        return any(row.delta.type not in _OF_TRADING for row in rows)

    def holdings(self, account: str) -> Holdings:
        info = self._connected().info
        return self._read(lambda: info.holdings(account.lower()))

    def condition(self, account: str, symbol: str) -> VenueCondition:
        connection = self._connected()
        return self._read(lambda: connection.condition(account.lower(), symbol))

    def approvals(self, account: str, symbol: str, leverage: Decimal) -> Sequence[Approval]:
        """Return the approvals that trading needs: the signing key's, and the builder's fee if one is set.

        If the account is of an unsupported kind, that comes first.

        Leverage and margin mode need no approval: the run sets them.
        """
        info = self._connected().info
        info.traded(symbol)
        try:
            signer = self._signer_of(account)
        except VenueError as error:
            return (Approval(KEY_APPROVAL, False, str(error)),)
        unfit = kind_approval(signer.account, self._read(lambda: info.kind(signer.account)))
        approvals = [] if unfit is None else [unfit]
        approvals.append(self._read(lambda: self._key_approval(info, signer)))
        builder = self._builder
        if builder is not None:
            fee = self._read(lambda: info.approved_fee(signer.account, builder.address))
            approvals.append(builder_approval(builder, fee))
        return approvals

    async def _key_approval(self, info: InfoReader, signer: Signer) -> Approval:
        """Ask what the signing key may do; the venue is asked nothing about an account's own."""
        account, key = signer.account, signer.address
        if signer.kind is KeyKind.MASTER:
            own = f"the key is the account's own: it trades, withdraws and approves for {account}"
            return key_approval(own, valid_until_ms=None, now_ms=0)
        ends_ms = (await info.agents(account)).get(key)
        if ends_ms is None:
            # The unnamed agent is in no list; its role says whose it is.
            role = await info.role(key)
            if role.name != "agent" or role.master != account:
                # Whose mistake it is depends on what the account is.
                known = await info.role(account)
                strange = not_an_account(self.name, account, known.name, known.master)
                if role.name == "agent" and role.master is not None and not strange:
                    strange = of_another_account(key, role.master, account)
                return no_key(strange or unknown_key(self.name, key, account, is_mainnet=self._is_mainnet))
        now_ms = self._clock.now_ms()
        return key_approval(agent_sentence(account, ends_ms), valid_until_ms=ends_ms, now_ms=now_ms)

    def ask(self, kind: str, **params: Any) -> Any:
        """Return the venue's answer to an info request, as it is.

        Raises:
            VenueError: the venue cannot be asked.
        """
        info = self._connected().info
        return self._read(lambda: info.ask(kind, **params))

    def ask_last(self, kind: str, **params: Any) -> Any:
        """Return the venue's answer to an info request that waits for every other one.

        Raises:
            VenueError: the venue cannot be asked, or everything else takes too long.
        """
        info = self._connected().info
        return self._read(lambda: info.ask(kind, **params), priority=Priority.HISTORY)

    def recent_money(self, account: str, *, youngest_s: float) -> tuple[AccountMoney, int]:
        info = self._connected().info

        async def read() -> tuple[AccountMoney, int]:
            known = await info.recent_state(account.lower(), youngest_s)
            age_s = asyncio.get_running_loop().time() - known.read_at_s
            read_at_ms = self._clock.now_ms() - round(age_s * 1000)
            return parse.money_of(known.state, account.lower()), read_at_ms

        return self._read(read, priority=Priority.HISTORY)

    def permissions(self, account: str, address: str | None) -> Permissions:
        now_ms = self._clock.now_ms()
        return permissions_of(_QuietQueries(self), account, address, self._builder, now_ms=now_ms)

    def act(self, request: dict[str, Any]) -> Any:
        """Send an action that is signed already, once, and return the venue's answer as it is.

        Raises:
            VenueError: the outcome is in doubt.
        """
        connection = self._connected()
        return self._read(lambda: connection.client.act(request), priority=Priority.ORDER, timeout_s=ACT_S)

    def close(self) -> None:
        connection, self._connection = self._connection, None

        async def end() -> None:
            if connection is not None:
                await connection.close()

        self._gateway.close(end)

    # --- inside ---------------------------------------------------------------------------------

    def _connected(self) -> Connection:
        """Return the connection; the first call connects, and so does the next one after a failure."""
        connection = self._connection
        if connection is not None:
            return connection
        with self._open_guard:
            if self._connection is None:

                async def connect() -> Connection:
                    made = self._make_connection()
                    try:
                        await made.open()
                    except BaseException:
                        await made.close()
                        raise
                    return made

                self._connection = self._read(connect)
            return self._connection

    def _read(
        self,
        make: Callable[[], Coroutine[Any, Any, T]],
        *,
        priority: Priority | None = None,
        timeout_s: float = READ_S,
    ) -> T:
        """Run a reading in the gateway's loop; ``priority`` None: that of the calling thread's context."""
        priority = PRIORITY.get() if priority is None else priority
        try:
            return self._gateway.call(make, priority=priority, timeout_s=timeout_s)
        except TimeoutError as error:
            raise VenueError(str(error)) from error

    def _act_now(self, account: str, action: actions.Action) -> ActionAnswer:
        """Send an action that was not prepared, by the key that signs for the account now.

        If the venue refuses the nonce as too old or too new, a new one is tried once: that answer gave the
        venue's time. After a nonce that was used before nothing is sent again: the action itself may have
        used it.
        """
        try:
            signer = self._signer_of(account)
        except VenueError as error:
            return Refused(RefusalCode.AUTH, str(error))
        read = self._act(signer, action, NONCES.next(self._wall_ms))
        if isinstance(read, Refused) and is_outside_of_window(read.reason):
            read = self._act(signer, action, NONCES.next(self._wall_ms))
        return read

    def _wall_ms(self) -> int:
        """Return the time of the wall at the venue, by the date of its last answer, else this machine's."""
        connection = self._connection
        return self._clock.now_ms() if connection is None else connection.client.wall.now_ms()

    def _act(self, signer: Signer, action: actions.Action, nonce: int) -> ActionAnswer:
        """Sign an action and send it once."""
        try:
            connection = self._connected()
        except VenueError as error:
            return Refused(RefusalCode.OTHER, f"nothing was sent: {error}")
        digest = l1_digest(pack(action), nonce, is_mainnet=self._is_mainnet)
        request = {
            "action": action,
            "nonce": nonce,
            "signature": signature_json(signer.sign_digest(digest)),
            "vaultAddress": None,
        }
        try:
            answer = self._gateway.call(
                lambda: connection.client.act(request), priority=Priority.ORDER, timeout_s=ACT_S
            )
        except (VenueError, TimeoutError) as error:
            return Unknown(str(error))
        return read_answer(answer, orders=len(action.get("orders") or [action]))

    def _deliver_order_soon(self, account: str, symbol: str, client_order_id: str) -> None:
        connection = self._connection
        if connection is not None:

            async def tell() -> None:
                connection.accounts.deliver_order_soon(account, symbol, client_order_id)

            self._gateway.post(tell)


async def _note_sending(connection: Connection, account: str, symbol: str, key: str) -> None:
    connection.info.account(account).open_orders[key] = symbol


async def _note_over(connection: Connection, account: str, key: str) -> None:
    connection.info.account(account).open_orders.pop(key, None)


async def _note_taken(connection: Connection, account: str, symbol: str, key: str, taken: Taken) -> None:
    connection.info.account(account).know_order(taken.order_id, key)
    if taken.filled:
        connection.accounts.expect_soon(account, symbol, key, taken.order_id, taken.filled)


def _is_gone(signer: Signer, reason: str) -> bool:
    """Tell whether the venue knows an API wallet no more: it was replaced or has expired.

    No such key ever comes back (``Approver.agent``), so nothing that it signed will execute any more.
    """
    is_unknown = signer.address in reason.lower() and "does not exist" in reason
    return signer.kind is KeyKind.AGENT and is_unknown


def _nonce_of(prepared: PreparedRequest) -> int:
    if prepared.nonce is None:
        raise VenueError(f"The request of {prepared.client_order_id} has no nonce: it is of another venue.")
    return prepared.nonce


def _trim(table: OrderedDict[str, Any]) -> None:
    while len(table) > _MOST_KEPT:
        table.popitem(last=False)
