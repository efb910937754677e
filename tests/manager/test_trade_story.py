"""The story of one trade: only what belongs to it."""

import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.store import bars, journal, trades
from firstwatch.trading import events
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, ExitReason
from tests.ui import scenes

HOUR_MS = 3_600_000


def decide(session, at_ms, event):
    journal.append_events(
        session, scenes.LIVE, [event], author=Author.SYSTEM, venue_time_ms=at_ms, local_time_ms=at_ms + 250
    )


def tell(home):
    """Journal the decisions of the live run's three trades."""
    with scenes.written(home) as session:
        for trade in trades.trades_of(session, scenes.LIVE):
            decide(
                session,
                trade.entry_time_ms,
                events.EntryDecided(
                    bar_time_ms=trade.entry_time_ms - HOUR_MS, side=Side.LONG, amount=trade.amount,
                    expected_price=float(trade.entry_price),
                ),
            )  # fmt: skip
            if trade.reason is ExitReason.SIGNAL:
                decide(
                    session,
                    trade.exit_time_ms,
                    events.ExitDecided(
                        bar_time_ms=trade.exit_time_ms - HOUR_MS, reason=trade.reason,
                        expected_price=float(trade.exit_price),
                    ),
                )  # fmt: skip
            decide(
                session,
                trade.exit_time_ms + 900,
                events.TradeClosed(
                    side=trade.side, amount=trade.amount, entry_price=trade.entry_price,
                    exit_price=trade.exit_price, pnl=trade.pnl, reason=trade.reason,
                ),
            )  # fmt: skip


@pytest.fixture
def manager(tmp_path):
    home = tmp_path / "home"
    scenes.busy_day(home)
    tell(home)
    manager = RunManager(scenes.settings_of(home), clock=ManualClock(scenes.NOW_MS), hosts_engine=False)
    manager.open()
    manager.select(scenes.LIVE)
    yield manager
    manager.close()


def test_a_story_has_the_orders_fills_and_entries_of_its_trade_only(manager):
    story = manager.trade_story(scenes.LIVE, 2)
    assert story.trade.reason is ExitReason.TRAILING_STOP
    assert [fill.price for fill in story.fills] == [story.trade.entry_price, story.trade.exit_price]
    assert [order.purpose.value for order in story.orders] == ["entry", "exit"]
    assert {order.client_order_id for order in story.orders} == {fill.client_order_id for fill in story.fills}
    assert [event.kind for event in story.events] == ["entry_decided", "trade_closed"]
    first = manager.trade_story(scenes.LIVE, 1)
    assert [event.kind for event in first.events] == ["entry_decided", "exit_decided", "trade_closed"]


def test_the_best_and_the_worst_bar_are_those_of_its_time(manager, tmp_path):
    trade = manager.snapshot().selected.trades[2]
    with scenes.written(tmp_path / "home") as session:
        for hour in range(-2, 9):
            high, low = (200.0, 10.0) if hour in (-2, 8) else (110.0 + (hour == 3), 90.0 - (hour == 1))
            at_ms = trade.entry_time_ms + hour * HOUR_MS
            bars.add_bar(session, scenes.LIVE, bars.RunBar(Bar(at_ms, 100.0, high, low, 100.0, 1.0)), None)
    story = manager.trade_story(scenes.LIVE, 3)
    assert (story.best_ms, story.worst_ms) == (
        trade.entry_time_ms + 3 * HOUR_MS,
        trade.entry_time_ms + HOUR_MS,
    )


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_there_is_no_story_of_a_trade_that_there_is_not(manager, number):
    assert manager.trade_story(scenes.LIVE, number) is None
