"""Bars are read again an hour later: what differs is found once, whatever dies or does not answer."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from firstwatch.engine.lease import Lease
from firstwatch.engine.reconciliation import bars as rereading
from firstwatch.engine.reconciliation.bars import AFTER_MS, BarRereader, revised
from firstwatch.settings import Settings
from firstwatch.store import bars, hosts, journal, runs, watch
from firstwatch.store.bars import RunBar
from firstwatch.store.database import open_store
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.errors import VenueError
from firstwatch.trading.events import BarRevised, LateBar
from firstwatch.trading.runs import Author, RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.verdicts import MismatchCause
from firstwatch.venues.paper.bars import FeedBars
from firstwatch.venues.protocol import Capabilities
from firstwatch.watch.process import Watcher
from tests.candles import START_MS, generated_candles
from tests.engine.host import rig
from tests.simulation.lives import RUN_ID, Died
from tests.simulation.test_lives import TOML
from tests.watch.live import Live, RevisedFeed, followed, lived

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
BARS = [
    bar._replace(time_ms=START_MS + n * MINUTE_MS) for n, bar in enumerate(generated_candles(3, 600).bars())
]
_AT_ONCE = 5
MINUTES_TOML = rig.ACTIVE_TOML.replace('timeframe = "1h"', 'timeframe = "1m"')
VOLUME_TOML = MINUTES_TOML.replace("rsi(5) < 40", "volume > 1")


class Venue:
    """Gives ``BARS`` as they were revised, or does not answer."""

    name = "paper"
    capabilities = Capabilities(is_paper=True, modifies_orders=True, has_phases=False, most_candles=400)

    def __init__(self) -> None:
        self.bars = {bar.time_ms: bar for bar in BARS}
        self.minute = 0
        self.asked: list[tuple[int, int]] = []
        self.fails = False

    def now_ms(self) -> int:
        return START_MS + self.minute * MINUTE_MS

    def candles_anew(self, symbol: str, timeframe: Timeframe, *, first_ms: int, end_ms: int) -> list[Bar]:
        assert (symbol, timeframe) == (rig.SYMBOL, Timeframe.M1)
        assert end_ms <= self.now_ms() - AFTER_MS
        self.asked.append((first_ms, end_ms))
        if self.fails:
            raise VenueError("no answer")
        return [bar for bar in self.bars.values() if first_ms <= bar.time_ms < end_ms]

    def revise(self, number: int, **changed: float) -> Bar:
        bar = self.bars[BARS[number].time_ms]
        self.bars[bar.time_ms] = bar._replace(**changed)
        return self.bars[bar.time_ms]


class Rig:
    """A store with one run or two on minutes, whose bars a test adds, and who reads them again."""

    def __init__(
        self, folder: Path, toml: str = MINUTES_TOML, wallet_names: Sequence[str] = ("one",)
    ) -> None:
        rig.make_folder(folder, toml=toml, wallet_names=tuple(wallet_names))
        self.store = open_store(folder)
        self.clock = ManualClock()
        with self.store.write() as session:
            epoch = hosts.claim_host(session, pid=1, host_name="h", version="0", now_ms=1)
            rig.store_new_run(session)
            runs.transition(session, rig.RUN, RunState.RUNNING, "t", author=Author.SYSTEM, local_time_ms=1)
        self.lease = Lease(epoch, self.clock)
        self.venue = Venue()
        self.reader = self.begin()
        self._last: dict[str, bars.Block] = {}

    def begin(self) -> BarRereader:
        """Return the rereader of a new process."""
        self.reader = BarRereader(
            self.store, SimpleNamespace(get=lambda _name: self.venue), self.clock, lambda: self.lease
        )
        return self.reader

    def play(self, first: int, end: int, run_id: str = rig.RUN, *, looks: bool = True) -> None:
        """Let a run handle the bars from ``first`` on, one a minute, with a look every five."""
        for begin in range(first, end, _AT_ONCE):
            numbers = range(begin, min(begin + _AT_ONCE, end))
            with self.store.write() as session:
                for number in numbers:
                    last = self._last.get(run_id)
                    self._last[run_id] = bars.add_bar(session, run_id, RunBar(BARS[number]), last)
            self.venue.minute = numbers[-1] + 1
            self.clock.advance(len(numbers) * MINUTE_MS)
            if looks:
                self.reader.look()

    def found(self, run_id: str = rig.RUN) -> list[BarRevised]:
        with self.store.read() as session:
            entries = journal.events_of_kinds(session, run_id, {"bar_revised"})
        return [entry.event for entry in entries]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**options: object) -> Rig:
        rigs.append(Rig(tmp_path, **options))
        return rigs[-1]

    yield make
    for each in rigs:
        each.store.close()


def assert_read_once(asked: Sequence[tuple[int, int]], first_ms: int, until_ms: int) -> None:
    """Assert that the bars up to a time were asked for, each once, by one request an hour."""
    assert [each for each, _ in asked] == [first_ms, *(end_ms for _, end_ms in asked[:-1])]
    assert asked[-1][1] == until_ms
    assert len(asked) <= (until_ms - first_ms) // HOUR_MS + 1


def test_a_bar_that_was_revised_is_found_once_with_both_values(made) -> None:
    desk = made()
    desk.play(0, 90)
    changed = desk.venue.revise(70, close=BARS[70].close + 1.5, high=BARS[70].high + 1.5)
    desk.play(90, 400)
    assert desk.found() == [BarRevised(bar_time_ms=BARS[70].time_ms, seen=BARS[70][1:], read=changed[1:])]
    assert_read_once(desk.venue.asked, START_MS, START_MS + 5 * HOUR_MS)


def test_what_is_as_it_was_seen_leaves_no_trace(made) -> None:
    desk = made()
    with desk.store.read() as session:
        before = journal.last_sequence(session, rig.RUN)
    desk.play(0, 300)
    assert len(desk.venue.asked) == 4
    with desk.store.read() as session:
        assert journal.last_sequence(session, rig.RUN) == before


@pytest.mark.parametrize(("toml", "count"), [(MINUTES_TOML, 0), (VOLUME_TOML, 1)])
def test_the_volume_counts_where_the_algorithm_reads_it(made, toml: str, count: int) -> None:
    desk = made(toml=toml)
    desk.venue.revise(70, volume=123.0)
    desk.play(0, 300)
    assert len(desk.found()) == count


def test_bars_that_one_of_both_lacks_are_found_and_what_came_late_is_known(made) -> None:
    desk = made()
    desk.play(0, 30)
    with desk.store.write() as session:
        late = [LateBar(bar_time_ms=BARS[31].time_ms)]
        journal.append_system_events(session, rig.RUN, late, now_ms=1)
    desk.play(32, 50)
    # The run has not seen 30 and 31; the venue no longer has 40.
    del desk.venue.bars[BARS[40].time_ms]
    desk.play(50, 300)
    assert [(event.bar_time_ms, event.seen, event.read) for event in desk.found()] == [
        (BARS[30].time_ms, None, BARS[30][1:]),
        (BARS[40].time_ms, BARS[40][1:], None),
    ]


def test_a_restart_reads_no_bar_twice_and_leaves_none_out(made) -> None:
    desk = made()
    for first in range(0, 400, 37):
        desk.begin()
        desk.play(first, min(first + 37, 400))
    assert_read_once(desk.venue.asked, START_MS, START_MS + 5 * HOUR_MS)


@pytest.mark.parametrize("dies_in", ["append_system_events", "save_reread"])
def test_a_process_that_dies_between_answer_and_commit_finds_it_once(
    made, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    desk = made()
    desk.venue.revise(10, close=BARS[10].close - 1, low=BARS[10].low - 1)
    module = rereading.journal if dies_in == "append_system_events" else rereading.bars

    def dies(*_: object, **__: object) -> None:
        raise Died(dies_in)

    with monkeypatch.context() as patch:
        patch.setattr(module, dies_in, dies)
        with pytest.raises(Died):
            desk.play(0, 200)
    assert desk.found() == []
    desk.begin()
    desk.play(desk.venue.minute, 400)
    assert [event.bar_time_ms for event in desk.found()] == [BARS[10].time_ms]


def test_a_venue_that_does_not_answer_is_asked_again_and_nothing_is_missed(made) -> None:
    desk = made()
    desk.venue.revise(70, close=BARS[70].close + 1, high=BARS[70].high + 1)
    desk.venue.fails = True
    desk.play(0, 300)
    assert len(desk.venue.asked) > 10
    assert desk.found() == []
    desk.venue.fails = False
    desk.play(300, 400)
    assert [event.bar_time_ms for event in desk.found()] == [BARS[70].time_ms]


def test_bars_out_of_the_venue_s_reach_are_passed_over(made) -> None:
    desk = made()
    desk.play(0, 450, looks=False)
    desk.reader.look()
    # Of the newest 400 bars the one that forms is one.
    assert desk.venue.asked == [(BARS[51].time_ms, START_MS + 6 * HOUR_MS)]
    assert desk.found() == []


def test_runs_of_one_market_share_the_answer(made) -> None:
    desk = made(wallet_names=("one", "two"))
    other = "cd" * 8
    with desk.store.write() as session:
        first = runs.get_run(session, rig.RUN)
        two = rig.wallets.get_wallet(session, "two")
        runs.create_run(
            session, other, wallet_id=two.id, version_id=first.version_id, settings=rig.launch("two"),
            market=first.market, author=Author.OPERATOR, now_ms=1,
        )  # fmt: skip
    for number in range(0, 300, 5):
        desk.play(number, number + 5, looks=False)
        if number >= 20:
            desk.play(number, number + 5, other, looks=False)
        desk.reader.look()
    assert_read_once(desk.venue.asked, START_MS, START_MS + 4 * HOUR_MS)
    assert desk.found() == desk.found(other) == []


def test_a_run_that_is_over_is_left_alone(made) -> None:
    desk = made()
    desk.venue.revise(10, volume=1.0, close=BARS[10].close - 1, low=BARS[10].low - 1)
    desk.play(0, 100)
    with desk.store.write() as session:
        runs.transition(session, rig.RUN, RunState.DONE, "t", author=Author.SYSTEM, local_time_ms=1)
    desk.venue.minute = 500
    desk.reader.look()
    assert desk.venue.asked == []


def test_what_is_not_sound_is_no_bar() -> None:
    bar = BARS[0]
    assert revised([], [bar._replace(high=0.0)], with_volume=False) == []
    assert [event.read for event in revised([bar], [bar._replace(low=-1.0)], with_volume=False)] == [None]


# --- a run of the paper venue -------------------------------------------------------------------------


def _look(live: Live, _core: object) -> None:
    venues = SimpleNamespace(get=lambda _name: live.venue)
    BarRereader(live._store, venues, live._clock, lambda: live._lease).look()


@pytest.mark.parametrize("revises", [True, False])
def test_the_watch_lists_a_revised_bar_as_data(tmp_path: Path, revises: bool) -> None:
    candles = generated_candles(4, 160)
    bar = candles.bar(90)
    changed = bar._replace(close=bar.close * 1.001, high=max(bar.high, bar.close * 1.001))

    def prepare(live: Live) -> None:
        if revises:
            live.venue._bars = FeedBars(RevisedFeed(candles, 60, {bar.time_ms: changed}))

    script = {closes: [_look] for closes in range(1, 100)}
    spec = AlgorithmSpec.from_toml(TOML.format(kind="market"))
    store = lived(tmp_path, spec, candles, first=60, script=script, prepare=prepare)
    _, found = followed(store)
    with store.read() as session:
        assert bars.reread_until(session, RUN_ID) >= int(candles.time_ms[155])
    told = [(each.cause, each.time, each.live, each.shadow) for each in found]
    seen, read = BarRevised(bar_time_ms=bar.time_ms, seen=bar[1:], read=changed[1:]).texts
    assert told == ([(MismatchCause.DATA, bar.time_ms + HOUR_MS, seen, read)] if revises else [])
    assert seen != read
    store.close()


def test_what_is_found_of_the_last_bar_of_a_day_is_said_on_the_next(tmp_path: Path) -> None:
    candles = generated_candles(4, 160)
    # The watch begins with the launch, at the open of bar 60; its first day ends with bar 83.
    bar = candles.bar(83)
    changed = bar._replace(close=bar.close * 1.001, high=max(bar.high, bar.close * 1.001))

    def prepare(live: Live) -> None:
        live.venue._bars = FeedBars(RevisedFeed(candles, 60, {bar.time_ms: changed}))

    script = {closes: [_look] for closes in range(1, 100)}
    spec = AlgorithmSpec.from_toml(TOML.format(kind="market"))
    store = lived(tmp_path, spec, candles, first=60, script=script, prepare=prepare)
    watcher = Watcher(store, Settings(home=tmp_path), ManualClock())
    # One day at each turn.
    while watcher.turn():
        pass
    with store.read() as session:
        found = {report.day: report.mismatches for report in watch.reports_of(session, RUN_ID)}
    store.close()
    assert [day for day, mismatches in found.items() if mismatches] == [2]
    assert [(each.cause, each.time) for each in found[2]] == [(MismatchCause.DATA, bar.time_ms + HOUR_MS)]
