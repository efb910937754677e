"""What the venue's answers mean, those that have no documented shape, too."""

from decimal import Decimal

import pytest

from firstwatch.trading.errors import VenueError
from firstwatch.trading.orders import OrderState
from firstwatch.venues.hyperliquid.answers import Taken, read_answer
from firstwatch.venues.hyperliquid.parse import state_of
from firstwatch.venues.protocol import Refused, Unknown


def answered(*statuses):
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(statuses)}}}


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        ({"status": "ok", "response": {"type": "default"}}, Taken()),
        (answered("success"), Taken()),
        (answered("waitingForTrigger"), Taken()),
        (answered({"resting": {"oid": 7}}), Taken("7")),
        (
            answered({"filled": {"oid": 7, "totalSz": "1.5", "avgPx": "99"}}),
            Taken("7", Decimal("1.5"), Decimal(99)),
        ),
        (answered({"error": "Reduce only order would increase"}), "reduce_only"),
        ({"status": "err", "response": "Insufficient margin"}, "margin"),
    ],
)
def test_an_answer_says_what_became_of_the_action(answer, meaning):
    read = read_answer(answer)
    assert (read.code if isinstance(read, Refused) else read) == meaning


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        "ok",
        [],
        {},
        {"status": "ok"},
        {"status": "err"},
        {"status": "ok", "response": None},
        {"status": "ok", "response": {"type": "order", "data": ["x"]}},
        {"status": "ok", "response": {"type": "order", "data": {"statuses": {"error": "x"}}}},
        {"status": "ok", "response": {"type": "order", "data": {"statuses": "x"}}},
        answered(),
        answered("success", "success"),
        answered(None),
        answered(7),
        answered("error"),
        answered({}),
        answered({"filled": {}}),
        answered({"filled": None}),
        answered({"filled": {"oid": 1, "totalSz": "x", "avgPx": "1"}}),
        answered({"filled": {"oid": 1, "totalSz": None, "avgPx": "1"}}),
        answered({"resting": {"foo": 1}}),
        answered({"resting": 1}),
    ],
    ids=str,
)
def test_a_broken_answer_leaves_the_action_in_doubt(answer):
    assert isinstance(read_answer(answer), Unknown)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("open", OrderState.ACCEPTED),
        ("triggered", OrderState.ACCEPTED),
        ("filled", OrderState.CANCELED),
        ("canceled", OrderState.CANCELED),
        ("scheduledCancel", OrderState.CANCELED),
        ("internalCancel", OrderState.CANCELED),
        ("vaultWithdrawalCanceled", OrderState.CANCELED),
        ("iocCancelRejected", OrderState.CANCELED),
        ("expired", OrderState.CANCELED),
        ("rejected", OrderState.REJECTED),
        ("perpMarginRejected", OrderState.REJECTED),
    ],
)
def test_a_status_says_where_an_order_stands(status, state):
    assert state_of(status, Decimal(1), Decimal(0)) is state


def test_a_status_without_a_meaning_is_said():
    with pytest.raises(VenueError, match="cannot be understood"):
        state_of("dancing", Decimal(1), Decimal(0))
