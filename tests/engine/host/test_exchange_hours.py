"""A run whose session names an exchange: the engine has its hours found, and stores them with the run."""

from pathlib import Path

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.market.exchange_hours import hours_of, with_hours
from firstwatch.market.sessions import SessionCalendar
from firstwatch.store import runs, trades
from firstwatch.store.commands import CommandOutcome
from firstwatch.store.database import open_store
from firstwatch.trading.launch import SessionPolicy, SessionSettings
from firstwatch.trading.timeframe import Timeframe
from tests.engine.host import rig


def test_a_run_trades_in_the_hours_of_an_exchange(tmp_path: Path) -> None:
    pytest.importorskip("exchange_calendars")
    settings = rig.make_folder(tmp_path)
    store = open_store(tmp_path)
    session = SessionSettings(policy=SessionPolicy.PAUSE_ENTRIES, calendar="XNYS")
    host = EngineHost(store, settings)
    host.start()
    try:
        wrong = rig.start_run(
            store, "cd" * 8, rig.launch(session=session.model_copy(update={"calendar": "XNYX"}))
        )
        assert wrong.outcome is CommandOutcome.REFUSED
        assert "there is no exchange of that code" in wrong.sentence
        assert rig.start_run(store, rig.RUN, rig.launch(session=session)).sentence.endswith("started")
        rig.ended(store, rig.RUN)
    finally:
        host.drain_and_stop()
    with store.read() as read:
        run, closed = runs.get_run(read, rig.RUN), trades.trades_of(read, rig.RUN)
    assert run.settings.session.hours == hours_of("XNYS")
    calendar = SessionCalendar(with_hours(session))
    assert len(closed) > 3
    assert all(calendar.may_enter(trade.entry_time_ms, Timeframe.H1) for trade in closed)
    store.close()
