"""Converts decoded answers to the program's types: markets, candles, balances, orders, fills, funding."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime

from firstwatch.trading.account import Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.market import LeverageTier, Market
from firstwatch.trading.orders import Fill, OrderKind, OrderReport, OrderSide, OrderState, Side, Touch
from firstwatch.venues.accounts import AccountMoney
from firstwatch.venues.hyperliquid.decoder import (
    AccountSaid,
    Book,
    Candle,
    ExchangeStatus,
    FillSaid,
    FundingSaid,
    ListedMarket,
    MarginTable,
    MetaCoin,
    OneOrder,
    SpotSaid,
    malformed,
)
from firstwatch.venues.hyperliquid.kinds import market_name

PRICE_FIGURES = 5
_PRICE_DECIMALS = 6
_MINIMUM_COST = Decimal(10)
_BPS = Decimal(10_000)
# Below the smallest fee of a fill, above the rounding of the figures.
_LEAST_FEE = Decimal("0.0002")
_LONGEST_STATUS = 200


def clock_offset_ms(date: str, sent_ms: int, received_ms: int) -> int:
    """Return this machine's wall clock minus that of an HTTP answer, in ms, as far as it is certain.

    The answer was dated to the second, between sending and receiving: 0 if the clocks may agree. Raises
    ValueError if ``date`` is not a date.
    """
    dated_ms = round(parsedate_to_datetime(date).timestamp() * 1000)
    ahead_ms, behind_ms = sent_ms - dated_ms - 1_000, received_ms - dated_ms
    return ahead_ms if ahead_ms > 0 else min(behind_ms, 0)


def market_of(listed: ListedMarket) -> Market:
    """Return a market from ccxt's market structure.

    A price has at most five significant figures and 6 - szDecimals decimals; the maintenance rate is half
    of the initial one at maximum leverage (documentation of the venue).
    """
    decimals, leverage = listed.info.sz_decimals, listed.info.max_leverage
    return Market(
        symbol=listed.symbol,
        amount_step=Decimal(1).scaleb(-decimals),
        tick=Decimal(1).scaleb(decimals - _PRICE_DECIMALS),
        price_figures=PRICE_FIGURES,
        minimum_cost=_MINIMUM_COST,
        taker_fee_bps=Decimal(repr(listed.taker)) * _BPS,
        maker_fee_bps=Decimal(repr(listed.maker)) * _BPS,
        maintenance_rate=Decimal(1) / (2 * leverage),
        maximum_leverage=leverage,
        whole_leverage=True,
    )


def leverage_tiers_of(coin: MetaCoin, tables: Mapping[int, MarginTable]) -> tuple[LeverageTier, ...]:
    """Return a coin's maximum leverage by notional; without its own table one tier covers all."""
    table = None if coin.margin_table is None else tables.get(coin.margin_table)
    if table is None:
        return (LeverageTier(Decimal(0), coin.max_leverage),)
    return tuple(LeverageTier(tier.lower_bound, tier.max_leverage) for tier in table.tiers)


def maintenance_of(status: ExchangeStatus) -> str:
    """Return the venue's status report as short text; empty: it works as usual.

    Its form is not documented: any content means that something is out of the ordinary.
    """
    special = status.special
    if not special:
        return ""
    texts = [each for each in (special if isinstance(special, list) else [special]) if isinstance(each, str)]
    return ", ".join(texts)[:_LONGEST_STATUS] or "it does not say why"


def wire(value: Decimal) -> str:
    """Return a number as the venue wants it: no exponent, no zeros behind."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def cloid_of(client_order_id: str) -> str:
    """Return the venue's form of a client order id."""
    return f"0x{client_order_id}"


def client_order_id_of(cloid: str | None) -> str | None:
    """Return the client order id of the venue's form."""
    return cloid.removeprefix("0x").lower() if cloid else None


def bar_of(said: Candle) -> Bar:
    return Bar(said.t, float(said.o), float(said.h), float(said.low), float(said.c), float(said.v))


def candles_between(said: Iterable[Candle], first_ms: int, last_ms: int) -> list[Candle]:
    """Return those that open between two times, oldest first; of two rows of one bar, the later one."""
    rows: dict[int, Candle] = {}
    for row in said:
        if first_ms <= row.t <= last_ms and (row.t not in rows or row.n >= rows[row.t].n):
            rows[row.t] = row
    return [rows[time_ms] for time_ms in sorted(rows)]


def touch_of(book: Book, mark: float | None) -> Touch | None:
    """Return the best prices of an ``l2Book``; None: a side is empty. Without a mark it is the mid."""
    bids, asks = book.levels
    if not bids or not asks:
        return None
    bid, ask = float(bids[0].px), float(asks[0].px)
    return Touch(bid, ask, (bid + ask) / 2 if mark is None else mark, book.time)


def side_of(text: str) -> OrderSide:
    return OrderSide.BUY if text == "B" else OrderSide.SELL


def balance_of(state: AccountSaid) -> Balance:
    """Return the money of an account; what is free is not what may be withdrawn."""
    total, used = state.summary.account_value, state.summary.total_margin_used
    return Balance(total=total, used=used, free=total - used, time_ms=state.time)


def money_of(state: AccountSaid, account: str) -> AccountMoney:
    """Return the money and positions in perpetuals of an account; coins by the symbols of their markets."""
    return AccountMoney(
        total=state.summary.account_value,
        used=state.summary.total_margin_used,
        withdrawable=state.withdrawable,
        positions=tuple(position_of(state, account, market_name(coin), coin) for coin in sizes_of(state)),
    )


def spot_of(said: SpotSaid) -> Decimal:
    """Return the USDC in an account's spot balance."""
    return sum((balance.total for balance in said.balances if balance.coin == "USDC"), Decimal(0))


@dataclass(frozen=True, slots=True)
class Footprint:
    """What every fill and every funding payment changes in a ``clearinghouseState``, and no price does."""

    held: tuple[tuple[str, Decimal, Decimal | None], ...]
    """Coin, signed size and entry price of every position."""
    cash: Decimal
    funding: tuple[tuple[str, Decimal], ...]
    """Coin and funding paid of every position."""

    def has_same_fills(self, other: "Footprint | None") -> bool:
        """Tell whether nothing was filled in between, in no direction."""
        # An empty account shows no cash: nothing can be said of it by its cash.
        if other is None or not self.cash:
            return False
        paid = sum((paid for _, paid in self.funding), Decimal(0))
        before = sum((paid for _, paid in other.funding), Decimal(0))
        moved = abs(self.cash + paid - other.cash - before)
        return self.held == other.held and moved < _LEAST_FEE

    def has_same_funding(self, other: "Footprint | None", *, is_early: bool) -> bool:
        """Tell whether no payment was made in between.

        A position shows those that were made on it. ``is_early``: one may have been made on a position
        that is gone by now, so that nothing may have been filled either.
        """
        if other is None:
            return False
        before = dict(other.funding)
        if any(Decimal(paid) != Decimal(before.get(coin, paid)) for coin, paid in self.funding):
            return False
        return not is_early or (self.has_same_fills(other) and self.funding == other.funding)


def sizes_of(state: AccountSaid) -> dict[str, Decimal]:
    """Return the signed sizes of all positions by coin; flat coins are not in it."""
    return {held.coin: held.size for held in state.held if held.size}


def footprint_of(state: AccountSaid) -> Footprint:
    held = sorted(state.held, key=lambda one: one.coin)
    return Footprint(
        held=tuple((one.coin, one.size, one.entry) for one in held),
        cash=state.summary.total_raw_usd,
        funding=tuple((one.coin, one.funding.all_time) for one in held),
    )


def position_of(state: AccountSaid, account: str, symbol: str, coin: str) -> Position:
    """Return the position in one coin of an account, flat or not.

    The margin is without the unrealised profit, which the venue counts into an isolated one.
    """
    for held in state.held:
        if held.coin != coin or not held.size:
            continue
        is_isolated = held.leverage.type == "isolated"
        has_liquidation = held.liquidation is not None and held.liquidation > 0
        return Position(
            account=account,
            symbol=symbol,
            side=Side.LONG if held.size > 0 else Side.SHORT,
            amount=abs(held.size),
            entry_price=held.entry,
            leverage=Decimal(held.leverage.value),
            is_isolated=is_isolated,
            liquidation_price=held.liquidation if has_liquidation else None,
            margin=held.margin_used - held.unrealised if is_isolated else held.margin_used,
            unrealised_pnl=held.unrealised,
            time_ms=state.time,
        )
    zero = Decimal(0)
    return Position(account, symbol, None, zero, None, None, False, None, zero, zero, state.time)


def fill_of(said: FillSaid, account: str, symbol: str, client_order_id: str | None) -> Fill:
    """Return a fill. The venue's fee already holds the builder's."""
    liquidated = None if said.liquidation is None else said.liquidation.user
    return Fill(
        fill_id=str(said.tid),
        client_order_id=client_order_id,
        account=account,
        symbol=symbol,
        side=side_of(said.side),
        amount=said.sz,
        price=said.px,
        fee=said.fee,
        time_ms=said.time,
        is_maker=not said.crossed,
        is_liquidation=(liquidated or "").lower() == account,
        builder_fee=said.builder_fee or Decimal(0),
    )


def funding_of(said: FundingSaid, account: str, symbol: str) -> Funding:
    """Return a funding payment; the venue counts what was received as positive."""
    return Funding(
        # The venue's hash of a funding payment is all zeros: it names nothing.
        funding_id=f"{account}-{said.delta.coin}-{said.time}",
        account=account,
        symbol=symbol,
        paid=-said.delta.usdc,
        rate=said.delta.rate,
        time_ms=said.time,
    )


def state_of(status: str, amount: Decimal, filled: Decimal) -> OrderState:
    """Return an order's state. The venue's status ``filled`` means over: it may have filled only in part."""
    if status in ("open", "triggered"):
        return OrderState.PARTIALLY_FILLED if filled > 0 else OrderState.ACCEPTED
    if status == "filled":
        return OrderState.FILLED if filled >= amount else OrderState.CANCELED
    if status == "iocCancelRejected" or status.endswith(("anceled", "ancel", "xpired")):
        return OrderState.CANCELED
    if status.endswith("ejected"):
        return OrderState.REJECTED
    raise malformed("an order's status", status)


def kind_of(order: OneOrder) -> OrderKind:
    what = order.order_type or ""
    if order.is_trigger or "Stop" in what or "Take" in what:
        return OrderKind.STOP
    return OrderKind.MARKET if order.tif in ("Ioc", "FrontendMarket") else OrderKind.LIMIT


def report_of(
    order: OneOrder,
    account: str,
    symbol: str,
    *,
    status: str = "open",
    time_ms: int | None = None,
    average: Decimal | None = None,
) -> OrderReport:
    """Return what the venue says of an order."""
    amount, filled = order.original, order.original - order.sz
    kind = kind_of(order)
    return OrderReport(
        client_order_id=client_order_id_of(order.cloid),
        venue_order_id=str(order.oid),
        account=account,
        symbol=symbol,
        side=side_of(order.side),
        kind=kind,
        state=state_of(status, amount, filled),
        amount=amount,
        filled=filled,
        reduce_only=bool(order.reduce_only),
        time_ms=order.timestamp if time_ms is None else time_ms,
        price=order.limit or None,
        trigger_price=(order.trigger or None) if kind is OrderKind.STOP else None,
        average_price=average,
        reason="" if status in ("open", "filled", "triggered") else status,
    )
