"""What the venue answers, in the words of the protocol, and what is remembered so as not to ask again.

Everything here runs in the gateway's loop.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from firstwatch.trading.account import Funding, Position
from firstwatch.trading.errors import VenueError
from firstwatch.trading.market import Market
from firstwatch.trading.orders import Fill, OrderReport, Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.hyperliquid import kinds, words
from firstwatch.venues.hyperliquid.accounts import AccountBook, AccountState, Rows
from firstwatch.venues.hyperliquid.candles import Candles
from firstwatch.venues.hyperliquid.clock import VenueClock
from firstwatch.venues.hyperliquid.words import Footprint
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
_MOST_DEXES = 100


class InfoClient(Protocol):
    """The part of the client that reads."""

    async def listed_markets(self) -> list[dict[str, Any]]: ...
    async def ask(self, request: dict[str, Any]) -> Any: ...


@dataclass(slots=True)
class Traded:
    """One market as the session knows it."""

    market: Market
    coin: str
    asset: int
    is_delisted: bool
    touch: Touch | None = None
    mark: float | None = None
    touch_at_s: float = -1e9
    told_at_s: float = -1e9
    streamed_at_s: float = -1e9
    """When the stream last said prices, and the venue's time in that message."""
    streamed_ms: int = 0
    lookers: int = 0
    """Who looks whether prices come, without being a run."""
    candles: dict[Timeframe, Candles] = field(default_factory=dict)


class Readings:
    """Asks the venue. ``note_touch`` hears of every price that was read, ``tell_fills`` of every fill."""

    def __init__(
        self,
        client: InfoClient,
        clock: VenueClock,
        *,
        api_url: str,
        note_touch: Callable[[Traded, Touch], None],
        tell_fills: Callable[[str, list[tuple[Traded, Fill]]], None],
    ) -> None:
        self.markets: dict[str, Traded] = {}
        self.accounts: dict[str, AccountBook] = {}
        self.by_coin: dict[str, Traded] = {}
        self._states: dict[str, AccountState] = {}
        self._listed_at_s = 0.0
        self._dexes: tuple[str, ...] = ()
        self._dexes_at_s: float | None = None
        self._client = client
        self._clock = clock
        self._api_url = api_url
        self._note_touch = note_touch
        self._tell_fills = tell_fills

    # --- what is there ---------------------------------------------------------------------------

    async def list_markets(self) -> None:
        """Read the markets.

        Raises:
            VenueError: the venue cannot be asked, or lists none.
        """
        for entry in await self._client.listed_markets():
            coin = entry["baseName"]
            if not kinds.is_perpetual(coin):
                continue
            traded = Traded(words.market_of(entry), coin, int(entry["baseId"]), not entry["active"])
            self.markets[traded.market.symbol] = traded
            self.by_coin[coin] = traded
        if not self.markets:
            raise VenueError(
                f"Hyperliquid at {self._api_url} lists no market; check api_url in the settings."
            )
        self._listed_at_s = _now_s()

    def traded(self, symbol: str) -> Traded:
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
        """Return the answer to an info request.

        Raises:
            VenueError: the venue cannot be asked.
        """
        return await self._client.ask({"type": kind, **params})

    async def touch(self, symbol: str) -> Touch:
        """Read the best prices now; this also says what time it is at the venue."""
        traded = self.traded(symbol)
        book = await self.ask("l2Book", coin=traded.coin)
        try:
            self._clock.observe(int(book["time"]))
            touch = words.touch_of(book, traded.mark)
        except (KeyError, TypeError, ValueError) as error:
            raise words.understood(f"the book of {symbol}", book) from error
        if touch is None:
            raise VenueError(f"The book of {symbol} has an empty side; there is no price.")
        self._note_touch(traded, touch)
        return touch

    async def time(self) -> int:
        """Ask what time it is at the venue."""
        status = await self.ask("exchangeStatus")
        try:
            now_ms = int(status["time"])
        except (KeyError, TypeError, ValueError) as error:
            raise words.understood("its own time", status) from error
        self._clock.observe(now_ms)
        return now_ms

    async def relist(self) -> None:
        """Note which markets cannot be traded any more, if that was not read a while ago."""
        if _now_s() - self._listed_at_s <= _LISTED_FOR_S:
            return
        meta = await self.ask("meta")
        try:
            gone = {coin["name"] for coin in meta["universe"] if coin.get("isDelisted")}
        except (AttributeError, KeyError, TypeError) as error:
            raise words.understood("its markets", meta) from error
        for traded in self.markets.values():
            traded.is_delisted = traded.coin in gone
        self._listed_at_s = _now_s()

    async def state(self, account: str) -> dict[str, Any]:
        """Read money and positions."""
        return (await self.footprint(account))[0]

    async def recent_state(self, account: str, youngest_s: float) -> AccountState:
        """Return money and positions as last read, if not longer ago than that; else read them."""
        known = self._states.get(account)
        if known is None or _now_s() - known.read_at_s > youngest_s:
            await self.footprint(account)
        return self._states[account]

    async def footprint(self, account: str) -> tuple[dict[str, Any], Footprint]:
        """Read money and positions, and what of them changes with every fill and payment."""
        state = await self.ask("clearinghouseState", user=account)
        try:
            self._clock.observe(int(state["time"]))
            footprint = words.footprint_of(state)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise words.understood(f"the account {account}", state) from error
        self._states[account] = AccountState(dict(state), _now_s())
        return dict(state), footprint

    async def position(self, account: str, symbol: str) -> Position:
        traded = self.traded(symbol)
        return words.position_of(await self.state(account), account, symbol, traded.coin)

    async def order(self, account: str, symbol: str, client_order_id: str) -> OrderReport | None:
        """Ask for one order by its client id; all of its fills are read before it is said to have any."""
        traded, book = self.traded(symbol), self.account(account)
        answer = await self.ask("orderStatus", user=account, oid=words.cloid_of(client_order_id))
        try:
            if answer["status"] == "unknownOid":
                return None
            entry = answer["order"]
            order = entry["order"]
            order_id = str(order["oid"])
            if order["coin"] != traded.coin:
                return None
            book.know_order(order_id, client_order_id)
            filled = Decimal(order["origSz"]) - Decimal(order["sz"])
            if filled > book.filled(order_id):
                await self.catch_up(account, int(order["timestamp"]) - OVERLAP_MS)
            # The average of the fills may be of more than the venue's word is: a fill came meanwhile.
            report = words.report_of(
                order,
                account,
                symbol,
                status=entry["status"],
                time_ms=int(entry["statusTimestamp"]),
                average=book.average(order_id, filled),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise words.understood(f"the order {client_order_id}", answer) from error
        if report.state.is_final:
            book.open_orders.pop(client_order_id, None)
        return report

    async def stop_of(self, account: str, symbol: str, entry_id: str, stop_id: str) -> OrderReport | None:
        """Look for a stop that waits for the fill of an entry: it stands with that one."""
        coin = self.traded(symbol).coin
        rows = await self.ask("frontendOpenOrders", user=account)
        try:
            waiting = [
                child
                for row in rows
                if row["coin"] == coin and words.client_order_id_of(row.get("cloid")) == entry_id
                for child in row.get("children") or ()
            ]
            reports = [words.report_of(child, account, symbol) for child in waiting]
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise words.understood(f"the open orders of {account}", rows) from error
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

    async def strangers(self, account: str) -> frozenset[str]:
        """Return the open orders of the account, by the venue's id, that were not sent here."""
        book = self.account(account)
        return frozenset(
            report.venue_order_id
            for report in await self._all_open_orders(account)
            if report.client_order_id not in book.open_orders
        )

    async def has_order(self, account: str, order_id: str) -> bool:
        """Tell whether an order is of that account."""
        answer = await self.ask("orderStatus", user=account, oid=int(order_id))
        try:
            return bool(answer["status"] == "order")
        except (KeyError, TypeError) as error:
            raise words.understood(f"the order {order_id}", answer) from error

    async def _all_open_orders(self, account: str, dex: str = "") -> list[OrderReport]:
        where = {"dex": dex} if dex else {}
        rows = await self.ask("frontendOpenOrders", user=account, **where)
        try:
            return [words.report_of(row, account, self.symbol_of(row["coin"])) for row in rows]
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise words.understood(f"the open orders of {account}", rows) from error

    async def holdings(self, account: str) -> Holdings:
        """Read positions and open orders in all markets, those of coins that are not listed here, too."""
        states = {"": await self.state(account)}
        for dex in await self.dexes():
            states[dex] = await self._state_aside(account, dex)
        positions, orders = [], []
        for dex, state in states.items():
            positions += [
                words.position_of(state, account, self.symbol_of(coin), coin)
                for coin in words.sizes_of(state)
            ]
            # An order in another exchange needs money there.
            if not dex or words.balance_of(state).total:
                orders += await self._all_open_orders(account, dex)
        spot = words.spot_of(await self.ask("spotClearinghouseState", user=account))
        return Holdings(positions, orders, spot)

    async def sizes_aside(self, account: str) -> dict[str, Decimal]:
        """Read the signed sizes of all positions in the venue's other exchanges, by coin."""
        sizes: dict[str, Decimal] = {}
        for dex in await self.dexes():
            sizes |= words.sizes_of(await self._state_aside(account, dex))
        return sizes

    async def _state_aside(self, account: str, dex: str) -> dict[str, Any]:
        state = await self.ask("clearinghouseState", user=account, dex=dex)
        try:
            words.footprint_of(state)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise words.understood(f"the account {account} in {dex}", state) from error
        return dict(state)

    async def dexes(self) -> tuple[str, ...]:
        """Return the names of the venue's other exchanges of perpetuals, as of a while ago."""
        if self._dexes_at_s is None or _now_s() - self._dexes_at_s > _LISTED_FOR_S:
            listed = await self.ask("perpDexs")
            try:
                named = [dex["name"] for dex in listed if dex is not None]
            except (KeyError, TypeError) as error:
                raise words.understood("its exchanges", listed) from error
            if len(named) > _MOST_DEXES or not all(isinstance(name, str) and name for name in named):
                raise words.understood("its exchanges", listed)
            self._dexes, self._dexes_at_s = tuple(named), _now_s()
        return self._dexes

    async def kind(self, account: str) -> str:
        """Ask how the venue keeps the account's money (see ``kinds``)."""
        return kinds.kind_of(await self.ask("userAbstraction", user=account))

    def symbol_of(self, coin: str) -> str:
        """Return the symbol of a coin; of one that is not listed here a name."""
        traded = self.by_coin.get(coin)
        return kinds.market_name(coin) if traded is None else traded.market.symbol

    async def fills(
        self, account: str, since_ms: int, footprint: Footprint | None = None
    ) -> list[tuple[Traded, Fill]]:
        """Read the account's fills at or after that venue time, oldest first.

        What was read before is read again only when the account shows that something has changed:
        ``footprint`` is what it has just shown.
        """
        if footprint is None:
            _, footprint = await self.footprint(account)
        book = self.account(account)
        known = book.fills
        if known is None or since_ms < known.since_ms or not footprint.has_same_fills(known.footprint):
            # Who asks for fills after a trade is followed by others, each with a time of his own.
            first_ms = since_ms - since_ms % _TOGETHER_MS
            if known is not None and len(known.rows) <= _CHEAP_FILL_ROWS:
                first_ms = min(first_ms, known.since_ms)
            fresh = await self._fetch_fills(account, first_ms)
            known = book.fills = Rows(first_ms, footprint, [(traded.coin, fill) for traded, fill in fresh])
        return [(self.by_coin[coin], fill) for coin, fill in known.rows if fill.time_ms >= since_ms]

    async def _fetch_fills(self, account: str, since_ms: int) -> list[tuple[Traded, Fill]]:
        rows = await self._pages("userFillsByTime", account, since_ms, lambda row: str(int(row["tid"])))
        return await self.fills_of(account, rows)

    async def _pages(
        self, kind: str, account: str, since_ms: int, name: Callable[[dict[str, Any]], str]
    ) -> list[dict[str, Any]]:
        """Read all rows of a history at or after that venue time, oldest first, page by page.

        ``name`` tells rows of one time apart: a page begins at the time at which the one before ended.
        """
        rows: dict[tuple[int, str], dict[str, Any]] = {}
        start_ms = max(since_ms, 0)
        while True:
            page = await self.ask(kind, user=account, startTime=start_ms)
            try:
                fresh = {(int(row["time"]), name(row)): row for row in page}
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise words.understood(f"the {kind} of {account}", page) from error
            is_last = len(page) < _FULL_PAGE_ROWS or fresh.keys() <= rows.keys()
            rows |= fresh
            if is_last:
                return [rows[key] for key in sorted(rows, key=lambda key: key[0])]
            start_ms = max(time_ms for time_ms, _ in fresh)

    async def fills_of(self, account: str, rows: list[dict[str, Any]]) -> list[tuple[Traded, Fill]]:
        """Return what the venue's words of fills say, with whose orders they are of."""
        book = self.account(account)
        fills: list[tuple[Traded, Fill]] = []
        for row in rows:
            try:
                traded = self.by_coin.get(row["coin"])
                if traded is None:
                    continue
                order_id = str(row["oid"])
                if row.get("cloid"):
                    book.know_order(order_id, words.client_order_id_of(row["cloid"]))
                elif not book.knows_order(order_id):
                    await self._find_order(account, order_id)
                fill = words.fill_of(row, account, traded.market.symbol, book.client_order_id(order_id))
                book.see_fill(order_id, fill)
                size = Decimal(row["startPosition"]) + fill.side.sign * fill.amount
            except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                raise words.understood(f"a fill of {account}", row) from error
            book.sizes[traded.coin] = size
            fills.append((traded, fill))
        return fills

    async def _find_order(self, account: str, order_id: str) -> None:
        """Ask whose order a fill belongs to; fills do not always say their client id."""
        answer = await self.ask("orderStatus", user=account, oid=int(order_id))
        try:
            cloid = answer["order"]["order"].get("cloid") if answer["status"] == "order" else None
        except (KeyError, TypeError, AttributeError) as error:
            raise words.understood(f"the order {order_id}", answer) from error
        self.account(account).know_order(order_id, words.client_order_id_of(cloid))

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
        rows = await self._pages("userFunding", account, since_ms, lambda row: str(row["delta"]["coin"]))
        try:
            payments = [
                words.funding_of(row, account, traded.market.symbol)
                for row in rows
                if (traded := self.by_coin.get(row["delta"]["coin"])) is not None
            ]
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise words.understood(f"the funding of {account}", rows) from error
        return payments

    async def agents(self, account: str) -> dict[str, int]:
        """Return until when each named agent of the account is approved, by its address."""
        agents = await self.ask("extraAgents", user=account)
        try:
            return {str(agent["address"]).lower(): int(agent["validUntil"]) for agent in agents}
        except (KeyError, TypeError, ValueError) as error:
            raise words.understood(f"the agents of {account}", agents) from error

    async def role(self, address: str) -> tuple[str, str | None]:
        """Return what an address is to the venue, and whose agent or sub-account."""
        role = await self.ask("userRole", user=address)
        try:
            data = role.get("data") or {}
            master = data.get("user") or data.get("master")
            return str(role["role"]), None if master is None else str(master).lower()
        except (AttributeError, KeyError, TypeError) as error:
            raise words.understood(f"the role of {address}", role) from error

    async def approved_fee(self, account: str, builder: str) -> int:
        """Return the largest fee that the account allows the builder, in tenths of a basis point."""
        answer = await self.ask("maxBuilderFee", user=account, builder=builder)
        try:
            return int(answer)
        except (TypeError, ValueError) as error:
            raise words.understood(f"the builder fee of {account}", answer) from error

    async def catch_up(self, account: str, since_ms: int, footprint: Footprint | None = None) -> None:
        """Read the fills since then and tell those that were not told."""
        book = self.account(account)
        fills = await self.fills(account, since_ms, footprint)
        # What happened before anybody listened is read by who begins to listen.
        self._tell_fills(account, [pair for pair in fills if pair[1].time_ms >= book.fills_since_ms])


def _now_s() -> float:
    return asyncio.get_running_loop().time()
