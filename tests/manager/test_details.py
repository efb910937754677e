"""The rows of the selected run are read once, and again when they change."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.manager.details import SHOWN_ORDERS, _renew_fills, _renew_orders, _renew_trades, read_fills
from firstwatch.manager.renewed import Renewed
from firstwatch.manager.row_views import fill_view, order_view
from firstwatch.store import fills, orders, trades
from firstwatch.store.database import open_store
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.orders import OrderPurpose, OrderState
from tests.store.made import NOW_MS, made_fill, made_order, made_run, made_trade


@pytest.fixture
def session(tmp_path):
    store = open_store(tmp_path)
    with store.write() as session:
        yield session
    store.close()


def changed(order, chance):
    """Return the order after it has moved or was filled, at times that go back now and then."""
    at_ms = NOW_MS + chance.randrange(5)
    state = chance.choice([OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.FILLED])
    filled = chance.choice([order.filled, order.filled + Decimal("0.001")])
    moves = (*order.history, replace(order.history[0], time_ms=at_ms, state=state))
    return replace(order, state=state, filled=filled, updated_at_ms=at_ms, history=moves)


@pytest.mark.parametrize("seed", range(10))
def test_orders_that_change_in_any_order_are_read_again(session, seed):
    run, other = made_run(session, 1).id, made_run(session, 2).id
    chance, known = random.Random(seed), Renewed()
    kept = {}
    for _ in range(60):
        number = chance.randrange(1, 8)
        kept[number] = changed(kept[number], chance) if number in kept else made_order(run, number)
        orders.upsert_order(session, kept[number])
        orders.upsert_order(session, made_order(other, number))
        if chance.random() < 0.5:
            _renew_orders(session, run, known)
            assert known.views == tuple(order_view(order) for order in orders.orders_of(session, run))


def test_the_oldest_orders_of_a_long_run_are_left_out(session):
    run, known = made_run(session).id, Renewed()
    for number in range(1, SHOWN_ORDERS + 5):
        orders.upsert_order(session, replace(made_order(run, number), state=OrderState.FILLED))
    _renew_orders(session, run, known)
    stored = orders.orders_of(session, run)
    assert known.views == tuple(order_view(order) for order in stored[-SHOWN_ORDERS:])
    assert orders.count_of(session, run) == len(stored) > SHOWN_ORDERS


def test_newest_orders_come_with_all_of_the_position_of_the_first_and_all_open_ones(session):
    """Whole positions, so that the moves of a stop are counted right."""
    chance = random.Random(3)
    for case in range(1, 101):
        run, newest, made = made_run(session, case).id, chance.randint(1, 12), []
        for number in range(1, chance.randint(1, 13)):
            state = chance.choice([OrderState.FILLED, OrderState.CANCELED, OrderState.UNKNOWN])
            order = replace(made_order(run, number), state=state)
            purpose = chance.choice([OrderPurpose.ENTRY, OrderPurpose.STOP, OrderPurpose.STOP])
            made.append(replace(order, intent=replace(order.intent, purpose=purpose)))
            orders.upsert_order(session, made[-1])
        first = max(0, len(made) - newest)
        while first > 0 and made[first].intent.purpose is not OrderPurpose.ENTRY:
            first -= 1
        expected = [
            order.client_order_id
            for place, order in enumerate(made)
            if place >= first or order.state is OrderState.UNKNOWN
        ]
        assert list(orders.newest_marks_of(session, run, newest)) == expected


@pytest.mark.parametrize("read", [orders.some_orders, orders.purposes_of])
def test_a_damaged_order_is_named(session, read):
    order = made_order(made_run(session).id)
    orders.upsert_order(session, order)
    session.exec_driver_sql("UPDATE run_order SET purpose = 'sideways'")
    with pytest.raises(DamagedRowError, match=f"order {order.client_order_id} cannot be read"):
        read(session, [order.client_order_id])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("since_ms", [0, NOW_MS + 7])
def test_a_fill_that_comes_late_takes_its_place(session, seed, since_ms):
    run = made_run(session).id
    chance, known = random.Random(seed), Renewed()
    for number in range(30):
        order = made_order(run, number)
        if chance.random() < 0.5:
            orders.upsert_order(session, order)
        fill = made_fill(str(number), order_id=order.client_order_id, time_ms=NOW_MS + chance.randrange(20))
        fills.add_fill(session, fills.StoredFill("paper", run, fill, NOW_MS + number))
        if chance.random() < 0.5:
            _renew_fills(session, run, known, since_ms)
            sent = {each.client_order_id: each.intent.purpose for each in orders.orders_of(session, run)}
            assert known.views == tuple(
                fill_view(each, sent.get(each.fill.client_order_id))
                for each in fills.fills_of(session, run)
                if each.fill.time_ms >= since_ms
            )
            assert read_fills(session, run, range(NOW_MS + 7, NOW_MS + 13)) == tuple(
                fill_view(each, sent.get(each.fill.client_order_id))
                for each in fills.fills_of(session, run)
                if NOW_MS + 7 <= each.fill.time_ms < NOW_MS + 13
            )


def test_a_trade_that_is_amended_is_read_again(session):
    run, known = made_run(session).id, Renewed()
    for number in range(5):
        trades.add_trade(session, run, made_trade(number))
        _renew_trades(session, run, known)
        late = made_trade(number // 2).with_funding(Decimal("0.25"))
        trades.amend_trade(session, run, late, closed_since=number - number // 2)
        _renew_trades(session, run, known)
        assert known.views == tuple(trades.trades_of(session, run))
        assert known.views[number // 2].funding == late.funding


def test_what_has_not_changed_is_not_read():
    known, asked = Renewed(), []

    def read(keys):
        asked.append(keys)
        return {key: object() for key in keys}

    first = known.renew({"a": 1, "b": 1}, read)
    assert known.renew({"a": 1, "b": 1}, read) is first
    second = known.renew({"a": 1, "b": 2, "c": 1}, read)
    assert asked == [["a", "b"], ["b", "c"]]
    assert second[0] is first[0]
    assert known.renew({"c": 1}, read) == second[2:]
    assert len(asked) == 2
