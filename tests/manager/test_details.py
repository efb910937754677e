"""The rows of the selected run are read once, and again when they change."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.manager.details import _ONE_BY_ONE, _renew_fills, _renew_orders, _renew_trades
from firstwatch.manager.renewed import Renewed
from firstwatch.manager.row_views import fill_view, order_view
from firstwatch.store import fills, orders, trades
from firstwatch.store.database import open_store
from firstwatch.trading.orders import OrderState
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


def test_many_orders_are_read_at_once(session):
    run, known = made_run(session).id, Renewed()
    for number in range(1, _ONE_BY_ONE + 5):
        orders.upsert_order(session, made_order(run, number))
    _renew_orders(session, run, known)
    assert known.views == tuple(order_view(order) for order in orders.orders_of(session, run))


@pytest.mark.parametrize("seed", range(10))
def test_a_fill_that_comes_late_takes_its_place(session, seed):
    run = made_run(session).id
    chance, known = random.Random(seed), Renewed()
    for number in range(30):
        fill = made_fill(str(number), time_ms=NOW_MS + chance.randrange(20))
        fills.add_fill(session, fills.StoredFill("paper", run, fill, NOW_MS + number))
        if chance.random() < 0.5:
            _renew_fills(session, run, known)
            assert known.views == tuple(fill_view(each) for each in fills.fills_of(session, run))


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
