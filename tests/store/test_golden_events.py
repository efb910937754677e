"""Journal rows of every older version are still read: one golden file per version, never edited.

A new version or kind adds lines; ``python -m tests.store.test_golden_events`` prints today's.
"""

from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from firstwatch.trading import events
from firstwatch.trading.events import PAYLOAD_VERSION, RUN_EVENT, RunEvent
from firstwatch.trading.hazards import Hazard
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState, Side
from firstwatch.trading.runs import ExitReason, RunState, StopMode
from firstwatch.trading.why import ConditionValue

GOLDEN = Path(__file__).parent / "golden"
_KINDS = get_args(get_args(RunEvent)[0])
_ORDER = f"{7:016x}{1:016x}"
_CONDITIONS = (
    ConditionValue(
        group="entry.short.required",
        condition="ema(9) crosses below ema(21)",
        left=60000.5,
        right=60001.25,
        value=True,
        compares_prices=True,
    ),
    ConditionValue(group="entry.short.optional", condition="rsi(14) > 70", right=70.0),
)

EXAMPLES: tuple[RunEvent, ...] = (
    events.Transitioned(old=None, new=RunState.NEW, why="asked"),
    events.Transitioned(old=RunState.RUNNING, new=RunState.STOPPING, why="stop", stop_mode=StopMode.CLOSE),
    events.Transitioned(
        old=RunState.RUNNING,
        new=RunState.STOPPING,
        why="maintenance",
        stop_mode=StopMode.LEAVE,
        hazard=Hazard.MAINTENANCE,
    ),
    events.CheckWaived(check="sharpe", found="0.7", reason="a trial with little money"),
    events.EntryDecided(bar_time_ms=1, side=Side.LONG, amount=Decimal("0.01"), expected_price=60000.1),
    events.ExitDecided(bar_time_ms=2, reason=ExitReason.SIGNAL, expected_price=60100.5),
    events.DecisionDropped(bar_time_ms=3, decision="entry long", cause="late"),
    events.EntryDecided(
        bar_time_ms=4, side=Side.SHORT, amount=Decimal("0.01"), expected_price=60000.1, conditions=_CONDITIONS
    ),
    events.ExitDecided(
        bar_time_ms=5, reason=ExitReason.SIGNAL, expected_price=60100.5, conditions=_CONDITIONS[1:]
    ),
    events.DecisionDropped(bar_time_ms=6, decision="enter short", cause="late", conditions=_CONDITIONS[:1]),
    events.OrderIntended(
        client_order_id=_ORDER,
        purpose=OrderPurpose.STOP,
        side=OrderSide.SELL,
        order_kind=OrderKind.STOP,
        amount=Decimal("0.01"),
        price=Decimal("51300.5"),
        trigger_price=Decimal("57000.5"),
        reduce_only=True,
    ),
    events.OrderMoved(
        client_order_id=_ORDER, old=OrderState.SUBMITTED, new=OrderState.UNKNOWN, why="the answer was lost"
    ),
    events.FillBooked(
        fill_id="f1",
        client_order_id=None,
        side=OrderSide.BUY,
        amount=Decimal("0.01"),
        price=Decimal("60000.1"),
        fee=Decimal("-0.0000001"),
        mid_at_decision=60000.05,
    ),
    events.FundingBooked(paid=Decimal("0.0075"), rate=Decimal("0.0000125")),
    events.TradeClosed(
        side=Side.SHORT,
        amount=Decimal("0.01"),
        entry_price=Decimal(60000),
        exit_price=Decimal("59000.5"),
        pnl=Decimal("9.4"),
        reason=ExitReason.TAKE_PROFIT,
    ),
    events.TradeClosed(
        side=Side.LONG,
        amount=Decimal("0.01"),
        entry_price=Decimal(60000),
        exit_price=Decimal("58999.5"),
        pnl=Decimal("-10.5"),
        reason=ExitReason.TRAILING_STOP,
        level=Decimal(59000),
    ),
    events.ProtectionMoved(stop=Decimal("57000.5"), target=None, why="trailing"),
    events.EntriesPaused(why="daily loss"),
    events.EntriesResumed(why="operator"),
    events.AlarmRaised(topic="unprotected", sentence="The position has no stop at the venue."),
    events.AlarmCleared(topic="unprotected"),
    events.Recovered(why="the engine was started", past_bars=3, doubtful_orders=1),
    events.Adopted(side=Side.LONG, amount=Decimal("0.01"), entry_price=Decimal(59000), mark=60000.5),
    events.HoleFound(first_ms=1, last_ms=2, is_confirmed=False),
    events.Noted(sentence="The limit of trades is reached."),
    events.LateBar(bar_time_ms=4),
    events.BarRevised(bar_time_ms=5, seen=(60000.5, 60010.0, 59990.5, 60001.0, 12.5), read=None),
    events.EquityCompared(venue=Decimal("10012.34"), ledger=Decimal("5012.34"), begins=True),
    events.CoreNoted(code=NoteCode.SIZE_CAPPED, sentence="the entry is capped"),
    events.EntryDecided(
        bar_time_ms=7, side=Side.LONG, amount=Decimal("0.05"), expected_price=60000.1, slices=3
    ),
    events.SliceDecided(bar_time_ms=8, side=Side.LONG, amount=Decimal("0.02"), number=2, slices=3),
    events.SlicesCancelled(side=Side.LONG, amount=Decimal("0.03"), cause="paused"),
)


def today() -> list[str]:
    return [event.model_dump_json() for event in EXAMPLES]


def lines_of(version: int) -> list[str]:
    return (GOLDEN / f"run_events_v{version}.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("version", range(1, PAYLOAD_VERSION + 1))
def test_every_older_payload_is_read(version: int) -> None:
    read = [RUN_EVENT.validate_json(line) for line in lines_of(version)]
    if version == PAYLOAD_VERSION:
        assert read == list(EXAMPLES)


def test_today_s_payloads_are_those_of_the_golden_file() -> None:
    assert today() == lines_of(PAYLOAD_VERSION)


def test_the_golden_file_holds_every_kind() -> None:
    assert {type(event) for event in EXAMPLES} == set(_KINDS)


if __name__ == "__main__":
    print("\n".join(today()))  # noqa: T201
