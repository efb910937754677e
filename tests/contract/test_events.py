"""In which order any venue tells what happens, and for whom it waits."""

import pytest

from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.venue import Step
from firstwatch.venues.protocol import BarClosed, BarOpened, FeedEnded, FillReported, MarkMoved, PhaseEnded
from tests.contract.rig import BUY, MARKET, START_MS

pytestmark = pytest.mark.phased


def test_a_bar_is_told_in_phases(rig):
    rig.send(BUY, MARKET, "1")
    seen = len(rig.ears[0].events)
    rig.play((101.0, 103.0, 99.0, 102.0))
    told = [type(event).__name__ for event in rig.ears[0].events[seen:]]
    assert told == [
        "FillReported",
        "OrderReported",
        "BarOpened",
        "PhaseEnded",
        "BarClosed",
        "MarkMoved",
        "PhaseEnded",
    ]
    opened, closed = rig.ears[0].of(BarOpened)[-1], rig.ears[0].of(BarClosed)[-1]
    assert (opened.price, opened.bar_time_ms) == (101.0, closed.bar.time_ms)
    assert (closed.mark_low, closed.mark_high, closed.bar.close) == (99.0, 103.0, 102.0)
    assert closed.time_ms == closed.bar.time_ms + 60_000 == rig.venue.now_ms()
    assert rig.ears[0].of(MarkMoved)[-1].touch.mark == 102.0


def test_the_feed_waits_for_every_subscriber(rig):
    other = rig.listen("other")
    rig.settle()
    rig.source.add(100.0, 100.0, 100.0, 100.0)
    rig.ears[0].acknowledge()
    assert rig.venue.step() is Step.WAITING
    other.acknowledge()
    assert rig.venue.step() is Step.MOVED
    assert other.of(BarOpened)


def test_an_old_token_acknowledges_nothing(rig):
    rig.acknowledge()
    rig.begin(100.0, 100.0, 100.0, 100.0)
    first, *_ = rig.ears[0].of(PhaseEnded)
    rig.ears[0].subscription.acknowledge(first.token)
    assert rig.venue.step() is Step.WAITING


def test_who_closes_is_told_nothing_more_and_waited_for_no_longer(rig):
    other = rig.listen("other")
    rig.settle()
    other.subscription.close()
    other.subscription.close()
    heard = len(other.events)
    rig.ears.remove(other)
    rig.play((100.0, 100.0, 100.0, 100.0))
    assert len(other.events) == heard
    assert len(rig.ears[0].of(BarClosed)) == 1


def test_a_feed_without_subscribers_stands_still(rig):
    rig.ears.pop().subscription.close()
    rig.source.add(100.0, 100.0, 100.0, 100.0)
    before_ms = rig.venue.now_ms()
    assert rig.venue.step() is Step.STANDING
    assert rig.venue.now_ms() == before_ms


def test_private_events_reach_only_their_account(rig):
    other = rig.listen("other")
    rig.send(BUY, MARKET, "1")
    rig.begin(101.0, 103.0, 99.0, 102.0)
    assert len(rig.ears[0].of(FillReported)) == 1
    assert other.of(FillReported) == []
    assert other.of(BarOpened)


def test_closed_bars_that_are_known_are_not_told_again(rig):
    rig.play((100.0, 100.0, 100.0, 100.0))
    last_ms = START_MS + 3 * 60_000
    knows = rig.listen("knows", after_ms=last_ms)
    lacks = rig.listen("lacks", after_ms=last_ms - 60_000)
    new = rig.listen("new")
    rig.settle()
    assert rig.closed_bars(knows) == []
    assert rig.closed_bars(lacks) == [last_ms]
    assert rig.closed_bars(new) == []
    assert all(ear.of(PhaseEnded) for ear in (knows, lacks, new))


def test_a_larger_bar_is_told_at_its_own_close(make_rig):
    rig = make_rig(history=5)
    ear = rig.listen(timeframe=Timeframe.M5)
    for minute in range(6):
        rig.play((100.0 + minute, 101.0 + minute, 99.0 + minute, 100.5 + minute))
    (closed,) = ear.of(BarClosed)
    assert closed.bar == (START_MS + 300_000, 100.0, 105.0, 99.0, 104.5, 5000.0)
    assert [event.bar_time_ms for event in ear.of(BarOpened)] == [START_MS + 300_000, START_MS + 600_000]


def test_after_the_last_bar_orders_execute_at_its_close(rig):
    rig.play((100.0, 105.0, 100.0, 104.0))
    waiting, _ = rig.send(BUY, MARKET, "2")
    rig.end()
    assert len(rig.ears[0].of(FeedEnded)) == 1
    assert rig.fills() == []
    rig.venue.cancel(rig.account, rig.symbol, waiting)
    rig.send(BUY, MARKET, "1")
    (fill,) = rig.fills()
    assert (float(fill.price), fill.time_ms) == (104.0, rig.source.bars[-1].time_ms)
    assert rig.venue.step() is Step.ENDED
    late = rig.listen("late")
    rig.settle()
    assert len(late.of(FeedEnded)) == 1


def test_what_a_subscriber_does_while_told_comes_after_what_it_is_told(make_rig):
    rig = make_rig()
    sent = []

    def react(event):
        if isinstance(event, BarOpened) and not sent:
            sent.append(rig.send(BUY, MARKET, "1"))

    ear = rig.listen(react=react)
    rig.settle()
    rig.begin(101.0, 101.0, 101.0, 101.0)
    kinds = [type(event).__name__ for event in ear.events]
    assert kinds[-4:] == ["BarOpened", "PhaseEnded", "FillReported", "OrderReported"]
