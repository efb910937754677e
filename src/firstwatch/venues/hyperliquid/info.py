"""Reads Hyperliquid's info endpoint into the protocol's types, and caches what does not change.

Everything here runs in the gateway's loop.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter

from firstwatch.trading.account import Funding, Position
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import VenueError
from firstwatch.trading.market import LeverageTier, Market
from firstwatch.trading.orders import Fill, OrderReport, Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid import decoder, kinds, parse, queries
from firstwatch.venues.hyperliquid.account_book import AccountBook, AccountState, Rows
from firstwatch.venues.hyperliquid.candles import Candles
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.decoder import (
    AccountSaid,
    FillSaid,
    FundingSaid,
    OrderEntry,
    OrderSaid,
    OrderUnknown,
    RoleSaid,
    decode,
    malformed,
)
from firstwatch.venues.hyperliquid.parse import Footprint
from firstwatch.venues.hyperliquid.queries import Query
from firstwatch.venues.protocol import Holdings

# A page of fills or fundings holds at most 500 rows, of some kinds more: shorter ones are the last.
_FULL_PAGE_ROWS = 500
# Fills are read from full hours on, and from where they were read before while that costs little more.
_TOGETHER_MS = 3_600_000
_CHEAP_FILL_ROWS = 200
# Funding is paid at full hours, and shown soon after.
_FUNDING_EVERY_MS = 3_600_000
_FUNDING_LATE_MS = 60_000
OVERLAP_MS = 60_000
# How long the markets and the exchanges that were listed are believed to be all.
_LISTED_FOR_S = 300.0
# How far two answers about the time may be apart: a loopback venue may run six hundred times as fast.
_MOST_APART_MS = 3_600_000
T = TypeVar("T")
Dated = TypeVar("Dated", FillSaid, FundingSaid)


class InfoClient(Protocol):
    """The part of the client that reads."""

    async def listed_markets(self) -> list[dict[str, Any]]: ...
    async def ask(self, request: dict[str, Any]) -> Any: ...


@dataclass(slots=True)
class MarketState:
    """One market as the connection knows it."""

    market: Market
    coin: str
    asset: int
    is_delisted: bool
    leverage_tiers: tuple[LeverageTier, ...] = ()
    """As last read; none: not yet."""
    touch: Touch | None = None
    mark: float | None = None
    touch_at_s: float = -1e9
    delivered_at_s: float = -1e9
    streamed_at_s: float = -1e9
    """When the stream last said prices, and the venue's time in that message."""
    streamed_ms: int = 0
    watchers: int = 0
    """Number of launches that wait for its prices without a subscription."""
    candles: dict[Timeframe, Candles] = field(default_factory=dict)


class InfoReader:
    """Reads from the venue. ``note_touch`` gets every price that was read, ``deliver_fills`` every fill."""

    def __init__(
        self,
        client: InfoClient,
        clock: VenueClock,
        *,
        api_url: str,
        note_touch: Callable[[MarketState, Touch], None],
        deliver_fills: Callable[[str, list[tuple[MarketState, Fill]]], None],
    ) -> None:
        self.markets: dict[str, MarketState] = {}
        self.maintenance = ""
        """The venue's last report of maintenance or limited operation; empty: it works as usual."""
        self.accounts: dict[str, AccountBook] = {}
        self.by_coin: dict[str, MarketState] = {}
        self._states: dict[str, AccountState] = {}
        self._listed_at_s = 0.0
        self._dexes: tuple[str, ...] = ()
        self._dexes_at_s: float | None = None
        self._client = client
        self._clock = clock
        self._api_url = api_url
        self._note_touch = note_touch
        self._deliver_fills = deliver_fills

    # --- what is there ---------------------------------------------------------------------------

    async def list_markets(self) -> None:
        """Read the markets.

        Raises:
            VenueError: the venue cannot be asked, or lists none.
        """
        for listed in await self._client.listed_markets():
            entry = decode(decoder.LISTED, listed, "its markets")
            if not kinds.is_perpetual(entry.coin):
                continue
            traded = MarketState(parse.market_of(entry), entry.coin, entry.asset, not entry.is_active)
            self.markets[traded.market.symbol] = traded
            self.by_coin[entry.coin] = traded
        if not self.markets:
            raise VenueError(
                f"Hyperliquid at {self._api_url} lists no market; check api_url in the settings."
            )
        self._listed_at_s = _now_s()

    def traded(self, symbol: str) -> MarketState:
        """Return a market.

        Raises:
            VenueError: the venue has none of that symbol.
        """
        if symbol not in self.markets:
            raise VenueError(f"Hyperliquid at {self._api_url} has no market {symbol}.")
        return self.markets[symbol]

    def account(self, account: str) -> AccountBook:
        if account not in self.accounts:
            self.accounts[account] = AccountBook(account, fills_since_ms=self._clock.observed_ms)
        return self.accounts[account]

    # --- what is asked ---------------------------------------------------------------------------

    async def ask(self, kind: str, **params: Any) -> Any:
        """Return the answer to an info request, not looked at yet.

        Raises:
            VenueError: the venue cannot be asked.
        """
        return await self._client.ask({"type": kind, **params})

    async def read(self, query: Query[T]) -> T:
        """Return the venue's answer to a query.

        Raises:
            VenueError: it cannot be asked or understood.
        """
        return query.read(await self._client.ask(query.request))

    async def touch(self, symbol: str) -> Touch:
        """Read bid, ask and mark (quote) now; the answer also has the venue's time.

        Raises:
            VenueError: the venue does not answer, or one side of its book is empty.
        """
        traded = self.traded(symbol)
        about = f"the book of {symbol}"
        book = decode(decoder.BOOK, await self.ask("l2Book", coin=traded.coin), about)
        if book.coin != traded.coin:
            raise malformed(about, book.coin)
        await self._observe_time(book.time, f"l2Book {traded.coin}")
        touch = parse.touch_of(book, traded.mark)
        if touch is None:
            raise VenueError(f"The book of {symbol} has an empty side; there is no price.")
        self._note_touch(traded, touch)
        return touch

    async def time(self) -> int:
        """Ask what time it is at the venue."""
        status = await self.read(queries.status())
        self._clock.observe(status.time, "exchangeStatus")
        self.maintenance = parse.maintenance_of(status)
        return status.time

    async def agree_on_time(self) -> None:
        """Ask two sources for the venue's time, before anything is measured by it.

        Raises:
            VenueError: they do not agree.
        """
        now_ms = await self.time()
        traded = next((one for one in self.markets.values() if not one.is_delisted), None)
        if traded is None:
            return
        answer = await self.ask("l2Book", coin=traded.coin)
        book = decode(decoder.BOOK, answer, f"the book of {traded.market.symbol}")
        if abs(book.time - now_ms) > _MOST_APART_MS:
            raise VenueError(
                f"Hyperliquid at {self._api_url} says two times: {iso(now_ms)} and, of its books,"
                f" {iso(book.time)}; try again later."
            )
        await self._observe_time(book.time, f"l2Book {traded.coin}")

    async def _observe_time(self, venue_ms: int, source: str) -> None:
        """Note a venue time from an answer; if no other source confirms it, the venue is asked."""
        if not self._clock.observe(venue_ms, source):
            await self.time()

    async def relist(self) -> None:
        """Refresh delisted markets and leverage limits, unless they were read recently."""
        if _now_s() - self._listed_at_s <= _LISTED_FOR_S:
            return
        meta = decode(decoder.META, await self.ask("meta"), "its markets")
        tables = dict(meta.margin_tables)
        for coin in meta.universe:
            traded = self.by_coin.get(coin.name)
            if traded is not None:
                traded.is_delisted = coin.is_delisted
                traded.leverage_tiers = parse.leverage_tiers_of(coin, tables)
        self._listed_at_s = _now_s()

    async def state(self, account: str) -> AccountSaid:
        """Read money and positions."""
        return (await self.footprint(account))[0]

    async def state_ms(self, account: str) -> int:
        """Read balance and positions, and return the venue's time of that answer."""
        return (await self.state(account)).time

    async def recent_state(self, account: str, youngest_s: float) -> AccountState:
        """Return money and positions as last read, if not longer ago than that; else read them."""
        known = self._states.get(account)
        if known is None or _now_s() - known.read_at_s > youngest_s:
            await self.footprint(account)
        return self._states[account]

    async def footprint(self, account: str) -> tuple[AccountSaid, Footprint]:
        """Read money and positions, and what of them changes with every fill and payment."""
        state = await self.read(queries.state(account))
        await self._observe_time(state.time, f"clearinghouseState {account}")
        self._states[account] = AccountState(state, _now_s())
        return state, parse.footprint_of(state)

    async def position(self, account: str, symbol: str) -> Position:
        traded = self.traded(symbol)
        return parse.position_of(await self.state(account), account, symbol, traded.coin)

    async def order(self, account: str, symbol: str, client_order_id: str) -> OrderReport | None:
        """Read an order by its client id; all fills that it reports are read and delivered before it is."""
        traded, book = self.traded(symbol), self.account(account)
        answer = await self.ask("orderStatus", user=account, oid=parse.cloid_of(client_order_id))
        said = decode(decoder.ORDER_STATUS, answer, f"the order {client_order_id}")
        if isinstance(said, OrderUnknown) or said.order.order.coin != traded.coin:
            return None
        entry, order = said.order, said.order.order
        if parse.client_order_id_of(order.cloid) not in (client_order_id, None):
            raise malformed(f"the order {client_order_id}", order.cloid, " (it is of another one)")
        order_id = str(order.oid)
        book.know_order(order_id, client_order_id)
        filled = order.original - order.sz
        if filled > book.filled(order_id):
            await self.catch_up(account, order.timestamp - OVERLAP_MS)
        # The fills may exceed the answer's amount, if one arrived meanwhile: then there is no average.
        report = parse.report_of(
            order,
            account,
            symbol,
            status=entry.status,
            time_ms=entry.status_ms,
            average=book.average(order_id, filled),
        )
        if report.state.is_final:
            book.open_orders.pop(client_order_id, None)
        return report

    async def stop_of(self, account: str, symbol: str, entry_id: str, stop_id: str) -> OrderReport | None:
        """Look for a stop that waits for its entry's fill: the venue lists it under that entry."""
        coin = self.traded(symbol).coin
        reports = [
            parse.report_of(child, account, symbol)
            for row in await self._ask_open_orders(account)
            if row.coin == coin and parse.client_order_id_of(row.cloid) == entry_id
            for child in row.children or ()
        ]
        return next((report for report in reports if report.client_order_id == stop_id), None)

    async def open_orders(self, account: str, symbol: str) -> list[OrderReport]:
        self.traded(symbol)
        book = self.account(account)
        reports = [report for report in await self._all_open_orders(account) if report.symbol == symbol]
        for report in reports:
            book.know_order(report.venue_order_id, report.client_order_id)
            if report.client_order_id is not None:
                book.open_orders[report.client_order_id] = symbol
        return reports

    async def external_orders(self, account: str) -> frozenset[str]:
        """Return the open orders of the account, by the venue's id, that were not sent here."""
        book = self.account(account)
        return frozenset(
            report.venue_order_id
            for report in await self._all_open_orders(account)
            if report.client_order_id not in book.open_orders
        )

    async def has_order(self, account: str, order_id: str) -> bool:
        """Tell whether an order is of that account."""
        return await self._ask_order(account, order_id) is not None

    async def _ask_order(self, account: str, order_id: str) -> OrderEntry | None:
        """Ask for an order by the venue's id; None: the account has none of that id."""
        answer = await self.ask("orderStatus", user=account, oid=int(order_id))
        said = decode(decoder.ORDER_STATUS, answer, f"the order {order_id}")
        return None if isinstance(said, OrderUnknown) else said.order

    async def _all_open_orders(self, account: str, dex: str = "") -> list[OrderReport]:
        rows = await self._ask_open_orders(account, dex)
        return [parse.report_of(row, account, self.symbol_of(row.coin)) for row in rows]

    async def _ask_open_orders(self, account: str, dex: str = "") -> list[OrderSaid]:
        where = {"dex": dex} if dex else {}
        answer = await self.ask("frontendOpenOrders", user=account, **where)
        rows = decode(decoder.OPEN_ORDERS, answer, f"the open orders of {account}")
        return list({row.oid: row for row in rows}.values())

    async def holdings(self, account: str) -> Holdings:
        """Read positions and open orders in all markets, those of coins that are not listed here, too."""
        states = {"": await self.state(account)}
        for dex in await self.dexes():
            states[dex] = await self.read(queries.state(account, dex))
        positions, orders = [], []
        for dex, state in states.items():
            positions += [
                parse.position_of(state, account, self.symbol_of(coin), coin)
                for coin in parse.sizes_of(state)
            ]
            # An order in another exchange needs money there.
            if not dex or parse.balance_of(state).total:
                orders += await self._all_open_orders(account, dex)
        spot = parse.spot_of(await self.read(queries.spot(account)))
        return Holdings(positions, orders, spot)

    async def sizes_in_other_exchanges(self, account: str) -> dict[str, Decimal]:
        """Read the signed sizes of all positions in the venue's other exchanges, by coin."""
        sizes: dict[str, Decimal] = {}
        for dex in await self.dexes():
            sizes |= parse.sizes_of(await self.read(queries.state(account, dex)))
        return sizes

    async def dexes(self) -> tuple[str, ...]:
        """Return the names of the venue's other exchanges of perpetuals, as of a while ago."""
        if self._dexes_at_s is None or _now_s() - self._dexes_at_s > _LISTED_FOR_S:
            listed = decode(decoder.DEXES, await self.ask("perpDexs"), "its exchanges")
            self._dexes = tuple(dict.fromkeys(dex.name for dex in listed if dex is not None))
            self._dexes_at_s = _now_s()
        return self._dexes

    async def kind(self, account: str) -> str:
        """Ask how the venue keeps the account's money (see ``kinds``)."""
        return await self.read(queries.kind(account))

    def symbol_of(self, coin: str) -> str:
        """Return the symbol of a coin; of one that is not listed here a name."""
        traded = self.by_coin.get(coin)
        return kinds.market_name(coin) if traded is None else traded.market.symbol

    async def fills(
        self, account: str, since_ms: int, footprint: Footprint | None = None
    ) -> list[tuple[MarketState, Fill]]:
        """Read the account's fills at or after that venue time, oldest first.

        What was read before is read again only when the account shows that something has changed:
        ``footprint`` is what it has just shown.
        """
        if footprint is None:
            _, footprint = await self.footprint(account)
        book = self.account(account)
        known = book.fills
        if known is None or since_ms < known.since_ms or not footprint.has_same_fills(known.footprint):
            # Rounded, because after a trade several runs ask for fills, each from a slightly different time.
            first_ms = since_ms - since_ms % _TOGETHER_MS
            if known is not None and len(known.rows) <= _CHEAP_FILL_ROWS:
                first_ms = min(first_ms, known.since_ms)
            fresh = await self._fetch_fills(account, first_ms)
            known = book.fills = Rows(first_ms, footprint, [(traded.coin, fill) for traded, fill in fresh])
        return [(self.by_coin[coin], fill) for coin, fill in known.rows if fill.time_ms >= since_ms]

    async def _fetch_fills(self, account: str, since_ms: int) -> list[tuple[MarketState, Fill]]:
        rows = await self._pages(
            "userFillsByTime", decoder.FILLS, account, since_ms, lambda row: str(row.tid)
        )
        return await self.fills_of(account, rows)

    async def _pages(
        self,
        kind: str,
        adapter: TypeAdapter[list[Dated]],
        account: str,
        since_ms: int,
        name: Callable[[Dated], str],
    ) -> list[Dated]:
        """Read all rows of a history at or after that venue time, oldest first, page by page.

        ``name`` tells rows of one time apart: a page begins at the time at which the one before ended.
        """
        rows: dict[tuple[int, str], Dated] = {}
        start_ms = max(since_ms, 0)
        while True:
            answer = await self.ask(kind, user=account, startTime=start_ms)
            page = decode(adapter, answer, f"the {kind} of {account}")
            fresh = {(row.time, name(row)): row for row in page}
            is_last = len(page) < _FULL_PAGE_ROWS or fresh.keys() <= rows.keys()
            rows |= fresh
            if is_last:
                return [rows[key] for key in sorted(rows, key=lambda key: key[0])]
            start_ms = max(time_ms for time_ms, _ in fresh)

    async def fills_of(self, account: str, rows: Sequence[FillSaid]) -> list[tuple[MarketState, Fill]]:
        """Return the fills, each with the client id of its order."""
        book = self.account(account)
        fills: list[tuple[MarketState, Fill]] = []
        for row in rows:
            traded = self.by_coin.get(row.coin)
            if traded is None:
                continue
            order_id = str(row.oid)
            if row.cloid:
                book.know_order(order_id, parse.client_order_id_of(row.cloid))
            elif not book.knows_order(order_id):
                await self._find_order(account, order_id)
            fill = parse.fill_of(row, account, traded.market.symbol, book.client_order_id(order_id))
            book.see_fill(order_id, fill)
            book.sizes[traded.coin] = row.start + fill.side.sign * fill.amount
            fills.append((traded, fill))
        return fills

    async def _find_order(self, account: str, order_id: str) -> None:
        """Ask for the order of a fill: fills do not always have their client id."""
        entry = await self._ask_order(account, order_id)
        cloid = None if entry is None else entry.order.cloid
        self.account(account).know_order(order_id, parse.client_order_id_of(cloid))

    async def funding(self, account: str, symbol: str, since_ms: int) -> list[Funding]:
        self.traded(symbol)
        _, footprint = await self.footprint(account)
        book = self.account(account)
        known = book.funding
        now_ms = self._clock.observed_ms
        shown_ms = now_ms - now_ms % _FUNDING_EVERY_MS + _FUNDING_LATE_MS
        if (
            known is None
            or since_ms < known.since_ms
            or not footprint.has_same_funding(known.footprint, is_early=known.read_ms < shown_ms)
        ):
            payments = await self._fetch_funding(account, since_ms)
            known = book.funding = Rows(since_ms, footprint, payments, read_ms=now_ms)
        return [paid for paid in known.rows if paid.symbol == symbol and paid.time_ms >= since_ms]

    async def _fetch_funding(self, account: str, since_ms: int) -> list[Funding]:
        rows = await self._pages(
            "userFunding", decoder.FUNDING, account, since_ms, lambda row: row.delta.coin
        )
        return [
            parse.funding_of(row, account, traded.market.symbol)
            for row in rows
            if (traded := self.by_coin.get(row.delta.coin)) is not None
        ]

    async def agents(self, account: str) -> dict[str, int | None]:
        """Return until when each named agent of the account is approved (None: for ever), by its address."""
        agents = await self.read(queries.agents(account))
        return {agent.address: agent.valid_until_ms for agent in agents or ()}

    async def role(self, address: str) -> RoleSaid:
        """Return the role of an address at the venue."""
        return await self.read(queries.role(address))

    async def approved_fee(self, account: str, builder: str) -> int:
        """Return the largest fee that the account allows the builder, in tenths of a basis point."""
        return await self.read(queries.builder_fee(account, builder)) or 0

    async def catch_up(self, account: str, since_ms: int, footprint: Footprint | None = None) -> None:
        """Read the fills since then and deliver those that were not delivered."""
        book = self.account(account)
        fills = await self.fills(account, since_ms, footprint)
        # Fills from before the first subscription are read by the run itself.
        self._deliver_fills(account, [pair for pair in fills if pair[1].time_ms >= book.fills_since_ms])


def _now_s() -> float:
    return asyncio.get_running_loop().time()
