"""The story of runs: a trader's words from journal entries, and reading on in all journals."""

from decimal import Decimal

from firstwatch.manager.story import Story, StoryReader
from firstwatch.store.database import open_store
from firstwatch.store.journal import JournalEntry, append_events, written_after
from firstwatch.trading import events
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason, RunState
from firstwatch.trading.why import ConditionValue
from tests.ui import scenes

RUN, ENTRY = "a" * 16, "a" * 16 + "1" * 16


def entries(*happened, start=1, venue_ms=1_000):
    return [
        JournalEntry(RUN, sequence, event, Author.SYSTEM, venue_ms, 5_000)
        for sequence, event in enumerate(happened, start)
    ]


def entered(*fills):
    return [
        events.EntryDecided(
            bar_time_ms=0, side=Side.LONG, amount=Decimal("0.02"), expected_price=118_850.0
        ),
        events.OrderIntended(
            client_order_id=ENTRY, purpose=OrderPurpose.ENTRY, side=OrderSide.BUY,
            order_kind=OrderKind.MARKET, amount=Decimal("0.02"),
        ),
        *(
            events.FillBooked(
                fill_id=f"f{price}", client_order_id=ENTRY, side=OrderSide.BUY, amount=Decimal("0.01"),
                price=Decimal(price), fee=Decimal(0),
            )
            for price in fills
        ),
        events.ProtectionMoved(stop=Decimal("116473.76"), target=None, why="filled"),
        events.ProtectionMoved(stop=Decimal("116500"), target=None, why="trailing"),
    ]  # fmt: skip


CLOSED = events.TradeClosed(
    side=Side.LONG, amount=Decimal("0.02"), entry_price=Decimal("118850.77"),
    exit_price=Decimal("119365.12"), pnl=Decimal("1.33"), reason=ExitReason.TRAILING_STOP,
)  # fmt: skip


def story_of(entries):
    story = Story()
    story.take(entries)
    return story.lines


def told(lines):
    return [line.sentence for line in lines if not line.is_detail]


def test_fills_and_the_first_stop_of_an_entry_are_one_line():
    lines = story_of(entries(*entered(118_860, 118_870), CLOSED))
    assert told(lines) == [
        "long entered at 118,865.00, 1.3 bps worse than decided; stop 116,473.76",
        "long closed by trailing stop 118,850.77 → 119,365.12  +1.33 (+0.43 %)",
    ]
    assert [line.pnl for line in lines if line.pnl] == [Decimal("1.33")]


def test_a_trade_that_a_level_has_ended_says_which():
    closed = CLOSED.model_copy(update={"level": Decimal("119400.5")})
    assert told(story_of(entries(*entered(118_860), closed)))[1] == (
        "long closed by trailing stop at 119,400.50: 118,850.77 → 119,365.12  +1.33 (+0.43 %)"
    )


def test_entry_and_exit_say_the_conditions_with_their_values():
    def held(condition, left, right):
        return (ConditionValue(group="any", condition=condition, left=left, right=right, value=True),)

    decided, *rest = entered(118_860)
    decided = decided.model_copy(update={"conditions": held("rsi(14) < 30", 28.6, 30)})
    left = events.ExitDecided(
        bar_time_ms=0, reason=ExitReason.SIGNAL, expected_price=119_365.0,
        conditions=held("rsi(14) > 70", 71.2, 70),
    )  # fmt: skip
    closed = CLOSED.model_copy(update={"reason": ExitReason.SIGNAL})
    assert told(story_of(entries(decided, *rest, left, closed))) == [
        "long entered at 118,860.00, 0.8 bps worse than decided; stop 116,473.76: rsi(14) 28.6 is below 30",
        "long closed by signal 118,850.77 → 119,365.12  +1.33 (+0.43 %): rsi(14) 71.2 is above 70",
    ]
    # A stop that was reached before the signal's order is not the signal's doing.
    assert "rsi" not in told(story_of(entries(decided, *rest, left, CLOSED)))[1]


def test_the_machinery_behind_the_story_is_kept_in_the_order_of_the_journal():
    lines = story_of(entries(*entered(118_860), CLOSED))
    assert [line.sequence for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line.is_detail for line in lines] == [True, True, False, True, True, False]


def test_an_order_in_doubt_is_part_of_the_story_and_one_that_is_cancelled_is_not():
    def moved(new):
        return events.OrderMoved(client_order_id=ENTRY, old=OrderState.SUBMITTED, new=new, why="why")

    lines = story_of(entries(*map(moved, (OrderState.UNKNOWN, OrderState.REJECTED, OrderState.CANCELED))))
    assert [line.is_detail for line in lines] == [False, False, True]


def test_an_entry_without_a_time_of_the_venue_is_marked_as_about_then():
    first = entries(CLOSED, venue_ms=7_000)
    later = entries(events.EntriesPaused(why="the operator"), start=2, venue_ms=None)
    _, paused = story_of([*first, *later])
    assert (paused.venue_ms, paused.is_about) == (7_000, True)
    [alone] = story_of(later)
    assert alone.venue_ms is None


def test_states_are_a_trader_s_words():
    event = events.Transitioned(old=RunState.NEW, new=RunState.RUNNING, why="all checks passed")
    assert told(story_of(entries(event))) == ["started: all checks passed"]


def test_the_story_stays_bounded():
    story = Story()
    story.take(entries(*[events.Noted(sentence=f"note {number}") for number in range(1_000)]))
    assert len(story.lines) == 300
    assert story.lines[-1].sentence == "note 999"


def test_the_journals_of_all_runs_are_read_on_in_the_order_of_writing(tmp_path):
    home = tmp_path / "home"
    scenes.busy_day(home)
    reader = StoryReader()

    def note(run_id, sentence):
        with scenes.written(home) as session:
            append_events(
                session, run_id, [events.Noted(sentence=sentence)], author=Author.SYSTEM,
                venue_time_ms=None, local_time_ms=1,
            )  # fmt: skip

    store = open_store(home, read_only=True)

    def read():
        with store.read() as session:
            return [line.sentence for line in reader.read(session) if line.sentence.startswith("note")]

    try:
        note(scenes.LIVE, "note 1")
        note(scenes.DONE, "note 2")
        assert read() == ["note 1", "note 2"]
        note(scenes.LIVE, "note 3")
        assert read() == ["note 1", "note 2", "note 3"]
        assert read() == ["note 1", "note 2", "note 3"]
        with store.read() as session:
            place, found, is_more = written_after(session, None, limit=2)
            assert [entry.event.sentence for entry in found] == ["note 2", "note 3"]
            assert not is_more
            then, later, is_more = written_after(session, place, limit=2)
            assert (then, list(later), is_more) == (place, [], False)
            assert written_after(session, place - 2, limit=1)[2]
    finally:
        store.close()
