"""What ``/info`` answers: the venue's books in the venue's words."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from firstwatch.trading.timeframe import Timeframe
from tests.loopback.actions import Actions
from tests.loopback.books import Account, Fill, FundingPayment, Order
from tests.loopback.exchange import Exchange
from tests.loopback.faults import Faults
from tests.loopback.lag import Lags
from tests.loopback.tape import Row
from tests.loopback.wire import Malformed, address, text_of

_MOST_CANDLES = 5_000
_MOST_FILLS = 2_000
_MOST_FUNDINGS = 500
LIGHT = frozenset(
    {"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"}
)
_ROWS_PER_WEIGHT = {
    "recentTrades": 20,
    "historicalOrders": 20,
    "userFills": 20,
    "userFillsByTime": 20,
    "fundingHistory": 20,
    "userFunding": 20,
    "candleSnapshot": 60,
}


def weight_of(kind: str, answer: Any) -> int:
    """Return what an info request costs of the 1,200 per minute and address."""
    base = 2 if kind in LIGHT else 60 if kind == "userRole" else 20
    rows = _ROWS_PER_WEIGHT.get(kind)
    return base + (len(answer) // rows if rows is not None and isinstance(answer, list) else 0)


class Info:
    """The desk at which questions arrive; nobody has to sign to read."""

    def __init__(
        self, exchange: Exchange, actions: Actions, faults: Faults, *, wall_ms: Callable[[], int]
    ) -> None:
        self.lags = Lags()
        """Which accounts are asked for at nodes that are behind."""
        self.special_statuses: list[str] | None = None
        """What the venue says of itself; None: it works as usual."""
        self.tiers: dict[str, list[tuple[int, int]]] = {}
        """By coin: lower bounds and maximum leverages, where it has more than one tier."""
        self._exchange = exchange
        self._actions = actions
        self._faults = faults
        self._wall_ms = wall_ms

    def ask(self, body: Any) -> Any:
        """Return the answer to a question.

        Raises:
            Malformed: there is no such question (HTTP 422).
        """
        try:
            name = "_" + "".join(f"_{c.lower()}" if c.isupper() else c for c in body["type"])
            answer = getattr(self, name)
        except (KeyError, TypeError, AttributeError) as reason:
            raise Malformed("no such question") from reason
        try:
            return answer(body)
        except (KeyError, TypeError, ValueError) as reason:
            raise Malformed(f"{type(reason).__name__}: {reason}") from reason

    # --- markets --------------------------------------------------------------------------------

    def _exchange_status(self, body: Any) -> Any:
        return {"time": self._exchange.now_ms, "specialStatuses": self.special_statuses}

    def _meta(self, body: Any) -> Any:
        if body.get("dex"):
            return {"universe": [], "marginTables": [], "collateralToken": 0}
        universe = []
        for number, coin in enumerate(self._exchange.coins):
            plain: dict[str, Any] = {
                "szDecimals": coin.sz_decimals,
                "name": coin.name,
                "maxLeverage": coin.max_leverage,
                "marginTableId": number + 1,
            }
            universe.append(plain | ({"isDelisted": True} if coin.is_delisted else {}))
        tables = [
            [
                number + 1,
                {
                    "description": "",
                    "marginTiers": [
                        {"lowerBound": f"{bound}.0", "maxLeverage": leverage}
                        for bound, leverage in self.tiers.get(coin.name, [(0, coin.max_leverage)])
                    ],
                },
            ]
            for number, coin in enumerate(self._exchange.coins)
        ]
        return {"universe": universe, "marginTables": tables, "collateralToken": 0}

    def _meta_and_asset_ctxs(self, body: Any) -> Any:
        return [self._meta(body), [self.context(coin.name) for coin in self._exchange.coins]]

    def context(self, coin: str) -> dict[str, Any]:
        """Return mark, funding and the like of a coin."""
        tape, exchange = self._exchange.tapes[coin], self._exchange
        bid, ask = (exchange.best(coin, is_bid=side) for side in (True, False))
        opened = next((bar.open for bar in tape.bars[max(0, tape.next_index - 1440) :]), tape.coin.price)
        return {
            "funding": repr(tape.coin.funding_rate),
            "openInterest": "1000.0",
            "prevDayPx": str(opened),
            "dayNtlVlm": "1000000.0",
            "premium": "0.0",
            "oraclePx": text_of(tape.price),
            "markPx": text_of(tape.price),
            "midPx": text_of((bid + ask) / 2),
            "impactPxs": [text_of(bid), text_of(ask)],
            "dayBaseVlm": "10.0",
        }

    def _all_mids(self, body: Any) -> Any:
        return self.mids()

    def mids(self) -> dict[str, str]:
        """Return the middle of every book."""
        exchange = self._exchange
        return {
            coin.name: text_of(
                (exchange.best(coin.name, is_bid=True) + exchange.best(coin.name, is_bid=False)) / 2
            )
            for coin in exchange.coins
        }

    def _l2_book(self, body: Any) -> Any:
        return self.book(body["coin"])

    def book(self, coin: str) -> Any:
        """Return the book of a coin; None: there is no such coin."""
        if coin not in self._exchange.tapes:
            return None
        sides = [
            [
                {"px": text_of(price), "sz": text_of(amount), "n": 1}
                for price, amount in self._exchange.levels(coin, is_bid=is_bid)
            ]
            for is_bid in (True, False)
        ]
        return {"coin": coin, "time": self._exchange.now_ms, "levels": sides}

    def _candle_snapshot(self, body: Any) -> Any:
        asked = body["req"]
        interval, tape = Timeframe(asked["interval"]), self._exchange.tapes.get(asked["coin"])
        if tape is None:
            return []
        rows = tape.candles(interval, int(asked["startTime"]), int(asked.get("endTime") or 1 << 62))
        shown = [row for row in rows if not self.is_withheld(asked["coin"], interval, row)]
        return [candle(asked["coin"], interval, row) for row in shown[-_MOST_CANDLES:]]

    def is_withheld(self, coin: str, interval: Timeframe, row: Row) -> bool:
        """Tell whether a row is not shown yet; only the coin's own candles can be withheld."""
        is_own = interval is self._exchange.tapes[coin].coin.timeframe
        return is_own and self._faults.is_withheld(coin, row.time_ms)

    def _funding_history(self, body: Any) -> Any:
        coin = self._exchange.tapes[body["coin"]].coin
        end_ms = body.get("endTime") or self._exchange.now_ms
        return [
            {"coin": coin.name, "fundingRate": repr(rate), "premium": "0.0", "time": time_ms}
            for time_ms, rate in sorted(coin.funding.items())
            if body["startTime"] <= time_ms <= min(end_ms, self._exchange.now_ms)
        ][:_MOST_FUNDINGS]

    def _recent_trades(self, body: Any) -> Any:
        return []

    def _spot_meta(self, body: Any) -> Any:
        token = {
            "name": "USDC",
            "szDecimals": 8,
            "weiDecimals": 8,
            "index": 0,
            "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
            "isCanonical": True,
            "evmContract": None,
            "fullName": None,
        }
        return {"tokens": [token], "universe": []}

    def _spot_meta_and_asset_ctxs(self, body: Any) -> Any:
        return [self._spot_meta(body), []]

    def _perp_dexs(self, body: Any) -> Any:
        owner = "0x" + "0" * 40
        return [
            None,
            *(
                {"name": name, "fullName": name.title(), "deployer": owner, "oracleUpdater": None}
                for name in self._exchange.dexes
            ),
        ]

    # --- accounts -------------------------------------------------------------------------------

    def _account(self, body: Any) -> Account:
        """Return the account asked for; who is unknown has empty books, as an agent's address has."""
        user = address(body["user"])
        known = self._exchange.accounts.get(user)
        return Account(user) if known is None else self.lags.seen(known, time.monotonic())

    def _clearinghouse_state(self, body: Any) -> Any:
        account, dex = self._account(body), body.get("dex")
        return self.state_aside(account, dex) if dex else self.state(account)

    def state_aside(self, account: Account, dex: str) -> dict[str, Any]:
        """Return positions in another exchange of the venue: each of 10 USDC at 100, isolated."""
        sizes = account.aside.get(dex, {})
        value = _money(Decimal(10 * len(sizes)))
        summary = {
            "accountValue": value,
            "totalNtlPos": _money(sum((abs(size) * 100 for size in sizes.values()), Decimal(0))),
            "totalRawUsd": value,
            "totalMarginUsed": value,
        }
        return {
            "marginSummary": summary,
            "crossMarginSummary": summary,
            "crossMaintenanceMarginUsed": "0.0",
            "withdrawable": "0.0",
            "assetPositions": [
                {"type": "oneWay", "position": _position_aside(coin, size)} for coin, size in sizes.items()
            ],
            "time": self._exchange.now_ms,
        }

    def state(self, account: Account) -> dict[str, Any]:
        """Return money and positions of an account."""
        exchange = self._exchange
        held = [one for one in account.positions.values() if one.size]
        cross = [one for one in held if not one.is_isolated]

        def summary(value: Decimal, positions: list[Any]) -> dict[str, str]:
            notional = sum((abs(one.size) * exchange.mark(one.coin) for one in positions), Decimal(0))
            used = sum(map(exchange.margin_used, positions), Decimal(0))
            return {
                "accountValue": _money(value),
                "totalNtlPos": _money(notional),
                "totalRawUsd": _money(value - sum(one.size * exchange.mark(one.coin) for one in positions)),
                "totalMarginUsed": _money(used),
            }

        maintenance = sum(
            abs(one.size) * exchange.mark(one.coin) * exchange.tapes[one.coin].coin.maintenance_rate
            for one in cross
        )
        return {
            "marginSummary": summary(exchange.account_value(account), held),
            "crossMarginSummary": summary(exchange.cross_value(account), cross),
            "crossMaintenanceMarginUsed": _money(Decimal(maintenance)),
            "withdrawable": _money(exchange.free(account)),
            "assetPositions": [{"type": "oneWay", "position": self._position(one)} for one in held],
            "time": account.seen_ms or exchange.now_ms,
        }

    def _position(self, held: Any) -> dict[str, Any]:
        exchange, coin = self._exchange, self._exchange.tapes[held.coin].coin
        mark = exchange.mark(held.coin)
        leverage: dict[str, Any] = {
            "type": "isolated" if held.is_isolated else "cross",
            "value": held.leverage,
        }
        if held.is_isolated:
            leverage["rawUsd"] = _money(held.margin - held.size * held.entry)
        initial = abs(held.size) * held.entry / held.leverage
        liquidation = held.liquidation_price(coin.maintenance_rate)
        return {
            "coin": held.coin,
            "szi": text_of(held.size),
            "leverage": leverage,
            "entryPx": text_of(round(held.entry, 10)),
            "positionValue": _money(abs(held.size) * mark),
            "unrealizedPnl": _money(held.pnl(mark)),
            "returnOnEquity": _money(held.pnl(mark) / initial),
            "liquidationPx": None if liquidation is None else text_of(round(liquidation, 10)),
            "marginUsed": _money(exchange.margin_used(held)),
            "maxLeverage": coin.max_leverage,
            "cumFunding": {
                "allTime": _money(held.funding_paid),
                "sinceOpen": _money(held.funding_paid),
                "sinceChange": _money(held.funding_paid),
            },
        }

    def _spot_clearinghouse_state(self, body: Any) -> Any:
        spot = self._account(body).spot
        balance = {"coin": "USDC", "token": 0, "total": _money(spot), "hold": "0.0", "entryNtl": "0.0"}
        return {"balances": [balance]}

    def _active_asset_data(self, body: Any) -> Any:
        account, coin, exchange = self._account(body), body["coin"], self._exchange
        leverage, is_isolated = exchange.leverage(account, coin)
        mark = exchange.mark(coin)
        usd = exchange.free(account) * leverage
        size = text_of(round(usd / mark, exchange.tapes[coin].coin.sz_decimals))
        plain: dict[str, Any] = {"type": "isolated" if is_isolated else "cross", "value": leverage}
        if is_isolated:
            plain["rawUsd"] = "0.0"
        return {
            "user": account.address,
            "coin": coin,
            "leverage": plain,
            "maxTradeSzs": [size, size],
            "availableToTrade": [_money(usd), _money(usd)],
            "markPx": text_of(mark),
        }

    def _user_fees(self, body: Any) -> Any:
        rules = self._exchange.rules
        return {
            "dailyUserVlm": [],
            "userCrossRate": text_of(rules.taker_fee_bps / 10_000),
            "userAddRate": text_of(rules.maker_fee_bps / 10_000),
            "userSpotCrossRate": "0.0007",
            "userSpotAddRate": "0.0004",
            "activeReferralDiscount": "0.0",
            "trial": None,
            "feeTrialReward": "0.0",
            "nextTrialAvailableTimestamp": None,
        }

    def _user_rate_limit(self, body: Any) -> Any:
        account = self._account(body)
        return {
            "cumVlm": _money(account.volume),
            "nRequestsUsed": account.actions,
            "nRequestsCap": self._actions.address_limit + int(account.volume),
            "nRequestsSurplus": 0,
        }

    def _user_role(self, body: Any) -> Any:
        user = address(body["user"])
        account = self._exchange.accounts.get(user)
        if account is not None and account.master is not None:
            return {"role": "subAccount", "data": {"master": account.master}}
        if account is not None:
            return {"role": "user"}
        master = self._actions.master_of(user)
        if master is not None:
            return {"role": "agent", "data": {"user": master.address}}
        return {"role": "missing"}

    def _extra_agents(self, body: Any) -> Any:
        return [
            {"name": agent.name, "address": agent.address, "validUntil": agent.valid_until_ms}
            for agent in self._account(body).agents
            if agent.name and agent.valid_until_ms > self._wall_ms()
        ]

    def _max_builder_fee(self, body: Any) -> Any:
        return self._account(body).builders.get(address(body["builder"]), 0)

    def _approved_builders(self, body: Any) -> Any:
        return [builder for builder, fee in self._account(body).builders.items() if fee]

    def _referral(self, body: Any) -> Any:
        account = self._account(body)
        code = account.referrer
        return {
            "referredBy": None if code is None else {"referrer": "0x" + "0" * 40, "code": code},
            "cumVlm": _money(account.volume),
            "unclaimedRewards": "0.0",
            "claimedRewards": "0.0",
            "builderRewards": "0.0",
            "referrerState": None,
            "rewardHistory": [],
        }

    def _user_abstraction(self, body: Any) -> Any:
        return self._account(body).abstraction

    def _user_dex_abstraction(self, body: Any) -> Any:
        return False

    def _sub_accounts(self, body: Any) -> Any:
        master = address(body["user"])
        found = [
            {
                "name": one.name,
                "subAccountUser": one.address,
                "master": master,
                "clearinghouseState": self.state(one),
                "spotState": {"balances": []},
            }
            for one in self._exchange.accounts.values()
            if one.master == master
        ]
        return found or None

    def _user_non_funding_ledger_updates(self, body: Any) -> Any:
        start_ms, end_ms = body.get("startTime") or 0, body.get("endTime") or 1 << 62
        return [row for row in self._account(body).ledger if start_ms <= row["time"] <= end_ms]

    def web_data(self, account: Account) -> dict[str, Any]:
        """Return what the venue's own page shows of an account."""
        agent = next((one for one in account.agents if not one.name), None)
        return {
            "clearinghouseState": self.state(account),
            "openOrders": self.open_orders(account),
            "agentAddress": None if agent is None else agent.address,
            "agentValidUntil": None if agent is None else agent.valid_until_ms,
            "cumLedger": _money(account.deposits),
            "serverTime": self._exchange.now_ms,
            "isVault": False,
            "user": account.address,
        }

    def _web_data2(self, body: Any) -> Any:
        return self.web_data(self._account(body))

    # --- orders and what became of them ---------------------------------------------------------

    def _open_orders(self, body: Any) -> Any:
        return [basic(order) for order in self._newest_first(self._account(body))]

    def _frontend_open_orders(self, body: Any) -> Any:
        account, asked = self._account(body), body.get("dex") or ""
        aside = [
            self._order_aside(9_000_000 + number, coin)
            for number, (dex, coin) in enumerate(account.orders_aside)
            if dex == asked
        ]
        return aside + ([] if asked else self.open_orders(account))

    def _order_aside(self, number: int, coin: str) -> dict[str, Any]:
        order = Order(
            number,
            "",
            coin,
            is_buy=True,
            limit=Decimal("0.5"),
            amount=Decimal(20),
            rest=Decimal(20),
            reduce_only=False,
            tif="Gtc",
            time_ms=self._exchange.now_ms,
        )
        return full(order)

    def open_orders(self, account: Account) -> list[dict[str, Any]]:
        """Return the open orders of an account in full."""
        return [full(order) for order in self._newest_first(account)]

    def _newest_first(self, account: Account) -> list[Order]:
        return sorted(self._exchange.orders_of(account), key=lambda order: -order.oid)

    def _order_status(self, body: Any) -> Any:
        oid = body["oid"]
        if isinstance(oid, str):
            oid = oid.lower() if oid.startswith("0x") else int(oid)
        order = self._exchange.find(self._account(body), oid)
        if order is None:
            return {"status": "unknownOid"}
        return {"status": "order", "order": historical(order)}

    def _historical_orders(self, body: Any) -> Any:
        orders = sorted(self._account(body).orders.values(), key=lambda order: -order.oid)
        return [historical(order) for order in orders[:_MOST_FILLS]]

    def _user_fills(self, body: Any) -> Any:
        return [self.fill(one) for one in reversed(self._account(body).fills[-_MOST_FILLS:])]

    def _user_fills_by_time(self, body: Any) -> Any:
        end_ms = body.get("endTime") or 1 << 62
        fills = (one for one in self._account(body).fills if body["startTime"] <= one.time_ms <= end_ms)
        return [self.fill(one) for one in fills][:_MOST_FILLS]

    def fill(self, one: Fill) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "coin": one.coin,
            "px": text_of(one.price),
            "sz": text_of(one.amount),
            "side": "B" if one.is_buy else "A",
            "time": one.time_ms,
            "startPosition": text_of(one.start_position),
            "dir": one.direction,
            "closedPnl": _money(one.closed_pnl),
            "hash": one.hash,
            "oid": one.oid,
            "crossed": one.is_taker,
            "fee": _money(one.fee),
            "tid": one.tid,
            "feeToken": "USDC",
            "twapId": None,
        }
        if one.cloid is not None and self._exchange.rules.fills_carry_cloid:
            plain["cloid"] = one.cloid
        if one.builder_fee:
            plain["builderFee"] = _money(one.builder_fee)
        if one.liquidation is not None:
            plain["liquidation"] = one.liquidation
        return plain

    def _user_funding(self, body: Any) -> Any:
        start_ms, end_ms = body.get("startTime") or 0, body.get("endTime") or 1 << 62
        payments = (one for one in self._account(body).funding if start_ms <= one.time_ms <= end_ms)
        rows = [
            {"time": one.time_ms, "hash": one.hash, "delta": {"type": "funding", **funding(one)}}
            for one in payments
        ]
        return rows[:_MOST_FUNDINGS]


def _position_aside(coin: str, size: Decimal) -> dict[str, Any]:
    return {
        "coin": coin,
        "szi": text_of(size),
        "leverage": {"type": "isolated", "value": 5, "rawUsd": "0.0"},
        "entryPx": "100.0",
        "positionValue": _money(abs(size) * 100),
        "unrealizedPnl": "0.0",
        "returnOnEquity": "0.0",
        "liquidationPx": None,
        "marginUsed": "10.0",
        "maxLeverage": 5,
        "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
    }


def candle(coin: str, interval: Timeframe, row: Row) -> dict[str, Any]:
    """Return a candle as REST and streams say it."""
    return {
        "t": row.time_ms,
        "T": row.time_ms + interval.ms - 1,
        "s": coin,
        "i": interval.value,
        "o": repr(row.open),
        "c": repr(row.close),
        "h": repr(row.high),
        "l": repr(row.low),
        "v": repr(row.volume),
        "n": 1,
    }


def basic(order: Order, rest: Decimal | None = None) -> dict[str, Any]:
    """Return an order as streams say it."""
    plain: dict[str, Any] = {
        "coin": order.coin,
        "side": "B" if order.is_buy else "A",
        "limitPx": text_of(order.limit),
        "sz": text_of(order.rest if rest is None else rest),
        "oid": order.oid,
        "timestamp": order.time_ms,
        "origSz": text_of(order.amount),
    }
    if order.reduce_only:
        plain["reduceOnly"] = True
    return plain | ({} if order.cloid is None else {"cloid": order.cloid})


def full(order: Order) -> dict[str, Any]:
    """Return an order as the front end's questions say it."""
    trigger = order.trigger
    kind, condition = "Limit", "N/A"
    if trigger is not None:
        what = "Take Profit" if trigger.is_take_profit else "Stop"
        kind = f"{what} {'Market' if trigger.is_market else 'Limit'}"
        falls = order.is_buy == trigger.is_take_profit
        condition = f"Price {'below' if falls else 'above'} {text_of(trigger.price)}"
    return basic(order) | {
        "triggerCondition": "Triggered" if order.is_triggered else condition,
        "isTrigger": trigger is not None,
        "triggerPx": "0.0" if trigger is None else text_of(trigger.price),
        "children": [full(child) for child in order.children],
        "isPositionTpsl": order.is_position_tpsl,
        "reduceOnly": order.reduce_only,
        "orderType": kind,
        "tif": order.tif,
        "cloid": order.cloid,
    }


def historical(order: Order) -> dict[str, Any]:
    """Return an order with what became of it."""
    return {"order": full(order), "status": order.status, "statusTimestamp": order.status_ms}


def funding(one: FundingPayment) -> dict[str, Any]:
    return {
        "coin": one.coin,
        "usdc": _money(one.usdc),
        "szi": text_of(one.size),
        "fundingRate": repr(one.rate),
        "nSamples": 24,
    }


def _money(value: Decimal) -> str:
    text = text_of(value.quantize(Decimal("0.000001")))
    return text if "." in text else text + ".0"
