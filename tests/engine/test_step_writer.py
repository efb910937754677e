"""What a step writes beside its own records."""

from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.engine.core.records import FactsRow, OrderChanged
from firstwatch.engine.worker.step_writer import Part, StepMetadata, Written, persist
from firstwatch.store import watch
from firstwatch.store.database import open_store
from firstwatch.store.orders import get_order, upsert_order
from firstwatch.trading.orders import OrderState
from firstwatch.trading.runs import Exposure, Health, Protection
from tests.store.made import made_order, made_run


def facts(health: Health) -> FactsRow:
    return FactsRow(
        is_paused=False, pause_reasons=(), health=health, health_sentence="", exposure=Exposure.FLAT,
        protection=Protection.NOT_NEEDED, stop_mode=None, exit_reason=None, sentence="",
    )  # fmt: skip


@pytest.mark.parametrize("is_restarted", [False, True])
def test_stale_data_are_time_lost_until_they_are_fresh_again(tmp_path: Path, is_restarted: bool) -> None:
    store = open_store(tmp_path)
    with store.write() as session:
        run_id = made_run(session).id
    written = Written()
    steps = ((10, Health.OK), (20, Health.STALE), (30, Health.STALE), (40, Health.DEGRADED), (50, Health.OK))
    for time_ms, health in steps:
        if is_restarted:
            written = Written()
        part = Part([facts(health)], StepMetadata("paper", "BTC/USDC:USDC", time_ms, time_ms))
        with store.write() as session:
            persist(session, run_id, [part], "{}", written=written)
    with store.read() as session:
        lost = watch.lost_of(session, run_id)
    whole = [watch.TimeLost(20, 40, watch.STALE)]
    parts = [watch.TimeLost(20, 30, watch.STALE), watch.TimeLost(30, 40, watch.STALE)]
    assert lost == (parts if is_restarted else whole)
    store.close()


def test_an_order_that_moves_twice_in_a_transaction_keeps_both_moves(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.write() as session:
        run_id = made_run(session).id
        upsert_order(session, made_order(run_id))
    order_id = made_order(run_id).client_order_id
    parts = [
        Part(
            [OrderChanged(order_id, state, why, Decimal(filled), None, "7", time_ms)],
            StepMetadata("paper", "BTC/USDC:USDC", time_ms, time_ms),
        )
        for time_ms, state, why, filled in (
            (10, OrderState.ACCEPTED, "taken", "0"),
            (20, OrderState.FILLED, "filled", "0.5"),
        )
    ]
    with store.write() as session:
        persist(session, run_id, parts, "{}", written=Written())
    with store.read() as session:
        stored = get_order(session, order_id)
    assert stored is not None
    assert (stored.state, stored.filled, stored.updated_at_ms) == (OrderState.FILLED, Decimal("0.5"), 20)
    assert [(move.time_ms, move.state, move.why) for move in stored.history[-2:]] == [
        (10, OrderState.ACCEPTED, "taken"),
        (20, OrderState.FILLED, "filled"),
    ]
    store.close()
