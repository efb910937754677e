"""How a run is recovered whose bars the venue does not give as it once did."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from firstwatch.engine.worker.startup import RunStartup, read_stored_run
from firstwatch.store import bars, journal, runs
from firstwatch.store.database import open_store
from firstwatch.store.journal import Checkpoint
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.errors import VenueError
from firstwatch.trading.events import HoleFound
from firstwatch.trading.runs import Author
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import Capabilities
from tests.candles import START_MS, generated_candles
from tests.engine.host import rig

HOUR_MS = 3_600_000
BARS = list(generated_candles(3, 4_000).bars())
NEEDED = 1_000


class Venue:
    """Gives those of its bars that open from ``keeps_from_ms`` to ``keeps_to_ms``."""

    name = "paper"
    capabilities = Capabilities(is_paper=True, modifies_orders=True, has_phases=False)

    def __init__(self, keeps_from_ms: int, keeps_to_ms: int) -> None:
        self.keeps_from_ms = keeps_from_ms
        self.keeps_to_ms = keeps_to_ms
        self.lacks: set[int] = set()

    def now_ms(self) -> int:
        return START_MS + len(BARS) * HOUR_MS

    def candles(self, _symbol: str, _timeframe: Timeframe, *, end_ms: int, limit: int) -> list[object]:
        assert limit <= len(BARS) + 1
        last_ms = min(self.keeps_to_ms, end_ms - HOUR_MS)
        given = [
            bar
            for bar in BARS
            if self.keeps_from_ms <= bar.time_ms <= last_ms and bar.time_ms not in self.lacks
        ]
        return given[-limit:]


@pytest.mark.parametrize(
    ("handled", "kept_from", "kept_to", "lost_until", "asks"),
    [
        pytest.param(1_500, 2_000, 3_999, 2_000 + NEEDED - 1, 3, id="a history, then past bars"),
        pytest.param(1_500, 3_900, 3_999, 3_999, 3, id="less than a history"),
        pytest.param(1_500, 4_000, 3_999, 1_500, 3, id="nothing"),
        pytest.param(1_500, 1_501, 3_999, 1_501 + NEEDED - 1, 3, id="the last handled bar is gone"),
        pytest.param(1_500, 0, 1_499, 1_500, 10, id="the last handled bar is late"),
    ],
)
def test_a_run_goes_on_without_the_bars_that_are_gone(
    tmp_path: Path, handled: int, kept_from: int, kept_to: int, lost_until: int, asks: int
) -> None:
    rig.make_folder(tmp_path)
    store = open_store(tmp_path)
    with store.write() as session:
        rig.store_new_run(session)
        runs.set_first_bars(session, rig.RUN, {Timeframe.H1: START_MS})
        plan = replace(read_stored_run(session, rig.RUN), checkpoint=Checkpoint(rig.RUN, "", 1, 1))
    venue = Venue(START_MS + kept_from * HOUR_MS, START_MS + kept_to * HOUR_MS)
    beginning = RunStartup(plan, venue, author=Author.SYSTEM, why="back", max_slippage_bps=100.0)
    core = SimpleNamespace(last_bar_ms=START_MS + handled * HOUR_MS, questions=lambda **_: None)
    hands = SimpleNamespace(read_venue=lambda _core, before_ms: "the reading")
    for _ in range(asks - 1):
        with pytest.raises(VenueError, match="cannot be warmed up again"):
            beginning.first_event(core, hands, store, SimpleNamespace(epoch=1))
    event = beginning.first_event(core, hands, store, SimpleNamespace(epoch=1))
    store.close()
    assert event.lost_until_ms == START_MS + lost_until * HOUR_MS
    # The stream takes the next bar that the core will receive.
    signals = beginning._signals
    for bar in BARS[lost_until + 1 :] or [BARS[-1]._replace(time_ms=venue.now_ms())]:
        signals.push(bar)


def test_a_run_is_warmed_with_the_bars_that_it_has_counted_and_no_others(tmp_path: Path) -> None:
    rig.make_folder(tmp_path)
    store = open_store(tmp_path)
    times = [bar.time_ms for bar in BARS]
    passed_over = HoleFound(first_ms=times[1_400], last_ms=times[1_402], is_confirmed=True)
    # This one was read in the end.
    doubtful = HoleFound(first_ms=times[1_450], last_ms=times[1_450], is_confirmed=False)
    with store.write() as session:
        rig.store_new_run(session)
        runs.set_first_bars(session, rig.RUN, {Timeframe.H1: START_MS})
        found = [passed_over, doubtful]
        journal.append_events(session, rig.RUN, found, author=Author.SYSTEM, venue_time_ms=1, local_time_ms=1)
        plan = replace(read_stored_run(session, rig.RUN), checkpoint=Checkpoint(rig.RUN, "", 1, 1))
    # Of the three bars of the hole the venue has two by now.
    venue = Venue(START_MS, times[3_999])
    venue.lacks = {times[1_401]}
    beginning = RunStartup(plan, venue, author=Author.SYSTEM, why="back", max_slippage_bps=100.0)
    warmed: list[dict[Timeframe, CandleArrays]] = []
    beginning._signals = SimpleNamespace(warm=warmed.append)
    core = SimpleNamespace(last_bar_ms=times[1_500], questions=lambda **_: None)
    hands = SimpleNamespace(read_venue=lambda _core, before_ms: "the reading")
    event = beginning.first_event(core, hands, store, SimpleNamespace(epoch=1))
    store.close()
    counted = [time_ms for time_ms in times[:1_501] if time_ms not in times[1_400:1_403]]
    assert warmed[0][Timeframe.H1].time_ms.tolist() == counted
    assert event.lost_until_ms is None
    assert event.late_bars == [times[1_400], times[1_402]]


@pytest.mark.parametrize(
    ("stored", "warmed_by"),
    [
        pytest.param("all of it", "the run", id="what it saw"),
        pytest.param("a bar before the last ones is missing", "the venue", id="it was down for long"),
        pytest.param("the bars before it are missing", "the venue", id="an earlier version launched it"),
        pytest.param("a block is damaged", "the venue", id="damaged"),
    ],
)
def test_a_run_is_warmed_with_the_bars_that_it_saw_and_not_with_those_that_the_venue_has_by_now(
    tmp_path: Path, stored: str, warmed_by: str
) -> None:
    rig.make_folder(tmp_path)
    store = open_store(tmp_path)
    seen = [bar._replace(close=bar.close + 0.5, high=bar.high + 0.5) for bar in BARS]
    times = [bar.time_ms for bar in BARS]
    passed_over = HoleFound(first_ms=times[1_100], last_ms=times[1_101], is_confirmed=True)
    skipped = {1_100, 1_101} | ({1_150} if "last ones" in stored else set())
    with store.write() as session:
        rig.store_new_run(session)
        runs.set_first_bars(session, rig.RUN, {Timeframe.H1: START_MS})
        journal.append_system_events(session, rig.RUN, [passed_over], now_ms=1)
        if "before it" not in stored:
            bars.save_warm_up(session, rig.RUN, {Timeframe.H1: seen[:1_000]})
        for number in sorted(set(range(1_000, 1_201)) - skipped):
            bars.add_bar(session, rig.RUN, bars.RunBar(seen[number]), None)
        if "damaged" in stored:
            session.exec_driver_sql("update run_bar set bars = x'0102'")
        plan = replace(read_stored_run(session, rig.RUN), checkpoint=Checkpoint(rig.RUN, "", 1, 1))
    venue = Venue(START_MS, times[3_999])
    beginning = RunStartup(plan, venue, author=Author.SYSTEM, why="back", max_slippage_bps=100.0)
    warmed: list[dict[Timeframe, CandleArrays]] = []
    beginning._signals = SimpleNamespace(warm=warmed.append)
    core = SimpleNamespace(last_bar_ms=times[1_200], questions=lambda **_: None)
    hands = SimpleNamespace(read_venue=lambda _core, before_ms: "the reading")
    event = beginning.first_event(core, hands, store, SimpleNamespace(epoch=1))
    store.close()
    if warmed_by == "the run":
        counted = [bar for number, bar in enumerate(seen[:1_201]) if number not in skipped]
    else:
        counted = [bar for number, bar in enumerate(BARS[:1_201]) if number not in {1_100, 1_101}]
    assert warmed[0][Timeframe.H1].bars() == counted
    assert event.lost_until_ms is None
    # Late bars are known in either case.
    assert event.late_bars == [times[1_100], times[1_101]]


@pytest.mark.parametrize(
    ("last_bar_ms", "newest"),
    [
        pytest.param(BARS[1_500].time_ms * 1_000, 3_999, id="microseconds"),
        pytest.param(BARS[3_999].time_ms + 3 * HOUR_MS, 3_999, id="two bars ahead"),
        pytest.param(BARS[3_999].time_ms, None, id="the newest"),
        pytest.param(BARS[3_990].time_ms, None, id="a while ago"),
    ],
)
def test_a_last_bar_that_cannot_have_closed_gives_way_to_the_venues_newest(
    tmp_path: Path, last_bar_ms: int, newest: int | None
) -> None:
    rig.make_folder(tmp_path)
    store = open_store(tmp_path)
    with store.write() as session:
        rig.store_new_run(session)
        runs.set_first_bars(session, rig.RUN, {Timeframe.H1: START_MS})
        plan = replace(read_stored_run(session, rig.RUN), checkpoint=Checkpoint(rig.RUN, "", 1, 1))
    beginning = RunStartup(
        plan, Venue(START_MS, BARS[3_999].time_ms), author=Author.SYSTEM, why="back", max_slippage_bps=100.0
    )
    core = SimpleNamespace(last_bar_ms=last_bar_ms, questions=lambda **_: None)
    hands = SimpleNamespace(read_venue=lambda _core, before_ms: "the reading")
    event = beginning.first_event(core, hands, store, SimpleNamespace(epoch=1))
    store.close()
    assert event.lost_until_ms is None
    assert event.newest_bar_ms == (None if newest is None else BARS[newest].time_ms)
    # The subscription begins there, too.
    assert beginning.last_bar_ms(core) == (event.newest_bar_ms or last_bar_ms)


def test_a_venue_that_has_no_bar_to_go_on_from_is_asked_again(tmp_path: Path) -> None:
    rig.make_folder(tmp_path)
    store = open_store(tmp_path)
    with store.write() as session:
        rig.store_new_run(session)
        plan = replace(read_stored_run(session, rig.RUN), checkpoint=Checkpoint(rig.RUN, "", 1, 1))
    store.close()
    beginning = RunStartup(plan, Venue(1, 0), author=Author.SYSTEM, why="back", max_slippage_bps=100.0)
    with pytest.raises(VenueError, match="continue from"):
        beginning.last_bar_ms(SimpleNamespace(last_bar_ms=BARS[0].time_ms * 1_000))
