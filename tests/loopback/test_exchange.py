"""The matching engine by itself: path, book, margin, triggers, funding, liquidation."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe
from tests.loopback import Coin, Rules
from tests.loopback.books import Account, Trigger, money
from tests.loopback.exchange import HOUR_MS, Exchange, Rejected
from tests.loopback.tape import Tape

START_MS = 1_704_067_200_000
MINUTE_MS = 60_000
ACCOUNT = "0x" + "a1" * 20


def bars(*prices, start_ms=START_MS, length_ms=MINUTE_MS):
    return [Bar(start_ms + n * length_ms, *row, 60.0) for n, row in enumerate(prices)]


def venue(*prices, leverage=10, isolated=True, usd=10_000, rules=None, **coin):
    coin.setdefault("half_spread_bps", 0.0)
    coin.setdefault("bars", bars(*prices))
    exchange = Exchange([Coin("BTC", **coin)], start_ms=START_MS, dwell=0.25, rules=rules or Rules())
    account = Account(ACCOUNT, cash=Decimal(usd), deposits=Decimal(usd))
    account.leverages["BTC"] = leverage, isolated
    exchange.accounts[ACCOUNT] = account
    exchange.advance(START_MS)
    return exchange, account


def place(exchange, side, amount, price, **how):
    if "trigger" in how:
        how["trigger"] = Trigger(True, Decimal(how["trigger"]), how.pop("tp", False))
        how.setdefault("tif", None)
    order = exchange.new_order(ACCOUNT, "BTC", side == "buy", Decimal(price), Decimal(amount), **how)
    exchange.place(order)
    return order


def buy(exchange, amount="1", price="150"):
    return place(exchange, "buy", amount, price, tif="Ioc")


def equity_by_reports(account):
    """What a ledger that knows deposits, fills and funding makes of it, positions left out."""
    return (
        account.deposits
        + sum(fill.closed_pnl - fill.fee for fill in account.fills)
        + sum(one.usdc for one in account.funding)
    )


def at(bar, share):
    return START_MS + bar * MINUTE_MS + int(MINUTE_MS * share)


def test_the_path_visits_the_bar_and_ends_as_the_file_says():
    exchange, _ = venue((100, 110, 90, 105), (105, 106, 104, 104))
    tape = exchange.tapes["BTC"]
    assert exchange.mark("BTC") == 100
    exchange.advance(at(0, 0.2))
    assert exchange.mark("BTC") == 100
    seen = []
    for step in range(20, 100):
        exchange.advance(at(0, step / 100))
        seen.append(float(exchange.mark("BTC")))
    assert min(seen) == pytest.approx(90, abs=1)
    assert seen.index(min(seen)) < seen.index(max(seen)), "a green bar goes to its low first"
    assert exchange.mark("BTC") == 105
    assert (tape.row.high, tape.row.low) == (110, 90)
    exchange.advance(at(1, 0))
    assert exchange.mark("BTC") == 105
    (closed, forming) = tape.candles(Timeframe.M1, START_MS, at(1, 0))
    assert (closed.open, closed.high, closed.low, closed.close, closed.volume) == (100, 110, 90, 105, 60)
    assert (forming.time_ms, forming.volume) == (at(1, 0), 0)


@given(st.lists(st.floats(1, 200), min_size=2, max_size=12), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_a_bar_is_what_the_file_says_however_often_one_looks(prices, looks):
    rows = [(a, max(a, b) * 1.01, min(a, b) * 0.99, b) for a, b in pairwise(prices)]
    told = bars(*rows)
    exchange = Exchange([Coin("BTC", bars=told)], start_ms=START_MS, dwell=0.3, rules=Rules())
    end_ms = START_MS + len(told) * MINUTE_MS
    for time_ms in range(START_MS, end_ms + 1, MINUTE_MS // looks):
        exchange.advance(time_ms)
    exchange.advance(end_ms)
    candles = exchange.tapes["BTC"].candles(Timeframe.M1, START_MS, end_ms)
    assert [(row.time_ms, row.open, row.high, row.low, row.close, row.volume) for row in candles] == told


def test_larger_candles_are_made_of_the_small_ones():
    exchange, _ = venue(*[(100 + n, 110 + n, 90 + n, 101 + n) for n in range(7)])
    exchange.advance(at(6, 0.1))
    first, forming = exchange.tapes["BTC"].candles(Timeframe.M5, START_MS, at(6, 0))
    assert (first.open, first.high, first.low, first.close, first.volume) == (100, 114, 90, 105, 300)
    assert (forming.time_ms, forming.open) == (START_MS + 5 * MINUTE_MS, 105)
    exchange.advance(at(7, 0))
    assert exchange.tapes["BTC"].has_ended
    assert exchange.tapes["BTC"].candles(Timeframe.H1, START_MS, at(7, 0))[0].close == 107


def test_a_venue_may_open_in_the_middle_of_a_bar():
    told = bars((100, 101, 99, 100), (100, 120, 100, 120))
    tape = Tape(Coin("BTC", bars=told), dwell=0.25, start_ms=START_MS + 90_000)
    assert (tape.row.time_ms, tape.price) == (START_MS + 60_000, 100)


def test_an_immediate_order_takes_the_book():
    exchange, account = venue((100, 100, 100, 100), half_spread_bps=10.0)
    order = buy(exchange)
    (fill,) = account.fills
    assert (order.status, fill.price, fill.is_taker) == ("filled", Decimal("100.1"), True)
    assert fill.fee == Decimal("0.045045")
    held = account.positions["BTC"]
    assert (held.size, held.entry, held.margin) == (1, Decimal("100.1"), Decimal("10.01"))
    assert exchange.account_value(account) == Decimal("10000") - fill.fee - Decimal("0.1")


def test_a_thin_book_fills_level_by_level_as_far_as_the_limit():
    exchange, account = venue((100, 100, 100, 100), level_amount=Decimal("0.4"), sz_decimals=4)
    order = place(exchange, "buy", "2", "100.01", tif="Ioc")
    levels = [(Decimal(100), Decimal("0.4")), (Decimal("100.01"), Decimal("0.4"))]
    assert [(fill.price, fill.amount) for fill in account.fills] == levels
    assert (order.status, order.filled, order.rest) == ("filled", Decimal("0.8"), Decimal("1.2"))


def test_a_resting_limit_fills_once_it_is_passed_and_a_reducing_one_once_touched():
    exchange, account = venue((100, 100, 99, 100), (100, 110, 98.9, 105))
    order = place(exchange, "buy", "1", "99")
    exchange.advance(at(0, 0.99))
    assert order.status == "open"
    exchange.advance(at(1, 0.5))
    assert (order.status, account.fills[0].price, account.fills[0].is_taker) == ("filled", 99, False)
    assert account.fills[0].fee == Decimal("0.01485")
    target = place(exchange, "sell", "1", "110", reduce_only=True)
    exchange.advance(at(1, 0.99))
    assert (target.status, account.fills[1].price) == ("filled", 110)
    assert account.cash == equity_by_reports(account)


@pytest.mark.parametrize(
    ("opens", "side", "trigger", "row"),
    [("buy", "sell", "95", (100, 100, 94, 96)), ("sell", "buy", "105", (100, 106, 100, 104))],
)
def test_a_stop_executes_at_its_level(opens, side, trigger, row):
    exchange, account = venue(row)
    place(exchange, opens, "1", "100", tif="Ioc")
    worst = "85" if side == "sell" else "116"
    stop = place(exchange, side, "1", worst, trigger=trigger, reduce_only=True)
    exchange.advance(at(0, 0.9))
    assert (stop.status, account.fills[-1].price, stop.filled) == ("filled", Decimal(trigger), 1)
    assert not account.positions
    assert account.cash == equity_by_reports(account)


def test_a_stop_behind_a_gap_executes_where_the_price_is():
    exchange, account = venue((100, 100, 100, 100), (90, 96, 89, 95))
    buy(exchange)
    place(exchange, "sell", "1", "80", trigger="95", reduce_only=True)
    exchange.advance(at(1, 0))
    assert account.fills[-1].price == 90


def test_a_stop_beyond_its_worst_price_fills_nothing():
    exchange, account = venue((100, 100, 100, 100), (80, 82, 80, 80), leverage=2)
    buy(exchange)
    stop = place(exchange, "sell", "1", "90", trigger="95", reduce_only=True)
    exchange.advance(at(1, 0))
    assert (stop.status, stop.filled, account.size("BTC")) == ("canceled", 0, 1)


def test_a_take_profit_trigger_fires_on_the_other_side():
    exchange, account = venue((100, 110, 100, 108))
    buy(exchange)
    target = place(exchange, "sell", "1", "90", trigger="106", tp=True, reduce_only=True)
    exchange.advance(at(0, 0.9))
    assert (target.status, account.fills[-1].price) == ("filled", 106)


def test_what_can_only_reduce_goes_with_the_position():
    exchange, account = venue((100, 100, 94, 96))
    buy(exchange)
    place(exchange, "sell", "1", "85", trigger="95", reduce_only=True)
    target = place(exchange, "sell", "1", "110", reduce_only=True)
    exchange.advance(at(0, 0.9))
    assert target.status == "reduceOnlyCanceled"
    kept = Rules(ends_reduce_only=False)
    exchange, account = venue((100, 100, 94, 96), rules=kept)
    buy(exchange)
    place(exchange, "sell", "1", "85", trigger="95", reduce_only=True)
    target = place(exchange, "sell", "1", "110", reduce_only=True)
    exchange.advance(at(0, 0.9))
    assert (target.status, account.size("BTC")) == ("open", 0)


def test_a_reducing_order_never_turns_a_position():
    exchange, account = venue((100, 100, 100, 100))
    buy(exchange)
    order = place(exchange, "sell", "3", "90", tif="Ioc", reduce_only=True)
    assert (order.filled, order.status, account.size("BTC")) == (1, "reduceOnlyCanceled", 0)


def test_money_that_is_given_back_for_a_part_is_whole_micro_dollars():
    exchange, account = venue((100, 100, 100, 100), leverage=7)
    buy(exchange, "3", "150")
    place(exchange, "sell", "1", "90", tif="Ioc")
    held = account.positions["BTC"]
    assert (account.cash, held.margin) == (money(account.cash), money(held.margin))
    assert exchange.account_value(account) == equity_by_reports(account)


def test_a_flip_realises_the_old_side_and_opens_the_new():
    exchange, account = venue((100, 110, 100, 110))
    buy(exchange)
    exchange.advance(at(0, 0.99))
    place(exchange, "sell", "3", "100", tif="Ioc")
    assert [fill.direction for fill in account.fills] == ["Open Long", "Long > Short"]
    assert account.fills[-1].closed_pnl == 10
    held = account.positions["BTC"]
    assert (held.size, held.entry, held.margin) == (-2, 110, 22)
    assert exchange.account_value(account) == equity_by_reports(account)


def test_a_partial_fill_leaves_the_rest_for_later_or_drops_it():
    exchange, _ = venue((100, 100, 98, 100), (100, 100, 97, 100))
    exchange.partial_shares = [Decimal("0.5"), Decimal("0.25")]
    order = buy(exchange)
    assert (order.filled, order.status) == (Decimal("0.5"), "filled")
    order = place(exchange, "buy", "1", "99")
    exchange.advance(at(0, 0.5))
    assert (order.filled, order.status) == (Decimal("0.25"), "open")
    exchange.advance(at(1, 0.99))
    assert order.status == "filled"


REFUSALS = {
    "tickRejected": (("buy", "1", "100.001"), {}),
    "minTradeNtlRejected": (("buy", "0.099", "100"), {}),
    "reduceOnlyRejected": (("sell", "1", "100"), {"reduce_only": True}),
    "badTriggerPxRejected": (("sell", "1", "90"), {"trigger": "101"}),
    "badAloPxRejected": (("buy", "1", "101"), {"tif": "Alo"}),
    "iocCancelRejected": (("buy", "1", "99"), {"tif": "Ioc"}),
    "perpMarginRejected": (("buy", "1001", "100"), {}),
    "oracleRejected": (("buy", "1", "181"), {}),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refused_order_is_remembered_as_refused(status):
    args, how = REFUSALS[status]
    exchange, account = venue((100, 100, 100, 100), sz_decimals=4)
    with pytest.raises(Rejected):
        place(exchange, *args, cloid="0x" + "1" * 32, **how)
    order = exchange.find(account, "0x" + "1" * 32)
    assert order.status == status
    assert not account.fills
    assert not exchange.orders_of(account)


@pytest.mark.parametrize("amount", ["0", "1.00001"])
def test_an_amount_off_the_step_is_refused(amount):
    exchange, _ = venue((100, 100, 100, 100), sz_decimals=4)
    with pytest.raises(Rejected, match="size"):
        place(exchange, "buy", amount, "100")


def test_the_last_of_a_position_may_be_closed_below_the_minimum():
    exchange, account = venue((100, 100, 50, 50), leverage=1)
    buy(exchange, "0.1")
    exchange.advance(at(0, 0.99))
    with pytest.raises(Rejected, match="minimum value"):
        place(exchange, "sell", "0.05", "40", tif="Ioc", reduce_only=True)
    place(exchange, "sell", "0.1", "40", tif="Ioc", reduce_only=True)
    assert not account.positions


def test_a_modify_replaces_in_one_step_and_a_refused_one_changes_nothing():
    exchange, account = venue((100, 100, 100, 100))
    buy(exchange)
    old = place(exchange, "sell", "1", "85", trigger="95", reduce_only=True)

    def stop(trigger):
        return exchange.new_order(
            ACCOUNT,
            "BTC",
            False,
            Decimal(85),
            Decimal(1),
            reduce_only=True,
            tif=None,
            trigger=Trigger(True, Decimal(trigger), False),
        )

    with pytest.raises(Rejected):
        exchange.modify(account, old.oid, stop("101"))
    assert exchange.orders_of(account) == [old]
    new = stop("97")
    exchange.modify(account, old.oid, new)
    assert (old.status, exchange.orders_of(account)) == ("canceled", [new])
    with pytest.raises(Rejected, match="Cannot modify"):
        exchange.modify(account, old.oid, stop("96"))


def test_funding_falls_due_every_hour_and_is_booked_where_it_belongs():
    row = (100, 100, 100, 100)
    hourly = bars(row, row, row, length_ms=HOUR_MS)
    exchange, account = venue(
        bars=hourly, timeframe=Timeframe.H1, funding={START_MS + HOUR_MS: 0.001}, funding_rate=-0.002
    )
    buy(exchange, "2")
    margin = account.positions["BTC"].margin
    exchange.advance(START_MS + HOUR_MS - 1)
    assert not account.funding
    exchange.advance(START_MS + 2 * HOUR_MS)
    assert [one.usdc for one in account.funding] == [Decimal("-0.2"), Decimal("0.4")]
    assert account.positions["BTC"].margin == margin + Decimal("0.2")
    assert exchange.account_value(account) == equity_by_reports(account)


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("way", ["market", "backstop"])
def test_a_liquidation_happens_at_its_level(side, way):
    row = (100, 100, 80, 85) if side == "buy" else (100, 120, 100, 115)
    exchange, account = venue(row, rules=Rules(liquidation=way), max_leverage=40)
    place(exchange, side, "1", "150" if side == "buy" else "60", tif="Ioc")
    other = place(exchange, "sell" if side == "buy" else "buy", "1", "130" if side == "buy" else "70")
    level = account.positions["BTC"].liquidation_price(Decimal("0.0125"))
    sign = 1 if side == "buy" else -1
    assert float(level) == pytest.approx((100 - sign * 10) / (1 - sign * 0.0125))
    exchange.advance(at(0, 0.99))
    fill = account.fills[-1]
    assert fill.liquidation["method"] == way
    assert fill.liquidation["liquidatedUser"] == ACCOUNT
    assert (account.positions, other.status) == ({}, "liquidatedCanceled")
    if way == "backstop":
        assert (fill.closed_pnl, fill.fee) == (-10, 0)
    else:
        assert float(fill.price) == pytest.approx(float(level), abs=1e-6)
    assert account.cash == equity_by_reports(account)


def test_behind_a_gap_a_liquidation_costs_the_margin_and_no_more():
    exchange, account = venue((100, 100, 100, 100), (50, 50, 50, 50))
    buy(exchange)
    exchange.advance(at(1, 0))
    assert (account.fills[-1].closed_pnl, account.fills[-1].fee) == (-10, 0)


def test_a_cross_account_is_liquidated_as_a_whole():
    exchange, account = venue((100, 100, 50, 60), isolated=False, leverage=40, usd=30)
    buy(exchange, "1")
    exchange.advance(at(0, 0.99))
    assert account.positions == {}
    assert account.fills[-1].liquidation is not None


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_money_is_what_the_reports_add_up_to(data):
    """Whatever is sent whenever: equity is deposits, realised PnL, fees, funding, and what is open."""
    prices = data.draw(st.lists(st.floats(60, 140), min_size=4, max_size=8))
    rows = [(a, max(a, b) + 3, min(a, b) - 3, b) for a, b in pairwise(prices)]
    exchange, account = venue(
        bars=bars(*rows, length_ms=HOUR_MS),
        timeframe=Timeframe.H1,
        leverage=data.draw(st.sampled_from([1, 5, 20])),
        isolated=data.draw(st.booleans()),
        half_spread_bps=5.0,
        rules=Rules(liquidation=data.draw(st.sampled_from(["market", "backstop"]))),
        funding_rate=0.001,
    )
    now_ms = START_MS
    for _ in range(12):
        now_ms += data.draw(st.integers(0, HOUR_MS // 2))
        exchange.advance(now_ms)
        mark = exchange.mark("BTC")
        price = (
            mark * data.draw(st.sampled_from([Decimal("0.9"), Decimal("0.99"), Decimal("1.05")]))
        ).quantize(Decimal("0.1") if mark < 1000 else Decimal(1))
        side = data.draw(st.sampled_from(["buy", "sell"]))
        how = data.draw(
            st.sampled_from([{"tif": "Ioc"}, {"tif": "Gtc"}, {"reduce_only": True}, {"trigger": str(price)}])
        )
        try:
            place(exchange, side, data.draw(st.sampled_from(["0.5", "2", "40"])), str(price), **how)
        except Rejected:
            continue
    opened = sum((held.pnl(exchange.mark("BTC")) for held in account.positions.values()), Decimal(0))
    assert exchange.account_value(account) == equity_by_reports(account) + opened
    assert sum(
        (fill.amount if fill.is_buy else -fill.amount for fill in account.fills), Decimal(0)
    ) == account.size("BTC")
    for order in exchange.orders_of(account):
        assert order.is_open
    assert all(0 <= order.rest <= order.amount for order in account.orders.values())
