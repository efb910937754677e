"""Converts order intents to the venue's actions. Key order matters: the action is signed as packed."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderIntent, OrderKind, OrderSide, Touch
from firstwatch.venues.accounts import Builder
from firstwatch.venues.hyperliquid.parse import cloid_of, wire
from firstwatch.venues.protocol import PreparedRequest, RefusalCode, Refused

STOP_WORST = 0.10
"""How far beyond its trigger a stop may fill, as a fraction of it (rule 19 of ``firstwatch.engine``)."""

Action = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """The stored body of a prepared request: what is signed when it is sent. No key, no signature."""

    account: str
    symbol: str
    order: dict[str, Any]
    builder: dict[str, Any] | None = None
    signer: str | None = None
    """Address of the key that signs it: its nonce is that key's. None: from before this was noted."""
    refusal: tuple[RefusalCode, str] | None = None
    """Code and reason of a refusal that is known before anything is sent."""

    def body(self) -> bytes:
        return json.dumps(
            {
                "account": self.account,
                "symbol": self.symbol,
                "order": self.order,
                "builder": self.builder,
                "signer": self.signer,
                "refusal": self.refusal,
            }
        ).encode()

    @classmethod
    def of(cls, prepared: PreparedRequest) -> "OrderRequest":
        plain = json.loads(prepared.body)
        refusal = plain.pop("refusal")
        return cls(**plain, refusal=None if refusal is None else (RefusalCode(refusal[0]), refusal[1]))

    def order_action(self) -> Action:
        action: Action = {"type": "order", "orders": [self.order], "grouping": "na"}
        if self.builder is not None:
            action["builder"] = self.builder
        return action

    def action_with_stop(self, stop: "OrderRequest") -> Action:
        """Return the action of this order, post-only and without a builder, with a stop that rests once it
        fills."""
        entry = self.order | {"t": {"limit": {"tif": "Alo"}}}
        return {"type": "order", "orders": [entry, stop.order], "grouping": "normalTpsl"}

    def modify_action(self, client_order_id: str) -> Action:
        """Replace the order of that client id by this one."""
        modify = {"oid": cloid_of(client_order_id), "order": self.order}
        return {"type": "batchModify", "modifies": [modify]}

    @property
    def reduces(self) -> bool:
        """It can only make a position smaller."""
        return bool(self.order["r"])

    @property
    def is_immediate(self) -> bool:
        return bool(self.order["t"].get("limit", {}).get("tif") == "Ioc")


def cancel_action(asset: int, client_order_id: str) -> Action:
    return {"type": "cancelByCloid", "cancels": [{"asset": asset, "cloid": cloid_of(client_order_id)}]}


def leverage_action(asset: int, leverage: int) -> Action:
    """Isolated margin at that leverage."""
    return {"type": "updateLeverage", "asset": asset, "isCross": False, "leverage": leverage}


NOOP: Action = {"type": "noop"}
"""Uses a nonce up and does nothing: a request with the same nonce can then never execute."""


def worst_price(
    intent: OrderIntent, market: Market, touch: Touch | None, max_slippage_bps: float
) -> Decimal | None:
    """Return an order's limit price, rounded to the tick and never worse than wanted; None: not known.

    A market order that opens, or that closes without a price of its own, is bounded at ``max_slippage_bps``
    from the mid of ``touch``; a stop at its price, or at ``STOP_WORST`` beyond its trigger.
    """
    sign = intent.side.sign
    if intent.kind is OrderKind.LIMIT:
        return intent.price
    if intent.kind is OrderKind.STOP:
        trigger = intent.trigger_price
        if trigger is None:
            return None
        level = float(intent.price) if intent.price is not None else float(trigger) * (1 + sign * STOP_WORST)
        return _inside(level, intent.side, market)
    bound = None if touch is None else touch.mid * (1 + sign * max_slippage_bps / 10_000)
    wanted = None if intent.price is None else float(intent.price)
    if wanted is None:
        level_or_none = bound
    elif bound is None or intent.reduce_only:
        level_or_none = wanted
    else:
        level_or_none = min(wanted, bound) if intent.side is OrderSide.BUY else max(wanted, bound)
    return None if level_or_none is None else _inside(level_or_none, intent.side, market)


def _inside(level: float, side: OrderSide, market: Market) -> Decimal:
    return market.price_down(level) if side is OrderSide.BUY else market.price_up(level)


def local_refusal(intent: OrderIntent, market: Market | None, price: Decimal | None) -> Refused | None:
    """Return why an order must not be sent: the client would round it silently, or the venue break on it."""
    if market is None:
        return Refused(RefusalCode.OTHER, f"the venue has no market {intent.symbol}")
    if intent.amount <= 0 or intent.amount % market.amount_step:
        return Refused(
            RefusalCode.OTHER, f"the amount {intent.amount} is not a whole count of {market.amount_step}"
        )
    if intent.kind is OrderKind.STOP and intent.trigger_price is None:
        return Refused(RefusalCode.OTHER, "a stop needs a trigger price")
    if price is None:
        return Refused(RefusalCode.OTHER, f"a {intent.kind} order needs a price")
    for level in (price, intent.trigger_price):
        if level is not None and (level <= 0 or level % market.tick_at(float(level))):
            return Refused(
                RefusalCode.OTHER, f"the price {level} is not on the tick of {market.tick_at(float(level)):f}"
            )
    return None


def order_request(
    intent: OrderIntent,
    market: Market | None,
    asset: int | None,
    touch: Touch | None,
    *,
    max_slippage_bps: float,
    builder: Builder | None,
    signer: str | None,
) -> OrderRequest:
    """Return the request for an order; one that must not be sent says so."""
    price = None if market is None else worst_price(intent, market, touch, max_slippage_bps)
    refusal = local_refusal(intent, market, price)
    if refusal is not None or price is None or asset is None:
        refusal = refusal or Refused(RefusalCode.OTHER, f"the venue has no market {intent.symbol}")
        return OrderRequest(intent.account, intent.symbol, {}, refusal=(refusal.code, refusal.reason))
    order = {
        "a": asset,
        "b": intent.side is OrderSide.BUY,
        "p": wire(price),
        "s": wire(intent.amount),
        "r": intent.reduce_only,
        "t": _kind(intent),
        "c": cloid_of(intent.client_order_id),
    }
    return OrderRequest(
        intent.account,
        intent.symbol,
        order,
        # The venue refuses an order whose builder is not approved any more: no stop may hang on that.
        builder=None
        if builder is None or intent.reduce_only
        else {"b": builder.address, "f": builder.fee_tenths_bp},
        signer=signer,
    )


def _kind(intent: OrderIntent) -> dict[str, Any]:
    if intent.kind is OrderKind.STOP and intent.trigger_price is not None:
        return {"trigger": {"isMarket": True, "triggerPx": wire(intent.trigger_price), "tpsl": "sl"}}
    return {"limit": {"tif": "Ioc" if intent.kind is OrderKind.MARKET else "Gtc"}}
