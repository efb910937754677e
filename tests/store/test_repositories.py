"""What goes in comes out, typed; what must not happen twice does not."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from firstwatch.store import (
    alarms,
    algorithms,
    backtests,
    commands,
    equity,
    fills,
    hosts,
    journal,
    live,
    orders,
    paper,
    positions,
    runs,
    trades,
    wallet_status,
    wallets,
)
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import EpochLostError, Session, Store
from firstwatch.trading.account import Funding
from firstwatch.trading.commands import CommandOutcome, StopEngine, StopRun
from firstwatch.trading.errors import IllegalTransitionError, RefusedError, StoreError, WrongUseError
from firstwatch.trading.events import AlarmCleared, AlarmRaised, Noted, RunEvent, Transitioned
from firstwatch.trading.orders import OrderSide, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason, Exposure, Health, Protection, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from tests.store.made import NOW_MS, made_fill, made_order, made_run, made_trade, run_id_of

RUN = run_id_of(1)


def test_versions_are_numbered_and_the_same_specification_is_one_version(store: Store) -> None:
    with store.write() as session:
        first = algorithms.add_version(session, "A", "{}", "a" * 64, now_ms=1)
        second = algorithms.add_version(session, "A", '{"x":1}', "b" * 64, now_ms=2)
        again = algorithms.add_version(session, "A", "{}", "a" * 64, now_ms=3)
        other = algorithms.add_version(session, "B", "{}", "a" * 64, now_ms=4)
    assert (first.label, second.label, other.label) == ("A@1", "A@2", "B@1")
    assert again == first
    with store.read() as session:
        assert algorithms.get_version(session, "A") == second
        assert algorithms.get_version(session, "A", 1) == first
        assert algorithms.version_by_id(session, other.id) == other
        assert algorithms.list_versions(session) == [first, second, other]


def test_an_unknown_algorithm_is_answered_with_the_nearest(store: Store) -> None:
    with store.write() as session:
        algorithms.add_version(session, "RSI reversion", "{}", "a" * 64, now_ms=1)
        with pytest.raises(WrongUseError, match="did you mean RSI reversion"):
            algorithms.get_version(session, "RSI revision")
        with pytest.raises(WrongUseError, match="no version 7; there are 1"):
            algorithms.get_version(session, "RSI reversion", 7)


def test_a_backtest_keeps_its_trades_and_its_curve_exactly(store: Store) -> None:
    curve = EquityCurve(np.arange(1000, dtype=np.int64) * 60_000, np.random.default_rng(1).random(1000))
    kept = [made_trade(number) for number in range(5)]
    with store.write() as session:
        version = algorithms.add_version(session, "A", "{}", "a" * 64, now_ms=1)
        for start_ms in (0, 60_000):
            saved = backtests.add_backtest(
                session,
                version_id=version.id,
                symbol="BTC/USDC:USDC",
                timeframe=Timeframe.H1,
                costs_json="{}",
                settings_json="{}",
                start_ms=start_ms,
                end_ms=10,
                bars=1000,
                metrics_json=json.dumps({"sharpe": 1.5, "sortino": None}),
                trades=kept,
                equity=curve,
                now_ms=NOW_MS,
            )
    with store.read() as session:
        found = backtests.latest_backtest(session, version.id, "BTC/USDC:USDC")
        assert found == saved
        assert found is not None
        assert found.metrics == {"sharpe": 1.5, "sortino": None}
        assert backtests.latest_backtest(session, version.id, "ETH/USDC:USDC") is None
        assert len(backtests.list_backtests(session, version.id)) == 2
        assert backtests.trades_of_backtest(session, found.id) == kept
        back = backtests.equity_of_backtest(session, found.id)
    assert np.array_equal(back.time_ms, curve.time_ms)
    assert np.array_equal(back.equity, curve.equity)


def test_wallets(store: Store) -> None:
    with store.write() as session:
        made = wallets.create_wallet(session, "main", venue="paper", kind="paper", now_ms=5)
        assert made.account == "main"
        with pytest.raises(WrongUseError, match="already"):
            wallets.create_wallet(session, "main", venue="paper", kind="paper", now_ms=5)
        with pytest.raises(WrongUseError, match="cannot be called"):
            wallets.create_wallet(session, "my wallet", venue="paper", kind="paper", now_ms=5)
        with pytest.raises(WrongUseError, match="did you mean main"):
            wallets.get_wallet(session, "mian")
        wallets.archive_wallet(session, "main", now_ms=9)
        assert wallets.list_wallets(session) == []
        assert wallets.list_wallets(session, with_archived=True)[0].archived_at_ms == 9


def test_a_wallet_has_one_active_run(store: Store) -> None:
    with store.write() as session:
        run = made_run(session)
    again = {
        "wallet_id": run.wallet_id,
        "version_id": run.version_id,
        "settings": run.settings,
        "market": run.market,
        "author": Author.OPERATOR,
        "now_ms": NOW_MS,
    }
    with pytest.raises(RefusedError, match=f"in use by run {RUN}"), store.write() as session:
        runs.create_run(session, run_id_of(2), **again)
    with pytest.raises(RefusedError, match="stop that run first"), store.write() as session:
        wallets.archive_wallet(session, "w1", now_ms=1)
    with store.write() as session:
        runs.transition(session, RUN, RunState.CANCELLED, "", author=Author.OPERATOR, local_time_ms=1)
        runs.create_run(session, run_id_of(2), **again)
    with store.read() as session:
        assert [run.id for run in runs.active_runs(session)] == [run_id_of(2)]


def test_a_run_comes_back_as_it_was_made(store: Store) -> None:
    with store.write() as session:
        made = made_run(session)
        runs.set_first_bars(session, RUN, {Timeframe.H1: 123, Timeframe.H4: 100})
        facts = runs.SideFacts(
            paused=True,
            pause_reason="manual",
            health=Health.STALE,
            exposure=Exposure.EXPOSED,
            protection=Protection.UNPROTECTED,
            stop_mode=StopMode.CLOSE,
            exit_reason=ExitReason.RUN_END,
            sentence="look",
        )
        runs.update_side_facts(session, RUN, facts)
    with store.read() as session:
        run = runs.get_run(session, RUN)
        assert runs.get_run(session, RUN[:-1]) == run
        assert runs.list_runs(session) == [run]
    assert run.settings == made.settings
    assert run.market == made.market
    assert run.facts == facts
    assert run.first_bars == {Timeframe.H1: 123, Timeframe.H4: 100}
    assert (run.wallet, run.venue, run.account, run.sha256) == ("w1", "paper", "w1", "ab" * 32)


def test_a_transition_is_a_move_and_a_journal_row_or_nothing(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        runs.transition(session, RUN, RunState.RUNNING, "go", author=Author.SYSTEM, local_time_ms=7)
        with pytest.raises(IllegalTransitionError):
            runs.transition(session, RUN, RunState.NEW, "back", author=Author.SYSTEM, local_time_ms=8)
        sequence = runs.transition(
            session,
            RUN,
            RunState.STOPPING,
            "asked",
            author=Author.OPERATOR,
            local_time_ms=9,
            venue_time_ms=8,
            stop_mode=StopMode.CLOSE,
        )
    with store.read() as session:
        entries = journal.events_after(session, RUN)
        run = runs.get_run(session, RUN)
    assert sequence == 3
    assert [(entry.sequence, entry.author) for entry in entries] == [
        (1, Author.OPERATOR),
        (2, Author.SYSTEM),
        (3, Author.OPERATOR),
    ]
    assert entries[-1].event == Transitioned(
        old=RunState.RUNNING, new=RunState.STOPPING, why="asked", stop_mode=StopMode.CLOSE
    )
    assert (run.state, run.started_at_ms, run.ended_at_ms) == (RunState.STOPPING, 7, None)
    assert run.facts.stop_mode is StopMode.CLOSE


def test_an_unknown_run_gets_a_sentence(store: Store) -> None:
    with store.write() as session:
        made_run(session, 1)
        made_run(session, 2)
        for ask in (runs.state_of, runs.get_run):
            with pytest.raises(WrongUseError, match='no run "ffff"'):
                ask(session, "ffff")
        with pytest.raises(WrongUseError, match="Several runs"):
            runs.get_run(session, "000")
        assert runs.find_run(session, "000") is None


def test_the_journal_is_read_by_sequence(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        last = journal.append_events(
            session,
            RUN,
            [Noted(sentence=str(number)) for number in range(10)],
            author=Author.AGENT,
            venue_time_ms=3,
            local_time_ms=4,
        )
        nothing = journal.append_events(
            session, RUN, [], author=Author.AGENT, venue_time_ms=3, local_time_ms=4
        )
    assert last == nothing == 11
    with store.read() as session:
        assert [entry.sequence for entry in journal.events_after(session, RUN, 8)] == [9, 10, 11]
        assert [entry.sequence for entry in journal.events_after(session, RUN, 1, limit=2)] == [2, 3]
        assert [entry.sequence for entry in journal.events_after(session, RUN, 9, is_lenient=True)] == [
            10,
            11,
        ]
        assert len(journal.events_of_kinds(session, RUN, {"noted"})) == 10
        assert journal.last_sequence(session, "nobody") == 0


def test_a_journal_row_of_a_newer_program_is_refused(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        session.exec_driver_sql("UPDATE run_event SET payload_version = 99")
    with pytest.raises(StoreError, match="newer firstwatch"), store.read() as session:
        journal.events_after(session, RUN)


def test_alarms_stand_until_cleared(store: Store) -> None:
    def say(number: int, event: AlarmRaised | AlarmCleared, at_ms: int) -> None:
        journal.append_events(
            session,
            run_id_of(number),
            [event],
            author=Author.SYSTEM,
            venue_time_ms=None,
            local_time_ms=at_ms,
        )

    with store.write() as session:
        made_run(session, 1)
        made_run(session, 2)
        say(1, AlarmRaised(topic="unprotected", sentence="no stop"), 20)
        say(1, AlarmRaised(topic="unprotected", sentence="still no stop"), 25)
        say(2, AlarmRaised(topic="unprotected", sentence="no stop"), 10)
        say(2, AlarmRaised(topic="stale", sentence="no bars"), 11)
        say(2, AlarmCleared(topic="unprotected"), 12)
    with store.read() as session:
        found = alarms.active_alarms(session)
    assert [(alarm.run_id[-1], alarm.topic, alarm.sentence, alarm.since_ms) for alarm in found] == [
        ("2", "stale", "no bars", 11),
        ("1", "unprotected", "still no stop", 20),
    ]


def test_an_alarm_of_a_run_is_one_row_that_counts(store: Store) -> None:
    """However often it came and went: what is read of alarms does not grow with the journal."""
    came: list[RunEvent] = [AlarmRaised(topic="stale", sentence="no bars"), AlarmCleared(topic="stale")]
    with store.write() as session:
        made_run(session, 1)
        for at_ms in range(50):
            journal.append_events(
                session, RUN, came, author=Author.SYSTEM, venue_time_ms=None, local_time_ms=at_ms
            )
        assert alarms.active_alarms(session) == []
        journal.append_events(
            session, RUN, came[:1] * 2, author=Author.SYSTEM, venue_time_ms=None, local_time_ms=99
        )
        assert session.exec_driver_sql("SELECT count(*) FROM alarm").scalar_one() == 1
        assert alarms.active_alarms(session, RUN) == [
            alarms.ActiveAlarm(RUN, "stale", "no bars", since_ms=99, raised=52)
        ]
        assert alarms.active_alarms(session, run_id_of(2)) == []
        plan = session.exec_driver_sql("EXPLAIN QUERY PLAN SELECT * FROM alarm WHERE cleared_at_ms IS NULL")
        assert "ix_alarm_standing" in str(plan.fetchall())


def test_the_checkpoint_is_replaced(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        assert journal.load_checkpoint(session, RUN) is None
        journal.save_checkpoint(session, RUN, "one", sequence=1, now_ms=1)
        journal.save_checkpoint(session, RUN, "two", sequence=2, now_ms=3)
        assert journal.load_checkpoint(session, RUN) == journal.Checkpoint(RUN, "two", 2, 3)


@pytest.mark.parametrize("write", [orders.upsert_order, orders.update_order])
def test_an_order_comes_back_whole(
    store: Store, write: Callable[[Session, orders.StoredOrder], None]
) -> None:
    with store.write() as session:
        made_run(session)
        order = made_order(RUN)
        orders.upsert_order(session, order)
        done = made_order(RUN, 2, OrderState.CANCELED)
        orders.upsert_order(session, done)
        moved = replace(
            order,
            state=OrderState.PARTIALLY_FILLED,
            filled=Decimal("0.004"),
            average_price=Decimal("60000.05"),
            venue_order_id="77",
            created_at_ms=NOW_MS + 500,
            updated_at_ms=NOW_MS + 500,
            history=(*order.history, orders.OrderMove(NOW_MS + 500, OrderState.PARTIALLY_FILLED, "")),
            touch_at_submission=order.touch_at_decision,
        )
        write(session, moved)
    with store.read() as session:
        assert orders.get_order(session, order.client_order_id) == replace(moved, created_at_ms=NOW_MS)
        assert [found.client_order_id for found in orders.orders_of(session, RUN)] == [
            order.client_order_id,
            done.client_order_id,
        ]
        assert [found.state for found in orders.open_orders_of(session, RUN)] == [OrderState.PARTIALLY_FILLED]
        assert orders.get_order(session, "0" * 32) is None


def test_a_stored_order_moves_by_the_table_and_keeps_its_history() -> None:
    order = made_order(RUN)
    moved = order.moved(OrderState.FILLED, "met", now_ms=NOW_MS + 1, filled=Decimal(1))
    assert (moved.filled, moved.updated_at_ms) == (Decimal(1), NOW_MS + 1)
    assert moved.history == (*order.history, orders.OrderMove(NOW_MS + 1, OrderState.FILLED, "met"))
    again = moved.moved(OrderState.FILLED, "met", now_ms=NOW_MS + 2)
    assert (again.history, again.updated_at_ms) == (moved.history, NOW_MS + 2)
    with pytest.raises(IllegalTransitionError, match="from FILLED to ACCEPTED"):
        moved.moved(OrderState.ACCEPTED, "", now_ms=NOW_MS + 2)


def test_an_order_that_is_not_stored_does_not_change(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        with pytest.raises(StoreError, match="not in the store"):
            orders.update_order(session, made_order(RUN))


@pytest.mark.parametrize("damaged", ["", "abc", b"\xff", 0.5])
def test_a_damaged_nonce_hides_no_other(store: Store, damaged: object) -> None:
    with store.write() as session:
        made_run(session)
        assert orders.highest_nonce(session) == 0
        for number, nonce in ((1, 5), (2, 7), (3, 6)):
            orders.upsert_order(session, replace(made_order(RUN, number), nonce=nonce))
        assert orders.highest_nonce(session) == 7
        session.exec_driver_sql("UPDATE run_order SET nonce = ? WHERE nonce = 7", (damaged,))
        assert orders.highest_nonce(session) == 6


def test_a_fill_and_a_payment_are_booked_once(store: Store) -> None:
    fill = fills.StoredFill("paper", RUN, made_fill(), NOW_MS, mid_at_decision=60000.1, mid_at_fill=60000.3)
    payment = Funding("p1", "w1", "BTC/USDC:USDC", Decimal("-0.01"), Decimal("0.0000125"), NOW_MS)
    with store.write() as session:
        made_run(session)
        assert fills.add_fill(session, fill)
        assert not fills.add_fill(session, fill)
        assert fills.add_fill(session, fills.StoredFill("other", RUN, made_fill(time_ms=1), NOW_MS))
        assert fills.add_funding(session, "paper", RUN, payment, local_time_ms=1)
        assert not fills.add_funding(session, "paper", RUN, payment, local_time_ms=2)
    with store.read() as session:
        assert [found.venue for found in fills.fills_of(session, RUN)] == ["other", "paper"]
        assert fills.fills_of(session, RUN)[1] == fill
        assert fills.funding_of(session, RUN) == [payment]


def test_both_sides_of_a_trade_between_two_own_wallets_are_booked(store: Store) -> None:
    bought = fills.StoredFill("hl", RUN, made_fill("500"), NOW_MS)
    other = run_id_of(2)
    sold = fills.StoredFill("hl", other, replace(made_fill("500"), account="w2", side=OrderSide.SELL), NOW_MS)
    paid = Funding("p1", "w1", "BTC/USDC:USDC", Decimal(1), Decimal(0), NOW_MS)
    with store.write() as session:
        made_run(session)
        made_run(session, 2)
        assert fills.add_fill(session, bought)
        assert fills.add_fill(session, sold)
        assert not fills.add_fill(session, sold)
        assert fills.add_funding(session, "hl", RUN, paid, local_time_ms=1)
        assert fills.add_funding(session, "hl", other, replace(paid, account="w2"), local_time_ms=1)
    with store.read() as session:
        assert fills.fills_of(session, RUN) == [bought]
        assert fills.fills_of(session, other) == [sold]


def test_trades_are_numbered(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        assert [trades.add_trade(session, RUN, made_trade(number)) for number in (1, 2)] == [1, 2]
        assert trades.trades_of(session, RUN) == [made_trade(1), made_trade(2)]
        assert trades.trades_of(session, RUN, after=1) == [made_trade(2)]
        amended = [made_trade(number).with_funding(Decimal("1.5")) for number in (1, 2)]
        trades.amend_trade(session, RUN, amended[1], closed_since=0)
        assert trades.trades_of(session, RUN) == [made_trade(1), amended[1]]
        trades.amend_trade(session, RUN, amended[0], closed_since=1)
        assert trades.trades_of(session, RUN) == amended


def test_the_position_is_replaced(store: Store) -> None:
    held = positions.RunPosition(
        RUN, "BTC/USDC:USDC", Side.SHORT, Decimal("0.1"), 5, entry_price=Decimal(100), stop=Decimal("101.5")
    )
    flat = positions.RunPosition(RUN, "BTC/USDC:USDC", None, Decimal(0), 6)
    with store.write() as session:
        made_run(session)
        assert positions.position_of(session, RUN) is None
        positions.set_position(session, held)
        assert positions.positions(session) == {RUN: held}
        positions.set_position(session, flat)
        assert positions.position_of(session, RUN) == flat
        assert positions.positions(session) == {}


def test_equity_reads_the_same_before_and_after_packing(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        equity.add_equity(session, RUN, [(3, 1.1), (1, 0.1 + 0.2), (2, 5.0)])
        equity.add_equity(session, RUN, [(2, 7.0)])
        before = equity.equity_of(session, RUN)
        runs.transition(session, RUN, RunState.CANCELLED, "", author=Author.SYSTEM, local_time_ms=1)
        assert session.exec_driver_sql("SELECT count(*) FROM equity").scalar() == 0
        after = equity.equity_of(session, RUN)
        equity.add_equity(session, RUN, [(4, 9.0), (3, 1.2)])
        late = equity.equity_of(session, RUN)
        tail = equity.equity_of(session, RUN, after_ms=2)
        equity.pack_equity(session, RUN)
        packed_again = equity.equity_of(session, RUN)
    assert before.time_ms.tolist() == after.time_ms.tolist() == [1, 2, 3]
    assert before.equity.tolist() == after.equity.tolist() == [0.1 + 0.2, 7.0, 1.1]
    assert (late.time_ms.tolist(), late.equity.tolist()) == ([1, 2, 3, 4], [0.1 + 0.2, 7.0, 1.2, 9.0])
    assert (tail.time_ms.tolist(), tail.equity.tolist()) == ([3, 4], [1.2, 9.0])
    assert packed_again.equity.tolist() == late.equity.tolist()


def test_live_status_is_replaced_for_all_runs_at_once(store: Store) -> None:
    with store.write() as session:
        for number in (1, 2):
            made_run(session, number)
        first = [live.LiveStatus(run_id_of(number), 1, mark=1.5) for number in (1, 2)]
        live.upsert_live_status(session, first)
        newer = live.LiveStatus(RUN, 2, 2.5, Decimal("-1.5"), Decimal(9), 60_000, 61_000, {"bars": 61_001})
        live.upsert_live_status(session, [newer])
        live.upsert_live_status(session, [])
        assert live.live_statuses(session) == {RUN: newer, run_id_of(2): first[1]}


def test_a_command_goes_through_its_table(store: Store) -> None:
    with store.write() as session:
        number = commands.submit_command(
            session,
            StopRun(run_id=RUN, mode=StopMode.CLOSE),
            author=Author.OPERATOR,
            now_ms=NOW_MS,
            expected_state=RunState.RUNNING,
            snapshot_sequence=4,
        )
        other = commands.submit_command(session, StopEngine(), author=Author.AGENT, now_ms=NOW_MS)
    with store.write() as session:
        assert commands.pending_commands(session, 10) == [number, other]
        assert commands.pending_commands(session, 1) == [number]
        pending = [commands.get_command(session, each) for each in (number, other)]
        assert pending[0].command == StopRun(run_id=RUN, mode=StopMode.CLOSE)
        assert (pending[0].run_id, pending[0].expected_state) == (RUN, RunState.RUNNING)
        assert pending[0].expires_at_ms == NOW_MS + 10_000
        with pytest.raises(IllegalTransitionError):
            commands.finish_command(session, number, CommandOutcome.DONE, "", now_ms=1)
        commands.accept_command(session, number, now_ms=NOW_MS + 1)
        assert commands.accepted_commands(session) == [number]
        commands.finish_command(
            session, number, CommandOutcome.DONE, "Stopped.", now_ms=NOW_MS + 2, result_json="{}"
        )
        commands.finish_command(session, other, CommandOutcome.EXPIRED, "Too late.", now_ms=NOW_MS + 2)
        with pytest.raises(IllegalTransitionError):
            commands.accept_command(session, other, now_ms=1)
        done = commands.get_command(session, number)
        assert (done.outcome, done.sentence, done.result_json) == (CommandOutcome.DONE, "Stopped.", "{}")
        assert done.is_finished
        assert commands.pending_commands(session, 10) == []
        assert [command.id for command in commands.recent_commands(session, 5)] == [other, number]
        with pytest.raises(WrongUseError, match="no command 99"):
            commands.get_command(session, 99)


def test_each_claim_is_a_new_epoch_and_the_old_one_may_not_write(store: Store) -> None:
    claim = {"pid": 1, "host_name": "here", "version": "0.1.0"}
    with store.write() as session:
        assert hosts.current_host(session) is None
        first = hosts.claim_host(session, **claim, now_ms=1)
    with store.write(first) as session:
        hosts.beat(session, first, hosts.HostState.RUNNING, now_ms=2)
    with store.write() as session:
        second = hosts.claim_host(session, **claim, now_ms=3)
        with pytest.raises(EpochLostError):
            hosts.beat(session, first, hosts.HostState.RUNNING, now_ms=4)
    assert second == first + 1
    with pytest.raises(EpochLostError, match="epoch 1"), store.write(first) as session:
        made_run(session)
    with store.read() as session:
        assert runs.list_runs(session) == []
        host = hosts.current_host(session)
    assert host is not None
    assert (host.epoch, host.state, host.heartbeat_ms) == (2, hosts.HostState.STARTING, 3)


def test_a_time_without_an_engine_is_kept_for_a_while(store: Store) -> None:
    claim = {"pid": 1, "host_name": "here", "version": "0.1.0"}
    day_ms = 86_400_000
    with store.write() as session:
        first = hosts.claim_host(session, **claim, now_ms=1)
        hosts.beat(session, first, hosts.HostState.RUNNING, now_ms=5)
        # Another that takes over at once leaves no gap; nor does a clock that was set back.
        hosts.claim_host(session, **claim, now_ms=5)
        hosts.claim_host(session, **claim, now_ms=4)
        assert hosts.gaps_since(session, 0) == []
        hosts.claim_host(session, **claim, now_ms=9)
        hosts.claim_host(session, **claim, now_ms=day_ms)
        gaps = [hosts.EngineGap(4, 9), hosts.EngineGap(9, day_ms)]
        assert hosts.gaps_since(session, 0) == gaps
        assert hosts.gaps_since(session, 9) == gaps[1:]
        hosts.claim_host(session, **claim, now_ms=91 * day_ms)
        assert hosts.gaps_since(session, 0)[0] == gaps[1]


def test_the_paper_venue_s_books(store: Store) -> None:
    with store.write() as session:
        assert paper.load_feed(session, "p", "BTC") is None
        for position in ("{}", '{"bar": 1}'):
            paper.save_feed(session, "p", "BTC", position, now_ms=1)
        for state in ("a", "b"):
            paper.save_account(session, "p", "w1", state, now_ms=1)
        paper.save_account(session, "other", "w1", "z", now_ms=1)
        paper.save_orders(
            session,
            "p",
            [
                paper.PaperOrder("1", "w1", "BTC", is_open=True, state_json="new"),
                paper.PaperOrder("2", "w1", "BTC", is_open=True, state_json="new"),
            ],
        )
        paper.save_orders(
            session, "p", [paper.PaperOrder("1", "w1", "BTC", is_open=False, state_json="done")]
        )
        for _ in range(2):
            paper.add_fills(
                session, "p", [paper.PaperFill(str(at), "w1", "BTC", at, "{}") for at in (1, 2, 3)]
            )
            paper.add_funding(session, "p", [paper.PaperFunding("f", "w1", "BTC", 2, "{}")])
        for amount in ("100.10", "-5"):
            paper.deposit(session, "p", "w1", Decimal(amount), now_ms=1)
        paper.deposit(session, "p", "w2", Decimal(7), now_ms=1)
    with store.read() as session:
        assert paper.load_feed(session, "p", "BTC") == '{"bar": 1}'
        assert paper.load_accounts(session, "p") == {"w1": "b"}
        assert [order.client_order_id for order in paper.load_open_orders(session, "p")] == ["2"]
        done = paper.load_order(session, "p", "1")
        assert done is not None
        assert (done.is_open, done.state_json) == (False, "done")
        assert paper.load_order(session, "p", "9") is None
        assert [fill.fill_id for fill in paper.fills_since(session, "p", "w1", "BTC", 2)] == ["2", "3"]
        assert len(paper.funding_since(session, "p", "w1", "BTC", 0)) == 1
        assert paper.deposited(session, "p", "w1") == Decimal("95.1")


def test_play_money_is_counted_in_the_transaction_that_moves_it(store: Store) -> None:
    held = (wallet_status.Held("BTC/USDC:USDC", Side.LONG, Decimal("0.5")),)
    with store.write() as session:
        one = wallets.create_wallet(session, "one", venue="p", kind="paper", now_ms=NOW_MS).id
        other = wallets.create_wallet(session, "other", venue="q", kind="paper", now_ms=NOW_MS).id
        assert wallet_status.status_of(session, one).money == wallet_status.WalletMoney(
            Decimal(0), Decimal(0), (), NOW_MS
        )
        paper.deposit(session, "p", "one", Decimal("100.5"), now_ms=NOW_MS + 1)
        assert wallet_status.status_of(session, one).money == wallet_status.WalletMoney(
            Decimal("100.5"), Decimal(0), (), NOW_MS + 1
        )
        money = paper.PaperMoney(Decimal("-3.25"), Decimal(20), held)
        paper.save_money(session, "p", "one", money, now_ms=NOW_MS + 2)
        paper.deposit(session, "p", "one", Decimal(-7), now_ms=NOW_MS + 3)
        # Of an account without a wallet nothing is kept but the deposit.
        paper.deposit(session, "p", "nobody", Decimal(5), now_ms=NOW_MS + 4)
        paper.save_money(session, "p", "nobody", money, now_ms=NOW_MS + 4)
    with store.read() as session:
        known = wallet_status.wallet_statuses(session)
    assert set(known) == {one, other}
    assert known[one].money == wallet_status.WalletMoney(Decimal("90.25"), Decimal(20), held, NOW_MS + 3)
    assert known[one].money.free == Decimal("70.25")
    assert known[other].money.total == 0


def test_money_of_which_a_deposit_cannot_be_read_is_not_guessed(store: Store) -> None:
    with store.write() as session:
        one = wallets.create_wallet(session, "one", venue="p", kind="paper", now_ms=NOW_MS).id
        paper.deposit(session, "p", "one", Decimal(5), now_ms=NOW_MS)
        session.exec_driver_sql("UPDATE paper_deposit SET amount = 'abc'")
        paper.save_money(session, "p", "one", paper.PaperMoney(Decimal(1), Decimal(0)), now_ms=NOW_MS + 1)
        known = wallet_status.status_of(session, one)
        assert '"abc" is not an amount of money' in known.problem
        assert known.money.read_at_ms == NOW_MS


def test_money_key_and_problem_of_a_wallet_are_kept_apart(store: Store) -> None:
    held = wallet_status.Held("BTC/USDC:USDC", Side.SHORT, Decimal("0.25"))
    money = wallet_status.WalletMoney(Decimal("1000.5"), Decimal(20), (held,), NOW_MS)
    key = wallet_status.WalletKey("0x1", "agent", NOW_MS + 5, {"builder fee": "wants 0.01%"}, NOW_MS)
    with store.write() as session:
        number = wallets.create_wallet(
            session, "hl", venue="hl", kind="hyperliquid", account="0x1", now_ms=NOW_MS
        ).id
        wallet_status.set_problem(session, number, "unreachable")
        assert wallet_status.wallet_statuses(session)[number] == wallet_status.WalletStatus(
            problem="unreachable"
        )
        wallet_status.set_key(session, number, key)
        assert wallet_status.wallet_statuses(session)[number] == wallet_status.WalletStatus(
            None, key, "unreachable"
        )
        wallet_status.set_money(session, number, money)
        assert wallet_status.wallet_statuses(session)[number] == wallet_status.WalletStatus(money, key)
        wallet_status.set_problem(session, number, "unreachable again")
    with store.read() as session:
        assert wallet_status.wallet_statuses(session)[number] == wallet_status.WalletStatus(
            money, key, "unreachable again"
        )
