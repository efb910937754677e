"""Every decision of a live run is the one that the core makes from the run's own fills on the same bars."""

from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.store import algorithms, fills, journal, orders, runs
from firstwatch.store.database import Store
from firstwatch.store.files import STORE_FILE
from firstwatch.strategy import core
from firstwatch.strategy.core_settings import Costs, exit_reason, reason_code, settings_of_launch
from firstwatch.strategy.core_state import ENTER, EXIT
from firstwatch.strategy.evaluation import evaluate_arrays
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.events import DecisionDropped, EntryDecided, ExitDecided, ProtectionMoved
from firstwatch.trading.orders import OrderPurpose
from firstwatch.trading.runs import ExitReason, RunState
from tests.candles import generated_candles
from tests.live.rig import ACCOUNT, Desk, until

HISTORY = 1_100
SEED = 5
BARS = 90
SAMPLE = """
name = "sample"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["rsi(14) < 45"]
[exit.long]
required = ["rsi(14) > 70"]
[stop_loss]
fraction = 0.02
trailing = true
[take_profit]
fraction = 0.03
[sizing]
equity = 0.5
[reset]
mode = "cooldown_only"
cooldown_bars = 3
"""


class Shadow:
    """The core, fed with what the run's books say happened, bar by bar."""

    def __init__(self, home: Path, candles) -> None:
        store = Store(home / STORE_FILE, read_only=True)
        with store.read() as session:
            (self.run,) = runs.list_runs(session)
            spec = AlgorithmSpec.from_json(algorithms.version_by_id(session, self.run.version_id).spec_json)
            self.fills = [stored.fill for stored in fills.fills_of(session, self.run.id)]
            self.orders = {order.client_order_id: order for order in orders.orders_of(session, self.run.id)}
            self.journal = [entry.event for entry in journal.events_after(session, self.run.id, 0)]
            self.started_ms = min(
                entry.venue_time_ms
                for entry in journal.events_of_kinds(session, self.run.id, {"transitioned"})
                if entry.venue_time_ms
            )
        store.close()
        market = self.run.market
        self.settings = settings_of_launch(
            spec, self.run.settings, market=market, costs=Costs.of_market(market)
        )
        first_ms = self.run.first_bars[spec.timeframe]
        self.candles = candles.part(candles.index_at(first_ms), len(candles))
        self.signals = evaluate_arrays(spec, self.candles)
        self.decisions: list[tuple[int, str, str]] = []
        self.stops: list[Decimal] = []

    def live_through(self, last_ms: int) -> None:
        state, step_ms = core.new_state(self.settings), self.candles.timeframe.ms
        waiting = sorted(self.fills, key=lambda fill: fill.time_ms)
        exit_code = 0
        for index in range(self.candles.index_at(self.started_ms - step_ms) + 1, len(self.candles)):
            bar = self.candles.bar(index)
            if bar.time_ms + step_ms <= self.started_ms:
                continue
            while waiting and waiting[0].time_ms < bar.time_ms + step_ms:
                self._book(state, waiting.pop(0), exit_code)
            if bar.time_ms > last_ms:
                return
            flags = self.signals.at(index)
            core.close_bar(
                state, self.settings, bar.time_ms, bar.open, bar.high, bar.low, bar.close,
                flags.entry_long, flags.entry_short, flags.exit_long, flags.exit_short,
                flags.atr_stop, flags.atr_target, 1, 0, bar.time_ms // 86_400_000,
            )  # fmt: skip
            self._note_stop(state)
            if state.decision == ENTER:
                amount = self.run.market.amount(state.decision_steps)
                self.decisions.append((bar.time_ms, "enter", str(amount)))
            elif state.decision == EXIT:
                exit_code = state.decision_reason
                self.decisions.append((bar.time_ms, "exit", str(exit_reason(exit_code))))

    def _book(self, state, fill, exit_code) -> None:
        steps, price, fee = self.run.market.steps(fill.amount), float(fill.price), float(fill.fee)
        purpose = self.orders[fill.client_order_id].intent.purpose
        if purpose is OrderPurpose.ENTRY:
            at_open = 0 if fill.is_maker else 1
            core.book_entry(state, self.settings, fill.side.sign, steps, price, fee, at_open)
            core.entry_ended(state)
            self._note_stop(state)
            return
        reason = {
            OrderPurpose.STOP: core.stop_reason(state),
            OrderPurpose.TARGET: reason_code(ExitReason.TAKE_PROFIT),
            OrderPurpose.EXIT: exit_code,
        }[purpose]
        gross = core.price_gross(state, self.settings, steps, price)
        core.book_exit(state, self.settings, steps, price, fee, reason, gross)

    def _note_stop(self, state) -> None:
        level = self.run.market.price(state.stop) if state.stop else None
        if level is not None and (not self.stops or self.stops[-1] != level):
            self.stops.append(level)


def said(events) -> list[tuple[int, str, str]]:
    """Return the decisions of a run's journal."""
    found = []
    for event in events:
        if isinstance(event, EntryDecided):
            found.append((event.bar_time_ms, "enter", str(event.amount)))
        elif isinstance(event, ExitDecided):
            found.append((event.bar_time_ms, "exit", str(event.reason)))
    return found


def is_protected(desk: Desk) -> bool:
    """Tell whether the stops that rest at the venue are of the whole position there, if there is one."""
    account = desk.server.account(ACCOUNT)
    held = sum(account.positions.values())
    stops = sum(
        order.rest
        for order in account.open_orders
        if order.trigger is not None and not order.trigger.is_take_profit and order.sign * held < 0
    )
    return stops >= abs(held)


@pytest.mark.live
def test_decisions_are_those_of_the_core_on_the_run_s_own_state(tmp_path):
    candles = generated_candles(SEED, HISTORY + BARS + 40)
    desk = Desk(
        tmp_path / "home", candles.bars(), candles.timeframe, history=HISTORY, toml=SAMPLE, funding_rate=0.0
    )
    engine = desk.engine()
    try:
        desk.wait_held(engine)
        run_id = desk.hand_over("sample", "--capital", 4_000, "--leverage", 2)
        seen_positions = 0
        for _ in range(BARS):
            last_ms = desk.bars[desk.next_bar - 1].time_ms
            desk.play_bar()
            # The venue's time stands until then: no bar begins on a position without its whole stop.
            until(lambda: is_protected(desk) or None, f"the stop before bar {desk.next_bar}")
            seen_positions += bool(desk.server.account(ACCOUNT).positions)
        desk.do("run", "stop", run_id, "--mode", "leave")
        until(lambda: desk.rows("select 1 from run where state = 'STOPPED'") or None, "the stop")
    finally:
        engine.kill()
        engine.wait()
        desk.close()
    shadow = Shadow(desk.home, candles)
    shadow.live_through(last_ms)
    assert shadow.run.state is RunState.STOPPED
    assert not [event for event in shadow.journal if isinstance(event, DecisionDropped)]
    assert said(shadow.journal) == shadow.decisions
    moved = [
        event.stop
        for event in shadow.journal
        if isinstance(event, ProtectionMoved) and event.stop is not None
    ]
    assert moved == shadow.stops
    reasons = {trade["reason"] for trade in desk.shown()["trades"]}
    assert reasons & {"stop_loss", "trailing_stop"}
    assert len(shadow.decisions) > 3
    assert seen_positions > 3
