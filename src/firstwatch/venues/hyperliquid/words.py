"""From the venue's words to the program's: markets, candles, positions, orders, fills, funding."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from firstwatch.trading.account import Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import VenueError
from firstwatch.trading.market import Market
from firstwatch.trading.orders import Fill, OrderKind, OrderReport, OrderSide, OrderState, Side, Touch

PRICE_FIGURES = 5
_PRICE_DECIMALS = 6
_MINIMUM_COST = Decimal(10)
_BPS = Decimal(10_000)
_LONGEST = 200
# Below the smallest fee of a fill, above the rounding of the figures.
_LEAST_FEE = Decimal("0.0002")


def understood(what: str, answer: Any) -> VenueError:
    """Return the error for an answer that is not what the venue documents."""
    return VenueError(f"Hyperliquid's answer about {what} cannot be understood: {str(answer)[:_LONGEST]}")


def clock_offset_ms(date: str, sent_ms: int, received_ms: int) -> int:
    """Return this machine's wall clock less the one that dated an HTTP answer, as much as is certain.

    The answer was dated to the second, somewhere between sending and receiving: 0 where the clocks may
    agree. Raises ValueError when it is no date.
    """
    dated_ms = round(parsedate_to_datetime(date).timestamp() * 1000)
    ahead_ms, behind_ms = sent_ms - dated_ms - 1_000, received_ms - dated_ms
    return ahead_ms if ahead_ms > 0 else min(behind_ms, 0)


def market_of(listed: dict[str, Any]) -> Market:
    """Return a market from ccxt's market structure.

    A price has at most five significant figures and 6 - szDecimals decimals; the maintenance rate is half
    of the initial one at maximum leverage (documentation of the venue).
    """
    info = listed["info"]
    decimals, leverage = int(info["szDecimals"]), int(info["maxLeverage"])
    return Market(
        symbol=listed["symbol"],
        amount_step=Decimal(1).scaleb(-decimals),
        tick=Decimal(1).scaleb(decimals - _PRICE_DECIMALS),
        price_figures=PRICE_FIGURES,
        minimum_cost=_MINIMUM_COST,
        taker_fee_bps=Decimal(repr(listed["taker"])) * _BPS,
        maker_fee_bps=Decimal(repr(listed["maker"])) * _BPS,
        maintenance_rate=Decimal(1) / (2 * leverage),
        maximum_leverage=leverage,
        whole_leverage=True,
    )


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


def bar_of(row: dict[str, Any]) -> Bar:
    return Bar(
        int(row["t"]), float(row["o"]), float(row["h"]), float(row["l"]), float(row["c"]), float(row["v"])
    )


def touch_of(book: dict[str, Any], mark: float | None) -> Touch | None:
    """Return the best prices of an ``l2Book``; None: a side is empty. Without a mark it is the mid."""
    bids, asks = book["levels"][0], book["levels"][1]
    if not bids or not asks:
        return None
    bid, ask = float(bids[0]["px"]), float(asks[0]["px"])
    return Touch(bid, ask, (bid + ask) / 2 if mark is None else mark, int(book["time"]))


def side_of(text: str) -> OrderSide:
    return OrderSide.BUY if text == "B" else OrderSide.SELL


def balance_of(state: dict[str, Any]) -> Balance:
    """Return the money of a ``clearinghouseState``; what is free is not what may be withdrawn."""
    summary = state["marginSummary"]
    total, used = Decimal(summary["accountValue"]), Decimal(summary["totalMarginUsed"])
    return Balance(total=total, used=used, free=total - used, time_ms=int(state["time"]))


def spot_of(state: Any) -> Decimal:
    """Return the USDC of a ``spotClearinghouseState``."""
    try:
        return sum((Decimal(row["total"]) for row in state["balances"] if row["coin"] == "USDC"), Decimal(0))
    except (KeyError, TypeError, ArithmeticError) as error:
        raise understood("the spot balances", state) from error


@dataclass(frozen=True, slots=True)
class Footprint:
    """What every fill and every funding payment changes in a ``clearinghouseState``, and no price does."""

    held: tuple[tuple[str, str, str], ...]
    """Coin, signed size and entry price of every position."""
    cash: Decimal
    funding: tuple[tuple[str, str], ...]
    """Coin and funding paid of every position."""

    def has_same_fills(self, other: "Footprint | None") -> bool:
        """Tell whether nothing was filled in between, in no direction."""
        # An empty account shows no cash: nothing can be said of it by its cash.
        if other is None or not self.cash:
            return False
        paid = sum((Decimal(paid) for _, paid in self.funding), Decimal(0))
        before = sum((Decimal(paid) for _, paid in other.funding), Decimal(0))
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


def sizes_of(state: dict[str, Any]) -> dict[str, Decimal]:
    """Return the signed sizes of all positions by coin; flat coins are not in it."""
    sizes = {
        entry["position"]["coin"]: Decimal(entry["position"]["szi"]) for entry in state["assetPositions"]
    }
    return {coin: size for coin, size in sizes.items() if size}


def footprint_of(state: dict[str, Any]) -> Footprint:
    positions = sorted(
        (entry["position"] for entry in state["assetPositions"]), key=lambda held: held["coin"]
    )
    return Footprint(
        held=tuple((held["coin"], held["szi"], held["entryPx"]) for held in positions),
        cash=Decimal(state["marginSummary"]["totalRawUsd"]),
        funding=tuple((held["coin"], held["cumFunding"]["allTime"]) for held in positions),
    )


def position_of(state: dict[str, Any], account: str, symbol: str, coin: str) -> Position:
    """Return the position in one coin of a ``clearinghouseState``, flat or not.

    The margin is without the unrealised profit, which the venue counts into an isolated one.
    """
    time_ms = int(state["time"])
    for entry in state["assetPositions"]:
        held = entry["position"]
        size = Decimal(held["szi"])
        if held["coin"] != coin or size == 0:
            continue
        is_isolated = held["leverage"]["type"] == "isolated"
        profit, margin = Decimal(held["unrealizedPnl"]), Decimal(held["marginUsed"])
        liquidation = held.get("liquidationPx")
        return Position(
            account=account,
            symbol=symbol,
            side=Side.LONG if size > 0 else Side.SHORT,
            amount=abs(size),
            entry_price=Decimal(held["entryPx"]),
            leverage=Decimal(str(held["leverage"]["value"])),
            is_isolated=is_isolated,
            liquidation_price=None if liquidation is None else Decimal(liquidation),
            margin=margin - profit if is_isolated else margin,
            unrealised_pnl=profit,
            time_ms=time_ms,
        )
    zero = Decimal(0)
    return Position(account, symbol, None, zero, None, None, False, None, zero, zero, time_ms)


def fill_of(row: dict[str, Any], account: str, symbol: str, client_order_id: str | None) -> Fill:
    """Return a fill. The venue's fee already holds the builder's (hyperliquid.md 2.3)."""
    liquidation = row.get("liquidation") or {}
    return Fill(
        fill_id=str(row["tid"]),
        client_order_id=client_order_id,
        account=account,
        symbol=symbol,
        side=side_of(row["side"]),
        amount=Decimal(row["sz"]),
        price=Decimal(row["px"]),
        fee=Decimal(row["fee"]),
        time_ms=int(row["time"]),
        is_maker=not row["crossed"],
        is_liquidation=str(liquidation.get("liquidatedUser", "")).lower() == account,
        builder_fee=Decimal(row.get("builderFee") or 0),
    )


def funding_of(row: dict[str, Any], account: str, symbol: str) -> Funding:
    """Return a funding payment; the venue counts what was received as positive."""
    delta, time_ms = row["delta"], int(row["time"])
    return Funding(
        # The venue's hash of a funding payment is all zeros: it names nothing.
        funding_id=f"{account}-{delta['coin']}-{time_ms}",
        account=account,
        symbol=symbol,
        paid=-Decimal(delta["usdc"]),
        rate=Decimal(delta["fundingRate"]),
        time_ms=time_ms,
    )


def state_of(status: str, amount: Decimal, filled: Decimal) -> OrderState:
    """Return where an order stands. ``filled`` at the venue means over: it may have filled in part."""
    if status in ("open", "triggered"):
        return OrderState.PARTIALLY_FILLED if filled > 0 else OrderState.ACCEPTED
    if status == "filled":
        return OrderState.FILLED if filled >= amount else OrderState.CANCELED
    if status == "iocCancelRejected" or status.endswith(("anceled", "ancel", "xpired")):
        return OrderState.CANCELED
    if status.endswith("ejected"):
        return OrderState.REJECTED
    raise understood("an order's status", status)


def kind_of(order: dict[str, Any]) -> OrderKind:
    if order.get("isTrigger") or "Stop" in order.get("orderType", "") or "Take" in order.get("orderType", ""):
        return OrderKind.STOP
    return OrderKind.MARKET if order.get("tif") in ("Ioc", "FrontendMarket") else OrderKind.LIMIT


def report_of(
    order: dict[str, Any],
    account: str,
    symbol: str,
    *,
    status: str = "open",
    time_ms: int | None = None,
    average: Decimal | None = None,
) -> OrderReport:
    """Return what ``orderStatus`` or ``frontendOpenOrders`` say of an order; ``sz`` is what is left."""
    amount = Decimal(order["origSz"])
    filled = amount - Decimal(order["sz"])
    trigger = order.get("triggerPx")
    kind = kind_of(order)
    return OrderReport(
        client_order_id=client_order_id_of(order.get("cloid")),
        venue_order_id=str(order["oid"]),
        account=account,
        symbol=symbol,
        side=side_of(order["side"]),
        kind=kind,
        state=state_of(status, amount, filled),
        amount=amount,
        filled=filled,
        reduce_only=bool(order.get("reduceOnly")),
        time_ms=int(order["timestamp"]) if time_ms is None else time_ms,
        price=_price(order.get("limitPx")),
        trigger_price=_price(trigger) if kind is OrderKind.STOP else None,
        average_price=average,
        reason="" if status in ("open", "filled", "triggered") else status,
    )


def _price(text: str | None) -> Decimal | None:
    try:
        price = None if text is None else Decimal(text)
    except InvalidOperation as error:
        raise understood("a price", text) from error
    return price or None
