"""What a record says of a difference becomes its cause: one record of a true run, changed in one place."""

from dataclasses import replace

import pytest

from firstwatch.store.database import Store
from firstwatch.store.journal import JournalEntry
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.bar import Decided
from firstwatch.trading.events import (
    BarRevised,
    DecisionDropped,
    DropCause,
    EntriesPaused,
    EntryDecided,
    FillBooked,
    HoleFound,
    LateBar,
    ProtectionMoved,
    TradeClosed,
)
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.runs import Author, ExitReason
from firstwatch.trading.verdicts import MismatchCause, Verdict
from firstwatch.trading.watch import Mismatch
from firstwatch.watch.follow import RunFollower, read_record, read_watched
from firstwatch.watch.parity import verdict_of
from firstwatch.watch.record import LiveRecord, WatchedRun
from tests.candles import generated_candles
from tests.simulation.lives import RUN_ID
from tests.watch.live import ASSUMED, lived

HOUR_MS = 3_600_000
FIRST = 60
TOML = """
name = "Held"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["rsi(5) < 45"]
[exit.long]
required = ["rsi(5) > 70"]
[stop_loss]
fraction = 0.01
[take_profit]
fraction = 0.02
[sizing]
equity = 0.5
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Store:
    spec = AlgorithmSpec.from_toml(TOML)
    return lived(tmp_path_factory.mktemp("held"), spec, generated_candles(4, 420), first=FIRST)


@pytest.fixture(scope="module")
def watched(stored: Store) -> WatchedRun:
    """The run as if its venue triggered stops by a mark of its own."""
    with stored.read() as session:
        return replace(read_watched(session, RUN_ID, ASSUMED), has_mark=True)


@pytest.fixture(scope="module")
def record(stored: Store) -> LiveRecord:
    """All of it; the mark's range in each bar is the bar's."""
    with stored.read() as session:
        whole = read_record(session, RUN_ID, after_ms=0, after_sequence=0, after_trade=0)
    bars = [each._replace(mark_high=each.bar.high, mark_low=each.bar.low) for each in whole.bars]
    return replace(whole, bars=bars)


def up_to(record: LiveRecord, count: int) -> LiveRecord:
    """Return what was there when the ``count``-th bar was."""
    last = record.bars[count].sequence
    events = [entry for entry in record.events if entry.sequence <= last]
    return replace(record, bars=record.bars[:count], events=events, has_ended=False)


def found_in(watched: WatchedRun, record: LiveRecord) -> list[Mismatch]:
    return list(RunFollower(watched).advance(record).mismatches)


def bar_of(record: LiveRecord, entry: JournalEntry) -> int:
    """Return the number of the bar in which an entry was written."""
    return next(number for number, each in enumerate(record.bars) if each.sequence >= entry.sequence)


def with_bar(record: LiveRecord, number: int, **changed: float | None) -> LiveRecord:
    """Return the record with another bar; ``mark_low`` and ``mark_high`` are the mark's range."""
    bars = list(record.bars)
    marks = {name: changed.pop(name) for name in ("mark_low", "mark_high") if name in changed}
    bars[number] = bars[number]._replace(bar=bars[number].bar._replace(**changed), **marks)
    return replace(record, bars=bars)


def with_event(record: LiveRecord, number: int, **changed: object) -> LiveRecord:
    events = list(record.events)
    events[number] = replace(events[number], **changed)
    return replace(record, events=events)


def test_the_record_itself_has_none(watched: WatchedRun, record: LiveRecord) -> None:
    assert found_in(watched, record) == []
    reasons = {entry.event.reason for entry in record.events if isinstance(entry.event, TradeClosed)}
    assert {ExitReason.STOP_LOSS, ExitReason.TAKE_PROFIT, ExitReason.SIGNAL} <= reasons


# --- exits inside a bar -------------------------------------------------------------------------------


def stopped_with_room(record: LiveRecord) -> tuple[int, float]:
    """Return a bar that closes and opens above a long's stop, and where the trade was stopped in it."""
    for entry in record.events:
        if isinstance(entry.event, TradeClosed) and entry.event.reason is ExitReason.STOP_LOSS:
            number = bar_of(record, entry)
            bar, price = record.bars[number].bar, float(entry.event.exit_price)
            if min(bar.open, bar.close) > price * 1.0005:
                return number, price
    raise AssertionError("no such bar")


@pytest.mark.parametrize(
    ("marks", "cause"),
    [
        ("both", MismatchCause.MARK_PRICE),
        ("neither", MismatchCause.UNEXPLAINED),
        ("not recorded", MismatchCause.DATA),
    ],
)
def test_a_stop_that_the_candle_does_not_explain(
    watched: WatchedRun, record: LiveRecord, marks: str, cause: MismatchCause
) -> None:
    number, price = stopped_with_room(record)
    bar = record.bars[number].bar
    low = min(bar.open, bar.close)
    mark = {"both": bar.low, "neither": price * 1.0005, "not recorded": None}[marks]
    changed = with_bar(record, number, low=low, mark_low=mark)
    found = found_in(watched, up_to(changed, number + 2))
    assert [mismatch.cause for mismatch in found] == [cause]
    assert "stop_loss" in found[0].live


def held_through(watched: WatchedRun, record: LiveRecord) -> tuple[int, float, float]:
    """Return a bar through which a long was held, and its stop and target."""
    follower, held = RunFollower(watched), 0
    for number, each in enumerate(record.bars[:-2]):
        follower.advance(
            replace(
                record,
                bars=[each],
                events=[
                    entry
                    for entry in record.events
                    if follower.state.sequence < entry.sequence <= record.bars[number + 1].sequence
                ],
                trades=record.trades[follower.state.trades :],
                has_ended=False,
            )
        )
        core = follower.state.account.core
        held = held + 1 if core.bars_held > 1 and core.steps else 0
        if held > 1 and core.stop and core.bars_held > 2:
            return number, core.stop, core.target
    raise AssertionError("no such bar")


@pytest.mark.parametrize(
    ("mark_low", "cause"),
    [
        ("above", MismatchCause.MARK_PRICE),
        ("below", MismatchCause.UNEXPLAINED),
        ("not recorded", MismatchCause.DATA),
    ],
)
def test_a_stop_that_only_the_candle_reaches(
    watched: WatchedRun, record: LiveRecord, mark_low: str, cause: MismatchCause
) -> None:
    number, stop, _ = held_through(watched, record)
    mark = {"above": record.bars[number].mark_low, "below": stop * 0.999, "not recorded": None}[mark_low]
    changed = with_bar(record, number, low=stop * 0.999, mark_low=mark)
    found = found_in(watched, up_to(changed, number + 2))
    assert [mismatch.cause for mismatch in found] == [cause]
    assert found[0].live == "the position is still open"
    assert found[0].time == record.bars[number].bar.time_ms + HOUR_MS


@pytest.mark.parametrize(
    ("beyond", "cause"), [(0.0, MismatchCause.LIMIT_UNFILLED), (0.5, MismatchCause.UNEXPLAINED)]
)
def test_a_target_that_is_touched_need_not_fill(
    watched: WatchedRun, record: LiveRecord, beyond: float, cause: MismatchCause
) -> None:
    number, _, target = held_through(watched, record)
    found = found_in(watched, up_to(with_bar(record, number, high=target + beyond), number + 2))
    assert [mismatch.cause for mismatch in found] == [cause]


def test_an_exit_that_is_booked_after_its_bar_is_late(watched: WatchedRun, record: LiveRecord) -> None:
    """The candle says stop, the fill comes a bar later: it was on its way, and nothing is unexplained."""
    number, _ = stopped_with_room(record)
    for place, entry in enumerate(record.events):
        event = entry.event
        if isinstance(event, FillBooked) and bar_of(record, entry) == number and event.side == "sell":
            late = event.model_copy(update={"time_ms": record.bars[number].bar.time_ms - 1})
            found = found_in(watched, up_to(with_event(record, place, event=late), number + 2))
            assert [mismatch.cause for mismatch in found] == [MismatchCause.LATE]
            return
    raise AssertionError("no such fill")


# --- decisions ------------------------------------------------------------------------------------------


def an_entry(record: LiveRecord) -> tuple[int, int]:
    """Return the place of an entry's decision among the events, and the number of its bar."""
    for place, entry in enumerate(record.events):
        if isinstance(entry.event, EntryDecided) and place > 40:
            times = [each.bar.time_ms for each in record.bars]
            return place, times.index(entry.event.bar_time_ms)
    raise AssertionError("no entry")


def only_dropped(record: LiveRecord, cause: str, code: NoteCode | None = None) -> tuple[LiveRecord, int]:
    """Return the record up to an entry's decision, which is dropped instead, and its bar."""
    place, number = an_entry(record)
    decided = record.events[place].event
    dropped = DecisionDropped(
        bar_time_ms=decided.bar_time_ms, decision=f"enter {decided.side}", cause=cause, code=code
    )
    changed = with_event(record, place, event=dropped)
    events = changed.events[: place + 1]
    return replace(changed, bars=record.bars[: number + 1], events=events, has_ended=False), number


@pytest.mark.parametrize(
    ("cause", "code", "expected"),
    [
        (DropCause.LATE, None, MismatchCause.LATE),
        (DropCause.STALE, None, MismatchCause.STALE_DATA),
        (DropCause.POSITION_UNKNOWN, None, MismatchCause.STALE_DATA),
        (DropCause.LEVERAGE_NOT_SET, None, MismatchCause.LATE),
        (DropCause.PAUSED, None, MismatchCause.PAUSE),
        (DropCause.RUN_IS_OVER, None, MismatchCause.GUARD),
        ("below the minimum of 10 USDC", NoteCode.BELOW_MINIMUM, MismatchCause.BELOW_MINIMUM),
        ("because", None, MismatchCause.UNEXPLAINED),
    ],
)
def test_a_dropped_entry_has_the_cause_of_its_drop(
    watched: WatchedRun, record: LiveRecord, cause: str, code: NoteCode | None, expected: MismatchCause
) -> None:
    changed, number = only_dropped(record, cause, code)
    found = found_in(watched, changed)
    assert [mismatch.cause for mismatch in found] == [expected]
    assert found[0].time == record.bars[number].bar.time_ms + HOUR_MS
    assert found[0].live == cause


def test_an_entry_that_the_end_of_the_feed_drops_is_no_mismatch(
    watched: WatchedRun, record: LiveRecord
) -> None:
    assert found_in(watched, only_dropped(record, DropCause.FEED_ENDED)[0]) == []


def test_a_late_entry_of_a_recovery_or_behind_a_hole_says_so(watched: WatchedRun, record: LiveRecord) -> None:
    changed, number = only_dropped(record, DropCause.LATE)
    past = replace(changed, past=frozenset({record.bars[number].bar.time_ms}))
    assert [mismatch.cause for mismatch in found_in(watched, past)] == [MismatchCause.RECOVERY]
    hole = HoleFound(first_ms=1, last_ms=2, is_confirmed=False)
    entry = replace(changed.events[-1], sequence=record.bars[number].sequence, event=hole)
    behind = replace(changed, events=[*changed.events[:-1], entry, changed.events[-1]])
    assert [mismatch.cause for mismatch in found_in(watched, behind)] == [MismatchCause.STALE_DATA]


def test_an_operator_s_pause_explains_what_it_held_back(watched: WatchedRun, record: LiveRecord) -> None:
    place, number = an_entry(record)
    paused = replace(record.events[place], event=EntriesPaused(why="by this test"), author=Author.OPERATOR)
    bars = list(record.bars[: number + 1])
    bars[number] = bars[number]._replace(decided=Decided.NO_ENTRY, sequence=paused.sequence)
    events = [*record.events[:place], paused]
    found = found_in(watched, replace(record, bars=bars, events=events, has_ended=False))
    assert [mismatch.cause for mismatch in found] == [MismatchCause.OPERATOR]
    blind = replace(record, bars=bars, events=record.events[:place], has_ended=False)
    assert [mismatch.cause for mismatch in found_in(watched, blind)] == [MismatchCause.STALE_DATA]


def test_a_late_bar_is_told(watched: WatchedRun, record: LiveRecord) -> None:
    for place, entry in enumerate(record.events):
        if isinstance(entry.event, ProtectionMoved):
            late = LateBar(bar_time_ms=record.bars[3].bar.time_ms)
            found = found_in(watched, with_event(record, place, event=late))
            assert [mismatch.cause for mismatch in found] == [MismatchCause.LATE]
            assert found[0].time == record.bars[3].bar.time_ms + HOUR_MS
            return


def test_a_trade_that_ends_without_a_decision_is_unexplained(watched: WatchedRun, record: LiveRecord) -> None:
    for place, entry in enumerate(record.events):
        if isinstance(entry.event, TradeClosed) and entry.event.reason is ExitReason.STOP_LOSS:
            closed = entry.event.model_copy(update={"reason": ExitReason.SIGNAL})
            changed = with_event(record, place, event=closed)
            found = found_in(watched, up_to(changed, bar_of(record, entry) + 1))
            assert [mismatch.cause for mismatch in found] == [MismatchCause.UNEXPLAINED]
            return


def test_a_bar_that_the_venue_has_otherwise_by_now_is_a_mismatch(
    watched: WatchedRun, record: LiveRecord
) -> None:
    bar = record.bars[3].bar
    changed = bar._replace(close=bar.close + 0.25)
    for read, told in ((changed[1:], f"{changed.close:.12g}"), (None, "no such bar")):
        event = BarRevised(bar_time_ms=bar.time_ms, seen=bar[1:], read=read)
        found = found_in(watched, with_event(record, len(record.events) - 1, event=event))
        revised = [mismatch for mismatch in found if mismatch.cause is MismatchCause.DATA]
        assert [mismatch.time for mismatch in revised] == [bar.time_ms + HOUR_MS]
        assert f"{bar.close:.12g}" in (revised[0].live or "")
        assert told in (revised[0].shadow or "")
    assert verdict_of([MismatchCause.DATA]) is Verdict.WATCH


def test_the_worst_cause_decides() -> None:
    harmless = [cause for cause in MismatchCause if cause.is_harmless]
    assert verdict_of([]) is Verdict.CONSISTENT
    assert verdict_of(harmless) is Verdict.CONSISTENT
    assert verdict_of([*harmless, MismatchCause.REJECTED]) is Verdict.WATCH
    assert verdict_of([MismatchCause.REJECTED, MismatchCause.UNEXPLAINED]) is Verdict.DIVERGED
