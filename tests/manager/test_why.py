"""Why a run decided, read from its store: live, restarted, pruned, from old and from damaged rows."""

import json
import math
import sqlite3
from contextlib import closing
from decimal import Decimal
from itertools import islice

import pytest
import talib

from firstwatch.engine.host.host import EngineHost
from firstwatch.manager.details import EVENT_LIMIT, DetailsReader
from firstwatch.manager.trade_story import read_story
from firstwatch.manager.why import DecisionKind, explain, next_sentences
from firstwatch.market.files import read_candles
from firstwatch.settings import load_settings
from firstwatch.store import journal, outlooks, runs, trades
from firstwatch.store.bars import bars_of
from firstwatch.store.database import open_store
from firstwatch.store.packing import pack, unpack
from firstwatch.store.pruning import prune
from firstwatch.trading.errors import DamagedRowError, StoreError
from firstwatch.trading.events import EntryDecided, ExitDecided, Noted
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, ExitReason, RunState
from firstwatch.trading.why import STOP, TARGET
from tests.engine.host import rig
from tests.ui import scenes

HOUR_MS = 3_600_000
RUN = rig.RUN
DECIDED = {"entry_decided", "exit_decided"}


def play(home, *, halt_after=None, **of_folder):
    """Play the standard run to its end; ``halt_after``: restart the engine once after so many bars."""
    settings = rig.make_folder(home, bars=1250, **of_folder)
    store = open_store(home)
    host = EngineHost(store, settings)
    host.start()
    assert rig.start_run(store, RUN).sentence.endswith("started")
    if halt_after is not None:
        rig.until(lambda: bars_seen(store) >= halt_after or None, "some bars")
        host.drain_and_stop()
        assert rig.run_of(store, RUN).state is RunState.RUNNING
        config = home / "config.toml"
        config.write_text(config.read_text().replace("120000", '"max"'), encoding="utf-8")
        store.close()
        return
    assert rig.ended(store, RUN).state is RunState.DONE
    host.drain_and_stop()
    store.close()


def go_on(home):
    store = open_store(home)
    host = EngineHost(store, load_settings(home=home))
    host.start()
    assert rig.ended(store, RUN).state is RunState.DONE
    host.drain_and_stop()
    store.close()


def bars_seen(store):
    with store.read() as session:
        return len(bars_of(session, RUN))


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    home = tmp_path_factory.mktemp("played") / "home"
    play(home)
    return home


@pytest.fixture
def home(played, tmp_path):
    """A copy of the store of a run that has ended."""
    copy = tmp_path / "home"
    copy.mkdir()
    with (
        closing(sqlite3.connect(played / "firstwatch.db")) as source,
        closing(sqlite3.connect(copy / "firstwatch.db")) as target,
    ):
        source.backup(target)
    return copy


def asked(home, look, run_id=RUN):
    with closing(open_store(home)) as store, store.read() as session:
        return look(session, runs.get_run(session, run_id))


def explained(home, at_ms=None):
    return asked(home, lambda session, run: explain(session, run, at_ms))


def explained_again_and_again(home):
    """Explain the run at every ninth of its closes."""

    def look(session, run):
        closes = [each.bar.time_ms + HOUR_MS for each in bars_of(session, RUN)][::9]
        return {close_ms: explain(session, run, close_ms).decision for close_ms in closes}

    return asked(home, look)


def decided(home):
    return asked(
        home, lambda session, run: [each.event for each in journal.events_of_kinds(session, RUN, DECIDED)]
    )


def trades_of(home):
    return asked(home, lambda session, run: trades.trades_of(session, RUN))


def rsi(home):
    candles = read_candles(home / "BTCUSDC.csv").candles
    values = talib.RSI(candles.close, 5)
    return {int(time_ms): float(value) for time_ms, value in zip(candles.time_ms, values, strict=True)}


def test_each_decision_is_explained_by_the_indicator_of_its_bar(played):
    values = rsi(played)
    seen = set()
    for event in decided(played):
        close_ms = event.bar_time_ms + HOUR_MS
        found = explained(played, close_ms).decision
        if isinstance(event, EntryDecided):
            assert (found.kind, found.side) == (DecisionKind(f"enter_{event.side}"), event.side)
        else:
            assert found.kind is DecisionKind.EXIT
        if isinstance(event, ExitDecided) and event.reason is not ExitReason.SIGNAL:
            assert found.conditions == ()
            continue
        (condition,) = found.conditions
        assert condition.left == pytest.approx(values[event.bar_time_ms], rel=1e-12)
        assert condition.value is True
        assert (condition.left < condition.right) is ("<" in condition.condition)
        assert found.time_ms == close_ms
        seen.add(condition.group)
    assert seen == {f"{kind}.{side}.required" for kind in ("entry", "exit") for side in Side}


def test_each_trade_is_explained_at_its_begin_and_at_its_end(played):
    reasons = set()
    entered = [event.bar_time_ms + HOUR_MS for event in decided(played) if isinstance(event, EntryDecided)]
    for trade in trades_of(played):
        begun = explained(played, trade.entry_time_ms).decision
        assert begun.kind is DecisionKind(f"enter_{trade.side}")
        assert begun.price == trade.entry_price
        if trade.exit_time_ms in entered:
            # At the close at which it had ended, the next one was decided.
            continue
        ended = explained(played, trade.exit_time_ms).decision
        assert (ended.kind, ended.side, ended.pnl) == (DecisionKind.EXIT, trade.side, trade.pnl)
        assert (ended.price, ended.time_ms) == (trade.exit_price, trade.exit_time_ms) or trade.reason in (
            ExitReason.SIGNAL,
            ExitReason.TRAILING_STOP,
        )
        reasons.add(trade.reason)
        if trade.reason is ExitReason.SIGNAL:
            assert "rsi(5) " in ended.because
            assert ended.worse_bps is not None
        elif ended.conditions:
            (level,) = ended.conditions
            assert level.group == (TARGET if trade.reason is ExitReason.TAKE_PROFIT else STOP)
            assert level.right == float(trade.expected_exit_price)
            assert ended.because.endswith("was reached")
    assert {ExitReason.SIGNAL, ExitReason.TRAILING_STOP} <= reasons


def test_before_the_first_decision_there_is_none(played):
    first = decided(played)[0].bar_time_ms + HOUR_MS
    assert explained(played, first).decision is not None
    assert explained(played, first - 1).decision is None
    found = explained(played, 0)
    assert (found.decision, found.outlook) == (None, None)


def test_what_comes_next_of_an_earlier_time_is_read_from_the_bars(played):
    values = rsi(played)
    done = trades_of(played)
    held = 0
    for bar in asked(played, lambda session, run: [each.bar for each in bars_of(session, RUN)])[5:60:2]:
        close_ms = bar.time_ms + HOUR_MS
        outlook = explained(played, close_ms + 1).outlook
        assert outlook.bar_time_ms == bar.time_ms
        trade = next((t for t in done if t.entry_time_ms <= close_ms < t.exit_time_ms), None)
        assert outlook.held is (None if trade is None else trade.side)
        for need in outlook.needs:
            if need.group in (STOP, TARGET):
                held += 1
                assert need.left == bar.close
                assert need.right == pytest.approx(float(trade.entry_price), rel=0.06)
            else:
                assert need.left == pytest.approx(values[bar.time_ms], rel=1e-12)
                assert need.value is False
    assert held > 3


def test_an_ended_run_has_no_next(played):
    found = explained(played)
    assert found.outlook is None
    assert found.decision.kind is DecisionKind.EXIT


def test_a_restart_changes_no_explanation_and_a_live_run_says_what_comes_next(played, tmp_path):
    home = tmp_path / "home"
    play(home, halt_after=60, speed=120_000)
    live = explained(home)
    stored = asked(home, lambda session, run: outlooks.outlook_of(session, RUN))
    assert live.outlook == stored
    last = asked(home, lambda session, run: bars_of(session, RUN)[-1].bar)
    assert live.outlook.bar_time_ms == last.time_ms
    value = rsi(home)[last.time_ms]
    conditions = [need for need in live.outlook.needs if need.group not in (STOP, TARGET)]
    assert all(math.isclose(need.left, value, rel_tol=1e-12) for need in conditions)
    assert next_sentences(live.outlook)
    go_on(home)
    assert explained_again_and_again(home) == explained_again_and_again(played)
    then = explained(home, last.time_ms + HOUR_MS)
    assert then.decision.kind is live.decision.kind
    assert then.decision.conditions == live.decision.conditions
    if then.outlook.held is live.outlook.held:
        assert [(need.condition, need.left) for need in then.outlook.needs] == [
            (need.condition, need.left) for need in live.outlook.needs
        ]


def test_pruning_changes_no_explanation(home, played):
    before = explained_again_and_again(played)
    with closing(open_store(home)) as store:
        assert prune(store, before_ms=2**53, is_dry=False).runs == 1
    for close_ms, decision in before.items():
        found = explained(home, close_ms)
        assert found.decision == decision
        assert found.outlook is None
    with closing(sqlite3.connect(home / "firstwatch.db")) as raw:
        assert raw.execute("SELECT count(*) FROM run_outlook").fetchone() == (0,)


def rewritten(home, kind, change):
    """Change the payload of each journal row that holds an event of a kind."""
    with closing(sqlite3.connect(home / "firstwatch.db")) as raw, raw:
        rows = raw.execute(
            "SELECT sequence, payload FROM run_event WHERE kind LIKE ?", (f"%{kind}%",)
        ).fetchall()
        assert rows
        for sequence, payload in rows:
            raw.execute("UPDATE run_event SET payload = ? WHERE sequence = ?", (change(payload), sequence))


def without_conditions(payload):
    events = json.loads(unpack(payload))
    for event in events if isinstance(events, list) else [events]:
        event.pop("conditions", None)
    return pack(json.dumps(events).encode())


def test_a_decision_of_an_earlier_version_has_conditions_without_values_and_says_so(home):
    for kind in DECIDED:
        rewritten(home, kind, without_conditions)
    seen = set()
    for event in decided(home):
        found = explained(home, event.bar_time_ms + HOUR_MS).decision
        if isinstance(event, ExitDecided) and event.reason is not ExitReason.SIGNAL:
            continue
        (condition,) = found.conditions
        assert condition.condition.startswith("rsi(5) ")
        assert (condition.left, condition.right, condition.value) == (None, None, None)
        assert "were not kept" in found.sentence
        seen.add(found.kind)
    assert seen == {DecisionKind.ENTER_LONG, DecisionKind.ENTER_SHORT, DecisionKind.EXIT}


def details_of(home):
    reader = DetailsReader()
    return asked(home, lambda session, run: reader.read(session, RUN))


def test_details_that_were_read_in_part_are_read_again_as_a_whole(
    home, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, every_event = DetailsReader(), journal.every_event
    asked(home, lambda session, run: reader.read(session, RUN))
    store = open_store(home)
    with store.write() as session:
        journal.append_system_events(session, RUN, [Noted(sentence="a"), Noted(sentence="b")], now_ms=1)
    store.close()

    def ends_early(session, run_id, after):
        yield from islice(every_event(session, run_id, after), 1)
        raise StoreError("The disk is gone.")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "every_event", ends_early)
        with pytest.raises(StoreError):
            asked(home, lambda session, run: reader.read(session, RUN))
    found = asked(home, lambda session, run: reader.read(session, RUN))
    assert [line.sentence for line in found.story] == [line.sentence for line in details_of(home).story]
    assert found.events == details_of(home).events


def test_a_damaged_decision_is_said_and_leaves_the_other_details(home):
    before = details_of(home)
    assert before.why.problem == ""
    assert before.why.last
    rewritten(home, "entry_decided", lambda payload: payload[:20])
    with pytest.raises(DamagedRowError, match="journal row"):
        explained(home, decided_close(home))
    after = details_of(home)
    assert "journal row" in after.why.problem
    assert after.trades == before.trades
    assert after.equity.tolist() == before.equity.tolist()


def decided_close(home):
    """Return a time at which the last decision is an entry."""
    return trades_of(home)[3].entry_time_ms


def test_a_run_without_a_stored_outlook_reads_it_from_its_bars(tmp_path):
    """So it is between the start of a newer version and the next close."""
    home = tmp_path / "home"
    play(home, halt_after=40, speed=120_000)
    before = explained(home).outlook
    with closing(sqlite3.connect(home / "firstwatch.db")) as raw, raw:
        assert raw.execute("DELETE FROM run_outlook").rowcount == 1
    after = explained(home).outlook
    assert (after.bar_time_ms, after.held) == (before.bar_time_ms, before.held)
    assert [need for need in after.needs if need.group not in (STOP, TARGET)] == [
        need for need in before.needs if need.group not in (STOP, TARGET)
    ]


def test_a_damaged_outlook_is_said(home):
    with closing(sqlite3.connect(home / "firstwatch.db")) as raw, raw:
        raw.execute("UPDATE run SET state = 'RUNNING'")
        assert raw.execute("UPDATE run_outlook SET outlook_json = 'abc'").rowcount == 1
    with pytest.raises(DamagedRowError, match="the outlook of run"):
        explained(home)
    reader = DetailsReader()
    for _ in range(2):
        details = asked(home, lambda session, run: reader.read(session, RUN))
        assert "the outlook of run" in details.why.problem


def test_the_details_say_why_trades_were_entered_and_left(played):
    details = details_of(played)
    newest = len(details.trades)
    assert set(details.trade_whys) == set(range(max(1, newest - 39), newest + 1))
    for number, why in details.trade_whys.items():
        story = asked(played, lambda session, run, number=number: read_story(session, RUN, number))
        assert why == story.why


def test_the_story_of_each_trade_says_why_it_was_entered_and_left(played):
    reasons = set()
    for number, trade in enumerate(trades_of(played), start=1):
        why = asked(played, lambda session, run, number=number: read_story(session, RUN, number)).why
        word = "below 40" if trade.side is Side.LONG else "above 60"
        assert why.entry.startswith("rsi(5) ")
        assert why.entry.endswith(f"is {word}")
        assert why.exit.startswith("rsi(5) ") == (trade.reason is ExitReason.SIGNAL)
        assert why.exit
        reasons.add(trade.reason)
    assert len(reasons) > 1


def test_the_details_say_what_an_ended_run_did_last(played):
    details = details_of(played)
    assert details.why.last.startswith(f"exit {details.trades[-1].side} ")
    assert details.why.next == ()


def test_the_details_follow_the_run_as_it_goes_on(tmp_path):
    home = tmp_path / "home"
    play(home, halt_after=60, speed=120_000)
    reader = DetailsReader()
    live = asked(home, lambda session, run: reader.read(session, RUN))
    again = asked(home, lambda session, run: reader.read(session, RUN))
    assert again.why is live.why
    assert live.why.next
    go_on(home)
    ended = asked(home, lambda session, run: reader.read(session, RUN))
    fresh = details_of(home)
    assert ended.why == fresh.why
    assert ended.trade_whys == fresh.trade_whys
    assert ended.why.next == ()
    # What was read before is kept, and is what one who looks now reads.
    for name in ("orders", "fills", "trades", "events"):
        assert getattr(ended, name) == getattr(fresh, name)
    assert len(ended.events) == EVENT_LIMIT
    assert [line.sentence for line in ended.story[-50:]] == [line.sentence for line in fresh.story[-50:]]


def test_a_position_that_was_taken_over_is_explained_until_the_run_decides(tmp_path):
    home = tmp_path / "home"
    scenes.taken_over(home)
    at_ms = scenes.NOW_MS - HOUR_MS
    found = asked(home, explain, run_id=scenes.LIVE).decision
    assert (found.kind, found.side, found.time_ms) == (DecisionKind.ENTER_LONG, Side.LONG, at_ms)
    assert found.sentence == (
        "take over long 97,850.20: the wallet held it at the launch;"
        " its PnL counts from the mark then, 96,911.40"
    )
    before = asked(home, lambda session, run: explain(session, run, at_ms - 1), run_id=scenes.LIVE)
    assert before.decision is None
    store = open_store(home)
    with store.write() as session:
        decided = EntryDecided(
            bar_time_ms=scenes.NOW_MS - HOUR_MS,
            side=Side.LONG,
            amount=Decimal("0.01"),
            expected_price=96_000.0,
        )
        journal.append_events(
            session, scenes.LIVE, [decided], author=Author.SYSTEM, venue_time_ms=scenes.NOW_MS,
            local_time_ms=scenes.NOW_MS,
        )  # fmt: skip
    store.close()
    found = asked(home, explain, run_id=scenes.LIVE).decision
    assert found.sentence.startswith("enter long 96,000")
