"""Which alarms there are to send, and what is remembered of what was sent."""

from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.store import journal, runs, wallet_status, wallets
from firstwatch.store.alerts import (
    Failing,
    Sent,
    failing,
    forget_others,
    note_failing,
    note_sent,
    rises,
    sent_to,
)
from firstwatch.store.wallet_status import Held, WalletMoney
from firstwatch.trading.alarms import UNMANAGED
from firstwatch.trading.events import AlarmCleared, AlarmRaised
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, Exposure, RunState
from tests.store.made import NOW_MS, made_run, run_id_of

RUN = run_id_of(1)
HELD = (Held("BTC/USDC:USDC", Side.LONG, Decimal("0.1")),)


def test_an_alarm_is_listed_while_it_is_active_and_after_that_if_it_is_asked_for(store):
    with store.write() as session:
        made_run(session)
        for event, at_ms in (
            (AlarmRaised(topic="venue", sentence="away"), NOW_MS),
            (AlarmCleared(topic="venue"), NOW_MS + 5),
            (AlarmRaised(topic="watch", sentence="not watched"), NOW_MS + 7),
        ):
            journal.append_system_events(session, RUN, [event], now_ms=at_ms)
    with store.read() as session:
        assert [rise.key for rise in rises(session, over_since_ms=None)] == [(RUN, "watch")]
        assert [rise.topic for rise in rises(session, over_since_ms=NOW_MS + 6)] == ["watch"]
        found = rises(session, over_since_ms=NOW_MS + 5)
    assert [(rise.topic, rise.since_ms, rise.cleared_ms) for rise in found] == [
        ("venue", NOW_MS, NOW_MS + 5),
        ("watch", NOW_MS + 7, None),
    ]
    assert all(rise.is_relevant for rise in found)


@pytest.mark.parametrize(
    ("ends_at_ms", "exposure", "is_alarm"),
    [
        (None, Exposure.FLAT, False),
        (NOW_MS + 10, Exposure.FLAT, True),
        (NOW_MS + 20, Exposure.FLAT, False),
        (NOW_MS + 10, Exposure.EXPOSED, False),
    ],
    ids=["its run is active", "its run has ended", "not read since its run ended", "its run has left it"],
)
def test_a_wallet_that_holds_what_no_run_manages_is_an_alarm(store, ends_at_ms, exposure, is_alarm):
    with store.write() as session:
        made_run(session)
        run = runs.get_run(session, RUN)
        wallet_status.set_money(
            session, run.wallet_id, WalletMoney(Decimal(9), Decimal(1), HELD, NOW_MS + 15)
        )
        if ends_at_ms is not None:
            runs.transition(
                session, RUN, RunState.FAILED, "it fails", author=Author.SYSTEM, local_time_ms=ends_at_ms
            )
            runs.update_side_facts(session, RUN, replace(run.facts, exposure=exposure))
    with store.read() as session:
        found = rises(session, over_since_ms=None)
    assert [rise.key for rise in found] == ([(run.wallet, UNMANAGED)] if is_alarm else [])
    assert all(rise.is_of_wallet and rise.since_ms == NOW_MS + 15 for rise in found)


def test_an_archived_wallet_and_one_that_holds_nothing_are_no_alarm(store):
    with store.write() as session:
        for name, held in (("empty", ()), ("holds", HELD)):
            wallet = wallets.create_wallet(
                session, name, venue="hl", kind="hyperliquid", now_ms=1, account=name
            )
            wallet_status.set_money(session, wallet.id, WalletMoney(Decimal(9), Decimal(1), held, NOW_MS))
    with store.read() as session:
        assert [rise.owner for rise in rises(session, over_since_ms=None)] == ["holds"]


def test_what_was_sent_and_who_takes_nothing_is_kept_by_address(store):
    with store.write() as session:
        made_run(session)
        event = AlarmRaised(topic="watch", sentence="not watched")
        journal.append_system_events(session, RUN, [event], now_ms=NOW_MS)
        (rise,) = rises(session, over_since_ms=None)
        note_sent(session, "a", [rise], now_ms=NOW_MS + 1)
        note_sent(session, "a", [replace(rise, since_ms=NOW_MS + 2)], now_ms=NOW_MS + 3)
        note_sent(session, "b", [rise], now_ms=NOW_MS + 1)
        note_failing(session, "a", Failing(1, "no"))
        note_failing(session, "b", Failing(2, "no"))
        note_failing(session, "b", None)
    with store.read() as session:
        assert sent_to(session, "a") == {rise.key: Sent(NOW_MS + 2, NOW_MS + 3)}
        assert failing(session) == {"a": Failing(1, "no")}
    with store.write() as session:
        forget_others(session, ["b"])
        assert sent_to(session, "a") == {}
        assert sent_to(session, "b") == {rise.key: Sent(NOW_MS, NOW_MS + 1)}
        assert failing(session) == {}
