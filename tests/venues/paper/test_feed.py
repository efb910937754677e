"""How the feed stands, goes and comes back."""

import threading
from decimal import Decimal
from queue import SimpleQueue
from unittest.mock import Mock

import pytest

from firstwatch.market.feeds import ReplayFeed, SyntheticFeed
from firstwatch.market.synthetic import SyntheticMarket
from firstwatch.store.database import EpochLostError, open_store
from firstwatch.trading.clock import ManualClock, SystemClock
from firstwatch.trading.errors import StoreError, VenueError
from firstwatch.trading.market import DEFAULT_MARKET, Market
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue, Step
from firstwatch.venues.protocol import (
    BarClosed,
    FeedEnded,
    FillReported,
    PhaseEnded,
    StillUnknown,
    StreamLost,
    StreamRestored,
    Unknown,
)
from tests.candles import generated_candles
from tests.contract.rig import BUY, LIMIT, MARKET, SELL, START_MS, STOP, PaperRig

MINUTE = 60_000
SYMBOL = DEFAULT_MARKET.symbol


def replay(bars=300, timeframe=Timeframe.M1, **settings) -> PaperVenue:
    feed = ReplayFeed(generated_candles(7, bars, timeframe))
    return PaperVenue(
        "paper",
        feed,
        DEFAULT_MARKET,
        PaperSettings(**settings),
        clock=ManualClock(),
        drive="manual",
    )


# --- where a replay begins ----------------------------------------------------------------------


def test_without_a_start_the_replay_begins_when_its_history_is_long_enough():
    venue = replay(has_start=False)
    bars = venue.candles(SYMBOL, Timeframe.M1, end_ms=venue.now_ms(), limit=100)
    assert len(bars) == 100
    assert venue.now_ms() == bars[-1].time_ms + MINUTE
    fewer = venue.candles(SYMBOL, Timeframe.M1, end_ms=venue.now_ms(), limit=50)
    assert fewer == bars[-50:]
    larger = venue.candles(SYMBOL, Timeframe.M5, end_ms=venue.now_ms(), limit=40)
    assert len(larger) == 40
    assert venue.now_ms() == larger[-1].time_ms + 5 * MINUTE
    venue.subscribe("account", SYMBOL, Timeframe.M1, lambda event: None)
    stands_ms = venue.now_ms()
    assert len(venue.candles(SYMBOL, Timeframe.M1, end_ms=stands_ms, limit=250)) == 200
    assert venue.now_ms() == stands_ms


def test_a_file_that_is_too_short_says_what_it_has_and_moves_nothing():
    venue = replay(has_start=False)
    before_ms = venue.now_ms()
    assert len(venue.candles(SYMBOL, Timeframe.M1, end_ms=before_ms, limit=1000)) == 300
    assert venue.now_ms() == before_ms


def test_a_venue_goes_on_in_no_other_market_than_its_own(tmp_path):
    """Its accounts hold positions of that market, and its fills would be numbered anew."""
    store = open_store(tmp_path)

    def opened(symbol):
        return PaperVenue(
            "paper",
            ReplayFeed(generated_candles(7, 100, Timeframe.M1)),
            Market(symbol=symbol),
            PaperSettings(has_start=True),
            clock=ManualClock(),
            store=store,
            epoch=lambda: None,
            drive="manual",
        )

    first = opened("BTC/USDC:USDC")
    first.deposit("account", Decimal(1000))
    first.set_leverage("account", "BTC/USDC:USDC", Decimal(2))
    first.close()
    with pytest.raises(VenueError, match="has traded BTC/USDC:USDC, and its market is ETH/USDC:USDC now"):
        opened("ETH/USDC:USDC")
    opened("BTC/USDC:USDC").close()
    store.close()


def test_a_configured_start_is_kept():
    venue = replay(has_start=True)
    assert venue.candles(SYMBOL, Timeframe.M1, end_ms=venue.now_ms(), limit=100) == []


def test_an_invented_market_has_history_before_its_start():
    venue = PaperVenue(
        "paper",
        SyntheticFeed(SyntheticMarket(1, Timeframe.M1), START_MS),
        DEFAULT_MARKET,
        clock=ManualClock(),
        drive="manual",
    )
    bars = venue.candles(SYMBOL, Timeframe.H1, end_ms=venue.now_ms(), limit=1000)
    assert len(bars) == 1000
    assert bars[-1].time_ms + 60 * MINUTE == START_MS == venue.now_ms()


def test_bars_that_cannot_be_made_are_refused():
    venue = replay(timeframe=Timeframe.H1)
    with pytest.raises(VenueError, match="bars of 1h; bars of 5m cannot be made"):
        venue.subscribe("account", SYMBOL, Timeframe.M5, lambda event: None)


# --- coming back --------------------------------------------------------------------------------


def test_after_a_restart_the_feed_waits_for_all_that_were_subscribed(tmp_path):
    rig = PaperRig(tmp_path / "data")
    rig.listen()
    rig.listen("other")
    rig.play((100.0, 100.0, 100.0, 100.0))
    rig.restart()
    ear = rig.listen()
    stood = rig.venue.tape
    assert rig.venue.step() is Step.MOVED  # it is told where the feed stands
    assert ear.of(PhaseEnded)
    rig.acknowledge()
    rig.source.add(101.0, 101.0, 101.0, 101.0)
    assert rig.venue.step() is Step.STANDING
    assert rig.venue.tape == stood
    rig.listen("other")
    rig.settle()
    rig.acknowledge()
    assert rig.venue.step() is Step.MOVED
    assert rig.venue.tape != stood


def test_the_feed_does_not_wait_for_ever_for_one_that_does_not_come(tmp_path):
    rig = PaperRig(tmp_path / "data")
    rig.listen()
    rig.listen("other")
    rig.restart()
    rig.listen()
    rig.settle()
    rig.acknowledge()
    rig.source.add(101.0, 101.0, 101.0, 101.0)
    rig.clock.advance(29_999)
    assert rig.venue.step() is Step.STANDING
    rig.clock.advance(1)
    assert rig.venue.step() is Step.MOVED


def test_one_that_has_closed_is_not_waited_for(tmp_path):
    rig = PaperRig(tmp_path / "data")
    rig.listen()
    rig.listen("other").subscription.close()
    rig.restart()
    rig.listen()
    assert rig.venue.step() is Step.MOVED


def test_candles_that_lost_the_bar_are_refused(tmp_path):
    rig = PaperRig(tmp_path / "data")
    rig.listen()
    rig.play((100.0, 100.0, 100.0, 100.0))
    rig.source.bars = rig.source.bars[:2]
    with pytest.raises(VenueError, match="2024-01-01T00:03:00Z, which its candles no longer hold"):
        rig.restart()


def test_the_gap_is_applied_when_time_goes_on_without_an_engine(tmp_path):
    rig = PaperRig(tmp_path / "data", speed=60.0, while_down="continue")
    rig.listen()
    rig.hold()
    rig.send(SELL, STOP, "1", trigger="95", reduce_only=True)
    rig.finish()
    for close in (100.0, 94.0, 93.0, 92.0):
        rig.source.add(close, close, close, close)
    rig.clock.advance(3_999)
    rig.restart()
    assert rig.venue.now_ms() == START_MS + 7 * MINUTE
    assert rig.position().is_flat
    assert [float(fill.price) for fill in rig.fills()] == [100.0, 94.0]
    bars = rig.venue.candles(rig.symbol, Timeframe.M1, end_ms=rig.venue.now_ms(), limit=2)
    assert [bar.close for bar in bars] == [94.0, 93.0]
    rig.restart()
    assert rig.venue.now_ms() == START_MS + 7 * MINUTE


def test_time_stands_still_without_an_engine_by_default(tmp_path):
    rig = PaperRig(tmp_path / "data", speed=60.0)
    rig.listen()
    rig.play((100.0, 100.0, 100.0, 100.0))
    rig.source.add(100.0, 100.0, 100.0, 100.0)
    rig.clock.advance(3_600_000)
    rig.restart()
    assert rig.venue.now_ms() == START_MS + 4 * MINUTE - 1


def test_a_feed_that_nobody_heard_has_no_gap(tmp_path):
    rig = PaperRig(tmp_path / "data", speed=60.0, while_down="continue")
    rig.listen().subscription.close()
    rig.source.add(100.0, 100.0, 100.0, 100.0)
    rig.clock.advance(3_600_000)
    rig.restart()
    assert rig.venue.now_ms() == START_MS + 3 * MINUTE


# --- a store that fails -------------------------------------------------------------------------


def failing(rig, monkeypatch, error):
    def refuse(*_args):
        raise error

    monkeypatch.setattr(rig.venue._books, "commit", refuse)
    monkeypatch.setattr(rig.venue._books, "burn", refuse)


@pytest.mark.parametrize("error", [StoreError("The disk is full."), EpochLostError("Another engine.")])
def test_what_could_not_be_kept_is_unknown_and_did_not_happen(tmp_path, monkeypatch, error):
    rig = PaperRig(tmp_path / "data")
    rig.listen()
    rig.settle()
    prepared = rig.venue.prepare(rig.intent(BUY, LIMIT, "1", price="99"))
    with monkeypatch.context() as patched:
        failing(rig, patched, error)
        assert rig.venue.send(prepared) == Unknown(str(error))
        assert rig.venue.resolve(prepared) == StillUnknown(str(error))
        assert rig.venue.open_orders(rig.account, rig.symbol) == []
    assert rig.venue.send(prepared).venue_order_id


def test_a_phase_that_could_not_be_kept_is_released_again(tmp_path, monkeypatch):
    rig = PaperRig(tmp_path / "data")
    rig.listen()
    rig.settle()
    rig.send(BUY, MARKET, "1")
    rig.source.add(101.0, 101.0, 101.0, 101.0)
    rig.acknowledge()
    with monkeypatch.context() as patched:
        failing(rig, patched, StoreError("The disk is full."))
        with pytest.raises(StoreError):
            rig.venue.step()
    assert rig.ears[0].of(FillReported) == []
    rig.venue.step()
    assert len(rig.ears[0].of(FillReported)) == len(rig.fills()) == 1


# --- the feed's own thread ----------------------------------------------------------------------


class Listener:
    """A subscriber that acknowledges from a thread of its own, as a run's worker does."""

    def __init__(self, venue, account="account", timeframe=Timeframe.M1):
        self.inbox = SimpleQueue()
        self.events = []
        self.ended = threading.Event()
        self.subscription = venue.subscribe(account, SYMBOL, timeframe, self.inbox.put)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.is_set():
            event = self.inbox.get()
            self.events.append(event)
            if isinstance(event, PhaseEnded):
                self.subscription.acknowledge(event.token)
            if isinstance(event, FeedEnded):
                self.ended.set()


def threaded(store=None, bars=200, clock=None, **settings):
    candles = generated_candles(7, bars, Timeframe.M1)
    return PaperVenue(
        "paper",
        ReplayFeed(candles, start_ms=int(candles.time_ms[50])),
        DEFAULT_MARKET,
        PaperSettings(**settings),
        clock=clock or SystemClock(),
        store=store,
    )


def test_a_thread_drives_the_feed_to_its_end_for_all_subscribers():
    before = set(threading.enumerate())
    venue = threaded()
    listeners = [Listener(venue, f"account {number}") for number in range(3)]
    for listener in listeners:
        assert listener.ended.wait(30)
    for listener in listeners:
        times = [event.bar.time_ms for event in listener.events if isinstance(event, BarClosed)]
        assert times == sorted(set(times))
        assert times[-1] == venue.tape.bar_ms
    assert len([event for event in listeners[0].events if isinstance(event, BarClosed)]) == 150
    venue.close()
    venue.close()
    assert set(threading.enumerate()) <= before


def test_at_a_speed_phases_wait_for_the_wall():
    venue = threaded(bars=53, speed=600.0)
    clock = SystemClock()
    listener = Listener(venue)
    began_s = clock.elapsed_s()
    assert listener.ended.wait(30)
    # Three bars of a minute each at 600 market seconds a second.
    assert clock.elapsed_s() - began_s >= 0.28
    venue.close()


def test_a_closed_venue_lets_nobody_in():
    venue = threaded()
    venue.close()
    with pytest.raises(VenueError, match="is closed"):
        Listener(venue)


@pytest.mark.parametrize("error", [StoreError("The disk is full."), EpochLostError("Another engine.")])
def test_a_feed_does_not_wait_for_a_listener_that_could_not_be_kept(tmp_path, monkeypatch, error):
    store = open_store(tmp_path / "data")
    venue = threaded(store, bars=60)
    with monkeypatch.context() as patched:
        patched.setattr(venue._books, "commit", Mock(side_effect=error))
        with pytest.raises(type(error)):
            venue.subscribe("account", SYMBOL, Timeframe.M1, lambda event: None)
    listener = Listener(venue)
    assert listener.ended.wait(30)
    venue.close()
    store.close()


def test_a_thread_says_that_the_store_failed_and_goes_on_when_it_works_again(tmp_path, monkeypatch):
    monkeypatch.setattr("firstwatch.venues.paper.venue._RETRY_S", 0.01)
    store = open_store(tmp_path / "data")
    venue = threaded(store, bars=60)
    commit = venue._books.commit
    calls = []

    def sometimes(*what):
        calls.append(what)
        if len(calls) in (4, 5):
            raise StoreError("The disk is full.")
        commit(*what)

    monkeypatch.setattr(venue._books, "commit", sometimes)
    listener = Listener(venue)
    assert listener.ended.wait(30)
    stream = [event for event in listener.events if isinstance(event, StreamLost | StreamRestored)]
    assert [type(event) for event in stream] == [StreamLost, StreamRestored]
    closed = [event.bar.time_ms for event in listener.events if isinstance(event, BarClosed)]
    assert len(closed) == len(set(closed)) == 10
    venue.close()
    store.close()


def test_a_broken_feed_says_so():
    venue = threaded(bars=60)

    def broken(*_args):
        raise RuntimeError("no such bar")

    venue._source.funding_between = broken
    listener = Listener(venue)
    while not any(isinstance(event, StreamLost) for event in listener.events):
        assert not listener.ended.wait(0.01)
    assert listener.events[-1].reason == "the feed broke: no such bar"
    listener.ended.set()
    venue.close()


def test_orders_from_many_threads_keep_the_money_whole():
    venue = threaded(bars=150)
    rigs = [PaperRig(market=DEFAULT_MARKET) for _ in range(4)]
    threads = []
    for number, rig in enumerate(rigs):
        rig.venue, rig.account = venue, f"account {number}"
        venue.deposit(rig.account, Decimal(1_000_000))

        def trade(rig=rig, first=number * 1000):
            for turn in range(25):
                key = first + 2 * turn
                rig.send(BUY, MARKET, "0.01", number=key)
                rig.send(SELL, MARKET, "0.01", number=key + 1)

        threads.append(threading.Thread(target=trade))
    listeners = [Listener(venue, rig.account) for rig in rigs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for listener in listeners:
        assert listener.ended.wait(30)
    for rig in rigs:
        fills = venue.fills_since(rig.account, SYMBOL, 0)
        signed = sum(fill.side.sign * fill.amount for fill in fills)
        held = venue.position(rig.account, SYMBOL)
        assert signed == (0 if held.is_flat else held.side.sign * held.amount)
        ids = {fill.fill_id for fill in fills}
        assert len(ids) == len(fills)
    venue.close()
