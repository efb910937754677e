"""Engines as processes: one holds the lock, another takes over, a stopped one is not overtaken."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstwatch.engine.host.background import READY, WAITING, BackgroundError, start_background
from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.lock import EngineState, holder_of, presence
from firstwatch.store import hosts, journal
from firstwatch.store.database import Store, open_store
from firstwatch.trading.commands import StopEngine
from firstwatch.trading.events import OrderIntended, OrderMoved
from firstwatch.trading.orders import OrderState
from firstwatch.trading.runs import RunState
from tests.engine.host import rig
from tests.engine.host.processes import engine_process

_SENT = (OrderState.SUBMITTED, OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.FILLED)


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    rig.make_folder(folder, bars=2000, speed=60_000)
    store = open_store(folder)
    yield store
    store.close()


def _last_bar(store: Store) -> int | None:
    with store.read() as session:
        checkpoint = journal.load_checkpoint(session, rig.RUN)
    return None if checkpoint is None else checkpoint.updated_at_ms


def _moves_on(store: Store) -> None:
    """Wait until the run has handled something that it had not handled before."""
    before = _last_bar(store)
    rig.until(lambda: _last_bar(store) != before or None, "the run to go on")


def test_two_processes_one_engine_and_a_takeover_after_kill_9(folder: Path, store: Store) -> None:
    with engine_process(folder) as one, engine_process(folder) as two:
        first = rig.until(lambda: next((p for p in (one, two) if p.holds), None), "one to hold the engine")
        second = two if first is one else one
        rig.start_run(store, rig.RUN)
        _moves_on(store)
        assert first.holds
        first.kill()
        second.wait_holding()
        _moves_on(store)
        with store.read() as session:
            recovered = journal.events_of_kinds(session, rig.RUN, {"recovered"})
        assert len(recovered) == 1
    assert rig.run_of(store, rig.RUN).state is RunState.RUNNING


def test_a_stopped_holder_is_not_overtaken_and_recovers_first_when_let_go(folder: Path, store: Store) -> None:
    with engine_process(folder) as holder:
        holder.wait_holding()
        rig.start_run(store, rig.RUN)
        _moves_on(store)
        holder.stop()
        with engine_process(folder) as other:
            with store.read() as session:
                host = hosts.current_host(session)
            assert host is not None
            epoch = host.epoch
            # Long enough that the heartbeat is too old for the holder to send when it goes on.
            begun_s = time.monotonic()
            rig.until(lambda: time.monotonic() - begun_s > 2.5 or None, "the heartbeat to grow old")
            assert not other.holds
            seen = presence(folder, 2.5)
            assert seen.state is EngineState.NOT_RESPONDING
            assert f"not responding, pid {holder.pid}" in seen.sentence
            with store.read() as session:
                last = journal.last_sequence(session, rig.RUN)
            holder.signal(signal.SIGCONT)
            rig.until(lambda: _epoch(store) > epoch or None, "the holder to claim the engine anew")
            _moves_on(store)
            with store.read() as session:
                after = [entry.event for entry in journal.events_after(session, rig.RUN, last)]
            # One event may have been half way through when the process stopped: what it decided is a row, and
            # is not sent.
            before = after[: [event.kind for event in after].index("recovered")]
            new = {event.client_order_id for event in before if isinstance(event, OrderIntended)}
            moved = {event.client_order_id: event.new for event in before if isinstance(event, OrderMoved)}
            assert {order_id for order_id in new if moved.get(order_id) in _SENT} == set()
            assert holder.holds


def _epoch(store: Store) -> int:
    with store.read() as session:
        host = hosts.current_host(session)
    return 0 if host is None else host.epoch


def test_sigterm_drains_and_exits(folder: Path, store: Store) -> None:
    with engine_process(folder) as process:
        process.wait_holding()
        rig.start_run(store, rig.RUN)
        _moves_on(store)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert holder_of(folder) is None
    assert rig.run_of(store, rig.RUN).state is RunState.RUNNING


def test_a_background_engine_takes_over_and_stops_by_command(folder: Path, store: Store) -> None:
    settings = rig.load_settings(home=folder)
    host = EngineHost(store, settings)
    host.start()
    rig.start_run(store, rig.RUN)
    background = start_background(folder, settings.config)
    background.wait_until(WAITING, 20.0)
    assert host.is_running
    host.drain_and_stop()
    background.wait_until(READY, 20.0)
    holder = holder_of(folder)
    assert holder is not None
    assert holder.pid == background.pid
    _moves_on(store)
    rig.answered(store, rig.submit(store, StopEngine()))
    rig.until(lambda: holder_of(folder) is None or None, "the background engine to let go")
    background.forget()
    log = folder / "engine.log"
    rig.until(lambda: "the engine has ended" in log.read_text(encoding="utf-8") or None, "the log to say so")


def test_a_background_engine_that_cannot_start_says_why(folder: Path) -> None:
    (folder / "config.toml").write_text("[venues.x]\nkind = 'moon'\n", encoding="utf-8")
    background = start_background(folder, None)
    with pytest.raises(BackgroundError, match="moon"):
        background.wait_until(READY, 20.0)
    background.forget()
